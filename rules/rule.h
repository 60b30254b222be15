// What a rule file says: groups of alerting and recording rules. Values, made by rule_file.h and never
// changed afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "query/logql/ast.h"

namespace skald::rules {

using TextMap = std::map<std::string, std::string>;

// Exactly one of alert and record is set.
struct Rule {
  std::string alert;
  std::string record;
  std::string expr;                // as written, macros expanded
  logql::ExprPtr parsed;           // null where the file was read without its expressions being parsed
  int64_t for_ns = 0;              // alerts only
  int64_t keep_firing_for_ns = 0;  // alerts only
  TextMap labels;                  // values are templates of alerts, plain text of recordings
  TextMap annotations;             // alerts only; values are templates
  int line = 0;                    // of the rule's first key, 1-based

  bool is_alert() const { return !alert.empty(); }
  const std::string& name() const { return is_alert() ? alert : record; }
};

struct RuleGroup {
  std::string name;
  int64_t interval_ns = 0;  // 0 = the default of whoever runs it
  std::optional<int64_t> query_offset_ns;
  int64_t limit = 0;  // 0 = none
  TextMap labels;     // go to each rule that has no such label itself
  std::vector<Rule> rules;
  int line = 0;
};

// A file, or a namespace of the rules API.
struct RuleFile {
  std::string name;  // as the state and the APIs show it
  std::vector<RuleGroup> groups;
};

// Labels of a rule with those of its group beneath.
TextMap LabelsOf(const RuleGroup& group, const Rule& rule);

// Everything of a group that makes it another group, as text: unchanged groups keep running over a reload.
std::string Fingerprint(const RuleGroup& group);

}  // namespace skald::rules
