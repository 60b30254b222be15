#include "agent/tap_page.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "base/url_encode.h"

namespace skald::agent {
namespace {

constexpr int64_t kTakeNs = 200 * kNsPerMs;
constexpr double kMaxRate = 1000;

struct Asked {
  Tap::Options options;
  uint64_t limit = UINT64_MAX;
};

absl::StatusOr<Asked> ReadQuery(std::string_view query) {
  Asked asked;
  FormPairs pairs;
  RETURN_IF_ERROR(ParseForm(query, &pairs));
  for (const auto& [name, value] : pairs) {
    if (name == "selector") {
      ASSIGN_OR_RETURN(Selector selector, Selector::Parse(value));
      asked.options.selector = std::move(selector);
    } else if (name == "stages") {
      asked.options.stages = value != "0" && value != "false";
    } else if (name == "rate") {
      if (!absl::SimpleAtod(value, &asked.options.lines_per_second) || !(asked.options.lines_per_second > 0))
        return InvalidArgument("rate \"{}\" is not a number of lines a second", value);
      asked.options.lines_per_second = std::min(asked.options.lines_per_second, kMaxRate);
    } else if (name == "limit") {
      if (!absl::SimpleAtoi(value, &asked.limit) || asked.limit == 0)
        return InvalidArgument("limit \"{}\" is not a number of lines", value);
    } else {
      return InvalidArgument("{} is none of selector, stages, rate, limit", name);
    }
  }
  return asked;
}

// False where the client has gone.
bool Send(int connection, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void SendWhole(int connection, std::string_view status, std::string_view body) {
  Send(connection,
       fmt::format("HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
                   "Connection: close\r\n\r\n{}",
                   status, body.size(), body));
}

bool HasGone(int connection) {
  pollfd fd = {connection, POLLRDHUP, 0};
  return ::poll(&fd, 1, 0) > 0;
}

}  // namespace

TapPage::~TapPage() {
  stopping_ = true;
  for (Client& client : clients_) client.thread.join();
}

void TapPage::Serve(FileDescriptor connection, std::string_view query) {
  absl::StatusOr<Asked> asked = ReadQuery(query);
  if (!asked.ok()) {
    SendWhole(connection.get(), "400 Bad Request", std::string(MessageOf(asked.status())) + "\n");
    return;
  }
  const std::lock_guard<std::mutex> lock(mu_);
  for (auto client = clients_.begin(); client != clients_.end();) {
    if (!client->done) {
      ++client;
      continue;
    }
    client->thread.join();
    client = clients_.erase(client);
  }
  Client& client = clients_.emplace_back();
  client.thread = std::thread([this, &client, fd = std::make_shared<FileDescriptor>(std::move(connection)),
                               asked = *std::move(asked)] {
    Stream(fd->get(), asked.options, asked.limit);
    ::shutdown(fd->get(), SHUT_RDWR);
    client.done = true;
  });
}

void TapPage::Stream(int connection, Tap::Options options, uint64_t limit) {
  const std::shared_ptr<Tap::Session> session = tap_->Open(std::move(options));
  if (session == nullptr) {
    SendWhole(connection, "503 Service Unavailable", "enough look on already\n");
    return;
  }
  bool there = Send(connection,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n"
                    "Connection: close\r\n\r\n");
  while (there && limit > 0 && !stopping_ && !HasGone(connection)) {
    const std::string lines = session->Take(kTakeNs);
    std::string_view rest = lines;
    size_t end = 0;
    while (limit > 0 && end < rest.size()) {
      end = rest.find('\n', end) + 1;
      --limit;
    }
    there = Send(connection, rest.substr(0, end));
  }
  tap_->Close(session);
}

}  // namespace skald::agent
