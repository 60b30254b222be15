#include "query/exec/testing/oracle_pipeline.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "text/template.h"

namespace skald::oracle {
namespace {

using logql::Overloaded;
using logql::RangeOp;
using logql::Stage;
using Names = std::set<std::string>;

bool IsParser(const Stage& stage) {
  return std::holds_alternative<logql::JsonParser>(stage) ||
         std::holds_alternative<logql::LogfmtParser>(stage) ||
         std::holds_alternative<logql::RegexpParser>(stage) ||
         std::holds_alternative<logql::PatternParser>(stage) || std::holds_alternative<logql::Unpack>(stage);
}

// Line filters move to the front of stages that leave the line alone.
std::vector<Stage> InOrder(const std::vector<Stage>& stages) {
  std::vector<Stage> done;     // up to the last label filter, line_format or unpack
  std::vector<Stage> filters;  // line filters since
  std::vector<Stage> others;
  const auto close = [&] {
    done.insert(done.end(), filters.begin(), filters.end());
    done.insert(done.end(), others.begin(), others.end());
    filters.clear();
    others.clear();
  };
  for (const Stage& stage : stages) {
    if (std::holds_alternative<logql::LineFilter>(stage)) {
      filters.push_back(stage);
      continue;
    }
    others.push_back(stage);
    if (std::holds_alternative<logql::LabelFilter>(stage) ||
        std::holds_alternative<logql::LineFormat>(stage) || std::holds_alternative<logql::Unpack>(stage)) {
      close();
    }
  }
  close();
  return done;
}

// A line_format that nothing reads after it is taken out of queries that do not count bytes.
std::vector<Stage> WithoutIdleFormats(const std::vector<Stage>& stages) {
  std::vector<Stage> out;
  for (size_t i = 0; i < stages.size(); ++i) {
    const bool read = std::any_of(
        stages.begin() + static_cast<std::ptrdiff_t>(i) + 1, stages.end(), [](const Stage& later) {
          return IsParser(later) || std::holds_alternative<logql::LineFilter>(later);
        });
    if (read || !std::holds_alternative<logql::LineFormat>(stages[i])) out.push_back(stages[i]);
  }
  return out;
}

void AddFilterNames(const logql::LabelFilter& filter, Names* out) {
  if (const auto name = SingleLabel(filter)) {
    out->insert(*name);
  } else if (const auto* both = std::get_if<logql::AndFilter>(&filter.node)) {
    AddFilterNames(*both->left, out);
    AddFilterNames(*both->right, out);
  } else if (const auto* either = std::get_if<logql::OrFilter>(&filter.node)) {
    AddFilterNames(*either->left, out);
    AddFilterNames(*either->right, out);
  }
}

void AddTemplateNames(const std::string& text, Names* out) {
  const auto parsed = Template::Parse("line", text, LogTemplateFunctions());
  if (!parsed.ok()) return;
  for (const std::string& name : (*parsed)->Fields()) out->insert(name);
}

void MakeStages(const std::vector<Stage>& source, const logql::Unwrap* unwrap, const SampleGrouping& grouping,
                Stages* out) {
  for (const Stage& stage : InOrder(source)) {
    const auto* filter = std::get_if<logql::LabelFilter>(&stage);
    if (filter == nullptr || !AlwaysTrue(*filter)) out->stages.push_back(stage);
  }
  Hints& hints = out->hints;
  bool early = true;
  if (grouping.kind == SampleGrouping::Kind::kNone || grouping.kind == SampleGrouping::Kind::kBy) {
    Names names(grouping.labels.begin(), grouping.labels.end());
    for (const Stage& stage : source) {
      if (const auto* filter = std::get_if<logql::LabelFilter>(&stage)) AddFilterNames(*filter, &names);
      if (const auto* line = std::get_if<logql::LineFormat>(&stage)) AddTemplateNames(line->text, &names);
      if (const auto* label = std::get_if<logql::LabelFormat>(&stage)) {
        for (const logql::LabelFormatItem& item : label->items) {
          if (item.is_rename) {
            names.insert(item.value);
          } else {
            AddTemplateNames(item.value, &names);
          }
        }
      }
    }
    if (unwrap != nullptr) {
      names.insert(unwrap->label);
      for (const logql::LabelFilter& filter : unwrap->filters) AddFilterNames(filter, &names);
    }
    for (const std::string& name : Names(names)) {
      if (name.ends_with("_extracted")) names.insert(name.substr(0, name.size() - 10));
    }
    hints.mode = names.empty() ? Hints::Mode::kNone : Hints::Mode::kRequired;
    hints.preserve_error = names.contains("__error__");
    hints.required = std::move(names);
    early = grouping.kind == SampleGrouping::Kind::kNone;
  }
  if (!early) return;
  for (const Stage& stage : out->stages) {
    const auto* filter = std::get_if<logql::LabelFilter>(&stage);
    if (filter == nullptr) continue;
    if (const auto name = SingleLabel(*filter)) hints.early.try_emplace(*name, filter);
  }
}

bool RunStage(const Stage& stage, Row* row) {
  return std::visit(Overloaded{
                        [&](const logql::LineFilter& s) { return RunLineFilter(s, *row); },
                        [&](const logql::JsonParser& s) { return RunJson(s, row); },
                        [&](const logql::LogfmtParser& s) { return RunLogfmt(s, row); },
                        [&](const logql::RegexpParser& s) { return RunRegexp(s, row); },
                        [&](const logql::PatternParser& s) { return RunPattern(s, row); },
                        [&](const logql::Unpack&) { return RunUnpack(row); },
                        [&](const logql::LabelFilter& s) { return RunLabelFilter(s, row); },
                        [&](const logql::LineFormat& s) { return RunLineFormat(s, row), true; },
                        [&](const logql::LabelFormat& s) { return RunLabelFormat(s, row), true; },
                        [&](const logql::Decolorize&) { return RunDecolorize(row), true; },
                        [&](const logql::Drop& s) { return RunDrop(s, row), true; },
                        [&](const logql::Keep& s) { return RunKeep(s, row), true; },
                        [](const auto&) { return true; },
                    },
                    stage);
}

// Stored entries of the streams that match, without repetitions, in order of time.
std::vector<const StoredEntry*> Selected(const std::vector<StoredEntry>& entries,
                                         const logql::Selector& selector, int64_t from_ns, int64_t until_ns) {
  std::set<std::tuple<StringMap, int64_t, std::string, StringMap>> seen;
  std::vector<const StoredEntry*> out;
  for (const StoredEntry& entry : entries) {
    if (entry.time_ns < from_ns || entry.time_ns > until_ns) continue;
    const bool matches =
        std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const Matcher& matcher) {
          const auto it = entry.stream.find(matcher.name());
          return matcher.Matches(it == entry.stream.end() ? std::string_view() : it->second);
        });
    if (matches && seen.emplace(entry.stream, entry.time_ns, entry.line, entry.metadata).second)
      out.push_back(&entry);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const StoredEntry* a, const StoredEntry* b) { return a->time_ns < b->time_ns; });
  return out;
}

SampleGrouping GroupingOf(const logql::RangeAggregation& range, const logql::VectorAggregation* parent) {
  if (range.op == RangeOp::kAbsentOverTime) return {SampleGrouping::Kind::kNone, {}};
  const logql::Grouping* grouping = range.grouping.has_value() ? &*range.grouping : nullptr;
  static const std::set<RangeOp> kSummed = {RangeOp::kRate, RangeOp::kCountOverTime, RangeOp::kBytesOverTime,
                                            RangeOp::kBytesRate, RangeOp::kSumOverTime};
  if (grouping == nullptr && parent != nullptr && parent->op == logql::VectorOp::kSum &&
      kSummed.contains(range.op)) {
    if (!parent->grouping.has_value()) return {SampleGrouping::Kind::kNone, {}};
    grouping = &*parent->grouping;
  }
  if (grouping == nullptr) return {};
  if (grouping->without) return {SampleGrouping::Kind::kWithout, grouping->labels};
  return {grouping->labels.empty() ? SampleGrouping::Kind::kNone : SampleGrouping::Kind::kBy,
          grouping->labels};
}

StringMap SeriesLabels(const Row& row, const SampleGrouping& grouping, const logql::Unwrap* unwrap) {
  StringMap all = row.All();
  const bool failed = !row.error.empty();
  const bool whole =
      grouping.kind != SampleGrouping::Kind::kBy && grouping.labels.empty() && unwrap == nullptr;
  if (!failed && !whole) all.erase("__error_details__");
  if (!failed && grouping.kind == SampleGrouping::Kind::kNone) return {};
  if (!failed && grouping.kind == SampleGrouping::Kind::kBy) {
    StringMap out;
    for (const std::string& name : grouping.labels) {
      const auto value = row.Get(name);
      if (value.has_value() && !row.deleted.contains(name)) out[name] = *value;
    }
    return out;
  }
  if (!failed && grouping.kind == SampleGrouping::Kind::kWithout) {
    for (const std::string& name : grouping.labels) all.erase(name);
  }
  if (!failed && unwrap != nullptr) all.erase(unwrap->label);
  return all;
}

}  // namespace

namespace {

Answer::Line LineOf(const Row& row) {
  Answer::Line out{row.time_ns, {}, row.line};
  for (const auto& [name, value] : row.All()) out.labels[name] = WithSpaces(value);
  return out;
}

// What becomes of each selected entry; nullopt where a stage drops it.
std::vector<std::optional<Answer::Line>> RunAll(const std::vector<const StoredEntry*>& selected,
                                                const std::vector<Stage>& asked) {
  Stages stages;
  MakeStages(asked, nullptr, SampleGrouping(), &stages);
  std::vector<std::optional<Answer::Line>> out;
  for (const StoredEntry* entry : selected) {
    Row row = MakeRow(entry->stream, entry->metadata, entry->line, entry->time_ns, stages.hints);
    const bool kept = std::all_of(stages.stages.begin(), stages.stages.end(),
                                  [&](const Stage& stage) { return RunStage(stage, &row); });
    out.push_back(kept ? std::optional(LineOf(row)) : std::nullopt);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Answer::Line>> Lines(const std::vector<StoredEntry>& entries,
                                                const logql::LogSelectorExpr& selector, int64_t from_ns,
                                                int64_t until_ns) {
  std::vector<Answer::Line> out;
  for (auto& line : RunAll(Selected(entries, selector.selector, from_ns, until_ns), selector.stages)) {
    if (line.has_value()) out.push_back(*std::move(line));
  }
  return out;
}

std::vector<Answer::Line> LinesWithContext(const std::vector<StoredEntry>& entries,
                                           const logql::LogSelectorExpr& selector, size_t before,
                                           size_t after, int64_t from_ns, int64_t until_ns, bool* ambiguous) {
  const std::vector<const StoredEntry*> selected = Selected(entries, selector.selector, from_ns, until_ns);
  const auto matches = RunAll(selected, selector.stages);
  const auto plain = RunAll(selected, {});
  std::map<StringMap, std::vector<size_t>> streams;
  for (size_t i = 0; i < selected.size(); ++i) streams[selected[i]->stream].push_back(i);
  std::set<size_t> shown;
  for (const auto& [stream, places] : streams) {
    for (size_t i = 0; i < places.size(); ++i) {
      *ambiguous |= i > 0 && selected[places[i]]->time_ns == selected[places[i - 1]]->time_ns;
      if (!matches[places[i]].has_value()) continue;
      const size_t end = std::min(places.size(), i + after + 1);
      for (size_t k = i - std::min(i, before); k < end; ++k) shown.insert(places[k]);
    }
  }
  std::vector<Answer::Line> out;
  for (const size_t i : shown) out.push_back(matches[i].has_value() ? *matches[i] : *plain[i]);
  return out;
}

absl::StatusOr<std::vector<Sample>> Samples(const std::vector<StoredEntry>& entries,
                                            const logql::RangeAggregation& range,
                                            const logql::VectorAggregation* parent, int64_t from_ns,
                                            int64_t until_ns) {
  const logql::LogSelectorExpr& source = range.log_range.source;
  const logql::Unwrap* unwrap = range.log_range.unwrap.has_value() ? &*range.log_range.unwrap : nullptr;
  logql::Unwrap counted;
  counted.label = range.counted_label;
  const bool counts = range.op == RangeOp::kCountDistinctOverTime;
  if (counts) unwrap = &counted;
  const bool bytes = range.op == RangeOp::kBytesOverTime || range.op == RangeOp::kBytesRate;
  const SampleGrouping grouping = GroupingOf(range, parent);
  Stages stages;
  MakeStages(bytes ? source.stages : WithoutIdleFormats(source.stages), unwrap, grouping, &stages);
  std::vector<Sample> out;
  for (const StoredEntry* entry : Selected(entries, source.selector, from_ns, until_ns)) {
    Row row = MakeRow(entry->stream, entry->metadata, entry->line, entry->time_ns, stages.hints);
    if (!std::all_of(stages.stages.begin(), stages.stages.end(),
                     [&](const Stage& stage) { return RunStage(stage, &row); })) {
      continue;
    }
    double value = 1;
    if (bytes) value = static_cast<double>(row.line.size());
    std::string text;
    if (counts) {
      text = row.Get(counted.label).value_or("");
      if (text.empty()) continue;
    } else if (unwrap != nullptr) {
      const std::optional<double> unwrapped = RunUnwrap(*unwrap, &row);
      if (!unwrapped.has_value()) continue;
      value = *unwrapped;
    }
    out.push_back({row.time_ns, SeriesLabels(row, grouping, unwrap), value, std::move(text)});
  }
  return out;
}

}  // namespace skald::oracle
