#include "storage/segment/segment_cache.h"

#include "base/status_macros.h"
#include "storage/filenames.h"

namespace skald {

absl::StatusOr<std::shared_ptr<const SegmentReader>> SegmentCache::Get(SegmentId id) {
  {
    std::lock_guard lock(mu_);
    if (auto it = open_.find(Raw(id)); it != open_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return it->second->second;
    }
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const SegmentReader> reader,
                   SegmentReader::Open(*blobs_, SegmentFileName(id), summaries_));
  std::lock_guard lock(mu_);
  if (auto it = open_.find(Raw(id)); it != open_.end())
    return it->second->second;  // another thread was faster
  order_.emplace_front(Raw(id), reader);
  open_[Raw(id)] = order_.begin();
  if (order_.size() > max_open_) {
    open_.erase(order_.back().first);
    order_.pop_back();
  }
  return reader;
}

void SegmentCache::Drop(SegmentId id) {
  std::lock_guard lock(mu_);
  if (auto it = open_.find(Raw(id)); it != open_.end()) {
    order_.erase(it->second);
    open_.erase(it);
  }
}

}  // namespace skald
