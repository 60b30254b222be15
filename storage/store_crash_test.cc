// Kills a process that appends and flushes, at random moments and at every step of a flush, and checks what a
// new one finds: each acknowledged batch exactly once, none twice, and nothing of a batch that is not whole.
//
// The process to be killed is this program itself, started with --append-to=<directory>: a forked copy of a
// process that had RocksDB's threads would not have them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "storage/deletes/delete_view.h"
#include "storage/deletes/retention.h"
#include "storage/testing/known_batches.h"

extern char** environ;

namespace skald {
namespace {

constexpr int kAgents = 3;

// Appends until it is killed; each acknowledged (agent, sequence) goes to the file `acknowledged`, which
// outlives the process.
int AppendUntilKilled(const std::string& directory, const std::string& acknowledged) {
  auto store = Store::Open(SmallStore(directory));
  if (!store.ok()) {
    std::fprintf(stderr, "open: %s\n", store.status().ToString().c_str());
    return 3;
  }
  const int fd = ::open(acknowledged.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  // Compaction works all the time.
  std::vector<std::thread> agents;
  agents.emplace_back([&] {
    while (true) {
      if (const absl::Status status = (*store)->Compact(); !status.ok()) {
        std::fprintf(stderr, "compact: %s\n", status.ToString().c_str());
        ::_exit(6);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  for (int agent = 0; agent < kAgents; ++agent) {
    agents.emplace_back([&, agent] {
      std::atomic<int> in_flight{0};
      const uint64_t last = Raw((*store)->LastSequence("t", "agent" + std::to_string(agent)));
      // Some are sent again, as a sender does that missed the answers.
      for (uint64_t sequence = last > 2 ? last - 2 : 1;; ++sequence) {
        while (in_flight >= 4) std::this_thread::yield();
        ++in_flight;
        (*store)->Append(KnownBatch(agent, sequence), [&, agent, sequence](absl::Status status) {
          if (status.ok()) {
            const uint64_t record[2] = {static_cast<uint64_t>(agent), sequence};
            if (::write(fd, record, sizeof(record)) != sizeof(record)) ::_exit(4);
          } else {
            std::fprintf(stderr, "append: %s\n", status.ToString().c_str());
            ::_exit(5);
          }
          --in_flight;
        });
      }
    });
  }
  for (std::thread& agent : agents) agent.join();
  return 0;
}

// What TakeAway stores, of each kind, in so many segments.
constexpr int kLinesOfKind = 40;
constexpr int kSegmentsOfKinds = 4;

class Rules final : public RetentionRules {
 public:
  int64_t PeriodNs(std::string_view, const Labels& stream) const override {
    return stream.Get("kind") == "old" ? kDayNs : 0;
  }
  int64_t ShortestNs() const override { return kDayNs; }
  int64_t LongestNs(std::string_view) const override { return 0; }
};

ActiveDelete DoomedLines() {
  ActiveDelete out;
  out.matchers = {Match("kind", "doomed|mixed", MatchOp::kRegex)};
  out.start_ns = kMinTimeNs;
  out.end_ns = kMaxTimeNs;
  out.filter = [](const Labels&, const Rows& rows, uint32_t begin, uint32_t end,
                  std::vector<uint32_t>* matched) {
    for (uint32_t row = begin; row < end; ++row) {
      if (rows.line(row).find("doomed") != std::string_view::npos) matched->push_back(row);
    }
  };
  return out;
}

// Stores lines that are kept, that are deleted and that retention ends, and then deletes and ends them.
int TakeAway(const std::string& directory) {
  auto opened = Store::Open(SmallStore(directory));
  if (!opened.ok()) return 3;
  Store& store = **opened;
  for (int i = 0; i < kLinesOfKind * 3; ++i) {
    AppendBatch batch;
    batch.tenant = "t";
    batch.agent_id = "a";
    batch.sequence = BatchSeq{static_cast<uint64_t>(i) + 1};  // resent after a crash
    const char* const kind = i % 3 == 0 ? "old" : i % 3 == 1 ? "doomed" : "mixed";
    const int64_t t = 20'000 * kDayNs + i;
    std::vector<TestLine> lines{{t, fmt::format("{} {}", kind, i)}};
    if (i % 3 == 2) lines.push_back({t, fmt::format("doomed {}", i)});
    batch.streams.push_back({{{"kind", kind}}, MakeRows(std::move(lines)), ""});
    if (!store.AppendAndWait(std::move(batch)).ok()) return 4;
    if (i % (kLinesOfKind * 3 / kSegmentsOfKinds) == 0 && !store.Flush().ok()) return 5;
  }
  if (!store.Purge("t", "delete", DoomedLines()).ok()) return 6;
  store.SetRetention(std::make_shared<Rules>());
  if (!store.Compact().ok()) return 7;
  return 0;
}

class CrashTest : public ::testing::Test {
 protected:
  pid_t Start(const std::string& failpoint = "", int hit = 0, const std::string& what = "--append-to=") {
    std::vector<std::string> args{"/proc/self/exe", what + directory_, "--acknowledged=" + acknowledged_,
                                  "--die-at=" + failpoint, "--hit=" + std::to_string(hit)};
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ), 0);
    return pid;
  }

  uint64_t AcknowledgedBytes() const {
    const auto size = FileSize(acknowledged_);
    return size.ok() ? *size : 0;
  }

  // Opens what is left and compares.
  void Check(const std::string& when) {
    std::map<int, uint64_t> acknowledged;
    if (FileExists(acknowledged_)) {
      const std::string bytes = *ReadWholeFile(acknowledged_);
      for (size_t at = 0; at + 16 <= bytes.size(); at += 16) {
        uint64_t record[2];
        std::memcpy(record, bytes.data() + at, 16);
        uint64_t& last = acknowledged[static_cast<int>(record[0])];
        last = std::max(last, record[1]);
      }
    }
    auto store = Store::Open(SmallStore(directory_));
    ASSERT_TRUE(store.ok()) << store.status();
    std::vector<std::string> want;
    for (int agent = 0; agent < kAgents; ++agent) {
      const uint64_t last = Raw((*store)->LastSequence("t", "agent" + std::to_string(agent)));
      ASSERT_GE(last, acknowledged[agent]) << when;
      const std::vector<std::string> rows = KnownRows(agent, last);
      want.insert(want.end(), rows.begin(), rows.end());
      batches_ += last;
    }
    std::sort(want.begin(), want.end());
    const ReadResult got = ReadAll(**store, {});
    // Everything up to the last durable sequence, whole, nothing beyond, and nothing that stands in two
    // places.
    ASSERT_EQ(got.rows.size(), want.size()) << when;
    ASSERT_EQ(got.rows, want) << when;
    ASSERT_EQ(got.repetitions, 0u) << when;
    ASSERT_EQ(got.damaged_blocks, 0u) << when;
    segments_ = (*store)->Stats().segments;
    rows_ = want.size();
  }

  TempDir dir_;
  const std::string directory_ = dir_.path() + "/data";
  const std::string acknowledged_ = dir_.path() + "/acknowledged";
  uint64_t batches_ = 0;
  uint64_t segments_ = 0;
  uint64_t rows_ = 0;
};

TEST_F(CrashTest, KilledAtRandomMoments) {
  std::mt19937 random(std::random_device{}());
  constexpr int kKills = 25;
  for (int kill = 0; kill < kKills; ++kill) {
    const uint64_t before = AcknowledgedBytes();
    const pid_t pid = Start();
    // Mostly some time into its work, however slow it starts; each fifth while it still opens and replays.
    if (kill % 5 != 4) {
      for (int i = 0; i < 20'000 && AcknowledgedBytes() == before; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      ASSERT_GT(AcknowledgedBytes(), before) << "nothing was acknowledged";
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
    }
    ::kill(pid, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the process ended by itself: " << status;
    ASSERT_NO_FATAL_FAILURE(Check("after kill " + std::to_string(kill)));
  }
  std::printf("%d kills, %zu rows in %zu segments\n", kKills, static_cast<size_t>(rows_),
              static_cast<size_t>(segments_));
  EXPECT_GT(segments_, 1u);
}

TEST_F(CrashTest, DiesAtEveryStep) {
  uint64_t most_segments = 0;
  for (const char* step : {"index.create",
                           "flush.before_segment",
                           "flush.before_finish",
                           "flush.after_part",
                           "flush.after_last_part",
                           "flush.before_commit",
                           "index.commit",
                           "flush.after_commit",
                           "wal.write",
                           "wal.after_write",
                           "wal.sync",
                           "wal.after_sync",
                           "wal.open",
                           "index.register",
                           "blob.append",
                           "blob.sync",
                           "blob.rename",
                           "blob.sync_directory",
                           "compact.before_segment",
                           "compact.before_finish",
                           "compact.after_segment",
                           "compact.before_commit",
                           "compact.after_commit",
                           "compact.before_delete",
                           "compact.after_delete"}) {
    // Each step on its own: what the checks compare stays small.
    std::filesystem::remove_all(directory_);
    std::filesystem::remove(acknowledged_);
    for (const int hit : {1, 4}) {
      // Only the first start creates streams.
      if (hit > 1 && std::string_view(step) == "index.create") continue;
      const pid_t pid = Start(step, hit);
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 77) << step << ": " << status;
      ASSERT_NO_FATAL_FAILURE(Check(std::string(step) + " hit " + std::to_string(hit)));
      most_segments = std::max(most_segments, segments_);
    }
  }
  EXPECT_GT(most_segments, 1u);
}

TEST_F(CrashTest, DiesWhileItTakesAway) {
  for (const char* step : {"compact.before_segment", "compact.before_finish", "compact.after_segment",
                           "compact.before_commit", "compact.after_commit", "compact.before_delete",
                           "compact.after_delete", "purge.after_segment", "retain.before_drop"}) {
    for (int hit = 1; hit <= 3; ++hit) {
      const std::string when = fmt::format("{} hit {}", step, hit);
      std::filesystem::remove_all(directory_);
      const pid_t pid = Start(step, hit, "--take-away=");
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      ASSERT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 77 || (hit > 1 && WEXITSTATUS(status) == 0)))
          << when << ": " << status;
      auto store = Store::Open(SmallStore(directory_));
      ASSERT_TRUE(store.ok()) << store.status();
      const auto count = [&](std::string_view word) {
        const ReadResult got = ReadAll(**store, {});
        EXPECT_EQ(got.repetitions, 0u) << when;
        EXPECT_EQ(got.damaged_blocks, 0u) << when;
        EXPECT_EQ(std::adjacent_find(got.rows.begin(), got.rows.end()), got.rows.end()) << when;
        return std::count_if(got.rows.begin(), got.rows.end(), [&](const std::string& row) {
          return row.find(fmt::format("}} {} ", word)) != std::string::npos;
        });
      };
      // What is kept is all there at any time, what is not goes when it is tried again, and was counted once.
      ASSERT_EQ(count("mixed"), kLinesOfKind) << when;
      const auto purged = (*store)->Purge("t", "delete", DoomedLines());
      ASSERT_TRUE(purged.ok()) << purged.status();
      EXPECT_EQ(*purged, uint64_t{2} * kLinesOfKind) << when;
      EXPECT_EQ(count("doomed"), 0) << when;
      (*store)->SetRetention(std::make_shared<Rules>());
      ASSERT_TRUE((*store)->Compact().ok());
      EXPECT_EQ(count("old"), 0) << when;
      ASSERT_EQ(count("mixed"), kLinesOfKind) << when;
    }
  }
}

}  // namespace
}  // namespace skald

int main(int argc, char** argv) {
  std::string append_to;
  std::string take_away;
  std::string acknowledged;
  std::string die_at;
  int hit = 0;
  const auto option = [](std::string_view arg, std::string_view name, std::string* value) {
    if (arg.starts_with(name)) *value = arg.substr(name.size());
    return arg.starts_with(name);
  };
  std::string number;
  for (int i = 1; i < argc; ++i) {
    option(argv[i], "--append-to=", &append_to);
    option(argv[i], "--take-away=", &take_away);
    option(argv[i], "--acknowledged=", &acknowledged);
    option(argv[i], "--die-at=", &die_at);
    if (option(argv[i], "--hit=", &number)) hit = std::atoi(number.c_str());
  }
  if (!append_to.empty() || !take_away.empty()) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(60);  // a step that is never passed must not run for ever
    if (!die_at.empty()) {
      static std::atomic<int> hits{0};
      skald::SetFailpoint(die_at, [hit] {
        if (++hits == hit) ::_exit(77);
        return absl::OkStatus();
      });
    }
    return append_to.empty() ? skald::TakeAway(take_away) : skald::AppendUntilKilled(append_to, acknowledged);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
