#include "rules/declared.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/labels.h"
#include "query/logql/parser.h"
#include "rules/expr_check.h"
#include "rules/rule_template.h"
#include "text/duration.h"

namespace skald::rules {
namespace {

constexpr std::string_view kFlow = "com.df.";
constexpr std::string_view kOwn = "skald.io/alert.";
constexpr std::string_view kSelectorLabel = "skald.io/selector";
constexpr std::string_view kMacro = "$selector";

struct Field {
  std::string label;  // as it was written
  std::string value;
};

// One alert as it is put together of its labels.
struct Draft {
  std::string name;
  std::map<std::string, Field> fields;  // expr, for, keep_firing_for, persistent
  TextMap labels;
  TextMap annotations;
};

bool IsTrue(std::string_view text) { return text == "true" || text == "1" || text == "yes"; }

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

class Declaration {
 public:
  explicit Declaration(const ServiceDeclaration& declaration) : in_(declaration) {}

  DeclaredRules Read() {
    if (Trimmed(in_.service).empty()) {
      Problem("", "the service has no name", "name the service");
      return std::move(out_);
    }
    ReadSelector();
    if (const auto notify = in_.labels.find("com.df.notify");
        notify != in_.labels.end() && IsTrue(notify->second)) {
      ReadFlow();
    }
    ReadOwn();
    for (const auto& [key, draft] : drafts_) AddRule(draft);
    if (!out_.problems.empty()) {
      out_.rules.clear();
      out_.persistent.clear();
    }
    return std::move(out_);
  }

 private:
  void Problem(const std::string& label, const std::string& what, const std::string& advice) {
    out_.problems.push_back(fmt::format("service {}{}: {}; {}", in_.service,
                                        label.empty() ? "" : ", label " + label, what, advice));
  }

  void ReadSelector() {
    selector_ = Trimmed(in_.selector);
    std::string label;
    if (const auto it = in_.labels.find(std::string(kSelectorLabel)); it != in_.labels.end()) {
      label = it->first;
      selector_ = Trimmed(it->second);
    }
    if (selector_.empty()) {
      selector_ = "{service_name=";
      AppendJsonString(&selector_, in_.service);
      selector_ += "}";
    }
    const absl::StatusOr<logql::ExprPtr> parsed = logql::ParseExpr(selector_);
    const auto* logs = parsed.ok() ? std::get_if<logql::LogSelectorExpr>(&(*parsed)->node) : nullptr;
    if (logs == nullptr || !logs->stages.empty()) {
      Problem(label, fmt::format("{} is not a stream selector", selector_), "write {app=\"api\"}");
      selector_.clear();
    }
  }

  // alertName.2 -> field alertName of alert 2.
  void ReadFlow() {
    for (const auto& [label, value] : in_.labels) {
      if (!label.starts_with(kFlow) || !label.starts_with("com.df.alert")) continue;
      std::string_view name = std::string_view(label).substr(kFlow.size());
      std::string index;
      if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
        index = name.substr(dot + 1);
        name = name.substr(0, dot);
        if (index.empty() || index.find_first_not_of("0123456789") != std::string::npos) {
          Problem(label, fmt::format("\"{}\" is not an index", index),
                  fmt::format("write com.df.{}.1", name));
          continue;
        }
      }
      Draft& draft = drafts_["df " + index];
      if (name == "alertName") {
        draft.name = Trimmed(value);
      } else if (name == "alertIf") {
        draft.fields["expr"] = {label, value};
      } else if (name == "alertFor") {
        draft.fields["for"] = {label, value};
      } else if (name == "alertPersistent") {
        draft.fields["persistent"] = {label, value};
      } else if (name == "alertLabels") {
        ReadPairs(label, value, &draft.labels);
      } else if (name == "alertAnnotations") {
        ReadPairs(label, value, &draft.annotations);
      } else {
        Problem(label, "unknown label",
                "known are alertName, alertIf, alertFor, alertLabels, alertAnnotations, alertPersistent");
      }
    }
    for (auto& [key, draft] : drafts_) {
      const std::string suffix = key.size() > 3 ? "." + key.substr(3) : "";
      if (draft.name.empty()) {
        Problem("com.df.alertName" + suffix, "the alert has no name", "write com.df.alertName" + suffix);
      } else if (draft.fields.count("expr") == 0) {
        Problem("com.df.alertIf" + suffix, "the alert has no expression", "write com.df.alertIf" + suffix);
      }
    }
  }

  void ReadPairs(const std::string& label, std::string_view text, TextMap* out) {
    while (!text.empty()) {
      const size_t comma = std::min(text.find(','), text.size());
      const std::string_view pair = text.substr(0, comma);
      text.remove_prefix(std::min(comma + 1, text.size()));
      const size_t equals = pair.find('=');
      const std::string name = Trimmed(pair.substr(0, equals));
      if (equals == std::string_view::npos || !IsLabelName(name)) {
        Problem(label, fmt::format("\"{}\" is not of the form name=value", pair),
                "write severity=page,team=core");
        return;
      }
      (*out)[name] = Trimmed(pair.substr(equals + 1));
    }
  }

  void ReadOwn() {
    for (const auto& [label, value] : in_.labels) {
      if (!label.starts_with(kOwn)) continue;
      const std::string_view rest = std::string_view(label).substr(kOwn.size());
      const size_t dot = rest.find('.');
      if (dot == std::string_view::npos || dot == 0) {
        Problem(label, "the label names no alert and field", "write skald.io/alert.NAME.expr");
        continue;
      }
      const std::string name(rest.substr(0, dot));
      const std::string_view field = rest.substr(dot + 1);
      Draft& draft = drafts_["own " + name];
      draft.name = name;
      if (field == "expr" || field == "for" || field == "keep_firing_for" || field == "persistent") {
        draft.fields[std::string(field)] = {label, value};
      } else if (field == "severity") {
        draft.labels["severity"] = value;
      } else if (field == "summary" || field == "description" || field == "runbook_url") {
        draft.annotations[std::string(field)] = value;
      } else if (field.starts_with("labels.") && IsLabelName(field.substr(7))) {
        draft.labels[std::string(field.substr(7))] = value;
      } else if (field.starts_with("annotations.") && IsLabelName(field.substr(12))) {
        draft.annotations[std::string(field.substr(12))] = value;
      } else {
        Problem(
            label, fmt::format("unknown field {}", field),
            "known are expr, for, keep_firing_for, severity, summary, description, runbook_url, persistent, "
            "labels.NAME, annotations.NAME");
      }
    }
    for (const auto& [key, draft] : drafts_) {
      if (key.starts_with("own ") && draft.fields.count("expr") == 0) {
        Problem(fmt::format("{}{}.expr", kOwn, draft.name), "the alert has no expression",
                fmt::format("write {}{}.expr", kOwn, draft.name));
      }
    }
  }

  int64_t Duration(const Draft& draft, const char* name) {
    const auto it = draft.fields.find(name);
    if (it == draft.fields.end() || Trimmed(it->second.value).empty()) return 0;
    const absl::StatusOr<int64_t> ns = ParsePrometheusDuration(Trimmed(it->second.value));
    if (ns.ok() && *ns >= 0) return *ns;
    Problem(it->second.label, fmt::format("\"{}\" is not a duration", it->second.value), "write 5m");
    return 0;
  }

  void AddRule(const Draft& draft) {
    const auto expr = draft.fields.find("expr");
    if (expr == draft.fields.end() || draft.name.empty()) return;
    Rule rule;
    rule.alert = DeclaredAlertName(in_.service, draft.name);
    if (rule.alert.empty())
      Problem(expr->second.label, "the alert's name has no letter", "name it with letters");
    rule.expr = Trimmed(expr->second.value);
    if (rule.expr.starts_with("@")) {
      Problem(expr->second.label, fmt::format("{} is a shortcut for metrics", rule.expr),
              "write LogQL, such as sum(rate($selector |= \"error\" [5m])) > 1");
      return;
    }
    for (size_t at = rule.expr.find(kMacro); at != std::string::npos; at = rule.expr.find(kMacro, at)) {
      rule.expr.replace(at, kMacro.size(), selector_);
      at += selector_.size();
    }
    ExprCheck check = CheckExpr(rule.expr);
    if (!check.error.empty()) Problem(expr->second.label, check.error, check.advice);
    rule.parsed = std::move(check.expr);
    rule.for_ns = Duration(draft, "for");
    rule.keep_firing_for_ns = Duration(draft, "keep_firing_for");
    rule.labels = draft.labels;
    rule.labels.try_emplace("service_name", in_.service);
    rule.annotations = draft.annotations;
    for (const TextMap* templates : {&rule.labels, &rule.annotations}) {
      for (const auto& [name, text] : *templates) {
        if (const absl::Status status = CheckTemplate(text); !status.ok()) {
          Problem(expr->second.label,
                  fmt::format("the template of {} does not parse: {}", name, MessageOf(status)),
                  "known are $labels, $value and functions such as humanize");
        }
      }
    }
    const auto persistent = draft.fields.find("persistent");
    const bool stays = persistent != draft.fields.end() && IsTrue(Trimmed(persistent->second.value));
    (stays ? out_.persistent : out_.rules).push_back(std::move(rule));
  }

  const ServiceDeclaration& in_;
  DeclaredRules out_;
  std::string selector_;
  std::map<std::string, Draft> drafts_;
};

}  // namespace

DeclaredRules ReadDeclaration(const ServiceDeclaration& declaration) {
  return Declaration(declaration).Read();
}

bool IsDeclaring(std::string_view label) {
  return label == "com.df.notify" || label.starts_with("com.df.alert") || label.starts_with(kOwn) ||
         label == kSelectorLabel;
}

std::string DeclaredAlertName(std::string_view service, std::string_view name) {
  std::string out;
  for (const std::string_view part : {service, name}) {
    for (const char c : part) {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) out.push_back(c);
    }
  }
  return out;
}

}  // namespace skald::rules
