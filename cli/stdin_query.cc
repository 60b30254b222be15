#include "cli/stdin_query.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "cli/entry_printer.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/logql/parser.h"

namespace skald::cli {
namespace {

constexpr size_t kMaxLines = 10'000;  // of a turn

// All lines, whatever is selected.
class AllLines final : public exec::MemoryLogSource {
 public:
  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>&,
                                   TimeRange range) const override {
    return MemoryLogSource::Select(tenant, {}, range);
  }
};

// The lines that are there, one at least; fewer at the end.
std::vector<exec::MemoryEntry> ReadLines(std::istream& in, int64_t* last_ns) {
  std::vector<exec::MemoryEntry> lines;
  std::string line;
  while (lines.size() < kMaxLines && std::getline(in, line)) {
    *last_ns = std::max(*last_ns + 1, Clock::System().NowNs());
    lines.push_back({*last_ns, std::move(line), {}});
    if (in.rdbuf()->in_avail() <= 0) break;
  }
  return lines;
}

}  // namespace

absl::Status RunStdinQuery(const Options& options, std::istream& in, Streams streams) {
  const size_t begin = options.query.find_first_not_of(" \t\r\n");
  const bool stages_alone =
      begin != std::string::npos && (options.query[begin] == '|' || options.query[begin] == '!');
  ASSIGN_OR_RETURN(const logql::ExprPtr expr,
                   logql::ParseExpr((stages_alone ? "{source=\"stdin\"} " : "") + options.query));
  if (!logql::IsLogQuery(*expr))
    return InvalidArgument("--stdin takes log queries: lines that are read have no history");
  ThreadPool pool(1);
  MemoryBudget budget("lines of standard input", int64_t{1} << 30);
  EntryPrinter printer(options.printer, &streams.out);
  int64_t last_ns = 0;
  uint64_t printed = 0;
  while (options.limit == 0 || printed < options.limit) {
    std::vector<exec::MemoryEntry> lines = ReadLines(in, &last_ns);
    if (lines.empty()) break;
    QueryParams params;
    params.start_ns = lines.front().time_ns;
    params.end_ns = last_ns + 1;
    params.limit = static_cast<uint32_t>(
        options.limit == 0 ? lines.size() : std::min<uint64_t>(lines.size(), options.limit - printed));
    params.direction = Direction::kForward;
    QueryLimits limits;
    limits.max_entries_limit = 0;
    limits.split_interval_ns = 0;
    AllLines source;
    source.AddBlock("", {{Labels{}, std::move(lines)}});
    ASSIGN_OR_RETURN(const QueryResult result,
                     Engine(&source, &pool, &budget).RunExpr(expr, params, limits, nullptr));
    const auto& found = std::get<skald::Streams>(result.data);
    std::vector<std::shared_ptr<const Labels>> labels;
    for (const CategorizedLabels& set : found.label_sets()) {
      std::vector<Labels::Pair> pairs;
      for (const CategorizedLabel& label : set) pairs.emplace_back(label.name, label.value);
      labels.push_back(std::make_shared<const Labels>(Labels(std::move(pairs))));
    }
    std::vector<Entry> entries;
    for (const skald::Streams::Entry& entry : found.entries())
      entries.push_back({entry.time_ns, labels[entry.label_set], entry.line});
    printed += entries.size();
    printer.Print(entries, {});
    streams.out.flush();
  }
  return absl::OkStatus();
}

}  // namespace skald::cli
