// A program's own numbers for GET /metrics, kept by prometheus-cpp. Counters and gauges are handed out once
// per name and label set; whoever counts keeps the reference. Numbers that live elsewhere (a store's
// statistics) are read at each scrape.
//
//   MetricCounter& lines = metrics.Counter("skald_lines_total", "Lines taken in.", {{"tenant", "fake"}});
//   lines.Add(17);
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace skald {

using MetricLabels = std::map<std::string, std::string>;

// Thread-safe. References live as long as the Metrics that gave them.
class MetricCounter {
 public:
  virtual ~MetricCounter() = default;
  virtual void Add(double n = 1) = 0;
  virtual double Value() const = 0;
};

class MetricGauge {
 public:
  virtual ~MetricGauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double n) = 0;
  virtual double Value() const = 0;
};

class MetricHistogram {
 public:
  virtual ~MetricHistogram() = default;
  virtual void Observe(double value) = 0;
};

enum class MetricKind { kCounter, kGauge };

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same object. A name keeps the help and kind of its first use.
  MetricCounter& Counter(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  MetricGauge& Gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  // Upper bounds of the buckets, ascending; +Inf is added. Empty: request seconds, 1 ms to 100 s.
  MetricHistogram& Histogram(const std::string& name, const std::string& help,
                             const MetricLabels& labels = {}, const std::vector<double>& buckets = {});

  // Read at each scrape, on the scraping thread, until RemoveCallbacks(owner).
  struct Sample {
    MetricLabels labels;
    double value = 0;
  };
  void Callback(const void* owner, MetricKind kind, const std::string& name, const std::string& help,
                std::function<std::vector<Sample>()> read);
  // After it returns none of the owner's callbacks runs or will run.
  void RemoveCallbacks(const void* owner);

  // Adds process_* and go-like basics: start time, resident memory, CPU seconds, open files.
  void AddProcessMetrics();

  // Prometheus text format 0.0.4.
  std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace skald
