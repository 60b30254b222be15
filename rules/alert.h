// The instances of an alert and their states, as Prometheus has them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "rules/rule.h"

namespace skald::rules {

enum class AlertState : uint8_t { kInactive = 0, kPending = 1, kFiring = 2 };

std::string_view Name(AlertState state);  // inactive, pending, firing

// One label set of an alerting rule. Times are Unix nanoseconds, 0 = never.
struct AlertInstance {
  Labels labels;  // with alertname and the rule's labels
  TextMap annotations;
  double value = 0;
  AlertState state = AlertState::kPending;
  int64_t active_at_ns = 0;
  int64_t fired_at_ns = 0;
  int64_t resolved_at_ns = 0;
  int64_t keep_firing_since_ns = 0;
  int64_t last_sent_at_ns = 0;
  int64_t valid_until_ns = 0;
};

// A change of an instance's state.
struct Transition {
  int64_t time_ns = 0;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
  std::string reason;      // "" where the expression decided: "rule removed", "limit exceeded"
  AlertInstance instance;  // after the change
};

// A notification about an instance.
struct AlertMessage {
  Labels labels;
  TextMap annotations;
  int64_t starts_at_ns = 0;
  int64_t ends_at_ns = 0;
  bool resolved = false;
  bool changed = false;  // the first of its state: it must not be left out for a later one
  std::string generator_url;
};

// State of instances between restarts.
std::string EncodeInstances(const std::vector<AlertInstance>& instances);
// False when the bytes are malformed.
bool DecodeInstances(std::string_view bytes, std::vector<AlertInstance>* instances);

}  // namespace skald::rules
