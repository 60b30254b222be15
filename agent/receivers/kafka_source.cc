#include "agent/receivers/kafka_source.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "base/utf8.h"

namespace skald::agent {
namespace {

constexpr int kPollMs = 100;
constexpr uint64_t kGroupBytes = uint64_t{256} << 10;  // messages that are synced and committed together
constexpr uint64_t kGroupLines = 5000;
constexpr std::chrono::milliseconds kRetryWait{200};

std::string Valid(std::string_view text) {
  std::string valid;
  AppendValidUtf8(&valid, text, "\xEF\xBF\xBD");
  return valid;
}

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    ::rd_kafka_topic_partition_list_destroy(list);
  }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;
struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { ::rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

std::string_view Bytes(const void* data, size_t size) {
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

void OnLog(const rd_kafka_t*, int level, const char* facility, const char* text) {
  if (level <= 4) LogWarn("kafka", "facility={} text=\"{}\"", facility, text);
}

}  // namespace

KafkaSource::KafkaSource(KafkaSourceOptions options, Spool* spool, ReceiverCounters* counters,
                         const Clock& clock)
    : options_(std::move(options)),
      spool_(spool),
      counters_(counters),
      clock_(clock),
      labels_(&options_.job) {}

absl::StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Start(KafkaSourceOptions options, Spool* spool,
                                                                ReceiverCounters* counters,
                                                                const Clock& clock) {
  std::unique_ptr<KafkaSource> source(new KafkaSource(std::move(options), spool, counters, clock));
  const KafkaSourceOptions& o = source->options_;
  std::string brokers;
  for (const std::string& broker : o.brokers) brokers += (brokers.empty() ? "" : ",") + broker;
  std::vector<std::pair<std::string, std::string>> settings = {
      {"bootstrap.servers", brokers},
      {"group.id", o.group_id},
      {"client.id", "skald-agent"},
      {"enable.auto.commit", "false"},
      {"auto.offset.reset", "earliest"},
      {"allow.auto.create.topics", "false"},
      // A full spool is no reason to be thrown out of the group.
      {"max.poll.interval.ms", "86400000"},
      {"topic.metadata.refresh.interval.ms", "30000"},
      {"partition.assignment.strategy", o.assignor == "sticky" ? "cooperative-sticky" : o.assignor}};
  settings.insert(settings.end(), o.settings.begin(), o.settings.end());
  rd_kafka_conf_t* conf = ::rd_kafka_conf_new();
  char error[512];
  for (const auto& [name, value] : settings) {
    if (::rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof(error)) == RD_KAFKA_CONF_OK)
      continue;
    ::rd_kafka_conf_destroy(conf);
    return InvalidArgument("kafka: {}: {}", name, error);
  }
  ::rd_kafka_conf_set_log_cb(conf, OnLog);
  source->consumer_ = ::rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
  if (source->consumer_ == nullptr) {
    ::rd_kafka_conf_destroy(conf);
    return InvalidArgument("kafka: {}", error);
  }
  ::rd_kafka_poll_set_consumer(source->consumer_);
  const PartitionList topics(::rd_kafka_topic_partition_list_new(static_cast<int>(o.topics.size())));
  for (const std::string& topic : o.topics)
    ::rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const rd_kafka_resp_err_t code = ::rd_kafka_subscribe(source->consumer_, topics.get());
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return InvalidArgument("kafka: {}", ::rd_kafka_err2str(code));
  }
  source->thread_ = std::thread([raw = source.get()] { raw->Run(); });
  return source;
}

KafkaSource::~KafkaSource() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  if (consumer_ == nullptr) return;
  ::rd_kafka_consumer_close(consumer_);
  ::rd_kafka_destroy(consumer_);
}

// Until the entries are synced. False: they are not.
bool KafkaSource::Keep(const ReceivedEntries& entries) {
  struct Result {
    std::mutex mu;
    std::condition_variable cv;
    std::optional<bool> kept;
  };
  while (!stopping_) {
    const auto result = std::make_shared<Result>();
    const absl::Status taken =
        spool_->Append(options_.job.source, entries.streams(), [result](const absl::Status& status) {
          const std::lock_guard<std::mutex> lock(result->mu);
          result->kept = status.ok();
          result->cv.notify_all();
        });
    if (taken.ok()) {
      std::unique_lock<std::mutex> lock(result->mu);
      result->cv.wait(lock, [&] { return result->kept.has_value(); });
      if (*result->kept) return true;
    }
    std::this_thread::sleep_for(kRetryWait);
  }
  return false;
}

void KafkaSource::Run() {
  int64_t last_ns = 0;
  while (!stopping_) {
    ReceivedEntries entries;
    const PartitionList offsets(::rd_kafka_topic_partition_list_new(4));
    uint64_t bytes = 0;
    uint64_t lines = 0;
    int wait_ms = kPollMs;
    while (bytes < kGroupBytes && lines < kGroupLines) {
      const Message message(::rd_kafka_consumer_poll(consumer_, wait_ms));
      if (message == nullptr) break;
      wait_ms = 0;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
          LogWarn("kafka: nothing can be read now", "err=\"{}\"", ::rd_kafka_message_errstr(message.get()));
        continue;
      }
      const std::string topic = ::rd_kafka_topic_name(message->rkt);
      rd_kafka_topic_partition_t* offset =
          ::rd_kafka_topic_partition_list_find(offsets.get(), topic.c_str(), message->partition);
      if (offset == nullptr)
        offset = ::rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), message->partition);
      offset->offset = message->offset + 1;
      const std::string_view text = Bytes(message->payload, message->len);
      ++lines;
      bytes += text.size();
      SpoolEntry entry;
      entry.line = text.substr(0, options_.max_line_size);
      entry.cut_bytes = text.size() - entry.line.size();
      last_ns = std::max(clock_.NowNs(), last_ns + 1);
      entry.time_ns = last_ns;
      rd_kafka_timestamp_type_t type{};
      const int64_t sent_ms = ::rd_kafka_message_timestamp(message.get(), &type);
      if (options_.use_incoming_timestamp && sent_ms > 0) entry.time_ns = sent_ms * kNsPerMs;
      const std::string key = Valid(Bytes(message->key, message->key_len));
      const std::string partition = std::to_string(message->partition);
      Labels labels = options_.job.labels;
      if (options_.job.relabelling) {
        labels.Set("__meta_kafka_topic", topic);
        labels.Set("__meta_kafka_partition", partition);
        labels.Set("__meta_kafka_group_id", options_.group_id);
        labels.Set("__meta_kafka_message_key", key.empty() ? "none" : key);
        if (char* const member = ::rd_kafka_memberid(consumer_); member != nullptr) {
          labels.Set("__meta_kafka_member_id", member);
          ::rd_kafka_mem_free(consumer_, member);
        }
      } else {
        if (!labels.Has("job")) labels.Set("job", options_.job.name.empty() ? "kafka" : options_.job.name);
        if (!labels.Has("topic")) labels.Set("topic", topic);
        entry.SetMetadata("partition", partition);
        if (!key.empty()) entry.SetMetadata("key", key);
      }
      std::string_view reason;
      const Labels* const sent = labels_.Of(labels, &reason);
      if (sent == nullptr) {
        counters_->CountDropped(options_.job.source, reason, 1, text.size());
      } else {
        entries.Add(*sent, std::move(entry));
      }
    }
    if (offsets->cnt == 0) continue;
    if (!entries.empty()) {
      if (!Keep(entries)) return;
      counters_->CountKept(options_.job.source, entries.lines(), entries.bytes());
    }
    // What is committed late comes again after a crash, and is not lost.
    ::rd_kafka_commit(consumer_, offsets.get(), /*async=*/1);
  }
}

}  // namespace skald::agent
