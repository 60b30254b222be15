// Which handler a request goes to. Paths are exact but for {name} segments; what does not match is answered
// here, as Loki answers it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/http_message.h"

namespace skald::server {

using Handler = std::function<void(HttpRequestPtr, ResponderPtr)>;

class WebSocketSession;  // server/http/web_socket.h

// What becomes of a request for a WebSocket: a session, or the answer that refuses it.
struct Upgrade {
  std::shared_ptr<WebSocketSession> session;
  HttpResponse refusal;
};

struct Route {
  Handler handle;
  // In place of `handle` for a path that speaks WebSocket; runs on the connection's thread and must not wait.
  std::function<Upgrade(const HttpRequestPtr&)> upgrade;
  // Bodies beyond it are not read; too_large answers instead, with the size where it is known (else 0).
  uint64_t max_body_bytes = uint64_t{10} << 20;
  bool gzip = false;  // large answers go out compressed where the client takes that
  std::function<HttpResponse(const HttpRequest&, uint64_t size)> too_large;
};

// Filled before the server starts, then only read: thread-safe.
class Router {
 public:
  // A method may be added to a path that is there already.
  void Add(const std::vector<std::string>& methods, const std::string& pattern, Route route);

  struct Match {
    const Route* route = nullptr;  // null: `answer` is the answer
    HttpResponse answer;
  };
  // Fills path, raw_query, path_params and pattern of the request from its target. 301 to the cleaned path,
  // 404 for an unknown one, 405 with an empty body for another method, 400 for a path that does not decode.
  Match Find(HttpRequest* request) const;

  std::vector<std::string> Patterns() const;

 private:
  struct Entry {
    std::string pattern;
    std::vector<std::string> segments;
    std::vector<std::pair<std::string, Route>> by_method;
  };
  std::vector<Entry> entries_;
};

}  // namespace skald::server
