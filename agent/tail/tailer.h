// Tails all files of all targets: finds them, knows them by content over renames, truncation and restarts,
// reads them fairly block by block into the batch being built, and lets go of a rotated file only when it is
// read, quiet, replaced and delivered.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/delivery/batch.h"
#include "agent/delivery/line_rules.h"
#include "agent/discovery/target.h"
#include "agent/positions/state_journal.h"
#include "agent/tail/chain.h"
#include "agent/tail/directory_tree.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/types.h"

namespace skald::agent {

struct TailerOptions {
  std::vector<Target> targets;
  std::string node_name;
  uint64_t max_line_size = uint64_t{256} << 10;
  bool use_inotify = true;
  bool start_at_end = false;       // files found by the very first scan
  bool lost_state_at_end = false;  // the same, when there was a state and it is not readable
  int64_t rescan_ns = 5 * kNsPerSecond;
  int64_t rotate_grace_ns = 2 * kNsPerSecond;
  int64_t partial_flush_ns = 5 * kNsPerSecond;
  int64_t metadata_wait_ns = 2 * kNsPerSecond;  // for a pod's object, before its path must do
  uint64_t max_held_deleted_bytes = uint64_t{1} << 30;
  int64_t max_held_deleted_ns = 3600 * kNsPerSecond;
  uint64_t max_open_files = 0;  // 0 = from the process's limit
  LineRuleOptions rules;
};

// Bytes that will never be sent, by a closed list of reasons.
struct LostBytes {
  uint64_t truncated_before_read = 0;
  uint64_t held_deleted_limit = 0;
  uint64_t rotated_away = 0;        // of a batch on its way when the agent ended
  uint64_t damaged_compressed = 0;  // behind where a compressed file is damaged; 1 where it cannot be told
};

// Not thread-safe: one thread owns it. journal, batch and levels outlive it.
class Tailer : private DirectoryListener {
 public:
  Tailer(TailerOptions options, StateJournal* journal, BatchBuilder* batch, const LevelDetector* levels,
         const Clock& clock);
  ~Tailer() override;

  // The first scan: finds the files, by the saved state where they are known.
  void Start();
  // Makes the batches that were on their way when the agent ended, in order. Called once, after Start and
  // before ReadSome.
  std::vector<std::unique_ptr<Batch>> Recover();

  int event_fd() const { return tree_.event_fd(); }
  // Takes in what inotify has and lists changed directories. Cheap if nothing changed.
  void HandleEvents();
  // Timed work: the safety rescan, unfinished lines, closing of rotated files. Call it about once a second or
  // more often.
  void Maintain();
  // Reads about max_bytes from files that have something, one block each in turn. Returns the bytes read.
  uint64_t ReadSome(uint64_t max_bytes);
  bool has_ready() const { return !ready_.empty(); }
  // What stages hold back and has waited long enough goes into the batch, which must be sealed then.
  void FlushDue();
  // All that is held back goes into the batch: at the end of a dry run.
  void FlushAll();
  // When FlushDue has work; monotonic, 0 = nothing is held.
  int64_t held_due_ns() const { return held_due_ns_; }
  // Reading stands still until then, because limits say so; monotonic, 0 = it does not.
  int64_t paused_until_ns() const { return rules_.paused_until_ns(); }
  // For what other sources read: limits hold for all lines of an end.
  LineRules* rules() { return &rules_; }

  // These from now on, and labels as discovery knows them by now. What is no longer wanted is read to its
  // present end and let go; its position is known for an hour, should it be wanted again.
  void SetTargets(std::vector<Target> targets);

  // The batch is delivered (and the journal knows).
  void Commit(const Manifest& manifest);
  // Read bytes of a recovered batch that were not there any more and that the server does not have.
  void CountRotatedAway(uint64_t bytes) { lost_.rotated_away += bytes; }

  struct Stats {
    uint64_t files = 0;
    uint64_t open_files = 0;
    uint64_t read_bytes = 0;  // of files
    uint64_t lag_bytes = 0;   // not delivered
    int64_t lag_ns = 0;       // since when the file that is longest behind is
    uint64_t held_deleted_bytes = 0;
    uint64_t pending_bytes = 0;
    uint64_t directories = 0;
    uint64_t inotify_overflows = 0;
    uint64_t failed_watches = 0;
    LostBytes lost;
    ParseCounters parse;
    std::map<std::string, uint64_t> guarded_labels;  // that have too many values: how many were seen
  };
  Stats GetStats() const;
  size_t memory_bytes() const { return memory_bytes_; }
  // [{"path":...,"offset":...},...]: every generation of every log, those most behind first.
  void TargetsJson(size_t limit, JsonWriter* json) const;

 private:
  struct Saved {
    FilePosition committed;
    uint64_t offset = 0;  // with what is on its way
    HeadHash head;
    TailHash tail;
    bool in_flight = false;
  };
  struct Candidate {
    std::string path;
    std::string chain;
    bool rotated = false;
    FileStat stat;
    int target = -1;
    bool only_saved = false;  // take it if it is a known file, else leave it
    bool needed = false;      // lines of it were on their way: it may use the reserve of descriptors
  };

  void OnListing(const std::string& directory, const std::vector<DirectoryEntry>& entries) override;
  void OnModified(const std::string& path) override;
  void OnDirectoryGone(const std::string& directory) override;

  // tailer_copies.cc: which file has a text that is known already.
  bool WantsRotated(const Candidate& candidate);
  bool IsCopyOfKnown(const Chain& chain, const Candidate& candidate, LogFile* log, bool* whole) const;
  std::optional<uint64_t> FindSavedText(LogFile* log, const FileStat& stat, const std::string& path,
                                        std::string_view chain, bool* original_there) const;
  std::optional<uint64_t> FindSavedInode(LogFile* log, const FileStat& stat, const std::string& path,
                                         std::string_view chain) const;
  static bool HoldsWhatWasRead(const Saved& saved, LogFile* log, const FileStat& stat,
                               const std::string& path);
  std::optional<Saved> TakeSaved(LogFile* log, const FileStat& stat, const std::string& path,
                                 std::string_view chain);
  bool OriginalThere(const Saved& saved) const;
  std::vector<Candidate> RotatedSiblings(const Chain& chain) const;
  bool MoveToCopy(TailedFile* file);
  void RememberShortCopy(const TailedFile& truncated);
  void NoteNew(TailedFile* file);
  void NoteHead(TailedFile* file);

  // tailer_files.cc: which name is which file.
  std::optional<std::string> RotatedFrom(const std::string& directory, std::string_view name) const;
  void OpenCandidate(const Candidate& candidate);
  bool IsReadToItsEnd(const Saved& saved, const FileStat& stat, TailedFile* file) const;
  bool HasInode(const InodeKey& key) const;
  void List(TailedFile* file);
  Chain* ChainFor(const std::string& key, LogFormat saved_format);
  // At what is delivered; nothing of an unread file. Only right while nothing is on its way.
  static FilePosition PositionOf(const TailedFile& file);
  TailedFile* AddFile(Chain* chain, std::unique_ptr<TailedFile> file);
  void SetPath(TailedFile* file, const std::string& path);
  void NameGone(TailedFile* file);
  void Unlist(TailedFile* file);
  void RemoveFile(TailedFile* file, bool forget);
  std::set<uint64_t> NeededAgain() const;
  void FindSaved(const std::set<uint64_t>& ids, bool needed);
  void AddRotatedBehindLink(const Candidate& link, const std::filesystem::path& real,
                            std::vector<Candidate>* candidates);
  bool StillFinished(const TailedFile* file, const FileStat& stat, const std::string& path) const;
  absl::Status Reopen(TailedFile* file);

  // tailer_targets.cc: which target a log belongs to, and what that says of it.
  struct Decision {
    int target = -1;  // -1 = none wants it
    LogLabels labels;
  };
  Decision Decide(const std::string& log) const;
  void Apply(Chain* chain, Decision decision);
  void SetLabelsDue(Chain* chain, LogLabels::Kind kind) const;
  uint64_t MetadataVersion() const;
  void RefreshLabels();
  void ReleaseUnwanted();

  // tailer_upkeep.cc: timed work.
  void CheckGrowth();
  bool NoteGrowth(TailedFile* file, const FileStat& stat);
  void CheckRotated();
  bool TryClose(TailedFile* file);
  void LimitHeldDeleted();
  void LimitOpenFiles();
  bool PinnedByState(const Chain& chain, uint64_t file_id) const;
  void DropEmptyChains();

  // tailer.cc: reading.
  void MarkReady(TailedFile* file);
  void NoteHolding(Chain* chain);
  uint64_t ReadBlock(TailedFile* file, bool take_rest);
  void Truncated(TailedFile* file);
  void RestorePending();
  void RestorePending(Chain* chain, const std::vector<PendingMessage>& pending, bool held);
  uint64_t ReadRangeAgain(const ManifestRange& range, BatchBuilder* batch);
  void FlushUnfinished();

  TailerOptions options_;  // only its targets change
  StateJournal* const journal_;
  BatchBuilder* const batch_;
  const LevelDetector* const levels_;
  const Clock& clock_;
  DirectoryTree tree_;
  LineBlock block_;

  absl::flat_hash_map<std::string, std::unique_ptr<Chain>> chains_;
  absl::flat_hash_map<uint64_t, TailedFile*> by_id_;
  absl::flat_hash_map<InodeKey, TailedFile*> by_inode_;
  absl::flat_hash_map<std::string, TailedFile*> by_path_;  // names and, for links, real paths
  absl::flat_hash_map<std::string, absl::flat_hash_set<TailedFile*>> by_directory_;
  absl::flat_hash_map<std::string, InodeKey> ignored_;  // rotated siblings that are not ours, by path
  std::deque<Chain*> ready_;
  absl::flat_hash_set<const Chain*> queued_;

  std::map<uint64_t, Saved> saved_;  // not found yet
  // Ways into saved_; may name ids that were found since.
  absl::flat_hash_map<InodeKey, std::vector<uint64_t>> saved_by_inode_;
  absl::flat_hash_map<uint64_t, std::vector<uint64_t>> saved_by_head_;
  std::set<uint32_t> saved_head_lengths_;
  int64_t known_since_ns_ = 0;  // rotated files that changed later are ours
  bool first_scan_ = true;
  bool thorough_ = false;  // the listing under way is the safety rescan's
  bool had_state_ = false;
  int64_t released_ns_ = 0;  // the start, or when a file was last let go unfinished
  uint64_t metadata_version_ = 0;
  int64_t rescan_at_ns_ = 0;
  int64_t check_at_ns_ = 0;
  uint64_t open_limit_ = 0;
  bool unopened_ = false;  // since the last listing of everything began, some file could not be opened
  uint64_t descriptor_limit_ = UINT64_MAX;
  uint64_t needed_descriptor_limit_ = UINT64_MAX;  // the reserve included, but for connections and state
  uint64_t descriptor_limit_hits_ = 0;
  uint64_t read_bytes_ = 0;
  size_t memory_bytes_ = 0;
  LostBytes lost_;
  ParseCounters parse_;
  LineRules rules_;
  absl::flat_hash_set<Chain*> holding_;  // whose stages hold something back
  int64_t held_due_ns_ = 0;
};

}  // namespace skald::agent
