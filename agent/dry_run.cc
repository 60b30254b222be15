#include "agent/dry_run.h"

#include <cstdio>

#include "base/status_macros.h"
#include "proto/rows_codec.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

absl::Status Print(const Batch& batch) {
  Rows rows;
  std::string out;
  for (const auto& stream : batch.request.batch().streams()) {
    RETURN_IF_ERROR(DecodeRows(stream.rows(), RowsLimits(), &rows));
    for (size_t i = 0; i < rows.size(); ++i) {
      out += FormatRfc3339Nano(rows.time_ns[i]);
      out += '\t';
      out += stream.labels();
      out += '\t';
      out += rows.line(i);
      out += '\n';
    }
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  return absl::OkStatus();
}

}  // namespace

absl::Status DryRun(const AgentConfig& config) {
  const std::unique_ptr<StateJournal> journal = StateJournal::InMemory(config.node_name);
  const LevelDetector levels;
  BatchBuilder batch(nullptr);
  TailerOptions options = config.tail;
  options.node_name = config.node_name;
  Tailer tailer(std::move(options), journal.get(), &batch, &levels, Clock::System());
  tailer.Start();
  while (tailer.has_ready() && !std::ferror(stdout)) {
    tailer.ReadSome(config.batch_bytes);
    if (batch.lines() > 0) RETURN_IF_ERROR(Print(*batch.Seal()));
  }
  tailer.FlushAll();
  if (batch.lines() > 0) RETURN_IF_ERROR(Print(*batch.Seal()));
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace skald::agent
