#include "query/exec/pipeline.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/compiled_pipeline.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

using logql::Overloaded;
using logql::Stage;

bool IsParser(const Stage& stage) {
  return std::holds_alternative<logql::JsonParser>(stage) ||
         std::holds_alternative<logql::LogfmtParser>(stage) ||
         std::holds_alternative<logql::RegexpParser>(stage) ||
         std::holds_alternative<logql::PatternParser>(stage) || std::holds_alternative<logql::Unpack>(stage);
}

// A metric query that does not count bytes has no use for a line_format whose line nobody reads: Loki takes
// it out, and with it its errors.
void RemoveIdleLineFormats(std::vector<Stage>* stages) {
  bool line_is_read = false;
  for (size_t i = stages->size(); i-- > 0;) {
    const Stage& stage = (*stages)[i];
    if (IsParser(stage) || std::holds_alternative<logql::LineFilter>(stage)) {
      line_is_read = true;
    } else if (std::holds_alternative<logql::LineFormat>(stage) && !line_is_read) {
      stages->erase(stages->begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

// Line filters go in front of stages that leave the line alone, but not past a label filter, a line_format or
// an unpack. (They do go past decolorize, which changes lines; that is Loki's rule.)
std::vector<Stage> HoistLineFilters(const std::vector<Stage>& stages) {
  std::vector<Stage> out;
  size_t at = 0;  // where the next line filter goes
  for (const Stage& stage : stages) {
    if (std::holds_alternative<logql::LineFilter>(stage)) {
      out.insert(out.begin() + static_cast<std::ptrdiff_t>(at++), stage);
      continue;
    }
    out.push_back(stage);
    if (std::holds_alternative<logql::LabelFilter>(stage) ||
        std::holds_alternative<logql::LineFormat>(stage) || std::holds_alternative<logql::Unpack>(stage)) {
      at = out.size();
    }
  }
  return out;
}

// One stage, or its error without the stage's text.
absl::StatusOr<CompiledStage> CompileStage(const Stage& stage) {
  const auto as_stage = [](auto made) -> absl::StatusOr<CompiledStage> {
    if (!made.ok()) return made.status();
    return CompiledStage(std::move(*made));
  };
  return std::visit(
      Overloaded{
          [&](const logql::LineFilter& s) { return as_stage(LineFilter::Make(s)); },
          [&](const logql::JsonParser& s) {
            return s.extractions.empty() ? absl::StatusOr<CompiledStage>(JsonStage())
                                         : as_stage(JsonPathStage::Make(s));
          },
          [&](const logql::LogfmtParser& s) {
            return s.extractions.empty() ? absl::StatusOr<CompiledStage>(LogfmtStage(s))
                                         : as_stage(LogfmtPickStage::Make(s));
          },
          [&](const logql::RegexpParser& s) { return as_stage(RegexpStage::Make(s)); },
          [&](const logql::PatternParser& s) { return as_stage(PatternStage::Make(s)); },
          [&](const logql::Unpack&) { return absl::StatusOr<CompiledStage>(UnpackStage()); },
          [&](const logql::LabelFilter& s) { return as_stage(LabelTest::Make(s)); },
          [&](const logql::LineFormat& s) { return as_stage(LineFormatStage::Make(s)); },
          [&](const logql::LabelFormat& s) { return as_stage(LabelFormatStage::Make(s)); },
          [&](const logql::Decolorize&) { return absl::StatusOr<CompiledStage>(DecolorizeStage()); },
          [&](const logql::Drop& s) { return absl::StatusOr<CompiledStage>(DropStage(s)); },
          [&](const logql::Keep& s) { return absl::StatusOr<CompiledStage>(KeepStage(s)); },
      },
      stage);
}

bool AsksForTime(const Stage& stage) {
  constexpr std::string_view kFunction = "__timestamp__";
  if (const auto* line = std::get_if<logql::LineFormat>(&stage)) return TemplateUses(line->text, kFunction);
  const auto* labels = std::get_if<logql::LabelFormat>(&stage);
  return labels != nullptr && std::any_of(labels->items.begin(), labels->items.end(), [&](const auto& item) {
           return !item.is_rename && TemplateUses(item.value, kFunction);
         });
}

// What a compiled stage does to the rest.
struct Traits {
  bool reads_line = false;
  bool can_fail = false;
};

Traits TraitsOf(const CompiledStage& stage) {
  return std::visit(Overloaded{
                        [](const LineFilter&) {
                          return Traits{true, false};
                        },
                        [](const JsonStage&) {
                          return Traits{true, true};
                        },
                        [](const JsonPathStage&) {
                          return Traits{true, true};
                        },
                        [](const LogfmtStage& s) {
                          return Traits{true, s.strict()};
                        },
                        [](const LogfmtPickStage& s) {
                          return Traits{true, s.strict()};
                        },
                        [](const RegexpStage&) {
                          return Traits{true, false};
                        },
                        [](const PatternStage&) {
                          return Traits{true, false};
                        },
                        [](const UnpackStage&) {
                          return Traits{true, true};
                        },
                        [](const LabelTest& s) {
                          return Traits{false, s.CanFail()};
                        },
                        // A formatted line is another line, whether or not the old one is looked at.
                        [](const LineFormatStage& s) {
                          return Traits{true, s.CanFail()};
                        },
                        [](const LabelFormatStage& s) {
                          return Traits{s.ReadsRow(), s.CanFail()};
                        },
                        [](const DecolorizeStage&) {
                          return Traits{true, false};
                        },
                        [](const DropStage&) { return Traits{}; },
                        [](const KeepStage&) { return Traits{}; },
                    },
                    stage);
}

}  // namespace

PipelineSpec LogSpec(const logql::LogSelectorExpr& selector) {
  PipelineSpec out;
  out.stages = selector.stages;
  return out;
}

PipelineSpec SampleSpec(const logql::RangeAggregation& range, const logql::VectorAggregation* parent) {
  PipelineSpec out;
  out.stages = range.log_range.source.stages;
  out.unwrap = range.log_range.unwrap;
  out.grouping = GroupingOf(range, parent);
  const bool bytes = range.op == logql::RangeOp::kBytesOverTime || range.op == logql::RangeOp::kBytesRate;
  out.kind = out.unwrap.has_value() ? SampleKind::kUnwrap : bytes ? SampleKind::kBytes : SampleKind::kOne;
  return out;
}

Pipeline::Pipeline(std::unique_ptr<const CompiledPipeline> compiled) : compiled_(std::move(compiled)) {}
Pipeline::~Pipeline() = default;

absl::StatusOr<std::shared_ptr<const Pipeline>> Pipeline::Compile(PipelineSpec spec) {
  auto out = std::make_unique<CompiledPipeline>();
  const bool samples = spec.kind != SampleKind::kNone;
  if (samples && spec.kind != SampleKind::kBytes) RemoveIdleLineFormats(&spec.stages);
  out->hints = samples ? HintsForSamples(spec.stages, spec.unwrap, spec.grouping) : HintsForLogQuery();
  std::vector<LineFilter> leading;
  bool only_line_filters = true;
  for (const Stage& stage : HoistLineFilters(spec.stages)) {
    absl::StatusOr<CompiledStage> compiled = CompileStage(stage);
    if (!compiled.ok()) return logql::StageError(stage, MessageOf(compiled.status()));
    if (auto* filter = std::get_if<LineFilter>(&*compiled); filter != nullptr && only_line_filters) {
      leading.push_back(std::move(*filter));
      continue;
    }
    only_line_filters = false;
    if (const auto* test = std::get_if<LabelTest>(&*compiled); test != nullptr && test->AlwaysKeeps())
      continue;
    out->stages.push_back(std::move(*compiled));
  }
  out->leading = LineFilters(std::move(leading));
  for (const CompiledStage& stage : out->stages) {
    const Traits traits = TraitsOf(stage);
    out->reads_line |= traits.reads_line;
    out->can_fail |= traits.can_fail;
    const auto* test = std::get_if<LabelTest>(&stage);
    if (!out->hints.early_filters || test == nullptr || test->label().empty()) continue;
    const bool known = std::any_of(out->early_filters.begin(), out->early_filters.end(),
                                   [&](const EarlyFilter& filter) { return filter.label == test->label(); });
    if (!known) out->early_filters.push_back({test->label(), test});
  }
  if (spec.unwrap.has_value()) {
    absl::StatusOr<UnwrapStage> unwrap = UnwrapStage::Make(*spec.unwrap);
    if (!unwrap.ok()) return logql::ParseError(MessageOf(unwrap.status()));
    out->unwrap.emplace(std::move(*unwrap));
    out->unwrapped_label = spec.unwrap->label;
    out->can_fail = true;
  }
  out->reads_times = std::any_of(spec.stages.begin(), spec.stages.end(), AsksForTime);
  out->used_names = ReferencedLabels(spec.stages, spec.unwrap);
  out->used_names.insert(out->used_names.end(), spec.grouping.labels.begin(), spec.grouping.labels.end());
  std::sort(out->used_names.begin(), out->used_names.end());
  out->used_names.erase(std::unique(out->used_names.begin(), out->used_names.end()), out->used_names.end());
  std::sort(spec.grouping.labels.begin(), spec.grouping.labels.end());
  out->spec = std::move(spec);
  return std::shared_ptr<const Pipeline>(new Pipeline(std::move(out)));
}

ColumnSet Pipeline::Columns() const {
  ColumnSet out;
  out.times = compiled_->reads_times;
  out.lines = ReadsLines() || compiled_->spec.kind == SampleKind::kBytes;
  const bool drops_labels = compiled_->spec.grouping.kind == SampleGrouping::Kind::kNoLabels;
  out.metadata = compiled_->spec.kind == SampleKind::kNone || !drops_labels || compiled_->can_fail ||
                 !compiled_->used_names.empty();
  return out;
}

bool Pipeline::MetadataMatters(const Labels& stream) const {
  const SampleGrouping::Kind kind = compiled_->spec.grouping.kind;
  if (compiled_->spec.kind == SampleKind::kNone || compiled_->can_fail) return true;
  if (kind != SampleGrouping::Kind::kNoLabels && kind != SampleGrouping::Kind::kBy) return true;
  // Metadata with the name of a stream label goes by another name, so that a lookup of that label cannot meet
  // it.
  return !std::all_of(compiled_->used_names.begin(), compiled_->used_names.end(),
                      [&](const std::string& name) { return stream.Has(name); });
}

bool Pipeline::ReadsLines() const {
  return compiled_->spec.kind == SampleKind::kNone || HasLeadingFilters() || compiled_->reads_line;
}

bool Pipeline::ReadsLinesAfterLeadingFilters() const {
  return compiled_->spec.kind == SampleKind::kNone || compiled_->reads_line;
}

bool Pipeline::HasLeadingFilters() const { return !compiled_->leading.empty(); }

void Pipeline::FilterRows(const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* out) const {
  if (compiled_->leading.empty()) {
    for (uint32_t row = begin; row < end; ++row) out->push_back(row);
    return;
  }
  compiled_->leading.KeepRows(rows, begin, end, out);
}

bool Pipeline::PassesLeadingFilters(std::string_view line) const { return compiled_->leading.Keep(line); }

const PipelineSpec& Pipeline::spec() const { return compiled_->spec; }
const ParserHints& Pipeline::hints() const { return compiled_->hints; }

}  // namespace skald::exec
