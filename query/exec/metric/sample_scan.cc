#include "query/exec/metric/sample_scan.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/block_needs.h"
#include "query/exec/labels_index.h"
#include "query/exec/metric/range_function.h"
#include "query/exec/pipeline/duplicate_filter.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/query_limiter.h"
#include "query/exec/scan_order.h"

namespace skald::exec {
namespace {

using logql::RangeOp;

constexpr std::string_view kLevelLabel = "detected_level";

// What all workers of one scan share. Constant while they run, but for the filter, which has locks of its
// own.
struct Scan {
  const Selection& selection;
  const WindowGrid& grid;
  std::shared_ptr<const Pipeline> pipeline;
  RangeKernel kernel = RangeKernel::kSum;
  SampleKind kind = SampleKind::kOne;
  bool has_leading_filters = false;
  bool needs_order = false;  // and times, also of slices that lie in one bucket
  // Where needs_order: for each slice of each block, which comes first of those that meet at one time.
  std::vector<std::vector<uint32_t>> order;
  HeaderUse headers = HeaderUse::kNone;
  DuplicateFilter* duplicates = nullptr;
};

class Worker {
 public:
  Worker(const Scan& scan, MemoryBudget* budget, const CancelToken* cancel)
      : scan_(scan),
        runner_(scan.pipeline, &interner_),
        memory_(budget),
        cancel_(cancel),
        streams_(scan.selection.streams.size()) {}

  absl::Status RunBlock(uint32_t block_index) {
    const Block& block = *scan_.selection.blocks[block_index];
    // First all that headers can answer.
    todo_.clear();
    ColumnSet want;
    bool any_from_header = false;
    for (uint32_t s = 0; s < block.slices().size(); ++s) {
      const Slice& slice = block.slices()[s];
      Todo todo;
      todo.slice = s;
      todo.bucket = scan_.grid.Find(slice.min_ns);
      todo.whole = todo.bucket.Contains(slice.max_ns);
      if (todo.whole && !todo.bucket.in_window) continue;
      if (!slice.overlaps && !slice.HasErrors() &&
          (todo.whole ? CountFromHeader(slice, todo.bucket.id) : CountFromSummary(block, slice))) {
        any_from_header = true;
        continue;
      }
      todo_.push_back(todo);
      Want(slice, todo.whole, &want);
    }
    if (todo_.empty()) {
      ++(any_from_header ? stats_.blocks_from_header : stats_.blocks_skipped_time);
      return Account();
    }
    if (!MayMatch(scan_.pipeline->plan().needed_text, block, scan_.selection)) {
      ++stats_.blocks_skipped_filter;
      return Account();
    }
    absl::StatusOr<const Rows*> rows = ReadAndFilter(block, want);
    if (!rows.ok()) {
      if (rows.status().code() != absl::StatusCode::kDataLoss) return rows.status();
      ++stats_.damaged_blocks;
      return absl::OkStatus();
    }
    ++stats_.blocks_decoded;
    stats_.metadata_bytes += MetadataBytes(**rows);
    const int64_t begin_ns = MonotonicNs();
    for (const Todo& todo : todo_) RunSlice(block_index, todo, **rows);
    RETURN_IF_ERROR(stopped_);
    stats_.stage_ns += MonotonicNs() - begin_ns;
    return Account();
  }

  LabelSetInterner& interner() { return interner_; }
  std::vector<SeriesSamples>& series() { return series_; }
  const QueryStats& stats() const { return stats_; }

 private:
  struct Todo {
    uint32_t slice = 0;
    bool whole = false;  // the slice lies in `bucket`
    WindowGrid::Bucket bucket;
    uint32_t row_begin = 0;  // rows that may lie in a window
    uint32_t row_end = 0;
    size_t candidate_begin = 0;  // of candidates_, where there are leading filters
    size_t candidate_end = 0;
  };
  struct Part {
    WindowGrid::Bucket bucket;
    TimeCounts::Count count;
  };
  // What is known of a stream whatever its rows are.
  struct StreamState {
    bool known = false;
    bool metadata_matters = true;
    bool levels_suffice = false;
    std::optional<PipelineRunner::Constant> constant;
  };

  // The rows of todo_ with the wanted columns, after the leading filters; only what those need if they leave
  // no row.
  absl::StatusOr<const Rows*> ReadAndFilter(const Block& block, ColumnSet want) {
    const TimeRange range = scan_.grid.data_range();
    ColumnSet first = want;
    if (scan_.has_leading_filters) {
      first.metadata = false;
      first.times = std::any_of(todo_.begin(), todo_.end(), [&](const Todo& todo) {
        const Slice& slice = block.slices()[todo.slice];
        return !range.Covers(slice.min_ns, slice.max_ns);
      });
    }
    const int64_t begin_ns = MonotonicNs();
    ASSIGN_OR_RETURN(const Rows* rows, reader_.Read(block, first, &stats_.read));
    const int64_t read_ns = MonotonicNs();
    stats_.decode_ns += read_ns - begin_ns;
    candidates_.clear();
    for (Todo& todo : todo_) {
      std::tie(todo.row_begin, todo.row_end) = RowsInRange(*rows, block.slices()[todo.slice], range);
      todo.candidate_begin = candidates_.size();
      if (scan_.has_leading_filters) {
        scan_.pipeline->FilterRows(*rows, todo.row_begin, todo.row_end, &candidates_);
      }
      todo.candidate_end = candidates_.size();
    }
    const int64_t filtered_ns = MonotonicNs();
    stats_.filter_ns += filtered_ns - read_ns;
    if (scan_.has_leading_filters && candidates_.empty()) {
      ++stats_.blocks_without_match;
      return rows;
    }
    absl::StatusOr<const Rows*> completed = reader_.Complete(block, first, want, &stats_.read);
    stats_.decode_ns += MonotonicNs() - filtered_ns;
    return completed;
  }

  const StreamState& StateOf(uint32_t stream) {
    StreamState& state = streams_[stream];
    if (state.known) return state;
    state.known = true;
    const Labels& labels = *scan_.selection.streams[stream].labels;
    state.metadata_matters = scan_.pipeline->MetadataMatters(labels);
    if (!state.metadata_matters) {
      runner_.StartSlice(labels, nullptr);
      state.constant = runner_.SliceConstant();
    } else if (scan_.headers == HeaderUse::kCountsOrLevels) {
      const std::vector<std::string>& wanted = scan_.pipeline->plan().grouping.labels;
      state.levels_suffice = std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
        return name == kLevelLabel || !labels.Get(name).empty();
      });
    }
    return state;
  }

  bool CountFromHeader(const Slice& slice, uint32_t bucket) {
    if (scan_.headers == HeaderUse::kNone) return false;
    const StreamState& state = StateOf(slice.stream);
    if (state.constant.has_value()) {
      if (state.constant->keep) {
        const double total = scan_.kind == SampleKind::kBytes ? static_cast<double>(slice.line_bytes)
                                                              : state.constant->value * slice.rows();
        Add(state.constant->labels, bucket, slice.max_ns, total, slice.rows());
      }
    } else if (state.levels_suffice) {
      uint64_t rows = 0;
      for (const LevelCount& level : slice.levels) rows += level.rows;
      if (rows != slice.rows()) return false;
      for (const LevelCount& level : slice.levels) {
        const double total = scan_.kind == SampleKind::kBytes ? static_cast<double>(level.line_bytes)
                                                              : static_cast<double>(level.rows);
        Add(LevelLabels(slice.stream, level.level), bucket, slice.max_ns, total, level.rows);
      }
    } else {
      return false;
    }
    CountedFromHeader(slice, slice.rows());
    return true;
  }

  void CountedFromHeader(const Slice& slice, uint64_t kept_rows) {
    ++stats_.slices_from_header;
    stats_.lines_from_header += slice.rows();
    stats_.bytes_from_header += slice.line_bytes;
    stats_.lines_processed += slice.rows();
    stats_.bytes_processed += slice.line_bytes;
    stats_.lines_after_leading_filters += slice.rows();
    stats_.post_filter_lines += kept_rows;
  }

  // A slice that bucket edges cut, where its block's counts over time have an edge at each of them.
  bool CountFromSummary(const Block& block, const Slice& slice) {
    if (scan_.headers == HeaderUse::kNone) return false;
    const StreamState& state = StateOf(slice.stream);
    if (!state.constant.has_value()) return false;
    const std::shared_ptr<const BlockSummary> summary = block.Summary();
    if (summary == nullptr || summary->times.counts.empty()) return false;
    const TimeCounts& times = summary->times;
    parts_.clear();
    WindowGrid::Bucket bucket;
    int64_t end_ns = times.first_end_ns;
    for (const TimeCounts::Count& count : times.counts) {
      const int64_t first_ns = std::max(end_ns - times.width_ns + 1, slice.min_ns);
      const int64_t last_ns = std::min(end_ns, slice.max_ns);
      end_ns += times.width_ns;
      if (count.rows == 0) continue;
      if (parts_.empty() || !bucket.Contains(last_ns)) {
        bucket = scan_.grid.Find(last_ns);
        parts_.push_back({bucket, {}});
      }
      if (!bucket.Contains(first_ns)) return false;
      parts_.back().count.rows += count.rows;
      parts_.back().count.line_bytes += count.line_bytes;
    }
    uint64_t kept = 0;
    for (const Part& part : parts_) {
      if (!part.bucket.in_window || !state.constant->keep) continue;
      kept += part.count.rows;
      const double total = scan_.kind == SampleKind::kBytes ? static_cast<double>(part.count.line_bytes)
                                                            : state.constant->value * part.count.rows;
      Add(state.constant->labels, part.bucket.id, part.bucket.last_ns, total, part.count.rows);
    }
    CountedFromHeader(slice, kept);
    return true;
  }

  LabelSetId LevelLabels(uint32_t stream, const std::string& level) {
    std::vector<LabelView> views;
    const Labels& labels = *scan_.selection.streams[stream].labels;
    for (const std::string& name : scan_.pipeline->plan().grouping.labels) {
      const std::string_view value = labels.Get(name);
      if (!value.empty()) {
        views.push_back(LabelView{name, value, LabelCategory::kStream});
      } else if (!level.empty()) {
        views.push_back(LabelView{name, level, LabelCategory::kStream});
      }
    }
    std::sort(views.begin(), views.end(),
              [](const LabelView& x, const LabelView& y) { return x.name < y.name; });
    views.erase(std::unique(views.begin(), views.end(),
                            [](const LabelView& x, const LabelView& y) { return x.name == y.name; }),
                views.end());
    return interner_.Intern(views);
  }

  void Want(const Slice& slice, bool whole, ColumnSet* want) {
    const StreamState& state = StateOf(slice.stream);
    const ColumnSet columns = scan_.pipeline->Columns();
    const bool row_by_row = slice.overlaps || slice.HasErrors();
    // A stage may look at the time of a row that it is given.
    want->times |= !whole || scan_.needs_order || row_by_row || !state.constant.has_value();
    want->lines |= columns.lines || scan_.kind == SampleKind::kBytes || row_by_row;
    want->metadata |= (columns.metadata && state.metadata_matters) || row_by_row;
  }

  void RunSlice(uint32_t block_index, const Todo& todo, const Rows& rows) {
    const Slice& slice = scan_.selection.blocks[block_index]->slices()[todo.slice];
    const uint32_t begin = todo.row_begin;
    const uint32_t end = todo.row_end;
    if (begin == end) return;
    stats_.lines_processed += end - begin;
    stats_.bytes_processed += end - begin == slice.rows()   ? slice.line_bytes
                              : rows.line_end.size() >= end ? rows.line_bytes(begin, end)
                                                            : slice.line_bytes * (end - begin) / slice.rows();
    if (scan_.has_leading_filters && todo.candidate_begin == todo.candidate_end) return;
    runner_.StartSlice(*scan_.selection.streams[slice.stream].labels, &rows);
    const std::optional<PipelineRunner::Constant> constant = runner_.SliceConstant();
    if (constant.has_value() && !constant->keep) return;
    if (constant.has_value() && !scan_.has_leading_filters && !slice.overlaps &&
        scan_.kernel == RangeKernel::kSum) {
      AddConstant(*constant, todo, rows, begin, end);
      return;
    }
    const DuplicateFilter::Region region =
        slice.overlaps ? scan_.duplicates->RegionOf(block_index, todo.slice) : DuplicateFilter::Region();
    const bool has_times = rows.time_ns.size() >= end;
    const uint32_t order = scan_.needs_order ? scan_.order[block_index][todo.slice] : 0;
    WindowGrid::Bucket bucket = todo.bucket;
    const auto run_row = [&](uint32_t row) {
      // Stages may take their time with a line.
      if (!stopped_.ok()) return;
      if (++rows_run_ % kRowsBetweenLooks == 0) stopped_ = cancel_->Check();
      const int64_t t_ns = has_times ? rows.time_ns[row] : slice.max_ns;
      if (!todo.whole && !bucket.Contains(t_ns)) bucket = scan_.grid.Find(t_ns);
      if (!bucket.in_window) return;
      Sample sample;
      if (!constant.has_value()) {
        if (!runner_.ProcessSample(row, &sample)) return;
      } else {
        sample.labels = constant->labels;
        sample.value =
            scan_.kind == SampleKind::kBytes ? static_cast<double>(rows.line(row).size()) : constant->value;
      }
      if (slice.overlaps && region.Contains(t_ns) && !scan_.duplicates->IsFirst(slice.stream, rows, row)) {
        ++stats_.duplicate_lines;
        return;
      }
      ++stats_.post_filter_lines;
      Add(sample.labels, bucket.id, t_ns, sample.value, 1, order);
    };
    if (!scan_.has_leading_filters) {
      stats_.lines_after_leading_filters += end - begin;
      for (uint32_t row = begin; row < end; ++row) run_row(row);
      return;
    }
    const size_t candidates = todo.candidate_end - todo.candidate_begin;
    stats_.lines_after_leading_filters += candidates;
    if (constant.has_value() && todo.whole && !slice.overlaps && scan_.kernel == RangeKernel::kSum &&
        scan_.kind != SampleKind::kBytes) {
      stats_.post_filter_lines += candidates;
      Add(constant->labels, bucket.id, slice.max_ns, constant->value * static_cast<double>(candidates),
          candidates);
      return;
    }
    for (size_t i = todo.candidate_begin; i < todo.candidate_end; ++i) run_row(candidates_[i]);
  }

  // Every row of [begin, end) is a sample of one series: whole runs of rows per bucket, found in the time
  // column.
  void AddConstant(const PipelineRunner::Constant& constant, const Todo& todo, const Rows& rows,
                   uint32_t begin, uint32_t end) {
    stats_.lines_after_leading_filters += end - begin;
    WindowGrid::Bucket bucket = todo.bucket;
    while (begin < end) {
      uint32_t run_end = end;
      if (!todo.whole) {
        if (!bucket.Contains(rows.time_ns[begin])) bucket = scan_.grid.Find(rows.time_ns[begin]);
        const auto from = rows.time_ns.begin() + begin;
        run_end = static_cast<uint32_t>(std::upper_bound(from, rows.time_ns.begin() + end, bucket.last_ns) -
                                        rows.time_ns.begin());
      }
      if (bucket.in_window) {
        const uint32_t count = run_end - begin;
        const double total = scan_.kind == SampleKind::kBytes
                                 ? static_cast<double>(rows.line_bytes(begin, run_end))
                                 : constant.value * count;
        stats_.post_filter_lines += count;
        Add(constant.labels, bucket.id, bucket.last_ns, total, count);
      }
      begin = run_end;
    }
  }

  void Add(LabelSetId labels, uint32_t bucket, int64_t t_ns, double value, uint64_t count,
           uint32_t order = 0) {
    if (labels >= series_.size()) series_.resize(interner_.size());
    samples_bytes_ += series_[labels].Add(scan_.kernel, bucket, t_ns, value, count, order);
  }

  absl::Status Account() {
    return memory_.Hold(samples_bytes_ + reader_.bytes() + static_cast<int64_t>(interner_.bytes()) +
                        static_cast<int64_t>(series_.capacity() * sizeof(SeriesSamples)));
  }

  const Scan& scan_;
  LabelSetInterner interner_;
  PipelineRunner runner_;
  MemoryAccount memory_;
  const CancelToken* const cancel_;
  static constexpr uint32_t kRowsBetweenLooks = 64;
  uint32_t rows_run_ = 0;
  absl::Status stopped_;               // by the token
  std::vector<SeriesSamples> series_;  // by LabelSetId
  std::vector<StreamState> streams_;
  std::vector<Todo> todo_;
  std::vector<Part> parts_;
  std::vector<uint32_t> candidates_;
  BlockReader reader_;
  int64_t samples_bytes_ = 0;
  QueryStats stats_;
};

struct MergedSeries {
  const LabelSet* labels = nullptr;
  SeriesSamples samples;
};

std::vector<MergedSeries> MergeWorkers(RangeKernel kernel, std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<MergedSeries> merged;
  LabelsIndex index([&merged](uint32_t i) -> const Labels& { return merged[i].labels->labels; });
  for (const std::unique_ptr<Worker>& worker : workers) {
    for (LabelSetId id = 0; id < worker->series().size(); ++id) {
      SeriesSamples& samples = worker->series()[id];
      if (samples.empty()) continue;
      const LabelSet& set = worker->interner().Get(id);
      uint32_t place = static_cast<uint32_t>(merged.size());
      if (workers.size() > 1) place = index.FindOrInsert(set.labels, place);
      if (place == merged.size()) {
        merged.push_back(MergedSeries{&set, std::move(samples)});
      } else {
        merged[place].samples.Merge(kernel, std::move(samples));
      }
    }
  }
  return merged;
}

// Labels of absent_over_time: the selector's equalities, less names that other matchers speak of too.
Labels AbsentLabels(const logql::Selector& selector) {
  std::vector<Labels::Pair> pairs;
  for (const Matcher& matcher : selector.matchers) {
    if (matcher.op() != MatchOp::kEqual || matcher.name() == "__name__") continue;
    const auto same_name = [&](const Matcher& other) { return other.name() == matcher.name(); };
    if (std::count_if(selector.matchers.begin(), selector.matchers.end(), same_name) == 1 &&
        !matcher.value().empty()) {
      pairs.emplace_back(matcher.name(), matcher.value());
    }
  }
  return Labels(std::move(pairs));
}

// What the workers of a scan have found; the series' labels are the workers'.
struct Gathered {
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<MergedSeries> series;
};

absl::StatusOr<Gathered> Gather(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                const Selection& selection, std::shared_ptr<const Pipeline> pipeline) {
  Scan scan{.selection = selection, .grid = grid, .pipeline = std::move(pipeline), .order = {}};
  scan.kernel = read.kernel;
  scan.kind = read.pipeline.kind;
  scan.headers = read.headers;
  scan.has_leading_filters = scan.pipeline->HasLeadingFilters();
  scan.needs_order = NeedsOrder(scan.kernel);
  if (scan.needs_order) scan.order = SliceOrder(selection);
  DuplicateFilter duplicates(selection);
  scan.duplicates = &duplicates;
  std::mutex duplicate_mu;
  MemoryAccount duplicate_memory(context.budget);  // guarded by duplicate_mu

  const ScanTasks tasks = ScanTasksOf(selection, scan.needs_order);
  const auto run_task = [&](Worker* worker, size_t task) -> absl::Status {
    for (uint32_t i = tasks.begin[task]; i < tasks.begin[task + 1]; ++i) {
      if (i > tasks.begin[task]) {
        RETURN_IF_ERROR(context.cancel->Check());
        if (context.limiter != nullptr && context.limiter->TimeIsUp()) break;
      }
      RETURN_IF_ERROR(worker->RunBlock(tasks.blocks[i]));
      const std::lock_guard lock(duplicate_mu);
      RETURN_IF_ERROR(duplicate_memory.Hold(duplicates.bytes()));
    }
    return absl::OkStatus();
  };
  Gathered out;
  out.workers.resize(WorkerCount(context, tasks.size()));
  for (std::unique_ptr<Worker>& worker : out.workers)
    worker = std::make_unique<Worker>(scan, context.budget, context.cancel);
  RETURN_IF_ERROR(
      RunTasks(context, static_cast<uint32_t>(out.workers.size()), tasks.size(),
               [&](uint32_t worker, size_t task) { return run_task(out.workers[worker].get(), task); }));
  for (const std::unique_ptr<Worker>& worker : out.workers) context.stats->Add(worker->stats());
  out.series = MergeWorkers(scan.kernel, out.workers);
  return out;
}

absl::StatusOr<StepVector> Collect(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                   const Selection& selection) {
  const logql::RangeAggregation& range = *read.range;
  const bool unwrapped = range.log_range.unwrap.has_value();
  ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> pipeline, Pipeline::Compile(read.pipeline));
  ASSIGN_OR_RETURN(Gathered gathered, Gather(context, read, grid, selection, std::move(pipeline)));
  std::vector<MergedSeries>& merged = gathered.series;
  StepVector out(merged.size());
  // Few series with many samples each are worth a thread too.
  const size_t series_per_task = std::clamp<size_t>(merged.size() / (4 * gathered.workers.size()), 1, 256);
  const size_t tasks = (merged.size() + series_per_task - 1) / series_per_task;
  const auto evaluate = [&](uint32_t, size_t task) -> absl::Status {
    int64_t bytes = 0;
    const size_t end = std::min(merged.size(), (task + 1) * series_per_task);
    for (size_t i = task * series_per_task; i < end; ++i) {
      out[i].points =
          merged[i].samples.Evaluate(range.op, unwrapped, range.parameter.value_or(0), grid, context.cancel);
      RETURN_IF_ERROR(context.cancel->Check());
      merged[i].samples = SeriesSamples();
      if (out[i].points.empty()) continue;
      const LabelSet& set = *merged[i].labels;
      if (set.has_error && !set.preserve_error) return PipelineError(set.labels);
      out[i].labels = set.labels;
      bytes += static_cast<int64_t>(sizeof(StepSeries) + set.labels.size() * sizeof(Labels::Pair) +
                                    out[i].points.capacity() * sizeof(StepValue));
    }
    const absl::Status reserved = context.budget->Reserve(bytes);
    // What a partial answer takes here it gave back with its samples.
    if (context.limiter != nullptr && context.limiter->Forgives(reserved)) return absl::OkStatus();
    return reserved;
  };
  RETURN_IF_ERROR(RunTasks(context, WorkerCount(context, tasks), tasks, evaluate, false));
  std::erase_if(out, [](const StepSeries& series) { return series.points.empty(); });
  SortSeries(&out);
  return out;
}

}  // namespace

void SortSeries(StepVector* vector) {
  constexpr size_t kWorthSorting = 20'000;
  if (vector->size() > kWorthSorting) return;
  std::sort(vector->begin(), vector->end(),
            [](const StepSeries& x, const StepSeries& y) { return x.labels < y.labels; });
}

absl::Status PipelineError(const Labels& labels) {
  const std::string_view error = labels.Get("__error__");
  return InvalidArgument(
      "pipeline error: '{0}' for series: '{1}'.\n"
      "Use a label filter to intentionally skip this error. (e.g | __error__!=\"{0}\").\n"
      "To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"
      "The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n",
      error, labels.ToString());
}

StepVector AbsentOf(const logql::RangeAggregation& range, const StepVector& present, uint32_t steps) {
  std::vector<bool> seen(steps);
  for (const StepSeries& series : present) {
    for (const StepValue& point : series.points) seen[point.step] = true;
  }
  StepSeries absent{AbsentLabels(range.log_range.source.selector), {}};
  for (uint32_t step = 0; step < steps; ++step) {
    if (!seen[step]) absent.points.push_back(StepValue{step, 1});
  }
  StepVector out;
  if (!absent.points.empty()) out.push_back(std::move(absent));
  return out;
}

absl::StatusOr<StepVector> ScanSamples(const QueryContext& context, const ReadPlan& read,
                                       const WindowGrid& grid) {
  ASSIGN_OR_RETURN(const Selection selection,
                   SelectData(context, read, grid.data_range(), Direction::kForward));
  StepVector vector;
  if (!selection.blocks.empty()) {
    ASSIGN_OR_RETURN(vector, Collect(context, read, grid, selection));
  }
  if (read.range->op == RangeOp::kAbsentOverTime) return AbsentOf(*read.range, vector, grid.steps());
  return vector;
}

absl::StatusOr<std::vector<CollectedSeries>> CollectSamples(const QueryContext& context, const ReadPlan& read,
                                                            const WindowGrid& grid,
                                                            std::shared_ptr<const Pipeline>* pipeline) {
  std::vector<CollectedSeries> out;
  ASSIGN_OR_RETURN(const Selection selection,
                   SelectData(context, read, grid.data_range(), Direction::kForward));
  if (selection.blocks.empty()) return out;
  if (*pipeline == nullptr) {
    ASSIGN_OR_RETURN(*pipeline, Pipeline::Compile(read.pipeline));
  }
  ASSIGN_OR_RETURN(Gathered gathered, Gather(context, read, grid, selection, *pipeline));
  out.reserve(gathered.series.size());
  for (MergedSeries& series : gathered.series) {
    const LabelSet& set = *series.labels;
    out.push_back(
        CollectedSeries{set.labels, set.has_error && !set.preserve_error, std::move(series.samples)});
  }
  return out;
}

}  // namespace skald::exec
