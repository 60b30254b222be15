// Looking for several texts in a block of lines, in bytes of lines per second: all at once or one after the
// other, and whole line filters.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "query/exec/pipeline/line_filter.h"
#include "query/exec/pipeline/literal_set.h"
#include "text/substring.h"

namespace skald::exec {
namespace {

const Rows& Block() {
  static const Rows* const rows = [] {
    auto* made = new Rows;
    std::mt19937_64 random(1);
    for (int64_t i = 0; made->text.size() < 256 << 10; ++i) {
      made->Append(i, fmt::format(R"({{"level":"info","msg":"request completed","path":"/api/v1/users/{}",)"
                                  R"("status":200,"duration_ms":{}.5,"request_id":"req-{:016x}"}})",
                                  random() % 9000, random() % 200, random()));
    }
    return made;
  }();
  return *rows;
}

// Words that no line holds, of letters as frequent as those of the lines.
std::vector<logql::NeededLiteral> Words(int64_t count, bool fold) {
  static constexpr const char* kWords[] = {
      "timeout",  "refused",  "panicked",  "deadlock",   "exhausted", "broken pipe", "unreached", "invalid",
      "fatality", "rejected", "corrupted", "overflowed", "truncated", "expired",     "aborting",  "throttle"};
  std::vector<logql::NeededLiteral> out;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t round = i / static_cast<int64_t>(std::size(kWords));
    out.push_back({kWords[i % std::size(kWords)] + (round == 0 ? "" : fmt::format(" {}", round)), fold});
  }
  return out;
}

void AllAtOnce(benchmark::State& state) {
  const auto set = LiteralSet::Make(Words(state.range(0), state.range(1) != 0));
  if (!set.has_value()) return state.SkipWithError("the library of this machine loses matches");
  const std::string_view text(Block().text.data(), Block().text.size());
  size_t found = 0;
  for (auto _ : state) set->ForEach(text, [&](size_t, size_t) { ++found; });
  benchmark::DoNotOptimize(found);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(AllAtOnce)->ArgsProduct({{1, 2, 3, 4, 8, 16, 64}, {0, 1}});

void OneAfterTheOther(benchmark::State& state) {
  std::vector<SubstringFinder> finders;
  for (const auto& word : Words(state.range(0), state.range(1) != 0))
    finders.emplace_back(word.text, word.fold_ascii);
  const std::string_view text(Block().text.data(), Block().text.size());
  size_t found = 0;
  for (auto _ : state) {
    for (const SubstringFinder& finder : finders) found += finder.FoundIn(text);
  }
  benchmark::DoNotOptimize(found);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(OneAfterTheOther)->ArgsProduct({{1, 2, 3, 4, 8, 16, 64}, {0, 1}});

void Filter(benchmark::State& state, const char* regex, bool negated) {
  logql::LineFilter filter;
  filter.op = negated ? logql::LineFilterOp::kNotRegex : logql::LineFilterOp::kRegex;
  filter.operands.push_back({});
  filter.operands[0].text = regex;
  std::vector<LineFilter> filters;
  filters.push_back(*LineFilter::Make(filter));
  const LineFilters compiled(std::move(filters));
  const Rows& rows = Block();
  std::vector<uint32_t> kept;
  for (auto _ : state) {
    kept.clear();
    compiled.KeepRows(rows, 0, static_cast<uint32_t>(rows.line_end.size()), &kept);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * rows.text.size()));
}
BENCHMARK_CAPTURE(Filter, Word, "timeout", false);
BENCHMARK_CAPTURE(Filter, WordAnyCase, "(?i)timeout", false);
BENCHMARK_CAPTURE(Filter, TwoWords, "timeout|refused", false);
BENCHMARK_CAPTURE(Filter, EightWords,
                  "timeout|refused|panicked|deadlock|exhausted|broken pipe|unreached|invalid", false);
BENCHMARK_CAPTURE(Filter, EightWordsAnyCase,
                  "(?i)(timeout|refused|panicked|deadlock|exhausted|broken pipe|unreached|invalid)", false);
BENCHMARK_CAPTURE(Filter, NotEightWords,
                  "timeout|refused|panicked|deadlock|exhausted|broken pipe|unreached|invalid", true);
BENCHMARK_CAPTURE(Filter, RegexWithAlternatives, "(timeout|refused|panicked) after [0-9]+ms", false);
BENCHMARK_CAPTURE(Filter, RegexWithAlternativesAnyCase, "(?i)(timeout|refused|panicked) after [0-9]+ms",
                  false);
BENCHMARK_CAPTURE(Filter, RegexThatMatches, "status\":(200|201),", false);
BENCHMARK_CAPTURE(Filter, RegexWithoutText, "[g-z]{20}", false);

}  // namespace
}  // namespace skald::exec
