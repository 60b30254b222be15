// The tailer's timed work: the safety net under the events, and letting go of files.
#include <algorithm>
#include <utility>

#include "agent/tail/tailer.h"
#include "base/error.h"
#include "base/log.h"

namespace skald::agent {
namespace {

// A deleted file without a successor may still be written to by its holder.
constexpr int64_t kDeletedQuietNs = 300 * kNsPerSecond;
// Saved files that were not found for so long after the start are forgotten.
constexpr int64_t kForgetNs = 3600 * kNsPerSecond;
constexpr int64_t kIdleCloseNs = 60 * kNsPerSecond;

std::string DirectoryOf(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }

}  // namespace

// The safety net under the events: whoever has grown is read.
void Tailer::CheckGrowth() {
  for (const auto& [id, file] : by_id_) {
    if (file->gone || file->finished) continue;
    const absl::StatusOr<FileStat> stat =
        file->log.valid() ? StatDescriptor(file->log.descriptor(), file->path) : StatPath(file->path);
    if (!stat.ok() || stat->key != file->key) continue;
    const bool grown = NoteGrowth(file, *stat);
    if (file->ready) continue;
    if (stat->links == 0 && file->unlinked_ns == 0) file->unlinked_ns = MonotonicNs();
    if (grown || stat->modified_ns != file->modified_ns) {
      file->modified_ns = stat->modified_ns;
      MarkReady(file);
    }
  }
}

// What the file shows of itself by now. Whether its size is another one.
bool Tailer::NoteGrowth(TailedFile* file, const FileStat& stat) {
  file->disk_bytes = stat.disk_bytes;
  const bool grown = !file->log.compressed() && stat.size != file->size;
  if (grown && stat.size > file->size && file->log.valid()) {
    // Only of the file that was read: it may have been truncated and have grown again meanwhile.
    const absl::StatusOr<bool> same =
        TailMatches(file->log, file->reader.offset(), file->reader.tail_hash(), file->path);
    if (same.ok() && *same) file->size = stat.size;
  }
  NoteHead(file);
  return grown;
}

bool Tailer::PinnedByState(const Chain& chain, uint64_t file_id) const {
  const auto pending = journal_->state().pending.find(chain.key());
  if (pending == journal_->state().pending.end()) return false;
  for (const PendingMessage& message : pending->second) {
    for (const Span& span : message.spans) {
      if (span.file_id == file_id) return true;
    }
  }
  return false;
}

// A rotated file is let go when it is read to its end, its successor is there (or can never come), it has
// been quiet, and the server has everything. True if it was removed.
bool Tailer::TryClose(TailedFile* file) {
  const int64_t now = MonotonicNs();
  Chain* const chain = file->chain;
  if (file->gone) {
    // Nothing of this log can be read any more: a message without its end goes as it is.
    const bool all_gone =
        std::all_of(chain->files().begin(), chain->files().end(), [](const auto& one) { return one->gone; });
    if (all_gone && chain->HasPending()) chain->FlushPending(batch_);
    if (!file->acked() || chain->Pins(file->file_id) || PinnedByState(*chain, file->file_id)) return false;
    RemoveFile(file, true);
    return true;
  }
  if (file->finished) {
    // Its name is gone. A compressed copy may be in its place, which the last listing may just have missed.
    if (now - file->unlinked_ns < options_.rotate_grace_ns) return false;
    RemoveFile(file, true);
    return true;
  }
  if (file->ready || !file->at_end || now - file->grown_ns < options_.rotate_grace_ns) return false;
  bool successor = false;
  bool behind = false;
  for (const auto& other : chain->files()) {
    if (behind) successor |= !other->gone;
    behind |= other.get() == file;
  }
  const bool directory_gone = !FileExists(DirectoryOf(chain->key()));
  const bool ended = directory_gone || file->log.compressed() ||
                     (file->unlinked_ns != 0 && now - file->grown_ns > kDeletedQuietNs);
  if (!successor && !ended) return false;
  const absl::StatusOr<FileStat> stat = StatDescriptor(file->log.descriptor(), file->path);
  if (!file->log.compressed() && stat.ok() && stat->size > file->reader.scanned()) {
    MarkReady(file);
    return false;
  }
  if (file->reader.scanned() > file->reader.offset() && !file->torn_counted) {
    if (chain->format() == LogFormat::kCri || chain->format() == LogFormat::kDocker) {
      parse_.torn_bytes += file->reader.scanned() - file->reader.offset();
      file->torn_counted = true;
    } else {
      ReadBlock(file, true);
      return false;
    }
  }
  if (!successor && chain->HasPending()) chain->FlushPending(batch_);
  if (!file->acked() || chain->Pins(file->file_id) || PinnedByState(*chain, file->file_id)) return false;
  file->finished = true;
  file->disk_size = stat.ok() ? stat->size : file->disk_size;
  file->modified_ns = stat.ok() ? stat->modified_ns : file->modified_ns;
  if (file->log.compressed()) {
    FilePosition read = PositionOf(*file);
    read.complete = true;
    journal_->PutFile(std::move(read));
    const uint64_t read_bytes = file->reader.scanned();
    if (file->log.torn()) {
      lost_.damaged_compressed += file->size > read_bytes ? file->size - read_bytes : 1;
      LogError("compressed log file is damaged or ends in the middle", "path={} read={}", file->path,
               read_bytes);
    }
    file->size = read_bytes;
  }
  file->log = LogFile();
  if (file->unlinked_ns != 0 || !FileExists(file->path)) NameGone(file);
  return false;
}

void Tailer::CheckRotated() {
  std::vector<TailedFile*> waiting;
  for (const auto& [id, file] : by_id_) {
    const bool rotated = file->rotated || file->log.compressed();
    if (file->gone || (file->finished ? file->unlinked_ns != 0 : rotated)) waiting.push_back(file);
  }
  for (TailedFile* file : waiting) TryClose(file);
}

// Deleted files cost disk space as long as they are held.
void Tailer::LimitHeldDeleted() {
  while (true) {
    uint64_t held = 0;
    TailedFile* oldest = nullptr;
    for (const auto& [id, file] : by_id_) {
      if (file->unlinked_ns == 0 || !file->log.valid()) continue;
      held += file->disk_bytes;
      if (oldest == nullptr || file->unlinked_ns < oldest->unlinked_ns) oldest = file;
    }
    if (oldest == nullptr) return;
    const bool too_old = MonotonicNs() - oldest->unlinked_ns > options_.max_held_deleted_ns;
    if (held <= options_.max_held_deleted_bytes && !too_old) return;
    if (MoveToCopy(oldest)) continue;
    const absl::StatusOr<FileStat> stat = StatDescriptor(oldest->log.descriptor(), oldest->path);
    const uint64_t size = stat.ok() ? stat->size : oldest->size;
    const uint64_t unread = size > oldest->reader.offset() ? size - oldest->reader.offset() : 0;
    lost_.held_deleted_limit += unread;
    if (unread > 0) {
      LogError("deleted file is let go unread, to free its disk space", "path={} lost_bytes={} reason={}",
               oldest->path, unread, too_old ? "max_held_deleted_age" : "max_held_deleted_bytes");
    }
    oldest->log = LogFile();
    oldest->gone = true;
    oldest->ready = false;
  }
}

void Tailer::LimitOpenFiles() {
  uint64_t open = 0;
  std::vector<TailedFile*> idle;
  const int64_t now = MonotonicNs();
  for (const auto& [id, file] : by_id_) {
    if (!file->log.valid()) continue;
    ++open;
    if (!file->rotated && !file->ready && file->at_end && file->acked() && file->reader.memory_bytes() == 0 &&
        (unopened_ || now - file->grown_ns > kIdleCloseNs)) {
      idle.push_back(file);
    }
  }
  // Where files wait for a descriptor, others that have nothing to read make room.
  const uint64_t limit = unopened_ ? std::min(open_limit_, open / 4 * 3) : open_limit_;
  if (open <= limit) return;
  std::sort(idle.begin(), idle.end(),
            [](const TailedFile* a, const TailedFile* b) { return a->grown_ns < b->grown_ns; });
  for (size_t i = 0; i < idle.size() && open > limit * 9 / 10; ++i, --open) idle[i]->log = LogFile();
}

void Tailer::DropEmptyChains() {
  if (batch_->has_origins()) return;  // the batch refers to its chains until it is sealed
  absl::erase_if(chains_, [&](const auto& one) {
    return one.second->files().empty() && !queued_.contains(one.second.get()) &&
           !holding_.contains(one.second.get());
  });
}

void Tailer::Maintain() {
  const int64_t now = MonotonicNs();
  if (now >= rescan_at_ns_) {
    const int64_t wall = clock_.NowNs();
    thorough_ = true;
    if (std::exchange(unopened_, false)) {
      tree_.ScanAll();
    } else {
      tree_.ScanAgain();
    }
    thorough_ = false;
    if (!unopened_) journal_->NoteScanned(wall);
    CheckGrowth();
    LimitOpenFiles();
    // Never more than half a percent of the time for it.
    const int64_t took = MonotonicNs() - now;
    rescan_at_ns_ = now + std::max(options_.rescan_ns, 200 * took);
    if (!saved_.empty() && now - released_ns_ > kForgetNs) {
      for (const auto& [id, saved] : saved_) journal_->ForgetFile(id);
      saved_.clear();
    }
  }
  if (now < check_at_ns_) return;
  check_at_ns_ =
      now + std::min<int64_t>(kNsPerSecond, std::max<int64_t>(options_.rotate_grace_ns / 4, 10 * kNsPerMs));
  FlushUnfinished();
  CheckRotated();
  ReleaseUnwanted();
  LimitHeldDeleted();
  DropEmptyChains();
  memory_bytes_ = 0;
  for (const auto& [id, file] : by_id_) memory_bytes_ += file->reader.memory_bytes();
  for (const auto& [key, chain] : chains_) memory_bytes_ += chain->pending_bytes();
}

}  // namespace skald::agent
