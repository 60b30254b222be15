#include "proto/push/otlp_config.h"

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr const char* kDefaultIndexLabels[] = {"service.name",
                                               "service.namespace",
                                               "service.instance.id",
                                               "deployment.environment",
                                               "deployment.environment.name",
                                               "cloud.region",
                                               "cloud.availability_zone",
                                               "k8s.cluster.name",
                                               "k8s.namespace.name",
                                               "k8s.pod.name",
                                               "k8s.container.name",
                                               "container.name",
                                               "k8s.replicaset.name",
                                               "k8s.deployment.name",
                                               "k8s.statefulset.name",
                                               "k8s.daemonset.name",
                                               "k8s.cronjob.name",
                                               "k8s.job.name"};

absl::StatusOr<OtlpAction> ReadAction(const std::string& text) {
  if (text == "index_label") return OtlpAction::kIndexLabel;
  if (text == "structured_metadata") return OtlpAction::kStructuredMetadata;
  if (text == "drop") return OtlpAction::kDrop;
  return InvalidArgument("action \"{}\" is not index_label, structured_metadata or drop", text);
}

absl::StatusOr<OtlpRules> ReadRules(const YAML::Node& list, std::string_view where,
                                    bool index_label_allowed) {
  OtlpRules rules;
  if (!list || list.IsNull()) return rules;
  if (!list.IsSequence()) return InvalidArgument("{} is not a list", where);
  for (const YAML::Node& item : list) {
    if (!item.IsMap()) return InvalidArgument("{} has an element that is not a map", where);
    OtlpRule rule;
    bool has_action = false;
    for (const auto& pair : item) {
      const auto key = pair.first.as<std::string>();
      if (key == "action") {
        ASSIGN_OR_RETURN(rule.action, ReadAction(pair.second.as<std::string>()));
        has_action = true;
      } else if (key == "attributes") {
        for (const auto& name : pair.second.as<std::vector<std::string>>()) rule.attributes.insert(name);
      } else if (key == "regex") {
        ASSIGN_OR_RETURN(rule.regex, CompileGoRegex(fmt::format("^(?:{})$", pair.second.as<std::string>())));
      } else {
        return InvalidArgument("{} does not know the key \"{}\"", where, key);
      }
    }
    if (!has_action) return InvalidArgument("{}: action is missing", where);
    if (rule.attributes.empty() == (rule.regex == nullptr))
      return InvalidArgument("{}: a rule has either attributes or regex", where);
    if (rule.action == OtlpAction::kIndexLabel && !index_label_allowed)
      return InvalidArgument("{}: index_label is not possible here", where);
    rules.push_back(std::move(rule));
  }
  return rules;
}

absl::Status Read(const YAML::Node& node, OtlpConfig* config) {
  if (!node || node.IsNull()) return absl::OkStatus();
  if (!node.IsMap()) return InvalidArgument("it is not a map");
  OtlpConfig made;
  for (const auto& pair : node) {
    const auto key = pair.first.as<std::string>();
    if (key == "resource_attributes") {
      bool ignore_defaults = false;
      OtlpRules own;
      if (!pair.second.IsMap()) return InvalidArgument("resource_attributes is not a map");
      for (const auto& inner : pair.second) {
        const auto inner_key = inner.first.as<std::string>();
        if (inner_key == "ignore_defaults") {
          ignore_defaults = inner.second.as<bool>();
        } else if (inner_key == "attributes_config") {
          ASSIGN_OR_RETURN(own, ReadRules(inner.second, "resource_attributes.attributes_config", true));
        } else {
          return InvalidArgument("resource_attributes does not know the key \"{}\"", inner_key);
        }
      }
      if (ignore_defaults) made.resource.clear();
      for (OtlpRule& rule : own) made.resource.push_back(std::move(rule));
    } else if (key == "scope_attributes") {
      ASSIGN_OR_RETURN(made.scope, ReadRules(pair.second, key, false));
    } else if (key == "log_attributes") {
      ASSIGN_OR_RETURN(made.log, ReadRules(pair.second, key, true));
    } else if (key == "severity_text_as_label") {
      made.severity_text_as_label = pair.second.as<bool>();
    } else {
      return InvalidArgument("it does not know the key \"{}\"", key);
    }
  }
  *config = std::move(made);
  return absl::OkStatus();
}

}  // namespace

bool OtlpRule::Matches(std::string_view name) const {
  if (regex != nullptr) return re2::RE2::FullMatch({name.data(), name.size()}, *regex);
  return attributes.contains(std::string(name));
}

OtlpAction ActionFor(const OtlpRules& rules, std::string_view name) {
  for (const OtlpRule& rule : rules) {
    if (rule.Matches(name)) return rule.action;
  }
  return OtlpAction::kStructuredMetadata;
}

std::vector<std::string> DefaultServiceNameLabels() {
  return {"service",
          "app",
          "application",
          "app_name",
          "name",
          "app_kubernetes_io_name",
          "container",
          "container_name",
          "k8s_container_name",
          "component",
          "workload",
          "job",
          "k8s_job_name"};
}

OtlpRule OtlpConfig::DefaultResourceRule() {
  OtlpRule rule;
  rule.action = OtlpAction::kIndexLabel;
  for (const char* name : kDefaultIndexLabels) rule.attributes.insert(name);
  return rule;
}

absl::Status ReadOtlpConfig(const YAML::Node& node, OtlpConfig* config) {
  try {
    return Read(node, config);
  } catch (const YAML::Exception& error) {
    return InvalidArgument("{}", error.msg);
  }
}

}  // namespace skald
