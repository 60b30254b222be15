#include "rules/group.h"

#include <fmt/format.h>

#include <bit>
#include <map>

#include "base/clock.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "text/template_functions.h"

namespace skald::rules {
namespace {

// Rules of the same name and labels are told apart by their order.
std::string RuleKey(const Rule& rule, const TextMap& labels, std::map<std::string, int>* seen) {
  std::string key(rule.is_alert() ? "a" : "r");
  PutText(&key, rule.name());
  for (const auto& [name, value] : labels) {
    PutText(&key, name);
    PutText(&key, value);
  }
  const int ordinal = (*seen)[key]++;
  PutVarint(&key, static_cast<uint64_t>(ordinal));
  return key;
}

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t MillisOf(int64_t ns) { return FloorDiv(ns, kNsPerMs); }

int64_t SlotOffset(std::string_view file, std::string_view name, int64_t interval_ns) {
  std::string key;
  PutText(&key, file);
  PutText(&key, name);
  const auto hash = static_cast<unsigned __int128>(Crc32c(key));
  const auto ns = static_cast<int64_t>(hash * static_cast<unsigned __int128>(interval_ns) >> 32);
  return ns - ns % kNsPerMs;
}

}  // namespace

double StaleNan() { return std::bit_cast<double>(uint64_t{0x7ff0000000000002}); }
bool IsStaleNan(double value) { return std::bit_cast<uint64_t>(value) == 0x7ff0000000000002; }

std::string GeneratorUrl(const GroupOptions& options, const std::string& expr) {
  std::string json;
  JsonWriter w(&json, JsonEscape::kHtml);
  w.BeginObject().Key("queries").BeginArray().BeginObject();
  w.Key("expr").String(expr).Key("queryType").String("range");
  if (!options.datasource_uid.empty()) {
    w.Key("datasource").BeginObject().Key("type").String("loki").Key("uid").String(options.datasource_uid);
    w.EndObject();
  }
  w.EndObject().EndArray().EndObject();
  return options.external_url + "/explore?left=" + QueryEscape(json);
}

Group::Group(std::string tenant, std::string file, RuleGroup group, const GroupOptions* options)
    : tenant_(std::move(tenant)),
      file_(std::move(file)),
      group_(std::move(group)),
      options_(options),
      fingerprint_(Fingerprint(group_)),
      interval_ns_(group_.interval_ns > 0 ? group_.interval_ns : options->default_interval_ns),
      query_offset_ns_(group_.query_offset_ns.value_or(options->default_query_offset_ns)),
      slot_offset_ns_(SlotOffset(file_, group_.name, interval_ns_)) {
  std::map<std::string, int> seen;
  for (const Rule& rule : group_.rules) {
    Running running;
    running.rule = rule;
    running.labels = LabelsOf(group_, rule);
    running.key = RuleKey(rule, running.labels, &seen);
    if (rule.is_alert()) running.alerting = std::make_unique<AlertingRule>(rule, running.labels);
    rules_.push_back(std::move(running));
  }
}

int64_t Group::SlotBefore(int64_t now_ns) const {
  return FloorDiv(now_ns - slot_offset_ns_, interval_ns_) * interval_ns_ + slot_offset_ns_;
}

TemplateContext Group::ContextAt(int64_t ts_ns) const {
  TemplateContext context;
  context.external_labels = &options_->external_labels;
  context.external_url = options_->external_url;
  context.time_ns = ts_ns;
  context.query = [this,
                   at_ns = ts_ns - query_offset_ns_](const std::string& text) -> absl::StatusOr<Vector> {
    ASSIGN_OR_RETURN(const logql::ExprPtr expr, logql::ParseExpr(text));
    return options_->evaluate(tenant_, expr, at_ns, interval_ns_);
  };
  return context;
}

GroupOutcome Group::Evaluate(int64_t ts_ns, uint64_t missed) {
  GroupOutcome out;
  const int64_t begin_ns = MonotonicNs();
  for (Running& old : removed_) {
    for (const Labels& series : old.series) {
      out.samples.push_back(OutSample{series, MillisOf(ts_ns - query_offset_ns_), StaleNan()});
    }
    if (old.alerting == nullptr) continue;
    old.alerting->Resolve(ts_ns, "rule removed", GeneratorUrl(*options_, old.rule.expr), &out.messages,
                          &out.transitions);
    out.states.emplace_back(old.key, "");
  }
  removed_.clear();
  for (Running& rule : rules_) {
    const int64_t rule_begin_ns = MonotonicNs();
    const absl::Status status = EvaluateRule(&rule, ts_ns, &out);
    const std::lock_guard lock(mu_);
    rule.health = status.ok() ? RuleHealth::kOk : RuleHealth::kError;
    rule.error = MessageOf(status);
    rule.last_evaluation_ns = ts_ns;
    rule.duration_ns = MonotonicNs() - rule_begin_ns;
    if (!status.ok()) ++out.failures;
  }
  const std::lock_guard lock(mu_);
  last_evaluation_ns_ = ts_ns;
  duration_ns_ = MonotonicNs() - begin_ns;
  samples_ = out.samples.size();
  missed_ += missed;
  iterations_ += 1 + missed;
  return out;
}

absl::Status Group::EvaluateRule(Running* rule, int64_t ts_ns, GroupOutcome* out) {
  if (rule->rule.parsed == nullptr) return Internal("the expression was not read");
  const int64_t at_ns = ts_ns - query_offset_ns_;
  ASSIGN_OR_RETURN(const Vector vector, options_->evaluate(tenant_, rule->rule.parsed, at_ns, interval_ns_));
  std::vector<VectorSample> samples;
  const absl::Status status = rule->alerting != nullptr ? EvaluateAlert(rule, vector, ts_ns, out, &samples)
                                                        : EvaluateRecord(rule, vector, &samples);
  // A rule that failed says nothing about its series.
  RETURN_IF_ERROR(status);
  std::set<Labels> series;
  const int64_t t_ms = MillisOf(at_ns);
  for (VectorSample& sample : samples) {
    series.insert(sample.labels);
    out->samples.push_back(OutSample{std::move(sample.labels), t_ms, sample.value});
  }
  for (const Labels& old : rule->series) {
    if (series.count(old) == 0) out->samples.push_back(OutSample{old, t_ms, StaleNan()});
  }
  rule->series = std::move(series);
  return absl::OkStatus();
}

absl::Status Group::EvaluateAlert(Running* rule, const Vector& vector, int64_t ts_ns, GroupOutcome* out,
                                  std::vector<VectorSample>* samples) {
  ASSIGN_OR_RETURN(std::vector<AlertingRule::Prepared> prepared,
                   rule->alerting->Prepare(vector, ContextAt(ts_ns)));
  const std::lock_guard lock(mu_);
  const absl::Status status =
      rule->alerting->Apply(ts_ns, std::move(prepared), group_.limit, &out->transitions);
  if (status.ok()) {
    std::vector<AlertMessage> messages = rule->alerting->TakeMessages(
        ts_ns, options_->resend_delay_ns, interval_ns_, GeneratorUrl(*options_, rule->rule.expr));
    out->messages.insert(out->messages.end(), messages.begin(), messages.end());
    *samples = rule->alerting->StateSamples();
  }
  SaveState(rule, out);
  return status;
}

absl::Status Group::EvaluateRecord(Running* rule, const Vector& vector,
                                   std::vector<VectorSample>* samples) const {
  std::set<Labels> seen;
  for (const VectorSample& sample : vector.samples) {
    std::vector<Labels::Pair> pairs;
    for (const auto& [name, value] : sample.labels) {
      if (name != "__name__" && rule->labels.count(name) == 0) pairs.emplace_back(name, value);
    }
    for (const auto& [name, value] : rule->labels) {
      if (!value.empty()) pairs.emplace_back(name, value);
    }
    pairs.emplace_back("__name__", rule->rule.record);
    Labels labels(std::move(pairs));
    if (!seen.insert(labels).second) {
      return InvalidArgument("vector contains metrics with the same labelset after applying rule labels");
    }
    samples->push_back(VectorSample{std::move(labels), sample.value});
  }
  if (group_.limit > 0 && static_cast<int64_t>(samples->size()) > group_.limit) {
    return ResourceExhausted("exceeded limit of {} with {} series", group_.limit, samples->size());
  }
  return absl::OkStatus();
}

void Group::SaveState(Running* rule, GroupOutcome* out) const {
  const std::vector<AlertInstance> instances = rule->alerting->Instances();
  // Values change with each evaluation and are not worth a write: the times are what must not be lost.
  std::vector<AlertInstance> kept = instances;
  for (AlertInstance& instance : kept) {
    instance.value = 0;
    instance.annotations.clear();
  }
  std::string state = kept.empty() ? "" : EncodeInstances(kept);
  if (state == rule->saved) return;
  out->states.emplace_back(rule->key, instances.empty() ? "" : EncodeInstances(instances));
  rule->saved = std::move(state);
}

void Group::CopyStateFrom(Group* old) {
  const std::lock_guard lock(mu_);
  const std::lock_guard old_lock(old->mu_);
  for (Running& from : old->rules_) {
    Running* to = nullptr;
    for (Running& candidate : rules_) {
      if (candidate.key == from.key) to = &candidate;
    }
    if (to == nullptr) {
      removed_.push_back(std::move(from));
      continue;
    }
    if (to->alerting != nullptr && from.alerting != nullptr)
      to->alerting->TakeInstancesOf(from.alerting.get());
    to->series = std::move(from.series);
    to->saved = std::move(from.saved);
    to->health = from.health;
    to->error = std::move(from.error);
    to->last_evaluation_ns = from.last_evaluation_ns;
    to->duration_ns = from.duration_ns;
  }
  for (Running& removed : old->removed_) removed_.push_back(std::move(removed));
  old->removed_.clear();
  last_evaluation_ns_ = old->last_evaluation_ns_;
  duration_ns_ = old->duration_ns_;
  iterations_ = old->iterations_;
  missed_ = old->missed_;
}

GroupOutcome Group::End(int64_t ts_ns, const std::string& reason) {
  GroupOutcome out;
  const std::lock_guard lock(mu_);
  for (std::vector<Running>* rules : {&removed_, &rules_}) {
    for (Running& rule : *rules) {
      for (const Labels& series : rule.series) {
        out.samples.push_back(OutSample{series, MillisOf(ts_ns - query_offset_ns_), StaleNan()});
      }
      rule.series.clear();
      if (rule.alerting == nullptr) continue;
      rule.alerting->Resolve(ts_ns, reason, GeneratorUrl(*options_, rule.rule.expr), &out.messages,
                             &out.transitions);
      out.states.emplace_back(rule.key, "");
    }
  }
  return out;
}

void Group::Restore(const std::function<std::optional<std::string>(const std::string& rule_key)>& load) {
  const std::lock_guard lock(mu_);
  for (Running& rule : rules_) {
    if (rule.alerting == nullptr) continue;
    const std::optional<std::string> bytes = load(rule.key);
    std::vector<AlertInstance> instances;
    if (!bytes.has_value() || !DecodeInstances(*bytes, &instances)) continue;
    rule.alerting->Restore(std::move(instances));
    // The series of these instances were written before the restart and end when the instances do.
    for (VectorSample& sample : rule.alerting->StateSamples()) rule.series.insert(std::move(sample.labels));
  }
}

std::vector<std::string> Group::rule_keys() const {
  std::vector<std::string> keys;
  for (const Running& rule : rules_) keys.push_back(rule.key);
  return keys;
}

GroupStatus Group::Status() const {
  const std::lock_guard lock(mu_);
  GroupStatus out;
  out.tenant = tenant_;
  out.file = file_;
  out.name = group_.name;
  out.interval_ns = interval_ns_;
  out.limit = group_.limit;
  out.last_evaluation_ns = last_evaluation_ns_;
  out.duration_ns = duration_ns_;
  out.iterations = iterations_;
  out.missed = missed_;
  out.samples = samples_;
  for (const Running& rule : rules_) {
    RuleStatus status;
    status.rule = rule.rule;
    status.labels = rule.labels;
    status.evaluated = rule.health != RuleHealth::kUnknown;
    status.health = rule.health;
    status.error = rule.error;
    status.last_evaluation_ns = rule.last_evaluation_ns;
    status.duration_ns = rule.duration_ns;
    if (rule.alerting != nullptr) {
      status.state = rule.alerting->state();
      for (AlertInstance& instance : rule.alerting->Instances()) {
        if (instance.state != AlertState::kInactive) status.alerts.push_back(std::move(instance));
      }
    }
    out.rules.push_back(std::move(status));
  }
  return out;
}

}  // namespace skald::rules
