// Which target a log belongs to, while targets and what discovery knows change.
#include <algorithm>
#include <set>

#include "agent/tail/tailer.h"
#include "base/log.h"

namespace skald::agent {

// The first target that has a pattern for the log and does not drop it.
Tailer::Decision Tailer::Decide(const std::string& log) const {
  for (int target = tree_.TargetOf(log); target >= 0; target = tree_.TargetOf(log, target)) {
    LogLabels labels = DescribeLog(options_.targets[target], log, options_.node_name);
    if (labels.kind != LogLabels::Kind::kUnwanted) return {target, std::move(labels)};
  }
  return {};
}

void Tailer::SetLabelsDue(Chain* chain, LogLabels::Kind kind) const {
  if (kind == LogLabels::Kind::kUndecided) {
    chain->SetLabelsDue(INT64_MAX);
  } else if (kind != LogLabels::Kind::kProvisional) {
    chain->SetLabelsDue(0);
  } else if (chain->labels_due_ns() == 0 || chain->labels_due_ns() == INT64_MAX) {
    chain->SetLabelsDue(MonotonicNs() + options_.metadata_wait_ns);
  }
}

void Tailer::Apply(Chain* chain, Decision decision) {
  chain->SetUnwanted(decision.target < 0);
  if (decision.target < 0) {
    // What was read is read to its present end; what only waited for its labels is not read for them.
    const bool waited = chain->labels_due_ns() != 0;
    for (const auto& file : chain->files()) {
      file->ready = !waited && !file->gone && !file->finished;
      file->at_end = waited;
    }
    chain->SetLabelsDue(0);
  } else {
    const Target& target = options_.targets[decision.target];
    const LogLabels::Kind kind = decision.labels.kind;
    chain->SetEncoding(target.encoding);
    // Labels once known are not given up for provisional ones.
    const bool worse = kind != LogLabels::Kind::kTaken && chain->labels_due_ns() == 0;
    if (!worse) {
      std::shared_ptr<const Pipeline> pipeline = decision.labels.pipeline;
      chain->Redefine(std::move(decision.labels), target.format, std::move(pipeline), batch_, &parse_);
      SetLabelsDue(chain, kind);
    }
  }
  for (const auto& file : chain->files()) {
    if (file->ready) MarkReady(file.get());
  }
}

uint64_t Tailer::MetadataVersion() const {
  std::set<const LogMetadata*> sources;
  uint64_t version = 0;
  for (const Target& target : options_.targets) {
    if (target.metadata != nullptr && sources.insert(target.metadata.get()).second)
      version += target.metadata->version();
  }
  return version;
}

void Tailer::RefreshLabels() {
  metadata_version_ = MetadataVersion();
  for (const auto& [key, chain] : chains_) {
    const int target = tree_.TargetOf(key);
    if (target < 0 || options_.targets[target].metadata == nullptr) continue;
    Apply(chain.get(), Decide(key));
  }
  ReleaseUnwanted();
}

void Tailer::SetTargets(std::vector<Target> targets) {
  options_.targets = std::move(targets);
  metadata_version_ = MetadataVersion();
  tree_.Reset();
  for (const auto& [key, chain] : chains_) Apply(chain.get(), Decide(key));
  ReleaseUnwanted();
  ignored_.clear();
  tree_.ScanAll();
}

void Tailer::ReleaseUnwanted() {
  std::vector<TailedFile*> done;
  for (const auto& [key, chain] : chains_) {
    if (!chain->unwanted()) continue;
    const bool at_end = std::all_of(chain->files().begin(), chain->files().end(), [](const auto& file) {
      return file->gone || file->finished || (!file->ready && file->at_end);
    });
    if (!at_end) continue;
    if (chain->HasPending()) chain->FlushPending(batch_);
    for (const auto& file : chain->files()) {
      if (file->acked() && !chain->Pins(file->file_id) && !PinnedByState(*chain, file->file_id))
        done.push_back(file.get());
    }
  }
  for (TailedFile* file : done) {
    const uint64_t id = file->file_id;
    if (!file->gone && journal_->state().files.contains(id)) {
      Saved saved{PositionOf(*file), file->committed, file->head, file->reader.tail_hash(), false};
      saved_by_inode_[file->key].push_back(id);
      if (saved.head.length > 0) {
        saved_by_head_[saved.head.hash].push_back(id);
        saved_head_lengths_.insert(saved.head.length);
      }
      saved_[id] = std::move(saved);
      released_ns_ = MonotonicNs();
    }
    RemoveFile(file, file->gone);
  }
}

}  // namespace skald::agent
