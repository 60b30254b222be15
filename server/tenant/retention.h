// limits_config.retention_period and retention_stream: how long the lines of a tenant's streams are kept.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/tenant/tenant_limits.h"
#include "storage/deletes/retention.h"

namespace YAML {
class Node;
}  // namespace YAML

namespace skald::server {

// Reads the YAML of retention_stream: a list of {selector, priority, period}. InvalidArgument says what is
// wrong, without the place.
absl::Status ReadRetentionStreams(const YAML::Node& node, std::vector<StreamRetention>* out);

// How long lines of the stream are kept; 0 = for ever.
int64_t RetentionPeriodNs(const Limits& limits, const Labels& stream);

// The limits as they are when it is asked. limits outlives it.
class LimitsRetention final : public RetentionRules {
 public:
  explicit LimitsRetention(const TenantLimits* limits) : limits_(limits) {}

  int64_t PeriodNs(std::string_view tenant, const Labels& stream) const override;
  int64_t ShortestNs() const override;
  int64_t LongestNs(std::string_view tenant) const override;

 private:
  const TenantLimits* const limits_;
};

}  // namespace skald::server
