#include "agent/stages/stage_metrics.h"

#include <algorithm>

#include "base/error.h"
#include "text/go_float.h"

namespace skald::agent {
namespace {

constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};

// Label values as the text format has them.
void AppendQuoted(std::string* out, std::string_view value) {
  out->push_back('"');
  for (const char c : value) {
    if (c == '\\' || c == '"') out->push_back('\\');
    if (c == '\n') {
      out->append("\\n");
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

// a="b",c="d", without braces.
std::string LabelText(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (name.starts_with("__")) continue;
    if (!out.empty()) out += ',';
    out += name;
    out += '=';
    AppendQuoted(&out, value);
  }
  return out;
}

void AppendSample(std::string* out, std::string_view name, std::string_view labels, std::string_view more,
                  double value) {
  out->append(name);
  if (!labels.empty() || !more.empty()) {
    out->push_back('{');
    out->append(labels);
    if (!labels.empty() && !more.empty()) out->push_back(',');
    out->append(more);
    out->push_back('}');
  }
  out->push_back(' ');
  AppendSampleValue(out, value);
  out->push_back('\n');
}

}  // namespace

absl::Status StageMetrics::Register(const StageMetricSpec& spec, size_t* metric) {
  const std::lock_guard<std::mutex> lock(mu_);
  for (size_t i = 0; i < metrics_.size(); ++i) {
    if (metrics_[i].spec.name != spec.name) continue;
    if (metrics_[i].spec.kind != spec.kind)
      return InvalidArgument("metric {} is a {} already", spec.name,
                             kTypes[static_cast<size_t>(metrics_[i].spec.kind)]);
    if (metrics_[i].spec.buckets != spec.buckets) metrics_[i].series.clear();
    metrics_[i].spec = spec;
    *metric = i;
    return absl::OkStatus();
  }
  *metric = metrics_.size();
  metrics_.push_back({spec, {}});
  return absl::OkStatus();
}

void StageMetrics::Apply(size_t metric, const Labels& labels, Change change, double value, int64_t now_ns) {
  std::string text = LabelText(labels);
  const std::lock_guard<std::mutex> lock(mu_);
  Metric& one = metrics_[metric];
  auto found = one.series.find(text);
  if (found == one.series.end()) {
    if (one.series.size() >= kMaxSeries) return;
    found = one.series.emplace(std::move(text), Series()).first;
    found->second.buckets.resize(one.spec.buckets.size());
  }
  Series& series = found->second;
  series.used_ns = now_ns;
  switch (change) {
    case Change::kAdd:
      series.value += value;
      break;
    case Change::kSet:
      series.value = value;
      break;
    case Change::kObserve:
      series.value += value;
      ++series.count;
      for (size_t i = 0; i < one.spec.buckets.size(); ++i) {
        if (value <= one.spec.buckets[i]) ++series.buckets[i];
      }
      break;
  }
}

void StageMetrics::CountDroppedByLabel(const std::string& label, const std::string& value) {
  const std::lock_guard<std::mutex> lock(mu_);
  ++dropped_by_label_[label][value];
}

void StageMetrics::ForgetDroppedByLabel(const std::string& label) {
  const std::lock_guard<std::mutex> lock(mu_);
  dropped_by_label_.erase(label);
}

void StageMetrics::Text(int64_t now_ns, std::string* out) {
  const std::lock_guard<std::mutex> lock(mu_);
  for (Metric& metric : metrics_) {
    absl::erase_if(metric.series, [&](const auto& series) {
      return now_ns - series.second.used_ns > metric.spec.max_idle_ns;
    });
    if (metric.series.empty()) continue;
    const std::string& name = metric.spec.name;
    std::string help = metric.spec.help;
    std::replace(help.begin(), help.end(), '\n', ' ');
    out->append(fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                            kTypes[static_cast<size_t>(metric.spec.kind)]));
    std::vector<const std::pair<const std::string, Series>*> sorted;
    for (const auto& series : metric.series) sorted.push_back(&series);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    for (const auto* one : sorted) {
      const auto& [labels, series] = *one;
      if (metric.spec.kind != StageMetricKind::kHistogram) {
        AppendSample(out, name, labels, "", series.value);
        continue;
      }
      for (size_t i = 0; i < series.buckets.size(); ++i) {
        AppendSample(out, name + "_bucket", labels, fmt::format("le=\"{}\"", metric.spec.buckets[i]),
                     static_cast<double>(series.buckets[i]));
      }
      AppendSample(out, name + "_bucket", labels, "le=\"+Inf\"", static_cast<double>(series.count));
      AppendSample(out, name + "_sum", labels, "", series.value);
      AppendSample(out, name + "_count", labels, "", static_cast<double>(series.count));
    }
  }
  if (dropped_by_label_.empty()) return;
  constexpr std::string_view kName = "logentry_dropped_lines_by_label_total";
  out->append(
      fmt::format("# HELP {} Lines a limit stage dropped, by the label it limits by.\n# TYPE {} counter\n",
                  kName, kName));
  for (const auto& [label, values] : dropped_by_label_) {
    for (const auto& [value, lines] : values) {
      std::string labels = "label_name=";
      AppendQuoted(&labels, label);
      labels += ",label_value=";
      AppendQuoted(&labels, value);
      AppendSample(out, kName, labels, "", static_cast<double>(lines));
    }
  }
}

}  // namespace skald::agent
