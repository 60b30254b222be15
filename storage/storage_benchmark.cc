// Blocks of 256 KiB of JSON lines: bytes/s are bytes of decoded text.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/status_macros.h"
#include "proto/rows_codec.h"
#include "storage/block_codec.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

struct Sample {
  Sample() : rows(SampleRows(1050, 1)) {
    EncodeBlock(streams, pieces(), &block);
    EncodeRows(rows, &encoded);
  }
  std::vector<BlockPiece> pieces() const { return {{0, &rows, 0, static_cast<uint32_t>(rows.size())}}; }

  std::vector<SegmentStream> streams = {{StreamId(1), "tenant", R"({app="web", namespace="prod", pod="web-0"})"}};
  Rows rows;
  std::string block;
  std::string encoded;
};

const Sample& TheSample() {
  static const Sample* sample = new Sample;
  return *sample;
}

void Report(benchmark::State& state, size_t stored) {
  const Sample& sample = TheSample();
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * sample.rows.text.size()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * sample.rows.size()));
  state.counters["ratio"] = static_cast<double>(sample.rows.text.size()) / static_cast<double>(stored);
}

void BM_BlockEncode(benchmark::State& state) {
  const Sample& sample = TheSample();
  const std::vector<BlockPiece> pieces = sample.pieces();
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(EncodeBlock(sample.streams, pieces, &out));
  }
  SKALD_CHECK(out == sample.block);
  Report(state, out.size());
}
BENCHMARK(BM_BlockEncode);

void BM_BlockDecode(benchmark::State& state) {
  const Sample& sample = TheSample();
  const ColumnSet want = {
      .times = (state.range(0) & 1) != 0, .lines = (state.range(0) & 2) != 0, .metadata = (state.range(0) & 4) != 0};
  Rows rows;
  for (auto _ : state) SKALD_CHECK(DecodeBlock(sample.block, want, &rows).ok());
  SKALD_CHECK(!want.lines || rows.text.view() == sample.rows.text.view());
  Report(state, sample.block.size());
}
// 1 times, 2 lines, 4 metadata
BENCHMARK(BM_BlockDecode)->ArgName("columns")->Arg(1)->Arg(2)->Arg(4)->Arg(7);

void BM_RowsEncode(benchmark::State& state) {
  const Sample& sample = TheSample();
  std::string out;
  for (auto _ : state) {
    out.clear();
    EncodeRows(sample.rows, &out);
  }
  SKALD_CHECK(out == sample.encoded);
  Report(state, out.size());
}
BENCHMARK(BM_RowsEncode);

void BM_RowsDecode(benchmark::State& state) {
  const Sample& sample = TheSample();
  Rows rows;
  for (auto _ : state) SKALD_CHECK(DecodeRows(sample.encoded, RowsLimits(), &rows).ok());
  SKALD_CHECK(rows.text.view() == sample.rows.text.view());
  Report(state, sample.encoded.size());
}
BENCHMARK(BM_RowsDecode);

}  // namespace
}  // namespace skald
