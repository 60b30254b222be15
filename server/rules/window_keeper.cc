#include "server/rules/window_keeper.h"

#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace skald::server {
namespace {

constexpr auto kRound = std::chrono::seconds(15);

}  // namespace

WindowKeeper::WindowKeeper(std::string directory, exec::RollingWindows* windows, Metrics* metrics)
    : directory_(std::move(directory)), windows_(windows), metrics_(metrics) {
  if (FileExists(directory_)) OpenDatabase();
  const auto gauge = [](double value) { return std::vector<Metrics::Sample>{{{}, value}}; };
  metrics_->Callback(this, MetricKind::kGauge, "skald_rule_window_saved_bytes",
                     "Partial aggregates of rules that are on the disk.",
                     [=, this] { return gauge(static_cast<double>(windows_->saved_bytes())); });
  metrics_->Callback(this, MetricKind::kCounter, "skald_rule_window_written_bytes_total",
                     "Bytes of partial aggregates of rules that were written to the disk.",
                     [=, this] { return gauge(static_cast<double>(windows_->written_bytes())); });
  metrics_->Callback(this, MetricKind::kCounter, "skald_rule_window_damaged_total",
                     "Pieces of rules' partial aggregates on the disk that could not be read.",
                     [=, this] { return gauge(static_cast<double>(windows_->damaged())); });
}

bool WindowKeeper::OpenDatabase() {
  absl::StatusOr<std::unique_ptr<rules::WindowDb>> db = rules::WindowDb::Open(directory_);
  if (!db.ok()) {
    LogWarn("partial aggregates of rules are not kept on disk", "error=\"{}\"", MessageOf(db.status()));
    return false;
  }
  db_ = *std::move(db);
  windows_->Open(db_.get());
  return true;
}

void WindowKeeper::Begin(const Store* store) {
  if (db_ == nullptr && (FileExists(directory_) || !OpenDatabase())) return;
  const StoreStats stats = store->Stats();
  const absl::StatusOr<std::vector<StoredTimes>> segments = store->SegmentTimes();
  const bool lost = !segments.ok() || stats.damaged_log_bytes > 0 || stats.lost_segment_bytes > 0;
  std::vector<exec::LinesFile> files;
  if (segments.ok()) {
    for (const StoredTimes& segment : *segments)
      files.push_back({segment.min_ns, segment.max_ns, Raw(segment.covered)});
  }
  windows_->Begin(files, Raw(store->LastLsn()), lost);
  store_ = store;
  thread_ = std::thread([this] { Run(); });
}

void WindowKeeper::Run() {
  while (true) {
    {
      std::unique_lock lock(mu_);
      wake_.wait_for(lock, kRound, [this] { return stopping_; });
      if (stopping_) return;
    }
    Save(false);
  }
}

void WindowKeeper::Save(bool everything) {
  const absl::Status status = windows_->Save(
      Raw(store_->AppliedLsn()), [this] { return Raw(store_->LastLsn()); }, everything);
  if (!status.ok() && !failed_) {
    LogWarn("partial aggregates of rules cannot be written; trying again", "error=\"{}\"", MessageOf(status));
  }
  failed_ = !status.ok();
}

void WindowKeeper::Stop() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  Save(true);
}

WindowKeeper::~WindowKeeper() {
  Stop();
  metrics_->RemoveCallbacks(this);
}

}  // namespace skald::server
