#include "server/push/stream_cache.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "proto/push/label_text.h"

namespace skald::server {
namespace {

bool IsInternal(const Labels& labels) {
  return labels.Has("__aggregated_metric__") || labels.Has("__pattern__");
}

bool SameName(const Labels::Pair& a, const Labels::Pair& b) { return a.first == b.first; }

// pairs: sorted, one name at least twice. The stream is named as it was sent, with its service_name.
void RejectDuplicate(std::vector<Labels::Pair> pairs, ResolvedStream* stream) {
  const auto twice =
      std::adjacent_find(pairs.begin(), pairs.end(),
                         [](const Labels::Pair& a, const Labels::Pair& b) { return a.first == b.first; });
  const std::string name = twice->first;
  if (stream->labels.Has("service_name") &&
      std::none_of(pairs.begin(), pairs.end(),
                   [](const Labels::Pair& pair) { return pair.first == "service_name"; })) {
    pairs.emplace_back("service_name", stream->labels.Get("service_name"));
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const Labels::Pair& a, const Labels::Pair& b) { return a.first < b.first; });
  }
  stream->text = "{";
  for (const auto& [label, value] : pairs) {
    if (stream->text.size() > 1) stream->text += ", ";
    stream->text += label + "=";
    AppendGoQuoted(&stream->text, value);
  }
  stream->text += '}';
  stream->reject_reason = "duplicate_label_names";
  stream->reject_message = fmt::format("stream '{}' has duplicate label name: '{}'", stream->text, name);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ResolvedStream>> StreamCache::Resolve(std::string_view text,
                                                                           bool find_service) {
  if (text.size() > kMaxTextBytes) return Build(text, find_service);
  std::string key(text);
  key.push_back(find_service ? '\1' : '\0');
  Shard& shard = shards_[std::hash<std::string_view>()(text) % kShards];
  {
    const std::lock_guard lock(shard.mu);
    if (const auto it = shard.young.find(key); it != shard.young.end()) return it->second;
    if (const auto it = shard.old.find(key); it != shard.old.end()) {
      std::shared_ptr<const ResolvedStream> found = it->second;
      shard.young.emplace(key, found);
      return found;
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const ResolvedStream> built, Build(text, find_service));
  const std::lock_guard lock(shard.mu);
  if (shard.young.size() >= kMaxEntries / kShards / 2) {
    shard.old = std::move(shard.young);
    shard.young = {};
  }
  shard.young.emplace(key, built);
  return built;
}

absl::StatusOr<std::shared_ptr<const ResolvedStream>> StreamCache::Build(std::string_view text,
                                                                         bool find_service) const {
  absl::StatusOr<std::vector<Labels::Pair>> pairs = ParseLabelText(text);
  if (!pairs.ok()) return InvalidArgument("couldn't parse labels: {}", MessageOf(pairs.status()));
  auto stream = std::make_shared<ResolvedStream>();
  // Of a name that stands twice the first counts, as far as such a stream gets.
  stream->labels = Labels(std::vector<Labels::Pair>(pairs->rbegin(), pairs->rend()));
  const bool internal = IsInternal(stream->labels);
  if (find_service && !internal && !limits_->discover_service_name.empty() &&
      !stream->labels.Has("service_name")) {
    std::string service = "unknown_service";
    for (const std::string& name : limits_->discover_service_name) {
      if (const std::string_view value = stream->labels.Get(name); !value.empty()) {
        service = value;
        break;
      }
    }
    stream->labels.Set("service_name", service);
  }
  stream->text = stream->labels.ToString();
  stream->internal = internal;
  stream->policy = limits_->ingestion.PolicyOf(stream->labels);
  if (std::adjacent_find(pairs->begin(), pairs->end(), SameName) != pairs->end()) {
    RejectDuplicate(*std::move(pairs), stream.get());
  } else if (!internal) {
    Check(stream.get());
  }
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!stream->labels.Has(name)) return std::nullopt;
    return stream->labels.Get(name);
  };
  if (const auto level = detector_->OfStream(lookup)) stream->level = std::string(*level);
  return std::shared_ptr<const ResolvedStream>(std::move(stream));
}

void StreamCache::Check(ResolvedStream* stream) const {
  const auto reject = [stream](std::string_view reason, std::string message) {
    stream->reject_reason = reason;
    stream->reject_message = std::move(message);
  };
  const Labels& labels = stream->labels;
  if (labels.empty()) return reject("missing_labels", "error at least one label pair is required per stream");
  const auto count = static_cast<int64_t>(labels.size()) - (labels.Has("service_name") ? 1 : 0);
  if (limits_->max_label_names_per_series > 0 && count > limits_->max_label_names_per_series) {
    return reject("max_label_names_per_series",
                  fmt::format("entry for stream '{}' has {} label names; limit {}", stream->text, count,
                              limits_->max_label_names_per_series));
  }
  for (const auto& [name, value] : labels) {
    if (limits_->max_label_name_length > 0 &&
        static_cast<int64_t>(name.size()) > limits_->max_label_name_length) {
      return reject("label_name_too_long",
                    fmt::format("stream '{}' has label name too long: '{}'", stream->text, name));
    }
    if (limits_->max_label_value_length > 0 &&
        static_cast<int64_t>(value.size()) > limits_->max_label_value_length) {
      return reject("label_value_too_long",
                    fmt::format("stream '{}' has label value too long: '{}'", stream->text, value));
    }
  }
}

}  // namespace skald::server
