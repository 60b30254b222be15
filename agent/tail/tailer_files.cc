// The tailer's book of files: which name is which file.
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>

#include "agent/files/rotation_name.h"
#include "agent/tail/tailer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr uint64_t kReservedDescriptors = 128;
// Clocks of file systems run behind by up to a tick.
constexpr int64_t kClockSlackNs = 20 * kNsPerMs;

std::string DirectoryOf(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }
std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Tailer::Tailer(TailerOptions options, StateJournal* journal, BatchBuilder* batch, const LevelDetector* levels,
               const Clock& clock)
    : options_(std::move(options)),
      journal_(journal),
      batch_(batch),
      levels_(levels),
      clock_(clock),
      tree_(&options_.targets, options_.use_inotify, this),
      rules_(options_.rules) {
  open_limit_ = options_.max_open_files;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
    // Connections, state and page need some too.
    descriptor_limit_ = files.rlim_cur > 2 * kReservedDescriptors ? files.rlim_cur - kReservedDescriptors
                                                                  : files.rlim_cur / 2;
    needed_descriptor_limit_ = std::max(descriptor_limit_, files.rlim_cur - files.rlim_cur / 8);
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
    if (saved.head.length == 0) continue;
    saved_by_head_[saved.head.hash].push_back(id);
    saved_head_lengths_.insert(saved.head.length);
  }
  released_ns_ = MonotonicNs();
  metadata_version_ = MetadataVersion();
  known_since_ns_ = (had_state_ ? journal_->loaded().alive_ns : clock_.NowNs()) - kClockSlackNs;
  const int64_t now = clock_.NowNs();
  // What must be read again comes first: there may not be descriptors for all.
  FindSaved(NeededAgain(), true);
  tree_.ScanAll();
  std::set<uint64_t> elsewhere;
  for (const auto& [id, saved] : saved_) {
    // What nobody wants any more is only needed for a batch of it that is on its way.
    if (saved.in_flight || Decide(saved.committed.chain).target >= 0) elsewhere.insert(id);
  }
  FindSaved(elsewhere, false);
  // What lay rotated there before the very first start stays old.
  if (!unopened_ || !had_state_) journal_->NoteScanned(now);
  first_scan_ = false;
  rescan_at_ns_ = MonotonicNs() + options_.rescan_ns;
}

// Files of batches that were on their way, and of messages without their end.
std::set<uint64_t> Tailer::NeededAgain() const {
  std::set<uint64_t> needed;
  for (const auto& [id, saved] : saved_) {
    if (saved.in_flight) needed.insert(id);
  }
  for (const auto& [key, pending] : journal_->state().pending) {
    for (const PendingMessage& message : pending) {
      for (const Span& span : message.spans) needed.insert(span.file_id);
    }
  }
  return needed;
}

// Known files, where their names were or others of the directory are now. Some are under no name a target
// asks for: moved within their directory, rotated behind a link, or the configuration has changed. Only what
// is recognised is taken.
void Tailer::FindSaved(const std::set<uint64_t>& ids, bool needed) {
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
  for (const uint64_t id : ids) {
    const auto saved = saved_.find(id);
    // Of what nothing was read, there is nothing to recognise it by.
    if (saved != saved_.end() && saved->second.head.length > 0) missing.push_back(saved->second.committed);
  }
  for (const FilePosition& position : missing) {
    std::vector<std::string> directories = {DirectoryOf(position.path)};
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(position.chain, error);
    if (!error && real.string() != position.chain) directories.push_back(real.parent_path().string());
    const auto take = [&](const std::string& path) {
      Candidate candidate;
      candidate.path = path;
      candidate.chain = position.chain;
      candidate.rotated = path != position.chain;
      candidate.target = tree_.TargetOf(position.chain);
      candidate.only_saved = true;
      candidate.needed = needed;
      OpenCandidate(candidate);
    };
    const auto taken = [&] { return by_id_.contains(position.file_id); };
    // Its inode may be another file's by now, so what counts is whether it was recognised.
    for (const std::string& directory : directories) {
      const auto& files = files_of(directory);
      const auto file = files.find(position.key);
      if (!taken() && file != files.end() && !HasInode(position.key)) take(file->second);
    }
    // Compressed or copied meanwhile, it is another file with the same lines: one of its log's rotated ones.
    for (const std::string& directory : directories) {
      for (const auto& [key, path] : files_of(directory)) {
        if (taken()) break;
        if (HasInode(key) || path == position.chain) continue;
        if (RotatedFrom(directory, NameOf(path)) == position.chain) take(path);
      }
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
    if (!name.starts_with(base) || IsPassedOver(name) ||
        !IsRotationSuffix(WithoutCompression(name).substr(base.size())))
      continue;
    Candidate candidate;
    candidate.path = directory + "/" + name;
    candidate.chain = link.chain;
    candidate.rotated = true;
    candidate.target = link.target;
    const absl::StatusOr<FileStat> stat = StatPath(candidate.path);
    if (!stat.ok() || !stat->regular || HasInode(stat->key)) continue;
    candidate.stat = *stat;
    if (WantsRotated(candidate)) candidates->push_back(std::move(candidate));
  }
}

// An inode is given to another file only once nobody has it open.
bool Tailer::HasInode(const InodeKey& key) const {
  const auto known = by_inode_.find(key);
  return known != by_inode_.end() && (known->second->log.valid() || !known->second->key.Recycled(key));
}

void Tailer::OnListing(const std::string& directory, const std::vector<DirectoryEntry>& entries) {
  std::vector<Candidate> candidates;
  absl::flat_hash_set<const TailedFile*> seen;
  for (const DirectoryEntry& entry : entries) {
    const std::string path = directory + "/" + entry.name;
    const auto by_path = by_path_.find(path);
    if (by_path != by_path_.end() && !entry.link && by_path->second->key.inode == entry.inode &&
        (!by_path->second->finished || !thorough_) && by_path->second->path == path) {
      if (by_path->second->finished) by_path->second->unlinked_ns = 0;
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
    if (HasInode(stat->key) &&
        (!by_inode->second->finished || StillFinished(by_inode->second, *stat, path))) {
      TailedFile* const file = by_inode->second;
      if (file->finished) file->unlinked_ns = 0;
      if (file->finished && stat->size > std::max(file->disk_size, file->reader.offset())) {
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
    if (by_inode != by_inode_.end()) {  // its inode is another file's now
      TailedFile* const former = by_inode->second;
      if (former->finished || !MoveToCopy(former)) RemoveFile(former, true);
    }
    if (entry.target < 0 && !rotated_from) continue;
    Candidate candidate;
    candidate.path = path;
    candidate.chain = rotated_from ? *rotated_from : path;
    candidate.rotated = rotated_from.has_value();
    candidate.stat = *stat;
    candidate.target = candidate.rotated ? tree_.TargetOf(candidate.chain) : entry.target;
    if (candidate.rotated && candidate.target < 0) candidate.target = entry.target;
    if (IsCompressedName(entry.name)) {
      // Being made of a file that is still there.
      const std::string plain(WithoutCompression(path));
      if (stat->size == 0 || (plain != candidate.chain && FileExists(plain))) continue;
    }
    if (candidate.rotated && entry.target < 0 && !WantsRotated(candidate)) continue;
    if (candidate.rotated && entry.target >= 0) {
      const auto chain = chains_.find(candidate.chain);
      absl::StatusOr<LogFile> log = LogFile::Open(path);
      bool whole = false;
      if (chain != chains_.end() && log.ok() && IsCopyOfKnown(*chain->second, candidate, &*log, &whole))
        continue;
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
  if (IsPassedOver(name)) return std::nullopt;
  const std::string_view plain = WithoutCompression(name);
  const auto is_log = [&](const std::string& path) {
    return chains_.contains(path) || tree_.TargetOf(path) >= 0;
  };
  for (size_t cut = 1; cut + 1 < plain.size(); ++cut) {
    if (!IsRotationSuffix(plain.substr(cut))) continue;
    std::string base = directory + "/" + std::string(plain.substr(0, cut));
    if (is_log(base)) return base;
  }
  if (plain.size() != name.size()) {
    std::string base = directory + "/" + std::string(plain);
    if (is_log(base)) return base;
  }
  return std::nullopt;
}

Chain* Tailer::ChainFor(const std::string& key, LogFormat saved_format) {
  std::unique_ptr<Chain>& chain = chains_[key];
  if (chain == nullptr) {
    Decision decision = Decide(key);
    static const Target kNoTarget;
    const Target& of = decision.target >= 0 ? options_.targets[decision.target] : kNoTarget;
    if (decision.target < 0) decision.labels = DescribeLog(of, key, options_.node_name);
    const LogLabels::Kind kind = decision.labels.kind;
    std::shared_ptr<const Pipeline> pipeline = decision.labels.pipeline;
    chain = std::make_unique<Chain>(key, std::move(decision.labels),
                                    of.format != LogFormat::kAuto ? of.format : saved_format,
                                    std::move(pipeline), options_.max_line_size, *levels_, &rules_);
    chain->SetUnwanted(decision.target < 0);
    chain->SetEncoding(of.encoding);
    SetLabelsDue(chain.get(), kind);
  }
  return chain.get();
}

void Tailer::OpenCandidate(const Candidate& candidate) {
  const auto known = chains_.find(candidate.chain);
  if (!candidate.only_saved && (known == chains_.end() || known->second->unwanted()) &&
      tree_.TargetOf(candidate.chain) >= 0 && Decide(candidate.chain).target < 0) {
    return;  // relabelling drops it
  }
  absl::StatusOr<LogFile> log = LogFile::Open(candidate.path);
  if (!log.ok()) {
    if (!absl::IsNotFound(log.status())) {
      unopened_ |= absl::IsUnavailable(log.status());  // not for good, as what may not be read is
      LogWarn("log file cannot be opened", "err=\"{}\"", MessageOf(log.status()));
    }
    return;
  }
  // The lowest free number is given out, so a high one tells how many are open.
  if (static_cast<uint64_t>(log->descriptor()) >=
      (candidate.needed ? needed_descriptor_limit_ : descriptor_limit_)) {
    if (descriptor_limit_hits_++ == 0) {
      LogError(
          "too many log files are open, further ones wait until others are read and closed; raise the limit "
          "(ulimit -n)",
          "limit={} path={}", descriptor_limit_, candidate.path);
    }
    unopened_ = true;
    return;  // found again by the next listing
  }
  const absl::StatusOr<FileStat> stat = StatDescriptor(log->descriptor(), candidate.path);
  if (!stat.ok() || HasInode(stat->key)) return;
  auto file = std::make_unique<TailedFile>();
  file->log = std::move(*log);
  file->key = stat->key;
  file->path = candidate.path;
  file->size = file->log.TextSize(stat->size, candidate.path).value_or(stat->size);
  file->disk_size = stat->size;
  file->modified_ns = stat->modified_ns;
  file->disk_bytes = stat->disk_bytes;
  file->grown_ns = MonotonicNs();
  file->rotated = candidate.rotated;
  std::optional<Saved> saved = TakeSaved(&file->log, *stat, candidate.path, candidate.chain);
  if (candidate.only_saved && !saved) return;
  // A rotated file keeps the log it was found under; a live name is its own.
  const std::string& key = saved && candidate.rotated ? saved->committed.chain : candidate.chain;
  Chain* const chain = ChainFor(key, saved ? saved->committed.format : LogFormat::kAuto);
  file->rotated = candidate.path != chain->key();
  if (saved) {
    file->file_id = saved->committed.file_id;
    file->head = saved->head;
    file->committed = saved->committed.offset;
    // A rotated file that was read to its end before the restart is only remembered.
    const bool compressed = file->log.compressed();
    file->finished = (file->rotated || compressed) && !saved->in_flight &&
                     !PinnedByState(*chain, file->file_id) && IsReadToItsEnd(*saved, *stat, file.get());
    const absl::Status sought =
        file->finished ? absl::OkStatus() : file->reader.Seek(file->log, saved->offset, candidate.path);
    if (file->finished) {
      file->ready = false;
      file->reader.Restore(saved->offset);
      file->log = LogFile();
    } else if (!sought.ok()) {
      LogWarn("log file changed while it was opened", "err=\"{}\"", MessageOf(sought));
      return;
    }
    const bool complete = compressed && file->finished;
    if (saved->committed.key != stat->key || saved->committed.path != candidate.path ||
        saved->committed.complete != complete) {
      FilePosition moved = saved->committed;
      moved.key = stat->key;
      moved.path = candidate.path;
      moved.complete = complete;
      journal_->PutFile(std::move(moved));
    }
  } else {
    file->file_id = journal_->NewFileId();
    const bool at_end =
        first_scan_ && !candidate.rotated &&
        ((journal_->loaded().lost && options_.lost_state_at_end) || (!had_state_ && options_.start_at_end));
    if (at_end && !file->log.compressed() && file->reader.Seek(file->log, stat->size, candidate.path).ok())
      file->committed = file->reader.offset();
  }
  TailedFile* const added = AddFile(chain, std::move(file));
  if (!journal_->state().files.contains(added->file_id)) NoteNew(added);
  if (added->reader.offset() == 0) added->log.Idle();  // generations wait for each other
}

// A compressed file that was not known as such is decompressed for it, unless it says how long its text is.
bool Tailer::IsReadToItsEnd(const Saved& saved, const FileStat& stat, TailedFile* file) const {
  if (!file->log.compressed()) return stat.size == saved.offset;
  if (saved.committed.complete) return true;
  char byte = 0;
  const absl::StatusOr<size_t> more = file->log.ReadAt(&byte, 1, saved.offset, file->path);
  return more.ok() && *more == 0;
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
  List(file);
  MarkReady(file);
  return file;
}

void Tailer::List(TailedFile* file) {
  by_inode_[file->key] = file;
  by_path_[file->path] = file;
  by_directory_[DirectoryOf(file->path)].insert(file);
  file->real_path.clear();
  std::error_code error;
  if (!std::filesystem::is_symlink(file->path, error)) return;
  const std::filesystem::path real = std::filesystem::canonical(file->path, error);
  if (!error) by_path_[file->real_path = real.string()] = file;
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
  if (file->gone) return;
  if (!file->log.valid()) {
    if (MoveToCopy(file)) return;
    if (!file->finished) {
      RemoveFile(file, true);
    } else if (file->unlinked_ns == 0) {
      file->unlinked_ns = MonotonicNs();
    }
    return;
  }
  file->rotated = true;
  if (file->unlinked_ns == 0) {
    const absl::StatusOr<FileStat> stat = StatDescriptor(file->log.descriptor(), file->path);
    if (stat.ok() && stat->links == 0) file->unlinked_ns = MonotonicNs();
    // A copy of it may be all that is there after a restart, and is known by this.
    if (stat.ok()) NoteGrowth(file, *stat);
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
  if (stat.size == file->disk_size && stat.modified_ns == file->modified_ns) return true;
  absl::StatusOr<LogFile> log = LogFile::Open(path);
  if (!log.ok()) return true;
  if (!log->compressed() && stat.size < file->reader.offset()) return false;
  const absl::StatusOr<bool> head = HeadMatches(*log, file->head, path);
  return head.ok() && *head;
}

absl::Status Tailer::Reopen(TailedFile* file) {
  ASSIGN_OR_RETURN(LogFile log, LogFile::Open(file->path));
  ASSIGN_OR_RETURN(const FileStat stat, StatDescriptor(log.descriptor(), file->path));
  if (stat.key != file->key) {
    tree_.MarkDirty(DirectoryOf(file->path));
    return NotFound("{} is another file now", file->path);
  }
  file->log = std::move(log);
  return absl::OkStatus();
}

}  // namespace skald::agent
