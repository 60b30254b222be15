#include "storage/log/wal.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/filenames.h"
#include "storage/limits.h"
#include "storage/log/wal_record.h"

namespace skald {
namespace {

// Enough for all that Append lets wait; only bounds what one write call is given.
constexpr size_t kMaxGroupEntries = 4096;

std::string EncodeBatchPayload(const LogEntry& entry) {
  std::string out;
  out.reserve(entry.body.size() + entry.tenant.size() + entry.agent_id.size() + 32);
  PutText(&out, entry.tenant);
  PutText(&out, entry.agent_id);
  PutVarint(&out, Raw(entry.sequence));
  out.append(entry.body);
  return out;
}

bool DecodeBatchPayload(std::string_view payload, LogEntry* entry) {
  ByteReader reader(payload);
  entry->tenant = reader.Text();
  entry->agent_id = reader.Text();
  entry->sequence = BatchSeq{reader.Varint()};
  if (!reader.ok()) return false;
  entry->body = reader.Bytes(reader.remaining());
  return true;
}

// All of the parts, at the descriptor's position.
absl::Status WriteParts(int fd, std::vector<iovec> parts, const std::string& path) {
  size_t at = 0;
  while (at < parts.size()) {
    const auto count = static_cast<int>(std::min<size_t>(parts.size() - at, IOV_MAX));
    const ssize_t n = ::writev(fd, parts.data() + at, count);
    if (n < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("write", path, errno);
    }
    auto left = static_cast<size_t>(n);
    while (at < parts.size() && left >= parts[at].iov_len) left -= parts[at++].iov_len;
    if (left > 0) {
      parts[at].iov_base = static_cast<char*>(parts[at].iov_base) + left;
      parts[at].iov_len -= left;
    }
  }
  return absl::OkStatus();
}

iovec Part(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace

std::string Wal::Path(uint64_t number) const { return options_.directory + "/" + WalFileName(number); }

absl::StatusOr<std::unique_ptr<Wal>> Wal::Open(WalOptions options, Lsn floor) {
  RETURN_IF_ERROR(CreateDirectories(options.directory));
  std::unique_ptr<Wal> wal(new Wal(std::move(options)));
  wal->next_lsn_ = Raw(floor) + 1;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(wal->options_.directory));
  for (const std::string& name : names) {
    const auto number = ParseNumberedName(name, kWalSuffix);
    if (!number) continue;
    File file;
    file.number = *number;
    ASSIGN_OR_RETURN(file.bytes, FileSize(wal->Path(*number)));
    wal->files_.push_back(file);
    wal->next_file_ = std::max(wal->next_file_, *number + 1);
  }
  std::sort(wal->files_.begin(), wal->files_.end(),
            [](const File& a, const File& b) { return a.number < b.number; });
  return wal;
}

bool Wal::IsVoid(Lsn lsn) const {
  return std::any_of(void_lsns_.begin(), void_lsns_.end(), [lsn](const LsnRange& range) {
    return Raw(lsn) >= range.first && Raw(lsn) <= range.second;
  });
}

bool Wal::ReadCheckpoint(const WalRecord& record) {
  ByteReader reader(record.payload);
  const uint64_t voids = reader.Varint();
  for (uint64_t i = 0; i < voids && reader.ok(); ++i) {
    const uint64_t first = reader.Varint();
    const uint64_t last = reader.Varint();
    if (!reader.ok()) return false;
    const LsnRange range{first, last};
    if (std::find(void_lsns_.begin(), void_lsns_.end(), range) == void_lsns_.end())
      void_lsns_.push_back(range);
  }
  if (!reader.ok() || !sequences_.Merge(&reader)) return false;
  next_lsn_ = std::max(next_lsn_, Raw(record.lsn) + 1);
  return true;
}

absl::Status Wal::Replay(const Visitor& visit) {
  // A file tells which records of the files before it are void, so the tables of void LSNs come first. The
  // sequences in those checkpoints must not be merged yet: they would make the batches themselves look
  // resent.
  for (const File& file : files_) {
    ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFile(Path(file.number), O_RDONLY));
    std::string head(std::min<uint64_t>(file.bytes, kWalFileHeaderBytes + kWalRecordHeaderBytes), '\0');
    ASSIGN_OR_RETURN(size_t got, ReadAt(fd.get(), head.data(), head.size(), 0, Path(file.number)));
    head.resize(got);
    const absl::Status header = CheckWalFileHeader(head);
    if (header.code() == absl::StatusCode::kFailedPrecondition) return Annotate(header, Path(file.number));
    if (head.size() < kWalFileHeaderBytes + kWalRecordHeaderBytes) continue;
    ByteReader reader(std::string_view(head).substr(kWalFileHeaderBytes));
    const uint64_t size = std::min<uint64_t>(reader.Fixed<uint32_t>(), file.bytes);
    head.resize(kWalFileHeaderBytes + kWalRecordHeaderBytes + size);
    ASSIGN_OR_RETURN(got, ReadAt(fd.get(), head.data(), head.size(), 0, Path(file.number)));
    head.resize(got);
    WalRecord record;
    if (!WalScanner(head).Next(&record) || record.after_damage || record.type != WalRecordType::kCheckpoint)
      continue;
    ByteReader voids(record.payload);
    for (uint64_t n = voids.Varint(); n > 0 && voids.ok(); --n) {
      const uint64_t first = voids.Varint();
      const uint64_t last = voids.Varint();
      if (voids.ok()) void_lsns_.emplace_back(first, last);
    }
  }
  std::sort(void_lsns_.begin(), void_lsns_.end());
  void_lsns_.erase(std::unique(void_lsns_.begin(), void_lsns_.end()), void_lsns_.end());

  for (size_t i = 0; i < files_.size(); ++i) {
    RETURN_IF_ERROR(Annotate(ReplayFile(&files_[i], i + 1 == files_.size(), visit), Path(files_[i].number)));
  }
  if (!files_.empty() && files_.back().bytes == 0) {
    RETURN_IF_ERROR(RemoveFile(Path(files_.back().number)));
    files_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Wal::ReplayFile(File* file, bool last, const Visitor& visit) {
  const std::string path = Path(file->number);
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFile(path, O_RDWR));
  TextBuffer buffer;
  buffer.resize(file->bytes);
  ASSIGN_OR_RETURN(const size_t got, ReadAt(fd.get(), buffer.data(), file->bytes, 0, path));
  const std::string_view bytes(buffer.data(), got);

  if (last && bytes.size() < kWalFileHeaderBytes + kWalRecordHeaderBytes) {
    // Stopped while the file was made: nothing was ever acknowledged out of it.
    stats_.torn_bytes += bytes.size();
    file->bytes = 0;  // the caller deletes it
    return absl::OkStatus();
  }
  if (const absl::Status header = CheckWalFileHeader(bytes); !header.ok()) {
    if (header.code() == absl::StatusCode::kFailedPrecondition) return header;
    LogWarn("log file has a damaged header; reading the records that are valid", "file={} error=\"{}\"", path,
            MessageOf(header));
  }

  std::vector<WalRecord> records;
  WalScanner scanner(bytes);
  for (WalRecord record; scanner.Next(&record);) records.push_back(record);

  // Damage in the last file: if a later group tells that all before it had their answer, acknowledged records
  // are lost and the rest goes on; if not, this is the unacknowledged tail of a write that was cut short,
  // maybe out of order, and nothing behind it may count: a later batch of an agent would make the lost one
  // before it look stored.
  uint64_t keep_end = scanner.valid_end();
  if (last) {
    uint64_t newest_group = 0;
    for (size_t i = records.size(); i-- > 0;) {
      newest_group = std::max(newest_group, Raw(records[i].group));
      if (records[i].after_damage && newest_group < Raw(records[i].lsn)) {
        keep_end = i == 0 ? kWalFileHeaderBytes : records[i - 1].end;
        records.resize(i);
        newest_group = 0;
        for (const WalRecord& record : records) newest_group = std::max(newest_group, Raw(record.group));
      }
    }
    if (keep_end < bytes.size()) {
      stats_.torn_bytes += bytes.size() - keep_end;
      LogWarn("log had a torn tail; cut at its last good record", "file={} offset={} bytes={}", path,
              keep_end, bytes.size() - keep_end);
    }
  } else if (keep_end < bytes.size()) {
    stats_.damaged_bytes += bytes.size() - keep_end;
    LogWarn("log file ends in damaged bytes; going on with the next file", "file={} offset={} bytes={}", path,
            keep_end, bytes.size() - keep_end);
  }

  uint64_t previous_end = kWalFileHeaderBytes;
  LogEntry entry;
  for (const WalRecord& record : records) {
    if (record.after_damage) {
      stats_.damaged_bytes += record.offset - previous_end;
      LogError("log has a damaged part; records in it are lost, going on with the next valid one",
               "file={} offset={} bytes={} next_lsn={}", path, previous_end, record.offset - previous_end,
               Raw(record.lsn));
    }
    previous_end = record.end;
    if (IsVoid(record.lsn) && record.type == WalRecordType::kBatch) continue;
    const bool parsed = record.type == WalRecordType::kCheckpoint
                            ? ReadCheckpoint(record)
                            : DecodeBatchPayload(record.payload, &entry);
    if (!parsed) {
      stats_.damaged_bytes += record.end - record.offset;
      LogError("log record has a valid checksum but cannot be read; passed over", "file={} offset={} lsn={}",
               path, record.offset, Raw(record.lsn));
      continue;
    }
    if (record.type == WalRecordType::kCheckpoint) continue;
    next_lsn_ = std::max(next_lsn_, Raw(record.lsn) + 1);
    file->last_lsn = std::max(file->last_lsn, record.lsn);
    if (!entry.agent_id.empty()) {
      if (entry.sequence <= sequences_.Last(entry.tenant, entry.agent_id)) continue;
      sequences_.Commit(entry.tenant, entry.agent_id, entry.sequence);
    }
    visit(record.lsn, entry);
  }

  if (last && keep_end < bytes.size()) {
    if (::ftruncate(fd.get(), static_cast<off_t>(keep_end)) != 0) return ErrnoStatus("truncate", path, errno);
    RETURN_IF_ERROR(SyncData(fd.get(), path));
    file->bytes = keep_end;
  }
  return absl::OkStatus();
}

void Wal::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Wal::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Wal::Append(LogEntry entry, Committed committed) {
  Waiting waiting;
  // On the caller's thread, so that copies and checksums of many senders run side by side.
  waiting.payload = EncodeBatchPayload(entry);
  entry.body = std::string();
  waiting.entry = std::move(entry);
  waiting.committed = std::move(committed);
  if (waiting.payload.size() > kMaxWalRecordBytes) {
    waiting.status = InvalidArgument("batch of {} bytes is larger than the log's limit of {}",
                                     waiting.payload.size(), kMaxWalRecordBytes);
  } else {
    waiting.payload_crc = Crc32c(waiting.payload);
  }
  Enqueue(std::move(waiting));
}

void Wal::Refuse(LogEntry entry, absl::Status status, Committed committed) {
  Waiting waiting;
  waiting.entry = std::move(entry);
  waiting.status = std::move(status);
  waiting.committed = std::move(committed);
  Enqueue(std::move(waiting));
}

void Wal::Enqueue(Waiting waiting) {
  {
    std::lock_guard lock(mu_);
    queue_.push_back(std::move(waiting));
  }
  wake_.notify_one();
}

BatchSeq Wal::LastSequence(std::string_view tenant, std::string_view agent_id) const {
  return sequences_.Last(tenant, agent_id);
}

void Wal::Run() {
  const int64_t interval_ns = options_.sync_interval_ms * kNsPerMs;
  while (true) {
    std::vector<Waiting> group;
    bool stop = false;
    bool rotate = false;
    {
      std::unique_lock lock(mu_);
      const auto ready = [this] { return stopping_ || !queue_.empty() || rotate_ != nullptr; };
      if (unsynced_ && options_.sync == WalSync::kInterval) {
        const int64_t left_ns = last_sync_ns_ + interval_ns - MonotonicNs();
        wake_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(left_ns, 0)), ready);
      } else {
        wake_.wait(lock, ready);
      }
      uint64_t bytes = 0;
      while (!queue_.empty() && group.size() < kMaxGroupEntries && bytes < options_.file_bytes) {
        bytes += queue_.front().payload.size();
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      stop = stopping_ && queue_.empty();
      rotate = rotate_ != nullptr;
    }
    if (!group.empty()) CommitGroup(&group);
    const bool due = options_.sync == WalSync::kInterval && MonotonicNs() - last_sync_ns_ >= interval_ns;
    if (unsynced_ && (due || stop)) {
      if (const absl::Status status = SyncFile(); !status.ok()) {
        LogError(
            "log could not be synced; lines acknowledged since the last sync may not survive a power loss",
            "error=\"{}\"", MessageOf(status));
      }
    }
    if (rotate) {
      if (fd_.valid()) CloseFile();
      absl::Status opened = OpenNextFile(Lsn{next_lsn_});
      std::lock_guard lock(mu_);
      *rotate_ = std::move(opened);
      rotate_ = nullptr;
      rotated_.notify_all();
    }
    if (stop) return;
  }
}

absl::Status Wal::Rotate() {
  absl::Status result;
  std::unique_lock lock(mu_);
  rotated_.wait(lock, [this] { return rotate_ == nullptr; });
  rotate_ = &result;
  wake_.notify_all();
  rotated_.wait(lock, [&] { return rotate_ != &result; });
  return result;
}

void Wal::CommitGroup(std::vector<Waiting>* group) {
  const Lsn first{next_lsn_};
  uint64_t resent = 0;
  bool any = false;
  for (Waiting& waiting : *group) {
    const LogEntry& entry = waiting.entry;
    if (!waiting.status.ok()) {
      sequences_.Fail(entry.tenant, entry.agent_id, entry.sequence);
      continue;
    }
    switch (sequences_.Begin(entry.tenant, entry.agent_id, entry.sequence)) {
      case AgentSequences::Verdict::kNew:
        waiting.lsn = Lsn{next_lsn_++};
        any = true;
        break;
      case AgentSequences::Verdict::kResent:
        waiting.outcome = LogOutcome::kResent;
        ++resent;
        break;
      case AgentSequences::Verdict::kMustWait:
        waiting.status = Unavailable(
            "batch {} of agent {} must wait: an earlier one failed and has to be sent again first",
            Raw(entry.sequence), entry.agent_id);
        break;
    }
  }

  const absl::Status status = any ? WriteGroup(group, first) : absl::OkStatus();
  if (!status.ok()) {
    LogError("log write failed; the batches were refused", "batches={} error=\"{}\"", group->size(),
             MessageOf(status));
  }
  // From the last to the first, so that the lowest of an agent's failed sequences is what later ones wait
  // for; a repetition within the group shares the fate of what it repeats.
  for (size_t i = group->size(); i-- > 0;) {
    Waiting& waiting = (*group)[i];
    const LogEntry& entry = waiting.entry;
    if (!status.ok() && waiting.status.ok()) {
      const bool durable = waiting.outcome == LogOutcome::kResent &&
                           entry.sequence <= sequences_.Last(entry.tenant, entry.agent_id);
      if (!durable) {
        waiting.status = status;
        sequences_.Fail(entry.tenant, entry.agent_id, entry.sequence);
      }
    } else if (status.ok() && waiting.lsn != Lsn{0}) {
      sequences_.Commit(entry.tenant, entry.agent_id, entry.sequence);
    }
  }
  {
    std::lock_guard lock(mu_);
    stats_.resent += resent;
    if (status.ok() && any) {
      files_.back().bytes = good_bytes_;
      files_.back().last_lsn = Lsn{next_lsn_ - 1};
    }
  }
  for (Waiting& waiting : *group) {
    const bool stored = waiting.status.ok() && waiting.outcome == LogOutcome::kStored;
    waiting.committed(waiting.status, waiting.outcome, stored ? waiting.lsn : Lsn{0});
  }
}

absl::Status Wal::WriteGroup(std::vector<Waiting>* group, Lsn first) {
  if (fd_.valid() && good_bytes_ >= options_.file_bytes) CloseFile();
  if (!fd_.valid()) RETURN_IF_ERROR(OpenNextFile(first));

  std::string headers;
  headers.reserve(group->size() * kWalRecordHeaderBytes);
  for (const Waiting& waiting : *group) {
    if (waiting.lsn == Lsn{0}) continue;
    AppendWalRecordHeader(&headers, WalRecordType::kBatch, waiting.lsn, first,
                          static_cast<uint32_t>(waiting.payload.size()), waiting.payload_crc);
  }
  std::vector<iovec> parts;
  parts.reserve(group->size() * 2);
  std::string_view left = headers;
  uint64_t bytes = headers.size();
  for (const Waiting& waiting : *group) {
    if (waiting.lsn == Lsn{0}) continue;
    parts.push_back(Part(left.substr(0, kWalRecordHeaderBytes)));
    left.remove_prefix(kWalRecordHeaderBytes);
    if (!waiting.payload.empty()) parts.push_back(Part(waiting.payload));
    bytes += waiting.payload.size();
  }
  const std::string path = Path(next_file_ - 1);
  absl::Status status = Failpoint("wal.write");
  if (status.ok()) status = WriteParts(fd_.get(), std::move(parts), path);
  if (status.ok()) status = Failpoint("wal.after_write");
  if (!status.ok()) {
    // Usually a full disk: give back what was half written, so that the next try finds the file whole.
    if (::ftruncate(fd_.get(), static_cast<off_t>(good_bytes_)) != 0 ||
        ::lseek(fd_.get(), static_cast<off_t>(good_bytes_), SEEK_SET) < 0) {
      GiveUpFile(first);
    }
    return status;
  }
  unsynced_ = true;
  if (options_.sync == WalSync::kAlways) {
    status = SyncFile();
    if (!status.ok()) {
      GiveUpFile(first);
      return status;
    }
  }
  good_bytes_ += bytes;
  return absl::OkStatus();
}

absl::Status Wal::SyncFile() {
  const std::string path = Path(next_file_ - 1);
  unsynced_ = false;
  last_sync_ns_ = MonotonicNs();
  absl::Status status = Failpoint("wal.sync");
  if (status.ok()) status = SyncData(fd_.get(), path);
  if (status.ok()) status = Failpoint("wal.after_sync");
  if (status.ok()) {
    std::lock_guard lock(mu_);
    ++stats_.syncs;
  } else if (options_.sync != WalSync::kAlways) {
    // After a failed fdatasync the kernel may have dropped the dirty pages and call the next one good: never
    // write to this file again.
    fd_ = FileDescriptor();
    std::lock_guard lock(mu_);
    has_open_ = false;
  }
  return status;
}

void Wal::GiveUpFile(Lsn first_void) {
  void_lsns_.emplace_back(Raw(first_void), next_lsn_ - 1);
  if (::ftruncate(fd_.get(), static_cast<off_t>(good_bytes_)) != 0) {
    LogWarn("failed log records could not be cut off; their numbers are void from now on",
            "file={} lsns={}-{}", Path(next_file_ - 1), Raw(first_void), next_lsn_ - 1);
  }
  fd_ = FileDescriptor();
  unsynced_ = false;
  std::lock_guard lock(mu_);
  has_open_ = false;
}

void Wal::CloseFile() {
  if (unsynced_ && options_.sync == WalSync::kInterval) {
    if (const absl::Status status = SyncFile(); !status.ok()) {
      LogError("log file could not be synced before the next was begun", "error=\"{}\"", MessageOf(status));
    }
  }
  fd_ = FileDescriptor();
  unsynced_ = false;
  std::lock_guard lock(mu_);
  has_open_ = false;
}

absl::Status Wal::OpenNextFile(Lsn first) {
  RETURN_IF_ERROR(Failpoint("wal.open"));
  const std::string path = Path(next_file_);
  std::string payload;
  PutVarint(&payload, void_lsns_.size());
  for (const LsnRange& range : void_lsns_) {
    PutVarint(&payload, range.first);
    PutVarint(&payload, range.second);
  }
  sequences_.Encode(&payload);
  std::string head = EncodeWalFileHeader();
  const Lsn before{Raw(first) - 1};
  AppendWalRecordHeader(&head, WalRecordType::kCheckpoint, before, before,
                        static_cast<uint32_t>(payload.size()), Crc32c(payload));
  head += payload;

  // A file of this number can only be left of a failed try that was never written to.
  ASSIGN_OR_RETURN(FileDescriptor fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  absl::Status status = WriteAll(fd.get(), head, path);
  if (status.ok() && options_.sync != WalSync::kOff) status = SyncData(fd.get(), path);
  if (status.ok() && options_.sync != WalSync::kOff) status = SyncDirectory(options_.directory);
  if (!status.ok()) {
    (void)::unlink(path.c_str());
    return status;
  }
  fd_ = std::move(fd);
  good_bytes_ = head.size();
  ++next_file_;
  std::lock_guard lock(mu_);
  files_.push_back(File{next_file_ - 1, good_bytes_, Lsn{0}});
  has_open_ = true;
  return absl::OkStatus();
}

void Wal::Release(Lsn covered) {
  std::vector<uint64_t> numbers;
  {
    std::lock_guard lock(mu_);
    // The newest file stays even when nothing is written to it: its checkpoint and records hold the
    // sequences.
    while (files_.size() > 1 && files_.front().last_lsn <= covered) {
      numbers.push_back(files_.front().number);
      files_.pop_front();
    }
  }
  for (const uint64_t number : numbers) {
    if (const absl::Status status = RemoveFile(Path(number)); !status.ok()) {
      LogWarn("log file that is no longer needed could not be deleted", "error=\"{}\"", MessageOf(status));
    }
  }
}

std::pair<size_t, Lsn> Wal::ClosedFiles() const {
  std::lock_guard lock(mu_);
  const size_t closed = files_.size() - (has_open_ ? 1 : 0);
  return {closed, closed == 0 ? Lsn{0} : files_.front().last_lsn};
}

WalStats Wal::Stats() const {
  std::lock_guard lock(mu_);
  WalStats stats = stats_;
  stats.files = files_.size();
  for (const File& file : files_) stats.bytes += file.bytes;
  return stats;
}

}  // namespace skald
