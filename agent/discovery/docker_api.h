// Requests to Docker's API over its Unix socket.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace skald::agent {

class DockerCall;

// Ends the calls that are under way, and those to come. Thread-safe; outlives its calls.
class DockerCalls {
 public:
  explicit DockerCalls(std::string socket) : socket_(std::move(socket)) {}
  const std::string& socket() const { return socket_; }
  void Stop();
  bool stopping() const;
  // False when Stop was called before the time had passed.
  bool Wait(int64_t ns) const;

 private:
  friend class DockerCall;
  const std::string socket_;
  mutable std::mutex mu_;
  bool stopping_ = false;       // guarded by mu_
  std::set<DockerCall*> open_;  // guarded by mu_
};

// One GET over a connection of its own. Not thread-safe.
class DockerCall {
 public:
  explicit DockerCall(DockerCalls* calls) : calls_(calls) {}
  ~DockerCall();
  DockerCall(const DockerCall&) = delete;
  DockerCall& operator=(const DockerCall&) = delete;

  // timeout_ns: for each read and write.
  bool Send(const std::string& target, int64_t timeout_ns);
  // The whole answer: its status and body; 0 where there is none.
  int ReadAll(std::string* body);
  // False unless the answer is a 200.
  bool ReadHeader();
  // Some bytes of an answer that does not end; false when it does, or nothing came in time.
  bool ReadSome();

 private:
  friend class DockerCalls;
  DockerCalls* const calls_;
  boost::asio::io_context context_;
  boost::asio::local::stream_protocol::socket socket_{context_};
  boost::beast::flat_buffer buffer_;
  boost::beast::http::response_parser<boost::beast::http::buffer_body> stream_;
};

}  // namespace skald::agent
