// Rows of a tenant that came to times that some rolling windows may know already, in order of arrival, and
// times of which lines went.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"

namespace skald::exec {

// Thread-safe.
class LateLog {
 public:
  struct Entry {
    uint64_t number = 0;
    uint64_t stream = 0;                   // of all tenants that are listened to
    std::shared_ptr<const Labels> labels;  // null: of any stream
    int64_t min_ns = 0;                    // both inclusive
    int64_t max_ns = 0;
    uint64_t batch = 0;  // the last that brought some of it
  };
  static constexpr uint64_t kAnyBatch = ~uint64_t{0};

  // several: of more than one tenant. What is more than max_entries is kept by the hour.
  explicit LateLog(bool several, size_t max_entries = 200'000)
      : several_(several), max_entries_(max_entries) {}

  // From now on rows up to this time are noted.
  void Cover(int64_t until_ns);
  void Add(std::string_view tenant, StreamId stream, const std::shared_ptr<const Labels>& labels,
           int64_t min_ns, int64_t max_ns, uint64_t batch);
  // Lines of any stream went.
  void AddLoss(int64_t min_ns, int64_t max_ns);
  uint64_t end() const;
  // Those of the entries from *cursor on, which then is the end, that reach into (after_ns, until_ns] and
  // came with a batch above `batch`; false where some entries are not kept any more.
  bool Take(uint64_t* cursor, int64_t after_ns, int64_t until_ns, uint64_t batch,
            std::vector<Entry>* out) const;
  // Whether the entry may be of these streams. Of several tenants matchers on the label that names the tenant
  // are not asked: a row too many costs another look, one too few would be missing.
  bool Matches(const std::vector<Matcher>& matchers, const Entry& entry) const;

 private:
  // mu_ is held.
  void Push(Entry entry);
  // Entries of one hour become one: of each stream, or where that does not help, of all.
  void Join(bool streams);

  const bool several_;
  const size_t max_entries_;
  mutable std::mutex mu_;
  int64_t covered_ns_ = kMinTimeNs;  // guarded by mu_
  std::deque<Entry> entries_;        // by number; guarded by mu_
  uint64_t next_ = 0;                // guarded by mu_
  uint64_t lost_before_ = 0;         // number; guarded by mu_
};

}  // namespace skald::exec
