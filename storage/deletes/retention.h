// How long lines are kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/labels.h"

namespace skald {

// Immutable and thread-safe. Periods are nanoseconds; 0 = for ever.
class RetentionRules {
 public:
  virtual ~RetentionRules() = default;

  virtual int64_t PeriodNs(std::string_view tenant, const Labels& stream) const = 0;
  // Of all tenants and streams; 0 if all are kept for ever.
  virtual int64_t ShortestNs() const = 0;
  // Of the tenant's streams; 0 if some are kept for ever.
  virtual int64_t LongestNs(std::string_view tenant) const = 0;
};

}  // namespace skald
