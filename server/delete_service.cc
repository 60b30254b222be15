#include "server/delete_service.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <set>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"

namespace skald::server {
namespace {

// Requests that were carried out are listed for so long.
constexpr int64_t kKeepProcessedNs = int64_t{90 * 24 * 3600} * 1'000'000'000;
constexpr int64_t kCancelPeriodNs = int64_t{24 * 3600} * 1'000'000'000;

std::string NewId() {
  std::random_device random;
  return fmt::format("{:08x}", static_cast<uint32_t>(random()));
}

}  // namespace

absl::StatusOr<ActiveDelete> CompileDelete(const DeleteRequest& request) {
  ASSIGN_OR_RETURN(logql::LogSelectorExpr selector, logql::ParseLogSelector(request.query));
  ActiveDelete out;
  out.matchers = selector.selector.matchers;
  out.start_ns = request.start_ns;
  out.end_ns = request.end_ns;
  if (selector.stages.empty()) return out;
  ASSIGN_OR_RETURN(const std::shared_ptr<const exec::Pipeline> pipeline,
                   exec::Pipeline::Compile(exec::PlanPipeline(selector)));
  out.filter = [pipeline](const Labels& stream, const Rows& rows, uint32_t begin, uint32_t end,
                          std::vector<uint32_t>* matched) {
    std::vector<uint32_t> candidates;
    pipeline->FilterRows(rows, begin, end, &candidates);
    if (candidates.empty()) return;
    exec::LabelSetInterner interner;
    exec::PipelineRunner runner(pipeline, &interner);
    runner.StartSlice(stream, &rows);
    exec::Entry entry;
    for (const uint32_t row : candidates) {
      if (runner.ProcessEntry(row, &entry)) matched->push_back(row);
    }
  };
  return out;
}

absl::StatusOr<std::unique_ptr<DeleteService>> DeleteService::Open(std::string path, DeleteView* view,
                                                                   const Clock* clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<DeleteLog> log, DeleteLog::Open(std::move(path)));
  std::unique_ptr<DeleteService> service(new DeleteService(std::move(log), view, clock));
  std::set<std::string> tenants;
  for (const DeleteRequest& request : service->log_->All()) tenants.insert(request.tenant);
  for (const std::string& tenant : tenants) RETURN_IF_ERROR(service->Show(tenant));
  return service;
}

absl::Status DeleteService::Show(std::string_view tenant) {
  std::vector<ActiveDelete> active;
  std::string name;
  for (const DeleteRequest& request : log_->Of(tenant)) {
    if (request.processed_ns != 0) continue;
    absl::StatusOr<ActiveDelete> compiled = CompileDelete(request);
    if (!compiled.ok()) return Annotate(compiled.status(), fmt::format("delete request {}", request.id));
    active.push_back(*std::move(compiled));
    name += request.id + " ";
  }
  view_->Set(tenant, std::move(active), name);
  return absl::OkStatus();
}

absl::StatusOr<std::string> DeleteService::Create(DeleteRequest request) {
  RETURN_IF_ERROR(CompileDelete(request).status());
  const std::lock_guard lock(mu_);
  const std::vector<DeleteRequest> present = log_->Of(request.tenant);
  do {
    request.id = NewId();
  } while (std::any_of(present.begin(), present.end(), [&](const auto& r) { return r.id == request.id; }));
  request.created_ns = clock_->NowNs();
  const std::string id = request.id;
  const std::string tenant = request.tenant;
  RETURN_IF_ERROR(log_->Add(std::move(request)));
  RETURN_IF_ERROR(Show(tenant));
  ++counts_[tenant].received;
  return id;
}

absl::Status DeleteService::Cancel(std::string_view tenant, std::string_view id, bool force) {
  const std::lock_guard lock(mu_);
  for (const DeleteRequest& request : log_->Of(tenant)) {
    if (request.id != id) continue;
    if (request.processed_ns != 0 || (purging_tenant_ == tenant && purging_id_ == id)) {
      return FailedPrecondition(
          "deletion of request which is in process or already processed is not allowed");
    }
    if (!force && clock_->NowNs() - request.created_ns > kCancelPeriodNs) {
      return FailedPrecondition(
          "Cancellation of partially completed delete request or delete request past the deadline of 24h0m0s "
          "since its creation is not allowed. To force, use the ?force query parameter");
    }
    RETURN_IF_ERROR(log_->Remove(tenant, id));
    return Show(tenant);
  }
  return NotFound("could not find delete request with given id");
}

absl::Status DeleteService::PurgeDue(const PurgeOptions& options) {
  absl::Status result;
  for (const DeleteRequest& request : log_->All()) {
    if (request.processed_ns != 0 || clock_->NowNs() - request.created_ns < options.cancel_period_ns)
      continue;
    if (options.may_purge && !options.may_purge(request.tenant)) continue;
    {
      const std::lock_guard lock(mu_);
      // It may have been cancelled meanwhile.
      const std::vector<DeleteRequest> present = log_->Of(request.tenant);
      if (std::none_of(present.begin(), present.end(), [&](const auto& r) { return r.id == request.id; }))
        continue;
      purging_tenant_ = request.tenant;
      purging_id_ = request.id;
    }
    absl::StatusOr<ActiveDelete> what = CompileDelete(request);
    absl::StatusOr<uint64_t> removed =
        what.ok() ? options.store->Purge(request.tenant, request.id, *what) : what.status();
    absl::Status status = removed.status();
    const std::lock_guard lock(mu_);
    purging_tenant_.clear();
    purging_id_.clear();
    if (status.ok()) status = Failpoint("delete.before_complete");
    const int64_t now_ns = clock_->NowNs();
    if (status.ok())
      status = log_->Complete(request.tenant, request.id, now_ns, *removed, now_ns - kKeepProcessedNs);
    if (status.ok()) status = Show(request.tenant);
    if (status.ok()) {
      ++counts_[request.tenant].processed;
      LogInfo("delete request was carried out", "tenant={} request={} removed_lines={} query=\"{}\"",
              request.tenant, request.id, *removed, request.query);
    } else {
      LogError("delete request could not be carried out yet; its lines stay hidden",
               "tenant={} request={} error=\"{}\"", request.tenant, request.id, MessageOf(status));
      result = std::move(status);
    }
  }
  ++(result.ok() ? good_looks_ : failed_looks_);
  return result;
}

std::map<std::string, DeleteService::Counts> DeleteService::counts() const {
  const std::lock_guard lock(mu_);
  return counts_;
}

void DeleteService::Start(PurgeOptions options) {
  thread_ = std::thread([this, options = std::move(options)] { Run(options); });
}

void DeleteService::Run(const PurgeOptions& options) {
  while (true) {
    {
      std::unique_lock lock(thread_mu_);
      wake_.wait_for(lock, std::chrono::nanoseconds(options.interval_ns), [this] { return stopping_; });
      if (stopping_) return;
    }
    PurgeDue(options).IgnoreError();  // told in the log
  }
}

void DeleteService::Stop() {
  {
    const std::lock_guard lock(thread_mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace skald::server
