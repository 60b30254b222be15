#include "rules/window_db.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::rules {
namespace {

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsNoSpace()) return ResourceExhausted("database of windows: {}: {}", what, status.ToString());
  return Unavailable("database of windows: {}: {}", what, status.ToString());
}

rocksdb::Options OptionsOf() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.allow_fallocate = false;  // or it would take 8 MB of disk before it holds anything
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = 4 << 20;
  options.max_total_wal_size = 16 << 20;
  options.max_open_files = 64;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Where its log is damaged, what was written before stands.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 64 << 10;  // records that follow each other are alike
  table.block_cache = rocksdb::NewLRUCache(1 << 20);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// The first key after all that begin so.
std::string EndOf(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

}  // namespace

WindowDb::WindowDb(std::string trust, std::unique_ptr<rocksdb::DB> db)
    : trust_(std::move(trust)), db_(std::move(db)) {}
WindowDb::~WindowDb() = default;

absl::StatusOr<std::unique_ptr<WindowDb>> WindowDb::Open(const std::string& directory) {
  const std::string trust = directory + "/TRUSTED";
  if (FileExists(directory) && !FileExists(trust)) RETURN_IF_ERROR(Remove(directory));
  RETURN_IF_ERROR(CreateDirectories(directory));
  rocksdb::DB* raw = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(OptionsOf(), directory, &raw);
  if (status.IsCorruption() || status.IsNotSupported() || status.IsInvalidArgument()) {
    LogWarn("database of windows is damaged and made anew; the lines are read again",
            "directory={} error=\"{}\"", directory, status.ToString());
    RETURN_IF_ERROR(Remove(directory));
    RETURN_IF_ERROR(CreateDirectories(directory));
    status = rocksdb::DB::Open(OptionsOf(), directory, &raw);
  }
  RETURN_IF_ERROR(FromRocks(status, directory));
  std::unique_ptr<WindowDb> db(new WindowDb(trust, std::unique_ptr<rocksdb::DB>(raw)));
  if (!FileExists(trust)) RETURN_IF_ERROR(WriteFileAtomically(trust, ""));
  return db;
}

absl::Status WindowDb::Remove(const std::string& directory) {
  if (!FileExists(directory)) return absl::OkStatus();
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  return error ? ErrnoStatus("remove", directory, error.value()) : absl::OkStatus();
}

absl::Status WindowDb::Write(const Change& change, bool sync) {
  if (distrusted_) return Unavailable("database of windows: it was given up");
  rocksdb::WriteBatch batch;
  for (const std::string& prefix : change.prefixes) batch.DeleteRange(prefix, EndOf(prefix));
  for (const std::string& key : change.deletes) batch.Delete(key);
  for (const auto& [key, value] : change.puts) batch.Put(key, value);
  rocksdb::WriteOptions options;
  options.sync = sync;
  return FromRocks(db_->Write(options, &batch), "write");
}

absl::Status WindowDb::Distrust() {
  if (distrusted_.exchange(true)) return absl::OkStatus();
  LogWarn("database of windows cannot be written and is given up until the next start");
  RETURN_IF_ERROR(RemoveFile(trust_));
  return SyncDirectory(std::filesystem::path(trust_).parent_path().string());
}

absl::Status WindowDb::Scan(std::string_view prefix,
                            const std::function<void(std::string_view, std::string_view)>& visit) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  const rocksdb::Slice begin(prefix.data(), prefix.size());
  for (it->Seek(begin); it->Valid() && it->key().starts_with(begin); it->Next()) {
    visit({it->key().data(), it->key().size()}, {it->value().data(), it->value().size()});
  }
  return FromRocks(it->status(), "read");
}

}  // namespace skald::rules
