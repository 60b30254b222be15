#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <utility>

#include "query/exec/pipeline/compiled_pipeline.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/pipeline/sample_shortcut.h"

namespace skald::exec {
namespace {

using logql::Overloaded;

bool RunStage(const CompiledStage& stage, RowState* row) {
  return std::visit(Overloaded{
                        [&](const LineFilter& s) { return s.Keeps(row->line); },
                        [&](const LabelTest& s) { return s.Keeps(row); },
                        [&](const LineFormatStage& s) {
                          s.Run(row);
                          return true;
                        },
                        [&](const LabelFormatStage& s) {
                          s.Run(row);
                          return true;
                        },
                        [&](const DecolorizeStage& s) {
                          s.Run(row);
                          return true;
                        },
                        [&](const DropStage& s) {
                          s.Run(row);
                          return true;
                        },
                        [&](const KeepStage& s) {
                          s.Run(row);
                          return true;
                        },
                        [&](const auto& parser) { return parser.Run(row); },
                    },
                    stage);
}

}  // namespace

bool CompiledPipeline::Run(RowState* row, double* value) const {
  for (const CompiledStage& stage : stages) {
    if (!RunStage(stage, row)) return false;
  }
  return !unwrap.has_value() || unwrap->Run(row, value);
}

void CompiledPipeline::SampleLabels(RowState* row, std::vector<LabelView>* out) const {
  const LabelState& labels = row->labels;
  if (labels.has_error()) {
    labels.AppendWithout({}, {}, out);  // all of them: the query fails with these, or filters them out later
    return;
  }
  switch (plan.grouping.kind) {
    case SampleGrouping::Kind::kNoLabels:
      return;
    case SampleGrouping::Kind::kBy:
      labels.AppendBy(plan.grouping.labels, out);
      return;
    case SampleGrouping::Kind::kAll:
    case SampleGrouping::Kind::kWithout:
      labels.AppendWithout(plan.grouping.labels, unwrapped_label, out);
      return;
  }
}

class PipelineRunner::Impl {
 public:
  Impl(std::shared_ptr<const Pipeline> pipeline, LabelSetInterner* interner)
      : pipeline_(std::move(pipeline)),
        compiled_(pipeline_->compiled()),
        interner_(interner),
        row_(&compiled_.plan.hints),
        shortcut_(compiled_) {
    row_.early_filters = &compiled_.early_filters;
  }

  void StartSlice(const Labels& stream, const Rows* rows) {
    rows_ = rows;
    row_.labels.StartSlice(stream, rows);
    remembered_.clear();
    by_index_.clear();
    columns_.clear();
    memory_ = Memory::kOff;
    use_shortcut_ = rows != nullptr && shortcut_.StartSlice(stream, *rows, row_.labels);
    shortcut_labels_.reset();
    if (compiled_.plan.reads_line || row_.labels.has_error_columns()) return;
    // The outcome hangs on the row's metadata alone, or on none: it is worked out once for each combination
    // of values.
    for (size_t c = 0; c < row_.labels.column_count(); ++c) {
      if (MayCount(row_.labels.column_name(c))) columns_.push_back(c);
    }
    if (columns_.empty()) {
      memory_ = Memory::kConstant;
      return;
    }
    uint64_t combinations = 1;
    for (const size_t c : columns_) {
      if (__builtin_mul_overflow(combinations, row_.labels.column(c).value_count() + 1, &combinations))
        return;
    }
    if (combinations <= kFewCombinations) {
      memory_ = Memory::kByIndex;
      by_index_.resize(combinations);
    } else {
      memory_ = Memory::kByKey;
    }
  }

  bool ProcessEntry(uint32_t row, Entry* out) {
    if (memory_ != Memory::kOff) {
      const Outcome outcome = Remembered(row);
      if (!outcome.keep) return false;
      out->line = rows_->line(row);
      out->labels = outcome.labels;
      return true;
    }
    const Outcome outcome = Work(row);
    if (!outcome.keep) return false;
    out->line = row_.line;
    out->labels = outcome.labels;
    return true;
  }

  bool ProcessSample(uint32_t row, Sample* out) {
    if (use_shortcut_) {
      const std::string_view line = rows_->line(row);
      out->value = compiled_.plan.kind == SampleKind::kBytes ? static_cast<double>(line.size()) : 1;
      switch (shortcut_.Try(row, &out->value)) {
        case SampleShortcut::Verdict::kDropped:
          return false;
        case SampleShortcut::Verdict::kKept:
          if (!shortcut_labels_.has_value()) shortcut_labels_ = LabelsOfBareRow();
          out->labels = *shortcut_labels_;
          return true;
        case SampleShortcut::Verdict::kUnknown:
          break;
      }
    }
    const Outcome outcome = memory_ != Memory::kOff ? Remembered(row) : Work(row);
    if (!outcome.keep) return false;
    out->labels = outcome.labels;
    out->value = outcome.value;
    if (compiled_.plan.kind == SampleKind::kBytes) {
      out->value = static_cast<double>(memory_ != Memory::kOff ? rows_->line(row).size() : row_.line.size());
    }
    return true;
  }

  std::optional<Constant> SliceConstant() {
    if (memory_ != Memory::kConstant) return std::nullopt;
    const Outcome outcome = Remembered(0);
    return Constant{outcome.keep, outcome.labels, outcome.value};
  }

 private:
  struct Outcome {
    bool known = false;
    bool keep = false;
    LabelSetId labels = 0;
    double value = 1;
  };
  enum class Memory {
    kOff,       // each row by itself
    kConstant,  // one outcome for all
    kByIndex,   // an outcome for each combination of metadata values, in a vector
    kByKey,     // the same in a hash map
  };
  static constexpr uint64_t kFewCombinations = 1024;

  // Whether metadata of this name can change an outcome.
  bool MayCount(std::string_view name) const {
    const SampleGrouping::Kind kind = compiled_.plan.grouping.kind;
    const bool picks_labels = compiled_.plan.kind != SampleKind::kNone && !compiled_.plan.can_fail &&
                              (kind == SampleGrouping::Kind::kNoLabels || kind == SampleGrouping::Kind::kBy);
    return !picks_labels ||
           std::binary_search(compiled_.plan.fields.begin(), compiled_.plan.fields.end(), name);
  }

  Outcome Remembered(uint32_t row) {
    if (memory_ == Memory::kConstant) {
      if (by_index_.empty()) {
        row_.labels.StartBareRow();
        by_index_.push_back(Finish());
      }
      return by_index_[0];
    }
    uint64_t key = 0;
    for (const size_t c : columns_) {
      const MetadataColumn& column = row_.labels.column(c);
      key = key * (column.value_count() + 1) + column.index[row];
    }
    if (memory_ == Memory::kByIndex) {
      Outcome& outcome = by_index_[key];
      if (!outcome.known) outcome = Work(row);
      return outcome;
    }
    if (const auto it = remembered_.find(key); it != remembered_.end()) return it->second;
    const Outcome outcome = Work(row);
    // Metadata that differs from row to row is not worth remembering.
    constexpr size_t kMost = 4096;
    if (remembered_.size() < kMost) remembered_.emplace(key, outcome);
    return outcome;
  }

  // The set of a row of which nothing but the stream's labels counts.
  LabelSetId LabelsOfBareRow() {
    row_.labels.StartBareRow();
    views_.clear();
    compiled_.SampleLabels(&row_, &views_);
    return interner_->Intern(views_);
  }

  Outcome Work(uint32_t row) {
    row_.labels.StartRow(row);
    if (compiled_.plan.reads_times) row_.time_ns = rows_->time_ns[row];
    row_.line = compiled_.plan.reads_line || compiled_.plan.kind == SampleKind::kNone ? rows_->line(row)
                                                                                      : std::string_view();
    if (compiled_.plan.kind == SampleKind::kBytes) row_.line = rows_->line(row);
    return Finish();
  }

  // Runs the stages on the row that was started.
  Outcome Finish() {
    Outcome out;
    out.known = true;
    if (!compiled_.Run(&row_, &out.value)) return out;
    out.keep = true;
    views_.clear();
    if (compiled_.plan.kind == SampleKind::kNone) {
      row_.labels.AppendAll(&views_);
    } else {
      compiled_.SampleLabels(&row_, &views_);
    }
    out.labels = interner_->Intern(views_);
    return out;
  }

  const std::shared_ptr<const Pipeline> pipeline_;
  const CompiledPipeline& compiled_;
  LabelSetInterner* const interner_;
  const Rows* rows_ = nullptr;
  RowState row_;
  std::vector<LabelView> views_;
  SampleShortcut shortcut_;
  bool use_shortcut_ = false;
  std::optional<LabelSetId> shortcut_labels_;

  Memory memory_ = Memory::kOff;
  std::vector<size_t> columns_;  // metadata that counts
  std::vector<Outcome> by_index_;
  absl::flat_hash_map<uint64_t, Outcome> remembered_;
};

PipelineRunner::PipelineRunner(std::shared_ptr<const Pipeline> pipeline, LabelSetInterner* interner)
    : impl_(std::make_unique<Impl>(std::move(pipeline), interner)) {}
PipelineRunner::~PipelineRunner() = default;
PipelineRunner::PipelineRunner(PipelineRunner&&) noexcept = default;

void PipelineRunner::StartSlice(const Labels& stream, const Rows* rows) { impl_->StartSlice(stream, rows); }
bool PipelineRunner::ProcessEntry(uint32_t row, Entry* out) { return impl_->ProcessEntry(row, out); }
bool PipelineRunner::ProcessSample(uint32_t row, Sample* out) { return impl_->ProcessSample(row, out); }
std::optional<PipelineRunner::Constant> PipelineRunner::SliceConstant() { return impl_->SliceConstant(); }

}  // namespace skald::exec
