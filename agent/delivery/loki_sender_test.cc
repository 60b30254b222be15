// Loki's push over HTTP against a server that answers as it is told.
#include "agent/delivery/loki_sender.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "agent/delivery/delivery.h"
#include "agent/stages/stage.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/logproto.pb.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One connection at a time, one request each. Keeps the lines of pushes it answers with 2xx.
class LokiDouble {
 public:
  // Head of the request and its lines -> status line and headers, without the last empty line.
  using Answer = std::function<std::string(const std::string& head, const std::vector<std::string>& lines)>;
  explicit LokiDouble(Answer answer) : answer_(std::move(answer)), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~LokiDouble() {
    stopping_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/loki/api/v1/push"; }
  std::vector<std::string> lines() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return lines_;
  }
  std::vector<std::string> heads() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return heads_;
  }

 private:
  void Serve() {
    while (!stopping_) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      std::string request;
      size_t head_end = std::string::npos;
      size_t want = 0;
      char buffer[4096];
      while (head_end == std::string::npos || request.size() < head_end + 4 + want) {
        const ssize_t n = ::recv(client, buffer, sizeof(buffer), 0);
        if (n <= 0) break;
        request.append(buffer, static_cast<size_t>(n));
        head_end = request.find("\r\n\r\n");
        if (head_end == std::string::npos) continue;
        const size_t length = request.find("Content-Length: ");
        if (length != std::string::npos) want = std::stoul(request.substr(length + 16));
      }
      if (head_end != std::string::npos)
        Handle(client, request.substr(0, head_end), request.substr(head_end + 4));
      ::close(client);
    }
  }
  void Handle(int client, const std::string& head, const std::string& body) {
    std::string bytes;
    logproto::PushRequest push;
    EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &bytes));
    EXPECT_TRUE(push.ParseFromString(bytes));
    std::vector<std::string> lines;
    for (const auto& stream : push.streams()) {
      for (const auto& entry : stream.entries()) {
        std::string line = stream.labels() + entry.line();
        for (const auto& pair : entry.structuredmetadata()) line += "|" + pair.name() + "=" + pair.value();
        lines.push_back(std::move(line));
      }
    }
    const std::string answer = answer_(head, lines);
    {
      const std::lock_guard<std::mutex> lock(mu_);
      heads_.push_back(head);
      if (answer.starts_with("HTTP/1.1 2")) lines_.insert(lines_.end(), lines.begin(), lines.end());
    }
    const std::string text = answer + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    [[maybe_unused]] const ssize_t sent = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
  }

  const Answer answer_;
  const int fd_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mu_;
  std::vector<std::string> lines_;
  std::vector<std::string> heads_;
  std::thread thread_;
};

constexpr char kOk[] = "HTTP/1.1 204 No Content";

std::shared_ptr<Batch> MakeBatch(uint64_t sequence, const std::vector<std::string>& lines,
                                 const std::string& tenant = "") {
  BatchBuilder builder(nullptr);
  BatchStream stream;
  stream.labels = R"({app="a"})";
  stream.tenant = tenant;
  const std::vector<std::pair<std::string, std::string>> metadata = {{"id", "7"}};
  for (const std::string& line : lines) {
    BatchRow row;
    row.time_ns = 1'700'000'000'000'000'001;
    row.text = line;
    row.metadata = &metadata;
    builder.Add(&stream, row);
  }
  std::shared_ptr<Batch> batch = builder.Seal();
  batch->SetSequence(sequence);
  return batch;
}

class LokiSenderTest : public testing::Test {
 protected:
  void SetUp() override { SetLogLevel(LogLevel::kError); }
  std::unique_ptr<LokiSender> Make(const LokiDouble& end) {
    options_.target.url = end.url();
    options_.min_backoff_ns = 5 * kNsPerMs;
    options_.max_backoff_ns = 20 * kNsPerMs;
    return std::make_unique<LokiSender>(options_, [] {});
  }
  // Until n acknowledgements are there, 20 s at most.
  template <class From>
  std::vector<PushEvent> Acks(From* from, size_t n) {
    std::vector<PushEvent> acks;
    for (int i = 0; i < 4000 && acks.size() < n; ++i) {
      for (PushEvent& event : from->TakeEvents()) {
        if (event.kind == PushEvent::Kind::kAck) acks.push_back(std::move(event));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return acks;
  }
  LokiSenderOptions options_;
};

TEST_F(LokiSenderTest, SendsWhatLokiTakes) {
  LokiDouble end([](const std::string&, const auto&) { return std::string(kOk); });
  options_.tenant = "team";
  options_.external_labels = Labels{{"cluster", "c1"}, {"app", "other"}};
  options_.target.basic_username = "u";
  options_.target.basic_password = "p";
  const auto sender = Make(end);
  sender->Send(MakeBatch(1, {"one", "two"}));
  sender->Send(MakeBatch(2, {"three"}));
  const auto acks = Acks(sender.get(), 2);
  ASSERT_EQ(acks.size(), 2u);
  EXPECT_EQ(acks[1].sequence, 2u);
  EXPECT_TRUE(acks[0].refusals.empty());
  const std::string labels = R"({app="a", cluster="c1"})";
  EXPECT_THAT(end.lines(), ElementsAre(labels + "one|id=7", labels + "two|id=7", labels + "three|id=7"));
  EXPECT_THAT(end.heads()[0], HasSubstr("POST /loki/api/v1/push "));
  EXPECT_THAT(end.heads()[0], HasSubstr("X-Scope-OrgID: team"));
  EXPECT_THAT(end.heads()[0], HasSubstr("Content-Type: application/x-protobuf"));
  EXPECT_THAT(end.heads()[0], HasSubstr("Authorization: Basic dTpw"));
}

TEST_F(LokiSenderTest, TriesUntilItIsTaken) {
  std::atomic<int> requests{0};
  LokiDouble end([&](const std::string&, const auto&) -> std::string {
    switch (++requests) {
      case 1:
        return "HTTP/1.1 500 Internal Server Error";
      case 2:
        return "HTTP/1.1 401 Unauthorized";
      case 3:
        return "HTTP/1.1 429 Too Many Requests";
      default:
        return kOk;
    }
  });
  const auto sender = Make(end);
  sender->Send(MakeBatch(1, {"one"}));
  ASSERT_EQ(Acks(sender.get(), 1).size(), 1u);
  EXPECT_EQ(end.lines().size(), 1u);
  EXPECT_EQ(sender->stats().retries, 3u);
}

TEST_F(LokiSenderTest, WaitsAsLongAsItIsTold) {
  std::atomic<int> requests{0};
  LokiDouble end([&](const std::string&, const auto&) -> std::string {
    return ++requests == 1 ? "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1" : kOk;
  });
  const auto sender = Make(end);
  const int64_t begin = MonotonicNs();
  sender->Send(MakeBatch(1, {"one"}));
  ASSERT_EQ(Acks(sender.get(), 1).size(), 1u);
  EXPECT_GE(MonotonicNs() - begin, kNsPerSecond);
}

TEST_F(LokiSenderTest, OnlyTheBadLineIsLost) {
  LokiDouble end([](const std::string&, const std::vector<std::string>& lines) -> std::string {
    for (const std::string& line : lines) {
      if (line.find("bad") != std::string::npos) return "HTTP/1.1 400 Bad Request";
    }
    return kOk;
  });
  const auto sender = Make(end);
  std::vector<std::string> lines;
  for (int i = 0; i < 20; ++i) lines.push_back(i == 13 ? "bad" : "line" + std::to_string(i));
  sender->Send(MakeBatch(1, lines));
  const auto acks = Acks(sender.get(), 1);
  ASSERT_EQ(acks.size(), 1u);
  ASSERT_EQ(acks[0].refusals.size(), 1u);
  EXPECT_EQ(acks[0].refusals[0].lines(), 1u);
  EXPECT_EQ(acks[0].refusals[0].bytes(), 3u);
  EXPECT_EQ(end.lines().size(), 19u);
  EXPECT_LE(end.heads().size(), 12u);
}

TEST_F(LokiSenderTest, OnlyTheBadLineIsLostAfterALongOutage) {
  std::atomic<int> failures{0};
  const LokiDouble end([&](const std::string&, const std::vector<std::string>& lines) -> std::string {
    if (++failures <= 250) return "HTTP/1.1 503 Service Unavailable";
    for (const std::string& line : lines) {
      if (line.find("bad") != std::string::npos) return "HTTP/1.1 400 Bad Request";
    }
    return kOk;
  });
  options_.target.url = end.url();
  options_.min_backoff_ns = options_.max_backoff_ns = kNsPerMs;
  LokiSender sender(options_, [] {});
  sender.Send(MakeBatch(1, {"one", "bad", "three"}));
  const std::vector<PushEvent> acks = Acks(&sender, 1);
  ASSERT_EQ(acks.size(), 1u);
  ASSERT_EQ(acks[0].refusals.size(), 1u);
  EXPECT_EQ(acks[0].refusals[0].lines(), 1u);
  EXPECT_THAT(end.lines(), ElementsAre(HasSubstr("one"), HasSubstr("three")));
}

TEST_F(LokiSenderTest, WhatIsTooMuchAtOnceGoesInParts) {
  // As a rate limit whose burst is 50,000 bytes; raised in the end.
  std::atomic<size_t> burst{50'000};
  std::atomic<size_t> largest{0};
  const LokiDouble end([&](const std::string&, const std::vector<std::string>& lines) -> std::string {
    size_t bytes = 0;
    for (const std::string& line : lines) bytes += line.size();
    if (bytes > burst) return "HTTP/1.1 429 Too Many Requests";
    largest = std::max(largest.load(), bytes);
    return kOk;
  });
  const auto sender = Make(end);
  std::vector<std::string> want;
  uint64_t sequence = 0;
  const auto send = [&] {
    std::vector<std::string> lines;
    for (int i = 0; i < 40; ++i) {
      lines.push_back(std::string(5000, 'x') + std::to_string(sequence) + "-" + std::to_string(i));
      want.push_back(R"({app="a"})" + lines.back() + "|id=7");
    }
    sender->Send(MakeBatch(++sequence, lines));
    ASSERT_EQ(Acks(sender.get(), 1).size(), 1u);
  };
  for (int i = 0; i < 3; ++i) send();
  EXPECT_EQ(end.lines(), want);  // in their order, each once
  EXPECT_LE(largest, 50'000u);
  // Requests grow again, to whole batches.
  burst = 1'000'000;
  for (int i = 0; i < 20 && largest < 200'000; ++i) send();
  EXPECT_GE(largest, 200'000u);
  EXPECT_EQ(end.lines(), want);
  EXPECT_EQ(sender->stats().failures, 0u);
}

TEST_F(LokiSenderTest, StopsWhileItTries) {
  LokiDouble end([](const std::string&, const auto&) { return std::string("HTTP/1.1 503 Busy"); });
  auto sender = Make(end);
  sender->Send(MakeBatch(1, {"one"}));
  while (sender->stats().retries == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  sender.reset();
  EXPECT_TRUE(end.lines().empty());
}

TEST_F(LokiSenderTest, TenantsHaveQueuesOfTheirOwn) {
  std::atomic<bool> slow{true};
  LokiDouble end([&](const std::string& head, const auto&) -> std::string {
    return slow && head.find("X-Scope-OrgID: t1") != std::string::npos ? "HTTP/1.1 429 Too Many Requests"
                                                                       : kOk;
  });
  options_.target.url = end.url();
  options_.min_backoff_ns = options_.max_backoff_ns = 5 * kNsPerMs;
  Delivery delivery([&](const std::string& tenant) {
    LokiSenderOptions options = options_;
    options.tenant = tenant;
    return std::make_unique<LokiSender>(std::move(options), [] {});
  });
  std::shared_ptr<Batch> both = MakeBatch(1, {"zero"});
  both->tenants["t1"] = std::const_pointer_cast<Batch>(MakeBatch(1, {"for t1"}, ""));
  both->tenants["t2"] = std::const_pointer_cast<Batch>(MakeBatch(1, {"for t2"}, ""));
  delivery.Send(both);
  delivery.Send(MakeBatch(2, {"next"}));
  // All but t1's part comes through; the batches wait for it.
  while (end.lines().size() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(delivery.tenants(), 3u);
  for (const PushEvent& event : delivery.TakeEvents()) EXPECT_EQ(event.kind, PushEvent::Kind::kWelcome);
  slow = false;
  const auto acks = Acks(&delivery, 2);
  ASSERT_EQ(acks.size(), 2u);
  EXPECT_EQ(acks[0].sequence, 1u);
  EXPECT_EQ(acks[1].sequence, 2u);
}

TEST_F(LokiSenderTest, ABuilderPartsTenants) {
  BatchBuilder builder(nullptr);
  BatchStream own;
  BatchStream other;
  own.SetLabels(Labels{{"a", "b"}});
  other.SetLabels(Labels{{"a", "b"}, {std::string(kTenantLabel), "t"}});
  BatchRow row;
  row.text = "x";
  builder.Add(&own, row);
  builder.Add(&other, row);
  builder.Add(&other, row);
  const std::unique_ptr<Batch> batch = builder.Seal();
  EXPECT_EQ(batch->lines, 3u);
  EXPECT_EQ(batch->request.batch().streams_size(), 1);
  ASSERT_EQ(batch->tenants.size(), 1u);
  EXPECT_EQ(batch->tenants.at("t")->lines, 2u);
  EXPECT_EQ(batch->tenants.at("t")->request.batch().streams(0).labels(), R"({a="b"})");
}

}  // namespace
}  // namespace skald::agent
