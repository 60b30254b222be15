// What pods and containers may say about their own logs, by annotations and labels logs.skald.io/...:
//   exclude             "true", or the containers of the pod that are not read
//   include-containers  the only containers of the pod that are read
//   pipeline            the stages of the scrape config of that name take the place of the target's
//   rate-limit          lines a second; more are dropped and counted as log_rate_limit
//   tenant              whose the lines are
// Each of them does something only where the agent's configuration allows it.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "agent/stages/pipeline.h"
#include "base/labels.h"

namespace skald::agent {

// Of one log. What is not said is as the target has it.
struct LogSwitch {
  bool excluded = false;
  std::shared_ptr<const Pipeline> pipeline;  // nullptr = the target's
  double max_lines_per_second = 0;           // 0 = any number
  std::string tenant;                        // "" = the end's
};

// Of one end, used by its thread alone: it remembers what it has warned of.
class LogSwitches {
 public:
  using Pipelines = std::map<std::string, std::shared_ptr<const Pipeline>>;
  // allowed: "exclude,include-containers,pipeline,rate-limit,tenant" or some of these, or "all".
  // InvalidArgument for other names.
  static absl::StatusOr<std::shared_ptr<LogSwitches>> Make(std::string_view allowed, Pipelines pipelines);

  // meta: the labels __meta_kubernetes_... or __meta_docker_... of the log. What cannot be is ignored, with
  // a warning.
  LogSwitch Of(const Labels& meta);

 private:
  LogSwitches(std::set<std::string> allowed, Pipelines pipelines)
      : allowed_(std::move(allowed)), pipelines_(std::move(pipelines)) {}
  std::string_view Said(const Labels& meta, std::string_view name) const;
  void WarnOnce(std::string_view name, std::string_view value);

  const std::set<std::string> allowed_;
  const Pipelines pipelines_;
  std::set<std::string> warned_;  // bounded
};

}  // namespace skald::agent
