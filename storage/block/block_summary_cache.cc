#include "storage/block/block_summary_cache.h"

namespace skald {
namespace {

size_t BytesOf(const BlockSummary& summary) {
  constexpr size_t kAround = 192;  // the object, its place in the map
  return kAround + summary.grams.capacity() + summary.times.counts.capacity() * sizeof(TimeCounts::Count);
}

}  // namespace

std::shared_ptr<const BlockSummary> BlockSummaryCache::Find(const Key& key) {
  Part& part = PartOf(key);
  std::lock_guard lock(part.mu);
  const auto it = part.place.find(key);
  return it == part.place.end() ? nullptr : part.entries[it->second].summary;
}

void BlockSummaryCache::Insert(const Key& key, std::shared_ptr<const BlockSummary> summary) {
  Part& part = PartOf(key);
  const size_t bytes = BytesOf(*summary);
  if (bytes > max_bytes_of_part_) return;
  std::lock_guard lock(part.mu);
  if (part.place.contains(key)) return;  // another thread was faster
  const size_t before = part.bytes;
  while (part.bytes + bytes > max_bytes_of_part_) {
    part.random = part.random * 6364136223846793005u + 1442695040888963407u;
    const size_t victim = (part.random >> 33) % part.entries.size();
    part.bytes -= BytesOf(*part.entries[victim].summary);
    part.place.erase(part.entries[victim].key);
    if (victim + 1 != part.entries.size()) {
      part.entries[victim] = std::move(part.entries.back());
      part.place[part.entries[victim].key] = victim;
    }
    part.entries.pop_back();
  }
  part.place[key] = part.entries.size();
  part.entries.push_back({key, std::move(summary)});
  part.bytes += bytes;
  bytes_.fetch_add(part.bytes - before, std::memory_order_relaxed);
}

}  // namespace skald
