// The real agent process, killed with SIGKILL at random moments while writers write and rotate and the server
// fails: each line must be at the server exactly once. SKALD_CHAOS_KILLS and SKALD_TEST_SEED make it longer
// and other.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "agent/delivery/push_double.h"
#include "agent/testing/test_directory.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;

int FromEnvironment(const char* name, int otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

// One container's log: CRI records of both outputs, some messages in pieces, rotated by rename with a pause
// before the new file.
class Writer {
 public:
  Writer(std::string directory, int id, unsigned seed) : path_(directory + "/0.log"), id_(id), random_(seed) {
    fs::create_directories(directory);
    out_.open(path_, std::ios::app);
  }
  void Step() {
    if (random_() % 200 == 0) Rotate(true);
    const bool error = random_() % 4 == 0;
    const std::string text = "w" + std::to_string(id_) + (error ? " err " : " out ") +
                             std::to_string(next_[error]++) + " " +
                             std::string(random_() % 100, static_cast<char>('a' + random_() % 26));
    size_t at = 0;
    while (random_() % 3 == 0 && at + 5 < text.size()) {
      Record(error, "P", text.substr(at, 5));
      at += 5;
      if (random_() % 30 == 0) Rotate(false);
    }
    Record(error, "F", text.substr(at));
    wanted_.push_back(text);
  }
  const std::vector<std::string>& wanted() const { return wanted_; }
  int rotations() const { return rotations_; }

 private:
  void Record(bool error, const char* tag, const std::string& text) {
    char time[64];
    std::snprintf(time, sizeof(time), "2024-11-01T12:%02d:%02d.%09dZ", records_ / 60 % 60, records_ % 60, 7);
    ++records_;
    const std::string record =
        std::string(time) + (error ? " stderr " : " stdout ") + tag + " " + text + "\n";
    // Written in two parts now and then, so that readers meet torn records.
    const size_t cut = random_() % 5 == 0 ? random_() % record.size() : record.size();
    out_ << record.substr(0, cut) << std::flush << record.substr(cut) << std::flush;
  }
  // late: a record is still written to the renamed file; not between the pieces of a message.
  void Rotate(bool late) {
    std::this_thread::sleep_for(std::chrono::milliseconds(6));
    char name[64];
    std::snprintf(name, sizeof(name), "%s%06d", ".20240101-", ++rotations_);
    fs::rename(path_, path_ + name);
    out_ << std::flush;  // the runtime goes on in the renamed file until it reopens
    if (late && random_() % 2 == 0) {
      Record(false, "F", "late " + std::to_string(rotations_));
      wanted_.push_back("late " + std::to_string(rotations_));
      std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 5));
    }
    std::ofstream fresh(path_, std::ios::app);
    out_ = std::move(fresh);
  }

  const std::string path_;
  const int id_;
  std::mt19937 random_;
  std::ofstream out_;
  std::vector<std::string> wanted_;
  int next_[2] = {0, 0};
  int records_ = 0;
  int rotations_ = 0;
};

class AgentProcess {
 public:
  AgentProcess(const std::string& root, const std::string& server) {
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::string state = root + "/state";
      const std::string pattern = root + "/pods/*/*/*.log";
      ::execl(SKALD_AGENT_BINARY, "skald-agent", "--server", server.c_str(), "--state-dir", state.c_str(),
              "--http-listen", "", "--node-name", "n1", "--log-level", "error", "--rotate-grace", "100ms",
              "--batch-wait", "20ms", "--batch-bytes", "4KB", pattern.c_str(), nullptr);
      ::_exit(127);
    }
  }
  void Signal(int signal) { ::kill(pid_, signal); }
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
};

TEST(AgentChaos, KilledAtAnyMomentEachLineOnce) {
  const int kills = FromEnvironment("SKALD_CHAOS_KILLS", 25);
  const auto seed = static_cast<unsigned>(FromEnvironment("SKALD_TEST_SEED", 1));
  std::mt19937 random(seed);
  const std::string root = TestDirectory("chaos");
  fs::remove_all(root);
  fs::create_directories(root);
  PushDouble server;
  server.SetFaults({.retry = 0.05, .reset_before = 0.02, .reset_after = 0.05, .delay_ms = 1});

  constexpr int kWriters = 4;
  std::atomic<bool> stop{false};
  std::atomic<bool> go{false};
  std::vector<std::unique_ptr<Writer>> writers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(std::make_unique<Writer>(
        root + "/pods/ns_pod-" + std::to_string(i) + "_u" + std::to_string(i) + "/app", i,
        seed * 100 + static_cast<unsigned>(i)));
    threads.emplace_back([&stop, &go, writer = writers.back().get(), i] {
      std::mt19937 pace(static_cast<unsigned>(i));
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      while (!stop) {
        for (int k = 0; k < 10 && !stop; ++k) writer->Step();
        std::this_thread::sleep_for(std::chrono::milliseconds(pace() % 20));
      }
    });
  }
  for (int kill = 0; kill < kills; ++kill) {
    AgentProcess agent(root, server.address());
    if (kill == 0) {
      // What was rotated before an agent ever ran is not its business: the first one is there before the
      // writers.
      for (int i = 0; i < 6000 && !fs::exists(root + "/state/state-00000001"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      go = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 400));
    if (kill % 5 == 4) {
      agent.Signal(SIGTERM);
      const int status = agent.Wait();
      // On a busy machine it may come before main has begun.
      EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
          << "SIGTERM must end with 0, not " << status;
    } else {
      agent.Signal(SIGKILL);
      agent.Wait();
    }
    if (random() % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  server.SetFaults({});
  size_t wanted = 0;
  int rotations = 0;
  for (const auto& writer : writers) {
    wanted += writer->wanted().size();
    rotations += writer->rotations();
  }
  AgentProcess last(root, server.address());
  for (int i = 0; i < 2400 && server.row_count() < wanted; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  last.Signal(SIGTERM);
  EXPECT_EQ(last.Wait(), 0);

  const std::vector<PushDouble::Row> rows = server.Rows();
  std::map<std::string, std::map<std::string, int>> got;  // by pod
  for (const PushDouble::Row& row : rows) {
    const size_t at = row.labels.find("pod=\"");
    ++got[row.labels.substr(at + 5, 5)][row.text];
  }
  int lost = 0;
  int doubled = 0;
  int unknown = 0;
  for (int i = 0; i < kWriters; ++i) {
    std::map<std::string, int>& texts = got["pod-" + std::to_string(i)];
    for (const std::string& text : writers[static_cast<size_t>(i)]->wanted()) {
      const auto found = texts.find(text);
      if (found == texts.end()) {
        if (++lost < 5) ADD_FAILURE() << "lost: " << text;
        continue;
      }
      if (found->second != 1 && ++doubled < 5) ADD_FAILURE() << found->second << " times: " << text;
      texts.erase(found);
    }
    for (const auto& [text, count] : texts) {
      if (++unknown < 5) ADD_FAILURE() << "never written: " << text;
    }
  }
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(doubled, 0);
  EXPECT_EQ(unknown, 0);
  EXPECT_EQ(server.undecodable(), 0);
  std::printf(
      "seed=%u kills=%d lines=%zu rotations=%d batches=%zu repeated_batches=%llu lost=%d doubled=%d\n", seed,
      kills, wanted, rotations, server.batches(), static_cast<unsigned long long>(server.repeated()), lost,
      doubled);
  if (!HasFailure()) {
    fs::remove_all(root);
    return;
  }
  std::ofstream dump(root + "/received");
  for (const PushDouble::Row& row : rows) dump << row.labels << "\t" << row.text << "\n";
  std::printf("the files and what was received of them are in %s\n", root.c_str());
}

}  // namespace
}  // namespace skald::agent
