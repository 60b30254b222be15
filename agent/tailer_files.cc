// The tailer's book of files: which name is which file.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>

#include "agent/tailer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

// A head of that many bytes of records with times is no other file's.
constexpr uint32_t kMinTimedHead = 64;
constexpr uint64_t kReservedDescriptors = 128;
// Clocks of file systems run behind by up to a tick.
constexpr int64_t kClockSlackNs = 20 * kNsPerMs;

std::string DirectoryOf(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }
std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool IsCompressedOrTemporary(std::string_view name) {
  for (const std::string_view end : {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".tmp", ".swp"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

// .1, -20250101, .20250101-101010, .2025-01-01T10:10:10, .old
bool IsRotationSuffix(std::string_view suffix) {
  if (suffix == ".old") return true;
  if (suffix.size() < 2 || (suffix[0] != '.' && suffix[0] != '-' && suffix[0] != '_')) return false;
  if (suffix[1] < '0' || suffix[1] > '9') return false;
  return suffix.find_first_not_of("0123456789-:._T+Z", 1) == std::string_view::npos;
}

// Whether a rotated file was the log before another one was. File systems keep times of change to some
// milliseconds only; where they are the same, names decide: dates ascend, the short numbers of a rename chain
// descend.
bool IsOlder(int64_t a_ns, std::string_view a_path, int64_t b_ns, std::string_view b_path) {
  if (a_ns != b_ns) return a_ns < b_ns;
  const auto number = [](std::string_view path) {
    const std::string_view end = path.substr(path.rfind('.') + 1);
    if (end.size() > 3 || end.find_first_not_of("0123456789") != std::string_view::npos) return -1;
    return std::atoi(std::string(end).c_str());
  };
  const int a = number(a_path);
  const int b = number(b_path);
  if (a >= 0 && b >= 0) return a > b;
  return a_path < b_path;
}

absl::StatusOr<FileDescriptor> OpenLog(const std::string& path) {
  return OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

}  // namespace

Tailer::Tailer(TailerOptions options, StateJournal* journal, BatchBuilder* batch, const LevelDetector* levels,
               const Clock& clock)
    : options_(std::move(options)),
      journal_(journal),
      batch_(batch),
      levels_(levels),
      clock_(clock),
      tree_(&options_.targets, options_.use_inotify, this) {
  open_limit_ = options_.max_open_files;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
    // Connections, state and page need some too.
    descriptor_limit_ = files.rlim_cur > 2 * kReservedDescriptors ? files.rlim_cur - kReservedDescriptors
                                                                  : files.rlim_cur / 2;
    if (open_limit_ == 0 || open_limit_ > descriptor_limit_) open_limit_ = descriptor_limit_;
  }
}

Tailer::~Tailer() = default;

void Tailer::Start() {
  const AgentState& state = journal_->state();
  had_state_ = journal_->loaded().had_state;
  for (const auto& [id, file] : state.files) saved_[id] = {file, file.offset, file.head, file.tail, false};
  for (const Manifest& manifest : state.in_flight) {
    for (const ManifestChain& chain : manifest.chains) {
      for (const ManifestRange& range : chain.ranges) {
        const auto saved = saved_.find(range.file_id);
        if (saved == saved_.end()) continue;
        saved->second.in_flight = true;
        if (range.end < saved->second.offset) continue;
        saved->second.offset = range.end;
        saved->second.head = range.head;
        saved->second.tail = range.tail;
      }
    }
  }
  for (const auto& [id, saved] : saved_) {
    saved_by_inode_[saved.committed.key].push_back(id);
    if (saved.head.length < kMinTimedHead) continue;
    saved_by_head_[saved.head.hash].push_back(id);
    saved_head_lengths_.insert(saved.head.length);
  }
  started_ns_ = MonotonicNs();
  known_since_ns_ = (had_state_ ? journal_->loaded().alive_ns : clock_.NowNs()) - kClockSlackNs;
  const int64_t now = clock_.NowNs();
  tree_.ScanAll();
  FindSavedElsewhere();
  journal_->NoteScanned(now);
  first_scan_ = false;
  rescan_at_ns_ = MonotonicNs() + options_.rescan_ns;
}

// Known files that are under no name a target asks for: moved within their directory, rotated behind a link,
// or the configuration has changed. Only what is recognised is taken.
void Tailer::FindSavedElsewhere() {
  absl::flat_hash_map<std::string, absl::flat_hash_map<InodeKey, std::string>> listed;
  const auto files_of = [&](const std::string& directory) -> const auto& {
    const auto [found, is_new] = listed.try_emplace(directory);
    if (!is_new) return found->second;
    const std::vector<std::string> names = ListDirectory(directory).value_or(std::vector<std::string>());
    for (const std::string& name : names) {
      const std::string path = directory + "/" + name;
      const absl::StatusOr<FileStat> stat = StatPath(path);
      if (stat.ok() && stat->regular) found->second.try_emplace(stat->key, path);
    }
    return found->second;
  };
  std::vector<FilePosition> missing;
  for (const auto& [id, saved] : saved_) missing.push_back(saved.committed);
  for (const FilePosition& position : missing) {
    std::vector<std::string> directories = {DirectoryOf(position.path)};
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(position.chain, error);
    if (!error && real.string() != position.chain) directories.push_back(real.parent_path().string());
    for (const std::string& directory : directories) {
      const auto& files = files_of(directory);
      const auto file = files.find(position.key);
      if (file == files.end() || by_inode_.contains(position.key)) continue;
      Candidate candidate;
      candidate.path = file->second;
      candidate.chain = position.chain;
      candidate.rotated = candidate.path != position.chain;
      candidate.target = tree_.TargetOf(position.chain);
      candidate.only_saved = true;
      OpenCandidate(candidate);
      break;
    }
  }
}

// What a link leads to is rotated beside the real file. Generations that came and went since the last look
// are found there.
void Tailer::AddRotatedBehindLink(const Candidate& link, const std::filesystem::path& real,
                                  std::vector<Candidate>* candidates) {
  const std::string directory = real.parent_path().string();
  const std::string base = real.filename().string();
  const std::vector<std::string> names = ListDirectory(directory).value_or(std::vector<std::string>());
  for (const std::string& name : names) {
    if (!name.starts_with(base) || IsCompressedOrTemporary(name) ||
        !IsRotationSuffix(name.substr(base.size())))
      continue;
    Candidate candidate;
    candidate.path = directory + "/" + name;
    candidate.chain = link.chain;
    candidate.rotated = true;
    candidate.target = link.target;
    const absl::StatusOr<FileStat> stat = StatPath(candidate.path);
    if (!stat.ok() || !stat->regular || by_inode_.contains(stat->key)) continue;
    candidate.stat = *stat;
    if (WantsRotated(candidate)) candidates->push_back(std::move(candidate));
  }
}

void Tailer::OnListing(const std::string& directory, const std::vector<DirectoryEntry>& entries) {
  std::vector<Candidate> candidates;
  absl::flat_hash_set<const TailedFile*> seen;
  for (const DirectoryEntry& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    const auto by_path = by_path_.find(path);
    if (by_path != by_path_.end() && !entry.link && by_path->second->key.inode == entry.inode &&
        (!by_path->second->finished || !thorough_) && by_path->second->path == path) {
      seen.insert(by_path->second);
      continue;
    }
    const std::optional<std::string> rotated_from = RotatedFrom(directory, entry.name);
    if (entry.target < 0 && !rotated_from) {
      // Still of interest if it is a known file's new name; the inode tells without a look at the file.
      const auto known = by_directory_.find(directory);
      if (known == by_directory_.end()) continue;
      const bool maybe = std::any_of(known->second.begin(), known->second.end(),
                                     [&](const TailedFile* file) { return file->key.inode == entry.inode; });
      if (!maybe) continue;
    }
    const absl::StatusOr<FileStat> stat = StatPath(path);
    if (!stat.ok() || !stat->regular) continue;
    const auto by_inode = by_inode_.find(stat->key);
    if (by_inode != by_inode_.end() &&
        (!by_inode->second->finished || StillFinished(by_inode->second, *stat, path))) {
      TailedFile* const file = by_inode->second;
      if (file->finished && stat->size > file->reader.offset()) {
        file->finished = false;  // it was let go too early: somebody still writes to it
        file->at_end = false;
        MarkReady(file);
      }
      // A second name for a file (a hard link, a link under another pattern) changes nothing.
      if (file->path != path && (DirectoryOf(file->path) != directory || FileExists(file->path))) {
        const absl::StatusOr<FileStat> old = StatPath(file->path);
        if (old.ok() && old->key == file->key) {
          seen.insert(file);
          continue;
        }
      }
      if (file->path != path) SetPath(file, path);
      seen.insert(file);
      continue;
    }
    if (by_inode != by_inode_.end()) RemoveFile(by_inode->second, true);  // its inode is another file's now
    if (entry.target < 0 && !rotated_from) continue;
    Candidate candidate;
    candidate.path = path;
    candidate.chain = rotated_from ? *rotated_from : path;
    candidate.rotated = rotated_from.has_value();
    candidate.stat = *stat;
    candidate.target = candidate.rotated ? tree_.TargetOf(candidate.chain) : entry.target;
    if (candidate.rotated && candidate.target < 0) candidate.target = entry.target;
    if (candidate.rotated && entry.target < 0 && !WantsRotated(candidate)) continue;
    if (candidate.rotated && entry.target >= 0) {
      const auto chain = chains_.find(candidate.chain);
      if (chain != chains_.end() && IsCopyOfKnown(*chain->second, candidate)) continue;
    }
    if (entry.link) {
      std::error_code error;
      const std::filesystem::path real = std::filesystem::canonical(path, error);
      if (!error) {
        tree_.FollowLink(real.parent_path().string(), directory);
        if (!candidate.rotated) AddRotatedBehindLink(candidate, real, &candidates);
      }
    }
    candidates.push_back(std::move(candidate));
  }
  // Names that are gone from here: renamed to elsewhere or deleted.
  if (const auto known = by_directory_.find(directory); known != by_directory_.end()) {
    std::vector<TailedFile*> gone;
    for (TailedFile* file : known->second) {
      if (!seen.contains(file)) gone.push_back(file);
    }
    for (TailedFile* file : gone) NameGone(file);
  }
  // Older generations first, so that each chain gets them in order.
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.rotated != b.rotated) return a.rotated;
    return IsOlder(a.stat.modified_ns, a.path, b.stat.modified_ns, b.path);
  });
  for (const Candidate& candidate : candidates) OpenCandidate(candidate);
  if (!ignored_.empty()) {
    absl::flat_hash_set<std::string_view> names;
    for (const DirectoryEntry& entry : entries) names.insert({entry.name.data(), entry.name.size()});
    absl::erase_if(ignored_, [&](const auto& one) {
      const std::string_view path = one.first;
      return path.size() > directory.size() && path.substr(0, directory.size()) == directory &&
             path.find('/', directory.size() + 1) == std::string_view::npos && !names.contains(NameOf(path));
    });
  }
}

std::optional<std::string> Tailer::RotatedFrom(const std::string& directory, std::string_view name) const {
  if (IsCompressedOrTemporary(name)) return std::nullopt;
  for (size_t cut = 1; cut + 1 < name.size(); ++cut) {
    if (!IsRotationSuffix(name.substr(cut))) continue;
    std::string base = directory + "/" + std::string(name.substr(0, cut));
    if (chains_.contains(base) || tree_.TargetOf(base) >= 0) return base;
  }
  return std::nullopt;
}

// A rotated name that no target asks for is read only if it was the log's live file at a time when we could
// have read it.
bool Tailer::WantsRotated(const Candidate& candidate) {
  const auto ignored = ignored_.find(candidate.path);
  if (ignored != ignored_.end() && ignored->second == candidate.stat.key) return false;
  if (const auto found = saved_by_inode_.find(candidate.stat.key); found != saved_by_inode_.end()) {
    if (std::any_of(found->second.begin(), found->second.end(),
                    [&](uint64_t id) { return saved_.contains(id); }))
      return true;
  }
  if (candidate.stat.modified_ns < known_since_ns_) {
    ignored_[candidate.path] = candidate.stat.key;
    return false;
  }
  const auto chain = chains_.find(candidate.chain);
  if (chain != chains_.end() && IsCopyOfKnown(*chain->second, candidate)) {
    if (candidate.stat.size >= kHeadBytes) ignored_[candidate.path] = candidate.stat.key;
    return false;
  }
  // A copy of a file that is known from before the restart and not looked at yet.
  if (saved_.empty()) return true;
  const absl::StatusOr<FileDescriptor> fd = OpenLog(candidate.path);
  if (!fd.ok()) return false;
  char head[kHeadBytes];
  const absl::StatusOr<size_t> n = ReadAt(fd->get(), head, kHeadBytes, 0, candidate.path);
  for (const uint32_t length : saved_head_lengths_) {
    if (!n.ok() || length > *n) break;
    const auto found = saved_by_head_.find(HashBytes({head, length}));
    if (found == saved_by_head_.end()) continue;
    for (const uint64_t id : found->second) {
      const auto saved = saved_.find(id);
      if (saved == saved_.end() || saved->second.head.length != length ||
          saved->second.committed.chain != candidate.chain)
        continue;
      if (!OriginalThere(saved->second)) continue;
      ignored_[candidate.path] = candidate.stat.key;
      return false;
    }
  }
  return true;
}

// copytruncate's copy begins as the file it was made of, also while it is still being written.
bool Tailer::IsCopyOfKnown(const Chain& chain, const Candidate& candidate) const {
  if (candidate.stat.size == 0) return true;  // nothing to read yet; looked at again when it is listed again
  const absl::StatusOr<FileDescriptor> fd = OpenLog(candidate.path);
  if (!fd.ok()) return false;
  const absl::StatusOr<HeadHash> head = ReadHead(fd->get(), candidate.path);
  if (!head.ok()) return false;
  for (const auto& file : chain.files()) {
    if (file->key == candidate.stat.key) continue;
    if (file->head.length > 0 && file->head.length <= head->length) {
      const absl::StatusOr<bool> same = HeadMatches(fd->get(), file->head, candidate.path);
      if (same.ok() && *same) return true;
    } else if (file->fd.valid() && !file->gone) {
      const absl::StatusOr<bool> same = HeadMatches(file->fd.get(), *head, file->path);
      if (same.ok() && *same) return true;
    }
  }
  return false;
}

std::optional<Tailer::Saved> Tailer::TakeSaved(int fd, const FileStat& stat, const std::string& path) {
  const auto matches = [&](const Saved& saved) {
    if (stat.size < saved.offset) return false;
    const absl::StatusOr<bool> head = HeadMatches(fd, saved.head, path);
    if (!head.ok() || !*head) return false;
    const absl::StatusOr<bool> tail = TailMatches(fd, saved.offset, saved.tail, path);
    return tail.ok() && *tail;
  };
  const auto take = [&](uint64_t id) {
    Saved saved = std::move(saved_.at(id));
    saved_.erase(id);
    return saved;
  };
  if (const auto found = saved_by_inode_.find(stat.key); found != saved_by_inode_.end()) {
    for (const uint64_t id : found->second) {
      const auto saved = saved_.find(id);
      if (saved != saved_.end() && matches(saved->second)) return take(id);
    }
  }
  // A restored or moved copy. Only a head that can hardly be another file's counts, and only if the original
  // is not there.
  if (saved_.empty()) return std::nullopt;
  char head[kHeadBytes];
  const absl::StatusOr<size_t> n = ReadAt(fd, head, kHeadBytes, 0, path);
  if (!n.ok()) return std::nullopt;
  for (const uint32_t length : saved_head_lengths_) {
    if (length > *n) break;
    const auto found = saved_by_head_.find(HashBytes({head, length}));
    if (found == saved_by_head_.end()) continue;
    for (const uint64_t id : found->second) {
      const auto saved = saved_.find(id);
      if (saved == saved_.end() || saved->second.head.length != length || !matches(saved->second)) continue;
      const LogFormat format = saved->second.committed.format;
      const bool timed = format == LogFormat::kCri || format == LogFormat::kDocker;
      if (length >= (timed ? kMinTimedHead : kHeadBytes) && !OriginalThere(saved->second)) return take(id);
    }
  }
  return std::nullopt;
}

// Whether a saved file still stands under its name with the content that was read.
bool Tailer::OriginalThere(const Saved& saved) const {
  const std::string& path = saved.committed.path;
  const absl::StatusOr<FileDescriptor> fd = OpenLog(path);
  if (!fd.ok()) return false;
  const absl::StatusOr<FileStat> stat = StatDescriptor(fd->get(), path);
  if (!stat.ok() || stat->key != saved.committed.key || stat->size < saved.offset) return false;
  const absl::StatusOr<bool> head = HeadMatches(fd->get(), saved.head, path);
  const absl::StatusOr<bool> tail = TailMatches(fd->get(), saved.offset, saved.tail, path);
  return head.ok() && *head && tail.ok() && *tail;
}

Chain* Tailer::ChainFor(const std::string& key, int target, LogFormat saved_format) {
  std::unique_ptr<Chain>& chain = chains_[key];
  if (chain == nullptr) {
    static const Target kNoTarget;
    const Target& of = target >= 0 ? options_.targets[target] : kNoTarget;
    chain = std::make_unique<Chain>(key, LabelsOfLog(of, key, options_.node_name),
                                    of.format != LogFormat::kAuto ? of.format : saved_format,
                                    options_.max_line_size, *levels_);
  }
  return chain.get();
}

void Tailer::OpenCandidate(const Candidate& candidate) {
  absl::StatusOr<FileDescriptor> fd = OpenLog(candidate.path);
  if (!fd.ok()) {
    if (!absl::IsNotFound(fd.status()))
      LogWarn("log file cannot be opened", "err=\"{}\"", MessageOf(fd.status()));
    return;
  }
  // The lowest free number is given out, so a high one tells how many are open.
  if (static_cast<uint64_t>(fd->get()) >= descriptor_limit_) {
    if (descriptor_limit_hits_++ == 0) {
      LogError(
          "too many log files are open, further ones wait until others are read and closed; raise the limit "
          "(ulimit -n)",
          "limit={} path={}", descriptor_limit_, candidate.path);
    }
    return;  // found again by the next listing
  }
  const absl::StatusOr<FileStat> stat = StatDescriptor(fd->get(), candidate.path);
  if (!stat.ok() || by_inode_.contains(stat->key)) return;
  auto file = std::make_unique<TailedFile>();
  file->fd = std::move(*fd);
  file->key = stat->key;
  file->path = candidate.path;
  file->size = stat->size;
  file->modified_ns = stat->modified_ns;
  file->disk_bytes = stat->disk_bytes;
  file->grown_ns = MonotonicNs();
  file->rotated = candidate.rotated;
  const int handle = file->fd.get();
  std::optional<Saved> saved = TakeSaved(handle, *stat, candidate.path);
  if (candidate.only_saved && !saved) return;
  // A rotated file keeps the log it was found under; a live name is its own.
  const std::string& key = saved && candidate.rotated ? saved->committed.chain : candidate.chain;
  Chain* const chain = ChainFor(key, candidate.target, saved ? saved->committed.format : LogFormat::kAuto);
  file->rotated = candidate.path != chain->key();
  if (saved) {
    file->file_id = saved->committed.file_id;
    file->head = saved->head;
    file->committed = saved->committed.offset;
    const absl::Status sought = file->reader.Seek(handle, saved->offset, candidate.path);
    if (!sought.ok()) {
      LogWarn("log file changed while it was opened", "err=\"{}\"", MessageOf(sought));
      return;
    }
    if (saved->committed.key != stat->key || saved->committed.path != candidate.path) {
      FilePosition moved = saved->committed;
      moved.key = stat->key;
      moved.path = candidate.path;
      journal_->PutFile(std::move(moved));
    }
  } else {
    file->file_id = journal_->NewFileId();
    const bool at_end =
        first_scan_ && !candidate.rotated &&
        ((journal_->loaded().lost && options_.lost_state_at_end) || (!had_state_ && options_.start_at_end));
    if (at_end && file->reader.Seek(handle, stat->size, candidate.path).ok()) {
      file->committed = file->reader.offset();
      if (const auto head = ReadHead(handle, candidate.path); head.ok()) file->head = *head;
    }
  }
  // A rotated file that was read to its end before the restart is only remembered.
  file->finished = saved && file->rotated && !saved->in_flight && stat->size == saved->offset &&
                   !PinnedByState(*chain, file->file_id);
  if (file->finished) file->fd = FileDescriptor();
  TailedFile* const added = AddFile(chain, std::move(file));
  // Noted before anything is read: if it is rotated while the agent is down, it is still known as ours.
  if (!journal_->state().files.contains(added->file_id)) journal_->PutFile(PositionOf(*added));
}

FilePosition Tailer::PositionOf(const TailedFile& file) {
  FilePosition position;
  position.file_id = file.file_id;
  position.key = file.key;
  position.head = file.head;
  position.offset = file.committed;
  position.tail = file.reader.tail_hash();
  position.format = file.chain->format();
  position.path = file.path;
  position.chain = file.chain->key();
  return position;
}

TailedFile* Tailer::AddFile(Chain* chain, std::unique_ptr<TailedFile> owned) {
  TailedFile* const file = owned.get();
  file->chain = chain;
  auto& files = chain->files();
  if (!file->rotated) {
    // More than one generation may have come since the directory was listed. Those in between are found by
    // listing it again, before anything of this one is read.
    if (!files.empty()) tree_.MarkDirty(DirectoryOf(file->path));
    // The chain has a new live file: what had the name before is read to its end first.
    for (const auto& other : files) {
      if (!other->gone && !other->finished) {
        other->rotated = true;
        MarkReady(other.get());
      }
    }
    files.push_back(std::move(owned));
  } else {
    // In front of the live file, and of rotated ones that are younger.
    const auto younger = std::find_if(files.begin(), files.end(), [&](const auto& other) {
      if (other->gone || other->finished) return false;
      return !other->rotated || (other->reader.scanned() == 0 &&
                                 IsOlder(file->modified_ns, file->path, other->modified_ns, other->path));
    });
    files.insert(younger, std::move(owned));
  }
  by_id_[file->file_id] = file;
  by_inode_[file->key] = file;
  by_path_[file->path] = file;
  by_directory_[DirectoryOf(file->path)].insert(file);
  std::error_code error;
  if (std::filesystem::is_symlink(file->path, error)) {
    const std::filesystem::path real = std::filesystem::canonical(file->path, error);
    if (!error) by_path_[file->real_path = real.string()] = file;
  }
  MarkReady(file);
  return file;
}

void Tailer::Unlist(TailedFile* file) {
  for (const std::string& path : {file->path, file->real_path}) {
    const auto named = by_path_.find(path);
    if (named != by_path_.end() && named->second == file) by_path_.erase(named);
  }
  const auto directory = by_directory_.find(DirectoryOf(file->path));
  if (directory == by_directory_.end()) return;
  directory->second.erase(file);
  if (directory->second.empty()) by_directory_.erase(directory);
}

void Tailer::SetPath(TailedFile* file, const std::string& path) {
  const auto old_name = by_path_.find(file->path);
  if (old_name != by_path_.end() && old_name->second == file) by_path_.erase(old_name);
  const auto directory = by_directory_.find(DirectoryOf(file->path));
  if (directory != by_directory_.end()) directory->second.erase(file);
  file->path = path;
  file->unlinked_ns = 0;
  by_path_[path] = file;
  by_directory_[DirectoryOf(path)].insert(file);
  journal_->SetPath(file->file_id, path);
  const bool rotated = path != file->chain->key();
  if (rotated != file->rotated) {
    file->rotated = rotated;
    if (!file->finished) MarkReady(file);
  }
}

void Tailer::NameGone(TailedFile* file) {
  if (file->finished || (!file->fd.valid() && !file->gone)) {
    RemoveFile(file, true);
    return;
  }
  if (file->gone) return;
  file->rotated = true;
  if (file->unlinked_ns == 0) {
    const absl::StatusOr<FileStat> stat = StatDescriptor(file->fd.get(), file->path);
    if (stat.ok() && stat->links == 0) file->unlinked_ns = MonotonicNs();
  }
  MarkReady(file);
}

void Tailer::OnDirectoryGone(const std::string& directory) {
  const auto known = by_directory_.find(directory);
  if (known == by_directory_.end()) return;
  const std::vector<TailedFile*> files(known->second.begin(), known->second.end());
  for (TailedFile* file : files) NameGone(file);
}

void Tailer::RemoveFile(TailedFile* file, bool forget) {
  Unlist(file);
  by_id_.erase(file->file_id);
  const auto by_inode = by_inode_.find(file->key);
  if (by_inode != by_inode_.end() && by_inode->second == file) by_inode_.erase(by_inode);
  if (forget) journal_->ForgetFile(file->file_id);
  auto& files = file->chain->files();
  files.erase(std::find_if(files.begin(), files.end(), [&](const auto& one) { return one.get() == file; }));
}

// Whether the file of that name is still the one that was read to its end and closed.
bool Tailer::StillFinished(const TailedFile* file, const FileStat& stat, const std::string& path) const {
  if (stat.size == file->size && stat.modified_ns == file->modified_ns) return true;
  if (stat.size < file->reader.offset()) return false;
  const absl::StatusOr<FileDescriptor> fd = OpenLog(path);
  if (!fd.ok()) return true;
  const absl::StatusOr<bool> head = HeadMatches(fd->get(), file->head, path);
  return head.ok() && *head;
}

absl::Status Tailer::Reopen(TailedFile* file) {
  ASSIGN_OR_RETURN(FileDescriptor fd, OpenLog(file->path));
  ASSIGN_OR_RETURN(const FileStat stat, StatDescriptor(fd.get(), file->path));
  if (stat.key != file->key) {
    tree_.MarkDirty(DirectoryOf(file->path));
    return NotFound("{} is another file now", file->path);
  }
  file->fd = std::move(fd);
  return absl::OkStatus();
}

}  // namespace skald::agent
