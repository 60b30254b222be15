// What all receivers share: the job they belong to, the spool they fill, and what they count.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/receivers/spool.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/relabel.h"

namespace skald::agent {

struct ReceiverJob {
  std::string source;  // names the job in the spool
  std::string name;    // job_name
  Labels labels;       // given by the configuration
  std::optional<Relabelling> relabelling;
};

// A server's certificate. With ca_file, clients must show one that it signed.
struct TlsServerOptions {
  std::string cert_file;
  std::string key_file;
  std::string ca_file;
};

// Without the labels that relabelling works with (__x), but for the one that names a tenant.
Labels VisibleLabels(const Labels& labels);

// Thread-safe.
class ReceiverCounters {
 public:
  struct Counts {
    uint64_t lines = 0;
    uint64_t bytes = 0;
  };
  using ByReason = std::map<std::string, Counts, std::less<>>;

  // Lines that came and went to the spool; where a rule throws them away there, the spool counts that.
  void CountKept(std::string_view source, uint64_t lines, uint64_t bytes);
  // Lines that came and are not kept; "udp_overflow" has no bytes.
  void CountDropped(std::string_view source, std::string_view reason, uint64_t lines, uint64_t bytes);
  // What came in a form that is not the source's, and was passed on as it is, or refused.
  void CountMalformed(std::string_view source);
  ByReason received() const;  // by source: kept and dropped
  ByReason dropped() const;
  ByReason malformed() const;

  static void Count(std::string_view reason, uint64_t lines, uint64_t bytes, ByReason* counts);

 private:
  mutable std::mutex mu_;
  ByReason received_;
  ByReason dropped_;
  ByReason malformed_;
};

// Relabelling of entries that come one by one, remembered by the labels that went in. Not thread-safe.
class ReceiverLabels {
 public:
  explicit ReceiverLabels(const ReceiverJob* job) : job_(job) {}
  // What is sent under these labels (the job's are among them); nullptr = nothing, for *reason. Valid until
  // the next call.
  const Labels* Of(const Labels& labels, std::string_view* reason);

 private:
  struct Known {
    Labels labels;
    bool kept = false;
  };
  const ReceiverJob* const job_;
  absl::flat_hash_map<std::string, Known> known_;
};

// Entries of one read, gathered by their labels.
class ReceivedEntries {
 public:
  void Add(const Labels& labels, SpoolEntry entry);
  const std::vector<SpoolStream>& streams() const { return streams_; }
  bool empty() const { return streams_.empty(); }
  uint64_t lines() const;
  uint64_t bytes() const;  // of the lines
  void Clear() { streams_.clear(); }

 private:
  std::vector<SpoolStream> streams_;
};

}  // namespace skald::agent
