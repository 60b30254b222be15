#include "query/exec/testing/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "query/exec/plan/spread_forms.h"
#include "query/exec/testing/oracle_pipeline.h"

namespace skald::oracle {
namespace {

using logql::Overloaded;
using logql::RangeOp;
using logql::VectorOp;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

struct VectorSample {
  StringMap labels;
  double value = 0;
};
using Vector = std::vector<VectorSample>;
// A number, or a vector.
struct Value {
  bool is_number = false;
  double number = 0;
  Vector vector;
};

// Exact whatever the order of sums: whole multiples of 2^-10 of some size.
bool IsPlain(double x) { return std::isfinite(x) && std::fabs(x) < 1e12 && std::floor(x * 1024) == x * 1024; }
bool IsClose(double a, double b) {
  return std::fabs(a - b) <= 1e-7 * std::max({1.0, std::fabs(a), std::fabs(b)});
}
// A comparison of the two may go either way.
bool IsFragile(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return false;
  return IsClose(a, b) && !(IsPlain(a) && IsPlain(b));
}

class Evaluator {
 public:
  Evaluator(const std::vector<StoredEntry>& entries, int64_t first_ns, int64_t last_ns)
      : entries_(entries), first_ns_(first_ns), last_ns_(last_ns) {}

  absl::StatusOr<Value> At(const logql::Expr& expr, int64_t t,
                           const logql::VectorAggregation* parent = nullptr) {
    return std::visit(
        Overloaded{
            [&](const logql::RangeAggregation& e) { return Range(e, t, parent); },
            [&](const logql::VectorAggregation& e) { return Aggregate(e, t); },
            [&](const logql::BinaryOp& e) { return Binary(e, t); },
            [&](const logql::Literal& e) -> absl::StatusOr<Value> {
              return Value{true, e.value, {}};
            },
            [&](const logql::VectorLiteral& e) -> absl::StatusOr<Value> {
              return Value{false, 0, {VectorSample{{}, e.value}}};
            },
            [&](const logql::LabelReplace& e) { return Replace(e, t); },
            [&](const auto&) -> absl::StatusOr<Value> { return InvalidArgument("not evaluated here"); },
        },
        expr.node);
  }
  bool ambiguous() const { return ambiguous_; }

 private:
  absl::StatusOr<Value> Range(const logql::RangeAggregation& range, int64_t t,
                              const logql::VectorAggregation* parent) {
    auto& samples = samples_[&range];
    if (!samples.has_value()) {
      const int64_t reach = range.log_range.range_ns;
      const int64_t offset = range.log_range.offset_ns;
      ASSIGN_OR_RETURN(samples,
                       Samples(entries_, range, parent, first_ns_ - reach - offset + 1, last_ns_ - offset));
    }
    const int64_t until = t - range.log_range.offset_ns;
    const int64_t after = until - range.log_range.range_ns;
    std::map<StringMap, std::vector<const Sample*>> series;
    for (const Sample& sample : *samples) {
      if (sample.time_ns > after && sample.time_ns <= until) series[sample.labels].push_back(&sample);
    }
    Value out;
    for (const auto& [labels, window] : series) {
      if (labels.contains("__error__") &&
          !(labels.contains("__preserve_error__") && labels.at("__preserve_error__") == "true")) {
        return InvalidArgument("pipeline error: '{}' for series", labels.at("__error__"));
      }
      if (range.op != RangeOp::kAbsentOverTime) out.vector.push_back({labels, OverTime(range, window)});
    }
    if (range.op == RangeOp::kAbsentOverTime && series.empty())
      out.vector.push_back({AbsentLabels(range), 1});
    return out;
  }

  static StringMap AbsentLabels(const logql::RangeAggregation& range) {
    StringMap out;
    std::set<std::string> twice;
    std::set<std::string> seen;
    for (const Matcher& matcher : range.log_range.source.selector.matchers) {
      if (matcher.name() == "__name__") continue;
      if (!seen.insert(matcher.name()).second || matcher.op() != MatchOp::kEqual)
        twice.insert(matcher.name());
      if (matcher.op() == MatchOp::kEqual) out[matcher.name()] = matcher.value();
    }
    for (const std::string& name : twice) out.erase(name);
    std::erase_if(out, [](const auto& pair) { return pair.second.empty(); });
    return out;
  }

  double OverTime(const logql::RangeAggregation& range, const std::vector<const Sample*>& window) {
    const double seconds = static_cast<double>(range.log_range.range_ns) / 1e9;
    const double n = static_cast<double>(window.size());
    double sum = 0;
    for (const Sample* sample : window) sum += sample->value;
    switch (range.op) {
      case RangeOp::kCountOverTime:
        return n;
      case RangeOp::kRate:
      case RangeOp::kBytesRate:
        return sum / seconds;
      case RangeOp::kBytesOverTime:
      case RangeOp::kSumOverTime:
        return sum;
      case RangeOp::kAvgOverTime:
        return sum / n;
      case RangeOp::kMinOverTime:
      case RangeOp::kMaxOverTime: {
        double best = kNan;
        for (const Sample* sample : window) {
          const bool better = range.op == RangeOp::kMinOverTime ? sample->value < best : sample->value > best;
          if (std::isnan(best) || better) best = sample->value;
        }
        return best;
      }
      case RangeOp::kStdvarOverTime:
      case RangeOp::kStddevOverTime: {
        double squares = 0;
        for (const Sample* sample : window) squares += (sample->value - sum / n) * (sample->value - sum / n);
        // Values close together for their size: the incremental form that answers must have rounds visibly.
        ambiguous_ |= squares / n < 1e-10 * (sum / n) * (sum / n);
        return range.op == RangeOp::kStdvarOverTime ? squares / n : std::sqrt(squares / n);
      }
      case RangeOp::kQuantileOverTime:
        return Quantile(*range.parameter, window);
      case RangeOp::kFirstOverTime:
      case RangeOp::kLastOverTime: {
        const Sample* chosen = range.op == RangeOp::kFirstOverTime ? window.front() : window.back();
        for (const Sample* sample : window) {
          ambiguous_ |= sample->time_ns == chosen->time_ns && sample->value != chosen->value;
        }
        return chosen->value;
      }
      case RangeOp::kRateCounter:
        return RateCounter(window, seconds);
      case RangeOp::kCountDistinctOverTime: {
        std::set<std::string> values;
        for (const Sample* sample : window) values.insert(sample->text);
        return static_cast<double>(values.size());
      }
      default:
        break;
    }
    return 1;
  }

  static double Quantile(double q, const std::vector<const Sample*>& window) {
    if (q < 0) return -kInf;
    if (q > 1) return kInf;
    std::vector<double> values;
    for (const Sample* sample : window) values.push_back(sample->value);
    std::sort(values.begin(), values.end(),
              [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
    const double rank = q * static_cast<double>(values.size() - 1);
    const double low = std::floor(rank);
    const double high = std::min(low + 1, static_cast<double>(values.size() - 1));
    const double weight = rank - low;
    return values[static_cast<size_t>(low)] * (1 - weight) + values[static_cast<size_t>(high)] * weight;
  }

  double RateCounter(const std::vector<const Sample*>& window, double range) {
    if (window.size() < 2) return 0;
    double d = window.back()->value - window.front()->value;
    for (size_t i = 1; i < window.size(); ++i) {
      if (window[i]->value < window[i - 1]->value) d += window[i - 1]->value;
      ambiguous_ |= window[i]->time_ns == window[i - 1]->time_ns;
    }
    const double s = static_cast<double>(window.back()->time_ns - window.front()->time_ns) / 1000;
    const double a = s / static_cast<double>(window.size() - 1);
    double start = range;
    if (d > 0 && window.front()->value >= 0) start = std::min(start, s * (window.front()->value / d));
    const double x = s + (start < 1.1 * a ? start : a / 2) + (0 < 1.1 * a ? 0 : a / 2);
    return d * (x / s) / range;
  }

  static StringMap GroupOf(const std::optional<logql::Grouping>& grouping, const StringMap& labels) {
    StringMap out;
    if (!grouping.has_value()) return out;
    for (const auto& [name, value] : labels) {
      const bool listed =
          std::find(grouping->labels.begin(), grouping->labels.end(), name) != grouping->labels.end();
      if (grouping->without ? !listed && name != "__name__" && !value.empty() : listed) out[name] = value;
    }
    return out;
  }

  absl::StatusOr<Value> Aggregate(const logql::VectorAggregation& e, int64_t t) {
    ASSIGN_OR_RETURN(Value inner, At(*e.inner, t, &e));
    std::map<StringMap, Vector> groups;
    for (const VectorSample& sample : inner.vector)
      groups[GroupOf(e.grouping, sample.labels)].push_back(sample);
    Value out;
    const bool select =
        e.op == VectorOp::kTopk || e.op == VectorOp::kBottomk || e.op == VectorOp::kApproxTopk;
    const bool sorts = e.op == VectorOp::kSort || e.op == VectorOp::kSortDesc;
    if (select || sorts) {
      const bool down = e.op != VectorOp::kBottomk && e.op != VectorOp::kSort;
      const auto before = [down](const VectorSample& a, const VectorSample& b) {
        if (std::isnan(a.value) || std::isnan(b.value)) return !std::isnan(a.value);
        return down ? a.value > b.value : a.value < b.value;
      };
      const auto strictly = [&](const VectorSample& a, const VectorSample& b) {
        return before(a, b) && !before(b, a) && !std::isnan(a.value);
      };
      for (auto& [labels, members] : groups) {
        std::stable_sort(members.begin(), members.end(), strictly);
        const size_t k = sorts ? members.size() : static_cast<size_t>(e.k);
        if (k < members.size()) {
          const double last = members[k - 1].value;
          const double next = members[k].value;
          ambiguous_ |= last == next || (std::isnan(last) && std::isnan(next)) || IsFragile(last, next);
          members.resize(k);
        }
        out.vector.insert(out.vector.end(), members.begin(), members.end());
      }
      return out;
    }
    for (const auto& [labels, members] : groups) out.vector.push_back({labels, Reduce(e.op, members)});
    return out;
  }

  double Reduce(VectorOp op, const Vector& members) {
    const double n = static_cast<double>(members.size());
    double sum = 0;
    bool finite = true;
    for (const VectorSample& sample : members) {
      sum += sample.value;
      finite &= std::isfinite(sample.value);
    }
    switch (op) {
      case VectorOp::kCount:
        return n;
      case VectorOp::kSum:
        return sum;
      case VectorOp::kAvg:
        ambiguous_ |= !finite;  // a running mean's answer hangs on the order
        return sum / n;
      case VectorOp::kMin:
      case VectorOp::kMax: {
        double best = kNan;
        for (const VectorSample& sample : members) {
          const bool better = op == VectorOp::kMin ? sample.value < best : sample.value > best;
          if (std::isnan(best) || better) best = sample.value;
        }
        return best;
      }
      default: {
        if (members.size() == 1) return 0;  // a NaN too is 0 away from itself
        ambiguous_ |= !finite;
        double squares = 0;
        for (const VectorSample& sample : members)
          squares += (sample.value - sum / n) * (sample.value - sum / n);
        return op == VectorOp::kStdvar ? squares / n : std::sqrt(squares / n);
      }
    }
  }

  // nullopt where a comparison drops the sample.
  std::optional<double> Combine(const logql::BinaryOp& op, double l, double r, double kept) {
    using logql::BinaryOpKind;
    if (logql::IsComparison(op.op)) ambiguous_ |= IsFragile(l, r);
    if (op.op == BinaryOpKind::kMod && r != 0) {
      const double rest = std::fabs(std::fmod(l, r));
      ambiguous_ |= !(IsPlain(l) && IsPlain(r)) && (IsClose(rest, 0) || IsClose(rest, std::fabs(r)));
      ambiguous_ |= std::fabs(l / r) > 1e6;
    }
    // Near zero: what is left is rounding.
    if (op.op == BinaryOpKind::kDiv) ambiguous_ |= std::fabs(r) < 1e-6 && !(IsPlain(r) && IsPlain(l));
    if (op.op == BinaryOpKind::kSub || op.op == BinaryOpKind::kAdd) {
      const double x = op.op == BinaryOpKind::kSub ? l - r : l + r;
      ambiguous_ |= std::fabs(x) < 1e-6 * std::max(std::fabs(l), std::fabs(r)) && !(IsPlain(l) && IsPlain(r));
    }
    if (op.op == BinaryOpKind::kPow)
      ambiguous_ |= std::fabs(r) > 50 || (l < 0 && !IsPlain(r)) || (l != 0 && std::fabs(l) < 1e-6);
    const double value = logql::EvaluateScalars(op.op, l, r);
    if (!logql::IsComparison(op.op) || op.return_bool) return value;
    if (value == 0) return std::nullopt;
    return kept;
  }

  absl::StatusOr<Value> Binary(const logql::BinaryOp& e, int64_t t) {
    ASSIGN_OR_RETURN(const Value l, At(*e.lhs, t));
    ASSIGN_OR_RETURN(const Value r, At(*e.rhs, t));
    Value out;
    if (l.is_number && r.is_number) return Value{true, logql::EvaluateScalars(e.op, l.number, r.number), {}};
    if (l.is_number || r.is_number) {
      for (const VectorSample& sample : l.is_number ? r.vector : l.vector) {
        const auto value = Combine(e, l.is_number ? l.number : sample.value,
                                   r.is_number ? r.number : sample.value, sample.value);
        if (value.has_value()) out.vector.push_back({sample.labels, *value});
      }
      return out;
    }
    const logql::VectorMatching matching = e.matching.value_or(logql::VectorMatching());
    if (logql::IsSetOp(e.op)) {
      SetOp(e.op, matching, l.vector, r.vector, &out.vector);
    } else {
      RETURN_IF_ERROR(Match(e, matching, l.vector, r.vector, &out.vector));
    }
    return out;
  }

  static bool Lists(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  static StringMap Signature(const logql::VectorMatching& matching, const StringMap& labels) {
    StringMap out;
    for (const auto& [name, value] : labels) {
      if (!value.empty() && Lists(matching.labels, name) == matching.on) out[name] = value;
    }
    return out;
  }

  static void SetOp(logql::BinaryOpKind op, const logql::VectorMatching& matching, const Vector& l,
                    const Vector& r, Vector* out) {
    std::set<StringMap> left;
    std::set<StringMap> right;
    for (const VectorSample& sample : l) left.insert(Signature(matching, sample.labels));
    for (const VectorSample& sample : r) right.insert(Signature(matching, sample.labels));
    for (const VectorSample& sample : l) {
      if (op == logql::BinaryOpKind::kOr ||
          right.contains(Signature(matching, sample.labels)) == (op == logql::BinaryOpKind::kAnd)) {
        out->push_back(sample);
      }
    }
    if (op != logql::BinaryOpKind::kOr) return;
    for (const VectorSample& sample : r) {
      if (!left.contains(Signature(matching, sample.labels))) out->push_back(sample);
    }
  }

  absl::Status Match(const logql::BinaryOp& e, const logql::VectorMatching& matching, const Vector& l,
                     const Vector& r, Vector* out) {
    const bool swapped = matching.cardinality == logql::MatchCardinality::kOneToMany;
    const bool one_to_one = matching.cardinality == logql::MatchCardinality::kOneToOne;
    const Vector& many = swapped ? r : l;
    const Vector& one = swapped ? l : r;
    std::map<StringMap, const VectorSample*> ones;
    for (const VectorSample& sample : one) {
      if (!ones.emplace(Signature(matching, sample.labels), &sample).second) {
        return Internal("found duplicate series on the {} hand-side", swapped ? "left" : "right");
      }
    }
    std::map<StringMap, std::set<StringMap>> matched;
    for (const VectorSample& sample : many) {
      const StringMap signature = Signature(matching, sample.labels);
      const auto it = ones.find(signature);
      if (it == ones.end()) continue;
      StringMap labels;
      for (const auto& [name, value] : sample.labels) {
        if (!value.empty() && (!one_to_one || Lists(matching.labels, name) == matching.on))
          labels[name] = value;
      }
      for (const std::string& name : matching.include) {
        labels.erase(name);
        const auto copied = it->second->labels.find(name);
        if (copied != it->second->labels.end() && !copied->second.empty()) labels[name] = copied->second;
      }
      if (one_to_one && matched.contains(signature))
        return Internal("multiple matches for labels: many-to-one matching must be explicit");
      if (!matched[signature].insert(labels).second)
        return Internal("multiple matches for labels: grouping labels must ensure unique matches");
      const double left = swapped ? it->second->value : sample.value;
      const double right = swapped ? sample.value : it->second->value;
      if (const auto value = Combine(e, left, right, left)) out->push_back({labels, *value});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Value> Replace(const logql::LabelReplace& e, int64_t t) {
    ASSIGN_OR_RETURN(Value value, At(*e.inner, t));
    for (VectorSample& sample : value.vector) {
      const auto source = sample.labels.find(e.src);
      const Groups groups =
          MatchRegex(e.regex, source == sample.labels.end() ? std::string() : source->second, true, false);
      if (!groups.matched) continue;
      const std::string text = Expand(e.replacement, groups.text);
      std::erase_if(sample.labels, [](const auto& pair) { return pair.second.empty(); });
      sample.labels.erase(e.dst);
      if (!text.empty()) sample.labels[e.dst] = text;
    }
    return value;
  }

  // $1 and ${1}; $$; names that are no numbers stand for nothing (the generator has no named groups here).
  static std::string Expand(const std::string& text, const std::vector<std::string>& groups) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '$') {
        out += text[i];
        continue;
      }
      if (i + 1 < text.size() && text[i + 1] == '$') {
        out += '$';
        ++i;
        continue;
      }
      const bool braced = i + 1 < text.size() && text[i + 1] == '{';
      const size_t begin = i + 1 + (braced ? 1 : 0);
      size_t end = begin;
      while (end < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
      if (end == begin || (braced && (end == text.size() || text[end] != '}'))) {
        out += '$';
        continue;
      }
      const std::string name = text.substr(begin, end - begin);
      if (name.find_first_not_of("0123456789") == std::string::npos && std::stoul(name) < groups.size())
        out += groups[std::stoul(name)];
      i = braced ? end : end - 1;
    }
    return out;
  }

  const std::vector<StoredEntry>& entries_;
  const int64_t first_ns_;
  const int64_t last_ns_;
  bool ambiguous_ = false;
  std::map<const logql::RangeAggregation*, std::optional<std::vector<Sample>>> samples_;
};

int64_t FloorTo(int64_t t, int64_t step) { return t - ((t % step) + step) % step; }

// The first line of each combination of the labels' values.
void KeepDistinct(const logql::NamedStage& stage, std::vector<Answer::Line>* lines, bool* ambiguous) {
  std::map<std::vector<std::string>, Answer::Line> first;
  std::erase_if(*lines, [&](const Answer::Line& line) {
    std::vector<std::string> key;
    for (const logql::StageArgument& argument : stage.arguments) {
      const auto it = line.labels.find(argument.name);
      key.push_back(it == line.labels.end() ? "" : it->second);
    }
    const auto [it, added] = first.try_emplace(std::move(key), line);
    *ambiguous |= !added && it->second.time_ns == line.time_ns && it->second != line;
    return !added;
  });
}

uint64_t CountOf(const logql::NamedStage& stage, std::string_view name) {
  for (const logql::StageArgument& argument : stage.arguments) {
    if (argument.name == name) return argument.count.value_or(0);
  }
  return 0;
}

// At most one stage of those that see the whole answer, the last.
absl::StatusOr<Answer> EvaluateLog(const std::vector<StoredEntry>& entries, logql::LogSelectorExpr expr,
                                   const QueryParams& params) {
  Answer out;
  std::optional<logql::NamedStage> named;
  if (!expr.stages.empty() && std::holds_alternative<logql::NamedStage>(expr.stages.back())) {
    named = std::get<logql::NamedStage>(expr.stages.back());
    expr.stages.pop_back();
  }
  std::vector<Answer::Line> lines;
  if (named.has_value() && named->word == "context") {
    lines = LinesWithContext(entries, expr, CountOf(*named, "before"), CountOf(*named, "after"),
                             params.start_ns, params.end_ns - 1, &out.ambiguous);
  } else {
    ASSIGN_OR_RETURN(lines, Lines(entries, expr, params.start_ns, params.end_ns - 1));
  }
  if (params.direction == Direction::kBackward) std::reverse(lines.begin(), lines.end());
  if (named.has_value() && named->word == "distinct") KeepDistinct(*named, &lines, &out.ambiguous);
  for (const Answer::Line& line : lines) {
    if (params.interval_ns > 0 && !out.lines.empty() &&
        std::abs(line.time_ns - out.lines.back().time_ns) < params.interval_ns) {
      continue;
    }
    out.lines.push_back(line);
  }
  if (params.interval_ns > 0) {
    // Which of several entries of one time comes first is nobody's rule.
    std::set<int64_t> times;
    for (const Answer::Line& line : lines) out.ambiguous |= !times.insert(line.time_ns).second;
  }
  return out;
}

}  // namespace

absl::StatusOr<Answer> Evaluate(const std::vector<StoredEntry>& entries, const logql::ExprPtr& asked,
                                const QueryParams& params, const QueryLimits& limits) {
  // The one rewriting of trees that shows in answers is part of the language.
  const logql::ExprPtr rewritten = exec::ApplySpreadForms(asked);
  const logql::Expr& expr = *rewritten;
  if (const auto* log = std::get_if<logql::LogSelectorExpr>(&expr.node))
    return EvaluateLog(entries, *log, params);
  int64_t first = params.instant ? params.end_ns : params.start_ns;
  int64_t last = params.end_ns;
  if (!params.instant && limits.split_interval_ns > 0) {
    first = FloorTo(first, params.step_ns);
    last = FloorTo(last + params.step_ns - 1, params.step_ns);
  }
  Evaluator evaluator(entries, first, last);
  Answer out;
  out.kind = params.instant ? Answer::Kind::kVector : Answer::Kind::kMatrix;
  for (int64_t t = first; t <= last; t += params.instant ? 1 : params.step_ns) {
    ASSIGN_OR_RETURN(const Value value, evaluator.At(expr, t));
    if (value.is_number && params.instant) out.kind = Answer::Kind::kScalar;
    Vector vector = value.vector;
    if (value.is_number) vector = {VectorSample{{}, value.number}};
    for (const VectorSample& sample : vector) {
      Answer::Sample one{{}, t / kNsPerMs, sample.value};
      for (const auto& [name, text] : sample.labels) one.labels[name] = WithSpaces(text);
      out.samples.push_back(std::move(one));
    }
  }
  out.ambiguous = evaluator.ambiguous();
  return out;
}

}  // namespace skald::oracle
