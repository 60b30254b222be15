// The small durable state of rules in RocksDB: instances of alerts, and queues of what is still to be sent.
// What one evaluation changes is committed at once, so that a kill at any moment leaves either all of it or
// nothing.
//
// Keys:   S tenant file group rule  -> instances (alert.h)      texts are length-prefixed
//         G tenant file group       -> time of the last evaluation, fixed 64
//         Q queue, sequence (big-endian 64) -> payload
//         M                         -> format version
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rocksdb {
class DB;
}

namespace skald::rules {

// Puts and deletions that go together.
class RuleDbBatch {
 public:
  void Put(std::string key, std::string value) { puts_.emplace_back(std::move(key), std::move(value)); }
  void Delete(std::string key) { deletes_.push_back(std::move(key)); }
  bool empty() const { return puts_.empty() && deletes_.empty(); }

 private:
  friend class RuleDb;
  std::vector<std::pair<std::string, std::string>> puts_;
  std::vector<std::string> deletes_;
};

// Thread-safe.
class RuleDb {
 public:
  // Makes the directory if it is missing.
  static absl::StatusOr<std::unique_ptr<RuleDb>> Open(const std::string& directory);
  ~RuleDb();

  // sync: on disk when it returns; otherwise it survives the process but not the machine.
  absl::Status Commit(const RuleDbBatch& batch, bool sync);
  std::optional<std::string> Get(const std::string& key) const;
  // Keys with the prefix from `from` on, ascending, until visit returns false.
  void Scan(std::string_view prefix, std::string_view from,
            const std::function<bool(std::string_view key, std::string_view value)>& visit) const;

 private:
  explicit RuleDb(std::unique_ptr<rocksdb::DB> db);
  std::unique_ptr<rocksdb::DB> db_;
};

// A queue that survives the process. One reader; any number of writers. Thread-safe.
class DurableQueue {
 public:
  struct Item {
    uint64_t sequence = 0;
    std::string payload;
  };

  // db outlives it. capacity: items beyond it push out the oldest, which are counted as dropped.
  DurableQueue(RuleDb* db, std::string name, size_t capacity);

  // Puts the payload into the batch; it can be read once the batch is committed and Announce called. Answers
  // its sequence.
  uint64_t Append(RuleDbBatch* batch, std::string payload);
  void Announce();

  // The first items of the queue, at most so many and so many bytes (but one at least).
  std::vector<Item> Front(size_t max_items, size_t max_bytes) const;
  // Everything up to and including sequence is done.
  absl::Status Pop(uint64_t sequence);
  // Another payload in the same place, if it is still there.
  void Replace(RuleDbBatch* batch, uint64_t sequence, std::string payload);

  // Waits until there is something to read, the time is up or Stop was called; false in the last case.
  bool Wait(int64_t timeout_ms);
  // As Wait, but not woken by new items: a pause between two attempts.
  bool Pause(int64_t ms);
  void Stop();

  size_t size() const;
  uint64_t dropped() const;

 private:
  std::string Key(uint64_t sequence) const;

  RuleDb* const db_;
  const std::string prefix_;
  const size_t capacity_;
  mutable std::mutex mu_;
  std::condition_variable wake_;
  uint64_t head_ = 1;       // first that is there; guarded by mu_
  uint64_t announced_ = 0;  // last that may be read; guarded by mu_
  uint64_t next_ = 1;       // guarded by mu_
  uint64_t dropped_ = 0;    // guarded by mu_
  bool stopping_ = false;   // guarded by mu_
};

}  // namespace skald::rules
