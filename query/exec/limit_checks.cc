#include "query/exec/limit_checks.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/duration.h"

namespace skald::exec {
namespace {

using logql::Overloaded;

template <class Fn>
void ForEachRange(const logql::Expr& expr, Fn&& fn) {
  std::visit(Overloaded{
                 [](const logql::LogSelectorExpr&) {},
                 [&](const logql::RangeAggregation& e) { fn(e.log_range); },
                 [&](const logql::VectorAggregation& e) { ForEachRange(*e.inner, fn); },
                 [&](const logql::BinaryOp& e) {
                   ForEachRange(*e.lhs, fn);
                   ForEachRange(*e.rhs, fn);
                 },
                 [](const logql::Literal&) {},
                 [](const logql::VectorLiteral&) {},
                 [&](const logql::LabelReplace& e) { ForEachRange(*e.inner, fn); },
                 [&](const logql::Variants& e) { fn(e.of); },
             },
             expr.node);
}

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

absl::Status CheckSelector(const logql::Selector& selector, const QueryLimits& limits) {
  const size_t count = selector.matchers.size();
  if (limits.max_streams_matchers > 0 && count > limits.max_streams_matchers) {
    return InvalidArgument("max streams matchers per query exceeded, matchers-count > limit ({} > {})", count,
                           limits.max_streams_matchers);
  }
  std::vector<std::string> present;
  for (const Matcher& matcher : selector.matchers) present.push_back(matcher.name());
  std::vector<std::string> missing;
  for (const std::string& name : limits.required_labels) {
    if (std::find(present.begin(), present.end(), name) == present.end()) missing.push_back(name);
  }
  if (!missing.empty()) {
    return InvalidArgument(
        "stream selector is missing required matchers [{}], labels present in the query were [{}]",
        Join(missing), Join(present));
  }
  if (limits.minimum_labels_number > 0 && count < limits.minimum_labels_number) {
    return InvalidArgument(
        "stream selector has less label matchers than required: (present: [{}], number_present: {}, "
        "required_number_label_matchers: {})",
        Join(present), count, limits.minimum_labels_number);
  }
  return absl::OkStatus();
}

int64_t SaturatingSub(int64_t a, int64_t b) {
  int64_t out = 0;
  if (!__builtin_sub_overflow(a, b, &out)) return out;
  return b < 0 ? kMaxTimeNs : kMinTimeNs;
}

int64_t FloorTo(int64_t value, int64_t unit) {
  const int64_t rest = value % unit;
  return SaturatingSub(value, rest < 0 ? rest + unit : rest);
}

int64_t CeilTo(int64_t value, int64_t unit) {
  const int64_t floor = FloorTo(value, unit);
  int64_t out = 0;
  if (floor == value) return value;
  return __builtin_add_overflow(floor, unit, &out) ? kMaxTimeNs : out;
}

absl::Status CheckLength(int64_t length_ns, int64_t max_length_ns) {
  if (max_length_ns <= 0 || length_ns <= max_length_ns) return absl::OkStatus();
  return InvalidArgument("the query time range exceeds the limit (query length: {}, limit: {})",
                         FormatGoDuration(length_ns), FormatPrometheusDuration(max_length_ns));
}

// What one part of a split range query covers: both ends, and the split, lie on multiples of the step.
int64_t PartLength(const QueryParams& params, int64_t split_ns) {
  if (split_ns <= 0 || params.step_ns <= 0) return SaturatingSub(params.end_ns, params.start_ns);
  const int64_t whole_ns =
      SaturatingSub(CeilTo(params.end_ns, params.step_ns), FloorTo(params.start_ns, params.step_ns));
  return std::min(whole_ns, CeilTo(split_ns, params.step_ns));
}

}  // namespace

absl::Status CheckQueryLength(int64_t start_ns, int64_t end_ns, int64_t max_length_ns) {
  return CheckLength(SaturatingSub(FloorTo(end_ns, kNsPerMs), FloorTo(start_ns, kNsPerMs)), max_length_ns);
}

absl::Status CheckLimits(const logql::Expr& expr, const QueryParams& params, const QueryLimits& limits) {
  absl::Status status;
  logql::ForEachLogSelector(expr, [&](const logql::LogSelectorExpr& e) {
    if (status.ok()) status = CheckSelector(e.selector, limits);
  });
  RETURN_IF_ERROR(status);
  if (logql::IsLogQuery(expr) && limits.max_entries_limit > 0 && params.limit > limits.max_entries_limit) {
    return InvalidArgument(
        "max entries limit per query exceeded, limit > max_entries_limit_per_query ({} > {})", params.limit,
        limits.max_entries_limit);
  }
  if (!params.instant)
    RETURN_IF_ERROR(CheckQueryLength(params.start_ns, params.end_ns, limits.max_query_length_ns));
  const int64_t part_ns = params.instant ? 0 : PartLength(params, limits.split_interval_ns);
  ForEachRange(expr, [&](const logql::LogRangeExpr& range) {
    if (!status.ok()) return;
    if (!params.instant && limits.max_query_range_ns > 0 && range.range_ns > limits.max_query_range_ns) {
      status = InvalidArgument("[interval] value exceeds limit: [{}] > [{}]",
                               FormatPrometheusDuration(range.range_ns),
                               FormatPrometheusDuration(limits.max_query_range_ns));
      return;
    }
    int64_t read_ns = 0;
    if (__builtin_add_overflow(part_ns, range.range_ns, &read_ns)) read_ns = kMaxTimeNs;
    status = CheckLength(read_ns, limits.max_query_length_ns);
  });
  return status;
}

}  // namespace skald::exec
