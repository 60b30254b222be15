#include "query/exec/pipeline/pipeline.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/pipeline/compiled_pipeline.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

using logql::Overloaded;
using logql::Stage;

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
          [&](const logql::NamedStage& s) -> absl::StatusOr<CompiledStage> {
            return InvalidArgument("{} works on the lines of a whole answer, not here", s.word);
          },
      },
      stage);
}

}  // namespace

Pipeline::Pipeline(std::unique_ptr<const CompiledPipeline> compiled) : compiled_(std::move(compiled)) {}
Pipeline::~Pipeline() = default;

absl::StatusOr<std::shared_ptr<const Pipeline>> Pipeline::Compile(PipelinePlan plan) {
  auto out = std::make_unique<CompiledPipeline>();
  std::vector<LineFilter> leading;
  for (const logql::LineFilter& filter : plan.leading) {
    absl::StatusOr<LineFilter> compiled = LineFilter::Make(filter);
    if (!compiled.ok()) return logql::StageError(filter, MessageOf(compiled.status()));
    leading.push_back(std::move(*compiled));
  }
  out->leading = LineFilters(std::move(leading));
  for (const Stage& stage : plan.stages) {
    absl::StatusOr<CompiledStage> compiled = CompileStage(stage);
    if (!compiled.ok()) return logql::StageError(stage, MessageOf(compiled.status()));
    if (const auto* test = std::get_if<LabelTest>(&*compiled); test != nullptr && test->AlwaysKeeps())
      continue;
    out->stages.push_back(std::move(*compiled));
  }
  for (const CompiledStage& stage : out->stages) {
    const auto* test = std::get_if<LabelTest>(&stage);
    if (!plan.hints.early_filters || test == nullptr || test->label().empty()) continue;
    const bool known = std::any_of(out->early_filters.begin(), out->early_filters.end(),
                                   [&](const EarlyFilter& filter) { return filter.label == test->label(); });
    if (!known) out->early_filters.push_back({test->label(), test});
  }
  if (plan.kind == SampleKind::kDistinct) {
    out->unwrap.emplace(UnwrapStage::MakeHash(plan.unwrap->label));
    out->unwrapped_label = plan.unwrap->label;
  } else if (plan.unwrap.has_value()) {
    absl::StatusOr<UnwrapStage> unwrap = UnwrapStage::Make(*plan.unwrap);
    if (!unwrap.ok()) return logql::ParseError(MessageOf(unwrap.status()));
    out->unwrap.emplace(std::move(*unwrap));
    out->unwrapped_label = plan.unwrap->label;
  }
  out->plan = std::move(plan);
  return std::shared_ptr<const Pipeline>(new Pipeline(std::move(out)));
}

ColumnSet Pipeline::Columns() const { return compiled_->plan.columns; }

bool Pipeline::MetadataMatters(const Labels& stream) const { return compiled_->plan.MetadataMatters(stream); }

bool Pipeline::HasLeadingFilters() const { return !compiled_->leading.empty(); }

void Pipeline::FilterRows(const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* out) const {
  if (compiled_->leading.empty()) {
    for (uint32_t row = begin; row < end; ++row) out->push_back(row);
    return;
  }
  compiled_->leading.KeepRows(rows, begin, end, out);
}

bool Pipeline::PassesLeadingFilters(std::string_view line) const { return compiled_->leading.Keep(line); }

const PipelinePlan& Pipeline::plan() const { return compiled_->plan; }

}  // namespace skald::exec
