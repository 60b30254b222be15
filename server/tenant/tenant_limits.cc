#include "server/tenant/tenant_limits.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/config.h"

namespace skald::server {
namespace {

// The smaller of two limits of which 0 is none.
template <typename T>
void TakeSmaller(T* mine, T other) {
  if (other > 0 && (*mine <= 0 || other < *mine)) *mine = other;
}

// The limits of a question that is asked of several tenants at once.
void Merge(Limits* mine, const Limits& other) {
  TakeSmaller(&mine->max_query_series, other.max_query_series);
  TakeSmaller(&mine->max_query_length_ns, other.max_query_length_ns);
  TakeSmaller(&mine->max_query_lookback_ns, other.max_query_lookback_ns);
  TakeSmaller(&mine->max_query_range_ns, other.max_query_range_ns);
  TakeSmaller(&mine->max_entries_limit_per_query, other.max_entries_limit_per_query);
  TakeSmaller(&mine->max_streams_matchers_per_query, other.max_streams_matchers_per_query);
  TakeSmaller(&mine->max_query_bytes_read, other.max_query_bytes_read);
  TakeSmaller(&mine->query_timeout_ns, other.query_timeout_ns);
  TakeSmaller(&mine->split_queries_by_interval_ns, other.split_queries_by_interval_ns);
  TakeSmaller(&mine->volume_max_series, other.volume_max_series);
  TakeSmaller(&mine->max_concurrent_tail_requests, other.max_concurrent_tail_requests);
  mine->minimum_labels_number = std::max(mine->minimum_labels_number, other.minimum_labels_number);
  mine->volume_enabled = mine->volume_enabled && other.volume_enabled;
  for (const std::string& label : other.required_labels) {
    if (std::find(mine->required_labels.begin(), mine->required_labels.end(), label) ==
        mine->required_labels.end())
      mine->required_labels.push_back(label);
  }
}

}  // namespace

TenantLimits::TenantLimits(Limits base)
    : base_(std::make_shared<const Limits>(std::move(base))),
      overrides_(std::make_shared<const Overrides>()) {}

TenantLimits::~TenantLimits() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::shared_ptr<const Limits>> TenantLimits::Overridden() const {
  std::vector<std::shared_ptr<const Limits>> out;
  const std::lock_guard lock(mu_);
  for (const auto& [tenant, limits] : *overrides_) out.push_back(limits);
  return out;
}

std::shared_ptr<const Limits> TenantLimits::Of(std::string_view tenant) const {
  std::shared_ptr<const Overrides> overrides;
  {
    const std::lock_guard lock(mu_);
    overrides = overrides_;
  }
  const auto one = [&](std::string_view id) {
    const auto it = overrides->find(id);
    return it == overrides->end() ? base_ : it->second;
  };
  size_t bar = tenant.find('|');
  if (bar == std::string_view::npos) return one(tenant);
  auto merged = std::make_shared<Limits>(*one(tenant.substr(0, bar)));
  while (bar != std::string_view::npos) {
    tenant.remove_prefix(bar + 1);
    bar = tenant.find('|');
    Merge(merged.get(), *one(tenant.substr(0, bar)));
  }
  return merged;
}

absl::Status TenantLimits::Apply(std::string_view yaml, std::string_view file) {
  auto overrides = std::make_shared<Overrides>();
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    const YAML::Node tenants = root.IsMap() ? root["overrides"] : YAML::Node();
    if (tenants && !tenants.IsNull() && !tenants.IsMap()) {
      return InvalidArgument("{}: overrides is not a map of tenants", file);
    }
    for (auto it = tenants.begin(); tenants && it != tenants.end(); ++it) {
      const auto tenant = it->first.as<std::string>();
      auto limits = std::make_shared<Limits>(*base_);
      if (!it->second.IsNull()) {
        YAML::Node wrapped;
        wrapped["limits_config"] = it->second;
        Config config("skald", "", "");
        RegisterLimitOptions(&config, limits.get());
        std::vector<std::string> warnings;
        const std::string where = fmt::format("{}: overrides of {}", file, tenant);
        RETURN_IF_ERROR(config.ApplyYaml(YAML::Dump(wrapped), where, &warnings));
        for (const std::string& warning : warnings) LogWarn("overrides", "warning=\"{}\"", warning);
      }
      overrides->emplace(tenant, std::move(limits));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}: {}", file, e.what());
  }
  const std::lock_guard lock(mu_);
  overrides_ = std::move(overrides);
  return absl::OkStatus();
}

absl::Status TenantLimits::Reload() {
  ASSIGN_OR_RETURN(std::string text, ReadWholeFile(file_));
  if (text == text_) return absl::OkStatus();
  // A text that was refused is not tried again before it changes.
  const bool first = text_.empty();
  text_ = std::move(text);
  absl::Status status = Apply(text_, file_);
  if (loaded_ != nullptr) loaded_->Set(status.ok() ? 1 : 0);
  if (status.ok() && !first) LogInfo("overrides read again", "file={}", file_);
  return status;
}

absl::Status TenantLimits::Watch(std::string file, int64_t period_ns, Metrics* metrics) {
  file_ = std::move(file);
  if (metrics != nullptr) {
    loaded_ = &metrics->Gauge("loki_runtime_config_last_reload_successful",
                              "Whether the overrides file was taken when it was read last.");
  }
  RETURN_IF_ERROR(Reload());
  thread_ = std::thread([this, period_ns] { Run(period_ns); });
  return absl::OkStatus();
}

void TenantLimits::Run(int64_t period_ns) {
  std::string told;
  while (true) {
    {
      std::unique_lock lock(mu_);
      if (stop_.wait_for(lock, std::chrono::nanoseconds(period_ns), [this] { return stopping_; })) return;
    }
    const absl::Status status = Reload();
    const std::string error(MessageOf(status));
    if (!status.ok() && error != told)
      LogError("overrides not taken, the old ones stay", "error=\"{}\"", error);
    told = error;
  }
}

}  // namespace skald::server
