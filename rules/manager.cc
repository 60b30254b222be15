#include "rules/manager.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/coding.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::rules {
namespace {

constexpr size_t kMaxFileBytes = 16 << 20;

// A namespace as a file name.
std::string EscapeName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string UnescapeName(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// "" where there is no such regular file.
std::string StampOf(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  return fmt::format("{} {} {}.{:09}", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

std::string StateKey(const Group& group, std::string_view rule_key) {
  std::string key = "S";
  PutText(&key, group.tenant());
  PutText(&key, group.file());
  PutText(&key, group.name());
  key.append(rule_key);
  return key;
}

std::string GroupKeyOf(const Group& group) {
  std::string key = "G";
  PutText(&key, group.tenant());
  PutText(&key, group.file());
  PutText(&key, group.name());
  return key;
}

}  // namespace

Manager::Manager(ManagerOptions options, ManagerSinks sinks, RuleDb* db, const Clock* clock, Metrics* metrics)
    : options_(std::move(options)), sinks_(std::move(sinks)), db_(db), clock_(clock), metrics_(metrics) {}

Manager::~Manager() { Stop(); }

void Manager::Start() {
  Poll();
  pool_ = std::make_unique<ThreadPool>(options_.evaluation_threads);
  thread_ = std::thread([this] { Loop(); });
}

void Manager::Stop() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  pool_ = nullptr;
}

void Manager::Loop() {
  int64_t next_poll_ns = MonotonicNs() + options_.poll_interval_ns;
  while (true) {
    if (MonotonicNs() >= next_poll_ns) {
      Poll();
      next_poll_ns = MonotonicNs() + options_.poll_interval_ns;
    }
    std::unique_lock lock(mu_);
    if (stopping_) return;
    const int64_t now_ns = clock_->NowNs();
    int64_t next_ns = now_ns + kNsPerSecond;
    for (auto& [key, scheduled] : groups_) {
      if (scheduled.running) continue;
      // The clock was set back.
      if (scheduled.next_ns > now_ns + 2 * scheduled.group->interval_ns()) {
        scheduled.next_ns = scheduled.group->SlotAfter(now_ns);
      }
      if (scheduled.next_ns > now_ns) {
        next_ns = std::min(next_ns, scheduled.next_ns);
        continue;
      }
      const int64_t slot_ns = scheduled.group->SlotBefore(now_ns);
      const auto missed =
          static_cast<uint64_t>((slot_ns - scheduled.next_ns) / scheduled.group->interval_ns());
      scheduled.running = true;
      scheduled.next_ns = slot_ns + scheduled.group->interval_ns();
      ++running_;
      pool_->Add([this, k = key, group = scheduled.group, slot_ns, missed] {
        EvaluateSlot(k, group, slot_ns, missed);
      });
    }
    changed_ = false;
    wake_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(next_ns - clock_->NowNs(), kNsPerMs)),
                   [this] { return stopping_ || changed_; });
  }
}

int64_t Manager::RunDue() {
  const int64_t now_ns = clock_->NowNs();
  while (true) {
    GroupKey key;
    std::shared_ptr<Group> group;
    int64_t slot_ns = 0;
    uint64_t missed = 0;
    int64_t next_ns = kMaxTimeNs;
    {
      const std::lock_guard lock(mu_);
      for (auto& [k, scheduled] : groups_) {
        if (scheduled.running) continue;
        if (scheduled.next_ns > now_ns) {
          next_ns = std::min(next_ns, scheduled.next_ns);
          continue;
        }
        key = k;
        group = scheduled.group;
        slot_ns = group->SlotBefore(now_ns);
        missed = static_cast<uint64_t>((slot_ns - scheduled.next_ns) / group->interval_ns());
        scheduled.running = true;
        scheduled.next_ns = slot_ns + group->interval_ns();
        ++running_;
        break;
      }
    }
    if (group == nullptr) return next_ns;
    EvaluateSlot(key, group, slot_ns, missed);
  }
}

void Manager::EvaluateSlot(const GroupKey& key, const std::shared_ptr<Group>& group, int64_t slot_ns,
                           uint64_t missed) {
  Commit(*group, slot_ns, group->Evaluate(slot_ns, missed), false);
  const MetricLabels labels = {{"rule_group", group->file() + ";" + group->name()},
                               {"user", group->tenant()}};
  if (missed > 0) {
    metrics_
        ->Counter("loki_prometheus_rule_group_iterations_missed_total",
                  "Evaluations of a group that were left out because the one before took too long.", labels)
        .Add(static_cast<double>(missed));
  }
  {
    const std::lock_guard lock(mu_);
    --running_;
    changed_ = true;
    const auto it = groups_.find(key);
    if (it != groups_.end() && it->second.group == group) {
      it->second.running = false;
      if (it->second.ended) {
        groups_.erase(it);
        EndGroup(group, "rule removed");
      } else if (it->second.replacement != nullptr) {
        it->second.replacement->CopyStateFrom(group.get());
        it->second.group = std::move(it->second.replacement);
        it->second.replacement = nullptr;
        it->second.next_ns = it->second.group->SlotAfter(slot_ns);
      }
    }
  }
  wake_.notify_all();
}

void Manager::Commit(const Group& group, int64_t ts_ns, GroupOutcome outcome, bool ended) {
  RuleDbBatch batch;
  for (auto& [rule_key, state] : outcome.states) {
    if (state.empty()) {
      batch.Delete(StateKey(group, rule_key));
    } else {
      batch.Put(StateKey(group, rule_key), std::move(state));
    }
  }
  if (ended) {
    batch.Delete(GroupKeyOf(group));
  } else {
    std::string time;
    PutFixed(&time, ts_ns);
    batch.Put(GroupKeyOf(group), std::move(time));
  }
  const RulePlace place{group.tenant(), group.file(), group.name()};
  if (sinks_.history != nullptr) sinks_.history->Enqueue(&batch, place, outcome.transitions);
  for (Notifier* notifier : sinks_.notifiers)
    notifier->Enqueue(&batch, group.tenant(), ts_ns, outcome.messages);
  for (RemoteWriter* writer : sinks_.remote_writers) writer->Enqueue(&batch, group.tenant(), outcome.samples);
  if (const absl::Status status = db_->Commit(batch, !outcome.transitions.empty()); !status.ok()) {
    LogError("state of rules not written", "group={} error=\"{}\"", group.name(), MessageOf(status));
  }
  if (sinks_.history != nullptr) sinks_.history->Announce();
  for (Notifier* notifier : sinks_.notifiers) notifier->Announce();
  for (RemoteWriter* writer : sinks_.remote_writers) writer->Announce();

  for (const Transition& transition : outcome.transitions) {
    LogInfo("alert changed", "alert={} from={} to={} group={}", transition.instance.labels.Get("alertname"),
            Name(transition.from), Name(transition.to), group.name());
  }
  const GroupStatus status = group.Status();
  const MetricLabels labels = {{"rule_group", group.file() + ";" + group.name()}, {"user", group.tenant()}};
  const auto counter = [&](const char* name, const char* help) -> MetricCounter& {
    return metrics_->Counter(std::string("loki_prometheus_rule_") + name, help, labels);
  };
  const auto gauge = [&](const char* name, const char* help, double value) {
    metrics_->Gauge(std::string("loki_prometheus_rule_group_") + name, help, labels).Set(value);
  };
  if (!ended) ObserveDurations(status);
  counter("evaluations_total", "Evaluations of rules.").Add(static_cast<double>(status.rules.size()));
  counter("evaluation_failures_total", "Evaluations of rules that failed.").Add(outcome.failures);
  gauge("interval_seconds", "Time between two evaluations.", static_cast<double>(status.interval_ns) / 1e9);
  gauge("last_evaluation_timestamp_seconds", "Time of the last evaluation.",
        static_cast<double>(ts_ns) / 1e9);
  gauge("last_duration_seconds", "How long the last evaluation took.",
        static_cast<double>(status.duration_ns) / 1e9);
  gauge("rules", "Rules of the group.", ended ? 0 : static_cast<double>(status.rules.size()));
  gauge("last_evaluation_samples", "Samples of the last evaluation.", static_cast<double>(status.samples));
  MetricCounter& iterations =
      counter("group_iterations_total", "Evaluations of a group, missed ones included.");
  iterations.Add(std::max(0.0, static_cast<double>(status.iterations) - iterations.Value()));
}

void Manager::ObserveDurations(const GroupStatus& status) {
  MetricHistogram& rule_seconds = metrics_->Histogram("loki_prometheus_rule_evaluation_duration_seconds",
                                                      "How long the evaluation of a rule took.");
  for (const RuleStatus& rule : status.rules)
    rule_seconds.Observe(static_cast<double>(rule.duration_ns) / 1e9);
  metrics_
      ->Histogram("loki_prometheus_rule_group_duration_seconds", "How long the evaluation of a group took.")
      .Observe(static_cast<double>(status.duration_ns) / 1e9);
}

void Manager::EndGroup(const std::shared_ptr<Group>& group, const std::string& reason) {
  const int64_t now_ns = clock_->NowNs();
  Commit(*group, now_ns, group->End(now_ns, reason), true);
}

std::shared_ptr<Group> Manager::MakeGroup(const FileKey& key, const RuleGroup& group) {
  return std::make_shared<Group>(key.tenant, key.file, group, &options_.groups);
}

void Manager::Apply() {
  const int64_t now_ns = clock_->NowNs();
  std::set<GroupKey> wanted;
  const auto names = [](const std::vector<std::string>& list, const std::string& tenant) {
    return std::find(list.begin(), list.end(), tenant) != list.end();
  };
  for (const auto& [file, source] : sources_) {
    if (names(options_.disabled_tenants, file.tenant)) continue;
    if (!options_.enabled_tenants.empty() && !names(options_.enabled_tenants, file.tenant)) continue;
    for (const RuleGroup& rules : source.groups) {
      const GroupKey key{file, rules.name};
      wanted.insert(key);
      Scheduled& scheduled = groups_[key];
      scheduled.ended = false;
      const Group* newest =
          scheduled.replacement != nullptr ? scheduled.replacement.get() : scheduled.group.get();
      if (newest != nullptr && newest->fingerprint() == Fingerprint(rules)) continue;
      std::shared_ptr<Group> group = MakeGroup(file, rules);
      if (scheduled.group == nullptr) {
        const std::optional<std::string> last = db_->Get(GroupKeyOf(*group));
        int64_t last_ns = 0;
        if (last.has_value()) last_ns = ByteReader(*last).Fixed<int64_t>();
        if (last.has_value() && now_ns - last_ns <= options_.outage_tolerance_ns) {
          const int64_t begin_ns = MonotonicNs();
          group->Restore([&](const std::string& rule_key) { return db_->Get(StateKey(*group, rule_key)); });
          metrics_
              ->Gauge("loki_prometheus_rule_group_last_restore_duration_seconds",
                      "How long the last restoration of a group's alerts took.",
                      {{"rule_group", group->file() + ";" + group->name()}, {"user", group->tenant()}})
              .Set(static_cast<double>(MonotonicNs() - begin_ns) / 1e9);
        }
        scheduled.group = std::move(group);
        scheduled.next_ns = scheduled.group->SlotAfter(now_ns);
      } else if (scheduled.running) {
        scheduled.replacement = std::move(group);
      } else {
        group->CopyStateFrom(scheduled.group.get());
        scheduled.group = std::move(group);
        scheduled.next_ns = scheduled.group->SlotAfter(now_ns);
      }
    }
  }
  for (auto it = groups_.begin(); it != groups_.end();) {
    if (wanted.count(it->first) > 0) {
      ++it;
      continue;
    }
    if (it->second.running) {
      it->second.ended = true;
      ++it;
      continue;
    }
    EndGroup(it->second.group, "rule removed");
    it = groups_.erase(it);
  }
  changed_ = true;
  wake_.notify_all();
}

void Manager::ReadDirectory(const std::string& directory, bool is_api, std::map<FileKey, bool>* seen) {
  if (directory.empty()) return;
  const absl::StatusOr<std::vector<std::string>> tenants = ListDirectory(directory);
  if (!tenants.ok()) return;
  for (const std::string& tenant : *tenants) {
    const absl::StatusOr<std::vector<std::string>> files = ListDirectory(directory + "/" + tenant);
    if (!files.ok()) continue;
    for (const std::string& file : *files) {
      if (file.starts_with(".") || file.ends_with("~") || file.ends_with(".tmp")) continue;
      const std::string path = directory + "/" + tenant + "/" + file;
      const std::string stamp = StampOf(path);
      if (stamp.empty()) continue;
      const FileKey key{tenant, is_api ? UnescapeName(file) : file};
      // A namespace that stands in both places is the file's.
      if (is_api && seen->count(key) > 0) continue;
      (*seen)[key] = true;
      Source& source = sources_[key];
      if (source.stamp == stamp && source.path == path) continue;
      source.path = path;
      source.is_api = is_api;
      source.stamp = stamp;
      absl::StatusOr<std::string> text = ReadWholeFile(path);
      if (text.ok() && text->size() > kMaxFileBytes)
        text = InvalidArgument("{}: the file is too large", path);
      if (!text.ok()) {
        source.problem = MessageOf(text.status());
      } else {
        RuleFileResult result = ReadRules(*text, path);
        source.problem = result.Errors();
        if (result.ok()) source.groups = std::move(result.file.groups);
      }
      if (!source.problem.empty()) {
        LogError("rule file refused, its rules as they were go on", "file={} problems=\"{}\"", path,
                 source.problem);
      } else {
        LogInfo("rule file read", "file={} groups={}", path, source.groups.size());
      }
    }
  }
}

void Manager::Poll() {
  const std::lock_guard lock(mu_);
  std::map<FileKey, bool> seen;
  ReadDirectory(options_.rules_directory, false, &seen);
  ReadDirectory(options_.api_directory, true, &seen);
  std::erase_if(sources_,
                [&](const auto& item) { return !item.second.path.empty() && seen.count(item.first) == 0; });
  size_t problems = 0;
  for (const auto& [key, source] : sources_) problems += source.problem.empty() ? 0 : 1;
  metrics_->Gauge("skald_rule_files_with_problems", "Rule files whose newest version was refused.")
      .Set(static_cast<double>(problems));
  Apply();
}

void Manager::SetDeclared(const std::string& tenant, const std::string& file, std::vector<RuleGroup> groups) {
  std::vector<DeclaredFile> one;
  one.push_back(DeclaredFile{tenant, file, std::move(groups)});
  SetDeclared(std::move(one));
}

void Manager::SetDeclared(std::vector<DeclaredFile> files) {
  const std::lock_guard lock(mu_);
  for (DeclaredFile& file : files) {
    const FileKey key{file.tenant, file.file};
    if (file.groups.empty()) {
      sources_.erase(key);
    } else {
      sources_[key].groups = std::move(file.groups);
    }
  }
  Apply();
}

std::map<std::string, std::vector<RuleGroup>> Manager::Namespaces(const std::string& tenant) const {
  const std::lock_guard lock(mu_);
  std::map<std::string, std::vector<RuleGroup>> out;
  for (const auto& [key, source] : sources_) {
    if (key.tenant == tenant && !source.groups.empty()) out[key.file] = source.groups;
  }
  return out;
}

absl::Status Manager::WriteApiFile(const FileKey& key, const std::vector<RuleGroup>& groups) {
  const std::string directory = options_.api_directory + "/" + key.tenant;
  const std::string path = directory + "/" + EscapeName(key.file);
  if (groups.empty()) {
    RETURN_IF_ERROR(RemoveFile(path));
    sources_.erase(key);
  } else {
    RETURN_IF_ERROR(CreateDirectories(directory));
    RETURN_IF_ERROR(WriteFileAtomically(path, RulesYaml(groups)));
    Source& source = sources_[key];
    source.path = path;
    source.is_api = true;
    source.stamp = StampOf(path);
    source.problem.clear();
    source.groups = groups;
  }
  Apply();
  return absl::OkStatus();
}

namespace {

absl::Status IsAFile(const std::string& name_space) {
  return InvalidArgument(
      "the namespace {} is a rule file of the server; change that file, or name another namespace",
      name_space);
}

}  // namespace

absl::Status Manager::SetGroup(const std::string& tenant, const std::string& name_space, RuleGroup group) {
  if (options_.api_directory.empty()) return FailedPrecondition("rules cannot be written here");
  if (name_space.empty() || name_space.find("..") != std::string::npos) {
    return InvalidArgument("invalid namespace: path traversal not allowed");
  }
  const std::lock_guard lock(mu_);
  const FileKey key{tenant, name_space};
  std::vector<RuleGroup> groups;
  if (const auto it = sources_.find(key); it != sources_.end()) {
    if (!it->second.is_api) return IsAFile(name_space);
    groups = it->second.groups;
  }
  const auto same = std::find_if(groups.begin(), groups.end(),
                                 [&](const RuleGroup& other) { return other.name == group.name; });
  if (same != groups.end()) {
    *same = std::move(group);
  } else {
    groups.push_back(std::move(group));
  }
  return WriteApiFile(key, groups);
}

absl::Status Manager::DeleteGroup(const std::string& tenant, const std::string& name_space,
                                  const std::string& group) {
  const std::lock_guard lock(mu_);
  const FileKey key{tenant, name_space};
  const auto it = sources_.find(key);
  if (it == sources_.end()) return NotFound("group does not exist");
  if (!it->second.is_api) return IsAFile(name_space);
  std::vector<RuleGroup> groups = it->second.groups;
  if (std::erase_if(groups, [&](const RuleGroup& other) { return other.name == group; }) == 0) {
    return NotFound("group does not exist");
  }
  return WriteApiFile(key, groups);
}

absl::Status Manager::DeleteNamespace(const std::string& tenant, const std::string& name_space) {
  const std::lock_guard lock(mu_);
  const FileKey key{tenant, name_space};
  const auto it = sources_.find(key);
  if (it == sources_.end()) return NotFound("group namespace does not exist");
  if (!it->second.is_api) return IsAFile(name_space);
  return WriteApiFile(key, {});
}

std::vector<GroupStatus> Manager::Status(const std::string& tenant) const {
  std::vector<std::shared_ptr<Group>> groups;
  {
    const std::lock_guard lock(mu_);
    for (const auto& [key, scheduled] : groups_) {
      if (tenant.empty() || key.first.tenant == tenant) groups.push_back(scheduled.group);
    }
  }
  std::vector<GroupStatus> out;
  out.reserve(groups.size());
  for (const std::shared_ptr<Group>& group : groups) out.push_back(group->Status());
  return out;
}

std::vector<std::string> Manager::FileProblems() const {
  const std::lock_guard lock(mu_);
  std::vector<std::string> out;
  for (const auto& [key, source] : sources_) {
    if (!source.problem.empty()) out.push_back(source.problem);
  }
  return out;
}

}  // namespace skald::rules
