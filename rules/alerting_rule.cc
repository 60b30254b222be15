#include "rules/alerting_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace skald::rules {
namespace {

void AddTransition(int64_t ts_ns, AlertState from, const AlertInstance& instance, std::string reason,
                   std::vector<Transition>* out) {
  out->push_back(Transition{ts_ns, from, instance.state, std::move(reason), instance});
}

AlertMessage MessageOfInstance(const AlertInstance& instance, const std::string& generator_url) {
  AlertMessage message;
  message.labels = instance.labels;
  message.annotations = instance.annotations;
  message.starts_at_ns = instance.fired_at_ns;
  message.resolved = instance.resolved_at_ns != 0;
  message.ends_at_ns = message.resolved ? instance.resolved_at_ns : instance.valid_until_ns;
  message.generator_url = generator_url;
  return message;
}

}  // namespace

absl::StatusOr<std::vector<AlertingRule::Prepared>> AlertingRule::Prepare(const Vector& vector,
                                                                          TemplateContext context) const {
  std::vector<Prepared> out;
  out.reserve(vector.samples.size());
  std::set<Labels> seen;
  for (const VectorSample& sample : vector.samples) {
    context.labels = &sample.labels;
    context.value = sample.value;
    Prepared prepared;
    prepared.value = sample.value;
    bool failed = false;
    std::vector<Labels::Pair> pairs;
    for (const auto& [name, value] : sample.labels) {
      if (name != "__name__" && labels_.count(name) == 0 && name != "alertname")
        pairs.emplace_back(name, value);
    }
    for (const auto& [name, text] : labels_) {
      std::string value = ExpandTemplate("__alert_" + rule_.alert, text, context, &failed);
      if (!value.empty()) pairs.emplace_back(name, std::move(value));
    }
    pairs.emplace_back("alertname", rule_.alert);
    prepared.labels = Labels(std::move(pairs));
    for (const auto& [name, text] : rule_.annotations) {
      prepared.annotations[name] = ExpandTemplate("__alert_" + rule_.alert, text, context, &failed);
    }
    if (!seen.insert(prepared.labels).second) {
      return InvalidArgument("vector contains metrics with the same labelset after applying alert labels");
    }
    out.push_back(std::move(prepared));
  }
  return out;
}

absl::Status AlertingRule::Apply(int64_t ts_ns, std::vector<Prepared> prepared, int64_t limit,
                                 std::vector<Transition>* transitions) {
  std::set<Labels> in_result;
  std::set<Labels> is_new;
  for (Prepared& sample : prepared) {
    in_result.insert(sample.labels);
    const auto it = instances_.find(sample.labels);
    if (it != instances_.end() && it->second.state != AlertState::kInactive) {
      it->second.value = sample.value;
      it->second.annotations = std::move(sample.annotations);
      continue;
    }
    AlertInstance instance;
    instance.labels = sample.labels;
    instance.annotations = std::move(sample.annotations);
    instance.value = sample.value;
    instance.active_at_ns = ts_ns;
    is_new.insert(sample.labels);
    instances_[sample.labels] = std::move(instance);
  }
  int64_t active = 0;
  for (auto it = instances_.begin(); it != instances_.end();) {
    AlertInstance& instance = it->second;
    const AlertState from = is_new.count(it->first) > 0 ? AlertState::kInactive : instance.state;
    if (in_result.count(it->first) == 0) {
      bool keeps_firing = false;
      if (instance.state == AlertState::kFiring && rule_.keep_firing_for_ns > 0) {
        if (instance.keep_firing_since_ns == 0) instance.keep_firing_since_ns = ts_ns;
        keeps_firing = ts_ns - instance.keep_firing_since_ns < rule_.keep_firing_for_ns;
      }
      const bool forgotten =
          instance.state == AlertState::kPending ||
          (instance.resolved_at_ns != 0 && ts_ns - instance.resolved_at_ns > kResolvedRetentionNs);
      if (forgotten) {
        if (instance.state == AlertState::kPending) {
          instance.state = AlertState::kInactive;
          AddTransition(ts_ns, from, instance, "", transitions);
        }
        it = instances_.erase(it);
        continue;
      }
      if (instance.state != AlertState::kInactive && !keeps_firing) {
        instance.state = AlertState::kInactive;
        instance.resolved_at_ns = ts_ns;
        AddTransition(ts_ns, from, instance, "", transitions);
      }
      if (keeps_firing) ++active;
      ++it;
      continue;
    }
    ++active;
    instance.keep_firing_since_ns = 0;
    const bool held = ts_ns - instance.active_at_ns >= rule_.for_ns;
    if (instance.state == AlertState::kPending && held) {
      instance.state = AlertState::kFiring;
      instance.fired_at_ns = ts_ns;
    } else if (instance.state == AlertState::kFiring && !held) {
      // The rule's `for` was made longer.
      instance.state = AlertState::kPending;
      instance.fired_at_ns = 0;
      instance.last_sent_at_ns = 0;
    }
    if (instance.state != from) AddTransition(ts_ns, from, instance, "", transitions);
    ++it;
  }
  if (limit > 0 && active > limit) {
    for (auto& [labels, instance] : instances_) {
      const AlertState from = instance.state;
      if (from == AlertState::kInactive || is_new.count(labels) > 0) continue;
      instance.state = AlertState::kInactive;
      AddTransition(ts_ns, from, instance, "limit exceeded", transitions);
    }
    // What became active in this evaluation never was.
    std::erase_if(*transitions, [&](const Transition& t) {
      return t.time_ns == ts_ns && is_new.count(t.instance.labels) > 0;
    });
    instances_.clear();
    return ResourceExhausted("exceeded limit of {} with {} alerts", limit, active);
  }
  return absl::OkStatus();
}

std::vector<AlertMessage> AlertingRule::TakeMessages(int64_t ts_ns, int64_t resend_delay_ns,
                                                     int64_t interval_ns, const std::string& generator_url) {
  std::vector<AlertMessage> out;
  for (auto& [labels, instance] : instances_) {
    if (instance.state == AlertState::kPending) continue;
    const bool first_resolved = instance.resolved_at_ns > instance.last_sent_at_ns;
    const bool first_firing = instance.resolved_at_ns == 0 && instance.fired_at_ns > instance.last_sent_at_ns;
    if (!first_resolved && instance.last_sent_at_ns + resend_delay_ns >= ts_ns) continue;
    instance.last_sent_at_ns = ts_ns;
    instance.valid_until_ns = ts_ns + 4 * std::max(interval_ns, resend_delay_ns);
    out.push_back(MessageOfInstance(instance, generator_url));
    out.back().changed = first_resolved || first_firing;
  }
  return out;
}

void AlertingRule::Resolve(int64_t ts_ns, const std::string& reason, const std::string& generator_url,
                           std::vector<AlertMessage>* messages, std::vector<Transition>* transitions) {
  for (auto& [labels, instance] : instances_) {
    const AlertState from = instance.state;
    if (from == AlertState::kInactive) continue;
    instance.state = AlertState::kInactive;
    if (from == AlertState::kFiring) {
      instance.resolved_at_ns = ts_ns;
      instance.last_sent_at_ns = ts_ns;
      messages->push_back(MessageOfInstance(instance, generator_url));
      messages->back().changed = true;
    }
    AddTransition(ts_ns, from, instance, reason, transitions);
  }
  instances_.clear();
}

std::vector<VectorSample> AlertingRule::StateSamples() const {
  std::vector<VectorSample> out;
  for (const auto& [labels, instance] : instances_) {
    if (instance.state == AlertState::kInactive) continue;
    Labels alerts = instance.labels;
    alerts.Set("__name__", "ALERTS");
    alerts.Set("alertstate", Name(instance.state));
    out.push_back(VectorSample{std::move(alerts), 1});
    Labels for_state = instance.labels;
    for_state.Set("__name__", "ALERTS_FOR_STATE");
    out.push_back(
        VectorSample{std::move(for_state), static_cast<double>(instance.active_at_ns / kNsPerSecond)});
  }
  return out;
}

AlertState AlertingRule::state() const {
  AlertState highest = AlertState::kInactive;
  for (const auto& [labels, instance] : instances_) highest = std::max(highest, instance.state);
  return highest;
}

std::vector<AlertInstance> AlertingRule::Instances() const {
  std::vector<AlertInstance> out;
  out.reserve(instances_.size());
  for (const auto& [labels, instance] : instances_) out.push_back(instance);
  return out;
}

void AlertingRule::Restore(std::vector<AlertInstance> instances) {
  for (AlertInstance& instance : instances) {
    Labels labels = instance.labels;
    instances_[std::move(labels)] = std::move(instance);
  }
}

}  // namespace skald::rules
