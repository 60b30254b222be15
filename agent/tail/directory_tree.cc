#include "agent/tail/directory_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "base/types.h"

namespace skald::agent {
namespace {

constexpr uint32_t kNameEvents =
    IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// Of the scans for what made no event, every one that many lists everything.
constexpr uint64_t kQuietScans = 6;
constexpr int64_t kRestNs = 60 * kNsPerSecond;

int64_t ModifiedNs(const struct stat& st) { return st.st_mtim.tv_sec * kNsPerSecond + st.st_mtim.tv_nsec; }

class OpenDirectory {
 public:
  explicit OpenDirectory(const std::string& path) : dir_(::opendir(path.empty() ? "/" : path.c_str())) {}
  ~OpenDirectory() {
    if (dir_ != nullptr) ::closedir(dir_);
  }
  OpenDirectory(const OpenDirectory&) = delete;
  OpenDirectory& operator=(const OpenDirectory&) = delete;
  bool ok() const { return dir_ != nullptr; }
  dirent* Next() { return ::readdir(dir_); }
  int fd() { return ::dirfd(dir_); }

 private:
  DIR* dir_;
};

}  // namespace

DirectoryTree::DirectoryTree(const std::vector<Target>* targets, bool use_inotify,
                             DirectoryListener* listener)
    : targets_(targets), use_inotify_(use_inotify), listener_(listener) {
  AddTargets();
}

void DirectoryTree::AddTargets() {
  if (use_inotify_) {
    inotify_ = FileDescriptor(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify_.valid()) {
      LogWarn("no inotify (fs.inotify.max_user_instances?): directories are listed again and again instead",
              "err=\"{}\"", std::strerror(errno));
    }
  }
  for (size_t t = 0; t < targets_->size(); ++t) {
    for (size_t g = 0; g < (*targets_)[t].include.size(); ++g) {
      const std::string& root = (*targets_)[t].include[g].root();
      if (std::find(roots_.begin(), roots_.end(), root) == roots_.end()) roots_.push_back(root);
      AddState(root, {static_cast<int>(t), static_cast<int>(g), 0}, true);
    }
  }
}

void DirectoryTree::Reset() {
  std::vector<std::pair<std::string, std::vector<std::string>>> links;
  for (auto& [path, node] : nodes_) {
    if (!node.owners.empty()) links.emplace_back(path, std::move(node.owners));
  }
  nodes_.clear();
  by_watch_.clear();
  dirty_.clear();
  roots_.clear();
  AddTargets();
  for (const auto& [path, owners] : links) {
    for (const std::string& owner : owners) FollowLink(path, owner);
  }
}

bool DirectoryTree::AddState(const std::string& path, State state, bool root) {
  const auto [found, is_new] = nodes_.try_emplace(path);
  Node& node = found->second;
  if (is_new) node.path = path;
  node.root |= root;
  bool changed = is_new;
  while (true) {
    if (std::find(node.states.begin(), node.states.end(), state) == node.states.end()) {
      node.states.push_back(state);
      changed = true;
    }
    const std::vector<std::string>& components = GlobOf(state).components();
    if (components[state.component] != "**") {
      node.lists_files |= static_cast<size_t>(state.component) + 1 == components.size();
      break;
    }
    ++state.component;
  }
  if (changed) MarkDirty(&node);
  return changed;
}

void DirectoryTree::MarkDirty(Node* node) {
  if (node->dirty) return;
  node->dirty = true;
  dirty_.push_back(node->path);
}

void DirectoryTree::MarkDirty(const std::string& directory) {
  const auto node = nodes_.find(directory);
  if (node != nodes_.end()) MarkDirty(&node->second);
}

void DirectoryTree::Watch(Node* node) {
  if (!inotify_.valid()) return;
  const uint32_t mask = kNameEvents | (node->lists_files || !node->owners.empty() ? IN_MODIFY : 0);
  if (node->watch >= 0 && node->watch_mask == mask) return;
  const int watch = ::inotify_add_watch(inotify_.get(), node->path.empty() ? "/" : node->path.c_str(), mask);
  if (watch < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    ++failed_watches_;
    watch_failed_ = true;
    if (!told_watch_limit_) {
      told_watch_limit_ = true;
      LogWarn(
          "directory cannot be watched, it is listed again and again instead; raise sysctl "
          "fs.inotify.max_user_watches",
          "dir={} err=\"{}\"", node->path, std::strerror(errno));
    }
    return;
  }
  node->watch = watch;
  node->watch_mask = mask;
  by_watch_[watch] = node->path;
}

// Nothing tells of them: their own directory is not watched.
void DirectoryTree::LookForRoots() {
  for (const std::string& root : roots_) {
    const auto node = nodes_.find(root);
    if (node == nodes_.end() || node->second.listed || node->second.dirty) continue;
    struct stat st {};
    if (::stat(root.empty() ? "/" : root.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) MarkDirty(&node->second);
  }
}

void DirectoryTree::ReadEvents() {
  LookForRoots();
  if (!inotify_.valid()) return;
  alignas(inotify_event) char buffer[64 << 10];
  std::string path;
  while (true) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof(buffer));
    if (n <= 0) return;
    for (const char* p = buffer; p < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(p);
      p += sizeof(inotify_event) + event->len;
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        ++overflows_;
        LogWarn("inotify queue overflow: all directories are listed again", "times={}", overflows_);
        for (auto& [name, node] : nodes_) MarkDirty(&node);
        continue;
      }
      const auto watched = by_watch_.find(event->wd);
      if (watched == by_watch_.end()) continue;
      const auto found = nodes_.find(watched->second);
      if (found == nodes_.end()) continue;
      Node& node = found->second;
      if ((event->mask & IN_MODIFY) != 0 && event->len > 0) {
        path.assign(node.path).append("/").append(event->name);
        listener_->OnModified(path);
        continue;
      }
      // A moved directory keeps its watch, but its name may already be another one's.
      if ((event->mask & IN_MOVE_SELF) != 0) ::inotify_rm_watch(inotify_.get(), event->wd);
      if ((event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) {
        by_watch_.erase(watched);
        if (node.watch == event->wd) node.watch = -1;
      }
      MarkDirty(&node);
      for (const std::string& owner : node.owners) MarkDirty(owner);
    }
  }
}

void DirectoryTree::ScanDirty() {
  // What a scan finds dirty (a new subdirectory) is scanned too; what events add meanwhile waits.
  while (!dirty_.empty()) {
    const std::string path = std::move(dirty_.front());
    dirty_.pop_front();
    Scan(path);
  }
}

void DirectoryTree::ScanAll() {
  watch_failed_ = false;
  for (auto& [path, node] : nodes_) MarkDirty(&node);
  ScanDirty();
}

void DirectoryTree::ScanAgain() {
  if (++quiet_scans_ % kQuietScans == 0) return ScanAll();
  watch_failed_ = false;
  const int64_t now = Clock::System().NowNs();
  for (auto& [path, node] : nodes_) {
    if (!Unchanged(node, now)) MarkDirty(&node);
  }
  ScanDirty();
}

// A look at it costs a tenth of listing it. Times of file systems are those of the last tick, so only a
// directory that has been at rest for long is told by its own.
bool DirectoryTree::Unchanged(const Node& node, int64_t now_ns) {
  if (!node.listed || node.watch < 0 || node.has_links) return false;
  struct stat st {};
  if (::stat(node.path.empty() ? "/" : node.path.c_str(), &st) != 0) return false;
  return st.st_ino == node.inode && ModifiedNs(st) == node.modified_ns && now_ns - node.modified_ns > kRestNs;
}

void DirectoryTree::Scan(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return;
  Node* node = &found->second;
  node->dirty = false;
  // Watched first, listed then: what appears in between is in the listing or makes an event.
  Watch(node);
  OpenDirectory directory(path);
  if (!directory.ok()) {
    const int error = errno;
    if (node->listed && error != ENOENT && error != ENOTDIR) {
      LogWarn("directory cannot be listed", "dir={} err=\"{}\"", path, std::strerror(error));
    }
    if (error == ENOENT || error == ENOTDIR) Remove(path);
    return;
  }
  node->listed = true;
  struct stat directory_stat {};
  if (::fstat(directory.fd(), &directory_stat) == 0) {
    node->inode = directory_stat.st_ino;
    node->modified_ns = ModifiedNs(directory_stat);
  }
  const std::vector<State> states = node->states;  // AddState may move the node's vector
  std::vector<DirectoryEntry> entries;
  bool has_links = false;
  while (const dirent* entry = directory.Next()) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool link = entry->d_type == DT_LNK;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN || link) {
      struct stat st {};
      if (entry->d_type == DT_UNKNOWN &&
          ::fstatat(directory.fd(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        link = S_ISLNK(st.st_mode);
        is_directory = S_ISDIR(st.st_mode);
      }
      if (link) is_directory = ::fstatat(directory.fd(), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
    }
    has_links |= link;
    int target = -1;
    std::string child;
    for (const State& state : states) {
      const std::vector<std::string>& components = GlobOf(state).components();
      const std::string& component = components[state.component];
      const bool last = static_cast<size_t>(state.component) + 1 == components.size();
      if (last == is_directory) continue;
      if (component == "**") {
        // Links to directories are not followed here: they may go round in circles.
        if (!link) AddState(child = path + "/" + std::string(name), state, false);
      } else if (MatchComponent(component, name)) {
        if (!last) {
          AddState(child = path + "/" + std::string(name), {state.target, state.glob, state.component + 1},
                   false);
        } else if ((target < 0 || state.target < target) &&
                   !Excluded(state.target, path + "/" + std::string(name))) {
          target = state.target;
        }
      }
    }
    if (!is_directory && node->lists_files)
      entries.push_back({std::string(name), entry->d_ino, link, target});
  }
  node->has_links = has_links;
  if (node->lists_files) listener_->OnListing(path, entries);
}

void DirectoryTree::Remove(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return;
  Node& node = found->second;
  if (node.watch >= 0) {
    ::inotify_rm_watch(inotify_.get(), node.watch);
    by_watch_.erase(node.watch);
    node.watch = -1;
  }
  const bool was_listed = node.listed;
  const bool root = node.root;
  node.listed = false;
  // A removed tree's inner directories are gone as well; they find out when they are listed.
  const std::string below = path + "/";
  for (auto& [name, other] : nodes_) {
    if (name.starts_with(below)) MarkDirty(&other);
  }
  if (!root) nodes_.erase(found);
  if (was_listed) listener_->OnDirectoryGone(path);
}

bool DirectoryTree::Excluded(int target, std::string_view path) const {
  const std::vector<GlobPattern>& globs = (*targets_)[target].exclude;
  return std::any_of(globs.begin(), globs.end(), [&](const GlobPattern& glob) { return glob.Matches(path); });
}

int DirectoryTree::TargetOf(std::string_view path, int after) const {
  for (size_t t = static_cast<size_t>(after + 1); t < targets_->size(); ++t) {
    const std::vector<GlobPattern>& globs = (*targets_)[t].include;
    if (std::any_of(globs.begin(), globs.end(),
                    [&](const GlobPattern& glob) { return glob.Matches(path); }) &&
        !Excluded(static_cast<int>(t), path)) {
      return static_cast<int>(t);
    }
  }
  return -1;
}

void DirectoryTree::FollowLink(const std::string& real_directory, const std::string& directory) {
  const auto [found, is_new] = nodes_.try_emplace(real_directory);
  Node& node = found->second;
  if (is_new) {
    node.path = real_directory;
    MarkDirty(&node);
  }
  if (std::find(node.owners.begin(), node.owners.end(), directory) == node.owners.end()) {
    node.owners.push_back(directory);
    Watch(&node);
  }
}

}  // namespace skald::agent
