// What the joining stages of a pipeline hold back of one log: entries that more lines may still belong to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/stages/stage.h"

namespace skald::agent {

struct HeldEntry {
  const Stage* stage = nullptr;  // that holds it
  Labels key;                    // it is joined with entries of these labels
  Entry entry;                   // the first one; its line grows
  Entry first;                   // as it was, for what follows after lines were given on
  uint64_t lines = 0;            // joined so far; 0 = waiting for the next one
  int64_t due_ns = 0;            // monotonic; it goes on then, if nothing comes
  bool due = false;              // it goes on with the next Flush

  // Names it in a manifest, over restarts.
  uint64_t Hash() const;
};

// Not thread-safe.
class HeldEntries {
 public:
  HeldEntry* Find(const Stage* stage, const Labels& key);
  HeldEntry* Add(const Stage* stage, const Labels& key);
  void Remove(const HeldEntry* held);
  std::vector<std::unique_ptr<HeldEntry>>& all() { return held_; }

  // Nothing in them waits for more lines.
  bool empty() const;
  size_t bytes() const;
  // When the first one is due; monotonic, 0 = none is held.
  int64_t due_ns() const;
  // The earliest first line of what is held or waits for more.
  std::optional<EntryOrigin> first() const;

  // Marks what has waited long enough, and adds their hashes. False if there is none.
  bool MarkDue(int64_t now_ns, std::vector<uint64_t>* hashes);
  void MarkAll();
  void MarkHashes(const std::vector<uint64_t>& hashes);

 private:
  std::vector<std::unique_ptr<HeldEntry>> held_;
};

}  // namespace skald::agent
