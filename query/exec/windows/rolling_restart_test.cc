// What rolling windows keep in a store, over restarts at any moment: the same numbers as full evaluation, and
// few lines read for them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "query/exec/testing/rolling_fixture.h"
#include "query/exec/windows/late_log.h"
#include "query/exec/windows/rolling_codec.h"
#include "query/exec/windows/window_store.h"

namespace skald::exec {
namespace {

class MemoryWindowStore final : public WindowStore {
 public:
  absl::Status Write(const Change& change, bool sync) override {
    if (fails || distrusted) return Unavailable("no");
    before.push_back(values);
    if (before.size() > 4) before.pop_front();
    if (sync) before.clear();
    for (const std::string& prefix : change.prefixes)
      std::erase_if(values, [&](const auto& item) { return item.first.starts_with(prefix); });
    for (const std::string& key : change.deletes) values.erase(key);
    for (const auto& [key, value] : change.puts) values[key] = value;
    return absl::OkStatus();
  }
  absl::Status Scan(std::string_view prefix,
                    const std::function<void(std::string_view, std::string_view)>& visit) const override {
    for (const auto& [key, value] : values) {
      if (key.starts_with(prefix)) visit(key, value);
    }
    return absl::OkStatus();
  }

  absl::Status Distrust() override {
    distrusted = true;
    values.clear();
    before.clear();
    return absl::OkStatus();
  }

  bool distrusted = false;
  std::map<std::string, std::string> values;
  std::deque<std::map<std::string, std::string>> before;  // the last writes
  bool fails = false;
};

class RollingRestartTest : public RollingWindowsTest {
 protected:
  RollingRestartTest() { Restart(); }

  void Restart(bool lost = false) {
    windows_ = std::make_unique<RollingWindows>(max_bytes_, fold_bytes_);
    store_.distrusted = false;
    windows_->Open(&store_);
    for (const Sent& sent : sent_) {
      if (sent.file == 0) Publish(sent);
    }
    for (const auto& [tenant, name] : deletes_) windows_->Forget(tenant, name);
    std::vector<LinesFile> files;
    for (const auto& [id, file] : files_) files.push_back(file);
    windows_->Begin(files, batch_, lost);
  }
  void Save(uint64_t applied, bool everything = false) {
    const absl::Status status = windows_->Save(
        applied, [this] { return batch_; }, everything);
    EXPECT_TRUE(status.ok() || store_.fails || store_.distrusted);
  }
  // The log becomes a file. noted: by a program that has rules.
  void Flush(bool noted = true) {
    EXPECT_TRUE(!noted || windows_->NoteLate(batch_).ok());
    const uint64_t id = ++last_file_;
    LinesFile file{kMaxTimeNs, kMinTimeNs, batch_};
    for (Sent& sent : sent_) {
      if (sent.file != 0) continue;
      sent.file = id;
      file.min_ns = std::min(file.min_ns, sent.min_ns);
      file.max_ns = std::max(file.max_ns, sent.max_ns);
    }
    if (file.min_ns <= file.max_ns) files_[id] = file;
  }
  // Two files become one.
  void Merge(uint64_t a, uint64_t b) {
    const uint64_t id = ++last_file_;
    files_[id] = {std::min(files_[a].min_ns, files_[b].min_ns), std::max(files_[a].max_ns, files_[b].max_ns),
                  std::max(files_[a].covered, files_[b].covered)};
    for (Sent& sent : sent_) {
      if (sent.file == a || sent.file == b) sent.file = id;
    }
    files_.erase(a);
    files_.erase(b);
  }
  // Its lines are too old.
  // crashes: before anybody was told.
  void Retire(uint64_t id, bool crashes = false) {
    const LinesFile file = files_[id];
    EXPECT_TRUE(windows_->ExpectLoss(file.min_ns, file.max_ns).ok());
    if (before_loss_) before_loss_();
    files_.erase(id);
    std::erase_if(sent_, [&](const Sent& sent) { return sent.file == id; });
    StoreAnew();
    if (crashes) return Restart();
    windows_->ForgetTimes(file.min_ns, file.max_ns);
  }

  void ArriveUnheard(std::mt19937_64* random, int64_t now_ns, int64_t interval_ns) {
    const auto hook = std::exchange(before_publish_, nullptr);
    windows_ = std::make_unique<RollingWindows>(max_bytes_, fold_bytes_);
    ArriveAtRandom(random, now_ns, interval_ns);
    before_publish_ = hook;
  }

  std::function<void()> before_loss_;
  MemoryWindowStore store_;
  std::map<uint64_t, LinesFile> files_;
  uint64_t last_file_ = 0;
  int64_t max_bytes_ = int64_t{256} << 20;
  int64_t fold_bytes_ = int64_t{1} << 20;
};

class RandomRestart : public RollingRestartTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RandomRestart, EqualsFullEvaluation) {
  std::mt19937_64 random(GetParam());
  const auto below = [&](uint64_t n) { return random() % n; };
  const int64_t interval_ns = std::vector<int64_t>{5, 13, 15, 60}[below(4)] * kS;
  if (below(2) == 0) fold_bytes_ = 1;
  if (below(4) == 0) max_bytes_ = 40'000;
  Restart();
  int64_t now_ns = kStart + static_cast<int64_t>(below(1'000'000'000));
  const auto any_file = [&] {
    return std::next(files_.begin(), static_cast<ptrdiff_t>(below(files_.size())))->first;
  };
  // While lines can be read that nobody was told of.
  before_publish_ = [&] {
    if (below(4) != 0) return;
    for (const char* query : kQueries) (void)Run(query, now_ns, interval_ns);
    Save(batch_ - 1, below(2) == 0);
  };
  before_loss_ = [&] {
    if (below(2) != 0) return;
    for (const char* query : kQueries) (void)Run(query, now_ns, interval_ns);
    Save(batch_);
  };
  for (int slot = 0; slot < 40; ++slot) {
    now_ns += interval_ns * (below(8) == 0 ? 3 : 1);
    for (uint64_t batch = below(4); batch > 0; --batch) ArriveAtRandom(&random, now_ns, interval_ns);
    if (!sent_.empty() && below(10) == 0) {
      const Sent again = sent_[below(sent_.size())];
      Arrive(again.labels, again.entries, again.tenant);
    }
    const auto something = [&] {
      switch (below(9)) {
        case 0:
          store_.fails = below(8) == 0;
          Flush();
          store_.fails = false;
          return;
        case 1:
          if (files_.size() >= 2) Merge(files_.begin()->first, std::next(files_.begin())->first);
          return;
        case 2:
          store_.fails = below(8) == 0;
          if (!files_.empty() && below(3) == 0) Retire(any_file(), below(3) == 0);
          store_.fails = false;
          return;
        case 3:
          if (!sent_.empty() && below(2) == 0) Hide(below(sent_.size()));
          return;
        case 4:
          store_.fails = below(3) == 0;
          Save(batch_);
          store_.fails = false;
          return;
        case 5:
          return Save(batch_, true);
        default:
          return Save(batch_);
      }
    };
    for (uint64_t n = below(4); n > 0; --n) something();
    if (below(3) == 0) {
      // The machine may have lost the last writes, the lines' log never.
      if (below(3) == 0 && !store_.before.empty()) store_.values = store_.before[below(store_.before.size())];
      if (below(4) == 0 && !store_.values.empty()) {
        auto it = std::next(store_.values.begin(), static_cast<ptrdiff_t>(below(store_.values.size())));
        if (!it->second.empty()) it->second[below(it->second.size())] ^= static_cast<char>(1 << below(8));
        if (below(4) == 0) it->second.resize(below(it->second.size() + 1));
      }
      store_.before.clear();
      // Meanwhile a program without rules was at work.
      if (below(5) == 0) {
        ArriveUnheard(&random, now_ns, interval_ns);
        if (below(2) == 0) Flush(/*noted=*/false);
      }
      Restart();
    }
    // What comes after the restart, and before the first evaluation.
    for (uint64_t n = below(3); n > 0; --n) something();
    if (below(3) == 0) ArriveAtRandom(&random, now_ns, interval_ns);
    for (const char* query : kQueries) {
      // Some are not asked each time.
      if (below(4) != 0)
        ExpectSame(query, now_ns, interval_ns, fmt::format("in slot {} of seed {}", slot, GetParam()));
    }
    for (const char* query : kQueriesOfTwo) {
      ExpectSame(query, now_ns, interval_ns, fmt::format("of two in slot {} of seed {}", slot, GetParam()),
                 "t|u");
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(RollingRestartTest, RandomRestart, testing::Range<uint64_t>(1, 65));

// A line of each of 5 pods every 30 s for four days, of which a window of three days is asked.
class LongRestart : public RollingRestartTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    for (int hour = 0; hour < 24 * 4; ++hour) {
      for (int pod = 0; pod < 5; ++pod) {
        std::vector<MemoryEntry> entries;
        for (int i = 0; i < 120; ++i) {
          entries.push_back({kStart + hour * 3600 * kS + i * 30 * kS + pod,
                             fmt::format("a line n={} d={}", (hour * 120 + i) % 5000, i * 7 % 50),
                             {}});
        }
        Arrive(Labels{{"app", "a"}, {"pod", std::to_string(pod)}}, std::move(entries));
      }
      Flush();
    }
  }
  // Blocks that the evaluation has read: there are 360 in the window.
  uint64_t Reads(int slot) {
    const uint64_t before = source_.reads();
    EXPECT_TRUE(Run(GetParam(), kBegin + slot * kInterval, kInterval).ok());
    return source_.reads() - before;
  }
  void Settle(int slots) {
    for (int i = 0; i < slots; ++i) {
      slot_ += 1;
      EXPECT_LE(Reads(slot_), 15u);
      Save(batch_);
    }
  }

  static constexpr int64_t kInterval = 15 * kS;
  static constexpr int64_t kBegin = kStart + 72 * 3600 * kS;
  int slot_ = 0;
};

TEST_P(LongRestart, ReadsLittle) {
  EXPECT_GE(Reads(0), 360u);
  Settle(20);
  for (const bool cleanly : {false, true}) {
    if (cleanly) Save(batch_, true);
    Restart();
    // The newest hour or two.
    EXPECT_LE(Reads(++slot_), 25u) << cleanly;
    ExpectSame(GetParam(), kBegin + ++slot_ * kInterval, kInterval, "after a restart");
    Settle(20);
  }
  EXPECT_EQ(windows_->damaged(), 0u);

  // A late line that came after the last save is seen, whether the log has it still or a file.
  for (const int flushed : {0, 1, 2}) {
    Arrive(Labels{{"app", "a"}, {"pod", "3"}}, {{kBegin - 30 * 3600 * kS + flushed, "a line n=3 d=3", {}}});
    if (flushed > 0) Flush(/*noted=*/flushed == 1);
    Restart();
    EXPECT_LE(Reads(++slot_), 50u);
    ExpectSame(GetParam(), kBegin + ++slot_ * kInterval, kInterval, "after a late line");
    Settle(20);
  }
  // A file that goes, and two that become one.
  Retire(files_.rbegin()->first);
  Merge(40, 41);
  Restart();
  EXPECT_LE(Reads(++slot_), 50u);
  ExpectSame(GetParam(), kBegin + ++slot_ * kInterval, kInterval, "after a file went");
}

TEST_P(LongRestart, TakesNothingThatMayBeWrong) {
  Reads(0);
  Settle(20);
  const std::map<std::string, std::string> saved = store_.values;

  Restart(/*lost=*/true);
  EXPECT_GE(Reads(++slot_), 360u);
  Save(batch_);

  // The log ends before what was seen.
  store_.values = saved;
  --batch_;
  Restart();
  EXPECT_GE(Reads(++slot_), 360u);
  ++batch_;

  // Another format.
  store_.values = saved;
  store_.values[std::string(1, kFormatKey)] = "\x7f";
  Restart();
  EXPECT_GE(Reads(++slot_), 360u);
  EXPECT_EQ(store_.values.size(), 1u);

  // Other deletes than those that were saved with it.
  store_.values = saved;
  deletes_["t"] = "one";
  Restart();
  EXPECT_GE(Reads(++slot_), 360u);
  deletes_.clear();

  // Each piece damaged: only its own time is read again.
  store_.values = saved;
  int spans = 0;
  for (auto& [key, value] : store_.values) {
    if (key[0] == kSpanKey && spans++ == 3) value[value.size() / 2] ^= 1;
  }
  EXPECT_GE(spans, 20);
  Restart();
  EXPECT_LE(Reads(++slot_), 50u);
  EXPECT_EQ(windows_->damaged(), 1u);
  ExpectSame(GetParam(), kBegin + ++slot_ * kInterval, kInterval, "after damage");
}

TEST_P(LongRestart, KeepsToItsCeiling) {
  Reads(0);
  Settle(5);
  const int64_t whole = windows_->saved_bytes();
  EXPECT_GT(whole, 1000);
  int64_t in_store = 0;
  for (const auto& [key, value] : store_.values) {
    if (key[0] == kSpanKey) in_store += static_cast<int64_t>(value.size());
  }
  EXPECT_EQ(whole, in_store);
  // What nothing has changed of is not written again.
  const uint64_t written = windows_->written_bytes();
  Save(batch_);
  EXPECT_LE(windows_->written_bytes() - written, 200u);
}

INSTANTIATE_TEST_SUITE_P(
    RollingRestartTest, LongRestart,
    testing::Values("sum by (app, pod) (count_over_time({app=\"a\"} |= \"line\" [3d]))",
                    "sum by (pod) (rate_counter({app=\"a\"} | logfmt n | unwrap n [3d]))",
                    "quantile_over_time(0.95, {app=\"a\"} | logfmt d | unwrap d [3d]) by (pod)",
                    "last_over_time({app=\"a\"} | logfmt d | unwrap d [3d]) by (pod)",
                    "stddev_over_time({app=\"a\"} | logfmt d | unwrap d [3d]) by (pod)"));

TEST_F(RollingRestartTest, WhatDoesNotFitLeavesTheStore) {
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  ASSERT_TRUE(Run("count_over_time({app=\"a\"}[5m])", kStart + 15 * kS, 15 * kS).ok());
  Save(batch_, true);
  EXPECT_GT(windows_->saved_bytes(), 0);
  max_bytes_ = 1;
  Restart();
  ASSERT_TRUE(Run("count_over_time({app=\"a\"}[5m])", kStart + 30 * kS, 15 * kS).ok());
  EXPECT_EQ(windows_->states(), 0u);
  Save(batch_);
  EXPECT_EQ(windows_->saved_bytes(), 0);
  std::set<char> kinds;
  for (const auto& [key, value] : store_.values) kinds.insert(key[0]);
  EXPECT_EQ(kinds, (std::set<char>{kFormatKey}));
}

TEST(RollingCodec, GivesBackWhatItTook) {
  std::mt19937_64 random(3);
  const auto below = [&](uint64_t n) { return random() % n; };
  const double numbers[] = {0, -0.0, 1, -7, 0.1, 1e300, std::nan(""), -INFINITY, 9007199254740993.0, 1 << 30};
  const std::vector<Labels> labels{Labels(), Labels{{"app", "a"}}, Labels{{"app", "a"}, {"pod", "x\xff\n"}},
                                   Labels{{"app", "b"}}};
  for (int round = 0; round < 500; ++round) {
    const auto kernel = static_cast<RangeKernel>(below(9));
    const bool folded = below(3) == 0;
    std::vector<RollingTile> tiles(folded ? 1 : 1 + below(6));
    for (RollingTile& tile : tiles) {
      tile.known = below(4) != 0;
      if (!tile.known) continue;
      for (uint32_t series = 0; series < labels.size(); ++series) {
        if (below(2) == 0) continue;
        RollingPart& part = tile.parts.emplace_back();
        part.series = series;
        const auto number = [&] { return numbers[below(std::size(numbers))]; };
        if (kernel == RangeKernel::kValues) {
          part.values = std::make_unique<ValueBag>();
          for (uint64_t n = 1 + below(4); n > 0; --n) part.values->Add(number(), 1 + below(3));
        } else if (kernel == RangeKernel::kSamples) {
          part.run = std::make_unique<CounterRun>(CounterRun{
              1 + below(9), {static_cast<int64_t>(random()), number()}, {kStart, number()}, number()});
        } else {
          part.cell.count = 1 + below(1000);
          part.cell.a = number();
          if (kernel == RangeKernel::kMoments) part.cell.b = number();
          if (NeedsOrder(kernel)) part.cell.time_ns = static_cast<int64_t>(random());
        }
      }
    }
    const auto encode = [&](const std::vector<RollingTile>& all, const auto& series) {
      std::vector<const RollingTile*> taken;
      for (const RollingTile& tile : all) taken.push_back(tile.known ? &tile : nullptr);
      return EncodeSpan(kernel, folded, taken, series);
    };
    const std::string bytes =
        encode(tiles, [&](uint32_t number) { return std::pair(&labels[number], number == 2); });
    SavedSpan span;
    ASSERT_TRUE(DecodeSpan(bytes, kernel, &span));
    ASSERT_EQ(span.tiles.size(), tiles.size());
    EXPECT_EQ(span.folded, folded);
    for (size_t i = 0; i < tiles.size(); ++i) {
      ASSERT_EQ(span.tiles[i].known, tiles[i].known);
      ASSERT_EQ(span.tiles[i].parts.size(), tiles[i].parts.size());
      for (size_t j = 0; j < tiles[i].parts.size(); ++j) {
        const auto& [got_labels, is_error] = span.series[span.tiles[i].parts[j].series];
        const uint32_t series = tiles[i].parts[j].series;
        EXPECT_EQ(got_labels, labels[series]);
        EXPECT_EQ(is_error, series == 2);
      }
    }
    // Bit by bit: what was decoded encodes to the same bytes.
    EXPECT_EQ(bytes, encode(span.tiles, [&](uint32_t number) {
                return std::pair(&std::as_const(span.series[number].first), span.series[number].second);
              }));
    // Cut off or changed, it is refused.
    SavedSpan other;
    EXPECT_FALSE(DecodeSpan(std::string_view(bytes).substr(0, below(bytes.size())), kernel, &other));
    std::string changed = bytes;
    changed[below(changed.size())] ^= static_cast<char>(1 << below(8));
    EXPECT_FALSE(DecodeSpan(changed, kernel, &other));
  }
}

TEST(LateLog, JoinsWhatIsTooMuch) {
  LateLog late(false, 100);
  late.Cover(kStart + 10 * 3600 * kS);
  const auto a = std::make_shared<const Labels>(Labels{{"app", "a"}});
  uint64_t cursor = 0;
  for (int i = 0; i < 1000; ++i) {
    late.Add("t", StreamId{static_cast<uint32_t>(i % 3)}, a, kStart + i * 36 * kS, kStart + i * 36 * kS,
             static_cast<uint64_t>(i) + 1);
  }
  late.AddLoss(kStart, kStart);
  uint64_t copy = cursor;
  std::vector<LateLog::Entry> entries;
  ASSERT_TRUE(late.Take(&copy, kMinTimeNs, kMaxTimeNs, 0, &entries));
  EXPECT_LE(entries.size(), 100u);
  EXPECT_EQ(copy, late.end());
  for (int i = 0; i < 1000; ++i) {
    const int64_t at_ns = kStart + i * 36 * kS;
    EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), [&](const LateLog::Entry& entry) {
      return entry.min_ns <= at_ns && at_ns <= entry.max_ns &&
             (entry.labels == nullptr || entry.stream == static_cast<uint64_t>(i % 3));
    })) << i;
  }
  // Later ones only.
  entries.clear();
  copy = cursor;
  ASSERT_TRUE(late.Take(&copy, kMinTimeNs, kMaxTimeNs, 1000, &entries));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].labels, nullptr);
}

}  // namespace
}  // namespace skald::exec
