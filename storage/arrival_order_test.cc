// Rows of one time, pushed one after the other into heads and segments, are given out as they came.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kT0 = 1'793'534'400'000'000'000;
const Labels kApp({{"app", "a"}});

// Lines at kT0 in the order of the selection's blocks.
std::vector<std::string> InOrder(const Store& store) {
  std::vector<std::string> out;
  const auto selection = store.Select("t", {Match("app", "a")}, TimeRange{});
  EXPECT_TRUE(selection.ok()) << selection.status();
  for (const auto& block : selection->blocks) {
    Rows scratch;
    const auto rows = block->Read({true, true, true}, &scratch, nullptr);
    EXPECT_TRUE(rows.ok()) << rows.status();
    for (const Slice& slice : block->slices()) {
      for (uint32_t i = slice.row_begin; i < slice.row_end; ++i) {
        if ((*rows)->time_ns[i] == kT0) out.emplace_back((*rows)->line(i).substr(0, 4));
      }
    }
  }
  return out;
}

TEST(ArrivalOrderTest, SegmentsSealedBlocksAndChunks) {
  TempDir directory;
  StoreOptions options;
  options.directory = directory.path();
  options.block_text_bytes = 4096;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  std::vector<std::string> want;
  int pushed = 0;
  // Each time with a line that is older than all before, so that the order of times is another one.
  const auto push = [&](const std::string& padding) {
    ++pushed;
    want.push_back(fmt::format("{:04}", pushed));
    ASSERT_TRUE(
        store.AppendAndWait(MakeBatch(kApp, {{kT0 - pushed, "before"}, {kT0, want.back() + padding}})).ok());
  };
  for (int segment = 0; segment < 5; ++segment) {
    push("");
    push(std::string(5000, 'x'));  // sealed in memory
    push("");
    EXPECT_EQ(InOrder(store), want) << "in memory";
    ASSERT_TRUE(store.Flush().ok());
    EXPECT_EQ(InOrder(store), want) << "in segments";
  }
  push("");
  push(std::string(5000, 'x'));
  push("");
  EXPECT_EQ(InOrder(store), want);
  ASSERT_TRUE(store.Compact().ok());
  EXPECT_EQ(InOrder(store), want) << "compacted";
}

}  // namespace
}  // namespace skald
