// What a handler gets and gives: one HTTP request, its answer, and the one who takes the answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "query/exec/cancel_token.h"

namespace skald::server {

// Immutable once a handler has it. Thread-safe to read.
struct HttpRequest {
  std::string method;
  std::string target;                                            // as sent: path and query
  std::string path;                                              // decoded
  std::string raw_query;                                         // after '?', not decoded
  std::vector<std::pair<std::string, std::string>> headers;      // in order of arrival
  std::vector<std::pair<std::string, std::string>> path_params;  // {name} of the route, decoded
  std::string body;
  std::string remote;    // address:port of the other end
  std::string pattern;   // of the route, for metrics
  int64_t start_ns = 0;  // MonotonicNs when the head had arrived
  // Cancelled when the client leaves before its answer.
  std::shared_ptr<CancelToken> cancel;

  // The first header of this name (any case), "" if there is none.
  std::string_view Header(std::string_view name) const;
  std::string_view PathParam(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  // "" = none
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool close = false;  // end the connection after it
};

using HttpRequestPtr = std::shared_ptr<const HttpRequest>;

// Takes the answer to one request. Thread-safe; only the first Send counts. One that is dropped without Send
// answers 500.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void Send(HttpResponse response) = 0;
};

using ResponderPtr = std::shared_ptr<Responder>;

inline constexpr std::string_view kJsonType = "application/json; charset=UTF-8";
inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";

// 204 and other answers without a body.
HttpResponse EmptyResponse(int status);
// 200 with a JSON body in Loki's content type.
HttpResponse JsonResponse(std::string body);
// Plain text with X-Content-Type-Options: nosniff, as all of Loki's errors go out. The text goes out as it
// is: query errors have no newline at their end, push errors do.
HttpResponse TextResponse(int status, std::string text);

}  // namespace skald::server
