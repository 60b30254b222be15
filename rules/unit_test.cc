#include "rules/unit_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/logql/parser.h"
#include "query/logql/token.h"
#include "rules/evaluate.h"
#include "rules/group.h"
#include "rules/rule_file.h"
#include "text/duration.h"
#include "text/go_float.h"

namespace skald::rules {
namespace {

constexpr char kTenant[] = "test";
constexpr char kValue[] = "series_value";
constexpr size_t kMaxValues = 1'000'000;

bool IsNameChar(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (!first && c >= '0' && c <= '9');
}

size_t SkipSpace(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

// Past the closing mark that belongs to text[at].
size_t SkipBraces(std::string_view text, size_t at, char close) {
  char quote = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++at;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == close) {
      return at + 1;
    }
  }
  return text.size();
}

absl::StatusOr<int64_t> Duration(const YAML::Node& node, std::string_view what, int64_t otherwise) {
  if (!node.IsDefined() || node.IsNull()) return otherwise;
  if (!node.IsScalar()) return InvalidArgument("line {}: {} is not a duration", node.Mark().line + 1, what);
  if (node.Scalar() == "0") return 0;
  const absl::StatusOr<int64_t> ns = ParsePrometheusDuration(node.Scalar());
  if (!ns.ok()) return InvalidArgument("line {}: {}: {}", node.Mark().line + 1, what, MessageOf(ns.status()));
  return ns;
}

// "" where there is none.
std::string TextOf(const YAML::Node& node) {
  return node.IsDefined() && node.IsScalar() ? node.Scalar() : "";
}

TextMap ReadMap(const YAML::Node& node) {
  TextMap out;
  if (!node.IsDefined() || !node.IsMap()) return out;
  for (const auto& item : node) out[item.first.Scalar()] = item.second.IsScalar() ? item.second.Scalar() : "";
  return out;
}

absl::StatusOr<Labels> ReadLabels(const YAML::Node& node) {
  if (node.IsDefined() && node.IsMap()) {
    Labels labels;
    for (const auto& [name, value] : ReadMap(node)) labels.Set(name, value);
    return labels;
  }
  const std::string text = TextOf(node);
  // name{...}
  const size_t brace = text.find('{');
  ASSIGN_OR_RETURN(Labels labels, ParseLabels(brace == std::string::npos ? "" : text.substr(brace)));
  std::string name = text.substr(0, brace);
  while (!name.empty() && name.back() == ' ') name.pop_back();
  if (!name.empty()) labels.Set("__name__", name);
  return labels;
}

std::string Show(const TextMap& map) {
  std::string out = "{";
  for (const auto& [name, value] : map)
    out += fmt::format("{}{}=\"{}\"", out.size() > 1 ? ", " : "", name, value);
  return out + "}";
}

std::string Show(const std::multiset<std::string>& items) {
  if (items.empty()) return "nothing";
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : "\n      ") + item;
  return out;
}

class Test {
 public:
  Test(std::string name, int64_t interval_ns) : name_(std::move(name)), interval_ns_(interval_ns) {
    options_.default_interval_ns = interval_ns;
    options_.evaluate = [this](const std::string&, const logql::ExprPtr& expr, int64_t at_ns, int64_t) {
      return EvaluateAt(engine_, kTenant, expr, at_ns);
    };
  }

  absl::Status Load(const YAML::Node& node) {
    start_ns_ = 0;
    ASSIGN_OR_RETURN(input_interval_ns_, Duration(node["interval"], "interval", interval_ns_));
    options_.external_url = TextOf(node["external_url"]);
    if (node["external_labels"].IsDefined()) {
      ASSIGN_OR_RETURN(options_.external_labels, ReadLabels(node["external_labels"]));
    }
    for (const YAML::Node& series : node["input_series"]) {
      ASSIGN_OR_RETURN(const Labels labels, ReadLabels(series["series"]));
      ASSIGN_OR_RETURN(const std::vector<double> values, ExpandSeries(TextOf(series["values"])));
      std::vector<exec::MemoryEntry> entries;
      for (size_t i = 0; i < values.size(); ++i) {
        if (std::isnan(values[i])) continue;
        entries.push_back(SampleEntry(start_ns_ + static_cast<int64_t>(i) * input_interval_ns_, values[i]));
      }
      if (!entries.empty()) source_.AddBlock(kTenant, {{labels, std::move(entries)}});
    }
    for (const YAML::Node& stream : node["input_streams"]) RETURN_IF_ERROR(LoadStream(stream));
    return absl::OkStatus();
  }

  absl::Status Run(const YAML::Node& node, const std::vector<RuleFile>& files,
                   std::vector<std::string>* failures) {
    std::vector<std::unique_ptr<Group>> groups;
    for (const RuleFile& file : files) {
      for (const RuleGroup& group : file.groups) {
        groups.push_back(std::make_unique<Group>(kTenant, file.name, group, &options_));
      }
    }
    struct Check {
      int64_t at_ns = 0;
      YAML::Node node;
    };
    std::vector<Check> checks;
    int64_t end_ns = 0;
    for (const YAML::Node& check : node["alert_rule_test"]) {
      ASSIGN_OR_RETURN(const int64_t at_ns, Duration(check["eval_time"], "eval_time", 0));
      checks.push_back({at_ns, check});
      end_ns = std::max(end_ns, at_ns);
    }
    std::vector<std::pair<std::string, YAML::Node>> expressions;
    for (const char* key : {"logql_expr_test", "promql_expr_test"}) {
      for (const YAML::Node& check : node[key]) {
        ASSIGN_OR_RETURN(const int64_t at_ns, Duration(check["eval_time"], "eval_time", 0));
        end_ns = std::max(end_ns, at_ns);
        expressions.emplace_back(key, check);
      }
    }
    for (int64_t ts = start_ns_; ts <= end_ns; ts += interval_ns_) {
      for (const std::unique_ptr<Group>& group : groups) {
        if ((ts - start_ns_) % group->interval_ns() != 0) continue;
        const GroupOutcome outcome = group->Evaluate(ts, 0);
        // What rules write is there for those after them, in tests of series: among log lines it would be
        // counted.
        for (const OutSample& sample : outcome.samples) {
          if (IsStaleNan(sample.value) || !node["input_series"].IsDefined()) continue;
          source_.AddBlock(kTenant, {{sample.labels, {SampleEntry(sample.t_ms * kNsPerMs, sample.value)}}});
        }
        for (const RuleStatus& rule : group->Status().rules) {
          if (rule.health == RuleHealth::kError) {
            failures->push_back(fmt::format("{}rule: {}, time: {}, err: {}", name_, rule.rule.name(),
                                            FormatPrometheusDuration(ts), rule.error));
            return absl::OkStatus();
          }
        }
      }
      for (const Check& check : checks) {
        if (ts <= check.at_ns && check.at_ns < ts + interval_ns_)
          CheckAlerts(check.node, check.at_ns, groups, failures);
      }
    }
    for (const auto& [key, check] : expressions) RETURN_IF_ERROR(CheckExpression(check, failures));
    return absl::OkStatus();
  }

 private:
  static exec::MemoryEntry SampleEntry(int64_t time_ns, double value) {
    exec::MemoryEntry entry;
    entry.time_ns = time_ns;
    entry.line = FormatSampleValue(value);
    entry.metadata = {{kValue, FormatSampleValue(value)}};
    return entry;
  }

  absl::Status LoadStream(const YAML::Node& node) {
    ASSIGN_OR_RETURN(const Labels labels, ReadLabels(node["labels"]));
    std::vector<exec::MemoryEntry> entries;
    for (const YAML::Node& line : node["lines"]) {
      ASSIGN_OR_RETURN(const int64_t at_ns, Duration(line["t"], "t", 0));
      int64_t every_ns = 0;
      int64_t span_ns = 0;
      const YAML::Node repeat = line["repeat"].IsDefined() ? line["repeat"] : node["repeat"];
      if (repeat.IsDefined()) {
        const std::string text = TextOf(repeat);
        const size_t word = text.find(" for ");
        if (!text.starts_with("every ") || word == std::string::npos) {
          return InvalidArgument("line {}: repeat: \"{}\" is not of the form `every 10s for 5m`",
                                 repeat.Mark().line + 1, text);
        }
        ASSIGN_OR_RETURN(every_ns, ParsePrometheusDuration(text.substr(6, word - 6)));
        ASSIGN_OR_RETURN(span_ns, ParsePrometheusDuration(text.substr(word + 5)));
        if (every_ns <= 0 || span_ns / every_ns > static_cast<int64_t>(kMaxValues)) {
          return InvalidArgument("line {}: repeat: too many lines", repeat.Mark().line + 1);
        }
      }
      // The span is half open: every 10s for 5m are thirty lines.
      for (int64_t after = 0; after == 0 || after < span_ns; after += every_ns) {
        exec::MemoryEntry entry;
        entry.time_ns = start_ns_ + at_ns + after;
        entry.line = TextOf(line["line"]);
        for (const auto& [name, value] : ReadMap(line["metadata"])) entry.metadata.emplace_back(name, value);
        entries.push_back(std::move(entry));
        if (every_ns == 0) break;
      }
    }
    if (!entries.empty()) source_.AddBlock(kTenant, {{labels, std::move(entries)}});
    return absl::OkStatus();
  }

  void CheckAlerts(const YAML::Node& check, int64_t at_ns, const std::vector<std::unique_ptr<Group>>& groups,
                   std::vector<std::string>* failures) {
    const std::string alert = TextOf(check["alertname"]);
    const auto text = [](const TextMap& labels, const TextMap& annotations) {
      return fmt::format("labels: {} annotations: {}", Show(labels), Show(annotations));
    };
    std::multiset<std::string> got;
    for (const std::unique_ptr<Group>& group : groups) {
      for (const RuleStatus& rule : group->Status().rules) {
        if (rule.rule.alert != alert) continue;
        for (const AlertInstance& instance : rule.alerts) {
          if (instance.state != AlertState::kFiring) continue;
          TextMap labels;
          for (const auto& [name, value] : instance.labels) labels[name] = value;
          got.insert(text(labels, instance.annotations));
        }
      }
    }
    std::multiset<std::string> want;
    for (const YAML::Node& expected : check["exp_alerts"]) {
      TextMap labels = ReadMap(expected["exp_labels"]);
      labels["alertname"] = alert;
      want.insert(text(labels, ReadMap(expected["exp_annotations"])));
    }
    if (got == want) return;
    failures->push_back(fmt::format("{}alertname: {}, time: {},\n    exp: {}\n    got: {}", name_, alert,
                                    FormatPrometheusDuration(at_ns), Show(want), Show(got)));
  }

  absl::Status CheckExpression(const YAML::Node& check, std::vector<std::string>* failures) {
    ASSIGN_OR_RETURN(const int64_t at_ns, Duration(check["eval_time"], "eval_time", 0));
    const std::string text = TextOf(check["expr"]);
    const auto fail = [&](std::string_view what) {
      failures->push_back(fmt::format("{}expr: \"{}\", time: {},\n    {}", name_, text,
                                      FormatPrometheusDuration(at_ns), what));
    };
    const absl::StatusOr<logql::ExprPtr> expr = logql::ParseExpr(SeriesToLogQL(text));
    if (!expr.ok()) {
      fail(MessageOf(expr.status()));
      return absl::OkStatus();
    }
    const absl::StatusOr<Vector> vector = EvaluateAt(engine_, kTenant, *expr, at_ns);
    if (!vector.ok()) {
      fail(MessageOf(vector.status()));
      return absl::OkStatus();
    }
    const auto sample = [](const Labels& labels, double value) {
      return fmt::format("{} {}", labels.ToString(), FormatGoFloatV(value));
    };
    std::multiset<std::string> got;
    for (const VectorSample& s : vector->samples) got.insert(sample(s.labels, s.value));
    std::multiset<std::string> want;
    for (const YAML::Node& expected : check["exp_samples"]) {
      ASSIGN_OR_RETURN(const Labels labels, ReadLabels(expected["labels"]));
      ASSIGN_OR_RETURN(const double value, ParseGoFloat(TextOf(expected["value"])));
      want.insert(sample(labels, value));
    }
    if (got != want) fail(fmt::format("exp: {}\n    got: {}", Show(want), Show(got)));
    return absl::OkStatus();
  }

  const std::string name_;
  const int64_t interval_ns_;
  int64_t input_interval_ns_ = 0;
  int64_t start_ns_ = 0;
  exec::MemoryLogSource source_;
  ThreadPool pool_{1};
  MemoryBudget budget_{"rule tests", int64_t{1} << 30};
  const Engine engine_{&source_, &pool_, &budget_};
  GroupOptions options_;
};

absl::StatusOr<std::vector<RuleFile>> LoadRuleFiles(const YAML::Node& root, const std::string& path,
                                                    std::vector<std::string>* failures) {
  std::vector<RuleFile> files;
  for (const YAML::Node& entry : root["rule_files"]) {
    std::string file = entry.Scalar();
    if (!file.starts_with('/')) file = (std::filesystem::path(path).parent_path() / file).string();
    ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
    RuleReadOptions options;
    options.check_expressions = false;
    RuleFileResult result = ReadRules(text, file, options);
    if (!result.ok()) {
      failures->push_back(result.Errors());
      continue;
    }
    for (RuleGroup& group : result.file.groups) {
      for (Rule& rule : group.rules) {
        const absl::StatusOr<logql::ExprPtr> parsed = logql::ParseExpr(SeriesToLogQL(rule.expr));
        if (!parsed.ok()) {
          failures->push_back(
              fmt::format("{}:{}: {}: {}", file, rule.line, rule.name(), MessageOf(parsed.status())));
          continue;
        }
        rule.parsed = *parsed;
      }
    }
    files.push_back(std::move(result.file));
  }
  return files;
}

}  // namespace

absl::StatusOr<std::vector<double>> ExpandSeries(std::string_view text) {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> out;
  size_t at = 0;
  while ((at = SkipSpace(text, at)) < text.size()) {
    size_t end = at;
    while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end])) == 0) ++end;
    const std::string item(text.substr(at, end - at));
    at = end;
    const auto wrong = [&] { return InvalidArgument("\"{}\" is not a value of a series", item); };
    std::string head = item;
    uint64_t times = 0;
    bool repeats = false;
    if (const size_t x = item.rfind('x'); x != std::string::npos && x > 0 && !item.starts_with("0x")) {
      const std::string count = item.substr(x + 1);
      if (count.empty() || count.size() > 7 || count.find_first_not_of("0123456789") != std::string::npos)
        return wrong();
      times = std::stoull(count);
      head = item.substr(0, x);
      repeats = true;
    }
    if (out.size() + times > kMaxValues) return wrong();
    if (head == "_") {
      out.insert(out.end(), repeats ? times : 1, missing);
      continue;
    }
    // a+b or a-b: the sign after the first character, and not one of an exponent.
    double step = 0;
    if (repeats) {
      for (size_t i = 1; i < head.size(); ++i) {
        if ((head[i] != '+' && head[i] != '-') || head[i - 1] == 'e' || head[i - 1] == 'E') continue;
        if (!TryParseGoFloat(head.substr(i + 1), &step)) return wrong();
        if (head[i] == '-') step = -step;
        head.resize(i);
        break;
      }
    }
    double value = 0;
    if (!TryParseGoFloat(head, &value)) return wrong();
    for (uint64_t i = 0; i <= times; ++i) out.push_back(value + step * static_cast<double>(i));
  }
  return out;
}

std::string SeriesToLogQL(std::string_view text) {
  std::string out;
  size_t at = 0;
  bool labels_follow = false;  // by (...) and the like hold names of labels
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'' || c == '`') {
      size_t end = at + 1;
      while (end < text.size() && text[end] != c) end += text[end] == '\\' && c != '`' ? 2 : 1;
      end = std::min(end + 1, text.size());
      out.append(text.substr(at, end - at));
      at = end;
      continue;
    }
    if (c == '{' || c == '[') {
      // A selector of streams: LogQL already.
      if (c == '{') return std::string(text);
      const size_t end = SkipBraces(text, at, ']');
      out.append(text.substr(at, end - at));
      at = end;
      continue;
    }
    if (c == '(' && labels_follow) {
      const size_t end = SkipBraces(text, at, ')');
      out.append(text.substr(at, end - at));
      at = end;
      labels_follow = false;
      continue;
    }
    if (!IsNameChar(c, true)) {
      const bool number = c >= '0' && c <= '9';
      out.push_back(c);
      ++at;
      // 1e3, 0x1f and durations are not names.
      while (number && at < text.size() && (IsNameChar(text[at], false) || text[at] == '.'))
        out.push_back(text[at++]);
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsNameChar(text[end], false)) ++end;
    const std::string name(text.substr(at, end - at));
    const size_t next = SkipSpace(text, end);
    const bool call = next < text.size() && text[next] == '(';
    const std::optional<logql::Word> word = logql::FindWord(name);
    static const std::set<std::string> kGrouping = {"by",       "without",    "on",
                                                    "ignoring", "group_left", "group_right"};
    if (kGrouping.count(name) > 0) labels_follow = true;
    if (call || (word.has_value() && word->word_class == logql::WordClass::kReserved) ||
        kGrouping.count(name) > 0 || name == "bool" || name == "offset" || name == "and" || name == "or" ||
        name == "unless" || name == "inf" || name == "nan" ||
        ((name == "sum" || name == "avg" || name == "min" || name == "max" || name == "count" ||
          name == "topk" || name == "bottomk" || name == "stddev" || name == "stdvar") &&
         (text.substr(next).starts_with("by") || text.substr(next).starts_with("without")))) {
      out += call && name == "rate" ? "rate_counter" : name;
      at = end;
      continue;
    }
    std::string matchers;
    size_t after = next;
    if (next < text.size() && text[next] == '{') {
      after = SkipBraces(text, next, '}');
      matchers = std::string(text.substr(next + 1, after - next - 2));
      end = after;
      after = SkipSpace(text, after);
    }
    const std::string selector = fmt::format("{{__name__=\"{}\"{}{}}} | unwrap {} ", name,
                                             matchers.empty() ? "" : ",", matchers, kValue);
    if (after < text.size() && text[after] == '[') {
      out += selector;
      at = after;
    } else {
      out += fmt::format("last_over_time({}[5m])", selector);
      at = end;
    }
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> RunRuleTests(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  std::vector<std::string> failures;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return InvalidArgument("{}: a test file is a map with rule_files and tests", path);
    for (const auto& item : root) {
      static const std::set<std::string> kKnown = {"rule_files", "evaluation_interval", "group_eval_order",
                                                   "tests", "fuzzy_compare"};
      if (kKnown.count(item.first.Scalar()) == 0) {
        return InvalidArgument("{}:{}: unknown key {}", path, item.first.Mark().line + 1,
                               item.first.Scalar());
      }
    }
    ASSIGN_OR_RETURN(const int64_t interval_ns,
                     Duration(root["evaluation_interval"], "evaluation_interval", 60 * kNsPerSecond));
    if (interval_ns <= 0) return InvalidArgument("{}: evaluation_interval is zero", path);
    ASSIGN_OR_RETURN(const std::vector<RuleFile> files, LoadRuleFiles(root, path, &failures));
    if (!failures.empty()) return failures;
    for (const YAML::Node& node : root["tests"]) {
      Test test(node["name"].IsDefined() ? fmt::format("name: {}, ", TextOf(node["name"])) : "", interval_ns);
      if (const absl::Status status = test.Load(node); !status.ok()) return Annotate(status, path);
      if (const absl::Status status = test.Run(node, files, &failures); !status.ok())
        return Annotate(status, path);
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}:{}: {}", path, e.mark.line + 1, e.msg);
  }
  return failures;
}

}  // namespace skald::rules
