// Kafka topics as a source. A message's offset is committed when the message is synced to the spool.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/receivers/receiver.h"

struct rd_kafka_s;

namespace skald::agent {

struct KafkaSourceOptions {
  ReceiverJob job;
  std::vector<std::string> brokers;  // host:port
  std::vector<std::string> topics;   // one that begins with ^ is a regular expression
  std::string group_id = "promtail";
  std::string assignor = "range";  // or roundrobin, sticky
  bool use_incoming_timestamp = false;
  size_t max_line_size = size_t{256} << 10;  // longer messages are cut and marked
  // librdkafka's own settings: security.protocol, sasl.*, ssl.*
  std::vector<std::pair<std::string, std::string>> settings;
};

// Labels for relabelling: __meta_kafka_topic, _partition, _group_id, _member_id, _message_key ("none" where
// there is none). Without relabelling: job and topic as labels, partition and key as structured metadata.
class KafkaSource {
 public:
  // Runs on a thread of its own; brokers that do not answer are tried for ever. InvalidArgument for settings
  // that cannot be. All else outlives it.
  static absl::StatusOr<std::unique_ptr<KafkaSource>> Start(KafkaSourceOptions options, Spool* spool,
                                                            ReceiverCounters* counters, const Clock& clock);
  ~KafkaSource();

 private:
  KafkaSource(KafkaSourceOptions options, Spool* spool, ReceiverCounters* counters, const Clock& clock);
  void Run();
  bool Keep(const ReceivedEntries& entries);

  const KafkaSourceOptions options_;
  Spool* const spool_;
  ReceiverCounters* const counters_;
  const Clock& clock_;
  ReceiverLabels labels_;
  rd_kafka_s* consumer_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::agent
