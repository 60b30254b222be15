#include "storage/index/label_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.h"
#include "base/testing/temp_dir.h"
#include "storage/index/index_key.h"

namespace skald {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;

TimeRange Days(int64_t first, int64_t last) { return {first * kDayNs, (last + 1) * kDayNs}; }

class LabelIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    index_.reset();
    auto opened = LabelIndex::Open(dir_.path() + "/index");
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
  }
  uint32_t Add(std::string_view tenant, const Labels& labels, Day day) {
    auto id = index_->GetOrCreate(tenant, labels);
    EXPECT_TRUE(id.ok());
    EXPECT_TRUE(index_->Register({{*id, day, tenant, &labels}}).ok());
    return Raw(*id);
  }
  std::vector<uint32_t> Match(const std::vector<Matcher>& matchers, TimeRange range = Days(0, 9)) {
    auto ids = index_->Match("t", matchers, range);
    EXPECT_TRUE(ids.ok()) << ids.status();
    return {ids->begin(), ids->end()};
  }
  static Matcher M(MatchOp op, std::string name, std::string value) {
    return *Matcher::Make(op, std::move(name), std::move(value));
  }

  TempDir dir_;
  std::unique_ptr<LabelIndex> index_;
};

TEST_F(LabelIndexTest, IdsAreDenseStableAndPerTenant) {
  const Labels a{{"app", "a"}};
  EXPECT_EQ(*index_->GetOrCreate("t", a), StreamId{1});
  EXPECT_EQ(*index_->GetOrCreate("u", a), StreamId{2});
  EXPECT_EQ(*index_->GetOrCreate("t", a), StreamId{1});
  Reopen();
  EXPECT_EQ(*index_->GetOrCreate("u", a), StreamId{2});
  EXPECT_EQ(*index_->GetOrCreate("t", Labels{{"app", "b"}}), StreamId{3});
  EXPECT_EQ((*index_->LabelsOf(StreamId{3}))->Get("app"), "b");
  EXPECT_EQ(index_->LabelsOf(StreamId{4}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LabelIndexTest, MatchersOverValuesAndMissingLabels) {
  const uint32_t a = Add("t", {{"app", "web"}, {"env", "prod"}}, 3);
  const uint32_t b = Add("t", {{"app", "web"}, {"env", "dev"}}, 3);
  const uint32_t c = Add("t", {{"app", "db"}}, 3);
  Add("other", {{"app", "web"}}, 3);
  struct Row {
    std::vector<Matcher> matchers;
    std::vector<uint32_t> want;
  };
  const Row rows[] = {
      {{}, {a, b, c}},
      {{M(MatchOp::kEqual, "app", "web")}, {a, b}},
      {{M(MatchOp::kEqual, "app", "nothing")}, {}},
      {{M(MatchOp::kRegex, "app", "web|db")}, {a, b, c}},
      {{M(MatchOp::kRegex, "app", "w.*")}, {a, b}},
      {{M(MatchOp::kRegex, "app", "w")}, {}},  // anchored
      {{M(MatchOp::kNotEqual, "app", "web")}, {c}},
      {{M(MatchOp::kNotRegex, "app", "w.*")}, {c}},
      {{M(MatchOp::kEqual, "app", "web"), M(MatchOp::kNotEqual, "env", "dev")}, {a}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kEqual, "env", "")}, {c}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kNotEqual, "env", "")}, {a, b}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kNotEqual, "env", "prod")}, {b, c}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kRegex, "env", "prod|")}, {a, c}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kNotRegex, "env", "prod|")}, {b}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kRegex, "missing", ".*")}, {a, b, c}},
      {{M(MatchOp::kRegex, "app", ".+"), M(MatchOp::kNotRegex, "missing", ".+")}, {a, b, c}},
  };
  for (size_t i = 0; i < std::size(rows); ++i)
    EXPECT_EQ(Match(rows[i].matchers), rows[i].want) << "row " << i;
}

// Against the matchers themselves, over random label sets.
TEST_F(LabelIndexTest, AgreesWithMatchingEachStream) {
  std::mt19937 random(7);
  std::vector<Labels> all(1);  // ids begin at 1
  for (int i = 0; i < 400; ++i) {
    std::vector<Labels::Pair> pairs{{"n", std::to_string(i)}};
    for (const char* name : {"a", "b", "c"}) {
      if (random() % 4 != 0) pairs.emplace_back(name, std::string(1, static_cast<char>('p' + random() % 5)));
    }
    all.emplace_back(std::move(pairs));
    ASSERT_EQ(Add("t", all.back(), 1), all.size() - 1);
  }
  const char* values[] = {"p", "q", "", "p|q", ".*", "q?", "[^p]+", "zz"};
  for (int round = 0; round < 300; ++round) {
    std::vector<Matcher> matchers;
    for (const char* name : {"a", "b", "c"}) {
      if (random() % 3 != 0)
        matchers.push_back(M(static_cast<MatchOp>(random() % 4), name, values[random() % 8]));
    }
    std::vector<uint32_t> want;
    for (uint32_t id = 1; id < all.size(); ++id) {
      if (std::all_of(matchers.begin(), matchers.end(),
                      [&](const Matcher& m) { return m.Matches(all[id].Get(m.name())); })) {
        want.push_back(id);
      }
    }
    ASSERT_EQ(Match(matchers), want) << "round " << round;
  }
}

TEST_F(LabelIndexTest, DaysBoundWhatIsFound) {
  const uint32_t a = Add("t", {{"app", "a"}}, -2);
  const uint32_t b = Add("t", {{"app", "b"}, {"x", "1"}}, 5);
  EXPECT_THAT(Match({}, Days(-3, -2)), ElementsAre(a));
  EXPECT_THAT(Match({}, Days(-1, 4)), ElementsAre());
  EXPECT_THAT(Match({}, Days(-9, 9)), ElementsAre(a, b));
  EXPECT_THAT(Match({}, TimeRange{}), ElementsAre(a, b));
  EXPECT_THAT(Match({}, TimeRange{5 * kDayNs, 5 * kDayNs + 1}), ElementsAre(b));
  EXPECT_THAT(Match({}, TimeRange{5 * kDayNs, 5 * kDayNs}), ElementsAre());
  EXPECT_THAT(*index_->LabelNames("t", TimeRange{}), ElementsAre("app", "x"));
  EXPECT_THAT(*index_->LabelNames("t", Days(-2, -2)), ElementsAre("app"));
  EXPECT_THAT(*index_->LabelValues("t", "app", TimeRange{}), ElementsAre("a", "b"));
  EXPECT_THAT(*index_->LabelValues("t", "app", Days(5, 5)), ElementsAre("b"));
  Roaring among;
  among.add(a);
  EXPECT_THAT(*index_->LabelValuesAmong("t", "app", among, TimeRange{}), ElementsAre("a"));
  EXPECT_EQ(DayOf(-1), -1);
  EXPECT_EQ(DayOf(0), 0);
}

BlockEntry Entry(uint64_t offset, int64_t min_ns, int64_t max_ns) {
  BlockEntry entry;
  entry.location = {offset, 500, 60};
  entry.block_rows = 10;
  entry.block_text_bytes = 1000;
  entry.slice.row_begin = 2;
  entry.slice.row_end = 6;
  entry.slice.min_ns = min_ns;
  entry.slice.max_ns = max_ns;
  entry.slice.line_bytes = 400;
  entry.slice.levels = {{"error", 1, 100}, {"info", 3, 300}};
  return entry;
}

TEST_F(LabelIndexTest, CommitsAreFoundByTimeAndVanishTogether) {
  const uint32_t a = Add("t", {{"app", "a"}}, 1);
  SegmentCommit commit;
  commit.shard = 1;
  commit.flushed = Lsn{77};
  commit.segments.push_back({SegmentId{16}, 12345, 2, kDayNs, 9 * kDayNs, 1, Lsn{77}});
  // One within day 1, one of day 8, one over many days.
  StreamBlocks blocks{
      StreamId{a},
      SegmentId{16},
      {Entry(0, kDayNs, kDayNs + 9), Entry(1, 8 * kDayNs, 8 * kDayNs + 9), Entry(2, kDayNs, 7 * kDayNs)}};
  commit.streams.push_back(blocks);
  ASSERT_TRUE(index_->Commit(commit).ok());
  Reopen();
  const auto offsets = [&](TimeRange range) {
    Roaring ids;
    ids.add(a);
    std::vector<uint64_t> found;
    EXPECT_TRUE(index_
                    ->Blocks(ids, range,
                             [&](StreamId, SegmentId segment, const BlockEntry& entry) {
                               EXPECT_EQ(segment, SegmentId{16});
                               found.push_back(entry.location.offset);
                             })
                    .ok());
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_THAT(offsets(TimeRange{}), ElementsAre(0, 1, 2));
  EXPECT_THAT(offsets(Days(8, 8)), ElementsAre(1));
  EXPECT_THAT(offsets(Days(3, 3)), ElementsAre(2));
  EXPECT_THAT(offsets(Days(1, 1)), ElementsAre(0, 2));
  EXPECT_THAT(offsets(TimeRange{kDayNs + 10, kDayNs + 20}), ElementsAre(2));
  EXPECT_EQ(*index_->Flushed(1), Lsn{77});
  EXPECT_EQ(*index_->Flushed(0), Lsn{0});
  ASSERT_EQ(index_->Segments()->size(), 1u);
  EXPECT_EQ(index_->Segments()->front().bytes, 12345u);
  EXPECT_TRUE(index_->Segment(SegmentId{16})->has_value());
  EXPECT_FALSE(index_->Segment(SegmentId{17})->has_value());

  SegmentCommit replace;
  replace.replaced = {SegmentId{16}};
  replace.replaced_streams = {blocks};
  ASSERT_TRUE(index_->Commit(replace).ok());
  EXPECT_THAT(offsets(TimeRange{}), ElementsAre());
  EXPECT_TRUE(index_->Segments()->empty());
  EXPECT_EQ(*index_->Flushed(1), Lsn{77});
}

TEST_F(LabelIndexTest, ManyStreamsOfOneDay) {
  std::vector<Labels> labels;
  for (int i = 0; i < 5000; ++i) labels.push_back({{"app", "web"}, {"pod", "pod-" + std::to_string(i)}});
  for (size_t at = 0; at < labels.size(); at += 250) {
    std::vector<Registration> registrations;
    for (size_t i = at; i < at + 250; ++i) {
      registrations.push_back({*index_->GetOrCreate("t", labels[i]), 1, "t", &labels[i]});
    }
    ASSERT_TRUE(index_->Register(registrations).ok());
  }
  EXPECT_EQ(Match({M(MatchOp::kEqual, "app", "web")}).size(), 5000u);
  EXPECT_EQ(Match({M(MatchOp::kRegex, "pod", "pod-4.*")}).size(), 1111u);
  Reopen();
  EXPECT_EQ(Match({M(MatchOp::kEqual, "app", "web"), M(MatchOp::kNotRegex, "pod", "pod-4.*")}).size(), 3889u);
}

// Against all entries, whatever comes and goes; segments of an index that did not note their streams among
// them.
TEST_F(LabelIndexTest, BlocksOfManyStreamsAreThoseOfTheRange) {
  constexpr uint32_t kStreams = 3000;
  Roaring ids;
  for (uint32_t i = 0; i < kStreams; ++i) ids.add(Add("t", {{"pod", std::to_string(i)}}, 1));
  const uint32_t first = ids.minimum();
  std::mt19937 random(5);
  std::vector<SegmentCommit> there;
  for (uint64_t n = 1; n <= 40; ++n) {
    const int64_t from = kDayNs + static_cast<int64_t>(random() % 1000) * kDayNs / 1000;
    const SegmentId segment{n * 16};
    SegmentCommit commit;
    commit.segments.push_back({segment, 1, 1, from, from + kDayNs / 50, 0, Lsn{n}});
    const uint32_t begin = static_cast<uint32_t>(random() % kStreams);
    const uint32_t end = std::min<uint32_t>(kStreams, begin + random() % 300);
    for (uint32_t i = begin; i < end; ++i) {
      const int64_t at = from + static_cast<int64_t>(random() % 100) * kDayNs / 5000;
      commit.streams.push_back({StreamId{first + i}, segment, {Entry(n, at, at + 5)}});
    }
    if (there.size() > 5 && random() % 3 == 0) {
      const size_t victim = random() % there.size();
      commit.replaced = {there[victim].segments[0].id};
      commit.replaced_streams = there[victim].streams;
      there.erase(there.begin() + static_cast<ptrdiff_t>(victim));
    }
    ASSERT_TRUE(index_->Commit(commit).ok());
    there.push_back(std::move(commit));
    const TimeRange range{from, from + static_cast<int64_t>(random() % 500) * kDayNs / 1000};
    std::set<std::pair<uint32_t, uint64_t>> want;
    for (const SegmentCommit& one : there) {
      for (const StreamBlocks& blocks : one.streams) {
        const BlockSlice& slice = blocks.entries[0].slice;
        if (range.Overlaps(slice.min_ns, slice.max_ns)) want.emplace(Raw(blocks.stream), Raw(blocks.segment));
      }
    }
    std::set<std::pair<uint32_t, uint64_t>> got;
    ASSERT_TRUE(index_
                    ->Blocks(ids, range,
                             [&](StreamId stream, SegmentId of, const BlockEntry&) {
                               got.emplace(Raw(stream), Raw(of));
                             })
                    .ok());
    EXPECT_EQ(got, want) << n;
  }
}

TEST_F(LabelIndexTest, DamageIsAnErrorNotACrash) {
  Add("t", {{"app", "a"}}, 1);
  index_.reset();
  std::ofstream(dir_.path() + "/index/CURRENT", std::ios::trunc) << "nonsense\n";
  EXPECT_FALSE(LabelIndex::Open(dir_.path() + "/index").ok());
}

TEST(IndexKey, IdSetsOfBothFormsAndMalformedOnes) {
  for (const size_t count : {0, 1, 16, 17, 1000}) {
    std::vector<uint32_t> ids;
    for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<uint32_t>(i * 7 + 1));
    Roaring back;
    ASSERT_TRUE(index_key::DecodeIds(index_key::EncodeIds(ids.data(), ids.size()), &back));
    EXPECT_EQ(back, Roaring(ids.size(), ids.data()));
    Roaring again;
    ASSERT_TRUE(index_key::DecodeIds(index_key::EncodeIds(back), &again));
    EXPECT_EQ(again, back);
  }
  Roaring ids;
  for (const std::string_view bad : {std::string_view(""), std::string_view("\0abc", 4),
                                     std::string_view("\2"), std::string_view("\1junk")}) {
    EXPECT_FALSE(index_key::DecodeIds(bad, &ids));
  }
  EXPECT_EQ(index_key::PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(index_key::PrefixEnd("\xff"), "");
}

// The keys of FORMAT.md.
TEST(IndexKey, BytesAreAsDocumented) {
  EXPECT_EQ(index_key::Postings("t1", 19723, "app", "web"), std::string("P\x02t1\x80\x00\x4d\x0b"
                                                                        "app\0web",
                                                                        15));
  EXPECT_EQ(index_key::Blocks(7, index_key::DayKey(19723), SegmentId{16}),
            std::string("B\0\0\0\7\x80\x00\x4d\x0b\0\0\0\0\0\0\0\x10", 17));
  EXPECT_EQ(index_key::StreamByLabels("t1", "{}"), "S\x02t1{}");
}

}  // namespace
}  // namespace skald
