#include "server/push/admission_batch.h"

#include <utility>

#include "server/tenant/retention.h"
#include "text/level.h"

namespace skald::server {
namespace {

constexpr int64_t kHourNs = int64_t{3600} * 1'000'000'000;

// The doors as Loki's counters name them.
std::string FormatOf(std::string_view door) {
  if (door.starts_with("otlp")) return "otlp";
  return door == "agent" ? "agent" : "loki";
}

}  // namespace

Admission::Batch::Batch(Admission* admission, const Limits* limits, const std::string& tenant,
                        const PushOrigin& origin)
    : admission_(admission), tenant_(tenant), origin_(origin), rules_(limits, admission->clock_->NowNs()) {}

std::string_view Admission::Batch::PolicyOf(const ResolvedStream& stream) const {
  return origin_.policy.empty() ? stream.policy : origin_.policy;
}

void Admission::Batch::Refuse(const ResolvedStream* stream, std::string_view name, std::string_view reason,
                              std::string_view message, uint64_t lines, uint64_t bytes) {
  // A stream's refusals come together, so a look at the last few is enough.
  const size_t n = result_.refusals.size();
  for (size_t i = n; i > 0 && i + 8 > n; --i) {
    PushRefusal& refusal = result_.refusals[i - 1];
    if (refusal.reason == reason && refusal.stream == name) {
      refusal.lines += lines;
      refusal.bytes += bytes;
      return;
    }
  }
  const Limits& limits = rules_.limits();
  const int64_t period_ns =
      stream != nullptr ? RetentionPeriodNs(limits, stream->labels) : limits.retention_period_ns;
  result_.refusals.push_back({std::string(name), std::string(reason), std::string(message), lines, bytes,
                              stream != nullptr ? std::string(PolicyOf(*stream)) : origin_.policy,
                              period_ns / kHourNs});
}

bool Admission::Batch::Passes(const ResolvedStream& stream, uint64_t lines, uint64_t bytes) {
  if (!stream.reject_reason.empty()) {
    errors_.Add(stream.reject_message);
    Refuse(&stream, stream.text, stream.reject_reason, stream.reject_message, lines, bytes);
    // Loki counts such streams under both names.
    PushRefusal invalid = result_.refusals.back();
    invalid.lines = lines;
    invalid.bytes = bytes;
    CountDiscarded("invalid_labels", invalid);
    return false;
  }
  const std::optional<StreamBlock> block = rules_.limits().ingestion.Check(
      tenant_, stream.labels, PolicyOf(stream), stream.internal, rules_.now_ns());
  if (!block) return true;
  if (block->reason == "missing_enforced_labels") {
    errors_.Add(block->message);
  } else {
    blocked_ = block->status == 200 ? PushError{204, ""} : PushError{block->status, block->message};
  }
  Refuse(&stream, stream.text, block->reason, block->message, lines, bytes);
  return false;
}

void Admission::Batch::RefuseEntry(const ResolvedStream& stream, const char* reason, int64_t time_ns,
                                   size_t line_bytes, uint64_t metadata_bytes, uint64_t metadata_count) {
  const std::string message =
      rules_.Message(reason, stream.text, time_ns, line_bytes, metadata_bytes, metadata_count);
  errors_.Add(message);
  Refuse(&stream, stream.text, reason, message, 1, line_bytes + metadata_bytes);
}

AdmissionResult Admission::Batch::Fail(int status, std::string message) {
  result_.streams.clear();
  result_.failed = true;
  result_.answer = {status, std::move(message)};
  return Finish();
}

void Admission::Batch::Offer(const std::shared_ptr<const ResolvedStream>& stream,
                             std::shared_ptr<const Rows> rows, std::string encoded, uint64_t bytes) {
  candidates_.push_back({stream, std::move(rows), std::move(encoded), bytes});
}

AdmissionResult Admission::Batch::Close() {
  uint64_t lines = 0;
  uint64_t bytes = 0;
  for (const Candidate& c : candidates_) {
    lines += c.rows->size();
    bytes += c.bytes;
  }
  const Limits& limits = rules_.limits();
  if (lines > 0) {
    if (auto refused = admission_->CheckTenantRate(limits, tenant_, lines, bytes)) {
      for (const Candidate& c : candidates_)
        Refuse(c.stream.get(), c.stream->text, refused->reason, refused->message, c.rows->size(), c.bytes);
      return Fail(429, refused->message);
    }
  }
  std::string storage_error;
  uint64_t new_streams = 0;
  for (Candidate& c : candidates_) {
    if (auto refused = admission_->CheckStream(limits, tenant_, *c.stream, *c.rows, c.bytes,
                                               candidates_.size(), &new_streams)) {
      Refuse(c.stream.get(), c.stream->text, refused->reason, refused->message, c.rows->size(), c.bytes);
      storage_error = std::move(refused->message);
      continue;
    }
    result_.lines += c.rows->size();
    result_.bytes += c.bytes;
    result_.streams.push_back({c.stream->labels, std::move(c.rows), std::move(c.encoded)});
  }
  if (!storage_error.empty()) {
    result_.answer = {429, std::move(storage_error)};
  } else if (!errors_.empty()) {
    result_.answer = {400, errors_.Text()};
  } else {
    result_.answer = std::move(blocked_);
  }
  return Finish();
}

AdmissionResult Admission::Batch::Finish() {
  for (const PushRefusal& refusal : result_.refusals) CountDiscarded(refusal.reason, refusal);
  return std::move(result_);
}

void Admission::Batch::CountDiscarded(const std::string& reason, const PushRefusal& refusal) {
  // What Loki finds only when it stores has no format there.
  const bool late = reason == "stream_limit" || reason == "per_stream_rate_limit";
  const MetricLabels labels = {{"reason", reason},
                               {"tenant", tenant_},
                               {"policy", refusal.policy},
                               {"format", late ? std::string() : FormatOf(origin_.door)},
                               {"retention_hours", std::to_string(refusal.retention_hours)}};
  admission_->metrics_->Counter("loki_discarded_samples_total", "Lines that were refused.", labels)
      .Add(static_cast<double>(refusal.lines));
  admission_->metrics_->Counter("loki_discarded_bytes_total", "Bytes of lines that were refused.", labels)
      .Add(static_cast<double>(refusal.bytes));
}

std::vector<RowMetadata> MetadataOfRows(const Rows& rows) {
  std::vector<RowMetadata> out;
  for (const MetadataColumn& column : rows.metadata) {
    if (column.name == kDetectedLevel) continue;
    out.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (column.index[i] == 0) continue;
      out[i].bytes += column.name.size() + column.value(column.index[i] - 1).size();
      ++out[i].count;
    }
  }
  return out;
}

}  // namespace skald::server
