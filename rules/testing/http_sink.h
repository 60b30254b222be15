// A receiver of POST requests on loopback, for tests: answers what it is told to and keeps what it got.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace skald::rules {

class HttpSink {
 public:
  struct Request {
    std::string path;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
  };

  HttpSink();
  ~HttpSink();

  std::string url() const;
  // Of all requests from here on. extra: header lines, each ended by \r\n.
  void Answer(int status, std::string extra = "");
  std::vector<Request> requests() const;
  // Waits until there are n of them, ten seconds at most.
  std::vector<Request> WaitFor(size_t n) const;

 private:
  void Run();
  void Serve(int fd);

  int listen_fd_ = -1;
  int port_ = 0;
  mutable std::mutex mu_;
  std::vector<Request> requests_;  // guarded by mu_
  int status_ = 200;               // guarded by mu_
  std::string extra_;              // guarded by mu_
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::rules
