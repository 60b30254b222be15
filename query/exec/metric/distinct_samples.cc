#include "query/exec/metric/distinct_samples.h"

#include <algorithm>
#include <utility>

namespace skald::exec {

HyperLogLog& DistinctSamples::FindOrAdd(uint32_t bucket, int64_t* grown) {
  if (last_ >= buckets_.size() || buckets_[last_].id != bucket) {
    const auto place = std::lower_bound(buckets_.begin(), buckets_.end(), bucket,
                                        [](const Bucket& x, uint32_t id) { return x.id < id; });
    last_ = static_cast<size_t>(place - buckets_.begin());
    if (place == buckets_.end() || place->id != bucket) {
      buckets_.insert(place, Bucket{bucket, {}});
      *grown += static_cast<int64_t>(sizeof(Bucket));
    }
  }
  return buckets_[last_].values;
}

int64_t DistinctSamples::Add(uint32_t bucket, uint64_t hash) {
  int64_t grown = 0;
  HyperLogLog& values = FindOrAdd(bucket, &grown);
  const size_t before = values.bytes();
  values.Add(hash);
  return grown + static_cast<int64_t>(values.bytes()) - static_cast<int64_t>(before);
}

void DistinctSamples::Merge(DistinctSamples&& other) {
  int64_t grown = 0;
  for (Bucket& bucket : other.buckets_) {
    HyperLogLog& values = FindOrAdd(bucket.id, &grown);
    if (values.bytes() == 0) {
      values = std::move(bucket.values);
    } else {
      values.Merge(bucket.values);
    }
  }
}

std::vector<StepValue> DistinctSamples::Evaluate(const WindowGrid& grid, const CancelToken* cancel) const {
  std::vector<StepValue> out;
  size_t first = 0;
  for (uint32_t step = 0; step < grid.steps() && first < buckets_.size(); ++step) {
    if (cancel != nullptr && !cancel->Check().ok()) return out;
    while (first < buckets_.size() && buckets_[first].id < grid.first_bucket(step)) ++first;
    HyperLogLog window;
    size_t at = first;
    for (; at < buckets_.size() && buckets_[at].id <= grid.last_bucket(step); ++at)
      window.Merge(buckets_[at].values);
    if (at > first) out.push_back(StepValue{step, static_cast<double>(window.Count())});
  }
  return out;
}

}  // namespace skald::exec
