#include "base/oauth2.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <yaml-cpp/yaml.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "base/url_encode.h"

namespace skald {
namespace {

constexpr int64_t kEarlyNs = 10 * kNsPerSecond;
constexpr size_t kMaxAnswerBytes = size_t{1} << 20;

void AddField(std::string_view name, std::string_view value, std::string* form) {
  if (!form->empty()) *form += '&';
  *form += UrlEncode(name) + "=" + UrlEncode(value);
}

struct Token {
  std::string authorization;
  int64_t lasts_s = 0;  // 0 = nobody says
};

// JSON is YAML.
absl::StatusOr<Token> ReadToken(const std::string& body) {
  try {
    const YAML::Node answer = YAML::Load(body);
    Token token;
    if (!answer.IsMap() || !answer["access_token"]) return InvalidArgument("it has no access_token");
    std::string type = answer["token_type"] ? answer["token_type"].as<std::string>() : "Bearer";
    std::string lower = type;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (lower == "bearer" || lower.empty()) type = "Bearer";
    token.authorization = type + " " + answer["access_token"].as<std::string>();
    if (answer["expires_in"]) token.lasts_s = static_cast<int64_t>(answer["expires_in"].as<double>());
    return token;
  } catch (const YAML::Exception& error) {
    return InvalidArgument("it cannot be read: {}", error.what());
  }
}

}  // namespace

HttpResult OAuth2Tokens::Request(bool secret_in_header, const std::string& secret, std::string* body) const {
  std::string form;
  AddField("grant_type", "client_credentials", &form);
  std::string scopes;
  for (const std::string& scope : options_.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  if (!scopes.empty()) AddField("scope", scopes, &form);
  for (const auto& [name, value] : options_.endpoint_params) AddField(name, value, &form);
  HttpTarget target = options_.server;
  target.url = options_.token_url;
  if (secret_in_header) {
    target.basic_username = UrlEncode(options_.client_id);
    target.basic_password = UrlEncode(secret);
  } else {
    AddField("client_id", options_.client_id, &form);
    if (!secret.empty()) AddField("client_secret", secret, &form);
  }
  body->clear();
  return HttpPoster(std::move(target))
      .Post(form, {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}},
            [body](std::string_view piece) {
              body->append(piece);
              return body->size() <= kMaxAnswerBytes;
            });
}

absl::Status OAuth2Tokens::Ask() {
  std::string secret = options_.client_secret;
  if (!options_.client_secret_file.empty()) {
    ASSIGN_OR_RETURN(secret, ReadSecret(options_.client_secret_file));
  }
  std::string body;
  HttpResult result = Request(secret_in_header_, secret, &body);
  // Some servers take the secret in one place only.
  if (result.status / 100 == 4) {
    const HttpResult other = Request(!secret_in_header_, secret, &body);
    if (other.ok()) {
      secret_in_header_ = !secret_in_header_;
      result = other;
    }
  }
  if (!result.ok()) return Unavailable("{}", result.Text());
  absl::StatusOr<Token> token = ReadToken(body);
  if (!token.ok()) return Unavailable("the answer is no token: {}", MessageOf(token.status()));
  authorization_ = std::move(token->authorization);
  ends_ns_ = 0;
  if (token->lasts_s > 0)
    ends_ns_ = MonotonicNs() + std::max<int64_t>(token->lasts_s * kNsPerSecond - kEarlyNs, kNsPerSecond);
  return absl::OkStatus();
}

absl::StatusOr<std::string> OAuth2Tokens::Authorization() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (authorization_.empty() || (ends_ns_ != 0 && MonotonicNs() >= ends_ns_)) {
    if (const absl::Status asked = Ask(); !asked.ok())
      return Unavailable("no token from {}: {}", PublicUrl(options_.token_url), MessageOf(asked));
  }
  return authorization_;
}

void OAuth2Tokens::Forget(const std::string& authorization) {
  const std::lock_guard<std::mutex> lock(mu_);
  // Another one may be there already.
  if (authorization_ == authorization) authorization_.clear();
}

}  // namespace skald
