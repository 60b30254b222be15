#include "agent/positions/state_journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "agent/testing/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

class StateJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = TestDirectory("state_journal");
    std::filesystem::remove_all(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<StateJournal> Open(uint64_t compact_bytes = uint64_t{1} << 20,
                                     const std::string& node = "n1") {
    auto journal = StateJournal::Open({.directory = dir_, .node = node, .compact_bytes = compact_bytes});
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? std::move(*journal) : nullptr;
  }
  static FilePosition File(uint64_t id) {
    FilePosition file;
    file.file_id = id;
    file.key = {1, 100 + id};
    file.format = LogFormat::kCri;
    file.path = "/logs/" + std::to_string(id);
    file.chain = file.path;
    return file;
  }
  static Manifest OneRange(uint64_t sequence, uint64_t file_id, uint64_t begin, uint64_t end) {
    Manifest manifest;
    manifest.sequence = sequence;
    ManifestChain chain;
    chain.chain = "/logs/" + std::to_string(file_id);
    chain.ranges.push_back({file_id, begin, end, {10, 1}, {10, 2}});
    chain.pending_end.push_back({Output::kStderr, {{file_id, begin, end}}});
    manifest.chains.push_back(chain);
    manifest.cursors.push_back({"journal", "a", "b" + std::to_string(sequence)});
    return manifest;
  }
  std::vector<std::string> Names() { return ListDirectory(dir_).value_or(std::vector<std::string>()); }
  std::string Newest() {
    std::string newest;
    for (const std::string& name : Names()) {
      if (name.starts_with("state-")) newest = dir_ + "/" + name;
    }
    return newest;
  }

  std::string dir_;
};

TEST_F(StateJournalTest, SurvivesRestart) {
  std::string agent_id;
  {
    auto journal = Open();
    EXPECT_FALSE(journal->loaded().had_state);
    agent_id = journal->state().agent_id;
    EXPECT_EQ(agent_id.size(), 32u);
    const uint64_t id = journal->NewFileId();
    journal->PutFile(File(id));
    journal->PutManifest(OneRange(1, id, 0, 100));
    journal->PutManifest(OneRange(2, id, 100, 250));
    journal->Ack(1);
  }
  auto journal = Open();
  EXPECT_TRUE(journal->loaded().had_state);
  EXPECT_EQ(journal->loaded().cut_bytes, 0u);
  const AgentState& state = journal->state();
  EXPECT_EQ(state.agent_id, agent_id);
  EXPECT_EQ(state.next_sequence, 3u);
  ASSERT_EQ(state.files.size(), 1u);
  EXPECT_EQ(state.files.at(1).offset, 100u);
  EXPECT_EQ(state.files.at(1).tail.hash, 2u);
  EXPECT_EQ(state.files.at(1).format, LogFormat::kCri);
  ASSERT_EQ(state.in_flight.size(), 1u);
  EXPECT_EQ(state.in_flight[0].chains[0].ranges[0].end, 250u);
  EXPECT_EQ(state.pending.at("/logs/1")[0].spans[0], (Span{1, 0, 100}));
  EXPECT_EQ(state.cursors.at("journal"), "b1");
  EXPECT_EQ(journal->NewFileId(), 2u);
}

TEST_F(StateJournalTest, OneProcessOnly) {
  auto first = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(StateJournal::Open({.directory = dir_, .node = "n1"}).status()));
}

TEST_F(StateJournalTest, CompactsAndKeepsTwoGenerations) {
  auto journal = Open(4096);
  const uint64_t id = journal->NewFileId();
  journal->PutFile(File(id));
  for (uint64_t sequence = 1; sequence <= 500; ++sequence) {
    journal->PutManifest(OneRange(sequence, id, sequence * 10, sequence * 10 + 10));
    journal->Ack(sequence);
  }
  EXPECT_LT(journal->bytes(), 8192u);
  journal->Close();
  journal.reset();
  int generations = 0;
  for (const std::string& name : Names()) generations += name.starts_with("state-");
  EXPECT_EQ(generations, 2);
  journal = Open(4096);
  EXPECT_EQ(journal->state().files.at(id).offset, 5010u);
  EXPECT_EQ(journal->state().next_sequence, 501u);
}

TEST_F(StateJournalTest, AnotherNodeGetsAnotherId) {
  auto journal = Open();
  const std::string id = journal->state().agent_id;
  journal->PutFile(File(journal->NewFileId()));
  journal->PutManifest(OneRange(1, 1, 0, 10));
  journal.reset();
  journal = Open(1 << 20, "n2");
  EXPECT_NE(journal->state().agent_id, id);
  EXPECT_EQ(journal->state().files.size(), 1u);
  EXPECT_TRUE(journal->state().in_flight.empty());
}

TEST_F(StateJournalTest, StartsWithAnyByteFlippedOrCut) {
  {
    auto journal = Open();
    for (int i = 0; i < 3; ++i) journal->PutFile(File(journal->NewFileId()));
    for (uint64_t sequence = 1; sequence <= 4; ++sequence)
      journal->PutManifest(OneRange(sequence, 1, sequence, sequence + 1));
    journal->Ack(1);
    journal->ForgetFile(3);
  }
  { auto journal = Open(); }  // a second generation, so that both kinds of damage have a fallback
  const std::string newest = Newest();
  std::map<std::string, std::string> images;
  for (const std::string& name : Names()) {
    if (name.starts_with("state-")) images[dir_ + "/" + name] = *ReadWholeFile(dir_ + "/" + name);
  }
  ASSERT_EQ(images.size(), 2u);
  const std::string whole = images[newest];
  const auto reset = [&](const std::string& image) {
    for (const std::string& name : Names()) {
      if (name.starts_with("state-")) std::filesystem::remove(dir_ + "/" + name);
    }
    for (const auto& [path, bytes] : images) {
      std::string content = path == newest ? image : bytes;
      auto file = OpenFile(path, 0101 /* O_WRONLY|O_CREAT */);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE(WriteAll(file->get(), content, path).ok());
    }
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string image = whole;
    image[at] = static_cast<char>(image[at] ^ (1 << (at % 8)));
    reset(image);
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_TRUE(journal->loaded().used_older || journal->loaded().cut_bytes > 0) << at;
    EXPECT_EQ(journal->state().files.size(), 2u) << at;
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    reset(whole.substr(0, size));
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(journal->state().files.size(), 2u) << size;
  }
}

// What the newest one was made of stays, not the damaged one between them.
TEST_F(StateJournalTest, TheNewestIsDamagedAgainAndAgain) {
  std::string id;
  for (int i = 0; i < 2; ++i) {
    auto journal = Open();
    id = journal->state().agent_id;
    journal->PutFile(File(journal->NewFileId()));
  }
  for (int i = 0; i < 5; ++i) {
    const std::string newest = Newest();
    ASSERT_TRUE(WriteFileAtomically(newest, "damaged").ok());
    auto journal = Open();
    EXPECT_TRUE(journal->loaded().used_older) << i;
    EXPECT_FALSE(journal->loaded().salvaged) << i;
    EXPECT_GE(journal->state().files.size(), 1u) << i;
  }
}

TEST_F(StateJournalTest, PiecesOfMessagesAreReadAgainWhereBothGenerationsAreDamaged) {
  uint64_t file = 0;
  {
    auto journal = Open();
    file = journal->NewFileId();
    FilePosition position = File(file);
    position.offset = 500;
    journal->PutFile(position);
    Manifest manifest = OneRange(1, file, 500, 600);
    manifest.chains[0].chain = position.chain;
    manifest.chains[0].pending_end = {PendingMessage{Output::kStdout, {Span{file, 520, 560}}, false}};
    journal->PutManifest(manifest);
    journal->Ack(1);
    EXPECT_EQ(journal->state().files.at(file).offset, 600u);
    EXPECT_EQ(journal->state().pending.size(), 1u);
  }
  { auto journal = Open(); }
  for (const std::string& name : Names()) {
    if (!name.starts_with("state-")) continue;
    std::string bytes = *ReadWholeFile(dir_ + "/" + name);
    bytes[9] = static_cast<char>(bytes[9] ^ 1);  // the header
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/" + name, bytes).ok());
  }
  auto journal = Open();
  EXPECT_TRUE(journal->loaded().salvaged);
  EXPECT_TRUE(journal->state().pending.empty());
  EXPECT_EQ(journal->state().files.at(file).offset, 520u);
  EXPECT_EQ(journal->state().files.at(file).tail.length, 0u);
}

// Whatever bits are flipped in both generations: all other files are known, and where they were read to at
// some time.
TEST_F(StateJournalTest, BothGenerationsDamagedKeepWhatIsWhole) {
  std::string id;
  for (int generation = 0; generation < 2; ++generation) {
    auto journal = Open();
    id = journal->state().agent_id;
    for (int i = 0; i < 5; ++i) journal->PutFile(File(journal->NewFileId()));
    for (int i = 0; i < 4; ++i) {
      const uint64_t sequence = journal->state().next_sequence;
      journal->PutManifest(OneRange(sequence, 1, sequence, sequence + 1));
      journal->Ack(sequence);
    }
    journal->PutManifest(OneRange(journal->state().next_sequence, 1, 100, 200));
  }
  std::map<std::string, std::string> images;
  for (const std::string& name : Names()) {
    if (name.starts_with("state-")) images[dir_ + "/" + name] = *ReadWholeFile(dir_ + "/" + name);
  }
  ASSERT_EQ(images.size(), 2u);
  std::mt19937 random(5);
  for (int trial = 0; trial < 300; ++trial) {
    for (const std::string& name : Names()) {
      if (name.starts_with("state-")) std::filesystem::remove(dir_ + "/" + name);
    }
    for (const auto& [path, image] : images) {
      std::string damaged = image;
      // In the snapshot, which alone says whether a generation is whole.
      const size_t at = random() % 60;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (random() % 8)));
      ASSERT_TRUE(WriteFileAtomically(path, damaged).ok());
    }
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_TRUE(journal->loaded().salvaged);
    EXPECT_TRUE(journal->loaded().had_state);
    EXPECT_FALSE(journal->loaded().lost);
    EXPECT_NE(journal->state().agent_id, id);
    EXPECT_TRUE(journal->state().in_flight.empty());
    EXPECT_EQ(journal->state().files.size(), 10u) << trial;
    EXPECT_LE(journal->state().files.at(1).offset, 10u);
    EXPECT_EQ(journal->NewFileId(), 11u);
  }
}

TEST_F(StateJournalTest, BothGenerationsBadIsANewBeginning) {
  std::string id;
  {
    auto journal = Open();
    id = journal->state().agent_id;
  }
  { auto journal = Open(); }
  for (const std::string& name : Names()) {
    if (!name.starts_with("state-")) continue;
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/" + name, std::string(300, '\0')).ok());
  }
  auto journal = Open();
  EXPECT_TRUE(journal->loaded().lost);
  EXPECT_FALSE(journal->loaded().had_state);
  EXPECT_NE(journal->state().agent_id, id);
}

}  // namespace
}  // namespace skald::agent
