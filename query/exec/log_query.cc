#include "query/exec/log_query.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/pipeline/printable.h"
#include "query/exec/query_limiter.h"
#include "query/exec/stages/sequence_stage.h"

namespace skald::exec {
namespace {

// The lines of an answer while stages are run, and their way through the stages.
class Sequence {
 public:
  Sequence(const SequenceInput& input, uint32_t limit)
      : input_(input), limit_(limit), memory_(input.query.budget) {}

  absl::Status Make() {
    for (const logql::NamedStage& stage : input_.read.sequence) {
      ASSIGN_OR_RETURN(std::unique_ptr<SequenceStage> made, MakeSequenceStage(stage, input_));
      stages_.push_back(std::move(made));
    }
    return absl::OkStatus();
  }

  bool full() const { return lines_.size() >= limit_; }

  absl::Status Take(const ScannedLine& line) {
    views_.clear();
    for (size_t i = 0; i < line.labels->labels.size(); ++i) {
      const auto& [name, value] = line.labels->labels.pairs()[i];
      views_.push_back({name, value, line.labels->categories[i]});
    }
    SequenceLine out{line.time_ns, line.stream, line.block, line.row, input_.labels->Intern(views_),
                     line.line};
    RETURN_IF_ERROR(PassOn(0, std::move(out)));
    return memory_.Hold(bytes_ + static_cast<int64_t>(input_.labels->bytes()));
  }

  // The first of them, in the answer's order.
  Streams TakeAnswer() {
    std::sort(lines_.begin(), lines_.end(), [this](const SequenceLine& x, const SequenceLine& y) {
      const auto less = [](const SequenceLine& a, const SequenceLine& b) {
        return std::tie(a.time_ns, a.stream, a.block, a.row) < std::tie(b.time_ns, b.stream, b.block, b.row);
      };
      return input_.direction == Direction::kForward ? less(x, y) : less(y, x);
    });
    if (lines_.size() > limit_) lines_.resize(limit_);
    Streams out;
    absl::flat_hash_map<LabelSetId, uint32_t> known;
    for (SequenceLine& line : lines_) {
      const auto [it, added] = known.try_emplace(line.labels, 0);
      if (added) it->second = out.AddLabelSet(LabelsOf(line.labels));
      out.AddEntry(line.time_ns, it->second, std::move(line.line));
    }
    return out;
  }

 private:
  absl::Status PassOn(size_t stage, SequenceLine line) {
    if (stage < stages_.size()) {
      return stages_[stage]->Take(std::move(line),
                                  [&](SequenceLine next) { return PassOn(stage + 1, std::move(next)); });
    }
    if (line.identity != 0) {
      const auto [it, added] = by_identity_.try_emplace(line.identity, lines_.size());
      if (!added) {
        if (line.is_match && !lines_[it->second].is_match) lines_[it->second] = std::move(line);
        return absl::OkStatus();
      }
    }
    bytes_ += static_cast<int64_t>(sizeof(SequenceLine) + line.line.size() + 2 * sizeof(uint64_t));
    lines_.push_back(std::move(line));
    return absl::OkStatus();
  }

  CategorizedLabels LabelsOf(LabelSetId id) const {
    const LabelSet& set = input_.labels->Get(id);
    CategorizedLabels out;
    for (size_t i = 0; i < set.labels.size(); ++i) {
      const auto& [name, value] = set.labels.pairs()[i];
      out.push_back(CategorizedLabel{name, PrintableValue(value), set.categories[i]});
    }
    return out;
  }

  const SequenceInput& input_;
  const size_t limit_;
  std::vector<std::unique_ptr<SequenceStage>> stages_;
  std::vector<SequenceLine> lines_;
  absl::flat_hash_map<uint64_t, size_t> by_identity_;  // -> lines_
  std::vector<LabelView> views_;
  MemoryAccount memory_;
  int64_t bytes_ = 0;
};

// The lines of the selection in the answer's order, a piece at a time until the sequence is full. A piece
// ends where a time does, so that the next one begins with the next time.
absl::Status Feed(LogReader* reader, TimeRange rest, Direction direction, uint32_t first_piece,
                  Sequence* sequence) {
  constexpr uint32_t kMostLines = 1 << 16;
  uint32_t piece = std::max<uint32_t>(first_piece, 1000);
  while (rest.begin_ns < rest.end_ns && !sequence->full()) {
    ASSIGN_OR_RETURN(std::vector<ScannedLine> lines, reader->Read(rest, piece));
    const bool last = lines.size() < piece;
    if (!last) {
      const int64_t edge_ns = lines.back().time_ns;
      while (!lines.empty() && lines.back().time_ns == edge_ns) lines.pop_back();
      if (lines.empty()) {
        piece *= 2;  // all of one time
        continue;
      }
      (direction == Direction::kForward ? rest.begin_ns : rest.end_ns) =
          direction == Direction::kForward ? edge_ns : edge_ns + 1;
      if (piece < kMostLines) piece *= 2;
    }
    for (const ScannedLine& line : lines) {
      if (sequence->full()) break;
      RETURN_IF_ERROR(sequence->Take(line));
    }
    if (last) break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Streams> RunLogQuery(const QueryContext& context, const Plan& plan,
                                    const LogScanOptions& options) {
  const ReadPlan& read = plan.reads[0];
  if (read.sequence.empty()) return ScanLog(context, read, options);
  if (options.interval_ns > 0)
    return InvalidArgument("interval is not for queries with '| {}'", read.sequence[0].word);
  ASSIGN_OR_RETURN(Selection selection, SelectData(context, read, options.range, options.direction));
  if (selection.streams.empty() || options.limit == 0) return Streams();
  ASSIGN_OR_RETURN(std::shared_ptr<const Pipeline> pipeline, Pipeline::Compile(read.pipeline));
  LabelSetInterner labels;
  const SequenceInput input{context, read, selection, options.range, options.direction, &labels};
  Sequence sequence(input, options.limit);
  RETURN_IF_ERROR(sequence.Make());
  LogReader reader(context, selection, std::move(pipeline), options.direction);
  RETURN_IF_ERROR(Feed(&reader, options.range, options.direction, options.limit, &sequence));
  context.stats->Add(reader.stats());
  return sequence.TakeAnswer();
}

}  // namespace skald::exec
