#include "rules/rule_db.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <chrono>

#include "base/coding.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::rules {
namespace {

constexpr char kFormat[] = "1";

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
rocksdb::Slice Slice(std::string_view text) { return {text.data(), text.size()}; }

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsNoSpace()) return ResourceExhausted("rules database: {}: {}", what, status.ToString());
  if (status.IsCorruption()) return DataLoss("rules database: {}: {}", what, status.ToString());
  return Unavailable("rules database: {}: {}", what, status.ToString());
}

}  // namespace

RuleDb::RuleDb(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}
RuleDb::~RuleDb() = default;

absl::StatusOr<std::unique_ptr<RuleDb>> RuleDb::Open(const std::string& directory) {
  RETURN_IF_ERROR(CreateDirectories(directory));
  rocksdb::Options options;
  options.create_if_missing = true;
  options.allow_fallocate = false;  // or it would take 8 MB of disk before it holds anything
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = 4 << 20;
  options.max_open_files = 64;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocksdb::DB* raw = nullptr;
  RETURN_IF_ERROR(FromRocks(rocksdb::DB::Open(options, directory, &raw), directory));
  std::unique_ptr<RuleDb> db(new RuleDb(std::unique_ptr<rocksdb::DB>(raw)));
  const std::optional<std::string> version = db->Get("M");
  if (!version) {
    RuleDbBatch batch;
    batch.Put("M", kFormat);
    RETURN_IF_ERROR(db->Commit(batch, true));
  } else if (*version != kFormat) {
    return FailedPrecondition("rules database {} has format {}, this program knows {}", directory, *version,
                              kFormat);
  }
  return db;
}

absl::Status RuleDb::Commit(const RuleDbBatch& batch, bool sync) {
  if (batch.empty()) return absl::OkStatus();
  rocksdb::WriteBatch writes;
  for (const auto& [key, value] : batch.puts_) writes.Put(key, value);
  for (const std::string& key : batch.deletes_) writes.Delete(key);
  rocksdb::WriteOptions options;
  options.sync = sync;
  return FromRocks(db_->Write(options, &writes), "write");
}

std::optional<std::string> RuleDb::Get(const std::string& key) const {
  std::string value;
  if (!db_->Get({}, key, &value).ok()) return std::nullopt;
  return value;
}

void RuleDb::Scan(std::string_view prefix, std::string_view from,
                  const std::function<bool(std::string_view, std::string_view)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
  for (it->Seek(Slice(from)); it->Valid() && it->key().starts_with(Slice(prefix)); it->Next()) {
    if (!visit(View(it->key()), View(it->value()))) return;
  }
}

DurableQueue::DurableQueue(RuleDb* db, std::string name, size_t capacity)
    : db_(db),
      prefix_([&] {
        std::string prefix = "Q";
        PutText(&prefix, name);
        return prefix;
      }()),
      capacity_(capacity) {
  uint64_t first = 0;
  uint64_t last = 0;
  db_->Scan(prefix_, prefix_, [&](std::string_view key, std::string_view) {
    uint64_t sequence = 0;
    for (const char c : key.substr(prefix_.size())) sequence = sequence << 8 | static_cast<unsigned char>(c);
    if (first == 0) first = sequence;
    last = sequence;
    return true;
  });
  if (first == 0) return;
  head_ = first;
  announced_ = last;
  next_ = last + 1;
}

std::string DurableQueue::Key(uint64_t sequence) const {
  std::string key = prefix_;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(sequence >> shift));
  return key;
}

uint64_t DurableQueue::Append(RuleDbBatch* batch, std::string payload) {
  const std::lock_guard lock(mu_);
  const uint64_t sequence = next_++;
  batch->Put(Key(sequence), std::move(payload));
  while (next_ - head_ > capacity_) {
    batch->Delete(Key(head_++));
    ++dropped_;
  }
  return sequence;
}

void DurableQueue::Announce() {
  {
    const std::lock_guard lock(mu_);
    announced_ = next_ - 1;
  }
  wake_.notify_all();
}

std::vector<DurableQueue::Item> DurableQueue::Front(size_t max_items, size_t max_bytes) const {
  uint64_t head;
  uint64_t last;
  {
    const std::lock_guard lock(mu_);
    head = head_;
    last = announced_;
  }
  std::vector<Item> out;
  if (last < head) return out;
  size_t bytes = 0;
  db_->Scan(prefix_, Key(head), [&](std::string_view key, std::string_view value) {
    uint64_t sequence = 0;
    for (const char c : key.substr(prefix_.size())) sequence = sequence << 8 | static_cast<unsigned char>(c);
    if (sequence > last) return false;
    if (!out.empty() && bytes + value.size() > max_bytes) return false;
    bytes += value.size();
    out.push_back(Item{sequence, std::string(value)});
    return out.size() < max_items;
  });
  return out;
}

absl::Status DurableQueue::Pop(uint64_t sequence) {
  RuleDbBatch batch;
  {
    const std::lock_guard lock(mu_);
    while (head_ <= sequence && head_ < next_) batch.Delete(Key(head_++));
  }
  return db_->Commit(batch, false);
}

void DurableQueue::Replace(RuleDbBatch* batch, uint64_t sequence, std::string payload) {
  const std::lock_guard lock(mu_);
  if (sequence >= head_ && sequence < next_) batch->Put(Key(sequence), std::move(payload));
}

bool DurableQueue::Wait(int64_t timeout_ms) {
  std::unique_lock lock(mu_);
  wake_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                 [this] { return stopping_ || announced_ >= head_; });
  return !stopping_;
}

bool DurableQueue::Pause(int64_t ms) {
  std::unique_lock lock(mu_);
  wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
  return !stopping_;
}

void DurableQueue::Stop() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
}

size_t DurableQueue::size() const {
  const std::lock_guard lock(mu_);
  return next_ - head_;
}

uint64_t DurableQueue::dropped() const {
  const std::lock_guard lock(mu_);
  return dropped_;
}

}  // namespace skald::rules
