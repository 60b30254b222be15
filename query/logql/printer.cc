#include "query/logql/printer.h"

#include <fmt/format.h>

#include "base/labels.h"
#include "query/logql/regex_simplify.h"
#include "text/units.h"

namespace skald::logql {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

// In matchers a name that is none in the classic sense is quoted, elsewhere it stands bare.
std::string MatcherName(const std::string& name) { return IsLabelName(name) ? name : Quoted(name); }

std::string Joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out.append(i == 0 ? "" : separator).append(parts[i]);
  return out;
}

// A regex that has to run as one is shown in backticks.
std::string StringFilterText(const Matcher& matcher) {
  if (matcher.op() == MatchOp::kRegex && matcher.value().find('`') == std::string::npos &&
      !SimplifyRegex(matcher.value())) {
    return fmt::format("{}=~`{}`", MatcherName(matcher.name()), matcher.value());
  }
  return PrintMatcher(matcher);
}

void AppendLabelFilter(std::string* out, const LabelFilter& filter) {
  const auto compared = [out](const auto& f, const std::string& value) {
    out->append(f.name).append(Name(f.op)).append(value);
  };
  const auto both = [out](const auto& f, std::string_view word) {
    *out += "( ";
    AppendLabelFilter(out, *f.left);
    out->append(" ").append(word).append(" ");
    AppendLabelFilter(out, *f.right);
    *out += " )";
  };
  std::visit(Overloaded{
                 [&](const StringFilter& f) { *out += StringFilterText(f.matcher); },
                 [&](const NumberFilter& f) { compared(f, FormatSampleValue(f.value)); },
                 [&](const DurationFilter& f) { compared(f, FormatGoDuration(f.nanos)); },
                 [&](const BytesFilter& f) { compared(f, FormatHumanBytes(f.bytes)); },
                 [&](const IpFilter& f) {
                   *out += fmt::format("{}{}ip({})", f.name, f.negated ? "!=" : "=", Quoted(f.pattern));
                 },
                 [&](const AndFilter& f) { both(f, ","); },
                 [&](const OrFilter& f) { both(f, "or"); },
             },
             filter.node);
}

std::string Extractions(const std::vector<LabelExtraction>& extractions) {
  std::string out;
  for (const LabelExtraction& extraction : extractions) {
    out.append(out.empty() ? " " : ",")
        .append(extraction.name)
        .append("=")
        .append(Quoted(extraction.expression));
  }
  return out;
}

std::string NamesOrMatchers(const std::vector<NameOrMatcher>& items) {
  std::string out;
  for (const NameOrMatcher& item : items) {
    out.append(out.empty() ? "" : ",").append(item.matcher ? PrintMatcher(*item.matcher) : item.name);
  }
  return out;
}

std::string LineFilterText(const LineFilter& filter) {
  std::string out(Name(filter.op));
  std::string_view before = " ";
  for (const LineFilterOperand& operand : filter.operands) {
    out.append(before).append(operand.is_ip ? fmt::format("ip({})", Quoted(operand.text))
                                            : Quoted(operand.text));
    before = " or ";
  }
  return out;
}

// | distinct a,b   | context before=1 after=2
std::string NamedStageText(const NamedStage& stage) {
  std::string out = fmt::format("| {}", stage.word);
  std::string_view before = " ";
  for (const StageArgument& argument : stage.arguments) {
    out.append(before).append(argument.name);
    if (argument.count) out += fmt::format("={}", *argument.count);
    before = argument.count ? " " : ",";
  }
  return out;
}

std::string UnwrapText(const Unwrap& unwrap) {
  if (unwrap.conversion == UnwrapConversion::kNone) return fmt::format("| unwrap {}", unwrap.label);
  return fmt::format("| unwrap {}({})", Name(unwrap.conversion), unwrap.label);
}

// " by (a,b)" with the separator given.
std::string GroupingText(const Grouping& grouping, std::string_view separator) {
  return fmt::format(" {} ({})", grouping.without ? "without" : "by", Joined(grouping.labels, separator));
}

bool IsSingleton(const Grouping& grouping) { return !grouping.without && grouping.labels.empty(); }

// The operator with its modifiers. A matching without a group part leaves a space at its end.
std::string OperatorText(const BinaryOp& node, std::string_view separator) {
  std::string out(Name(node.op));
  if (node.return_bool) out += " bool";
  if (!node.matching || (!node.matching->on && node.matching->labels.empty())) return out;
  std::string group;
  if (node.matching->cardinality == MatchCardinality::kManyToOne) group = "group_left";
  if (node.matching->cardinality == MatchCardinality::kOneToMany) group = "group_right";
  if (!node.matching->include.empty())
    group += fmt::format(" ({})", Joined(node.matching->include, separator));
  out += fmt::format(" {} ({}) {}", node.matching->on ? "on" : "ignoring",
                     Joined(node.matching->labels, separator), group);
  return out;
}

std::string LabelReplaceArgument(const LabelReplace& node, int argument) {
  const std::string* arguments[] = {&node.dst, &node.replacement, &node.src, &node.regex};
  return Quoted(*arguments[argument]);
}

// Appends to one string, so that the cost of a deep tree stays linear.
void AppendExpr(std::string* out, const Expr& expr) {
  std::visit(Overloaded{
                 [&](const LogSelectorExpr& e) { *out += PrintLogSelector(e); },
                 [&](const RangeAggregation& e) {
                   out->append(Name(e.op)).append("(");
                   if (e.parameter) out->append(FormatSampleValue(*e.parameter)).append(",");
                   if (!e.counted_label.empty()) out->append(e.counted_label).append(",");
                   out->append(PrintLogRange(e.log_range)).append(")");
                   if (e.grouping) *out += GroupingText(*e.grouping, ",");
                 },
                 [&](const VectorAggregation& e) {
                   *out += Name(e.op);
                   if (e.grouping && !IsSingleton(*e.grouping)) *out += GroupingText(*e.grouping, ",");
                   *out += '(';
                   if (e.k > 0) *out += fmt::format("{},", e.k);
                   AppendExpr(out, *e.inner);
                   *out += ')';
                 },
                 [&](const BinaryOp& e) {
                   *out += '(';
                   AppendExpr(out, *e.lhs);
                   out->append(" ").append(OperatorText(e, ",")).append(" ");
                   AppendExpr(out, *e.rhs);
                   *out += ')';
                 },
                 [&](const Literal& e) { *out += FormatGoFloatV(e.value); },
                 [&](const VectorLiteral& e) { *out += fmt::format("vector({:f})", e.value); },
                 [&](const LabelReplace& e) {
                   *out += "label_replace(";
                   AppendExpr(out, *e.inner);
                   for (int i = 0; i < 4; ++i) out->append(",").append(LabelReplaceArgument(e, i));
                   *out += ')';
                 },
                 [&](const Variants& e) {
                   *out += "variants";
                   std::string_view before = "(";
                   for (const ExprPtr& variant : e.variants) {
                     *out += before;
                     AppendExpr(out, *variant);
                     before = ", ";
                   }
                   out->append(") of (").append(PrintLogRange(e.of)).append(")");
                 },
             },
             expr.node);
}

// ---------------------------------------------------------------------------------------------- pretty

constexpr size_t kMaxLine = 100;

std::string Indent(int level) { return std::string(static_cast<size_t>(level) * 2, ' '); }

std::string PrettyExpr(const Expr& expr, int level);

// filters[0..count) as one node: while too long, the last one goes to a line of its own, without its
// alternatives.
std::string PrettyLineFilters(const std::vector<const LineFilter*>& filters, size_t count, int level) {
  std::string line;
  for (size_t i = 0; i < count; ++i) line.append(i == 0 ? "" : " ").append(LineFilterText(*filters[i]));
  if (line.size() <= kMaxLine) return Indent(level) + line;
  std::string out;
  if (count > 1) out = PrettyLineFilters(filters, count - 1, level) + "\n";
  LineFilter last = *filters[count - 1];
  last.operands.resize(1);
  return out + Indent(level) + LineFilterText(last);
}

std::string PrettyLogSelector(const LogSelectorExpr& log, int level) {
  const std::string line = PrintLogSelector(log);
  if (log.stages.empty() || line.size() <= kMaxLine) return Indent(level) + line;
  std::string out = Indent(level) + PrintSelector(log.selector);
  for (size_t i = 0; i < log.stages.size(); ++i) {
    out += '\n';
    if (std::holds_alternative<LineFilter>(log.stages[i])) {
      std::vector<const LineFilter*> filters;
      for (; i < log.stages.size() && std::holds_alternative<LineFilter>(log.stages[i]); ++i) {
        filters.push_back(&std::get<LineFilter>(log.stages[i]));
      }
      --i;
      out += PrettyLineFilters(filters, filters.size(), level + 1);
    } else {
      const bool indented = !std::holds_alternative<Decolorize>(log.stages[i]);
      out += (indented ? Indent(level + 1) : "") + PrintStage(log.stages[i]);
    }
  }
  return out;
}

std::string PrettyLogRange(const LogRangeExpr& range, int level) {
  std::string out = PrettyLogSelector(range.source, level);
  if (range.unwrap) {
    out += "\n" + Indent(level + 1) + UnwrapText(*range.unwrap);
    for (const LabelFilter& filter : range.unwrap->filters) {
      out += "\n" + Indent(level + 1) + "| " + PrintLabelFilter(filter);
    }
  }
  out += fmt::format(" [{}]", FormatPrometheusDuration(range.range_ns));
  if (range.offset_ns != 0) {
    out += fmt::format(" offset {}", FormatPrometheusDuration(range.offset_ns));
  }
  return out;
}

std::string PrettyGrouping(const Grouping& grouping) {
  if (!grouping.labels.empty()) return GroupingText(grouping, ", ");
  return grouping.without ? " without" : "";
}

std::string PrettySplit(const RangeAggregation& node, int level) {
  std::string out = fmt::format("{}{}(\n", Indent(level), Name(node.op));
  if (node.parameter) out += fmt::format("{}{},\n", Indent(level + 1), FormatGoFloatV(*node.parameter));
  if (!node.counted_label.empty()) out += fmt::format("{}{},\n", Indent(level + 1), node.counted_label);
  out += PrettyLogRange(node.log_range, level + 1) + "\n" + Indent(level) + ")";
  if (node.grouping) out += PrettyGrouping(*node.grouping);
  return out;
}

std::string PrettySplit(const VectorAggregation& node, int level) {
  std::string out = Indent(level) + std::string(Name(node.op));
  if (node.grouping) out += PrettyGrouping(*node.grouping);
  out += "(\n";
  if (node.k > 0) out += fmt::format("{}{},\n", Indent(level + 1), node.k);
  return out + PrettyExpr(*node.inner, level + 1) + "\n" + Indent(level) + ")";
}

std::string PrettySplit(const BinaryOp& node, int level) {
  // On lines of its own an operator loses a matching that names no label.
  std::string op = std::string(Name(node.op)) + (node.return_bool ? " bool" : "");
  if (node.matching && !node.matching->labels.empty()) op = OperatorText(node, ", ");
  return PrettyExpr(*node.lhs, level + 1) + "\n" + Indent(level) + op + "\n" +
         PrettyExpr(*node.rhs, level + 1);
}

std::string PrettySplit(const LabelReplace& node, int level) {
  std::string out = Indent(level) + "label_replace(\n" + PrettyExpr(*node.inner, level + 1);
  for (int i = 0; i < 4; ++i) out += ",\n" + Indent(level + 1) + LabelReplaceArgument(node, i);
  return out + "\n" + Indent(level) + ")";
}

std::string PrettySplit(const Variants& node, int level) {
  std::string out = Indent(level) + "variants(";
  for (size_t i = 0; i < node.variants.size(); ++i) {
    out.append(i == 0 ? "\n" : ",\n").append(PrettyExpr(*node.variants[i], level + 1));
  }
  // The last line's indentation stands at the end of the one before.
  return out + "\n" + Indent(level) + ") of (\n" + PrettyLogRange(node.of, level + 1) + Indent(level) + "\n)";
}

std::string PrettyExpr(const Expr& expr, int level) {
  if (const auto* log = std::get_if<LogSelectorExpr>(&expr.node)) return PrettyLogSelector(*log, level);
  std::string line = Print(expr);
  if (line.size() <= kMaxLine && !std::holds_alternative<Variants>(expr.node)) return Indent(level) + line;
  return std::visit(Overloaded{
                        [&](const LogSelectorExpr& e) { return PrettyLogSelector(e, level); },
                        [&](const Literal&) { return Indent(level) + line; },
                        [&](const VectorLiteral&) { return Indent(level) + line; },
                        [&](const auto& e) { return PrettySplit(e, level); },
                    },
                    expr.node);
}

}  // namespace

std::string PrintMatcher(const Matcher& matcher) {
  return MatcherName(matcher.name()) + std::string(Name(matcher.op())) + Quoted(matcher.value());
}

std::string PrintSelector(const Selector& selector) {
  std::string out = "{";
  for (size_t i = 0; i < selector.matchers.size(); ++i) {
    out.append(i == 0 ? "" : ", ").append(PrintMatcher(selector.matchers[i]));
  }
  return out + "}";
}

std::string PrintLabelFilter(const LabelFilter& filter) {
  std::string out;
  AppendLabelFilter(&out, filter);
  return out;
}

std::string PrintStage(const Stage& stage) {
  return std::visit(Overloaded{
                        [](const LineFilter& s) { return LineFilterText(s); },
                        [](const JsonParser& s) { return "| json" + Extractions(s.extractions); },
                        [](const LogfmtParser& s) {
                          return fmt::format("| logfmt{}{}{}", s.strict ? " --strict" : "",
                                             s.keep_empty ? " --keep-empty" : "", Extractions(s.extractions));
                        },
                        [](const RegexpParser& s) { return "| regexp " + Quoted(s.pattern); },
                        [](const PatternParser& s) { return "| pattern " + Quoted(s.pattern); },
                        [](const Unpack&) { return std::string("| unpack"); },
                        [](const LabelFilter& s) { return "| " + PrintLabelFilter(s); },
                        [](const LineFormat& s) { return "| line_format " + Quoted(s.text); },
                        [](const LabelFormat& s) {
                          std::string out = "| label_format";
                          std::string_view before = " ";
                          for (const LabelFormatItem& item : s.items) {
                            out.append(before).append(item.name).append("=").append(
                                item.is_rename ? item.value : Quoted(item.value));
                            before = ",";
                          }
                          return out;
                        },
                        [](const Decolorize&) { return std::string("| decolorize"); },
                        [](const Drop& s) { return "| drop " + NamesOrMatchers(s.items); },
                        [](const Keep& s) { return "| keep " + NamesOrMatchers(s.items); },
                        [](const NamedStage& s) { return NamedStageText(s); },
                    },
                    stage);
}

std::string PrintLogSelector(const LogSelectorExpr& expr) {
  std::string out = PrintSelector(expr.selector);
  for (const Stage& stage : expr.stages) out.append(" ").append(PrintStage(stage));
  return out;
}

std::string PrintLogRange(const LogRangeExpr& range) {
  std::string out = PrintLogSelector(range.source);
  if (range.unwrap) {
    out += " " + UnwrapText(*range.unwrap);
    for (const LabelFilter& filter : range.unwrap->filters) out += " | " + PrintLabelFilter(filter);
  }
  out += fmt::format("[{}]", FormatPrometheusDuration(range.range_ns));
  if (range.offset_ns != 0) out += " offset " + FormatGoDuration(range.offset_ns);
  return out;
}

std::string Print(const Expr& expr) {
  std::string out;
  AppendExpr(&out, expr);
  return out;
}

std::string Pretty(const Expr& expr) { return PrettyExpr(expr, 0); }

}  // namespace skald::logql
