// What the tests of the tailer share: a tailer over a directory of its own, and what it made of the files
// there.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/tail/tailer.h"
#include "agent/testing/test_directory.h"
#include "base/file.h"
#include "proto/rows_codec.h"

namespace skald::agent {

namespace fs = std::filesystem;

inline constexpr int64_t kShortNs = 30 * kNsPerMs;

struct Line {
  std::string labels;
  std::string text;
  std::string cut;
  std::string partial;
  int64_t time_ns = 0;
};

// A tailer over a directory of its own, with its state; Restart drops the one and keeps the other, as a crash
// does.
class TailerTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = TestDirectory("tailer");
    fs::remove_all(root_);
    fs::create_directories(root_ + "/logs");
    options_.rotate_grace_ns = kShortNs;
    options_.rescan_ns = kShortNs;
    options_.partial_flush_ns = 10 * kNsPerSecond;
    options_.node_name = "n1";
  }
  void TearDown() override {
    Drop();
    fs::remove_all(root_);
  }

  void AddTarget(const std::string& pattern, const std::vector<std::string>& exclude = {}) {
    auto target = MakeTarget("job", {root_ + "/" + pattern}, exclude, {}, LogFormat::kAuto);
    ASSERT_TRUE(target.ok()) << target.status();
    options_.targets.push_back(std::move(*target));
  }
  void Start() {
    auto journal = StateJournal::Open({.directory = root_ + "/state", .node = "n1"});
    ASSERT_TRUE(journal.ok());
    journal_ = std::move(*journal);
    batch_ = std::make_unique<BatchBuilder>(nullptr);
    tailer_ = std::make_unique<Tailer>(options_, journal_.get(), batch_.get(), &levels_, Clock::System());
    tailer_->Start();
    recovered_ = tailer_->Recover();
  }
  void Drop() {
    tailer_.reset();
    batch_.reset();
    journal_.reset();
  }
  // One turn of the loop.
  void Turn() {
    tailer_->HandleEvents();
    tailer_->Maintain();
    while (tailer_->ReadSome(1 << 20) > 0) {
    }
  }
  void TurnFor(int64_t ns) {
    const int64_t end = MonotonicNs() + ns;
    do {
      Turn();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } while (MonotonicNs() < end);
  }
  // Takes, turn after turn, until there are as many lines, ten seconds at most: rescans come more seldom the
  // longer they take.
  std::vector<std::string> Await(size_t lines) {
    const int64_t end = MonotonicNs() + 10 * kNsPerSecond;
    std::vector<std::string> got;
    while (got.size() < lines && MonotonicNs() < end) {
      TurnFor(kShortNs / 3);
      for (std::string& line : Take()) got.push_back(std::move(line));
    }
    return got;
  }
  static std::vector<Line> LinesOf(const Batch& batch) {
    std::vector<Line> lines;
    for (const auto& stream : batch.request.batch().streams()) {
      Rows rows;
      const absl::Status decoded = DecodeRows(stream.rows(), RowsLimits(), &rows);
      EXPECT_TRUE(decoded.ok()) << decoded;
      for (size_t i = 0; i < rows.size(); ++i) {
        Line line{stream.labels(), std::string(rows.line(i)), "", "", rows.time_ns[i]};
        for (const MetadataColumn& column : rows.metadata) {
          if (column.index[i] == 0) continue;
          (column.name == "truncated_bytes" ? line.cut : line.partial) = column.value(column.index[i] - 1);
        }
        lines.push_back(std::move(line));
      }
    }
    return lines;
  }
  // Seals what was read, notes it as sent; with ack also as delivered.
  std::vector<std::string> Take(bool ack = true) {
    std::vector<std::string> texts;
    if (batch_->lines() == 0) return texts;
    auto batch = batch_->Seal();
    batch->manifest.sequence = journal_->state().next_sequence;
    journal_->PutManifest(batch->manifest);
    for (Line& line : LinesOf(*batch)) {
      texts.push_back(line.text);
      taken_.push_back(std::move(line));
    }
    if (ack) {
      journal_->Ack(batch->manifest.sequence);
      tailer_->Commit(batch->manifest);
    }
    return texts;
  }
  std::vector<std::string> TurnAndTake() {
    TurnFor(kShortNs / 3);
    return Take();
  }
  std::string Path(const std::string& name) { return root_ + "/logs/" + name; }
  void Append(const std::string& name, std::string_view text) {
    std::ofstream(Path(name), std::ios::app | std::ios::binary) << text;
  }
  void Rename(const std::string& from, const std::string& to) { fs::rename(Path(from), Path(to)); }
  void CopyTruncate(const std::string& from, const std::string& to) {
    fs::copy_file(Path(from), Path(to), fs::copy_options::overwrite_existing);
    fs::resize_file(Path(from), 0);
  }
  static std::string Cri(const std::string& text, const char* output = "stdout", const char* tag = "F") {
    static int ns = 0;
    return fmt::format("2024-11-01T12:00:00.{:09}Z {} {} {}\n", ++ns, output, tag, text);
  }

  std::string root_;
  TailerOptions options_;
  LevelDetector levels_;
  std::unique_ptr<StateJournal> journal_;
  std::unique_ptr<BatchBuilder> batch_;
  std::unique_ptr<Tailer> tailer_;
  std::vector<std::unique_ptr<Batch>> recovered_;
  std::vector<Line> taken_;
};

}  // namespace skald::agent
