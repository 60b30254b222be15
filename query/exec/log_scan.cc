#include "query/exec/log_scan.h"

#include <absl/container/flat_hash_map.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status_macros.h"
#include "query/exec/block_needs.h"
#include "query/exec/pipeline/duplicate_filter.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/pipeline/printable.h"
#include "query/exec/query_limiter.h"

namespace skald::exec {
namespace {

// An entry of the answer, or one that may still become it.
struct Candidate {
  int64_t time_ns = 0;
  uint64_t stream_hash = 0;
  uint32_t stream = 0;
  uint32_t block = 0;
  uint32_t row = 0;
  uint32_t worker = 0;
  LabelSetId labels = 0;  // of that worker's interner
  std::string line;
};

// What Loki sorts streams by that have entries at one and the same time, in both directions.
uint64_t TieOrder(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text.append(name).append(1, '\xff').append(value).append(1, '\xff');
  return XXH64(text.data(), text.size(), 0);
}

// Whether x comes before y in the answer.
class Before {
 public:
  explicit Before(Direction direction) : backward_(direction == Direction::kBackward) {}
  bool operator()(const Candidate& x, const Candidate& y) const {
    if (x.time_ns != y.time_ns) return backward_ ? x.time_ns > y.time_ns : x.time_ns < y.time_ns;
    if (x.stream_hash != y.stream_hash) return x.stream_hash < y.stream_hash;
    if (x.stream != y.stream) return x.stream < y.stream;
    return backward_ ? Row(y) < Row(x) : Row(x) < Row(y);
  }

 private:
  static std::pair<uint32_t, uint32_t> Row(const Candidate& x) { return {x.block, x.row}; }
  bool backward_;
};

// The best `limit` candidates so far. Thread-safe.
class TopEntries {
 public:
  TopEntries(Direction direction, size_t limit, MemoryAccount* memory)
      : before_(direction),
        backward_(direction == Direction::kBackward),
        limit_(limit),
        memory_(memory),
        bound_ns_(backward_ ? kMinTimeNs : kMaxTimeNs) {}

  // Entries beyond this time (in the direction) can no longer make it; those at it can.
  int64_t bound_ns() const { return bound_ns_.load(std::memory_order_relaxed); }
  bool Beyond(int64_t t_ns) const { return backward_ ? t_ns < bound_ns() : t_ns > bound_ns(); }

  // Takes what is good enough, leaves *batch empty. ResourceExhausted when the entries held outgrow the
  // budget.
  absl::Status Add(std::vector<Candidate>* batch) {
    std::lock_guard lock(mu_);
    for (Candidate& candidate : *batch) {
      if (heap_.size() == limit_) {
        if (!before_(candidate, heap_.front())) continue;
        std::pop_heap(heap_.begin(), heap_.end(), before_);
        line_bytes_ -= static_cast<int64_t>(heap_.back().line.size());
        heap_.pop_back();
      }
      line_bytes_ += static_cast<int64_t>(candidate.line.size());
      heap_.push_back(std::move(candidate));
      std::push_heap(heap_.begin(), heap_.end(), before_);  // the worst on top
      if (heap_.size() == limit_) bound_ns_.store(heap_.front().time_ns, std::memory_order_relaxed);
    }
    batch->clear();
    return memory_->Hold(line_bytes_ + static_cast<int64_t>(heap_.size() * sizeof(Candidate)));
  }

  // In order of the answer.
  std::vector<Candidate> Take() {
    std::lock_guard lock(mu_);
    std::sort_heap(heap_.begin(), heap_.end(), before_);
    return std::move(heap_);
  }

 private:
  const Before before_;
  const bool backward_;
  const size_t limit_;
  MemoryAccount* const memory_;  // used under mu_
  std::atomic<int64_t> bound_ns_;
  std::mutex mu_;
  std::vector<Candidate> heap_;  // guarded by mu_
  int64_t line_bytes_ = 0;       // guarded by mu_
};

// What all workers of one round share.
struct Round {
  const Selection& selection;
  TimeRange range;
  Direction direction;
  uint32_t limit;
  TopEntries* top;
  DuplicateFilter* duplicates;
};

class Worker {
 public:
  Worker(uint32_t number, std::shared_ptr<const Pipeline> pipeline, MemoryBudget* budget,
         const CancelToken* cancel)
      : number_(number),
        pipeline_(std::move(pipeline)),
        runner_(pipeline_, &interner_),
        memory_(budget),
        cancel_(cancel) {}

  absl::Status RunBlock(const Round& round, uint32_t block_index) {
    const Block& block = *round.selection.blocks[block_index];
    todo_.clear();
    ColumnSet want = pipeline_->Columns();
    want.times = true;
    want.lines = true;
    bool metadata = false;
    for (uint32_t s = 0; s < block.slices().size(); ++s) {
      const Slice& slice = block.slices()[s];
      if (!MayContribute(round, slice.min_ns, slice.max_ns)) continue;
      todo_.push_back(Todo{s, 0, 0, 0, 0});
      metadata |= slice.overlaps || slice.HasErrors() ||
                  pipeline_->MetadataMatters(*round.selection.streams[slice.stream].labels);
    }
    if (todo_.empty()) {
      ++stats_.blocks_skipped_time;
      return absl::OkStatus();
    }
    if (!MayMatch(pipeline_->plan().needed_text, block, round.selection)) {
      ++stats_.blocks_skipped_filter;
      return absl::OkStatus();
    }
    want.metadata = metadata;
    absl::StatusOr<const Rows*> rows = ReadAndFilter(round, block, want);
    if (!rows.ok()) {
      if (rows.status().code() != absl::StatusCode::kDataLoss) return rows.status();
      ++stats_.damaged_blocks;
      return absl::OkStatus();
    }
    ++stats_.blocks_decoded;
    stats_.metadata_bytes += MetadataBytes(**rows);
    const int64_t begin_ns = MonotonicNs();
    for (const Todo& todo : todo_) {
      RunSlice(round, block_index, todo, **rows);
      RETURN_IF_ERROR(round.top->Add(&batch_));
      RETURN_IF_ERROR(stopped_);
    }
    stats_.stage_ns += MonotonicNs() - begin_ns;
    return memory_.Hold(reader_.bytes() + static_cast<int64_t>(interner_.bytes()));
  }

  const LabelSetInterner& interner() const { return interner_; }
  const QueryStats& stats() const { return stats_; }

  static bool MayContribute(const Round& round, int64_t min_ns, int64_t max_ns) {
    if (!round.range.Overlaps(min_ns, max_ns)) return false;
    return !round.top->Beyond(round.direction == Direction::kBackward ? max_ns : min_ns);
  }

 private:
  struct Todo {
    uint32_t slice = 0;
    uint32_t row_begin = 0;  // rows in the round's time range
    uint32_t row_end = 0;
    size_t candidate_begin = 0;  // of candidates_, where there are leading filters
    size_t candidate_end = 0;
  };

  // The rows of todo_ with the wanted columns, after the leading filters; only what those need if they leave
  // no row.
  absl::StatusOr<const Rows*> ReadAndFilter(const Round& round, const Block& block, ColumnSet want) {
    const bool filters = pipeline_->HasLeadingFilters();
    ColumnSet first = want;
    if (filters) {
      first.metadata = false;
      first.times = std::any_of(todo_.begin(), todo_.end(), [&](const Todo& todo) {
        const Slice& slice = block.slices()[todo.slice];
        return !round.range.Covers(slice.min_ns, slice.max_ns);
      });
    }
    const int64_t begin_ns = MonotonicNs();
    ASSIGN_OR_RETURN(const Rows* rows, reader_.Read(block, first, &stats_.read));
    const int64_t read_ns = MonotonicNs();
    stats_.decode_ns += read_ns - begin_ns;
    candidates_.clear();
    for (Todo& todo : todo_) {
      std::tie(todo.row_begin, todo.row_end) = RowsInRange(*rows, block.slices()[todo.slice], round.range);
      todo.candidate_begin = candidates_.size();
      if (filters) pipeline_->FilterRows(*rows, todo.row_begin, todo.row_end, &candidates_);
      todo.candidate_end = candidates_.size();
    }
    const int64_t filtered_ns = MonotonicNs();
    stats_.filter_ns += filtered_ns - read_ns;
    if (filters && candidates_.empty()) {
      ++stats_.blocks_without_match;
      return rows;
    }
    absl::StatusOr<const Rows*> completed = reader_.Complete(block, first, want, &stats_.read);
    stats_.decode_ns += MonotonicNs() - filtered_ns;
    return completed;
  }

  void RunSlice(const Round& round, uint32_t block_index, const Todo& todo, const Rows& rows) {
    const Slice& slice = round.selection.blocks[block_index]->slices()[todo.slice];
    const uint32_t begin = todo.row_begin;
    const uint32_t end = todo.row_end;
    if (begin == end) return;
    const bool backward = round.direction == Direction::kBackward;
    if (pipeline_->HasLeadingFilters()) {
      stats_.lines_processed += end - begin;
      stats_.bytes_processed += rows.line_bytes(begin, end);
      if (todo.candidate_begin == todo.candidate_end) return;
    }
    const Labels& stream = *round.selection.streams[slice.stream].labels;
    const uint64_t stream_hash = TieOrder(stream);
    runner_.StartSlice(stream, &rows);
    const DuplicateFilter::Region region =
        slice.overlaps ? round.duplicates->RegionOf(block_index, todo.slice) : DuplicateFilter::Region();
    // False: this row and all after it (in the direction) come too late.
    const auto run_row = [&](uint32_t row) {
      const int64_t t_ns = rows.time_ns[row];
      if (batch_.size() == round.limit || round.top->Beyond(t_ns)) return false;
      // Stages may take their time with a line.
      if (++rows_run_ % kRowsBetweenLooks == 0 && !(stopped_ = cancel_->Check()).ok()) return false;
      Entry entry;
      if (!runner_.ProcessEntry(row, &entry)) return true;
      if (slice.overlaps && region.Contains(t_ns) && !round.duplicates->IsFirst(slice.stream, rows, row)) {
        ++stats_.duplicate_lines;
        return true;
      }
      ++stats_.post_filter_lines;
      batch_.push_back(Candidate{t_ns, stream_hash, slice.stream, block_index, row, number_, entry.labels,
                                 std::string(entry.line)});
      return true;
    };
    if (pipeline_->HasLeadingFilters()) {
      const size_t candidates = todo.candidate_end - todo.candidate_begin;
      stats_.lines_after_leading_filters += candidates;
      for (size_t i = 0; i < candidates; ++i) {
        const size_t at = backward ? todo.candidate_end - 1 - i : todo.candidate_begin + i;
        if (!run_row(candidates_[at])) break;
      }
      return;
    }
    uint32_t looked_at = 0;
    while (looked_at < end - begin && run_row(backward ? end - 1 - looked_at : begin + looked_at))
      ++looked_at;
    stats_.lines_after_leading_filters += looked_at;
    stats_.lines_processed += looked_at;
    stats_.bytes_processed +=
        backward ? rows.line_bytes(end - looked_at, end) : rows.line_bytes(begin, begin + looked_at);
  }

  const uint32_t number_;
  const std::shared_ptr<const Pipeline> pipeline_;
  LabelSetInterner interner_;
  PipelineRunner runner_;
  MemoryAccount memory_;
  const CancelToken* const cancel_;
  static constexpr uint32_t kRowsBetweenLooks = 64;
  uint32_t rows_run_ = 0;
  absl::Status stopped_;  // by the token
  BlockReader reader_;
  std::vector<Todo> todo_;
  std::vector<uint32_t> candidates_;
  std::vector<Candidate> batch_;
  QueryStats stats_;
};

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return b < 0 ? kMinTimeNs : kMaxTimeNs;
  return sum;
}

// One selection, read as often as `interval` asks for.
class LogScan {
 public:
  LogScan(const QueryContext& context, const Selection& selection, std::shared_ptr<const Pipeline> pipeline,
          const LogScanOptions& options)
      : context_(context),
        selection_(selection),
        options_(options),
        entry_memory_(context.budget),
        order_(BlocksByTime(selection, options.direction)) {
    const uint32_t workers = WorkerCount(context, order_.size());
    for (uint32_t i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(i, pipeline, context.budget, context.cancel));
    }
  }

  absl::Status Run() {
    if (options_.interval_ns <= 0) {
      ASSIGN_OR_RETURN(std::vector<Candidate> entries, Read(options_.range, options_.limit));
      for (Candidate& entry : entries) Emit(std::move(entry));
      return absl::OkStatus();
    }
    TimeRange rest = options_.range;
    const bool backward = options_.direction == Direction::kBackward;
    while (rest.begin_ns < rest.end_ns && streams_.entries().size() < options_.limit) {
      const TimeRange span = NextSpan(rest);
      RETURN_IF_ERROR(RunThinned(span));
      (backward ? rest.end_ns : rest.begin_ns) = backward ? span.begin_ns : span.end_ns;
    }
    return absl::OkStatus();
  }

  Streams TakeStreams() {
    context_.stats->Add(stats());
    return std::move(streams_);
  }

  QueryStats stats() const {
    QueryStats out;
    for (const std::unique_ptr<Worker>& worker : workers_) out.Add(worker->stats());
    return out;
  }

  const LabelSet& LabelsOf(const Candidate& entry) const {
    return workers_[entry.worker]->interner().Get(entry.labels);
  }

  absl::StatusOr<std::vector<Candidate>> Read(TimeRange range, uint32_t limit) {
    TopEntries top(options_.direction, limit, &entry_memory_);
    DuplicateFilter duplicates(selection_);
    const Round round{selection_, range, options_.direction, limit, &top, &duplicates};
    RETURN_IF_ERROR(RunTasks(
        context_, static_cast<uint32_t>(workers_.size()), order_.size(),
        [&](uint32_t worker, size_t task) { return workers_[worker]->RunBlock(round, order_[task]); }));
    return top.Take();
  }

 private:
  // The part of rest that comes first in the direction, up to the next multiple of the split interval.
  TimeRange NextSpan(TimeRange rest) const {
    const int64_t split = options_.split_interval_ns;
    if (split <= 0) return rest;
    TimeRange span = rest;
    if (options_.direction == Direction::kForward) {
      const int64_t floor_ns = SaturatingAdd(rest.begin_ns, -((rest.begin_ns % split + split) % split));
      span.end_ns = std::min(rest.end_ns, SaturatingAdd(floor_ns, split));
    } else {
      const int64_t last_ns = rest.end_ns - 1;
      span.begin_ns = std::max(rest.begin_ns, SaturatingAdd(last_ns, -((last_ns % split + split) % split)));
    }
    return span;
  }

  // Emits entries at least interval apart. After each entry the next one is the first at or beyond its time
  // plus interval, so a round reads some entries on from there, and a gap costs no reading.
  absl::Status RunThinned(TimeRange span) {
    const bool backward = options_.direction == Direction::kBackward;
    bool any = false;
    int64_t last_ns = 0;
    while (span.begin_ns < span.end_ns && streams_.entries().size() < options_.limit) {
      constexpr uint32_t kRoundEntries = 1000;
      ASSIGN_OR_RETURN(std::vector<Candidate> entries, Read(span, kRoundEntries));
      for (Candidate& entry : entries) {
        if (streams_.entries().size() == options_.limit) return absl::OkStatus();
        if (any && (backward ? entry.time_ns > SaturatingAdd(last_ns, -options_.interval_ns)
                             : entry.time_ns < SaturatingAdd(last_ns, options_.interval_ns))) {
          continue;
        }
        any = true;
        last_ns = entry.time_ns;
        Emit(std::move(entry));
      }
      if (entries.size() < kRoundEntries) return absl::OkStatus();
      if (backward) {
        span.end_ns = SaturatingAdd(SaturatingAdd(last_ns, -options_.interval_ns), 1);
      } else {
        span.begin_ns = SaturatingAdd(last_ns, options_.interval_ns);
      }
    }
    return absl::OkStatus();
  }

  void Emit(Candidate entry) {
    const uint64_t key = uint64_t{entry.worker} << 32 | entry.labels;
    const auto [it, added] = label_set_of_.try_emplace(key, 0);
    if (added) {
      const LabelSet& set = LabelsOf(entry);
      CategorizedLabels labels;
      labels.reserve(set.labels.size());
      for (size_t i = 0; i < set.labels.size(); ++i) {
        const auto& [name, value] = set.labels.pairs()[i];
        labels.push_back(CategorizedLabel{name, PrintableValue(value), set.categories[i]});
      }
      it->second = streams_.AddLabelSet(std::move(labels));
    }
    streams_.AddEntry(entry.time_ns, it->second, std::move(entry.line));
  }

  const QueryContext& context_;
  const Selection& selection_;
  const LogScanOptions& options_;
  MemoryAccount entry_memory_;
  const std::vector<uint32_t> order_;  // of selection.blocks
  std::vector<std::unique_ptr<Worker>> workers_;
  absl::flat_hash_map<uint64_t, uint32_t> label_set_of_;  // (worker, its label set) -> streams_' label set
  Streams streams_;
};

}  // namespace

class LogReader::Impl {
 public:
  Impl(const QueryContext& context, const Selection& selection, std::shared_ptr<const Pipeline> pipeline,
       Direction direction)
      : options_{.range = {}, .direction = direction},
        scan_(context, selection, std::move(pipeline), options_) {}

  const LogScanOptions options_;
  LogScan scan_;
};

bool InForwardOrder(const ScannedLine& x, const ScannedLine& y) {
  return std::tie(x.time_ns, x.stream, x.block, x.row) < std::tie(y.time_ns, y.stream, y.block, y.row);
}

LogReader::LogReader(const QueryContext& context, const Selection& selection,
                     std::shared_ptr<const Pipeline> pipeline, Direction direction)
    : impl_(std::make_unique<Impl>(context, selection, std::move(pipeline), direction)) {}
LogReader::~LogReader() = default;

absl::StatusOr<std::vector<ScannedLine>> LogReader::Read(TimeRange range, uint32_t limit) {
  ASSIGN_OR_RETURN(std::vector<Candidate> entries, impl_->scan_.Read(range, limit));
  std::vector<ScannedLine> out;
  out.reserve(entries.size());
  for (Candidate& entry : entries) {
    out.push_back({entry.time_ns, entry.stream, entry.block, entry.row, &impl_->scan_.LabelsOf(entry),
                   std::move(entry.line)});
  }
  return out;
}

QueryStats LogReader::stats() const { return impl_->scan_.stats(); }

absl::StatusOr<Streams> ScanLog(const QueryContext& context, const ReadPlan& read,
                                const LogScanOptions& options) {
  ASSIGN_OR_RETURN(Selection selection, SelectData(context, read, options.range, options.direction));
  if (selection.blocks.empty() || options.limit == 0) return Streams();
  ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> pipeline, Pipeline::Compile(read.pipeline));
  LogScan scan(context, selection, std::move(pipeline), options);
  RETURN_IF_ERROR(scan.Run());
  return scan.TakeStreams();
}

}  // namespace skald::exec
