// The tailer's knowledge of texts: which file holds what another one held before, be it moved, copied or
// compressed.
#include <algorithm>
#include <filesystem>

#include "agent/files/rotation_name.h"
#include "agent/tail/tailer.h"
#include "base/file.h"

namespace skald::agent {
namespace {

bool IsTrue(const absl::StatusOr<bool>& result) { return result.ok() && *result; }

// Lengths are known modulo 2^32 only where gzip says them.
bool SameSize(std::optional<uint64_t> stated, uint64_t size) {
  return stated && static_cast<uint32_t>(*stated) == static_cast<uint32_t>(size);
}

}  // namespace

// A rotated name that no target asks for is read only if it was the log's live file at a time when we could
// have read it.
bool Tailer::WantsRotated(const Candidate& candidate) {
  const auto ignored = ignored_.find(candidate.path);
  if (ignored != ignored_.end() && ignored->second == candidate.stat.key) return false;
  const bool old = candidate.stat.modified_ns < known_since_ns_;
  if (old && saved_.empty()) {
    ignored_[candidate.path] = candidate.stat.key;
    return false;
  }
  absl::StatusOr<LogFile> log = LogFile::Open(candidate.path);
  if (!log.ok()) return false;
  if (IsCompressedName(candidate.path) && !log->compressed()) {
    ignored_[candidate.path] = candidate.stat.key;  // not what its name says
    return false;
  }
  // What is known from before the restart, under another name or compressed: however old it is.
  if (FindSavedInode(&*log, candidate.stat, candidate.path, candidate.chain)) return true;
  bool original_there = false;
  if (FindSavedText(&*log, candidate.stat, candidate.path, candidate.chain, &original_there)) return true;
  if (old || original_there) {
    ignored_[candidate.path] = candidate.stat.key;
    return false;
  }
  const auto chain = chains_.find(candidate.chain);
  bool whole = false;
  if (chain != chains_.end() && IsCopyOfKnown(*chain->second, candidate, &*log, &whole)) {
    if (whole) ignored_[candidate.path] = candidate.stat.key;
    return false;
  }
  return true;
}

// A copy begins as the file it was made of, also while it is still being written; then it is not whole.
bool Tailer::IsCopyOfKnown(const Chain& chain, const Candidate& candidate, LogFile* log, bool* whole) const {
  *whole = false;
  if (candidate.stat.size == 0) return true;  // nothing to read yet; looked at again when it is listed again
  const absl::StatusOr<HeadHash> head = ReadHead(*log, candidate.path);
  if (!head.ok()) return false;
  const std::optional<uint64_t> size = log->TextSize(candidate.stat.size, candidate.path);
  for (const auto& file : chain.files()) {
    if (file->key == candidate.stat.key) continue;
    const uint64_t offset = file->reader.offset();
    if (offset > 0 && file->head.length > 0 && file->head.length <= head->length) {
      if (!IsTrue(HeadMatches(*log, file->head, candidate.path))) continue;
      *whole = log->compressed() || candidate.stat.size >= offset;
      if (!*whole || file->head.length == kHeadBytes || SameSize(size, file->size) ||
          IsTrue(TailMatches(*log, offset, file->reader.tail_hash(), candidate.path)))
        return true;
      *whole = false;
    } else if (file->log.valid() && !file->gone && head->length > 0) {
      if (!IsTrue(HeadMatches(file->log, *head, file->path))) continue;
      *whole = log->compressed() || head->length == kHeadBytes;
      return true;
    }
  }
  return false;
}

// A saved file, not found yet, whose text this is. Of another log, only a head that can hardly be another
// file's counts.
std::optional<uint64_t> Tailer::FindSavedText(LogFile* log, const FileStat& stat, const std::string& path,
                                              std::string_view chain, bool* original_there) const {
  *original_there = false;
  if (saved_.empty()) return std::nullopt;
  char head[kHeadBytes];
  const absl::StatusOr<size_t> n = log->ReadAt(head, kHeadBytes, 0, path);
  if (!n.ok()) return std::nullopt;
  for (const uint32_t length : saved_head_lengths_) {
    if (length > *n) break;
    const auto found = saved_by_head_.find(HashBytes({head, length}));
    if (found == saved_by_head_.end()) continue;
    for (const uint64_t id : found->second) {
      const auto saved = saved_.find(id);
      if (saved == saved_.end() || saved->second.head.length != length) continue;
      const FilePosition& committed = saved->second.committed;
      const bool same_log = committed.chain == chain && path != chain;
      const bool timed = committed.format == LogFormat::kCri || committed.format == LogFormat::kDocker;
      // A rotated file of a log of which a generation is missing is hardly another one, however short.
      if (!same_log && length < (timed ? kMinTimedHead : kHeadBytes)) continue;
      if (OriginalThere(saved->second)) {
        *original_there |= same_log;
        continue;
      }
      if (!log->compressed() && stat.size < saved->second.offset) continue;
      if (IsTrue(TailMatches(*log, saved->second.offset, saved->second.tail, path))) return id;
    }
  }
  return std::nullopt;
}

// A saved file that had this inode, if it still holds what was read of it. An inode may be another file's by
// now; where no time of birth tells, what nothing was read of counts for the same log only.
std::optional<uint64_t> Tailer::FindSavedInode(LogFile* log, const FileStat& stat, const std::string& path,
                                               std::string_view chain) const {
  const auto found = saved_by_inode_.find(stat.key);
  if (found == saved_by_inode_.end()) return std::nullopt;
  for (const uint64_t id : found->second) {
    const auto it = saved_.find(id);
    if (it == saved_.end()) continue;
    const Saved& saved = it->second;
    if (saved.committed.key.Recycled(stat.key)) continue;
    if (saved.head.length == 0 && saved.committed.chain != chain) continue;
    if (HoldsWhatWasRead(saved, log, stat, path)) return id;
  }
  return std::nullopt;
}

std::optional<Tailer::Saved> Tailer::TakeSaved(LogFile* log, const FileStat& stat, const std::string& path,
                                               std::string_view chain) {
  std::optional<uint64_t> id = FindSavedInode(log, stat, path, chain);
  // A restored, moved or compressed copy; only if the original is not there.
  bool original_there = false;
  if (!id) id = FindSavedText(log, stat, path, chain, &original_there);
  if (!id) return std::nullopt;
  Saved saved = std::move(saved_.at(*id));
  saved_.erase(*id);
  return saved;
}

bool Tailer::HoldsWhatWasRead(const Saved& saved, LogFile* log, const FileStat& stat,
                              const std::string& path) {
  if (!IsTrue(HeadMatches(*log, saved.head, path))) return false;
  if (log->compressed() && saved.committed.complete) return true;
  if (!log->compressed() && stat.size < saved.offset) return false;
  return IsTrue(TailMatches(*log, saved.offset, saved.tail, path));
}

// Whether a saved file still stands under its name with the content that was read.
bool Tailer::OriginalThere(const Saved& saved) const {
  const std::string& path = saved.committed.path;
  absl::StatusOr<LogFile> log = LogFile::Open(path);
  if (!log.ok()) return false;
  const absl::StatusOr<FileStat> stat = StatDescriptor(log->descriptor(), path);
  if (!stat.ok() || stat->key != saved.committed.key || saved.committed.key.Recycled(stat->key)) return false;
  return HoldsWhatWasRead(saved, &*log, *stat, path);
}

// The rotated files of a log that are not known, beside it and beside what its link leads to; those that are
// not compressed first.
std::vector<Tailer::Candidate> Tailer::RotatedSiblings(const Chain& chain) const {
  std::vector<Candidate> siblings;
  std::vector<std::string> bases = {chain.key()};
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(chain.key(), error);
  if (!error && real.string() != chain.key()) bases.push_back(real.string());
  for (const std::string& base_path : bases) {
    const size_t slash = base_path.rfind('/');
    const std::string directory = base_path.substr(0, slash);
    const std::string_view base = std::string_view(base_path).substr(slash + 1);
    const std::vector<std::string> names = ListDirectory(directory).value_or(std::vector<std::string>());
    for (const std::string& name : names) {
      if (!name.starts_with(base) || name == base || IsPassedOver(name)) continue;
      const std::string_view suffix = WithoutCompression(name).substr(std::min(base.size(), name.size()));
      if (!suffix.empty() && !IsRotationSuffix(suffix)) continue;
      Candidate sibling;
      sibling.path = directory + "/" + name;
      sibling.chain = chain.key();
      sibling.rotated = true;
      const absl::StatusOr<FileStat> stat = StatPath(sibling.path);
      if (!stat.ok() || !stat->regular || stat->size == 0 || HasInode(stat->key)) continue;
      sibling.stat = *stat;
      siblings.push_back(std::move(sibling));
    }
  }
  std::stable_sort(siblings.begin(), siblings.end(), [](const Candidate& a, const Candidate& b) {
    return IsCompressedName(a.path) < IsCompressedName(b.path);
  });
  return siblings;
}

// The file's own bytes are gone or will be: where a rotated file has the same text, it takes their place. A
// file that is read to its end is remembered by it, so that it is not read again.
bool Tailer::MoveToCopy(TailedFile* file) {
  if (file->head.length == 0) return false;
  const uint64_t offset = file->reader.offset();
  if (offset == 0 && file->head.length < kMinTimedHead) return false;
  for (const Candidate& copy : RotatedSiblings(*file->chain)) {
    absl::StatusOr<LogFile> log = LogFile::Open(copy.path);
    if (!log.ok() || !IsTrue(HeadMatches(*log, file->head, copy.path))) continue;
    const std::optional<uint64_t> size = log->TextSize(copy.stat.size, copy.path);
    const bool surely_read = file->finished && log->compressed() && file->head.length >= kMinTimedHead &&
                             (SameSize(size, offset) || SameSize(size, file->reader.scanned()));
    if (!surely_read && !IsTrue(TailMatches(*log, offset, file->reader.tail_hash(), copy.path))) continue;
    Unlist(file);
    if (const auto old = by_inode_.find(file->key); old != by_inode_.end() && old->second == file)
      by_inode_.erase(old);
    file->key = copy.stat.key;
    file->path = copy.path;
    file->size = std::max(size.value_or(log->compressed() ? file->size : copy.stat.size), offset);
    file->disk_size = copy.stat.size;
    file->disk_bytes = copy.stat.disk_bytes;
    file->modified_ns = copy.stat.modified_ns;
    file->unlinked_ns = 0;
    file->rotated = true;
    List(file);
    ignored_.erase(copy.path);
    const auto known = journal_->state().files.find(file->file_id);
    if (known != journal_->state().files.end()) {
      FilePosition moved = known->second;
      moved.key = file->key;
      moved.path = file->path;
      moved.complete = file->finished && log->compressed();
      journal_->PutFile(std::move(moved));
    }
    if (!file->finished) {
      file->log = std::move(*log);
      file->at_end = false;
      MarkReady(file);
    }
    return true;
  }
  return false;
}

// A copy that was made before the last of what was read came to the original: it holds nothing new.
void Tailer::RememberShortCopy(const TailedFile& truncated) {
  const uint64_t end = truncated.reader.offset();
  const std::string_view tail = truncated.reader.tail();
  const uint64_t begin = end - tail.size();
  for (const Candidate& copy : RotatedSiblings(*truncated.chain)) {
    const uint64_t size = copy.stat.size;
    if (copy.stat.modified_ns < known_since_ns_ || size >= end || size <= begin) continue;
    absl::StatusOr<LogFile> log = LogFile::Open(copy.path);
    if (!log.ok() || log->compressed()) continue;
    if (truncated.head.length <= size && !IsTrue(HeadMatches(*log, truncated.head, copy.path))) continue;
    std::string last(size - begin, '\0');
    const absl::StatusOr<size_t> n = log->ReadAt(last.data(), last.size(), begin, copy.path);
    if (!n.ok() || *n != last.size() || !tail.starts_with(last)) continue;
    const absl::StatusOr<HeadHash> head = ReadHead(*log, copy.path);
    if (!head.ok()) continue;
    auto file = std::make_unique<TailedFile>();
    file->file_id = journal_->NewFileId();
    file->key = copy.stat.key;
    file->path = copy.path;
    file->head = *head;
    file->size = file->disk_size = file->committed = size;
    file->modified_ns = copy.stat.modified_ns;
    file->reader.Restore(size);
    file->rotated = file->finished = true;
    file->ready = false;
    journal_->PutFile(PositionOf(*AddFile(truncated.chain, std::move(file))));
    return;
  }
}

// Noted before anything is read: if it is rotated while the agent is down, it is still known as ours.
void Tailer::NoteNew(TailedFile* file) {
  if (const absl::StatusOr<HeadHash> head = ReadHead(file->log, file->path); head.ok()) file->head = *head;
  journal_->PutFile(PositionOf(*file));
}

// A file that was found while it was short is known by its head once it has one, read or not.
void Tailer::NoteHead(TailedFile* file) {
  const auto known = journal_->state().files.find(file->file_id);
  if (known == journal_->state().files.end() || known->second.head.length >= kMinTimedHead ||
      file->size <= known->second.head.length || !file->log.valid())
    return;
  const absl::StatusOr<HeadHash> head = ReadHead(file->log, file->path);
  if (!head.ok() || head->length <= known->second.head.length) return;
  // Bytes that were truncated under us are not this file's.
  if (!IsTrue(HeadMatches(file->log, known->second.head, file->path))) return;
  FilePosition position = known->second;
  position.head = *head;
  journal_->PutFile(std::move(position));
}

}  // namespace skald::agent
