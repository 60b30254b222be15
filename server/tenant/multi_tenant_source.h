// Several tenants as one: a question for `a|b` sees the streams of both, each with the label __tenant_id__.
#pragma once

#include "storage/log_source.h"

namespace skald::server {

// Thread-safe. `a|b` (sorted, as ResolveTenant gives it) is put together from the tenants' own answers; any
// other tenant goes straight through. A stream's own label __tenant_id__ becomes original___tenant_id__;
// matchers on the one choose tenants, on the other look at the stored label.
class MultiTenantSource final : public LogSource {
 public:
  // source outlives it.
  explicit MultiTenantSource(const LogSource* source) : source_(source) {}

  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant, const std::vector<Matcher>& matchers,
                                                TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers, TimeRange range,
                                                      int64_t idle_ns) const override;
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const override;
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       const std::vector<Matcher>& matchers,
                                                       TimeRange range) const override;

 private:
  const LogSource* const source_;
};

}  // namespace skald::server
