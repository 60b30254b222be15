#include "storage/deletes/delete_view.h"

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

// Rows that hold the text.
RowFilter Holding(std::string text) {
  return
      [text](const Labels&, const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* matched) {
        for (uint32_t row = begin; row < end; ++row) {
          if (rows.line(row).find(text) != std::string_view::npos) matched->push_back(row);
        }
      };
}

class DeleteViewTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.directory = directory_.path();
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    std::vector<TestLine> a;
    std::vector<TestLine> b;
    for (int i = 0; i < 100; ++i) {
      a.push_back({i, "a line " + std::to_string(i)});
      b.push_back({i, "b line " + std::to_string(i)});
    }
    ASSERT_TRUE(store_->AppendAndWait(MakeBatch({{"app", "a"}}, a)).ok());
    ASSERT_TRUE(store_->AppendAndWait(MakeBatch({{"app", "b"}}, b)).ok());
    if (GetParam()) {
      ASSERT_TRUE(store_->Flush().ok());
    }
    view_ = std::make_unique<DeleteView>(store_.get());
  }

  size_t Left(const std::string& app, TimeRange range = {}) {
    const ReadResult got = ReadAll(*view_, {Match("app", app)}, range);
    // What headers say is what rows say.
    auto selection = view_->Select("t", {Match("app", app)}, range);
    EXPECT_TRUE(selection.ok());
    size_t rows = 0;
    uint64_t of_levels = 0;
    for (const auto& block : selection->blocks) {
      for (const Slice& slice : block->slices()) {
        rows += slice.rows();
        for (const LevelCount& level : slice.levels) of_levels += level.rows;
      }
    }
    if (range.begin_ns == kMinTimeNs && range.end_ns == kMaxTimeNs) {
      EXPECT_EQ(rows, got.rows.size());
    }
    EXPECT_EQ(rows, of_levels);
    return got.rows.size();
  }

  const TempDir directory_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DeleteView> view_;
};

TEST_P(DeleteViewTest, HidesByTimeStreamAndFilter) {
  struct Row {
    const char* what;
    ActiveDelete d;
    size_t a;
    size_t b;
  };
  const Row table[] = {
      {"the whole of a stream", {{Match("app", "a")}, 0, 99, nullptr}, 0, 100},
      {"ends are inclusive", {{Match("app", "a")}, 10, 19, nullptr}, 90, 100},
      {"one moment", {{Match("app", "a")}, 50, 50, nullptr}, 99, 100},
      {"before and after all lines", {{Match("app", "a")}, -100, 1000, nullptr}, 0, 100},
      {"outside of the lines' time", {{Match("app", "a")}, 100, 1000, nullptr}, 100, 100},
      {"every stream", {{Match("app", "", MatchOp::kNotEqual)}, 90, 99, nullptr}, 90, 90},
      {"a filter", {{Match("app", "a")}, 0, 99, Holding("line 1")}, 89, 100},
      {"a filter and a time", {{Match("app", "a")}, 0, 9, Holding("line 1")}, 99, 100},
      {"a filter that nothing passes", {{Match("app", "a")}, 0, 99, Holding("zzz")}, 100, 100},
      {"a filter that all pass", {{Match("app", "a")}, 0, 99, Holding("line")}, 0, 100},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.what);
    view_->Set("t", {row.d});
    EXPECT_EQ(Left("a"), row.a);
    EXPECT_EQ(Left("b"), row.b);
    view_->Set("t", {});
    EXPECT_EQ(Left("a"), 100u);
  }
}

TEST_P(DeleteViewTest, SeveralAtOnceAndOtherTenants) {
  view_->Set("u", {{{Match("app", "a")}, 0, 99, nullptr}});
  EXPECT_EQ(Left("a"), 100u);
  view_->Set("t", {{{Match("app", "a")}, 0, 9, nullptr}, {{Match("app", "a")}, 5, 14, Holding("a")}});
  EXPECT_EQ(Left("a"), 85u);
  EXPECT_EQ(Left("a", {0, 20}), 5u);
  EXPECT_EQ(Left("a", {0, 10}), 0u);  // nothing of it is left there
}

TEST_P(DeleteViewTest, BlocksThatNoDeleteTouchesAreGivenOutAsTheyAre) {
  view_->Set("t", {{{Match("app", "a")}, 0, 9, nullptr}});
  const auto through = view_->Select("t", {Match("app", "b")}, {});
  const auto direct = store_->Select("t", {Match("app", "b")}, {});
  ASSERT_TRUE(through.ok() && direct.ok());
  ASSERT_EQ(through->blocks.size(), 1u);
  EXPECT_EQ(through->blocks[0]->text_bytes(), direct->blocks[0]->text_bytes());
  EXPECT_EQ(through->blocks[0]->slices()[0].row_end, direct->blocks[0]->slices()[0].row_end);
}

TEST_P(DeleteViewTest, HiddenTellsOfRowsThatComePastASelect) {
  struct Row {
    const char* what;
    std::vector<ActiveDelete> deletes;
    std::string want;  // of ten rows, x = hidden
  };
  const Row table[] = {
      {"no delete", {}, ""},
      {"another stream", {{{Match("app", "b")}, 0, 99, nullptr}}, ""},
      {"another time", {{{Match("app", "a")}, 10, 99, nullptr}}, ""},
      {"a time", {{{Match("app", "a")}, 2, 4, nullptr}}, "..xxx....."},
      {"a filter", {{{Match("app", "a")}, 0, 8, Holding("odd")}}, ".x.x.x.x.."},
      {"two",
       {{{Match("app", "a")}, 9, 9, nullptr}, {{Match("app", "a")}, 0, 2, Holding("odd")}},
       ".x.......x"},
  };
  Rows rows;
  for (int i = 0; i < 10; ++i) {
    rows.time_ns.push_back(i);
    rows.text.append(std::string_view(i % 2 == 0 ? "even" : "odd"));
    rows.line_end.push_back(static_cast<uint32_t>(rows.text.size()));
    rows.text.append(std::string_view("\n"));
  }
  for (const Row& row : table) {
    SCOPED_TRACE(row.what);
    view_->Set("t", row.deletes);
    std::string got;
    for (const bool hidden : view_->Hidden("t", Labels{{"app", "a"}}, rows)) got += hidden ? 'x' : '.';
    EXPECT_EQ(got, row.want);
  }
}

INSTANTIATE_TEST_SUITE_P(HeadAndStored, DeleteViewTest, ::testing::Bool());

}  // namespace
}  // namespace skald
