#include "server/tail/tail_session.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "query/exec/plan/planner.h"

namespace skald::server {
namespace {

constexpr uint16_t kInternalError = 1011;
constexpr size_t kEntriesPerFrame = 100;
constexpr size_t kMaxFrameBytes = 1 << 20;
// What may wait for a client that reads slowly.
constexpr size_t kMaxWaitingBytes = 4 << 20;
constexpr size_t kMaxWaitingEntries = 10'000;
// Label sets of a pipeline are kept for as long as they are few.
constexpr size_t kMaxInternedBytes = 4 << 20;
constexpr int64_t kDayNs = int64_t{86'400} * kNsPerSecond;

CategorizedLabels Categorized(const exec::LabelSet& set) {
  CategorizedLabels out;
  for (size_t i = 0; i < set.labels.size(); ++i) {
    const auto& [name, value] = set.labels.pairs()[i];
    out.push_back({name, value, set.categories[i]});
  }
  return out;
}

// One row by itself, with its metadata.
std::unique_ptr<const Rows> CopyRow(const Rows& rows, uint32_t row) {
  auto out = std::make_unique<Rows>();
  out->Append(rows.time_ns[row], rows.line(row));
  for (const MetadataColumn& column : rows.metadata) {
    if (column.index[row] == 0) continue;
    MetadataColumn& copy = out->metadata.emplace_back();
    copy.name = column.name;
    copy.value_bytes = column.value(column.index[row] - 1);
    copy.value_end = {static_cast<uint32_t>(copy.value_bytes.size())};
    copy.index = {1};
  }
  return out;
}

}  // namespace

// The store, remembering what one Select has seen.
class TailSession::SeenSource : public LogSource {
 public:
  SeenSource(const LogSource* source, Seen* seen) : source_(source), seen_(seen) {}

  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override {
    absl::StatusOr<Selection> selection = source_->Select(tenant, matchers, range);
    if (selection.ok()) {
      for (const StreamRef& stream : selection->streams) seen_->streams.insert(Raw(stream.id));
      seen_->versions = selection->shard_versions;
      seen_->range = range;
    }
    return selection;
  }
  absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant, const std::vector<Matcher>& matchers,
                                                TimeRange range) const override {
    return source_->Series(tenant, matchers, range);
  }
  absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers, TimeRange range,
                                                      int64_t idle_ns) const override {
    return source_->StoredSeries(tenant, matchers, range, idle_ns);
  }
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const override {
    return source_->LabelNames(tenant, matchers, range);
  }
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       const std::vector<Matcher>& matchers,
                                                       TimeRange range) const override {
    return source_->LabelValues(tenant, name, matchers, range);
  }

 private:
  const LogSource* source_;
  Seen* seen_;
};

TailSession::TailSession(const QueryService* service, TailQuestion question)
    : service_(service),
      question_(std::move(question)),
      stages_([this]() -> const std::vector<logql::Stage>& {
        static const std::vector<logql::Stage> kNone;
        const auto* selector = std::get_if<logql::LogSelectorExpr>(&question_.expr->node);
        return selector == nullptr ? kNone : selector->stages;
      }()) {
  categorize_ =
      std::find(question_.flags.begin(), question_.flags.end(), kCategorizeLabels) != question_.flags.end();
  if (categorize_) live_form_ = TailForm::kCategorized;
  if (!categorize_ && stages_.empty()) live_form_ = TailForm::kIndexOnly;
}

TailSession::~TailSession() = default;

void TailSession::OnOpen(std::shared_ptr<WebSocket> socket) {
  const std::lock_guard lock(mu_);
  socket_ = std::move(socket);
  opened_ns_ = MonotonicNs();
  const auto* selector = std::get_if<logql::LogSelectorExpr>(&question_.expr->node);
  if (selector == nullptr) return Fail("only log selector is supported");
  const int64_t max = service_->limits->Of(question_.tenant)->max_concurrent_tail_requests;
  int64_t count = 0;
  if (!service_->tails->Enter(question_.tenant, max, &count)) {
    return Fail(
        fmt::format("rpc error: code = Code(400) desc = max concurrent tail requests limit exceeded, count > "
                    "limit ({} > {})",
                    count, max));
  }
  entered_ = true;
  feed_ = std::make_shared<TailFeed>(selector->selector.matchers, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      const std::lock_guard own(self->mu_);
      self->Schedule();
    }
  });
  service_->tails->Subscribe(question_.tenant, feed_);
  const bool taken =
      service_->queries->Add(question_.tenant, "tail", [self = shared_from_this()] { self->ReadPast(); });
  if (!taken) Fail("too many outstanding requests");
}

void TailSession::ReadPast() {
  Seen seen;
  QueryParams params;
  params.tenant = question_.tenant;
  params.start_ns = question_.start_ns;
  params.end_ns = std::max(service_->clock->NowNs() + kDayNs, question_.start_ns);
  params.limit = question_.limit;
  QueryLimits limits;
  const std::shared_ptr<const Limits> own = service_->limits->Of(question_.tenant);
  if (own->max_query_lookback_ns > 0)
    params.start_ns = std::max(params.start_ns, service_->clock->NowNs() - own->max_query_lookback_ns);
  limits.max_entries_limit = 0;
  limits.timeout_ns = own->query_timeout_ns;
  limits.memory_bytes = static_cast<int64_t>(service_->config->query_memory_per_query);
  limits.memory = service_->budgets->Of(question_.tenant);
  const SeenSource source(service_->source, &seen);
  const Engine engine = service_->engine->Over(&source);
  absl::StatusOr<QueryResult> result = engine.RunExpr(question_.expr, params, limits, cancel_.get());
  const std::lock_guard lock(mu_);
  if (closed_) return;
  if (!result.ok()) return Fail(std::string(MessageOf(result.status())));
  past_ = std::get<Streams>(std::move(result->data));
  past_left_ = past_.entries().size();
  for (const CategorizedLabels& labels : past_.label_sets()) {
    past_labels_.push_back(MakeTailLabels(labels, categorize_ ? TailForm::kCategorized : TailForm::kMerged));
  }
  seen_ = std::move(seen);
  past_read_ = true;
  Schedule();
}

void TailSession::OnWritten() {
  const std::lock_guard lock(mu_);
  writing_ = false;
  Schedule();
}

void TailSession::OnTick() {
  const std::lock_guard lock(mu_);
  if (MonotonicNs() - opened_ns_ > service_->config->tail_max_duration_ns) {
    return Fail("reached tail max duration limit");
  }
  Schedule();
}

void TailSession::OnClosed() {
  cancel_->Cancel();
  const std::lock_guard lock(mu_);
  closed_ = true;
  feed_ = nullptr;
  socket_ = nullptr;
  past_ = Streams();
  waiting_.clear();
  if (entered_) service_->tails->Leave(question_.tenant);
  entered_ = false;
}

// Under mu_.
void TailSession::Fail(std::string reason) {
  if (socket_ != nullptr) socket_->Close(kInternalError, std::move(reason));
  feed_ = nullptr;
  past_read_ = false;
}

// Under mu_.
void TailSession::Schedule() {
  if (closed_ || scheduled_ || !past_read_) return;
  scheduled_ = true;
  service_->tail_pool->Add([self = shared_from_this()] { self->Run(); });
}

void TailSession::Run() {
  const std::lock_guard lock(mu_);
  scheduled_ = false;
  if (closed_ || !past_read_ || feed_ == nullptr) return;
  TailFeed::Batch batch = feed_->Take();
  for (DroppedEntry& entry : batch.dropped) {
    if (dropped_.size() < kMaxDroppedEntries) dropped_.push_back(std::move(entry));
  }
  for (const TailFeed::Part& part : batch.parts) Filter(part);
  SendNext();
}

bool TailSession::IsSeen(const TailFeed::Part& part, int64_t time_ns) const {
  return part.shard < seen_.versions.size() && part.version <= seen_.versions[part.shard] &&
         seen_.streams.contains(Raw(part.stream)) && seen_.range.Contains(time_ns);
}

void TailSession::StartPipeline() {
  if (runner_ != nullptr && interner_->bytes() < kMaxInternedBytes) return;
  runner_ = nullptr;
  interner_ = std::make_unique<exec::LabelSetInterner>();
  runner_ = std::make_unique<exec::PipelineRunner>(pipeline_, interner_.get());
  live_labels_.clear();
}

void TailSession::Filter(const TailFeed::Part& part) {
  if (pipeline_ == nullptr) {
    auto compiled =
        exec::Pipeline::Compile(exec::PlanPipeline(std::get<logql::LogSelectorExpr>(question_.expr->node)));
    if (!compiled.ok()) return Fail(std::string(MessageOf(compiled.status())));
    pipeline_ = *std::move(compiled);
  }
  StartPipeline();
  std::vector<uint32_t> rows;
  pipeline_->FilterRows(*part.rows, 0, static_cast<uint32_t>(part.rows->size()), &rows);
  if (rows.empty()) return;
  const std::vector<bool> hidden = service_->deletes->Hidden(question_.tenant, *part.labels, *part.rows);
  runner_->StartSlice(*part.labels, part.rows.get());
  for (const uint32_t row : rows) {
    if (!hidden.empty() && hidden[row]) continue;
    const int64_t time_ns = part.rows->time_ns[row];
    if (IsSeen(part, time_ns)) continue;
    exec::Entry entry;
    if (!runner_->ProcessEntry(row, &entry)) continue;
    if (waiting_bytes_ > kMaxWaitingBytes || waiting_.size() >= kMaxWaitingEntries) {
      if (dropped_.size() < kMaxDroppedEntries) dropped_.push_back({time_ns, part.labels});
      continue;
    }
    if (live_labels_.size() <= entry.labels) live_labels_.resize(entry.labels + 1);
    TailLabels& labels = live_labels_[entry.labels];
    if (labels.stream.empty()) labels = MakeTailLabels(Categorized(interner_->Get(entry.labels)), live_form_);
    Waiting waiting{time_ns, TailEntryJson(labels, time_ns, entry.line), part.labels, nullptr};
    if (question_.delay_ns > 0) waiting.row = CopyRow(*part.rows, row);
    waiting_bytes_ += waiting.json.size();
    // Lines that are held back come out in order of time, the others as they came.
    auto at = waiting_.end();
    if (question_.delay_ns > 0) {
      at = std::upper_bound(waiting_.begin(), waiting_.end(), time_ns,
                            [](int64_t t, const Waiting& w) { return t < w.time_ns; });
    }
    waiting_.insert(at, std::move(waiting));
  }
}

bool TailSession::IsDeleted(const Waiting& entry) const {
  if (entry.row == nullptr) return false;
  const std::vector<bool> hidden = service_->deletes->Hidden(question_.tenant, *entry.labels, *entry.row);
  return !hidden.empty() && hidden[0];
}

// Under mu_.
void TailSession::SendNext() {
  if (writing_ || socket_ == nullptr) return;
  std::vector<std::string> entries;
  size_t bytes = 0;
  while (past_left_ > 0 && entries.size() < kEntriesPerFrame && bytes < kMaxFrameBytes) {
    const Streams::Entry& entry = past_.entries()[--past_left_];
    entries.push_back(TailEntryJson(past_labels_[entry.label_set], entry.time_ns, entry.line));
    bytes += entries.back().size();
    if (past_left_ == 0) {
      past_ = Streams();
      past_labels_.clear();
    }
  }
  const int64_t due_ns = question_.delay_ns > 0 ? service_->clock->NowNs() - question_.delay_ns : kMaxTimeNs;
  while (past_left_ == 0 && !waiting_.empty() && waiting_.front().time_ns <= due_ns &&
         entries.size() < kEntriesPerFrame && bytes < kMaxFrameBytes) {
    waiting_bytes_ -= waiting_.front().json.size();
    if (!IsDeleted(waiting_.front())) {
      bytes += waiting_.front().json.size();
      entries.push_back(std::move(waiting_.front().json));
    }
    waiting_.pop_front();
  }
  if (entries.empty() && dropped_.empty()) return;
  writing_ = true;
  socket_->Send(TailFrameJson(entries, dropped_, question_.flags));
  dropped_.clear();
}

}  // namespace skald::server
