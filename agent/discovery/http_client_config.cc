#include "agent/discovery/http_client_config.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>

#include <yaml-cpp/yaml.h>

#include "agent/discovery/discovery_config.h"
#include "base/config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/oauth2.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class Reader {
 public:
  Reader(std::string_view place, std::vector<std::string>* warnings) : place_(place), warnings_(warnings) {}

  absl::StatusOr<bool> Key(const YAML::Node& key_node, const YAML::Node& value, HttpTarget* target) {
    const std::string key = key_node.Scalar();
    if (key == "bearer_token") {
      target->credentials = value.Scalar();
    } else if (key == "bearer_token_file") {
      target->credentials_file = value.Scalar();
    } else if (key == "basic_auth") {
      Texts(value, {{"username", &target->basic_username},
                    {"password", &target->basic_password},
                    {"password_file", &target->basic_password_file}});
    } else if (key == "authorization") {
      Texts(value, {{"type", &target->authorization_type},
                    {"credentials", &target->credentials},
                    {"credentials_file", &target->credentials_file}});
    } else if (key == "tls_config") {
      Tls(value, target);
    } else if (key == "oauth2") {
      RETURN_IF_ERROR(OAuth2(value, target));
    } else if (key == "proxy_url") {
      RETURN_IF_ERROR(ProxyUrl(value, &target->proxy_url));
    } else if (key == "no_proxy") {
      target->no_proxy = value.Scalar();
    } else if (key == "proxy_connect_header") {
      for (const auto& header : value) {
        for (const YAML::Node& text : header.second)
          target->proxy_headers.emplace_back(header.first.Scalar(), text.Scalar());
      }
    } else if (key == "proxy_from_environment") {
      // That is so wherever there is no proxy_url.
      if (!ParseConfigBool(value.Scalar()).value_or(true))
        Warn(key_node, key + " is always on without proxy_url: unset HTTPS_PROXY and http_proxy");
    } else if (key != "follow_redirects" && key != "enable_http2") {
      return false;
    }
    return true;
  }

 private:
  void Warn(const YAML::Node& node, const std::string& text) {
    warnings_->push_back(PlaceOfNode(node, place_) + ": " + text);
  }
  void Unknown(const YAML::Node& key) { Warn(key, key.Scalar() + " is not known here and is ignored"); }

  absl::Status ProxyUrl(const YAML::Node& value, std::string* url) {
    *url = value.Scalar();
    for (const char* scheme : {"http://", "https://", "socks5://", "socks5h://"}) {
      if (url->starts_with(scheme)) return absl::OkStatus();
    }
    return url->empty()
               ? absl::OkStatus()
               : InvalidArgument("{}: proxy_url {} begins with none of http://, https:// and socks5://",
                                 PlaceOfNode(value, place_), PublicUrl(*url));
  }

  void Texts(const YAML::Node& map, std::initializer_list<std::pair<std::string_view, std::string*>> known) {
    for (const auto& item : map) {
      const auto* const place = std::find_if(
          known.begin(), known.end(), [&](const auto& one) { return one.first == item.first.Scalar(); });
      if (place == known.end()) {
        Unknown(item.first);
      } else {
        *place->second = item.second.Scalar();
      }
    }
  }

  void Tls(const YAML::Node& map, HttpTarget* target) {
    std::string skip;
    Texts(map, {{"ca_file", &target->ca_file},
                {"cert_file", &target->cert_file},
                {"key_file", &target->key_file},
                {"server_name", &target->server_name},
                {"insecure_skip_verify", &skip}});
    target->insecure_skip_verify = ParseConfigBool(skip).value_or(false);
  }

  absl::Status OAuth2(const YAML::Node& map, HttpTarget* target) {
    OAuth2Options options;
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (key == "client_id") {
        options.client_id = item.second.Scalar();
      } else if (key == "client_secret") {
        options.client_secret = item.second.Scalar();
      } else if (key == "client_secret_file") {
        options.client_secret_file = item.second.Scalar();
      } else if (key == "token_url") {
        options.token_url = item.second.Scalar();
      } else if (key == "scopes") {
        for (const YAML::Node& scope : item.second) options.scopes.push_back(scope.Scalar());
      } else if (key == "endpoint_params") {
        for (const auto& one : item.second)
          options.endpoint_params.emplace_back(one.first.Scalar(), one.second.Scalar());
      } else if (key == "tls_config") {
        Tls(item.second, &options.server);
      } else if (key == "proxy_url") {
        RETURN_IF_ERROR(ProxyUrl(item.second, &options.server.proxy_url));
      } else if (key == "no_proxy") {
        options.server.no_proxy = item.second.Scalar();
      } else {
        Unknown(item.first);
      }
    }
    for (const auto& [name, value] :
         {std::pair{"client_id", &options.client_id}, {"token_url", &options.token_url}}) {
      if (value->empty()) return InvalidArgument("{}: oauth2 needs {}", PlaceOfNode(map, place_), name);
    }
    if (!options.client_secret.empty() && !options.client_secret_file.empty()) {
      return InvalidArgument("{}: oauth2 takes client_secret or client_secret_file, not both",
                             PlaceOfNode(map, place_));
    }
    target->oauth2 = std::make_shared<OAuth2Tokens>(std::move(options));
    return absl::OkStatus();
  }

  const std::string_view place_;
  std::vector<std::string>* const warnings_;
};

// The element of this name in one of a kubeconfig's lists, and of it the part `kind`.
absl::StatusOr<YAML::Node> Named(const YAML::Node& root, const char* list, const char* kind,
                                 const std::string& name) {
  for (const YAML::Node& item : root[list]) {
    if (item["name"] && item["name"].Scalar() == name) return item[kind] ? item[kind] : YAML::Node();
  }
  return InvalidArgument("there is no \"{}\" among its {}", name, list);
}

std::string TextOf(const YAML::Node& map, const char* key) {
  return map.IsMap() && map[key] ? map[key].Scalar() : std::string();
}

absl::Status ReadContext(const std::string& path, HttpTarget* target) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  const YAML::Node root = YAML::Load(text);
  if (!root.IsMap()) return InvalidArgument("it is no map");
  const std::string current = TextOf(root, "current-context");
  if (current.empty()) return InvalidArgument("it has no current-context");
  ASSIGN_OR_RETURN(const YAML::Node context, Named(root, "contexts", "context", current));
  ASSIGN_OR_RETURN(const YAML::Node cluster, Named(root, "clusters", "cluster", TextOf(context, "cluster")));
  YAML::Node user;
  if (!TextOf(context, "user").empty()) {
    ASSIGN_OR_RETURN(user, Named(root, "users", "user", TextOf(context, "user")));
  }
  for (const char* program : {"exec", "auth-provider"}) {
    if (user.IsMap() && user[program])
      return InvalidArgument("its user has {}, and no program is run for a token; give it a token", program);
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  // A file, or its contents in base64: they win.
  const auto read = [&](const YAML::Node& map, const std::string& key, std::string* file,
                        std::string* pem) -> absl::Status {
    if (const std::string named = TextOf(map, key.c_str()); !named.empty())
      *file = (folder / named).lexically_normal().string();
    const std::string data = TextOf(map, (key + "-data").c_str());
    if (data.empty()) return absl::OkStatus();
    if (!absl::Base64Unescape(data, pem)) return InvalidArgument("{}-data is no base64", key);
    file->clear();
    return absl::OkStatus();
  };
  target->url = TextOf(cluster, "server");
  while (target->url.ends_with('/')) target->url.pop_back();
  if (target->url.empty()) return InvalidArgument("its cluster has no server");
  target->server_name = TextOf(cluster, "tls-server-name");
  target->insecure_skip_verify = ParseConfigBool(TextOf(cluster, "insecure-skip-tls-verify")).value_or(false);
  RETURN_IF_ERROR(read(cluster, "certificate-authority", &target->ca_file, &target->ca_pem));
  RETURN_IF_ERROR(read(user, "client-certificate", &target->cert_file, &target->cert_pem));
  RETURN_IF_ERROR(read(user, "client-key", &target->key_file, &target->key_pem));
  target->credentials = TextOf(user, "token");
  if (const std::string named = TextOf(user, "tokenFile"); !named.empty()) {
    target->credentials.clear();
    target->credentials_file = (folder / named).lexically_normal().string();
  }
  target->basic_username = TextOf(user, "username");
  target->basic_password = TextOf(user, "password");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> ReadHttpClientKey(const YAML::Node& key, const YAML::Node& value, std::string_view place,
                                       HttpTarget* target, std::vector<std::string>* warnings) {
  return Reader(place, warnings).Key(key, value, target);
}

absl::Status ReadKubeconfig(const std::string& path, HttpTarget* target) {
  absl::Status read;
  try {
    read = ReadContext(path, target);
  } catch (const YAML::Exception& error) {
    read = InvalidArgument("{}", error.what());
  }
  return read.ok() ? read : InvalidArgument("kubeconfig {}: {}", path, MessageOf(read));
}

}  // namespace skald::agent
