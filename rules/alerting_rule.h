// The state machine of one alerting rule, exactly Prometheus': pending for `for`, firing, kept firing for
// keep_firing_for, resolved and remembered for fifteen minutes.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/types.h"
#include "query/exec/result.h"
#include "rules/alert.h"
#include "rules/rule.h"
#include "rules/rule_template.h"

namespace skald::rules {

// How long a resolved instance is remembered, and so its notice repeated.
inline constexpr int64_t kResolvedRetentionNs = int64_t{15} * 60 * kNsPerSecond;

// Not thread-safe, but Prepare may run beside reads.
class AlertingRule {
 public:
  // labels: the rule's and its group's.
  AlertingRule(const Rule& rule, TextMap labels) : rule_(rule), labels_(std::move(labels)) {}

  // Samples with their labels and annotations worked out; does not look at the state. InvalidArgument where
  // two samples come to the same labels. context: everything but labels and value.
  struct Prepared {
    Labels labels;
    TextMap annotations;
    double value = 0;
  };
  absl::StatusOr<std::vector<Prepared>> Prepare(const Vector& vector, TemplateContext context) const;

  // The evaluation at ts. ResourceExhausted where more than limit instances (0 = any number) would be active:
  // all of them are dropped then. Adds to *transitions.
  absl::Status Apply(int64_t ts_ns, std::vector<Prepared> prepared, int64_t limit,
                     std::vector<Transition>* transitions);

  // The messages that are due at ts, which are then counted as sent. interval: of the group.
  std::vector<AlertMessage> TakeMessages(int64_t ts_ns, int64_t resend_delay_ns, int64_t interval_ns,
                                         const std::string& generator_url);

  // The rule goes away: what fires is resolved. Adds the messages and transitions.
  void Resolve(int64_t ts_ns, const std::string& reason, const std::string& generator_url,
               std::vector<AlertMessage>* messages, std::vector<Transition>* transitions);

  // ALERTS and ALERTS_FOR_STATE of the active instances.
  std::vector<VectorSample> StateSamples() const;

  AlertState state() const;  // the highest of its instances'
  std::vector<AlertInstance> Instances() const;
  void Restore(std::vector<AlertInstance> instances);
  void TakeInstancesOf(AlertingRule* other) { instances_ = std::move(other->instances_); }

 private:
  const Rule rule_;
  const TextMap labels_;
  std::map<Labels, AlertInstance> instances_;
};

}  // namespace skald::rules
