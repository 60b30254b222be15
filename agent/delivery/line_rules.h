// What holds for all lines of an agent behind their stages: how many go out, of how many streams, and which
// labels may stay labels.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/stages/stage.h"
#include "agent/stages/token_bucket.h"

namespace skald::agent {

struct LineRuleOptions {
  bool readline_rate_enabled = false;
  double readline_rate = 10000;  // lines a second
  double readline_burst = 10000;
  bool readline_rate_drop = true;    // false: reading waits
  uint64_t max_streams = 0;          // active ones; 0 = any number
  uint64_t max_label_values = 1000;  // of one label that stages make; 0 = any number
  bool drop_long_lines = false;      // instead of cutting them
};

// Used by the agent's thread alone.
class LineRules {
 public:
  explicit LineRules(const LineRuleOptions& options)
      : options_(options), bucket_(options.readline_rate, options.readline_burst) {}

  // The reason to drop a line of the stream, "" = it goes out. labels: the stream's text.
  std::string_view Refuse(std::string_view labels, int64_t now_ns);
  bool refuses() const { return options_.readline_rate_enabled || options_.max_streams > 0; }
  bool drop_long_lines() const { return options_.drop_long_lines; }
  // Monotonic; until then no more should be read.
  int64_t paused_until_ns() const { return paused_until_ns_; }

  // Labels that stages made (those that differ from `given`) and that have too many values become structured
  // metadata.
  void Guard(const Labels& given, Entry* entry);
  // Labels that are guarded, and how many of their values were seen.
  const std::map<std::string, uint64_t>& guarded() const { return guarded_; }

 private:
  const LineRuleOptions options_;
  TokenBucket bucket_;
  int64_t paused_until_ns_ = 0;
  absl::flat_hash_map<uint64_t, int64_t> streams_;  // hash of the labels -> monotonic, last line
  absl::flat_hash_map<std::string, absl::flat_hash_set<uint64_t>> values_;
  std::map<std::string, uint64_t> guarded_;
};

}  // namespace skald::agent
