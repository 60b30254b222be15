#include "server/tenant/ingestion_policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "text/rfc3339.h"

namespace skald::server {
namespace {

constexpr const char* kAllPolicies = "*";

bool Accepts(const IngestionRules::Selector& selector, const Labels& stream) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(),
                     [&](const Matcher& m) { return m.Matches(stream.Get(m.name())); });
}

absl::StatusOr<IngestionRules::Selector> ReadSelector(const YAML::Node& node) {
  if (!node.IsMap()) return InvalidArgument("each entry is a map of selector and priority");
  IngestionRules::Selector out;
  bool given = false;
  for (const auto& item : node) {
    const auto key = item.first.as<std::string>();
    if (key == "selector") {
      ASSIGN_OR_RETURN(out.matchers, logql::ParseMatchers(item.second.as<std::string>()));
      given = true;
    } else if (key == "priority") {
      out.priority = item.second.as<int64_t>();
    } else {
      return InvalidArgument("{} is not known here", key);
    }
  }
  if (!given) return InvalidArgument("an entry has no selector");
  return out;
}

// Reads a map of policies with `read` for each value into *out, which is changed only if all is well.
template <class Value, class Read>
absl::Status ReadMap(const YAML::Node& node, std::map<std::string, Value>* out, const Read& read) {
  std::map<std::string, Value> made;
  try {
    if (!node.IsMap() && !node.IsNull()) return InvalidArgument("a map of policies is needed");
    for (const auto& item : node) {
      const auto policy = item.first.as<std::string>();
      absl::StatusOr<Value> value = read(item.second);
      if (!value.ok()) return InvalidArgument("policy {}: {}", policy, MessageOf(value.status()));
      made.emplace(policy, *std::move(value));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}", e.what());
  }
  *out = std::move(made);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BlockUntil> ParseBlockUntil(std::string_view text) {
  if (text.empty() || text == "0") return BlockUntil{};
  std::string full(text);
  if (text.find('T') == std::string_view::npos) full += "T00:00:00Z";
  BlockUntil out;
  ASSIGN_OR_RETURN(out.time_ns, ParseRfc3339(full));
  // As it stands, without the fraction; an offset of nothing is written Z.
  constexpr size_t kSeconds = std::string_view("2006-01-02T15:04:05").size();
  const size_t zone = full.find_first_of("Z+-", kSeconds);
  out.text = full.substr(0, kSeconds);
  out.text += full.substr(zone + 1) == "00:00" ? "Z" : full.substr(zone);
  return out;
}

std::string_view IngestionRules::PolicyOf(const Labels& stream) const {
  std::string_view found;
  std::optional<int64_t> best;
  for (const auto& [policy, selectors] : policies) {
    for (const Selector& selector : selectors) {
      if ((best && selector.priority <= *best) || !Accepts(selector, stream)) continue;
      best = selector.priority;
      found = policy;
    }
  }
  return found;
}

std::optional<StreamBlock> IngestionRules::Check(std::string_view tenant, const Labels& stream,
                                                 std::string_view policy, bool internal,
                                                 int64_t now_ns) const {
  const std::string key(policy);
  std::vector<std::string> missing;
  const auto require = [&](const std::vector<std::string>& labels) {
    for (const std::string& label : labels) {
      if (!stream.Has(label) && std::find(missing.begin(), missing.end(), label) == missing.end())
        missing.push_back(label);
    }
  };
  const auto require_of = [&](const std::string& of) {
    const auto it = policy_enforced_labels.find(of);
    if (it != policy_enforced_labels.end()) require(it->second);
  };
  if (!internal) {
    require(enforced_labels);
    require_of(kAllPolicies);
    require_of(key);
  }
  if (!missing.empty()) {
    return StreamBlock{
        "missing_enforced_labels",
        fmt::format("missing required labels '{}' for user '{}' for stream '{}' (policy: '{}')",
                    fmt::join(missing, ","), tenant, stream.ToString(), policy),
        400};
  }
  const auto status = static_cast<int>(block_status);
  if (now_ns < block_until.time_ns) {
    return StreamBlock{"blocked_ingestion",
                       fmt::format("ingestion blocked for user '{}' until '{}' with status code '{}'", tenant,
                                   block_until.text, status),
                       status};
  }
  const auto of_policy = policy_block_until.find(key.empty() ? kAllPolicies : key);
  if (of_policy != policy_block_until.end() && now_ns < of_policy->second.time_ns) {
    return StreamBlock{
        "blocked_ingestion_policy",
        fmt::format("ingestion blocked for user '{}' (policy: '{}') until '{}' with status code '{}'", tenant,
                    policy, of_policy->second.text, status),
        status};
  }
  return std::nullopt;
}

absl::Status ReadPolicySelectors(const YAML::Node& node, IngestionRules* out) {
  using Selectors = std::vector<IngestionRules::Selector>;
  return ReadMap(node, &out->policies, [](const YAML::Node& list) -> absl::StatusOr<Selectors> {
    if (!list.IsSequence()) return InvalidArgument("a list is needed");
    Selectors selectors;
    for (const YAML::Node& item : list) {
      ASSIGN_OR_RETURN(IngestionRules::Selector selector, ReadSelector(item));
      selectors.push_back(std::move(selector));
    }
    return selectors;
  });
}

absl::Status ReadPolicyEnforcedLabels(const YAML::Node& node, IngestionRules* out) {
  using Names = std::vector<std::string>;
  return ReadMap(node, &out->policy_enforced_labels,
                 [](const YAML::Node& list) -> absl::StatusOr<Names> { return list.as<Names>(); });
}

absl::Status ReadPolicyBlockUntil(const YAML::Node& node, IngestionRules* out) {
  return ReadMap(node, &out->policy_block_until,
                 [](const YAML::Node& time) { return ParseBlockUntil(time.as<std::string>()); });
}

}  // namespace skald::server
