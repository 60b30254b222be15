#include "proto/push/testing/check_push.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/labels.h"
#include "proto/push/label_text.h"
#include "proto/push/metadata_name.h"

namespace skald {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

uint64_t Sum(std::string_view text) {
  uint64_t sum = 0;
  for (const char c : text) sum += static_cast<unsigned char>(c);
  return sum;
}

void CheckLabels(std::string_view text) {
  // What the store keeps of it is the printed text, which must read back.
  const auto pairs = ParseLabelText(text);
  if (!pairs.ok()) return;
  const Labels labels(*pairs);
  const auto again = ParseLabels(labels.ToString());
  Require(again.ok() && *again == labels);
}

void CheckName(std::string_view name) {
  const auto normal = NormalizeMetadataName(name);
  if (!normal.ok()) return;
  Require(!IsNormalMetadataName(name) || *normal == name);
  const auto again = NormalizeMetadataName(*normal);
  Require(again.ok() && *again == *normal);
}

}  // namespace

void CheckPush(const DecodedPush& push) {
  uint64_t sum = 0;
  for (const PushStream& stream : push.streams) {
    Require(stream.entry_begin <= stream.entry_end && stream.entry_end <= push.entries.size());
    Require(stream.metadata_begin <= stream.metadata_end && stream.metadata_end <= push.metadata.size());
    sum += Sum(stream.labels);
    CheckLabels(stream.labels);
  }
  for (const PushEntry& entry : push.entries) {
    Require(entry.metadata_begin <= entry.metadata_end && entry.metadata_end <= push.metadata.size());
    sum += Sum(entry.line);
  }
  for (const auto& [name, value] : push.metadata) {
    sum += Sum(name) + Sum(value);
    CheckName(name);
  }
  volatile uint64_t sink = sum;  // every byte was read
  (void)sink;
}

}  // namespace skald
