// | context before=2 after=3: beside each line, those of the same stream that stand around it, as they are
// stored: with the stream's labels and their metadata, whatever filters and parsers say. Lines that are
// context of several matches stand in the answer once. Nothing outside of the query's time range is looked
// at.
#include <xxhash.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "base/status_macros.h"
#include "query/exec/log_scan.h"
#include "query/exec/plan/planner.h"
#include "query/exec/stages/sequence_stage.h"

namespace skald::exec {
namespace {

// A block of which one stream's slices are seen.
class OneStreamBlock : public Block {
 public:
  OneStreamBlock(std::shared_ptr<const Block> block, uint32_t stream) : block_(std::move(block)) {
    for (Slice slice : block_->slices()) {
      if (slice.stream != stream) continue;
      slice.stream = 0;
      min_ns_ = slices_.empty() ? slice.min_ns : std::min(min_ns_, slice.min_ns);
      max_ns_ = slices_.empty() ? slice.max_ns : std::max(max_ns_, slice.max_ns);
      slices_.push_back(std::move(slice));
    }
  }

  uint64_t text_bytes() const override { return block_->text_bytes(); }
  std::shared_ptr<const BlockSummary> Summary() const override { return block_->Summary(); }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    return block_->Read(want, scratch, stats);
  }

 private:
  const std::shared_ptr<const Block> block_;
};

// All lines of one stream, and of them the piece around the latest match.
class StreamLines {
 public:
  StreamLines(const SequenceInput& input, uint32_t stream, std::shared_ptr<const Pipeline> pipeline)
      : input_(input), stream_(stream) {
    selection_.streams.push_back(input.selection.streams[stream]);
    for (uint32_t i = 0; i < input.selection.blocks.size(); ++i) {
      auto block = std::make_shared<OneStreamBlock>(input.selection.blocks[i], stream);
      if (block->slices().empty()) continue;
      selection_.blocks.push_back(std::move(block));
      block_of_.push_back(i);
    }
    before_.emplace(input.query, selection_, pipeline, Direction::kBackward);
    after_.emplace(input.query, selection_, pipeline, Direction::kForward);
  }

  // Calls fn(line, is_the_match) for the lines around the match and itself, forward in time.
  template <class Fn>
  absl::Status Around(const SequenceLine& match, uint32_t before, uint32_t after, Fn&& fn) {
    size_t at = Find(match);
    const bool enough =
        at < lines_.size() && (at >= before || whole_begin_) && (lines_.size() - at > after || whole_end_);
    if (!enough) {
      RETURN_IF_ERROR(Fill(match, before, after));
      at = Find(match);
      if (at == lines_.size()) return absl::OkStatus();  // dropped meanwhile
    }
    const size_t begin = at - std::min<size_t>(before, at);
    const size_t end = std::min(lines_.size(), at + after + 1);
    for (size_t i = begin; i < end; ++i) RETURN_IF_ERROR(fn(lines_[i], i == at));
    return absl::OkStatus();
  }

  QueryStats stats() const {
    QueryStats out = before_->stats();
    out.Add(after_->stats());
    return out;
  }

 private:
  // Of lines_; its size for none. A repetition of the match that stands in another block will do.
  size_t Find(const SequenceLine& match) const {
    size_t at = static_cast<size_t>(
        std::lower_bound(lines_.begin(), lines_.end(), match.time_ns,
                         [](const ScannedLine& line, int64_t t_ns) { return line.time_ns < t_ns; }) -
        lines_.begin());
    size_t other = lines_.size();
    for (; at < lines_.size() && lines_[at].time_ns == match.time_ns; ++at) {
      if (lines_[at].block == match.block && lines_[at].row == match.row) return at;
      if (other == lines_.size()) other = at;
    }
    return other;
  }

  // Some more than is asked for, so that the next match finds its own.
  absl::Status Fill(const SequenceLine& match, uint32_t before, uint32_t after) {
    constexpr uint32_t kMore = 500;
    for (uint32_t limit = before + kMore;; limit *= 2) {
      // Lines of the match's own time that follow it come first.
      ASSIGN_OR_RETURN(lines_, before_->Read({input_.range.begin_ns, match.time_ns + 1}, limit));
      whole_begin_ = lines_.size() < limit;
      if (whole_begin_ || lines_.back().time_ns < match.time_ns - 1) {
        const auto older = std::count_if(lines_.begin(), lines_.end(), [&](const ScannedLine& line) {
          return line.time_ns < match.time_ns;
        });
        if (whole_begin_ || older >= before) break;
      }
    }
    ASSIGN_OR_RETURN(std::vector<ScannedLine> more,
                     after_->Read({match.time_ns + 1, input_.range.end_ns}, after + kMore));
    whole_end_ = more.size() < after + kMore;
    std::move(more.begin(), more.end(), std::back_inserter(lines_));
    for (ScannedLine& line : lines_) {
      line.block = block_of_[line.block];
      line.stream = stream_;
    }
    std::sort(lines_.begin(), lines_.end(), InForwardOrder);
    return absl::OkStatus();
  }

  const SequenceInput& input_;
  const uint32_t stream_;
  Selection selection_;
  std::vector<uint32_t> block_of_;  // of selection_ -> of the query's
  std::optional<LogReader> before_;
  std::optional<LogReader> after_;
  std::vector<ScannedLine> lines_;  // in forward order, without gaps
  bool whole_begin_ = false;        // nothing stands before them
  bool whole_end_ = false;
};

class ContextStage : public SequenceStage {
 public:
  ContextStage(const logql::NamedStage& stage, const SequenceInput& input) : input_(input) {
    for (const logql::StageArgument& argument : stage.arguments) {
      (argument.name == "before" ? before_ : after_) = static_cast<uint32_t>(argument.count.value_or(0));
    }
  }
  ~ContextStage() override {
    for (const auto& [stream, lines] : streams_) input_.query.stats->Add(lines->stats());
  }

  absl::Status Take(SequenceLine match, Next next) override {
    ASSIGN_OR_RETURN(StreamLines * lines, LinesOf(match.stream));
    found_.clear();
    RETURN_IF_ERROR(lines->Around(match, before_, after_, [&](const ScannedLine& line, bool is_match) {
      SequenceLine out;
      if (is_match) {
        out = std::move(match);
      } else {
        out = {line.time_ns, line.stream, line.block, line.row, LabelsOf(line), line.line};
        out.is_match = false;
      }
      out.identity = IdentityOf(line);
      found_.push_back(std::move(out));
      return absl::OkStatus();
    }));
    if (input_.direction == Direction::kBackward) std::reverse(found_.begin(), found_.end());
    for (SequenceLine& line : found_) RETURN_IF_ERROR(next(std::move(line)));
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<StreamLines*> LinesOf(uint32_t stream) {
    if (pipeline_ == nullptr) {
      logql::LogSelectorExpr plain;
      plain.selector = input_.read.selector;
      ASSIGN_OR_RETURN(pipeline_, Pipeline::Compile(PlanPipeline(plain)));
    }
    std::unique_ptr<StreamLines>& lines = streams_[stream];
    if (lines == nullptr) lines = std::make_unique<StreamLines>(input_, stream, pipeline_);
    return lines.get();
  }

  LabelSetId LabelsOf(const ScannedLine& line) {
    views_.clear();
    for (size_t i = 0; i < line.labels->labels.size(); ++i) {
      const auto& [name, value] = line.labels->labels.pairs()[i];
      views_.push_back({name, value, line.labels->categories[i]});
    }
    return input_.labels->Intern(views_);
  }

  // Of what makes an entry the same as another.
  uint64_t IdentityOf(const ScannedLine& line) {
    const uint64_t head[] = {line.stream, static_cast<uint64_t>(line.time_ns), LabelsOf(line)};
    return XXH3_64bits_withSeed(line.line.data(), line.line.size(), XXH3_64bits(head, sizeof(head))) | 1;
  }

  const SequenceInput input_;
  uint32_t before_ = 0;
  uint32_t after_ = 0;
  std::shared_ptr<const Pipeline> pipeline_;  // of the selector alone
  std::unordered_map<uint32_t, std::unique_ptr<StreamLines>> streams_;
  std::vector<SequenceLine> found_;
  std::vector<LabelView> views_;
};

}  // namespace

SKALD_SEQUENCE_STAGE(context) { return std::make_unique<ContextStage>(stage, input); }

}  // namespace skald::exec
