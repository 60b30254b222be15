// Blocks of 256 KiB of JSON lines: bytes/s are bytes of decoded text. Each iteration takes the next of many
// different blocks: one block again and again would sit in the cache, and the branch predictor would learn it
// by heart.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/status_macros.h"
#include "proto/rows_codec.h"
#include "storage/block/block_codec.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

constexpr size_t kBlocks = 128;

struct Sample {
  Sample() {
    for (uint32_t i = 0; i < kBlocks; ++i) {
      rows.push_back(SampleRows(1050, i));
      pieces.push_back({{0, &rows[i], 0, static_cast<uint32_t>(rows[i].size())}});
      EncodeBlock(streams, pieces[i], &blocks.emplace_back());
      EncodeRows(rows[i], &encoded.emplace_back());
    }
  }

  const std::vector<SegmentStream> streams = {
      {StreamId(1), "tenant", R"({app="web", namespace="prod", pod="web-0"})"}};
  std::vector<Rows> rows = Reserved();
  std::vector<std::vector<BlockPiece>> pieces;
  std::vector<std::string> blocks;
  std::vector<std::string> encoded;

 private:
  static std::vector<Rows> Reserved() {
    std::vector<Rows> out;
    out.reserve(kBlocks);  // pieces point into it
    return out;
  }
};

const Sample& TheSample() {
  static const Sample* sample = new Sample;
  return *sample;
}

// Counts what the iterations went through.
class Meter {
 public:
  explicit Meter(benchmark::State* state) : state_(*state) {}
  ~Meter() {
    state_.SetBytesProcessed(static_cast<int64_t>(text_));
    state_.counters["rows"] = benchmark::Counter(static_cast<double>(rows_), benchmark::Counter::kIsRate);
    state_.counters["ratio"] = static_cast<double>(text_) / static_cast<double>(stored_);
  }

  size_t Next() { return next_++ % kBlocks; }
  void Add(const Rows& rows, size_t stored) {
    text_ += rows.text.size();
    rows_ += rows.size();
    stored_ += stored;
  }

 private:
  benchmark::State& state_;
  size_t next_ = 0;
  uint64_t text_ = 0, rows_ = 0, stored_ = 0;
};

void BM_BlockEncode(benchmark::State& state) {
  const Sample& sample = TheSample();
  Meter meter(&state);
  std::string out;
  for (auto _ : state) {
    const size_t i = meter.Next();
    out.clear();
    benchmark::DoNotOptimize(EncodeBlock(sample.streams, sample.pieces[i], &out));
    SKALD_CHECK(out.size() == sample.blocks[i].size());
    meter.Add(sample.rows[i], out.size());
  }
}
BENCHMARK(BM_BlockEncode)->UseRealTime();

void BM_BlockDecode(benchmark::State& state) {
  const Sample& sample = TheSample();
  const ColumnSet want = {.times = (state.range(0) & 1) != 0,
                          .lines = (state.range(0) & 2) != 0,
                          .metadata = (state.range(0) & 4) != 0};
  Meter meter(&state);
  Rows rows;
  size_t i = 0;
  for (auto _ : state) {
    i = meter.Next();
    SKALD_CHECK(DecodeBlock(sample.blocks[i], want, &rows).ok());
    benchmark::ClobberMemory();
    meter.Add(sample.rows[i], sample.blocks[i].size());
  }
  SKALD_CHECK(!want.lines || rows.text.view() == sample.rows[i].text.view());
}
// 1 times, 2 lines, 4 metadata
BENCHMARK(BM_BlockDecode)->ArgName("columns")->Arg(1)->Arg(2)->Arg(4)->Arg(7)->UseRealTime();

void BM_RowsEncode(benchmark::State& state) {
  const Sample& sample = TheSample();
  Meter meter(&state);
  std::string out;
  for (auto _ : state) {
    const size_t i = meter.Next();
    out.clear();
    EncodeRows(sample.rows[i], &out);
    SKALD_CHECK(out.size() == sample.encoded[i].size());
    meter.Add(sample.rows[i], out.size());
  }
}
BENCHMARK(BM_RowsEncode)->UseRealTime();

void BM_RowsDecode(benchmark::State& state) {
  const Sample& sample = TheSample();
  Meter meter(&state);
  Rows rows;
  size_t i = 0;
  for (auto _ : state) {
    i = meter.Next();
    SKALD_CHECK(DecodeRows(sample.encoded[i], RowsLimits(), &rows).ok());
    benchmark::ClobberMemory();
    meter.Add(sample.rows[i], sample.encoded[i].size());
  }
  SKALD_CHECK(rows.text.view() == sample.rows[i].text.view());
}
BENCHMARK(BM_RowsDecode)->UseRealTime();

}  // namespace
}  // namespace skald
