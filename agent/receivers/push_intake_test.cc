#include "agent/receivers/push_intake.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/testing/manual_clock.h"
#include "base/testing/temp_dir.h"

namespace skald::agent {
namespace {

constexpr int64_t kNow = 77'000;

class PushIntakeTest : public testing::Test {
 protected:
  PushIntakeTest() {
    SpoolOptions options;
    options.directory = directory_.path();
    spool_ = Spool::Open(options);
    reader_ = spool_->AddReader(0, 0, [] {});
    job_.source = "loki_push_api/p";
    job_.labels = Labels{{"via", "agent"}};
  }

  PushIntake Intake(bool use_incoming_timestamp) {
    return {&job_, use_incoming_timestamp, spool_.get(), &counters_, &clock_};
  }
  // What a JSON push ends with.
  absl::Status Push(PushIntake* intake, std::string body) {
    PushFormat format;
    format.content_type = "application/json";
    format.max_decompressed = 1 << 20;
    const PushDecodeResult decoded = DecodePush(format, std::move(body));
    EXPECT_TRUE(decoded.ok) << decoded.error.message;
    return Wait([&](Spool::Done done) { intake->Take(decoded.push, std::move(done)); });
  }
  static absl::Status Wait(const std::function<void(Spool::Done)>& take) {
    std::promise<absl::Status> told;
    take([&told](const absl::Status& status) { told.set_value(status); });
    return told.get_future().get();
  }
  // All that is in the spool and was not read: labels, then entries.
  std::vector<SpoolStream> Spooled() {
    std::vector<SpoolStream> streams;
    SpoolRecord record;
    while (reader_->Next(&record)) {
      EXPECT_EQ(record.source, job_.source);
      for (SpoolStream& stream : record.streams) streams.push_back(std::move(stream));
    }
    return streams;
  }

  TempDir directory_;
  ManualClock clock_{kNow};
  ReceiverJob job_;
  ReceiverCounters counters_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SpoolReader> reader_;
};

TEST_F(PushIntakeTest, KeepsLabelsTimesAndMetadata) {
  PushIntake intake = Intake(true);
  ASSERT_TRUE(Push(&intake, R"({"streams":[{"stream":{"job":"a","via":"x"},"values":[["5","one"],)"
                            R"(["6","two",{"k":"v"}]]},{"stream":{"job":"b"},"values":[]}]})")
                  .ok());
  const std::vector<SpoolStream> streams = Spooled();
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].labels, (Labels{{"job", "a"}, {"via", "agent"}}));
  ASSERT_EQ(streams[0].entries.size(), 2U);
  EXPECT_EQ(streams[0].entries[0].time_ns, 5);
  EXPECT_EQ(streams[0].entries[1].line, "two");
  EXPECT_EQ(streams[0].entries[1].metadata, (std::vector<std::pair<std::string, std::string>>{{"k", "v"}}));
  EXPECT_EQ(counters_.received().at(job_.source).lines, 2U);
  EXPECT_EQ(counters_.received().at(job_.source).bytes, 6U);
}

TEST_F(PushIntakeTest, SharedMetadataStandsBehindTheEntrysOwn) {
  PushIntake intake = Intake(true);
  DecodedPush push;
  push.metadata = {{"a", "own"}, {"b", "own"}, {"b", "shared"}, {"c", "shared"}};
  push.entries = {{kNoTimeNs, "line", 0, 2}};
  push.streams = {{R"({x="y"})", 0, 1, 2, 4}};
  ASSERT_TRUE(Wait([&](Spool::Done done) { intake.Take(push, std::move(done)); }).ok());
  const std::vector<SpoolStream> streams = Spooled();
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].entries[0].time_ns, kNow);  // it came without one
  EXPECT_EQ(streams[0].entries[0].metadata, (std::vector<std::pair<std::string, std::string>>{
                                                {"a", "own"}, {"b", "shared"}, {"c", "shared"}}));
}

TEST_F(PushIntakeTest, TimesOfArrivalAscend) {
  PushIntake intake = Intake(false);
  ASSERT_TRUE(Push(&intake, R"({"streams":[{"stream":{"a":"b"},"values":[["9","x"],["3","y"]]}]})").ok());
  ASSERT_TRUE(Push(&intake, R"({"streams":[{"stream":{"a":"b"},"values":[["1","z"]]}]})").ok());
  std::vector<int64_t> times;
  for (const SpoolStream& stream : Spooled()) {
    for (const SpoolEntry& entry : stream.entries) times.push_back(entry.time_ns);
  }
  EXPECT_EQ(times, (std::vector<int64_t>{kNow, kNow + 1, kNow + 2}));
}

TEST_F(PushIntakeTest, OneBadStreamStopsNoOther) {
  PushIntake intake = Intake(true);
  DecodedPush push;
  push.entries = {{1, "good", 0, 0}, {2, "bad", 0, 0}};
  push.streams = {{R"({x="y"})", 0, 1, 0, 0}, {"{broken", 1, 2, 0, 0}};
  const absl::Status told = Wait([&](Spool::Done done) { intake.Take(push, std::move(done)); });
  EXPECT_TRUE(absl::IsInvalidArgument(told)) << told;
  EXPECT_EQ(Spooled().size(), 1U);
  EXPECT_EQ(counters_.dropped().at("invalid_labels").lines, 1U);
  EXPECT_EQ(counters_.received().at(job_.source).lines, 2U);
}

TEST_F(PushIntakeTest, WhatTheSpoolDoesNotTakeIsNotCounted) {
  PushIntake intake = Intake(true);
  spool_->Close();
  const absl::Status told = Push(&intake, R"({"streams":[{"stream":{"a":"b"},"values":[["9","x"]]}]})");
  EXPECT_TRUE(absl::IsUnavailable(told)) << told;
  EXPECT_TRUE(counters_.received().empty());
}

TEST_F(PushIntakeTest, Text) {
  PushIntake intake = Intake(true);
  ASSERT_TRUE(Wait([&](Spool::Done done) { intake.TakeText("one\r\n\ntwo\nthree", std::move(done)); }).ok());
  const std::vector<SpoolStream> streams = Spooled();
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].labels, job_.labels);
  ASSERT_EQ(streams[0].entries.size(), 3U);
  EXPECT_EQ(streams[0].entries[0].line, "one");
  EXPECT_EQ(streams[0].entries[2].line, "three");
  EXPECT_EQ(streams[0].entries[2].time_ns, kNow + 2);
}

}  // namespace
}  // namespace skald::agent
