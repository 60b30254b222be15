#include "base/metrics.h"

#include <dirent.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <sstream>

namespace skald {
namespace {

class CounterImpl : public MetricCounter {
 public:
  explicit CounterImpl(prometheus::Counter& counter) : counter_(counter) {}
  void Add(double n) override { counter_.Increment(n); }
  double Value() const override { return counter_.Value(); }

 private:
  prometheus::Counter& counter_;
};

class GaugeImpl : public MetricGauge {
 public:
  explicit GaugeImpl(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void Set(double value) override { gauge_.Set(value); }
  void Add(double n) override { gauge_.Increment(n); }
  double Value() const override { return gauge_.Value(); }

 private:
  prometheus::Gauge& gauge_;
};

class HistogramImpl : public MetricHistogram {
 public:
  explicit HistogramImpl(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void Observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

const std::vector<double> kSeconds = {.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100};

double ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long total = 0;
  long resident = 0;
  const int n = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return n == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double OpenFiles() {
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  int n = -3;  // ".", ".." and the directory itself
  while (::readdir(dir) != nullptr) ++n;
  ::closedir(dir);
  return n;
}

// Some names that Loki and Promtail gave to gauges and counters are those of another kind; told without one,
// they are what dashboards ask for and nothing that checkers object to.
prometheus::MetricType TypeOf(const std::string& name, MetricKind kind) {
  const bool total = name.ends_with("_total");
  if (kind == MetricKind::kCounter)
    return total ? prometheus::MetricType::Counter : prometheus::MetricType::Untyped;
  return total || name.ends_with("_count") ? prometheus::MetricType::Untyped : prometheus::MetricType::Gauge;
}

}  // namespace

struct Metrics::State {
  struct CallbackFamily {
    const void* owner;
    MetricKind kind;
    std::string name;
    std::string help;
    std::function<std::vector<Sample>()> read;
  };
  using Key = std::pair<std::string, MetricLabels>;

  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  mutable std::mutex mu;
  std::map<Key, std::unique_ptr<CounterImpl>> counters;      // guarded by mu
  std::map<Key, std::unique_ptr<GaugeImpl>> gauges;          // guarded by mu
  std::map<Key, std::unique_ptr<HistogramImpl>> histograms;  // guarded by mu
  std::map<std::string, std::string> helps;                  // guarded by mu; of a name's first use
  mutable std::mutex callbacks_mu;                           // held while callbacks run
  std::vector<CallbackFamily> callbacks;                     // guarded by callbacks_mu
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

MetricCounter& Metrics::Counter(const std::string& name, const std::string& help,
                                const MetricLabels& labels) {
  const std::lock_guard lock(state_->mu);
  auto& slot = state_->counters[{name, labels}];
  if (slot == nullptr) {
    const std::string& first = state_->helps.emplace(name, help).first->second;
    auto& family = prometheus::BuildCounter().Name(name).Help(first).Register(state_->registry);
    slot = std::make_unique<CounterImpl>(family.Add(labels));
  }
  return *slot;
}

MetricGauge& Metrics::Gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  const std::lock_guard lock(state_->mu);
  auto& slot = state_->gauges[{name, labels}];
  if (slot == nullptr) {
    const std::string& first = state_->helps.emplace(name, help).first->second;
    auto& family = prometheus::BuildGauge().Name(name).Help(first).Register(state_->registry);
    slot = std::make_unique<GaugeImpl>(family.Add(labels));
  }
  return *slot;
}

MetricHistogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                    const MetricLabels& labels, const std::vector<double>& buckets) {
  const std::lock_guard lock(state_->mu);
  auto& slot = state_->histograms[{name, labels}];
  if (slot == nullptr) {
    const std::string& first = state_->helps.emplace(name, help).first->second;
    auto& family = prometheus::BuildHistogram().Name(name).Help(first).Register(state_->registry);
    slot = std::make_unique<HistogramImpl>(family.Add(labels, buckets.empty() ? kSeconds : buckets));
  }
  return *slot;
}

void Metrics::Callback(const void* owner, MetricKind kind, const std::string& name, const std::string& help,
                       std::function<std::vector<Sample>()> read) {
  const std::lock_guard lock(state_->callbacks_mu);
  state_->callbacks.push_back({owner, kind, name, help, std::move(read)});
}

void Metrics::RemoveCallbacks(const void* owner) {
  const std::lock_guard lock(state_->callbacks_mu);
  std::erase_if(state_->callbacks, [owner](const State::CallbackFamily& c) { return c.owner == owner; });
}

void Metrics::AddProcessMetrics() {
  static const double start = static_cast<double>(std::time(nullptr));
  const auto one = [this](MetricKind kind, const char* name, const char* help, double (*read)()) {
    Callback(nullptr, kind, name, help, [read] { return std::vector<Sample>{{{}, read()}}; });
  };
  one(MetricKind::kGauge, "process_start_time_seconds", "Start of the process, Unix seconds.",
      [] { return start; });
  one(MetricKind::kGauge, "process_resident_memory_bytes", "Resident memory.", ResidentBytes);
  one(MetricKind::kCounter, "process_cpu_seconds_total", "User and system time.", CpuSeconds);
  one(MetricKind::kGauge, "process_open_fds", "Open files.", OpenFiles);
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  {
    const std::lock_guard lock(state_->callbacks_mu);
    for (const State::CallbackFamily& callback : state_->callbacks) {
      // Several owners may have samples of one name: the text tells each name once.
      const auto same =
          std::find_if(families.begin(), families.end(),
                       [&](const prometheus::MetricFamily& f) { return f.name == callback.name; });
      prometheus::MetricFamily added;
      prometheus::MetricFamily& family = same == families.end() ? added : *same;
      family.name = callback.name;
      family.help = callback.help;
      family.type = TypeOf(callback.name, callback.kind);
      for (const Sample& sample : callback.read()) {
        prometheus::ClientMetric metric;
        for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
        metric.counter.value = sample.value;
        metric.gauge.value = sample.value;
        metric.untyped.value = sample.value;
        family.metric.push_back(std::move(metric));
      }
      if (same == families.end()) families.push_back(std::move(added));
    }
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace skald
