// limit: {rate, burst, drop, by_label_name, max_distinct_labels} lets so many lines a second through. With
// drop, the others are dropped; without, nothing more of the job is read until the rate allows it. A block
// that is read already goes through: the rate holds over seconds, not from line to line.
#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "agent/stages/stage_metrics.h"
#include "agent/stages/token_bucket.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr std::string_view kReason = "ratelimit_drop_stage";
constexpr size_t kMinDistinct = 10000;

class LimitStage : public Stage {
 public:
  LimitStage(double rate, double burst, bool drop) : bucket_(rate, burst), drop_(drop) {}
  bool Run(Entry* entry) override {
    if (!drop_) {
      paused_until_ns_ = bucket_.TakeOnCredit(MonotonicNs());
      return true;
    }
    if (bucket_.Take(MonotonicNs())) return true;
    entry->drop_reason = kReason;
    return false;
  }
  int64_t paused_until_ns() const override { return paused_until_ns_; }

 private:
  TokenBucket bucket_;
  const bool drop_;
  int64_t paused_until_ns_ = 0;
};

// A bucket for each value of a label. Of two generations of buckets the older one is forgotten when the
// younger is full.
class LimitByLabelStage : public Stage {
 public:
  LimitByLabelStage(double rate, double burst, std::string label, size_t max_distinct,
                    std::shared_ptr<StageMetrics> metrics)
      : rate_(rate),
        burst_(burst),
        label_(std::move(label)),
        max_distinct_(max_distinct),
        metrics_(std::move(metrics)) {}
  bool Run(Entry* entry) override {
    const std::string value(entry->labels.Get(label_));
    if (value.empty()) return true;
    if (BucketOf(value).Take(MonotonicNs())) return true;
    if (metrics_ != nullptr) metrics_->CountDroppedByLabel(label_, value);
    entry->drop_reason = kReason;
    return false;
  }

 private:
  TokenBucket& BucketOf(const std::string& value) {
    if (const auto found = young_.find(value); found != young_.end()) return found->second;
    if (young_.size() >= max_distinct_) {
      old_ = std::move(young_);
      young_.clear();
      if (metrics_ != nullptr) metrics_->ForgetDroppedByLabel(label_);
    }
    if (const auto found = old_.find(value); found != old_.end())
      return young_.emplace(value, found->second).first->second;
    return young_.emplace(value, TokenBucket(rate_, burst_)).first->second;
  }

  const double rate_;
  const double burst_;
  const std::string label_;
  const size_t max_distinct_;
  const std::shared_ptr<StageMetrics> metrics_;
  absl::flat_hash_map<std::string, TokenBucket> young_;
  absl::flat_hash_map<std::string, TokenBucket> old_;
};

}  // namespace

StageOr MakeLimitStage(const YAML::Node& config, const StageContext& context) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"rate", "burst", "drop", "by_label_name", "max_distinct_labels"}));
  const auto number = [&](const char* key) {
    return config.IsMap() && config[key].IsDefined() ? config[key].as<double>() : 0.0;
  };
  const double rate = number("rate");
  const double burst = number("burst");
  if (!(rate > 0)) return InvalidArgument("rate must be above 0");
  if (!(burst >= 1)) return InvalidArgument("burst must be above 0");
  const bool drop = config["drop"].IsDefined() && config["drop"].as<bool>();
  std::string label = StageText(config, "by_label_name");
  if (label.empty()) return std::make_unique<LimitStage>(rate, burst, drop);
  if (!drop) return InvalidArgument("by_label_name needs drop: true");
  const auto distinct = std::max(static_cast<size_t>(number("max_distinct_labels")), kMinDistinct);
  return std::make_unique<LimitByLabelStage>(rate, burst, std::move(label), distinct, context.metrics);
}

}  // namespace skald::agent
