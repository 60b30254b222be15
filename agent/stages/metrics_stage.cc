// metrics: {<name>: {type, description, source, prefix, max_idle_duration, config}} counts extracted values
// into metrics of the agent's own /metrics, under the entry's labels at that point.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "agent/stages/stage_metrics.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/duration.h"
#include "text/go_float.h"

namespace skald::agent {
namespace {

constexpr std::string_view kPrefix = "promtail_custom_";
constexpr int64_t kMaxIdleNs = 300 * kNsPerSecond;

enum class Action : uint8_t { kInc, kDec, kAdd, kSub, kSet, kObserve };

struct CountedMetric {
  size_t metric = 0;
  std::string source;
  StageMetricKind kind = StageMetricKind::kCounter;
  Action action = Action::kInc;
  bool match_all = false;
  bool count_bytes = false;
  std::optional<std::string> value;  // counts only where the source is this
};

// A number, true or false, or a Go duration as seconds.
std::optional<double> NumberOf(const ExtractedValue& value) {
  if (value.type == ExtractedValue::Type::kNull) return std::nullopt;
  if (value.text == "true") return 1;
  if (value.text == "false") return 0;
  if (const absl::StatusOr<double> number = ParseGoFloat(value.text); number.ok()) return *number;
  if (const absl::StatusOr<int64_t> duration = ParseGoDuration(value.text); duration.ok())
    return static_cast<double>(*duration) / 1e9;
  return std::nullopt;
}

class MetricsStage : public Stage {
 public:
  MetricsStage(std::vector<CountedMetric> metrics, std::shared_ptr<StageMetrics> store)
      : metrics_(std::move(metrics)), store_(std::move(store)) {}
  bool Run(Entry* entry) override {
    if (store_ == nullptr) return true;
    for (const CountedMetric& metric : metrics_) Count(metric, *entry);
    return true;
  }

 private:
  void Count(const CountedMetric& metric, const Entry& entry) {
    using Change = StageMetrics::Change;
    const int64_t now = MonotonicNs();
    if (metric.match_all) {
      const double n = metric.count_bytes ? static_cast<double>(entry.line.size()) : 1;
      store_->Apply(metric.metric, entry.labels, Change::kAdd, n, now);
      return;
    }
    const ExtractedValue* const found = entry.extracted.Find(metric.source);
    if (found == nullptr) return;
    if (metric.value && found->text != *metric.value) return;
    double number = 1;
    if (metric.action != Action::kInc && metric.action != Action::kDec) {
      const std::optional<double> parsed = NumberOf(*found);
      if (!parsed) return;
      number = *parsed;
    }
    // A counter does not go back.
    if (metric.kind == StageMetricKind::kCounter && !(number >= 0)) return;
    if (metric.action == Action::kDec || metric.action == Action::kSub) number = -number;
    const Change change = metric.action == Action::kSet       ? Change::kSet
                          : metric.action == Action::kObserve ? Change::kObserve
                                                              : Change::kAdd;
    store_->Apply(metric.metric, entry.labels, change, number, now);
  }

  const std::vector<CountedMetric> metrics_;
  const std::shared_ptr<StageMetrics> store_;
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

absl::Status ReadConfig(const YAML::Node& config, CountedMetric* metric, StageMetricSpec* spec) {
  const std::string action = Lower(StageText(config, "action"));
  const std::string value = StageText(config, "value");
  if (!value.empty()) metric->value = value;
  if (spec->kind == StageMetricKind::kCounter) {
    RETURN_IF_ERROR(CheckStageKeys(config, {"match_all", "count_entry_bytes", "value", "action"}));
    if (action != "inc" && action != "add")
      return InvalidArgument("action of a counter is inc or add, not \"{}\"", action);
    metric->action = action == "add" ? Action::kAdd : Action::kInc;
    metric->match_all = config["match_all"].IsDefined() && config["match_all"].as<bool>();
    metric->count_bytes = config["count_entry_bytes"].IsDefined() && config["count_entry_bytes"].as<bool>();
    if (metric->match_all && metric->value) return InvalidArgument("match_all and value exclude each other");
    if (metric->count_bytes && !(metric->match_all && action == "add"))
      return InvalidArgument("count_entry_bytes needs match_all: true and action: add");
    if (metric->match_all && action == "add" && !metric->count_bytes)
      return InvalidArgument("match_all with action add needs count_entry_bytes: true");
    return absl::OkStatus();
  }
  if (spec->kind == StageMetricKind::kGauge) {
    RETURN_IF_ERROR(CheckStageKeys(config, {"value", "action"}));
    constexpr std::pair<std::string_view, Action> kActions[] = {{"set", Action::kSet},
                                                                {"inc", Action::kInc},
                                                                {"dec", Action::kDec},
                                                                {"add", Action::kAdd},
                                                                {"sub", Action::kSub}};
    for (const auto& [name, one] : kActions) {
      if (name != action) continue;
      metric->action = one;
      return absl::OkStatus();
    }
    return InvalidArgument("action of a gauge is set, inc, dec, add or sub, not \"{}\"", action);
  }
  RETURN_IF_ERROR(CheckStageKeys(config, {"value", "buckets"}));
  metric->action = Action::kObserve;
  if (!config["buckets"].IsDefined()) return InvalidArgument("a histogram needs buckets");
  for (const YAML::Node& bound : config["buckets"]) spec->buckets.push_back(bound.as<double>());
  if (!std::is_sorted(spec->buckets.begin(), spec->buckets.end()))
    return InvalidArgument("buckets do not ascend");
  return absl::OkStatus();
}

bool IsMetricName(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == ':'; });
}

absl::Status ReadMetric(const std::string& name, const YAML::Node& node, StageMetrics* store,
                        CountedMetric* metric) {
  RETURN_IF_ERROR(
      CheckStageKeys(node, {"type", "description", "source", "prefix", "max_idle_duration", "config"}));
  const std::string type = Lower(StageText(node, "type"));
  StageMetricSpec spec;
  if (type == "counter") {
    spec.kind = StageMetricKind::kCounter;
  } else if (type == "gauge") {
    spec.kind = StageMetricKind::kGauge;
  } else if (type == "histogram") {
    spec.kind = StageMetricKind::kHistogram;
  } else {
    return InvalidArgument("type is Counter, Gauge or Histogram, not \"{}\"", StageText(node, "type"));
  }
  metric->kind = spec.kind;
  metric->source = StageText(node, "source");
  if (metric->source.empty()) metric->source = name;
  spec.help = StageText(node, "description");
  const std::string prefix = StageText(node, "prefix");
  spec.name = (prefix.empty() ? std::string(kPrefix) : prefix) + name;
  if (!IsMetricName(spec.name)) return InvalidArgument("\"{}\" is not a metric name", spec.name);
  spec.max_idle_ns = kMaxIdleNs;
  if (const std::string idle = StageText(node, "max_idle_duration"); !idle.empty()) {
    ASSIGN_OR_RETURN(spec.max_idle_ns, ParseGoDuration(idle));
    if (spec.max_idle_ns < kNsPerSecond) return InvalidArgument("max_idle_duration {} is below 1s", idle);
  }
  if (!node["config"].IsDefined()) return InvalidArgument("config is required");
  RETURN_IF_ERROR(ReadConfig(node["config"], metric, &spec));
  return store == nullptr ? absl::OkStatus() : store->Register(spec, &metric->metric);
}

}  // namespace

StageOr MakeMetricsStage(const YAML::Node& config, const StageContext& context) {
  if (!config.IsMap() || config.size() == 0) return InvalidArgument("a map of metrics is required");
  std::vector<CountedMetric> metrics;
  for (const auto& item : config) {
    const std::string name = item.first.Scalar();
    metrics.emplace_back();
    const absl::Status read = ReadMetric(name, item.second, context.metrics.get(), &metrics.back());
    if (!read.ok()) return InvalidArgument("{}: {}", name, MessageOf(read));
  }
  return std::make_unique<MetricsStage>(std::move(metrics), context.metrics);
}

}  // namespace skald::agent
