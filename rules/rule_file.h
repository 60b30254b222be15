// Reads rule files: Prometheus' form with LogQL expressions.
//
//   groups:
//     - name: api
//       interval: 1m
//       rules:
//         - alert: ManyErrors
//           expr: sum(rate({app="api"} |= "error" [5m])) > 1
//           for: 5m
//           labels: {severity: page}
//           annotations: {summary: "{{ $value | humanize }} errors a second"}
//
// Every problem of a file is found in one reading. Nothing here throws; any bytes may be given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace skald::rules {

struct RuleProblem {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;  // 1-based; 0 = the whole file
  int col = 0;
  std::string where;   // group "api", rule 2 (alert ManyErrors); "" = the file
  std::string what;    // what is wrong
  std::string advice;  // what to write instead

  // file:line:col: where: what; advice
  std::string Text() const;
};

struct RuleFileResult {
  RuleFile file;
  std::vector<RuleProblem> problems;

  // No error among the problems: warnings do not count.
  bool ok() const;
  // The errors' texts, one a line.
  std::string Errors() const;
};

struct RuleReadOptions {
  // $selector in expressions; "" = an error where it stands.
  std::string selector;
  // Checks expressions. Tests of rules over series of numbers read the file first and its expressions later.
  bool check_expressions = true;
  // Warn of alerts with severity critical or page that have no runbook_url, and the like.
  bool lint = false;
};

// name goes into problems and into RuleFile::name.
RuleFileResult ReadRules(std::string_view text, std::string_view name, const RuleReadOptions& options = {});

// One group, as the rules API takes it: the map that otherwise is an element of `groups`.
RuleFileResult ReadRuleGroup(std::string_view text, std::string_view name,
                             const RuleReadOptions& options = {});

// The file as YAML, as ReadRules takes it. Groups without the key `groups` if bare.
std::string RulesYaml(const std::vector<RuleGroup>& groups);
std::string RuleGroupYaml(const RuleGroup& group);

}  // namespace skald::rules
