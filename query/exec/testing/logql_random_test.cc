// Compares the engine with the oracle on random data and random queries.
//
//   logql_random [--cases N] [--seed S] [--verbose]
//
// A case is a query on a data set that lies in one of four ways: in the heads of a store, in its flushed
// segments, in both, and in memory in blocks cut at random. Everything follows from the seed: a case that
// differs is printed with the seed of its data set, and `--seed S --cases N` runs it again. Ends with 1 where
// anything differs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/exec/testing/oracle.h"
#include "query/exec/testing/random_data.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"
#include "storage/store.h"

namespace skald::oracle {
namespace {

constexpr size_t kQuestionsPerDataset = 60;
constexpr const char* kSourceNames[] = {"head", "flushed", "mixed", "memory"};

std::vector<std::pair<std::string, std::string>> PairsOf(const StringMap& map) {
  return {map.begin(), map.end()};
}

exec::MemoryEntry MemoryEntryOf(const StoredEntry& entry) {
  return {entry.time_ns, entry.line, PairsOf(entry.metadata)};
}

// Entries as they came, per stream.
exec::MemoryLogSource::StreamEntries ByStream(const std::vector<StoredEntry>& entries) {
  std::map<StringMap, std::vector<exec::MemoryEntry>> streams;
  for (const StoredEntry& entry : entries) streams[entry.stream].push_back(MemoryEntryOf(entry));
  exec::MemoryLogSource::StreamEntries out;
  for (auto& [labels, list] : streams) out.emplace_back(Labels(PairsOf(labels)), std::move(list));
  return out;
}

void Check(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  fmt::print(stderr, "{}: {}\n", what, MessageOf(status));
  std::exit(2);
}

// A store, the tenants of data sets in it, and the engine over both kinds of source.
class Bench {
 public:
  explicit Bench(const std::string& directory)
      : directory_(directory), pool_(2), budget_("process", int64_t{2} << 30) {
    StoreOptions options;
    options.directory = directory;
    options.wal_sync = WalSync::kOff;
    options.shards = 1;
    options.block_text_bytes = 2048;  // several blocks a stream
    auto store = Store::Open(options);
    Check(store.status(), "open");
    store_ = std::move(*store);
  }
  ~Bench() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Load(const Dataset& data, Random* random) {
    ++tenant_;
    std::vector<StoredEntry> early;
    std::vector<StoredEntry> late;
    for (const StoredEntry& entry : data.entries) (random->OneIn(2) ? early : late).push_back(entry);
    // Repetitions that are told apart by their place in time go where their first ones went.
    Push("flushed", data.entries);
    Push("mixed", early);
    Check(store_->Flush(), "flush");
    Push("mixed", late);
    Push("head", data.entries);
    memory_ = std::make_unique<exec::MemoryLogSource>();
    std::vector<StoredEntry> block;
    for (const StoredEntry& entry : data.entries) {
      block.push_back(entry);
      if (random->OneIn(12)) memory_->AddBlock(Tenant("memory"), ByStream(std::exchange(block, {})));
    }
    if (!block.empty()) memory_->AddBlock(Tenant("memory"), ByStream(block));
  }

  absl::StatusOr<Answer> Ask(const std::string& source, QueryParams params, const QueryLimits& limits,
                             const logql::ExprPtr& expr) {
    params.tenant = Tenant(source);
    const LogSource* from = store_.get();
    if (source == "memory") from = memory_.get();
    const Engine engine(from, &pool_, &budget_);
    const absl::StatusOr<QueryResult> result = engine.RunExpr(expr, params, limits, nullptr);
    if (!result.ok()) return result.status();
    return AnswerOf(*result);
  }

 private:
  std::string Tenant(const std::string& source) const { return fmt::format("{}-{}", source, tenant_); }

  void Push(const std::string& source, const std::vector<StoredEntry>& entries) {
    AppendBatch batch;
    batch.tenant = Tenant(source);
    // The store wants a stream's rows of one batch in order of time; repetitions are its business.
    exec::MemoryLogSource rows;
    for (auto& [labels, list] : ByStream(entries)) {
      std::stable_sort(list.begin(), list.end(),
                       [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
      batch.streams.push_back({labels, exec::RowsOf(list), ""});
    }
    if (!batch.streams.empty()) Check(store_->AppendAndWait(std::move(batch)), "append");
  }

  const std::string directory_;
  ThreadPool pool_;
  MemoryBudget budget_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<exec::MemoryLogSource> memory_;
  uint64_t tenant_ = 0;
};

struct Counts {
  uint64_t cases = 0;
  uint64_t different = 0;
  uint64_t ambiguous = 0;
  uint64_t failing = 0;  // queries that fail on both sides
  uint64_t refused = 0;  // queries the parser refuses
  uint64_t empty = 0;
};

// The printed form says the same.
bool PrintsBack(const logql::Expr& expr) {
  const std::string printed = logql::Print(expr);
  // Without labels and before a parenthesis it takes what follows for them: that form is lossy, as Loki's is.
  if (printed.find("group_left (") != std::string::npos || printed.find("group_right (") != std::string::npos)
    return true;
  const auto again = logql::ParseExpr(printed, {.extensions = true});
  if (again.ok() && logql::Print(**again) == printed) return true;
  fmt::print("PRINTER {}\n  {}\n", printed,
             again.ok() ? logql::Print(**again) : std::string(MessageOf(again.status())));
  return false;
}

void RunDataset(uint64_t seed, bool verbose, Bench* bench, Counts* counts) {
  Random random(seed);
  const Dataset data = MakeDataset(&random);
  bench->Load(data, &random);
  QueryLimits limits;
  limits.max_query_series = 0;
  limits.approx_topk = true;
  for (size_t q = 0; q < kQuestionsPerDataset; ++q) {
    const Question question = MakeQuestion(data, &random);
    const auto expr = logql::ParseExpr(question.params.query, {.extensions = true});
    if (!expr.ok()) {
      ++counts->refused;
      if (verbose) fmt::print("refused {}\n  {}\n", question.params.query, MessageOf(expr.status()));
      continue;
    }
    if (!PrintsBack(**expr)) ++counts->different;
    const absl::StatusOr<Answer> want = Evaluate(data.entries, *expr, question.params, limits);
    if (!want.ok()) ++counts->failing;
    if (want.ok() && want->ambiguous) ++counts->ambiguous;
    if (want.ok() && want->lines.empty() && want->samples.empty()) ++counts->empty;
    for (const char* source : kSourceNames) {
      ++counts->cases;
      const absl::StatusOr<Answer> got = bench->Ask(source, question.params, limits, *expr);
      const std::string difference = Difference(want, got, question.params);
      if (difference.empty()) continue;
      ++counts->different;
      const QueryParams& p = question.params;
      fmt::print("DIFFERENT --seed {} ({}, {} entries) {}..{}{}{}{}\n  {}\n  {}\n", seed, source,
                 data.entries.size(), (p.start_ns - kBeginNs) / 1'000'000'000,
                 (p.end_ns - kBeginNs) / 1'000'000'000,
                 p.instant ? " instant" : fmt::format(" step {}s", p.step_ns / 1'000'000'000),
                 p.direction == Direction::kForward ? " forward" : " backward",
                 fmt::format(" limit {}", p.limit), p.query, difference);
      std::fflush(stdout);
      break;
    }
  }
  if (verbose) {
    for (const StoredEntry& entry : data.entries) {
      std::string line;
      AppendGoQuoted(&line, entry.line);
      fmt::print("{} {:.9f} {} {}\n", Labels(PairsOf(entry.stream)).ToString(),
                 static_cast<double>(entry.time_ns - kBeginNs) / 1e9, line,
                 entry.metadata.empty() ? "" : Labels(PairsOf(entry.metadata)).ToString());
    }
  }
}

int Main(int argc, char** argv) {
  uint64_t cases = 20'000;
  uint64_t seed = 1;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--verbose") {
      verbose = true;
    } else if ((arg == "--cases" || arg == "--seed") && i + 1 < argc) {
      (arg == "--cases" ? cases : seed) = std::strtoull(argv[++i], nullptr, 10);
    } else {
      fmt::print(stderr, "usage: logql_random [--cases N] [--seed S] [--verbose]\n");
      return 2;
    }
  }
  constexpr uint64_t kDatasetsPerStore = 200;
  Counts counts;
  std::unique_ptr<Bench> bench;
  for (uint64_t done = 0; counts.cases < cases; ++done) {
    if (done % kDatasetsPerStore == 0) {
      bench.reset();
      const auto directory =
          std::filesystem::temp_directory_path() / fmt::format("logql_random-{}", getpid());
      std::filesystem::remove_all(directory);
      bench = std::make_unique<Bench>(directory.string());
    }
    RunDataset(seed + done, verbose, bench.get(), &counts);
  }
  fmt::print(
      "{} cases, {} different; of the queries {} failed as they should, {} were empty, {} ambiguous, {} "
      "refused\n",
      counts.cases, counts.different, counts.failing, counts.empty, counts.ambiguous, counts.refused);
  return counts.different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace skald::oracle

int main(int argc, char** argv) { return skald::oracle::Main(argc, argv); }
