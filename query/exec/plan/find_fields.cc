#include <algorithm>

#include "query/exec/pipeline/label_template.h"
#include "query/exec/plan/passes.h"

namespace skald::exec {
namespace {

using logql::Overloaded;
using Names = std::vector<std::string>;

void AddFilterNames(const logql::LabelFilter& filter, Names* out) {
  std::visit(Overloaded{
                 [&](const logql::StringFilter& f) { out->push_back(f.matcher.name()); },
                 [&](const logql::NumberFilter& f) { out->push_back(f.name); },
                 [&](const logql::DurationFilter& f) { out->push_back(f.name); },
                 [&](const logql::BytesFilter& f) { out->push_back(f.name); },
                 [&](const logql::IpFilter& f) { out->push_back(f.name); },
                 [&](const logql::AndFilter& f) {
                   AddFilterNames(*f.left, out);
                   AddFilterNames(*f.right, out);
                 },
                 [&](const logql::OrFilter& f) {
                   AddFilterNames(*f.left, out);
                   AddFilterNames(*f.right, out);
                 },
             },
             filter.node);
}

void AddTemplateNames(std::string_view text, Names* out) {
  for (std::string& name : TemplateFields(text)) out->push_back(std::move(name));
}

// Labels that label filters, templates and renames of the stages, and the unwrap with its filters, read. With
// repetitions.
Names ReferencedLabels(const std::vector<logql::Stage>& stages, const std::optional<logql::Unwrap>& unwrap) {
  Names out;
  for (const logql::Stage& stage : stages) {
    if (const auto* filter = std::get_if<logql::LabelFilter>(&stage)) {
      AddFilterNames(*filter, &out);
    } else if (const auto* line_format = std::get_if<logql::LineFormat>(&stage)) {
      AddTemplateNames(line_format->text, &out);
    } else if (const auto* label_format = std::get_if<logql::LabelFormat>(&stage)) {
      for (const logql::LabelFormatItem& item : label_format->items) {
        if (item.is_rename) {
          out.push_back(item.value);
        } else {
          AddTemplateNames(item.value, &out);
        }
      }
    }
  }
  if (unwrap.has_value()) {
    for (const logql::LabelFilter& filter : unwrap->filters) AddFilterNames(filter, &out);
    out.push_back(unwrap->label);
  }
  return out;
}

void SortDistinct(Names* names) {
  std::sort(names->begin(), names->end());
  names->erase(std::unique(names->begin(), names->end()), names->end());
}

// fields: what is referenced, and the labels of the grouping.
ParserHints HintsForSamples(const Names& fields, const SampleGrouping& grouping) {
  ParserHints out;
  if (grouping.kind == SampleGrouping::Kind::kAll || grouping.kind == SampleGrouping::Kind::kWithout)
    return out;
  Names names = fields;
  const size_t count = names.size();
  for (size_t i = 0; i < count; ++i) {
    if (names[i].ends_with(kExtractedSuffix))
      names.push_back(names[i].substr(0, names[i].size() - kExtractedSuffix.size()));
  }
  SortDistinct(&names);
  if (names.empty()) {
    out.mode = ParserHints::Mode::kNone;
    out.early_filters = false;
    return out;
  }
  out.mode = ParserHints::Mode::kRequired;
  out.required = std::move(names);
  out.early_filters = grouping.kind == SampleGrouping::Kind::kNoLabels;
  out.preserve_error = out.Requires(kErrorLabel);
  return out;
}

}  // namespace

absl::Status FindFields(Plan* plan, const QueryLimits&) {
  for (ReadPlan& read : plan->reads) {
    PipelinePlan& pipeline = read.pipeline;
    pipeline.fields = ReferencedLabels(pipeline.stages, pipeline.unwrap);
    pipeline.fields.insert(pipeline.fields.end(), pipeline.grouping.labels.begin(),
                           pipeline.grouping.labels.end());
    SortDistinct(&pipeline.fields);
    if (pipeline.kind != SampleKind::kNone) {
      pipeline.hints = HintsForSamples(pipeline.fields, pipeline.grouping);
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
