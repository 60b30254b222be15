// OAuth 2.0's client credentials: a token from an authorization server, kept until shortly before it ends.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/http_post.h"

namespace skald {

struct OAuth2Options {
  std::string client_id;
  std::string client_secret;
  std::string client_secret_file;  // read whenever a token is asked for
  std::string token_url;
  std::vector<std::string> scopes;
  std::vector<std::pair<std::string, std::string>> endpoint_params;  // sent along
  HttpTarget server;  // how the token URL is spoken to: certificates; the rest is filled in here
};

// Thread-safe: several requests may share one.
class OAuth2Tokens {
 public:
  explicit OAuth2Tokens(OAuth2Options options) : options_(std::move(options)) {}
  const OAuth2Options& options() const { return options_; }

  // The value of the header Authorization. Asks the server where there is no token that lasts another ten
  // seconds; others wait for it. Unavailable says why there is none.
  absl::StatusOr<std::string> Authorization();
  // It was refused: the next one is asked for.
  void Forget(const std::string& authorization);

 private:
  absl::Status Ask();
  // secret_in_header: the usual way; else both stand in the body.
  HttpResult Request(bool secret_in_header, const std::string& secret, std::string* body) const;

  const OAuth2Options options_;
  std::mutex mu_;
  std::string authorization_;     // guarded by mu_, as below; "" = none yet
  int64_t ends_ns_ = 0;           // monotonic, when it is to be replaced; 0 = it lasts
  bool secret_in_header_ = true;  // what the server takes
};

}  // namespace skald
