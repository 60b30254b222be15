// A rule group that runs: its rules evaluated one after the other at one time, their state, and the series
// they wrote last.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "query/exec/result.h"
#include "query/logql/ast.h"
#include "rules/alerting_rule.h"
#include "rules/rule.h"

namespace skald::rules {

// An instant query. interval_ns: it is asked at multiples of it, plus a constant; 0 = this once. Thread-safe.
using EvalFunction = std::function<absl::StatusOr<Vector>(
    const std::string& tenant, const logql::ExprPtr& expr, int64_t at_ns, int64_t interval_ns)>;

// What groups of one manager share. Immutable.
struct GroupOptions {
  int64_t default_interval_ns = int64_t{60} * kNsPerSecond;
  int64_t default_query_offset_ns = 0;
  int64_t resend_delay_ns = int64_t{60} * kNsPerSecond;
  Labels external_labels;
  std::string external_url;
  std::string datasource_uid;
  EvalFunction evaluate;
};

// A sample for remote write; NaN of kStaleNan's bits ends a series.
struct OutSample {
  Labels labels;  // with __name__
  int64_t t_ms = 0;
  double value = 0;
};
double StaleNan();
bool IsStaleNan(double value);

// What one evaluation leads to.
struct GroupOutcome {
  std::vector<AlertMessage> messages;
  std::vector<Transition> transitions;
  std::vector<OutSample> samples;
  // State to be kept: rule key -> encoded instances; "" where none is left. Only what changed.
  std::vector<std::pair<std::string, std::string>> states;
  int failures = 0;
};

enum class RuleHealth { kUnknown, kOk, kError };

struct RuleStatus {
  Rule rule;
  TextMap labels;  // the group's included
  AlertState state = AlertState::kInactive;
  bool evaluated = false;
  std::vector<AlertInstance> alerts;  // active ones, by labels
  RuleHealth health = RuleHealth::kUnknown;
  std::string error;
  int64_t last_evaluation_ns = 0;
  int64_t duration_ns = 0;
};

struct GroupStatus {
  std::string tenant;
  std::string file;
  std::string name;
  int64_t interval_ns = 0;
  int64_t limit = 0;
  std::vector<RuleStatus> rules;
  int64_t last_evaluation_ns = 0;
  int64_t duration_ns = 0;
  uint64_t iterations = 0;
  uint64_t missed = 0;
  uint64_t samples = 0;  // of the last evaluation
};

// A link to the expression, as Grafana opens it.
std::string GeneratorUrl(const GroupOptions& options, const std::string& expr);

// Status may be asked for at any time; everything else by one thread at a time.
class Group {
 public:
  // options outlives it.
  Group(std::string tenant, std::string file, RuleGroup group, const GroupOptions* options);

  const std::string& tenant() const { return tenant_; }
  const std::string& file() const { return file_; }
  const std::string& name() const { return group_.name; }
  const std::string& fingerprint() const { return fingerprint_; }
  const RuleGroup& rules() const { return group_; }
  int64_t interval_ns() const { return interval_ns_; }

  // The last time at or before now_ns, the first after it, at which this group is evaluated: multiples of the
  // interval plus an offset that depends on file and name alone.
  int64_t SlotBefore(int64_t now_ns) const;
  int64_t SlotAfter(int64_t now_ns) const { return SlotBefore(now_ns) + interval_ns_; }

  GroupOutcome Evaluate(int64_t ts_ns, uint64_t missed);

  // Takes over the state of rules with the same name and labels, in order; series of the others get their
  // stale markers with the next evaluation, and what fires of them is resolved there.
  void CopyStateFrom(Group* old);
  // The group goes away at ts.
  GroupOutcome End(int64_t ts_ns, const std::string& reason);

  // Instances as they were kept, per rule key. last_evaluation: of the kept state.
  void Restore(const std::function<std::optional<std::string>(const std::string& rule_key)>& load);

  std::vector<std::string> rule_keys() const;
  GroupStatus Status() const;

 private:
  struct Running {
    Rule rule;
    TextMap labels;
    std::string key;
    std::unique_ptr<AlertingRule> alerting;  // null for recordings
    std::set<Labels> series;                 // written by the last evaluation
    std::string saved;                       // state as it was kept last
    RuleHealth health = RuleHealth::kUnknown;
    std::string error;
    int64_t last_evaluation_ns = 0;
    int64_t duration_ns = 0;
  };

  absl::Status EvaluateRule(Running* rule, int64_t ts_ns, GroupOutcome* out);
  absl::Status EvaluateAlert(Running* rule, const Vector& vector, int64_t ts_ns, GroupOutcome* out,
                             std::vector<VectorSample>* samples);
  absl::Status EvaluateRecord(Running* rule, const Vector& vector, std::vector<VectorSample>* samples) const;
  void SaveState(Running* rule, GroupOutcome* out) const;
  TemplateContext ContextAt(int64_t ts_ns) const;

  const std::string tenant_;
  const std::string file_;
  const RuleGroup group_;
  const GroupOptions* const options_;
  const std::string fingerprint_;
  const int64_t interval_ns_;
  const int64_t query_offset_ns_;
  const int64_t slot_offset_ns_;

  mutable std::mutex mu_;
  std::vector<Running> rules_;      // guarded by mu_ for state, health and times
  std::vector<Running> removed_;    // of the group before this one; touched by the evaluating thread only
  int64_t last_evaluation_ns_ = 0;  // guarded by mu_, as all below
  int64_t duration_ns_ = 0;
  uint64_t iterations_ = 0;
  uint64_t missed_ = 0;
  uint64_t samples_ = 0;
};

}  // namespace skald::rules
