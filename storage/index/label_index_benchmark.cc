// Finding streams by their labels among 20,000: items are lookups.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

#include "base/status_macros.h"
#include "base/testing/temp_dir.h"
#include "storage/index/label_index.h"

namespace skald {
namespace {

constexpr int kStreams = 20'000;
constexpr Day kDay = 20'000;
constexpr int64_t kDayNs = 86'400 * kNsPerSecond;
constexpr TimeRange kRange{kDay * kDayNs, (kDay + 1) * kDayNs};

// 100 apps of 200 pods each.
const LabelIndex& Index() {
  static const TempDir directory;
  static const std::unique_ptr<LabelIndex> index = [] {
    absl::StatusOr<std::unique_ptr<LabelIndex>> opened = LabelIndex::Open(directory.path() + "/index");
    SKALD_CHECK(opened.ok());
    std::vector<Labels> labels;
    for (int i = 0; i < kStreams; ++i) {
      labels.push_back(Labels{{"app", fmt::format("app-{}", i % 100)},
                              {"namespace", i % 2 == 0 ? "prod" : "staging"},
                              {"pod", fmt::format("pod-{}", i)}});
    }
    std::vector<Registration> registrations;
    for (const Labels& set : labels) {
      const absl::StatusOr<StreamId> id = (*opened)->GetOrCreate("t", set);
      SKALD_CHECK(id.ok());
      registrations.push_back({*id, kDay, "t", &set});
    }
    SKALD_CHECK((*opened)->Register(registrations).ok());
    return *std::move(opened);
  }();
  return *index;
}

void Lookup(benchmark::State& state, const std::vector<Matcher>& matchers, uint64_t want) {
  const LabelIndex& index = Index();
  for (auto _ : state) {
    const auto ids = index.Match("t", matchers, kRange);
    if (!ids.ok() || ids->cardinality() != want) state.SkipWithError("wrong streams");
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_LookupEqual(benchmark::State& state) {
  Lookup(state,
         {*Matcher::Make(MatchOp::kEqual, "app", "app-7"),
          *Matcher::Make(MatchOp::kEqual, "namespace", "staging")},
         200);
}
BENCHMARK(BM_LookupEqual);

void BM_LookupRegex(benchmark::State& state) {
  Lookup(state, {*Matcher::Make(MatchOp::kRegex, "app", "app-1.*")}, 2200);
}
BENCHMARK(BM_LookupRegex);

}  // namespace
}  // namespace skald
