#include "server/tenant/retention.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include <yaml-cpp/yaml.h>

#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"

namespace skald::server {
namespace {

constexpr int64_t kLeastPeriodNs = int64_t{24 * 3600} * 1'000'000'000;

absl::StatusOr<StreamRetention> ReadOne(const YAML::Node& node) {
  if (!node.IsMap()) return InvalidArgument("each entry is a map of selector, priority and period");
  StreamRetention out;
  bool selector = false;
  for (const auto& item : node) {
    const std::string key = item.first.as<std::string>("");
    const std::string value = item.second.as<std::string>("");
    if (key == "selector") {
      ASSIGN_OR_RETURN(out.selector, logql::ParseMatchers(value));
      selector = true;
    } else if (key == "priority") {
      out.priority = item.second.as<int64_t>(-1);
      if (out.priority < 0) return InvalidArgument("priority {} is no number from 0", value);
    } else if (key == "period") {
      const std::optional<int64_t> period = ParseConfigDuration(value);
      if (!period) return InvalidArgument("period {} is no duration", value);
      out.period_ns = *period;
    } else {
      return InvalidArgument("{} is not known here", key);
    }
  }
  if (!selector) return InvalidArgument("an entry has no selector");
  if (out.period_ns < kLeastPeriodNs) return InvalidArgument("retention period must be >= 24h");
  return out;
}

}  // namespace

absl::Status ReadRetentionStreams(const YAML::Node& node, std::vector<StreamRetention>* out) {
  if (!node.IsSequence() && !node.IsNull()) return InvalidArgument("a list is needed");
  std::vector<StreamRetention> read;
  try {
    for (const YAML::Node& item : node) {
      ASSIGN_OR_RETURN(StreamRetention one, ReadOne(item));
      read.push_back(std::move(one));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}", e.what());
  }
  *out = std::move(read);
  return absl::OkStatus();
}

int64_t RetentionPeriodNs(const Limits& limits, const Labels& stream) {
  const StreamRetention* found = nullptr;
  for (const StreamRetention& rule : limits.retention_stream) {
    const bool means = std::all_of(rule.selector.begin(), rule.selector.end(),
                                   [&](const Matcher& m) { return m.Matches(stream.Get(m.name())); });
    if (!means) continue;
    if (found == nullptr || rule.priority > found->priority ||
        (rule.priority == found->priority && rule.period_ns < found->period_ns)) {
      found = &rule;
    }
  }
  return found != nullptr ? found->period_ns : limits.retention_period_ns;
}

int64_t LimitsRetention::PeriodNs(std::string_view tenant, const Labels& stream) const {
  return RetentionPeriodNs(*limits_->Of(tenant), stream);
}

int64_t LimitsRetention::ShortestNs() const {
  std::vector<std::shared_ptr<const Limits>> all = limits_->Overridden();
  all.push_back(limits_->base());
  int64_t shortest = 0;
  const auto take = [&](int64_t period_ns) {
    if (period_ns > 0 && (shortest == 0 || period_ns < shortest)) shortest = period_ns;
  };
  for (const auto& limits : all) {
    take(limits->retention_period_ns);
    for (const StreamRetention& rule : limits->retention_stream) take(rule.period_ns);
  }
  return shortest;
}

int64_t LimitsRetention::LongestNs(std::string_view tenant) const {
  const std::shared_ptr<const Limits> limits = limits_->Of(tenant);
  if (limits->retention_period_ns <= 0) return 0;
  int64_t longest = limits->retention_period_ns;
  for (const StreamRetention& rule : limits->retention_stream) longest = std::max(longest, rule.period_ns);
  return longest;
}

}  // namespace skald::server
