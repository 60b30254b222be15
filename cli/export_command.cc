// skaldctl query over many workers: the range in parts, each a file, so that a run that broke off goes on
// where it was.
#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/scratch_directory.h"
#include "base/status_macros.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/entry_pager.h"
#include "cli/export_parts.h"
#include "cli/progress_bar.h"
#include "cli/time_flags.h"
#include "query/logql/parser.h"
#include "text/units.h"

namespace skald::cli {
namespace {

constexpr uint64_t kMostWorkers = 64;

// What decides a part's bytes.
std::string SettingsOf(const Options& options) {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject();
  json.Key("query").String(options.query);
  json.Key("direction").String(options.forward ? "forward" : "backward");
  json.Key("interval").String(options.interval);
  json.Key("output").Int(static_cast<int64_t>(options.printer.mode));
  json.Key("local_time").Bool(options.printer.local_time);
  json.Key("time_format").Int(static_cast<int64_t>(options.printer.time_format));
  json.Key("no_labels").Bool(options.printer.no_labels);
  json.Key("labels_length").Int(static_cast<int64_t>(options.printer.labels_width));
  json.Key("include_labels").BeginArray();
  for (const std::string& name : options.printer.include_labels) json.String(name);
  json.EndArray();
  json.Key("exclude_labels").BeginArray();
  for (const std::string& name : options.printer.exclude_labels) json.String(name);
  json.EndArray();
  json.Key("org_id").String(options.connection.org_id);
  json.EndObject();
  return text + "\n";
}

class Export {
 public:
  Export(const Options& options, std::vector<ExportPart> parts, Streams streams)
      : options_(options), parts_(std::move(parts)), streams_(streams), done_(parts_.size(), false) {
    progress_.parts = parts_.size();
  }

  // print: parts go to `out` in their order, as soon as they and all before them are there.
  absl::Status Run(bool print) {
    ProgressBar bar(options_.show_progress ? &streams_.notes : nullptr);
    std::vector<std::thread> workers;
    const uint64_t count = std::min<uint64_t>(options_.export_workers, parts_.size());
    for (uint64_t i = 0; i < count; ++i) workers.emplace_back([this] { Work(); });
    size_t printed = 0;
    std::unique_lock<std::mutex> lock(mu_);
    while (progress_.parts_done < parts_.size() && error_.ok()) {
      changed_.wait_for(lock, std::chrono::milliseconds(200));
      bar.Show(progress_);
      if (!print) continue;
      while (printed < parts_.size() && done_[printed] && error_.ok()) {
        lock.unlock();
        const absl::Status status = PrintPart(parts_[printed++].path);
        lock.lock();
        if (!status.ok()) error_ = status;
      }
    }
    const absl::Status error = error_;
    stop_ = !error.ok();
    lock.unlock();
    for (std::thread& worker : workers) worker.join();
    bar.Finish(progress_);
    RETURN_IF_ERROR(error);
    while (print && printed < parts_.size()) RETURN_IF_ERROR(PrintPart(parts_[printed++].path));
    return absl::OkStatus();
  }

  const Progress& progress() const { return progress_; }

 private:
  void Work() {
    Api api(options_.connection);
    while (!stop_) {
      const size_t i = next_++;
      if (i >= parts_.size()) return;
      const bool found = !options_.overwrite_parts && FileExists(parts_[i].path);
      absl::Status status = found ? absl::OkStatus() : Fetch(&api, parts_[i]);
      const std::lock_guard<std::mutex> lock(mu_);
      if (!status.ok()) {
        if (error_.ok() && !stop_) error_ = std::move(status);
      } else {
        done_[i] = true;
        ++progress_.parts_done;
        if (found) ++progress_.parts_found;
      }
      changed_.notify_one();
    }
  }

  absl::Status Fetch(Api* api, const ExportPart& part) {
    const std::string temporary = part.path + ".tmp";
    ASSIGN_OR_RETURN(const FileDescriptor file,
                     OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC));
    absl::Status written = absl::OkStatus();
    const FetchPage fetch = [&](const PageRequest& page) -> absl::StatusOr<std::vector<Entry>> {
      if (stop_) return Cancelled("another part failed");
      RETURN_IF_ERROR(written);
      ASSIGN_OR_RETURN(QueryAnswer answer, api->QueryRange({options_.query, page.range, page.limit,
                                                            page.forward, "", options_.interval}));
      if (answer.result_type != "streams")
        return InvalidArgument(
            "only lines can be exported in parts; leave out --parallel-max-workers and "
            "--part-path-prefix for a metric");
      return std::move(answer.entries);
    };
    const PageSink sink = [&](const std::vector<Entry>& entries) {
      std::ostringstream text;
      EntryPrinter(options_.printer, &text).Print(entries, Labels());
      const std::string bytes = std::move(text).str();
      if (written.ok()) written = WriteAll(file.get(), bytes, temporary);
      const std::lock_guard<std::mutex> lock(mu_);
      progress_.lines += entries.size();
      progress_.bytes += bytes.size();
    };
    RETURN_IF_ERROR(PageEntries(part.range, 0, options_.batch, options_.forward, fetch, sink));
    RETURN_IF_ERROR(written);
    RETURN_IF_ERROR(SyncData(file.get(), temporary));
    std::error_code error;
    std::filesystem::rename(temporary, part.path, error);
    if (error) return Internal("{} cannot be renamed to {}: {}", temporary, part.path, error.message());
    return absl::OkStatus();
  }

  absl::Status PrintPart(const std::string& path) {
    ASSIGN_OR_RETURN(const FileDescriptor file, OpenFile(path, O_RDONLY | O_CLOEXEC));
    std::string buffer(size_t{1} << 18, '\0');
    for (uint64_t offset = 0;;) {
      ASSIGN_OR_RETURN(const size_t n, ReadAt(file.get(), buffer.data(), buffer.size(), offset, path));
      if (n == 0) break;
      streams_.out.write(buffer.data(), static_cast<std::streamsize>(n));
      if (!streams_.out) return Internal("the output cannot be written");
      offset += n;
    }
    return options_.part_prefix.empty() ? RemoveFile(path) : absl::OkStatus();
  }

  const Options& options_;
  const std::vector<ExportPart> parts_;
  Streams streams_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mu_;
  std::condition_variable changed_;
  Progress progress_;       // guarded by mu_
  std::vector<bool> done_;  // guarded by mu_
  absl::Status error_;      // guarded by mu_; the first
};

}  // namespace

absl::Status RunExport(const Options& options, Streams streams) {
  const bool keeps = !options.part_prefix.empty();
  const auto length_ns = ParseQueryDuration(options.parallel_duration);
  if (!length_ns.ok() || *length_ns <= 0)
    return InvalidArgument("--parallel-duration: cannot read the span {}; write 15m, 1h or 1d",
                           options.parallel_duration);
  if (options.export_workers > kMostWorkers)
    return InvalidArgument("--parallel-max-workers {} is more than {}", options.export_workers, kMostWorkers);
  if (options.printer.mode == OutputMode::kTable)
    return InvalidArgument("-o table needs all lines before it prints; export with -o default, raw or jsonl");
  if (!keeps && (options.merge_parts || options.keep_parts || options.overwrite_parts))
    return InvalidArgument(
        "--merge-parts, --keep-parts and --overwrite-completed-parts need --part-path-prefix");
  if (keeps && (options.from.empty() || options.to.empty()))
    return InvalidArgument(
        "--part-path-prefix needs --from and --to: a run that goes on where another broke off must ask for "
        "the "
        "same time");
  if (const auto expr = logql::ParseExpr(options.query); expr.ok() && !logql::IsLogQuery(**expr))
    return InvalidArgument("only lines can be exported in parts, and {} is a metric", options.query);
  ASSIGN_OR_RETURN(const TimeRange range,
                   ResolveRange(options.from, options.to, options.since, Clock::System().NowNs()));

  ScratchDirectory scratch;
  if (!keeps) {
    ASSIGN_OR_RETURN(scratch, ScratchDirectory::Make("skaldctl"));
  }
  const std::string prefix = keeps ? options.part_prefix : scratch.path() + "/part";
  if (keeps) RETURN_IF_ERROR(ClaimPrefix(prefix, SettingsOf(options), options.overwrite_parts));
  const std::vector<ExportPart> parts = CutIntoParts(range, *length_ns, options.forward, prefix);
  Export run(options, parts, streams);
  const absl::Status status = run.Run(!keeps || options.merge_parts);
  if (!status.ok()) {
    if (!keeps || absl::IsInvalidArgument(status)) return status;
    return absl::Status(status.code(),
                        fmt::format("{}\n  {} of {} parts are there; the same command goes on from them",
                                    MessageOf(status), run.progress().parts_done, parts.size()));
  }
  streams.out.flush();
  if (!streams.out) return Internal("the output cannot be written; the parts are kept");
  if (keeps && options.merge_parts && !options.keep_parts) {
    for (const ExportPart& part : parts) RETURN_IF_ERROR(RemoveFile(part.path));
    ReleasePrefix(prefix);
  }
  if (keeps && !options.merge_parts && !options.quiet)
    streams.notes << parts.size() << (parts.size() == 1 ? " part" : " parts") << ": " << prefix
                  << "_*.part\n";
  return absl::OkStatus();
}

}  // namespace skald::cli
