#include "agent/stages/held_entries.h"

#include <xxhash.h>

#include <algorithm>

namespace skald::agent {

uint64_t HeldEntry::Hash() const {
  const std::string text = key.ToString();
  return XXH3_64bits(text.data(), text.size());
}

HeldEntry* HeldEntries::Find(const Stage* stage, const Labels& key) {
  for (const auto& held : held_) {
    if (held->stage == stage && held->key == key) return held.get();
  }
  return nullptr;
}

HeldEntry* HeldEntries::Add(const Stage* stage, const Labels& key) {
  held_.push_back(std::make_unique<HeldEntry>());
  held_.back()->stage = stage;
  held_.back()->key = key;
  return held_.back().get();
}

void HeldEntries::Remove(const HeldEntry* held) {
  std::erase_if(held_, [&](const auto& one) { return one.get() == held; });
}

bool HeldEntries::empty() const {
  return std::none_of(held_.begin(), held_.end(), [](const auto& held) { return held->lines > 0; });
}

size_t HeldEntries::bytes() const {
  size_t bytes = 0;
  for (const auto& held : held_) bytes += held->entry.line.size();
  return bytes;
}

int64_t HeldEntries::due_ns() const {
  int64_t due = 0;
  for (const auto& held : held_) {
    if (due == 0 || held->due_ns < due) due = held->due_ns;
  }
  return due;
}

std::optional<EntryOrigin> HeldEntries::first() const {
  std::optional<EntryOrigin> first;
  for (const auto& held : held_) {
    if (!first || held->first.origin.ordinal < first->ordinal) first = held->first.origin;
  }
  return first;
}

bool HeldEntries::MarkDue(int64_t now_ns, std::vector<uint64_t>* hashes) {
  bool any = false;
  for (const auto& held : held_) {
    if (held->due_ns > now_ns) continue;
    held->due = any = true;
    hashes->push_back(held->Hash());
  }
  return any;
}

void HeldEntries::MarkAll() {
  for (const auto& held : held_) held->due = true;
}

void HeldEntries::MarkHashes(const std::vector<uint64_t>& hashes) {
  for (const auto& held : held_) {
    if (std::find(hashes.begin(), hashes.end(), held->Hash()) != hashes.end()) held->due = true;
  }
}

}  // namespace skald::agent
