#include "query/exec/plan/plan_printer.h"

#include <fmt/format.h>

#include "query/logql/printer.h"
#include "text/duration.h"
#include "text/units.h"

namespace skald::exec {
namespace {

using logql::Overloaded;

std::string Joined(const std::vector<std::string>& parts, std::string_view separator = ", ") {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

std::string GroupingText(const std::optional<logql::Grouping>& grouping) {
  if (!grouping.has_value()) return {};
  return fmt::format(" {} ({})", grouping->without ? "without" : "by", Joined(grouping->labels));
}

std::string OperatorText(const logql::BinaryOp& op) {
  std::string out(logql::Name(op.op));
  if (op.return_bool) out += " bool";
  if (!op.matching.has_value()) return out;
  out += fmt::format(" {} ({})", op.matching->on ? "on" : "ignoring", Joined(op.matching->labels));
  if (op.matching->cardinality == logql::MatchCardinality::kOneToOne) return out;
  return out + fmt::format(" {} ({})",
                           op.matching->cardinality == logql::MatchCardinality::kManyToOne ? "group_left"
                                                                                           : "group_right",
                           Joined(op.matching->include));
}

std::string RangeText(const logql::RangeAggregation& range) {
  std::string out(logql::Name(range.op));
  if (!range.counted_label.empty()) out += fmt::format(" {}", range.counted_label);
  if (range.parameter.has_value()) out += fmt::format(" {}", *range.parameter);
  out += fmt::format(" [{}]", FormatPrometheusDuration(range.log_range.range_ns));
  if (range.log_range.offset_ns != 0)
    out += fmt::format(" offset {}", FormatGoDuration(range.log_range.offset_ns));
  return out + GroupingText(range.grouping);
}

std::string NameOf(const logql::Expr& expr) {
  return std::visit(Overloaded{
                        [](const logql::LogSelectorExpr&) { return std::string("lines"); },
                        [](const logql::RangeAggregation& e) { return RangeText(e); },
                        [](const logql::VectorAggregation& e) {
                          return fmt::format("{}{}{}", logql::Name(e.op),
                                             e.k > 0 ? fmt::format(" {}", e.k) : "",
                                             GroupingText(e.grouping));
                        },
                        [](const logql::BinaryOp& e) { return OperatorText(e); },
                        [](const logql::Literal& e) { return fmt::format("{}", e.value); },
                        [](const logql::VectorLiteral& e) { return fmt::format("vector {}", e.value); },
                        [](const logql::LabelReplace& e) { return fmt::format("label_replace {}", e.dst); },
                        [](const logql::Variants&) { return std::string("variants"); },
                    },
                    expr.node);
}

void AddSteps(const Plan& plan, const logql::Expr& expr, uint32_t depth, std::vector<PlanStep>* out) {
  PlanStep step{NameOf(expr), depth, std::nullopt, &expr};
  if (plan.is_log_query && !plan.reads.empty()) step.read = 0;
  if (const auto* range = std::get_if<logql::RangeAggregation>(&expr.node)) {
    if (const auto it = plan.read_of.find(range); it != plan.read_of.end()) step.read = it->second;
  }
  out->push_back(std::move(step));
  const auto add = [&](const logql::Expr& child) { AddSteps(plan, child, depth + 1, out); };
  std::visit(Overloaded{
                 [&](const logql::VectorAggregation& e) { add(*e.inner); },
                 [&](const logql::BinaryOp& e) {
                   add(*e.lhs);
                   add(*e.rhs);
                 },
                 [&](const logql::LabelReplace& e) { add(*e.inner); },
                 [&](const logql::Variants& e) {
                   for (const logql::ExprPtr& variant : e.variants) add(*variant);
                 },
                 [](const auto&) {},
             },
             expr.node);
}

std::string ValueText(const PipelinePlan& pipeline) {
  switch (pipeline.kind) {
    case SampleKind::kNone:
      return {};
    case SampleKind::kOne:
      return "1 a line";
    case SampleKind::kBytes:
      return "bytes of the line";
    case SampleKind::kDistinct:
      return fmt::format("a hash of label {}", pipeline.unwrap->label);
    case SampleKind::kUnwrap:
      return fmt::format("label {}", pipeline.unwrap->label);
  }
  return {};
}

std::string GroupingText(const SampleGrouping& grouping) {
  switch (grouping.kind) {
    case SampleGrouping::Kind::kAll:
      return "all";
    case SampleGrouping::Kind::kNoLabels:
      return "none";
    case SampleGrouping::Kind::kBy:
      return Joined(grouping.labels);
    case SampleGrouping::Kind::kWithout:
      return grouping.labels.empty() ? "all" : fmt::format("all but {}", Joined(grouping.labels));
  }
  return {};
}

std::string HintsText(const ParserHints& hints) {
  switch (hints.mode) {
    case ParserHints::Mode::kAll:
      return "every field";
    case ParserHints::Mode::kRequired:
      return Joined(hints.required);
    case ParserHints::Mode::kNone:
      return "nothing";
  }
  return {};
}

std::string ColumnsText(const ColumnSet& columns) {
  std::vector<std::string> out;
  if (columns.times) out.emplace_back("times");
  if (columns.lines) out.emplace_back("lines");
  if (columns.metadata) out.emplace_back("metadata");
  return out.empty() ? "none" : Joined(out);
}

std::string HeadersText(const ReadPlan& read) {
  switch (read.headers) {
    case HeaderUse::kNone:
      return read.headers_reason.empty() ? std::string() : fmt::format("no: {}", read.headers_reason);
    case HeaderUse::kCounts:
      return "counts";
    case HeaderUse::kCountsOrLevels:
      return "counts, also of levels";
  }
  return {};
}

}  // namespace

bool HasParser(const PipelinePlan& pipeline) {
  for (const logql::Stage& stage : pipeline.stages) {
    if (std::holds_alternative<logql::JsonParser>(stage) ||
        std::holds_alternative<logql::LogfmtParser>(stage) ||
        std::holds_alternative<logql::RegexpParser>(stage) ||
        std::holds_alternative<logql::PatternParser>(stage) || std::holds_alternative<logql::Unpack>(stage)) {
      return true;
    }
  }
  return false;
}

std::string Shown(const NeededText& text) {
  std::string out;
  for (const TextParts& parts : text.any_of) {
    if (!out.empty()) out += " or ";
    for (size_t i = 0; i < parts.all_of.size(); ++i) {
      if (i > 0) out += " and ";
      AppendGoQuoted(&out, parts.all_of[i]);
    }
    if (parts.any_case) out += " in any case";
  }
  if (!text.label.empty()) out += fmt::format(" in {}", text.label);
  return out;
}

std::vector<PlanStep> StepsOf(const Plan& plan) {
  std::vector<PlanStep> out;
  AddSteps(plan, *plan.root, 0, &out);
  return out;
}

std::vector<ReadFact> FactsOf(const ReadPlan& read) {
  std::vector<ReadFact> out;
  const auto add = [&out](std::string_view name, std::string value) {
    if (!value.empty()) out.push_back({name, {std::move(value)}});
  };
  const PipelinePlan& pipeline = read.pipeline;
  add("streams", logql::PrintSelector(read.selector));
  ReadFact filters{"filters", {}};
  for (const logql::LineFilter& filter : pipeline.leading)
    filters.values.push_back(logql::PrintStage(filter));
  if (!filters.values.empty()) out.push_back(std::move(filters));
  ReadFact needed{"needed text", {}};
  for (const NeededText& text : pipeline.needed_text) needed.values.push_back(Shown(text));
  if (!needed.values.empty()) out.push_back(std::move(needed));
  ReadFact stages{"stages", {}};
  for (const logql::Stage& stage : pipeline.stages) stages.values.push_back(logql::PrintStage(stage));
  if (!stages.values.empty()) out.push_back(std::move(stages));
  ReadFact sequence{"on the answer", {}};
  for (const logql::NamedStage& stage : read.sequence) sequence.values.push_back(logql::PrintStage(stage));
  if (!sequence.values.empty()) out.push_back(std::move(sequence));
  if (HasParser(pipeline)) add("extracts", HintsText(pipeline.hints));
  if (read.range != nullptr) {
    add("value", ValueText(pipeline));
    add("labels", GroupingText(pipeline.grouping));
  }
  add("columns", ColumnsText(pipeline.columns));
  add("headers", HeadersText(read));
  return out;
}

std::string StepText(const PlanStep& step) {
  std::string out = std::string(step.depth * 2, ' ') + step.name;
  if (step.read.has_value()) out += fmt::format(" <- read {}", *step.read);
  return out;
}

void AppendReadText(std::string* out, size_t number, const ReadPlan& read) {
  *out += fmt::format("read {}\n", number);
  for (const ReadFact& fact : FactsOf(read)) {
    std::string_view name = fact.name;
    for (const std::string& value : fact.values) {
      *out += fmt::format("  {:<14}{}\n", name, value);
      name = "";
    }
  }
}

void AppendNotesText(std::string* out, const Plan& plan) {
  if (!plan.notes.empty()) *out += "passes\n";
  for (const PlanNote& note : plan.notes) *out += fmt::format("  {:<18}{}\n", note.pass, note.text);
}

std::string PlanText(const Plan& plan) {
  std::string out;
  for (const PlanStep& step : StepsOf(plan)) out += StepText(step) + '\n';
  for (size_t i = 0; i < plan.reads.size(); ++i) AppendReadText(&out, i, plan.reads[i]);
  AppendNotesText(&out, plan);
  return out;
}

void WritePlanJson(const Plan& plan, JsonWriter* w) {
  w->BeginObject().Key("query").String(logql::Print(*plan.query));
  w->Key("computed").String(logql::Print(*plan.root)).Key("steps").BeginArray();
  for (const PlanStep& step : StepsOf(plan)) {
    w->BeginObject().Key("name").String(step.name).Key("depth").UInt(step.depth);
    if (step.read.has_value()) w->Key("read").UInt(*step.read);
    w->EndObject();
  }
  w->EndArray().Key("reads").BeginArray();
  for (const ReadPlan& read : plan.reads) {
    w->BeginObject();
    for (const ReadFact& fact : FactsOf(read)) {
      w->Key(fact.name);
      const bool list = fact.name == "filters" || fact.name == "needed text" || fact.name == "stages" ||
                        fact.name == "on the answer";
      if (list) w->BeginArray();
      for (const std::string& value : fact.values) w->String(value);
      if (list) w->EndArray();
    }
    w->EndObject();
  }
  w->EndArray().Key("passes").BeginArray();
  for (const PlanNote& note : plan.notes) {
    w->BeginObject().Key("name").String(note.pass).Key("did").String(note.text).EndObject();
  }
  w->EndArray().EndObject();
}

}  // namespace skald::exec
