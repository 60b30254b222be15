#include "rules/rule_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/labels.h"
#include "base/nearest_word.h"
#include "base/utf8.h"
#include "rules/expr_check.h"
#include "rules/rule_template.h"
#include "text/duration.h"

namespace skald::rules {
namespace {

constexpr int64_t kMaxDurationNs = int64_t{10} * 365 * 24 * 3600 * 1'000'000'000;

bool IsMetricName(std::string_view name) {
  if (name.empty()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return true;
}

std::string AsName(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                      (c >= '0' && c <= '9' && !out.empty());
    out.push_back(fits ? c : '_');
  }
  return out.empty() ? "name" : out;
}

// Keys that people write by mistake, or that other programs know, and what to do about them.
std::string KeyAdvice(std::string_view key, std::string_view among,
                      const std::vector<std::string_view>& known) {
  if (key == "expression" || key == "query") return "write expr";
  if (key == "duration" || key == "pending_for" || key == "pending") return "write for";
  if (key == "keep_firing") return "write keep_firing_for";
  if (key == "severity") return "write labels: {severity: ...}";
  if (key == "summary" || key == "description" || key == "runbook_url" || key == "message") {
    return fmt::format("write annotations: {{{}: ...}}", key);
  }
  if (key == "annotation") return "write annotations";
  if (key == "label") return "write labels";
  if (key == "name" && among.starts_with("alert")) return "write alert: NAME or record: NAME";
  if (key == "rule") return "write rules, a list";
  if (key == "group") return "write groups, a list";
  if (key == "evaluation_interval") return "write interval in the group";
  if (key == "evaluation_delay") return "write query_offset";
  const std::string near = NearestWord(key, {known.begin(), known.end()});
  if (!near.empty()) return "write " + near;
  return fmt::format("known here: {}", among);
}

class Reader {
 public:
  Reader(std::string_view name, const RuleReadOptions& options) : options_(options) {
    result_.file.name = std::string(name);
  }

  RuleFileResult Read(std::string_view text, bool one_group) {
    if (!IsValidUtf8(text)) {
      Problem(nullptr, "the file is not UTF-8 text", "save it as UTF-8");
      return std::move(result_);
    }
    try {
      const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
      if (documents.size() > 1) {
        Problem(&documents[1], "a second YAML document begins here",
                "write one document a file, without ---");
        return std::move(result_);
      }
      const YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
      if (one_group && root.IsMap() && root["groups"].IsDefined()) {
        Problem(&root, "this is a whole rule file, and one group is taken at a time",
                "send each group by itself: name:, interval: and rules:, without groups:");
      } else if (one_group) {
        result_.file.groups.emplace_back();
        ReadGroup(root, 0, &result_.file.groups.back());
      } else {
        ReadRoot(root);
      }
    } catch (const YAML::Exception& e) {
      RuleProblem problem;
      problem.file = result_.file.name;
      problem.line = e.mark.line + 1;
      problem.col = e.mark.column + 1;
      problem.what = fmt::format("this is not YAML: {}", e.msg);
      problem.advice =
          "check the indentation, and put values that hold `: `, `{` or `#` in quotes or behind `|`";
      result_.problems.push_back(std::move(problem));
    }
    std::stable_sort(result_.problems.begin(), result_.problems.end(),
                     [](const RuleProblem& a, const RuleProblem& b) { return a.line < b.line; });
    return std::move(result_);
  }

 private:
  void Problem(const YAML::Node* node, std::string what, std::string advice,
               RuleProblem::Severity severity = RuleProblem::Severity::kError) {
    RuleProblem problem;
    problem.severity = severity;
    problem.file = result_.file.name;
    if (node != nullptr && node->Mark().line >= 0) {
      problem.line = node->Mark().line + 1;
      problem.col = node->Mark().column + 1;
    }
    problem.where = where_;
    problem.what = std::move(what);
    problem.advice = std::move(advice);
    result_.problems.push_back(std::move(problem));
  }

  void ReadRoot(const YAML::Node& root) {
    if (!root.IsDefined() || root.IsNull()) return;  // no rules at all is a valid file
    if (!root.IsMap()) {
      Problem(&root, "a rule file is a map with the key groups",
              "write groups: and the groups below as a list");
      return;
    }
    CheckKeys(root, {"groups", "namespace"}, "groups");
    const YAML::Node groups = root["groups"];
    if (!groups.IsDefined() || groups.IsNull()) return;
    if (!groups.IsSequence()) {
      Problem(&groups, "groups is not a list", "begin each group with `- name:`");
      return;
    }
    std::set<std::string> names;
    for (size_t i = 0; i < groups.size(); ++i) {
      where_ = fmt::format("group {}", i + 1);
      result_.file.groups.emplace_back();
      RuleGroup& group = result_.file.groups.back();
      const YAML::Node node = groups[i];
      ReadGroup(node, i, &group);
      if (!group.name.empty() && !names.insert(group.name).second) {
        const YAML::Node name = node["name"];
        Problem(&name, fmt::format("the group name \"{}\" is taken already in this file", group.name),
                "give each group of a file a name of its own");
      }
    }
  }

  // Says what is twice or unknown.
  void CheckKeys(const YAML::Node& map, const std::vector<std::string_view>& known, std::string_view among) {
    std::set<std::string> seen;
    for (const auto& item : map) {
      const YAML::Node& key = item.first;
      if (!key.IsScalar()) {
        Problem(&key, "a key is not plain text", fmt::format("known here: {}", among));
        continue;
      }
      const std::string& text = key.Scalar();
      if (!seen.insert(text).second) {
        Problem(&key, fmt::format("the key {} stands twice", text), "keep one of them");
      }
      if (std::find(known.begin(), known.end(), text) == known.end()) {
        Problem(&key, fmt::format("unknown key {}", text), KeyAdvice(text, among, known));
      }
    }
  }

  std::string ReadText(const YAML::Node& node, std::string_view key) {
    if (!node.IsDefined()) return "";
    if (node.IsNull()) return "";
    if (!node.IsScalar()) {
      Problem(&node, fmt::format("{} is not one value", key),
              fmt::format("write {}: and a text in quotes", key));
      return "";
    }
    return node.Scalar();
  }

  int64_t ReadDuration(const YAML::Node& node, std::string_view key, int64_t otherwise) {
    if (!node.IsDefined() || node.IsNull()) return otherwise;
    if (!node.IsScalar()) {
      Problem(&node, fmt::format("{} is not a duration", key), fmt::format("write {}: 5m", key));
      return otherwise;
    }
    const std::string& text = node.Scalar();
    const absl::StatusOr<int64_t> parsed = ParsePrometheusDuration(text);
    if (parsed.ok() && *parsed >= 0 && *parsed <= kMaxDurationNs) return *parsed;
    std::string advice = fmt::format("write {}: 5m (units ms s m h d w y, largest first)", key);
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) {
      advice = fmt::format("give the unit: {}: {}s", key, text);
    } else if (!text.empty() && text[0] == '-') {
      advice = fmt::format("{} cannot be negative; write {}: 0s", key, key);
    }
    Problem(&node, fmt::format("{}: \"{}\" is not a duration", key, text), advice);
    return otherwise;
  }

  int64_t ReadCount(const YAML::Node& node, std::string_view key) {
    if (!node.IsDefined() || node.IsNull()) return 0;
    int64_t value = 0;
    if (!node.IsScalar() || !YAML::convert<int64_t>::decode(node, value) || value < 0) {
      Problem(&node, fmt::format("{} is not a whole number from 0", key),
              fmt::format("write {}: 0 for no limit", key));
      return 0;
    }
    return value;
  }

  // is_template: of an alert, whose values are templates. what: labels or annotations.
  TextMap ReadMap(const YAML::Node& node, std::string_view what, bool is_template) {
    TextMap out;
    if (!node.IsDefined() || node.IsNull()) return out;
    if (!node.IsMap()) {
      Problem(&node, fmt::format("{} is not a map", what),
              fmt::format("write {}: {{name: \"value\"}}", what));
      return out;
    }
    for (const auto& item : node) {
      const YAML::Node& key = item.first;
      const YAML::Node& value = item.second;
      const std::string name = key.IsScalar() ? key.Scalar() : "";
      if (!IsLabelName(name)) {
        Problem(&key, fmt::format("\"{}\" is not a name in {}", name, what),
                fmt::format("use letters, digits and _ only: {}", AsName(name)));
        continue;
      }
      if (what == "labels" && (name == "__name__" || name == "alertname")) {
        Problem(&key, fmt::format("the label {} is set by the rule's name", name),
                name == "alertname" ? "write it as alert: NAME" : "write it as record: NAME");
        continue;
      }
      if (!value.IsScalar() && !value.IsNull()) {
        Problem(&value, fmt::format("the value of {} in {} is not text", name, what),
                fmt::format("write {}: \"value\"; templates that begin with {{{{ need quotes", name));
        continue;
      }
      const std::string text = value.IsNull() ? "" : value.Scalar();
      if (!out.emplace(name, text).second) {
        Problem(&key, fmt::format("{} stands twice in {}", name, what), "keep one of them");
      }
      if (!is_template) continue;
      if (const absl::Status status = CheckTemplate(text); !status.ok()) {
        Problem(&value, fmt::format("the template of {} does not parse: {}", name, MessageOf(status)),
                TemplateAdvice(text));
      }
    }
    return out;
  }

  static std::string TemplateAdvice(std::string_view text) {
    if (text.find("${{") != std::string_view::npos) return "write {{ $value }} without a $ before the braces";
    if (text.find("{{") != std::string_view::npos && text.find("}}") == std::string_view::npos) {
      return "close it with }}";
    }
    return "known are $labels, $value, $externalLabels, $externalURL and functions such as humanize, "
           "humanizePercentage, humanizeDuration, query, first, value, label, printf";
  }

  void ReadGroup(const YAML::Node& node, size_t index, RuleGroup* group) {
    where_ = fmt::format("group {}", index + 1);
    if (!node.IsMap()) {
      Problem(&node, "a group is a map with name and rules", "begin the group with `- name:`");
      return;
    }
    group->line = node.Mark().line + 1;
    CheckKeys(node,
              {"name", "interval", "query_offset", "limit", "labels", "rules", "partial_response_strategy",
               "source_tenants", "remote_write"},
              "name, interval, query_offset, limit, labels, rules");
    const YAML::Node name = node["name"];
    group->name = ReadText(name, "name");
    if (group->name.empty()) {
      Problem(name.IsDefined() ? &name : &node, "the group has no name",
              "write name: and a name for the group");
    } else {
      where_ = fmt::format("group \"{}\"", group->name);
    }
    const YAML::Node interval = node["interval"];
    group->interval_ns = ReadDuration(interval, "interval", 0);
    if (interval.IsDefined() && group->interval_ns > 0 && group->interval_ns < 1'000'000'000) {
      Problem(&interval, "the interval is shorter than a second", "write interval: 1s or longer");
    }
    if (const YAML::Node offset = node["query_offset"]; offset.IsDefined() && !offset.IsNull()) {
      group->query_offset_ns = ReadDuration(offset, "query_offset", 0);
    }
    group->limit = ReadCount(node["limit"], "limit");
    group->labels = ReadMap(node["labels"], "labels", false);
    const YAML::Node rules = node["rules"];
    if (!rules.IsDefined() || rules.IsNull()) {
      Problem(&node, "the group has no rules", "write rules: and a list of rules below");
      return;
    }
    if (!rules.IsSequence()) {
      Problem(&rules, "rules is not a list", "begin each rule with `- alert:` or `- record:`");
      return;
    }
    const std::string group_where = where_;
    for (size_t i = 0; i < rules.size(); ++i) {
      where_ = fmt::format("{}, rule {}", group_where, i + 1);
      group->rules.emplace_back();
      ReadRule(rules[i], *group, &group->rules.back());
    }
    where_ = group_where;
    CheckDuplicates(rules, *group);
  }

  void CheckDuplicates(const YAML::Node& nodes, const RuleGroup& group) {
    std::set<std::string> seen;
    const std::string group_where = where_;
    for (size_t i = 0; i < group.rules.size() && i < nodes.size(); ++i) {
      const Rule& rule = group.rules[i];
      if (rule.name().empty()) continue;
      std::string key = rule.name() + '\0' + rule.expr + '\0';
      for (const auto& [name, value] : rule.labels) key += name + '\0' + value + '\0';
      if (seen.insert(std::move(key)).second) continue;
      const YAML::Node node = nodes[i];
      where_ = fmt::format("{}, rule {}", group_where, i + 1);
      Problem(&node, fmt::format("the rule {} stands twice with the same expression and labels", rule.name()),
              "remove one, or give them different labels");
    }
    where_ = group_where;
  }

  void ReadRule(const YAML::Node& node, const RuleGroup& group, Rule* rule) {
    const std::string rule_where = where_;
    if (!node.IsMap()) {
      Problem(&node, "a rule is a map", "begin the rule with `- alert:` or `- record:`");
      return;
    }
    rule->line = node.Mark().line + 1;
    CheckKeys(node, {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"},
              "alert or record, expr, for, keep_firing_for, labels, annotations");
    const YAML::Node alert = node["alert"];
    const YAML::Node record = node["record"];
    rule->alert = ReadText(alert, "alert");
    rule->record = ReadText(record, "record");
    if (alert.IsDefined() && record.IsDefined()) {
      Problem(&record, "the rule has both alert and record", "make two rules of it");
      rule->record.clear();
    } else if (rule->alert.empty() && rule->record.empty()) {
      Problem(&node, "the rule has neither alert nor record",
              "write alert: NAME for an alert, record: NAME for a recording");
    }
    if (!rule->alert.empty()) {
      where_ = fmt::format("{} (alert {})", rule_where, rule->alert);
    } else if (!rule->record.empty()) {
      where_ = fmt::format("{} (record {})", rule_where, rule->record);
      if (!IsMetricName(rule->record)) {
        Problem(&record, fmt::format("\"{}\" is not a metric name", rule->record),
                fmt::format("use letters, digits, _ and : only: {}", AsName(rule->record)));
      }
    }
    const bool is_record = rule->alert.empty() && !rule->record.empty();
    if (is_record) {
      for (const char* key : {"for", "keep_firing_for", "annotations"}) {
        const YAML::Node value = node[key];
        if (!value.IsDefined() || value.IsNull()) continue;
        Problem(&value, fmt::format("a recording rule has no {}", key),
                fmt::format("remove {}, or write alert in place of record", key));
      }
    } else {
      rule->for_ns = ReadDuration(node["for"], "for", 0);
      rule->keep_firing_for_ns = ReadDuration(node["keep_firing_for"], "keep_firing_for", 0);
      rule->annotations = ReadMap(node["annotations"], "annotations", true);
    }
    rule->labels = ReadMap(node["labels"], "labels", !is_record);
    ReadExpr(node, rule);
    if (options_.lint) Lint(node, group, *rule);
    where_ = rule_where;
  }

  void ReadExpr(const YAML::Node& node, Rule* rule) {
    const YAML::Node expr = node["expr"];
    if (!expr.IsDefined() || expr.IsNull()) {
      Problem(expr.IsDefined() ? &expr : &node, "the rule has no expr",
              "write expr: and a LogQL query, such as sum(rate({app=\"api\"} |= \"error\" [5m])) > 1");
      return;
    }
    if (!expr.IsScalar()) {
      Problem(&expr, "expr is not text: YAML took it for a map or a list",
              "put the expression in single quotes, or behind `expr: |` on a line of its own");
      return;
    }
    rule->expr = expr.Scalar();
    if (rule->expr.find("$selector") != std::string::npos) {
      if (options_.selector.empty()) {
        Problem(&expr, "$selector stands for the streams of a service that declares the rule in its labels",
                "write the selector itself, such as {app=\"api\"}");
        return;
      }
      for (size_t at = 0; (at = rule->expr.find("$selector", at)) != std::string::npos;) {
        rule->expr.replace(at, 9, options_.selector);
        at += options_.selector.size();
      }
    }
    if (!options_.check_expressions) return;
    ExprCheck check = CheckExpr(rule->expr);
    if (!check.error.empty()) {
      Problem(&expr, std::move(check.error), std::move(check.advice));
      // A plain one-line scalar's columns are those of the file; of blocks only lines can be told.
      RuleProblem& problem = result_.problems.back();
      if (check.line > 1 && rule->expr.find('\n') != std::string::npos) {
        problem.line += check.line - 1 + (expr.Tag() == "!" ? 1 : 0);
        problem.col = check.col;
      }
      return;
    }
    rule->parsed = std::move(check.expr);
  }

  void Lint(const YAML::Node& node, const RuleGroup& group, const Rule& rule) {
    constexpr int64_t kLongNs = int64_t{24} * 3600 * 1'000'000'000;
    if (const ExprCheck check = CheckExpr(rule.expr); check.error.empty() && check.expr != nullptr) {
      if (const int64_t window_ns = LongestWindowOfValues(*check.expr); window_ns > kLongNs) {
        const YAML::Node expr = node["expr"];
        Problem(&expr,
                fmt::format(
                    "a window of {} of quantile_over_time, which keeps all its values in memory, and is read "
                    "in full at each evaluation where they do not fit",
                    FormatPrometheusDuration(window_ns)),
                "take the quantile of a window of hours, or count the lines beyond a threshold, which is "
                "kept small",
                RuleProblem::Severity::kWarning);
      }
    }
    if (!rule.is_alert()) return;
    const TextMap labels = LabelsOf(group, rule);
    const auto severity = labels.find("severity");
    if (severity == labels.end()) {
      Problem(&node, "the alert has no label severity",
              "write labels: {severity: warning}, so that it can be routed", RuleProblem::Severity::kWarning);
    } else if ((severity->second == "critical" || severity->second == "page") &&
               rule.annotations.count("runbook_url") == 0) {
      Problem(&node, fmt::format("an alert of severity {} has no runbook_url", severity->second),
              "write annotations: {runbook_url: ...}: who is woken needs to know what to do",
              RuleProblem::Severity::kWarning);
    }
    if (rule.annotations.count("summary") == 0) {
      Problem(&node, "the alert has no summary", "write annotations: {summary: ...}",
              RuleProblem::Severity::kWarning);
    }
  }

  const RuleReadOptions options_;
  RuleFileResult result_;
  std::string where_;
};

void EmitMap(YAML::Emitter* out, const char* key, const TextMap& map) {
  if (map.empty()) return;
  *out << YAML::Key << key << YAML::Value << YAML::BeginMap;
  for (const auto& [name, value] : map) *out << YAML::Key << name << YAML::Value << value;
  *out << YAML::EndMap;
}

void EmitDuration(YAML::Emitter* out, const char* key, int64_t ns) {
  if (ns != 0) *out << YAML::Key << key << YAML::Value << FormatPrometheusDuration(ns);
}

void EmitGroup(YAML::Emitter* out, const RuleGroup& group) {
  *out << YAML::BeginMap << YAML::Key << "name" << YAML::Value << group.name;
  EmitDuration(out, "interval", group.interval_ns);
  if (group.query_offset_ns.has_value()) {
    *out << YAML::Key << "query_offset" << YAML::Value << FormatPrometheusDuration(*group.query_offset_ns);
  }
  if (group.limit > 0) *out << YAML::Key << "limit" << YAML::Value << group.limit;
  EmitMap(out, "labels", group.labels);
  *out << YAML::Key << "rules" << YAML::Value << YAML::BeginSeq;
  for (const Rule& rule : group.rules) {
    *out << YAML::BeginMap;
    *out << YAML::Key << (rule.is_alert() ? "alert" : "record") << YAML::Value << rule.name();
    *out << YAML::Key << "expr" << YAML::Value << rule.expr;
    EmitDuration(out, "for", rule.for_ns);
    EmitDuration(out, "keep_firing_for", rule.keep_firing_for_ns);
    EmitMap(out, "labels", rule.labels);
    EmitMap(out, "annotations", rule.annotations);
    *out << YAML::EndMap;
  }
  *out << YAML::EndSeq << YAML::EndMap;
}

std::string Finish(const YAML::Emitter& out) { return std::string(out.c_str(), out.size()) + "\n"; }

}  // namespace

std::string RuleProblem::Text() const {
  std::string out = file;
  if (line > 0) out += fmt::format(":{}:{}", line, col);
  if (!where.empty()) out += ": " + where;
  if (severity == Severity::kWarning) out += ": warning";
  return out + ": " + what + "; " + advice;
}

bool RuleFileResult::ok() const {
  return std::none_of(problems.begin(), problems.end(), [](const RuleProblem& problem) {
    return problem.severity == RuleProblem::Severity::kError;
  });
}

std::string RuleFileResult::Errors() const {
  std::string out;
  for (const RuleProblem& problem : problems) {
    if (problem.severity != RuleProblem::Severity::kError) continue;
    if (!out.empty()) out.push_back('\n');
    out += problem.Text();
  }
  return out;
}

RuleFileResult ReadRules(std::string_view text, std::string_view name, const RuleReadOptions& options) {
  return Reader(name, options).Read(text, false);
}

RuleFileResult ReadRuleGroup(std::string_view text, std::string_view name, const RuleReadOptions& options) {
  return Reader(name, options).Read(text, true);
}

std::string RulesYaml(const std::vector<RuleGroup>& groups) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "groups" << YAML::Value << YAML::BeginSeq;
  for (const RuleGroup& group : groups) EmitGroup(&out, group);
  out << YAML::EndSeq << YAML::EndMap;
  return Finish(out);
}

std::string RuleGroupYaml(const RuleGroup& group) {
  YAML::Emitter out;
  EmitGroup(&out, group);
  return Finish(out);
}

}  // namespace skald::rules
