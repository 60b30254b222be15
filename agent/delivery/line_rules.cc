#include "agent/delivery/line_rules.h"

#include <xxhash.h>

#include <vector>

#include "base/log.h"
#include "base/types.h"

namespace skald::agent {
namespace {

// A stream without a line for so long is active no more.
constexpr int64_t kStreamIdleNs = 600 * kNsPerSecond;

uint64_t HashOf(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

}  // namespace

std::string_view LineRules::Refuse(std::string_view labels, int64_t now_ns) {
  if (options_.max_streams > 0) {
    const uint64_t hash = HashOf(labels);
    const auto found = streams_.find(hash);
    if (found != streams_.end()) {
      found->second = now_ns;
    } else {
      if (streams_.size() >= options_.max_streams) {
        absl::erase_if(streams_, [&](const auto& one) { return now_ns - one.second > kStreamIdleNs; });
      }
      if (streams_.size() >= options_.max_streams) return "stream_limited";
      streams_.emplace(hash, now_ns);
    }
  }
  if (options_.readline_rate_enabled) {
    if (!options_.readline_rate_drop) {
      paused_until_ns_ = bucket_.TakeOnCredit(now_ns);
    } else if (!bucket_.Take(now_ns)) {
      return "global_rate_limiter_drop";
    }
  }
  return {};
}

void LineRules::Guard(const Labels& given, Entry* entry) {
  if (options_.max_label_values == 0) return;
  std::vector<std::string> moved;
  for (const auto& [name, value] : entry->labels) {
    if (name.starts_with("__") || given.Get(name) == value) continue;
    if (!guarded_.empty() && guarded_.contains(name)) {
      moved.push_back(name);
      continue;
    }
    auto& values = values_[name];
    values.insert(HashOf(value));
    if (values.size() <= options_.max_label_values) continue;
    LogWarn("label has too many values: it goes out as structured metadata from now on",
            "label={} values={} last=\"{}\"", name, values.size(), value);
    guarded_[name] = values.size();
    values_.erase(name);
    moved.push_back(name);
  }
  for (const std::string& name : moved) {
    entry->SetMetadata(name, std::string(entry->labels.Get(name)));
    entry->labels.Remove(name);
  }
}

}  // namespace skald::agent
