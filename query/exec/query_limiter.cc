#include "query/exec/query_limiter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "query/exec/limit_checks.h"
#include "query/exec/scan.h"
#include "text/duration.h"
#include "text/human_bytes.h"

namespace skald::exec {
namespace {

constexpr std::string_view kPartial = "; returning partial results";

// What the query looks at of a block: its slices' lines.
uint64_t BytesOf(const Block& block, TimeRange range) {
  uint64_t bytes = 0;
  for (const Slice& slice : block.slices()) {
    if (range.Overlaps(slice.min_ns, slice.max_ns)) bytes += slice.line_bytes;
  }
  return bytes;
}

}  // namespace

void QueryLimiter::Fit(bool is_log_query, QueryParams* params) {
  if (!partial()) return;
  if (is_log_query && limits_.max_entries_limit > 0 && params->limit > limits_.max_entries_limit) {
    params->limit = limits_.max_entries_limit;
    Reached("entries", fmt::format("{}", limits_.max_entries_limit),
            fmt::format("maximum number of entries ({}) reached for a single query{}",
                        limits_.max_entries_limit, kPartial));
  }
  if (params->instant) return;
  const absl::Status length = CheckQueryLength(params->start_ns, params->end_ns, limits_.max_query_length_ns);
  if (length.ok()) return;
  params->start_ns = params->end_ns - limits_.max_query_length_ns;
  Reached("length", FormatPrometheusDuration(limits_.max_query_length_ns),
          fmt::format("{}{}", MessageOf(length), kPartial));
}

bool QueryLimiter::TimeIsUp() {
  if (!partial() || limits_.timeout_ns <= 0 || MonotonicNs() < begin_ns_ + limits_.timeout_ns) return false;
  Reached("time", FormatPrometheusDuration(limits_.timeout_ns),
          fmt::format("maximum time ({}) reached for a single query{}",
                      FormatPrometheusDuration(limits_.timeout_ns), kPartial));
  cancel_->Extend(begin_ns_ + 2 * limits_.timeout_ns);
  return true;
}

bool QueryLimiter::Forgives(const absl::Status& error) {
  if (partial() && absl::IsDeadlineExceeded(error)) return TimeIsUp();
  if (!partial() || error.code() != absl::StatusCode::kResourceExhausted) return false;
  Reached("memory", fmt::format("{}", limits_.memory_bytes), fmt::format("{}{}", MessageOf(error), kPartial));
  return true;
}

absl::Status QueryLimiter::LimitBytes(TimeRange range, Direction direction, Selection* selection) {
  if (limits_.max_bytes_read == 0) return absl::OkStatus();
  const std::lock_guard lock(mu_);
  auto& blocks = selection->blocks;
  std::vector<uint32_t> order = BlocksByTime(*selection, direction);
  size_t kept = 0;
  uint64_t all = bytes_;
  for (; kept < blocks.size(); ++kept) {
    all += BytesOf(*blocks[order[kept]], range);
    if (partial() && all > limits_.max_bytes_read) break;
    bytes_ = all;
  }
  if (all <= limits_.max_bytes_read) return absl::OkStatus();
  const std::string text = fmt::format("the query would read too many bytes (query: {}, limit: {})",
                                       FormatIecBytes(all), FormatIecBytes(limits_.max_bytes_read));
  if (!partial()) {
    return InvalidArgument(
        "{}; consider adding more specific stream selectors or reduce the time range of the query", text);
  }
  order.resize(kept);
  std::sort(order.begin(), order.end());
  std::vector<std::shared_ptr<const Block>> rest;
  rest.reserve(kept);
  for (const uint32_t i : order) rest.push_back(std::move(blocks[i]));
  blocks = std::move(rest);
  if (std::any_of(reached_.begin(), reached_.end(), [](const ReachedLimit& r) { return r.name == "bytes"; }))
    return absl::OkStatus();
  reached_.push_back({"bytes", fmt::format("{}", limits_.max_bytes_read)});
  warnings_.push_back(fmt::format("maximum bytes read ({}) reached for a single query{}",
                                  FormatIecBytes(limits_.max_bytes_read), kPartial));
  return absl::OkStatus();
}

void QueryLimiter::Reached(std::string_view name, std::string value, std::string warning) {
  const std::lock_guard lock(mu_);
  for (const ReachedLimit& limit : reached_) {
    if (limit.name == name) return;
  }
  reached_.push_back({std::string(name), std::move(value)});
  warnings_.push_back(std::move(warning));
}

void QueryLimiter::Report(QueryResult* result) const {
  const std::lock_guard lock(mu_);
  result->reached.insert(result->reached.end(), reached_.begin(), reached_.end());
  result->warnings.insert(result->warnings.end(), warnings_.begin(), warnings_.end());
}

}  // namespace skald::exec
