// What an agent reads: targets out of configuration, files and discoveries, and the journal, while they
// change.
#include <algorithm>
#include <set>

#include "agent/agent.h"
#include "agent/tail/promtail_positions.h"
#include "base/error.h"
#include "base/log.h"

namespace skald::agent {
namespace {

constexpr int64_t kPollTargetsNs = kNsPerSecond;

}  // namespace

void Agent::TakeOverPositions() {
  const ImportedPositions taken = ImportPromtailPositions(
      config_.promtail_positions, config_.docker_directory, config_.journal_job, journal_.get());
  if (!taken.tried) return;
  LogInfo("Promtail's positions are taken over", "file={} go_on={} from_start={} gone={} journal={}",
          config_.promtail_positions, taken.files, taken.from_start, taken.gone, taken.journal);
  if (taken.damaged) {
    LogWarn(
        "Promtail's positions file is damaged: files whose lines are lost in it are read from the beginning",
        "file={}", config_.promtail_positions);
  }
}

void Agent::OpenJournal() {
  systemd_.reset();
  if (!config_.journal.enabled) return;
  absl::StatusOr<std::unique_ptr<JournalSource>> opened =
      JournalSource::Open(config_.journal, tailer_->rules(), clock_);
  if (opened.ok()) {
    systemd_ = std::move(*opened);
  } else if (!absl::IsNotFound(opened.status())) {
    LogWarn("systemd journal is not read", "err=\"{}\"", opened.status().ToString());
  }
}

std::string Agent::JournalCursor() const {
  std::string cursor;
  const std::string name(JournalSource::kName);
  if (const auto saved = journal_->state().cursors.find(name); saved != journal_->state().cursors.end())
    cursor = saved->second;
  const auto take = [&cursor](const Batch& batch) {
    for (const CursorRange& range : batch.manifest.cursors) {
      if (range.source == JournalSource::kName) cursor = range.last;
    }
  };
  for (const auto& batch : under_way_) take(*batch);
  for (const auto& batch : sealed_) take(*batch);
  return cursor;
}

std::vector<std::string> Agent::DiscoveredPatterns() const {
  std::set<std::string> patterns;
  for (const Target& target : config_.tail.targets) {
    if (target.metadata == nullptr) continue;
    for (std::string& pattern : target.metadata->Patterns()) patterns.insert(std::move(pattern));
  }
  return {patterns.begin(), patterns.end()};
}

std::vector<Target> Agent::AssembleTargets() const {
  std::vector<Target> targets = config_.tail.targets;
  for (Target& target : targets) {
    if (target.metadata == nullptr) continue;
    for (const std::string& pattern : target.metadata->Patterns()) {
      absl::StatusOr<std::vector<GlobPattern>> globs = GlobPattern::ParseAll(pattern);
      if (!globs.ok()) continue;
      for (GlobPattern& glob : *globs) {
        const bool known =
            std::any_of(target.include.begin(), target.include.end(), [&](const GlobPattern& one) {
              return one.root() == glob.root() && one.components() == glob.components();
            });
        if (!known) target.include.push_back(std::move(glob));
      }
    }
  }
  for (const FileTargets& files : file_targets_)
    targets.insert(targets.end(), files.targets().begin(), files.targets().end());
  return targets;
}

void Agent::PollTargets() {
  if (MonotonicNs() < targets_at_ns_) return;
  targets_at_ns_ = MonotonicNs() + kPollTargetsNs;
  bool changed = false;
  for (FileTargets& files : file_targets_) changed |= files.Poll(MonotonicNs());
  std::vector<std::string> patterns = DiscoveredPatterns();
  if (!changed && patterns == patterns_) return;
  patterns_ = std::move(patterns);
  tailer_->SetTargets(AssembleTargets());
}

void Agent::UseDiscoveries() {
  if (config_.push.declarations == nullptr) return;
  std::set<std::shared_ptr<const DeclaringDiscovery>> discoveries;
  for (const Target& target : config_.tail.targets) {
    if (auto one = std::dynamic_pointer_cast<const DeclaringDiscovery>(target.metadata); one != nullptr)
      discoveries.insert(std::move(one));
  }
  if (config_.swarm != nullptr) discoveries.insert(config_.swarm);
  config_.push.declarations->SetDiscoveries({discoveries.begin(), discoveries.end()});
}

void Agent::UseSources(AgentConfig config) {
  config_.tail.targets = std::move(config.tail.targets);
  config_.file_targets = std::move(config.file_targets);
  config_.swarm = std::move(config.swarm);
  file_targets_.clear();
  for (const FileTargetsOptions& options : config_.file_targets) {
    file_targets_.emplace_back(options);
    file_targets_.back().Poll(MonotonicNs());
  }
  patterns_ = DiscoveredPatterns();
  tailer_->SetTargets(AssembleTargets());
  UseDiscoveries();
  if (config_.journal_definition == config.journal_definition &&
      config_.journal.enabled == config.journal.enabled)
    return;
  config_.journal_definition = std::move(config.journal_definition);
  config_.journal = std::move(config.journal);
  config_.journal.node_name = config_.node_name;
  config_.journal.max_line_size = config_.tail.max_line_size;
  SealIfDue(true);
  const std::string cursor = JournalCursor();
  if (systemd_ != nullptr) systemd_->feed().AddDropped(&counted_.dropped);
  OpenJournal();
  if (systemd_ != nullptr) systemd_->Start(cursor);
}

bool Agent::Reload(AgentConfig config, int64_t timeout_ns) {
  const auto shared = std::make_shared<AgentConfig>(std::move(config));
  return RunOnLoop([this, shared] { UseSources(std::move(*shared)); }, timeout_ns);
}

}  // namespace skald::agent
