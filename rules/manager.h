// All rules of a server: read from files and through the API, evaluated when their time comes, their state
// kept, what they lead to handed on.
#pragma once

#include <absl/status/status.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "rules/group.h"
#include "rules/history.h"
#include "rules/notifier.h"
#include "rules/remote_write.h"
#include "rules/rule_db.h"
#include "rules/rule_file.h"

namespace skald::rules {

struct ManagerOptions {
  GroupOptions groups;
  // Files that people write: <rules_directory>/<tenant>/<file>, read again when they change. "" = none.
  std::string rules_directory;
  // Namespaces of the API: <api_directory>/<tenant>/<namespace, escaped>.
  std::string api_directory;
  int64_t poll_interval_ns = int64_t{10} * kNsPerSecond;
  int64_t outage_tolerance_ns = int64_t{3600} * kNsPerSecond;  // older state is forgotten
  int evaluation_threads = 2;
  // Whose rules are evaluated: those named, none named = all, without those that are disabled.
  std::vector<std::string> enabled_tenants;
  std::vector<std::string> disabled_tenants;
};

// What takes what rules lead to; any may be missing. All outlive the manager.
struct ManagerSinks {
  std::vector<Notifier*> notifiers;
  std::vector<RemoteWriter*> remote_writers;
  History* history = nullptr;
};

// Thread-safe.
class Manager {
 public:
  Manager(ManagerOptions options, ManagerSinks sinks, RuleDb* db, const Clock* clock, Metrics* metrics);
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // Reads files and starts evaluating on threads of its own. Without it the caller uses Poll and RunDue.
  void Start();
  // Ends the threads; what runs is finished. State stays for the next start.
  void Stop();

  // Reads what has changed on disk. A file with problems leaves the rules that run untouched and is reported.
  void Poll();
  // Evaluates on the calling thread each group whose slot has come; answers the next slot.
  int64_t RunDue();

  // Rules of another source (labels of services), as a file of their own; no groups removes it. Takes effect
  // at once and does not survive a restart by itself; the state of its alerts does.
  void SetDeclared(const std::string& tenant, const std::string& file, std::vector<RuleGroup> groups);
  // Many at once, in one step.
  struct DeclaredFile {
    std::string tenant;
    std::string file;
    std::vector<RuleGroup> groups;
  };
  void SetDeclared(std::vector<DeclaredFile> files);

  // The API. Namespaces of the tenant with their groups, sorted: those of the API and the files.
  std::map<std::string, std::vector<RuleGroup>> Namespaces(const std::string& tenant) const;
  // InvalidArgument for rules that are wrong, FailedPrecondition for a namespace that is a file.
  absl::Status SetGroup(const std::string& tenant, const std::string& name_space, RuleGroup group);
  // NotFound `group does not exist`, `group namespace does not exist`.
  absl::Status DeleteGroup(const std::string& tenant, const std::string& name_space,
                           const std::string& group);
  absl::Status DeleteNamespace(const std::string& tenant, const std::string& name_space);

  // Groups that run, by file and name. "" = of all tenants.
  std::vector<GroupStatus> Status(const std::string& tenant) const;
  // Problems of files as they were read last.
  std::vector<std::string> FileProblems() const;

 private:
  struct FileKey {
    std::string tenant;
    std::string file;
    auto operator<=>(const FileKey&) const = default;
  };
  struct Source {
    std::string path;   // "" = declared
    std::string stamp;  // size and times of the file as it was read
    bool is_api = false;
    std::vector<RuleGroup> groups;
    std::string problem;  // of the newest version; groups are those of the last good one
  };
  struct Scheduled {
    std::shared_ptr<Group> group;
    int64_t next_ns = 0;
    bool running = false;
    std::shared_ptr<Group> replacement;  // takes over when the evaluation is done
    bool ended = false;                  // ends then
  };
  using GroupKey = std::pair<FileKey, std::string>;

  void ReadDirectory(const std::string& directory, bool is_api, std::map<FileKey, bool>* seen);
  absl::Status WriteApiFile(const FileKey& key, const std::vector<RuleGroup>& groups);
  // Brings groups_ in line with sources_. mu_ is held.
  void Apply();
  void EndGroup(const std::shared_ptr<Group>& group, const std::string& reason);
  void EvaluateSlot(const GroupKey& key, const std::shared_ptr<Group>& group, int64_t slot_ns,
                    uint64_t missed);
  void Commit(const Group& group, int64_t ts_ns, GroupOutcome outcome, bool ended);
  void ObserveDurations(const GroupStatus& status);
  void Loop();
  std::shared_ptr<Group> MakeGroup(const FileKey& key, const RuleGroup& group);

  const ManagerOptions options_;
  const ManagerSinks sinks_;
  RuleDb* const db_;
  const Clock* const clock_;
  Metrics* const metrics_;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  std::map<FileKey, Source> sources_;     // guarded by mu_
  std::map<GroupKey, Scheduled> groups_;  // guarded by mu_
  bool stopping_ = false;                 // guarded by mu_
  bool changed_ = false;                  // guarded by mu_
  int running_ = 0;                       // guarded by mu_
  std::unique_ptr<ThreadPool> pool_;
  std::thread thread_;
};

}  // namespace skald::rules
