// The directories in which files to tail may appear, kept in step with the file system by inotify, and by
// listing them again where inotify cannot help (queue overflow, watch limit, network file systems). Events
// are hints; a listing is the truth.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/target.h"
#include "base/file.h"

namespace skald::agent {

struct DirectoryEntry {
  std::string name;
  uint64_t inode = 0;  // as the directory names it; a hint only
  bool link = false;
  int target = -1;  // the first target that wants it, -1 = none
};

class DirectoryListener {
 public:
  virtual ~DirectoryListener() = default;
  // All files (not directories) of a directory in which targets want files.
  virtual void OnListing(const std::string& directory, const std::vector<DirectoryEntry>& entries) = 0;
  // A file was written to.
  virtual void OnModified(const std::string& path) = 0;
  // A directory that was listed is no more.
  virtual void OnDirectoryGone(const std::string& directory) = 0;
};

// Not thread-safe. targets and listener outlive it. The listener may call FollowLink and MarkDirty
// from its methods, nothing else.
class DirectoryTree {
 public:
  DirectoryTree(const std::vector<Target>* targets, bool use_inotify, DirectoryListener* listener);

  // Readable when ReadEvents has something to do; -1 without inotify.
  int event_fd() const { return inotify_.get(); }
  // And looks whether directories that patterns begin with, and that were not there, are.
  void ReadEvents();
  // Lists what events pointed at.
  void ScanDirty();
  // Lists everything.
  void ScanAll();
  // Lists again whatever may have changed without an event; everything now and then.
  void ScanAgain();
  // Writes to files of real_directory shall be heard of; `directory` holds links to them and is listed again
  // when names change there.
  void FollowLink(const std::string& real_directory, const std::string& directory);
  void MarkDirty(const std::string& directory);

  // The first target that wants the path, -1 if none; of those behind `after`.
  int TargetOf(std::string_view path, int after = -1) const;
  // The targets have changed: begins anew, without forgetting what links lead to. Everything is dirty then.
  void Reset();

  bool has_dirty() const { return !dirty_.empty(); }
  size_t directories() const { return nodes_.size(); }
  uint64_t overflows() const { return overflows_; }
  uint64_t failed_watches() const { return failed_watches_; }
  // Between listings, events tell of every new name.
  bool hears_all() const { return inotify_.valid() && !watch_failed_; }

 private:
  // A target's pattern is matched up to a component in this directory.
  struct State {
    int target;
    int glob;
    int component;
    friend bool operator==(const State&, const State&) = default;
  };
  struct Node {
    std::string path;
    int watch = -1;
    uint32_t watch_mask = 0;
    bool root = false;  // stays even if it does not exist
    bool dirty = false;
    bool lists_files = false;
    bool listed = false;
    uint64_t inode = 0;       // when it was listed
    int64_t modified_ns = 0;  // likewise
    bool has_links = false;
    std::vector<State> states;
    std::vector<std::string> owners;  // directories with links into this one
  };

  const GlobPattern& GlobOf(const State& state) const {
    return (*targets_)[state.target].include[state.glob];
  }
  // Adds the state, and the one behind a "**". True if the node is new or has a new state.
  // Whether its names are surely those of the last listing.
  static bool Unchanged(const Node& node, int64_t now_ns);
  void LookForRoots();
  bool AddState(const std::string& path, State state, bool root);
  void AddTargets();
  void MarkDirty(Node* node);
  void Watch(Node* node);
  void Scan(const std::string& path);
  void Remove(const std::string& path);
  bool Excluded(int target, std::string_view path) const;

  const std::vector<Target>* const targets_;
  const bool use_inotify_;
  DirectoryListener* const listener_;
  FileDescriptor inotify_;
  absl::node_hash_map<std::string, Node> nodes_;
  absl::flat_hash_map<int, std::string> by_watch_;
  std::deque<std::string> dirty_;
  std::vector<std::string> roots_;
  uint64_t quiet_scans_ = 0;
  uint64_t overflows_ = 0;
  uint64_t failed_watches_ = 0;
  bool watch_failed_ = false;  // since the last listing of everything began
  bool told_watch_limit_ = false;
};

}  // namespace skald::agent
