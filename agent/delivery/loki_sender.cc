#include "agent/delivery/loki_sender.h"

#include <snappy.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/clock.h"
#include "base/log.h"
#include "proto/logproto.pb.h"
#include "proto/rows_codec.h"

namespace skald::agent {
namespace {

constexpr int64_t kMaxRetryAfterNs = 3600 * kNsPerSecond;
// Requests that one batch may take while the refused lines in it are looked for; what is not found then is
// given up as a whole.
constexpr int kMaxRequests = 200;

// What is limited that often in a row may be too much at once.
constexpr int kLimitedTries = 2;
constexpr uint64_t kMinRequestBytes = uint64_t{16} << 10;
// Half at each limit, so much more at each success, until it is no limit any more.
constexpr uint64_t kGrowBytes = uint64_t{32} << 10;
constexpr uint64_t kUnlimitedBytes = uint64_t{4} << 20;

uint64_t LinesOf(const logproto::PushRequest& request) {
  uint64_t lines = 0;
  for (const auto& stream : request.streams()) lines += static_cast<uint64_t>(stream.entries_size());
  return lines;
}

uint64_t BytesOf(const logproto::PushRequest& request) {
  uint64_t bytes = 0;
  for (const auto& stream : request.streams()) {
    for (const auto& entry : stream.entries()) bytes += entry.line().size();
  }
  return bytes;
}

// The first half of the lines and the second one.
void Halve(const logproto::PushRequest& whole, logproto::PushRequest* first, logproto::PushRequest* second) {
  uint64_t left = LinesOf(whole) / 2;
  for (const auto& stream : whole.streams()) {
    for (int i = 0; i < stream.entries_size(); ++i) {
      logproto::PushRequest* const half = left > 0 ? first : second;
      if (left > 0) --left;
      const bool is_new = half->streams().empty() || half->streams().rbegin()->labels() != stream.labels();
      auto* const to = is_new ? half->add_streams() : half->mutable_streams(half->streams_size() - 1);
      if (is_new) to->set_labels(stream.labels());
      *to->add_entries() = stream.entries(i);
    }
  }
}

}  // namespace

void MakeLokiRequest(const Batch& batch, const Labels& external_labels, logproto::PushRequest* request) {
  Rows rows;
  for (const auto& stream : batch.request.batch().streams()) {
    if (!DecodeRows(stream.rows(), RowsLimits(), &rows).ok()) continue;
    auto* const out = request->add_streams();
    out->set_labels(stream.labels());
    if (!external_labels.empty()) {
      absl::StatusOr<Labels> labels = ParseLabels(stream.labels());
      if (labels.ok()) {
        for (const auto& [name, value] : external_labels) {
          if (!labels->Has(name)) labels->Set(name, value);
        }
        out->set_labels(labels->ToString());
      }
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      auto* const entry = out->add_entries();
      int64_t seconds = rows.time_ns[i] / kNsPerSecond;
      int64_t nanos = rows.time_ns[i] % kNsPerSecond;
      if (nanos < 0) {
        nanos += kNsPerSecond;
        --seconds;
      }
      entry->mutable_timestamp()->set_seconds(seconds);
      entry->mutable_timestamp()->set_nanos(static_cast<int32_t>(nanos));
      entry->set_line(std::string(rows.line(i)));
      for (const MetadataColumn& column : rows.metadata) {
        if (column.index[i] == 0) continue;
        auto* const pair = entry->add_structuredmetadata();
        pair->set_name(column.name);
        pair->set_value(std::string(column.value(column.index[i] - 1)));
      }
    }
  }
}

LokiSender::LokiSender(LokiSenderOptions options, std::function<void()> on_event)
    : options_(std::move(options)),
      on_event_(std::move(on_event)),
      poster_(options_.target),
      thread_([this] { Run(); }) {}

LokiSender::~LokiSender() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LokiSender::Send(std::shared_ptr<const Batch> batch) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    batches_.push_back(std::move(batch));
  }
  wake_.notify_all();
}

std::vector<PushEvent> LokiSender::TakeEvents() {
  const std::lock_guard<std::mutex> lock(mu_);
  return std::exchange(events_, {});
}

PushStats LokiSender::stats() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return stats_;
}

void LokiSender::Post(PushEvent event) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    events_.push_back(std::move(event));
  }
  on_event_();
}

bool LokiSender::WaitFor(int64_t ns) {
  std::unique_lock<std::mutex> lock(mu_);
  wake_.wait_for(lock, std::chrono::nanoseconds(ns), [this] { return stopping_; });
  return !stopping_;
}

void LokiSender::Run() {
  {
    // There is no connection to wait for: batches may come.
    PushEvent welcome;
    welcome.kind = PushEvent::Kind::kWelcome;
    const std::lock_guard<std::mutex> lock(mu_);
    events_.push_back(std::move(welcome));
    stats_.connected = true;
  }
  on_event_();
  while (true) {
    std::shared_ptr<const Batch> batch;
    {
      std::unique_lock<std::mutex> lock(mu_);
      wake_.wait(lock, [this] { return stopping_ || !batches_.empty(); });
      if (stopping_) return;
      batch = batches_.front();
    }
    logproto::PushRequest request;
    MakeLokiRequest(*batch, options_.external_labels, &request);
    Refused refused;
    int requests_left = kMaxRequests;
    if (LinesOf(request) > 0 && !Deliver(request, &requests_left, &refused)) return;
    PushEvent ack;
    ack.sequence = batch->manifest.sequence;
    if (refused.lines > 0) {
      ack.refusals.emplace_back();
      ack.refusals.back().set_reason("server_rejected");
      ack.refusals.back().set_message(refused.message);
      ack.refusals.back().set_lines(refused.lines);
      ack.refusals.back().set_bytes(refused.bytes);
    }
    {
      const std::lock_guard<std::mutex> lock(mu_);
      batches_.pop_front();
    }
    Post(std::move(ack));
  }
}

bool LokiSender::DeliverHalves(const logproto::PushRequest& request, int* requests_left, Refused* refused) {
  logproto::PushRequest first;
  logproto::PushRequest second;
  Halve(request, &first, &second);
  return Deliver(first, requests_left, refused) && Deliver(second, requests_left, refused);
}

void LokiSender::GrowRequests() {
  if (max_request_bytes_ == UINT64_MAX) return;
  max_request_bytes_ += kGrowBytes;
  if (max_request_bytes_ > kUnlimitedBytes) max_request_bytes_ = UINT64_MAX;
}

bool LokiSender::Deliver(const logproto::PushRequest& request, int* requests_left, Refused* refused) {
  if (max_request_bytes_ != UINT64_MAX && BytesOf(request) > max_request_bytes_ && LinesOf(request) > 1)
    return DeliverHalves(request, requests_left, refused);
  std::string body;
  {
    const std::string bytes = request.SerializeAsString();
    snappy::Compress(bytes.data(), bytes.size(), &body);
  }
  std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "application/x-protobuf"}};
  if (!options_.tenant.empty()) headers.emplace_back("X-Scope-OrgID", options_.tenant);
  std::mt19937_64 random(std::random_device{}());
  int64_t backoff = options_.min_backoff_ns;
  int limited = 0;
  while (true) {
    const int64_t began_ns = MonotonicNs();
    const HttpResult result = poster_.Post(body, headers);
    if (options_.times != nullptr) {
      options_.times->Observe(PublicUrl(options_.target.url),
                              result.status == 0 ? "failed" : std::to_string(result.status),
                              MonotonicNs() - began_ns);
    }
    const bool refuses = result.status == 400 || result.status == 413 || result.status == 422;
    // Attempts while the end is away say nothing about the lines.
    if (result.ok() || refuses) --*requests_left;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      if (stopping_) return false;
      ++stats_.sent_batches;
      stats_.sent_bytes += body.size();
      stats_.connected = result.ok() || refuses;
      if (result.ok()) stats_.last_error.clear();
      if (!result.ok()) stats_.last_error = result.Text();
      if (result.status == 0) {
        ++stats_.failures;
      } else if (!result.ok() && !refuses) {
        ++stats_.retries;
      }
    }
    if (result.ok()) {
      GrowRequests();
      return true;
    }
    if (refuses) {
      const uint64_t lines = LinesOf(request);
      if (lines <= 1 || *requests_left <= 0) {
        refused->lines += lines;
        refused->bytes += BytesOf(request);
        refused->message = result.Text();
        return true;
      }
      return DeliverHalves(request, requests_left, refused);
    }
    // Jitter keeps a thousand agents from coming back in step. Answers such as 401 and 404 are of an end that
    // is not set up yet: the files keep the lines.
    int64_t delay = backoff / 2 +
                    static_cast<int64_t>(random() % static_cast<uint64_t>(std::max<int64_t>(backoff / 2, 1)));
    if (result.retry_after_ms > 0)
      delay = std::max(delay, std::min(result.retry_after_ms * kNsPerMs, kMaxRetryAfterNs));
    if (backoff == options_.min_backoff_ns)
      LogWarn("the end does not take lines, trying again", "url={} err=\"{}\"",
              PublicUrl(options_.target.url), result.Text());
    backoff = std::min(backoff * 2, options_.max_backoff_ns);
    if (!WaitFor(delay)) return false;
    limited = result.status == 429 ? limited + 1 : 0;
    const uint64_t bytes = limited >= kLimitedTries ? BytesOf(request) : 0;
    if (bytes > kMinRequestBytes && LinesOf(request) > 1) {
      max_request_bytes_ = std::max(bytes / 2, kMinRequestBytes);
      return DeliverHalves(request, requests_left, refused);
    }
  }
}

}  // namespace skald::agent
