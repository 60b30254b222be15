// sampling: {rate, source, drop_counter_reason} keeps that part of the entries, chosen at random. With
// source, an extracted value chooses: all entries of one value (a trace, a user) are kept or dropped
// together, by all agents alike; entries without it are chosen at random.
#include <xxhash.h>

#include <cmath>
#include <random>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class SamplingStage : public Stage {
 public:
  SamplingStage(double rate, std::string source, std::string reason)
      : rate_(rate),
        source_(std::move(source)),
        reason_(std::move(reason)),
        random_(std::random_device()()) {}
  bool Run(Entry* entry) override {
    const std::string* const value = source_.empty() ? nullptr : entry->Source(source_);
    const bool chooses = value != nullptr && !value->empty();
    if ((chooses ? PlaceOf(*value) : chance_(random_)) < rate_) return true;
    entry->drop_reason = reason_;
    return false;
  }

 private:
  // From 0 inclusive to 1 exclusive, as 53 bits of a double have it.
  static double PlaceOf(const std::string& value) {
    return std::ldexp(static_cast<double>(XXH3_64bits(value.data(), value.size()) >> 11), -53);
  }

  const double rate_;
  const std::string source_;
  const std::string reason_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> chance_{0.0, 1.0};
};

}  // namespace

StageOr MakeSamplingStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"rate", "source", "drop_counter_reason"}));
  if (!config.IsMap() || !config["rate"].IsDefined()) return InvalidArgument("rate is required");
  const auto rate = config["rate"].as<double>();
  if (!(rate >= 0 && rate <= 1)) return InvalidArgument("rate {} is not between 0 and 1", rate);
  std::string reason = StageText(config, "drop_counter_reason");
  if (reason.empty()) reason = "sampling_stage";
  return std::make_unique<SamplingStage>(rate, StageText(config, "source"), std::move(reason));
}

}  // namespace skald::agent
