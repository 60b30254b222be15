#include "agent/tail/tailer.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {

void Tailer::HandleEvents() {
  const int64_t now = clock_.NowNs();
  tree_.ReadEvents();
  if (tree_.has_dirty()) tree_.ScanDirty();
  if (MetadataVersion() != metadata_version_) RefreshLabels();
  // A file that is not open yet must be new at the next start too.
  if (tree_.hears_all() && !unopened_) journal_->NoteScanned(now);
}

void Tailer::OnModified(const std::string& path) {
  const auto file = by_path_.find(path);
  if (file != by_path_.end() && !file->second->ready) MarkReady(file->second);
}

void Tailer::MarkReady(TailedFile* file) {
  if (file->gone || file->finished) return;
  file->ready = true;
  if (queued_.insert(file->chain).second) ready_.push_back(file->chain);
}

uint64_t Tailer::ReadSome(uint64_t max_bytes) {
  uint64_t done = 0;
  size_t paused = 0;
  while (done < max_bytes && paused < ready_.size() && !batch_->full()) {
    if (rules_.paused_until_ns() != 0 && MonotonicNs() < rules_.paused_until_ns()) break;
    Chain* const chain = ready_.front();
    ready_.pop_front();
    if (chain->labels_due_ns() == INT64_MAX) {
      queued_.erase(chain);  // comes again with its labels
      continue;
    }
    if (const int64_t until = chain->paused_until_ns(); until != 0 && MonotonicNs() < until) {
      ready_.push_back(chain);
      ++paused;
      continue;
    }
    // The oldest generation with something to read goes first.
    TailedFile* next = nullptr;
    for (const auto& file : chain->files()) {
      if (file->ready) {
        next = file.get();
        break;
      }
    }
    if (next == nullptr) {
      queued_.erase(chain);
      continue;
    }
    done += ReadBlock(next, false);
    ready_.push_back(chain);
  }
  return done;
}

uint64_t Tailer::ReadBlock(TailedFile* file, bool take_rest) {
  Chain* const chain = file->chain;
  if (!file->log.valid()) {
    const absl::Status reopened = Reopen(file);
    if (!reopened.ok()) {
      file->ready = false;
      file->last_error = MessageOf(reopened);
      return 0;
    }
  }
  const uint64_t before = file->reader.offset();
  const uint64_t scanned = file->reader.scanned();
  const size_t long_before = file->reader.memory_bytes();
  const size_t pending_before = chain->pending_bytes();
  const absl::StatusOr<LineReader::Result> result = file->reader.Read(
      file->log, UINT64_MAX, chain->max_raw_line(), take_rest, chain->encoding(), &block_, file->path);
  if (!result.ok()) {
    if (file->last_error.empty())
      LogWarn("log file cannot be read", "err=\"{}\"", MessageOf(result.status()));
    file->last_error = MessageOf(result.status());
    file->ready = false;
    return 0;
  }
  if (*result == LineReader::Result::kChanged) {
    Truncated(file);
    return 0;
  }
  file->last_error.clear();
  file->at_end = *result == LineReader::Result::kEnd;
  file->ready = !file->at_end;
  const int64_t now = MonotonicNs();
  if (file->reader.scanned() > scanned) {
    file->grown_ns = now;
    if (file->behind_ns == 0) file->behind_ns = now;
  }
  file->size = std::max(file->size, file->reader.scanned());
  if (file->at_end) file->log.Idle();
  const uint64_t read = file->reader.scanned() - std::min(scanned, file->reader.scanned());
  read_bytes_ += read;
  parse_.replaced_characters += block_.replaced_characters;
  if (!block_.lines.empty()) {
    chain->DetectFormatFrom(block_.lines.front().text);
    const int64_t wall = clock_.NowNs();
    for (const RawLine& line : block_.lines) chain->Consume(*file, line, wall, batch_, &parse_);
    batch_->AddRange(chain, file->file_id, before, file->reader.offset());
    if (file->head.length < kHeadBytes && file->head.length < file->reader.offset()) {
      const absl::StatusOr<HeadHash> head = ReadHead(file->log, file->path);
      if (head.ok()) file->head = *head;
    }
  }
  memory_bytes_ += file->reader.memory_bytes() + chain->pending_bytes();
  memory_bytes_ -= std::min(memory_bytes_, long_before + pending_before);
  NoteHolding(chain);
  return std::max<uint64_t>(read, 1);
}

void Tailer::NoteHolding(Chain* chain) {
  const int64_t due = chain->held_due_ns();
  if (due == 0) return;
  holding_.insert(chain);
  if (held_due_ns_ == 0 || due < held_due_ns_) held_due_ns_ = due;
}

void Tailer::FlushDue() {
  const int64_t now = MonotonicNs();
  if (held_due_ns_ == 0 || now < held_due_ns_) return;
  held_due_ns_ = 0;
  const absl::flat_hash_set<Chain*> chains = std::exchange(holding_, {});
  for (Chain* chain : chains) {
    const size_t before = chain->pending_bytes();
    chain->FlushDue(now, batch_, &parse_);
    memory_bytes_ += chain->pending_bytes();
    memory_bytes_ -= std::min(memory_bytes_, before);
    NoteHolding(chain);
  }
}

void Tailer::FlushAll() {
  for (const auto& [key, chain] : chains_) {
    if (chain->HasPending()) chain->FlushPending(batch_);
  }
}

// The bytes before the position are not there any more: the file was truncated, and perhaps has grown again
// past it. Its descriptor goes to a new generation that is read from the start; the old one goes on in the
// copy that was made of it, or stays until its last batches are delivered.
void Tailer::Truncated(TailedFile* file) {
  Chain* const chain = file->chain;
  auto fresh = std::make_unique<TailedFile>();
  fresh->file_id = journal_->NewFileId();
  fresh->chain = chain;
  fresh->log = std::move(file->log);
  fresh->key = file->key;
  fresh->path = file->path;
  fresh->rotated = file->rotated;
  fresh->unlinked_ns = file->unlinked_ns;
  fresh->grown_ns = MonotonicNs();
  if (const absl::StatusOr<FileStat> stat = StatDescriptor(fresh->log.descriptor(), fresh->path); stat.ok()) {
    fresh->size = stat->size;
    fresh->modified_ns = stat->modified_ns;
  }
  memory_bytes_ -= std::min(memory_bytes_, file->reader.memory_bytes());
  Unlist(file);
  TailedFile* const added = fresh.get();
  auto& files = chain->files();
  const auto old =
      std::find_if(files.begin(), files.end(), [&](const auto& one) { return one.get() == file; });
  files.insert(old + 1, std::move(fresh));
  by_id_[added->file_id] = added;
  List(added);
  NoteNew(added);
  const uint64_t seen = file->size;
  const bool copied = MoveToCopy(file);
  const uint64_t there = copied ? file->size : file->reader.offset();
  const uint64_t lost = seen - std::min(seen, there);
  lost_.truncated_before_read += lost;
  LogInfo("log file was truncated", "path={} read={} goes_on_in={} lost_bytes={}", added->path,
          file->reader.offset(), copied ? file->path : "", lost);
  if (!copied) {
    file->gone = true;
    file->ready = false;
    file->size = file->reader.offset();
    RememberShortCopy(*file);
  }
  MarkReady(added);
}

// Plain files whose last line does not end: after a while it counts as one.
void Tailer::FlushUnfinished() {
  const int64_t now = MonotonicNs();
  std::vector<TailedFile*> due;
  for (const auto& [id, file] : by_id_) {
    if (file->gone || file->finished || file->ready || !file->at_end ||
        file->reader.scanned() == file->reader.offset())
      continue;
    const LogFormat format = file->chain->format();
    if (format == LogFormat::kCri || format == LogFormat::kDocker) continue;
    if (format == LogFormat::kAuto && FormatOfPath(file->chain->key()) != LogFormat::kPlain) continue;
    if (now - file->grown_ns >= options_.partial_flush_ns) due.push_back(file);
  }
  for (TailedFile* file : due) ReadBlock(file, true);
}

void Tailer::Commit(const Manifest& manifest) {
  for (const ManifestChain& chain : manifest.chains) {
    for (const ManifestRange& range : chain.ranges) {
      const auto found = by_id_.find(range.file_id);
      if (found == by_id_.end()) continue;
      TailedFile* const file = found->second;
      file->committed = std::max(file->committed, range.end);
      file->behind_ns = file->committed >= file->reader.scanned() ? 0 : MonotonicNs();
    }
  }
}

std::vector<std::unique_ptr<Batch>> Tailer::Recover() {
  RestorePending();
  std::vector<std::unique_ptr<Batch>> batches;
  BatchBuilder again(levels_);
  const std::deque<Manifest> manifests = journal_->state().in_flight;
  for (const Manifest& manifest : manifests) {
    uint64_t lost = 0;
    for (const ManifestChain& chain : manifest.chains) {
      for (const ManifestRange& range : chain.ranges) lost += ReadRangeAgain(range, &again);
      if (!chain.flushed_held.empty()) {
        const auto held = chains_.find(chain.chain);
        if (held != chains_.end()) held->second->FlushHashes(chain.flushed_held, &again);
      }
      if (!chain.flush_pending) continue;
      const auto found = chains_.find(chain.chain);
      if (found != chains_.end()) found->second->FlushPending(&again);
    }
    std::unique_ptr<Batch> batch = again.Seal();
    batch->manifest = manifest;
    batch->lost_bytes = lost;
    batch->resent = true;
    batch->opened_ns = MonotonicNs();
    batches.push_back(std::move(batch));
  }
  for (const auto& [key, chain] : chains_) NoteHolding(chain.get());
  return batches;
}

// Reads the kept pieces of unfinished messages again, as they were at the delivered offsets.
void Tailer::RestorePending() {
  for (const auto& [key, pending] : journal_->state().pending) {
    const auto found = chains_.find(key);
    if (found == chains_.end()) continue;
    Chain* const chain = found->second.get();
    for (const bool held : {true, false}) {
      RestorePending(chain, pending, held);
      if (held) chain->ForgetPieces();
    }
    memory_bytes_ += chain->pending_bytes();
  }
}

void Tailer::RestorePending(Chain* chain, const std::vector<PendingMessage>& pending, bool held) {
  const int64_t wall = clock_.NowNs();
  for (const PendingMessage& message : pending) {
    if (message.held != held) continue;
    for (const Span& span : message.spans) {
      TailedFile* const file = chain->Find(span.file_id);
      if (file == nullptr || !file->log.valid()) {
        lost_.rotated_away += span.end - span.begin;
        continue;
      }
      LineReader reader;
      if (!reader.Seek(file->log, span.begin, file->path).ok()) continue;
      while (reader.offset() < span.end) {
        const auto result = reader.Read(file->log, span.end, chain->max_raw_line(), false, chain->encoding(),
                                        &block_, file->path);
        if (!result.ok() || *result == LineReader::Result::kChanged) break;
        if (!block_.lines.empty()) chain->DetectFormatFrom(block_.lines.front().text);
        for (const RawLine& line : block_.lines) {
          if (held) {
            chain->RebuildHeld(*file, line, wall);
          } else {
            chain->Rebuild(*file, line, message.output);
          }
        }
        if (*result == LineReader::Result::kEnd) break;
      }
    }
  }
}

// Returns the bytes that could not be read.
uint64_t Tailer::ReadRangeAgain(const ManifestRange& range, BatchBuilder* batch) {
  const auto found = by_id_.find(range.file_id);
  if (found == by_id_.end() || !found->second->log.valid()) return range.end - range.begin;
  TailedFile* const file = found->second;
  Chain* const chain = file->chain;
  LineReader reader;
  if (!reader.Seek(file->log, range.begin, file->path).ok()) return range.end - range.begin;
  const int64_t wall = clock_.NowNs();
  while (reader.offset() < range.end) {
    const auto result = reader.Read(file->log, range.end, chain->max_raw_line(), true, chain->encoding(),
                                    &block_, file->path);
    if (!result.ok() || *result == LineReader::Result::kChanged) break;
    if (!block_.lines.empty()) chain->DetectFormatFrom(block_.lines.front().text);
    for (const RawLine& line : block_.lines) chain->Consume(*file, line, wall, batch, nullptr);
    if (*result == LineReader::Result::kEnd) break;
  }
  return range.end - std::min(range.end, reader.offset());
}

Tailer::Stats Tailer::GetStats() const {
  Stats stats;
  const int64_t now = MonotonicNs();
  for (const auto& [id, file] : by_id_) {
    if (file->log.valid()) ++stats.open_files;
    if (!file->gone && !file->finished) ++stats.files;
    if (file->unlinked_ns != 0 && file->log.valid()) stats.held_deleted_bytes += file->disk_bytes;
    const uint64_t end = std::max(file->size, file->reader.scanned());
    if (end > file->committed) stats.lag_bytes += end - file->committed;
    if (file->behind_ns != 0) stats.lag_ns = std::max(stats.lag_ns, now - file->behind_ns);
  }
  for (const auto& [key, chain] : chains_) stats.pending_bytes += chain->pending_bytes();
  stats.read_bytes = read_bytes_;
  stats.directories = tree_.directories();
  stats.inotify_overflows = tree_.overflows();
  stats.failed_watches = tree_.failed_watches();
  stats.lost = lost_;
  stats.parse = parse_;
  stats.guarded_labels = rules_.guarded();
  return stats;
}

void Tailer::TargetsJson(size_t limit, JsonWriter* json) const {
  std::vector<const TailedFile*> files;
  for (const auto& [id, file] : by_id_) files.push_back(file);
  const auto lag = [](const TailedFile* file) {
    return std::max(file->size, file->reader.scanned()) - file->committed;
  };
  std::sort(files.begin(), files.end(), [&](const TailedFile* a, const TailedFile* b) {
    return std::pair(lag(b), a->file_id) < std::pair(lag(a), b->file_id);
  });
  if (files.size() > limit) files.resize(limit);
  json->BeginArray();
  for (const TailedFile* file : files) {
    json->BeginObject();
    json->Key("path").String(file->path).Key("log").String(file->chain->key());
    json->Key("labels").String(file->chain->labels().ToString());
    json->Key("format").String(LogFormatName(file->chain->format()));
    json->Key("device")
        .UInt(file->key.device)
        .Key("inode")
        .UInt(file->key.inode)
        .Key("file_id")
        .UInt(file->file_id);
    json->Key("size")
        .UInt(file->size)
        .Key("read")
        .UInt(file->reader.offset())
        .Key("acknowledged")
        .UInt(file->committed);
    json->Key("lag_seconds")
        .Double(file->behind_ns == 0 ? 0 : static_cast<double>(MonotonicNs() - file->behind_ns) / 1e9);
    json->Key("lag_bytes").UInt(lag(file)).Key("generations").UInt(file->chain->files().size());
    const char* const state = file->gone               ? "truncated"
                              : file->finished         ? "finished"
                              : file->unlinked_ns != 0 ? "deleted"
                              : file->rotated          ? "rotated"
                                                       : "live";
    json->Key("state").String(state).Key("error").String(file->last_error).EndObject();
  }
  json->EndArray();
}

}  // namespace skald::agent
