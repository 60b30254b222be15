// Label texts as they come in, resolved once: parsed, service_name added, checked against the limits. Agents
// send the same few texts again and again.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/labels.h"
#include "server/tenant/limits.h"
#include "text/level.h"

namespace skald::server {

// Immutable.
struct ResolvedStream {
  Labels labels;     // service_name included
  std::string text;  // labels.ToString(); as it was sent where a name stands twice
  // The level that the labels give to every line, where they do.
  std::optional<std::string> level;
  // Why the whole stream is refused, "" if it is not.
  std::string reject_reason;
  std::string reject_message;
  std::string policy;     // of limits_config.policy_stream_mapping, "" for none
  bool internal = false;  // made by a server of itself: not judged by its labels
};

// Thread-safe. limits and detector outlive it.
class StreamCache {
 public:
  StreamCache(const Limits* limits, const LevelDetector* detector) : limits_(limits), detector_(detector) {}

  // With find_service, a stream without service_name gets one (limits: discover_service_name).
  // InvalidArgument `couldn't parse labels: ...` for a text that is no label set.
  absl::StatusOr<std::shared_ptr<const ResolvedStream>> Resolve(std::string_view text, bool find_service);

 private:
  // Texts are kept up to this count and size; then the older half goes.
  static constexpr size_t kMaxEntries = 8192;
  static constexpr size_t kMaxTextBytes = 2048;
  static constexpr size_t kShards = 16;

  using Map = absl::flat_hash_map<std::string, std::shared_ptr<const ResolvedStream>>;
  struct Shard {
    std::mutex mu;
    Map young;  // guarded by mu
    Map old;    // guarded by mu
  };

  absl::StatusOr<std::shared_ptr<const ResolvedStream>> Build(std::string_view text, bool find_service) const;
  void Check(ResolvedStream* stream) const;

  const Limits* const limits_;
  const LevelDetector* const detector_;
  std::array<Shard, kShards> shards_;
};

}  // namespace skald::server
