// Which streams may not be pushed whatever is in them: limits_config.enforced_labels, block_ingestion_until,
// and the same for ingestion policies, which are names given to streams by their labels
// (policy_stream_mapping, policy_enforced_labels, block_ingestion_policy_until). Keys and texts are Loki's.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"

namespace YAML {
class Node;
}  // namespace YAML

namespace skald::server {

// A moment until which pushes are refused; the default has passed.
struct BlockUntil {
  int64_t time_ns = 0;
  std::string text;  // RFC 3339 in the zone it was given in, whole seconds
};

// RFC 3339, a date (midnight in UTC), or "" and 0 for none.
absl::StatusOr<BlockUntil> ParseBlockUntil(std::string_view text);

// A stream that is not taken.
struct StreamBlock {
  std::string reason;
  std::string message;
  // Of the answer where nothing else in the push was wrong; 200: the sender is not told.
  int status = 400;
};

struct IngestionRules {
  struct Selector {
    std::vector<Matcher> matchers;
    int64_t priority = 0;
  };

  std::vector<std::string> enforced_labels;
  BlockUntil block_until;
  int64_t block_status = 260;
  std::map<std::string, std::vector<Selector>> policies;
  std::map<std::string, std::vector<std::string>> policy_enforced_labels;  // "*": of all streams
  std::map<std::string, BlockUntil> policy_block_until;                    // "*": of streams without a policy

  // Of the selectors that accept the stream the one with the highest priority decides, of equals the policy
  // that comes first in the alphabet. "" for none.
  std::string_view PolicyOf(const Labels& stream) const;
  // nullopt: the stream may pass. internal: enforced labels are not asked of it.
  std::optional<StreamBlock> Check(std::string_view tenant, const Labels& stream, std::string_view policy,
                                   bool internal, int64_t now_ns) const;
};

// The YAML of the keys with policies' names. InvalidArgument says what is wrong, without the place.
absl::Status ReadPolicySelectors(const YAML::Node& node, IngestionRules* out);
absl::Status ReadPolicyEnforcedLabels(const YAML::Node& node, IngestionRules* out);
absl::Status ReadPolicyBlockUntil(const YAML::Node& node, IngestionRules* out);

}  // namespace skald::server
