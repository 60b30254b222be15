#include "query/exec/parser_hints.h"

#include <algorithm>

#include "query/exec/label_template.h"

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

}  // namespace

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

SampleGrouping GroupingOf(const logql::RangeAggregation& range, const logql::VectorAggregation* parent) {
  SampleGrouping out;
  const logql::Grouping* grouping = range.grouping.has_value() ? &*range.grouping : nullptr;
  bool no_labels = range.op == logql::RangeOp::kAbsentOverTime;
  if (grouping == nullptr && parent != nullptr && parent->op == logql::VectorOp::kSum) {
    switch (range.op) {
      case logql::RangeOp::kRate:
      case logql::RangeOp::kCountOverTime:
      case logql::RangeOp::kBytesOverTime:
      case logql::RangeOp::kBytesRate:
      case logql::RangeOp::kSumOverTime:
        if (parent->grouping.has_value()) {
          grouping = &*parent->grouping;
        } else {
          no_labels = true;
        }
        break;
      default:
        break;
    }
  }
  if (no_labels) {
    out.kind = SampleGrouping::Kind::kNoLabels;
  } else if (grouping != nullptr) {
    out.labels = grouping->labels;
    std::sort(out.labels.begin(), out.labels.end());
    out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
    out.kind = grouping->without    ? SampleGrouping::Kind::kWithout
               : out.labels.empty() ? SampleGrouping::Kind::kNoLabels
                                    : SampleGrouping::Kind::kBy;
  }
  return out;
}

bool ParserHints::Requires(std::string_view name) const {
  for (const std::string& member : required) {
    if (member == name) return true;
  }
  return false;
}

bool ParserHints::RequiresPrefix(std::string_view prefix) const {
  for (const std::string& member : required) {
    if (std::string_view(member).starts_with(prefix)) return true;
  }
  return false;
}

ParserHints HintsForLogQuery() { return {}; }

ParserHints HintsForSamples(const std::vector<logql::Stage>& stages,
                            const std::optional<logql::Unwrap>& unwrap, const SampleGrouping& grouping) {
  ParserHints out;
  if (grouping.kind == SampleGrouping::Kind::kAll || grouping.kind == SampleGrouping::Kind::kWithout)
    return out;
  Names names = ReferencedLabels(stages, unwrap);
  names.insert(names.end(), grouping.labels.begin(), grouping.labels.end());
  constexpr std::string_view kSuffix = "_extracted";
  const size_t count = names.size();
  for (size_t i = 0; i < count; ++i) {
    if (names[i].ends_with(kSuffix)) names.push_back(names[i].substr(0, names[i].size() - kSuffix.size()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.empty()) {
    out.mode = ParserHints::Mode::kNone;
    out.early_filters = false;
    return out;
  }
  out.mode = ParserHints::Mode::kRequired;
  out.required = std::move(names);
  out.early_filters = grouping.kind == SampleGrouping::Kind::kNoLabels;
  out.preserve_error = out.Requires("__error__");
  return out;
}

}  // namespace skald::exec
