#include "rules/window_db.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace skald::rules {
namespace {

using exec::WindowStore;

std::map<std::string, std::string> All(const WindowDb& db, std::string_view prefix = "") {
  std::map<std::string, std::string> out;
  EXPECT_TRUE(
      db.Scan(prefix, [&](std::string_view key, std::string_view value) { out.emplace(key, value); }).ok());
  return out;
}

WindowStore::Change Puts(std::vector<std::pair<std::string, std::string>> puts) {
  WindowStore::Change change;
  change.puts = std::move(puts);
  return change;
}

class WindowDbTest : public testing::Test {
 protected:
  void Open() {
    db_ = nullptr;
    absl::StatusOr<std::unique_ptr<WindowDb>> db = WindowDb::Open(path_);
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  const TempDir directory_;
  const std::string path_ = directory_.path() + "/ruler/windows";
  std::unique_ptr<WindowDb> db_;
};

TEST_F(WindowDbTest, KeepsWhatWasWritten) {
  Open();
  const std::string high = "S\xff\xff";
  ASSERT_TRUE(db_->Write(Puts({{"H1", "a"}, {"S1", "b"}, {"S12", "c"}, {high, "d"}, {"T", "e"}}), true).ok());
  Open();
  EXPECT_EQ(All(*db_, "S"), (std::map<std::string, std::string>{{"S1", "b"}, {"S12", "c"}, {high, "d"}}));
  // Prefixes go before the rest is done.
  WindowStore::Change change = Puts({{"S1", "new"}});
  change.prefixes = {"S1", high};
  change.deletes = {"H1"};
  ASSERT_TRUE(db_->Write(change, false).ok());
  EXPECT_EQ(All(*db_), (std::map<std::string, std::string>{{"S1", "new"}, {"T", "e"}}));
}

TEST_F(WindowDbTest, WhatIsNotTrustedIsNotFound) {
  Open();
  ASSERT_TRUE(db_->Write(Puts({{"a", "b"}}), false).ok());
  ASSERT_TRUE(db_->Distrust().ok());
  EXPECT_FALSE(db_->Write(Puts({{"a", "c"}}), false).ok());
  Open();
  EXPECT_TRUE(All(*db_).empty());
  ASSERT_TRUE(db_->Write(Puts({{"a", "d"}}), false).ok());
  Open();
  EXPECT_EQ(All(*db_).size(), 1u);
}

TEST_F(WindowDbTest, IsMadeAnewWhereItIsDamaged) {
  Open();
  ASSERT_TRUE(db_->Write(Puts({{"a", "b"}}), true).ok());
  db_ = nullptr;
  for (const auto& file : std::filesystem::directory_iterator(path_)) {
    if (file.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(file.path(), 7);
  }
  Open();
  EXPECT_TRUE(All(*db_).empty());
}

TEST_F(WindowDbTest, IsRemoved) {
  EXPECT_TRUE(WindowDb::Remove(path_).ok());
  Open();
  // While another one has it, it stays.
  EXPECT_FALSE(WindowDb::Open(path_).ok());
  ASSERT_TRUE(db_->Write(Puts({{"a", "b"}}), true).ok());
  db_ = nullptr;
  EXPECT_TRUE(WindowDb::Remove(path_).ok());
  EXPECT_FALSE(FileExists(path_));
}

}  // namespace
}  // namespace skald::rules
