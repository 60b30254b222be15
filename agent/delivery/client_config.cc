#include "agent/delivery/client_config.h"

#include <xxhash.h>

#include <algorithm>

#include <yaml-cpp/yaml.h>

#include "agent/discovery/http_client_config.h"
#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class Reader {
 public:
  Reader(std::string_view place, std::vector<std::string>* warnings) : place_(place), warnings_(warnings) {}

  absl::StatusOr<ClientConfig> Read(const YAML::Node& client) {
    if (!client.IsMap()) return InvalidArgument("{}: a client is not a map", At(client));
    for (const auto& item : client) RETURN_IF_ERROR(ReadKey(item.first, item.second));
    std::string& url = out_.loki.target.url;
    if (url.empty()) return InvalidArgument("{}: a client needs a url", At(client));
    if (url.starts_with("grpc://")) {
      out_.grpc_server = url.substr(7);
      while (out_.grpc_server.ends_with('/')) out_.grpc_server.pop_back();
      if (const std::string& proxy = out_.loki.target.proxy_url;
          !proxy.empty() && !proxy.starts_with("http://"))
        return InvalidArgument("{}: gRPC goes through proxies at http:// alone", At(client));
    } else if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return InvalidArgument("{}: url {} begins with neither http://, https:// nor grpc://", At(client), url);
    }
    if (out_.name.empty()) out_.name = fmt::format("{:016x}", XXH3_64bits(url.data(), url.size()));
    return std::move(out_);
  }

 private:
  std::string At(const YAML::Node& node) const {
    return fmt::format("{}:{}:{}", place_, node.Mark().line + 1, node.Mark().column + 1);
  }
  void Warn(const YAML::Node& node, std::string_view text) {
    warnings_->push_back(fmt::format("{}: {}", At(node), text));
  }
  void Unknown(const YAML::Node& key) { Warn(key, key.Scalar() + " is not known here and is ignored"); }
  absl::Status ReadDuration(const YAML::Node& node, int64_t* ns) const {
    const std::optional<int64_t> parsed = ParseConfigDuration(node.Scalar());
    if (!parsed || *parsed <= 0)
      return InvalidArgument("{}: \"{}\" is not a duration like 5s", At(node), node.Scalar());
    *ns = *parsed;
    return absl::OkStatus();
  }

  absl::Status ReadKey(const YAML::Node& key_node, const YAML::Node& value) {
    const std::string key = key_node.Scalar();
    HttpTarget& target = out_.loki.target;
    if (key == "url") {
      target.url = value.Scalar();
    } else if (key == "name") {
      out_.name = value.Scalar();
      if (out_.name.find('/') != std::string::npos || out_.name.starts_with('.'))
        return InvalidArgument("{}: name {} names a directory: no / and no leading dot", At(value),
                               out_.name);
    } else if (key == "tenant_id") {
      out_.loki.tenant = value.Scalar();
    } else if (key == "batchwait") {
      int64_t ns = 0;
      RETURN_IF_ERROR(ReadDuration(value, &ns));
      out_.wait_ns = ns;
    } else if (key == "batchsize") {
      const std::optional<uint64_t> bytes = ParseConfigBytes(value.Scalar());
      if (!bytes || *bytes == 0)
        return InvalidArgument("{}: \"{}\" is not a number of bytes", At(value), value.Scalar());
      out_.batch_bytes = bytes;
    } else if (key == "timeout") {
      int64_t ns = 0;
      RETURN_IF_ERROR(ReadDuration(value, &ns));
      target.timeout_ms = std::max<int64_t>(ns / kNsPerMs, 1);
    } else if (key == "external_labels") {
      for (const auto& label : value) {
        if (!IsLabelName(label.first.Scalar()))
          return InvalidArgument("{}: \"{}\" is not a label name", At(label.first), label.first.Scalar());
        out_.loki.external_labels.Set(label.first.Scalar(), label.second.Scalar());
      }
    } else if (key == "headers") {
      for (const auto& header : value)
        target.headers.emplace_back(header.first.Scalar(), header.second.Scalar());
    } else if (key == "backoff_config") {
      for (const auto& item : value) {
        const std::string name = item.first.Scalar();
        if (name == "min_period") {
          RETURN_IF_ERROR(ReadDuration(item.second, &out_.loki.min_backoff_ns));
        } else if (name == "max_period") {
          RETURN_IF_ERROR(ReadDuration(item.second, &out_.loki.max_backoff_ns));
        } else if (name == "max_retries") {
          Warn(item.first, "max_retries has no effect: what can be read again is sent until it is taken");
        } else {
          Unknown(item.first);
        }
      }
    } else if (key == "drop_rate_limited_batches") {
      if (ParseConfigBool(value.Scalar()).value_or(false))
        Warn(key_node, "drop_rate_limited_batches has no effect: a rate limit delays lines, it drops none");
    } else {
      ASSIGN_OR_RETURN(const bool known, ReadHttpClientKey(key_node, value, place_, &target, warnings_));
      if (!known) Unknown(key_node);
    }
    return absl::OkStatus();
  }

  const std::string_view place_;
  std::vector<std::string>* const warnings_;
  ClientConfig out_;
};

}  // namespace

absl::StatusOr<ClientConfig> ReadClientConfig(const YAML::Node& client, std::string_view place,
                                              std::vector<std::string>* warnings) {
  try {
    return Reader(place, warnings).Read(client);
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}: {}", place, e.what());
  }
}

}  // namespace skald::agent
