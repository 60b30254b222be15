#include "agent/positions/state_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/positions/state_journal.h"
#include "agent/testing/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

using testing::HasSubstr;

class StateDumpTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = TestDirectory("state_dump");
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    auto journal = StateJournal::Open({.directory = dir(), .node = "n1", .compact_bytes = 2000});
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = std::move(*journal);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string dir() const { return root_ + "/state"; }
  std::string Json() const {
    std::string out;
    JsonWriter json(&out);
    const absl::Status written = WriteState(dir(), &json);
    EXPECT_TRUE(written.ok()) << written;
    return out;
  }
  void PutFile(uint64_t id, const std::string& name, uint64_t offset) {
    FilePosition file;
    file.file_id = id;
    file.path = file.chain = root_ + "/" + name;
    file.offset = offset;
    file.format = LogFormat::kCri;
    if (const auto stat = StatPath(file.path); stat.ok()) file.key = stat->key;
    journal_->PutFile(file);
  }
  Manifest Batch(uint64_t sequence, uint64_t end) {
    Manifest manifest;
    manifest.sequence = sequence;
    manifest.chains.emplace_back().chain = root_ + "/a.log";
    manifest.chains[0].ranges.push_back({1, end - 1, end, {4, 0xab}, {4, 0xcd}});
    manifest.chains[0].pending_end.push_back({Output::kStderr, {{1, end - 1, end}}});
    manifest.cursors.push_back({"journal", "s=1", "s=2"});
    return manifest;
  }

  std::string root_;
  std::unique_ptr<StateJournal> journal_;
};

TEST_F(StateDumpTest, WhileItIsUsed) {
  std::ofstream(root_ + "/a.log") << "0123456789";
  PutFile(1, "a.log", 4);
  PutFile(2, "gone.log", 7);
  journal_->PutManifest(Batch(1, 6));
  auto text = StateText(dir());
  ASSERT_TRUE(text.ok()) << text.status();
  for (const std::string& part : std::initializer_list<std::string>{
           "on node n1", "2 files, 1 batches under way, next sequence 2",
           "           4           10            6  cri", root_ + "/gone.log (gone, or another file)",
           "batch 1 under way: " + root_ + "/a.log[5, 6) journal[s=1 to s=2]"}) {
    EXPECT_THAT(*text, HasSubstr(part));
  }
  EXPECT_THAT(Json(), HasSubstr("\"offset\":4,\"complete\":false,\"size\":10,\"behind\":6"));
  EXPECT_THAT(Json(), HasSubstr("\"head\":{\"length\":4,\"hash\":\"00000000000000ab\"}"));
  // Acknowledged.
  journal_->Ack(1);
  text = StateText(dir());
  EXPECT_THAT(*text, HasSubstr("0 batches under way"));
  EXPECT_THAT(*text, HasSubstr("cursor journal: s=2"));
  EXPECT_THAT(*text, HasSubstr("unfinished message of " + root_ + "/a.log: " + root_ + "/a.log[5, 6)"));
  // An end that is torn is left as it is.
  std::string newest;
  const auto names = ListDirectory(dir());
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (name.starts_with("state-")) newest = std::max(newest, dir() + "/" + name);
  }
  std::ofstream(newest, std::ios::app) << "torn";
  const auto size = std::filesystem::file_size(newest);
  EXPECT_THAT(*StateText(dir()), HasSubstr("its last 4 bytes are damaged, or just written"));
  EXPECT_EQ(std::filesystem::file_size(newest), size);
  EXPECT_TRUE(absl::IsNotFound(StateText(root_ + "/none").status()));
  EXPECT_TRUE(absl::IsNotFound(StateText(root_).status()));
}

TEST_F(StateDumpTest, WhileGenerationsComeAndGo) {
  PutFile(1, "a.log", 0);
  std::atomic<bool> done{false};
  std::atomic<uint64_t> read{0};
  std::thread reader([&] {
    while (!done) {
      StateJournal::Loaded loaded;
      const auto state = StateJournal::Read(dir(), &loaded);
      ASSERT_TRUE(state.ok()) << state.status();
      ASSERT_FALSE(loaded.salvaged);
      ASSERT_EQ(state->files.size(), 1u);
      ++read;
    }
  });
  for (uint64_t i = 1; i <= 2000 || read < 10; ++i) {
    journal_->PutManifest(Batch(i, i + 1));
    journal_->Ack(i);
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace skald::agent
