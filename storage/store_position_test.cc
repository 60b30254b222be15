// What a store says of how far it is, and when lines leave its log or go: enough for others to tell after a
// crash what may have changed.
#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/testing/temp_dir.h"
#include "storage/deletes/delete_view.h"
#include "storage/shard.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

class StorePositionTest : public testing::Test {
 protected:
  void Open() {
    store_ = nullptr;
    fresh_.clear();
    StoreOptions options;
    options.directory = directory_.path();
    options.shards = 2;
    options.fresh_rows = [this](const FreshRows& rows) {
      const std::lock_guard lock(mu_);
      fresh_[Raw(rows.lsn)] += static_cast<int>(rows.rows->size());
    };
    options.flushing = [this](Lsn applied) {
      const std::lock_guard lock(mu_);
      flushing_.push_back(Raw(applied));
      return flush_status_;
    };
    options.lines_going = [this](int64_t min_ns, int64_t max_ns) {
      const std::lock_guard lock(mu_);
      going_.emplace_back(min_ns, max_ns);
      return loss_status_;
    };
    options.lines_removed = [this](int64_t min_ns, int64_t max_ns) {
      const std::lock_guard lock(mu_);
      EXPECT_EQ(going_.back(), std::pair(min_ns, max_ns));
      ++removed_;
    };
    store_ = std::move(Store::Open(options)).value();
  }
  void Append(const std::string& app, int64_t time_ns) {
    ASSERT_TRUE(store_->AppendAndWait(MakeBatch(Labels{{"app", app}}, {{time_ns, "x"}})).ok());
  }

  const TempDir directory_;
  std::mutex mu_;
  std::map<uint64_t, int> fresh_;
  std::vector<uint64_t> flushing_;
  std::vector<std::pair<int64_t, int64_t>> going_;
  int removed_ = 0;
  absl::Status flush_status_;
  absl::Status loss_status_;
  std::unique_ptr<Store> store_;
};

TEST_F(StorePositionTest, RowsAreToldWithTheirBatches) {
  Open();
  EXPECT_EQ(Raw(store_->LastLsn()), 0u);
  for (int i = 1; i <= 20; ++i) {
    Append("a" + std::to_string(i), i);
    // It may be told of a little later, never too early.
    while (Raw(store_->AppliedLsn()) < static_cast<uint64_t>(i)) std::this_thread::yield();
    EXPECT_EQ(Raw(store_->AppliedLsn()), static_cast<uint64_t>(i));
    EXPECT_EQ(Raw(store_->LastLsn()), static_cast<uint64_t>(i));
  }
  const std::map<uint64_t, int> told = fresh_;
  EXPECT_EQ(told.size(), 20u);
  EXPECT_TRUE(store_->SegmentTimes()->empty());
  // The log tells of the same batches again, and of none that is in a segment.
  Open();
  EXPECT_EQ(fresh_, told);
  EXPECT_EQ(Raw(store_->LastLsn()), 20u);
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_FALSE(flushing_.empty());
  EXPECT_EQ(flushing_.back(), 20u);
  Append("b", 21);
  Open();
  EXPECT_EQ(fresh_, (std::map<uint64_t, int>{{21, 1}}));
  EXPECT_EQ(Raw(store_->AppliedLsn()), 21u);
  EXPECT_EQ(Raw(store_->LastLsn()), 21u);
  const std::vector<StoredTimes> segments = store_->SegmentTimes().value();
  ASSERT_EQ(segments.size(), 2u);
  for (const StoredTimes& segment : segments) {
    EXPECT_GE(segment.min_ns, 1);
    EXPECT_LE(segment.max_ns, 20);
    EXPECT_LE(Raw(segment.covered), 20u);
  }
}

TEST_F(StorePositionTest, AMissingSegmentCoversEverything) {
  Open();
  Append("a", 1);
  ASSERT_TRUE(store_->Flush().ok());
  store_ = nullptr;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (file.path().extension() == ".seg") std::filesystem::remove(file.path());
  }
  Open();
  const std::vector<StoredTimes> segments = store_->SegmentTimes().value();
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(Raw(segments[0].covered), ~uint64_t{0});
}

TEST_F(StorePositionTest, LinesStayInTheLogWhereNobodyCanBeTold) {
  Open();
  Append("a", 1);
  {
    const std::lock_guard lock(mu_);
    flush_status_ = Unavailable("not now");
  }
  EXPECT_FALSE(store_->Flush().ok());
  Open();
  EXPECT_EQ(fresh_, (std::map<uint64_t, int>{{1, 1}}));
  {
    const std::lock_guard lock(mu_);
    flush_status_ = absl::OkStatus();
  }
  EXPECT_TRUE(store_->Flush().ok());
}

TEST_F(StorePositionTest, LinesStayWhereTheirLossCannotBeTold) {
  Open();
  Append("a", 1);
  Append("a", 2);
  ASSERT_TRUE(store_->Flush().ok());
  ActiveDelete what;
  what.matchers = {Match("app", "a")};
  what.start_ns = 2;
  what.end_ns = 2;
  loss_status_ = Unavailable("not now");
  EXPECT_FALSE(store_->Purge("t", "d", what).ok());
  EXPECT_EQ(going_.size(), 1u);
  EXPECT_EQ(removed_, 1);
  EXPECT_EQ(ReadAll(*store_, {Match("app", "a")}).rows.size(), 2u);
  loss_status_ = absl::OkStatus();
  EXPECT_EQ(store_->Purge("t", "d", what).value(), 1u);
  EXPECT_EQ(going_.size(), 2u);
  EXPECT_EQ(removed_, 2);
  EXPECT_EQ(ReadAll(*store_, {Match("app", "a")}).rows.size(), 1u);
}

}  // namespace
}  // namespace skald
