#include "agent/discovery/log_switches.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "agent/discovery/discovered_labels.h"
#include "base/error.h"
#include "base/log.h"

namespace skald::agent {
namespace {

constexpr std::string_view kNames[] = {"exclude", "include-containers", "pipeline", "rate-limit", "tenant"};
constexpr std::string_view kPrefix = "logs.skald.io/";
constexpr size_t kMaxWarnings = 100;

std::set<std::string> NamesIn(std::string_view text) {
  std::set<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    std::string name(text.substr(0, end));
    absl::StripAsciiWhitespace(&name);
    if (!name.empty()) names.insert(std::move(name));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

}  // namespace

absl::StatusOr<std::shared_ptr<LogSwitches>> LogSwitches::Make(std::string_view allowed,
                                                               Pipelines pipelines) {
  std::set<std::string> names = NamesIn(allowed);
  if (names.erase("all") > 0) names.insert(std::begin(kNames), std::end(kNames));
  for (const std::string& name : names) {
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames))
      return InvalidArgument("\"{}\" is none of {}, all", name, fmt::join(kNames, ", "));
  }
  return std::shared_ptr<LogSwitches>(new LogSwitches(std::move(names), std::move(pipelines)));
}

std::string_view LogSwitches::Said(const Labels& meta, std::string_view name) const {
  if (!allowed_.contains(std::string(name))) return {};
  const std::string key = std::string(kPrefix) + std::string(name);
  const std::string_view annotation = meta.Get(MetaName("__meta_kubernetes_pod_annotation_", key));
  return annotation.empty() ? meta.Get(MetaName("__meta_docker_container_label_", key)) : annotation;
}

void LogSwitches::WarnOnce(std::string_view name, std::string_view value) {
  std::string what = fmt::format("{}{}: {}", kPrefix, name, value);
  if (warned_.size() >= kMaxWarnings || !warned_.insert(what).second) return;
  LogWarn("a pod or container says about its logs what cannot be, it is ignored (told once)", "said=\"{}\"",
          what);
}

LogSwitch LogSwitches::Of(const Labels& meta) {
  LogSwitch out;
  const std::string container(meta.Get("__meta_kubernetes_pod_container_name"));
  const std::set<std::string> excluded = NamesIn(Said(meta, "exclude"));
  out.excluded = excluded.contains("true") || (!container.empty() && excluded.contains(container));
  const std::set<std::string> included = NamesIn(Said(meta, "include-containers"));
  if (!included.empty() && !container.empty() && !included.contains(container)) out.excluded = true;
  if (const std::string_view name = Said(meta, "pipeline"); !name.empty()) {
    const auto found = pipelines_.find(std::string(name));
    if (found != pipelines_.end()) {
      out.pipeline = found->second;
    } else {
      WarnOnce("pipeline", name);
    }
  }
  if (const std::string text(Said(meta, "rate-limit")); !text.empty()) {
    double rate = 0;
    if (absl::SimpleAtod(text, &rate) && rate > 0 && rate <= 1e9) {
      out.max_lines_per_second = rate;
    } else {
      WarnOnce("rate-limit", text);
    }
  }
  out.tenant = Said(meta, "tenant");
  return out;
}

}  // namespace skald::agent
