// Alerts and recordings on their way out: queues that outlive the process, retries, what goes over the wire.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/testing/manual_clock.h"
#include "base/testing/temp_dir.h"
#include "proto/remote_write.pb.h"
#include "rules/notifier.h"
#include "rules/remote_write.h"
#include "rules/testing/http_sink.h"

namespace skald::rules {
namespace {

constexpr int64_t kNow = int64_t{1'700'000'000} * kNsPerSecond;
constexpr int64_t kMinute = 60 * kNsPerSecond;

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() {
    OpenDb();
    audit_ = AuditLog::Open(directory_ + "/audit.jsonl").value();
  }
  ~DeliveryTest() override { db_ = nullptr; }
  void OpenDb() {
    db_ = nullptr;
    db_ = RuleDb::Open(directory_ + "/db").value();
  }
  std::unique_ptr<Notifier> MakeNotifier(const HttpSink& sink) {
    NotifierOptions options;
    options.target = target_;
    options.target.url = sink.url() + "/am/";
    options.external_labels = Labels{{"cluster", "one"}, {"severity", "none"}};
    options.relabelling = relabelling_;
    options.min_backoff_ms = 10;
    options.max_backoff_ms = 20;
    options.drain_ms = 0;
    options.capacity = capacity_;
    return std::make_unique<Notifier>(options, db_.get(), audit_.get(), &clock_, &metrics_);
  }
  static AlertMessage Message(const std::string& name, bool resolved = false, bool changed = true) {
    AlertMessage message;
    message.labels = Labels{{"alertname", name}, {"severity", "page"}};
    message.annotations = {{"summary", "s"}};
    message.starts_at_ns = kNow - kMinute;
    message.ends_at_ns = resolved ? kNow : kNow + 4 * kMinute;
    message.resolved = resolved;
    message.changed = changed;
    message.generator_url = "http://skald/explore?left=x";
    return message;
  }
  void Send(Notifier* notifier, const std::vector<AlertMessage>& messages,
            const std::string& tenant = "fake") {
    RuleDbBatch batch;
    notifier->Enqueue(&batch, tenant, kNow, messages);
    ASSERT_TRUE(db_->Commit(batch, true).ok());
    notifier->Announce();
  }
  void WaitEmpty(const std::function<size_t()>& waiting) {
    for (int i = 0; i < 1000 && waiting() > 0; ++i) ::usleep(5000);
    EXPECT_EQ(waiting(), 0u);
  }
  std::string Audit() { return ReadWholeFile(directory_ + "/audit.jsonl").value(); }

  TempDir dir_;
  const std::string directory_ = dir_.path();
  std::unique_ptr<RuleDb> db_;
  std::unique_ptr<AuditLog> audit_;
  ManualClock clock_{kNow};
  Metrics metrics_;
  HttpTarget target_;
  size_t capacity_ = 100;
  Relabelling relabelling_;
};

TEST_F(DeliveryTest, AlertsAreRelabelledAndDropped) {
  RelabelConfig drop;
  drop.action = "drop";
  drop.source_labels = {"alertname"};
  drop.regex = "Quiet.*";
  RelabelConfig rename;
  rename.source_labels = {"severity", "cluster"};
  rename.regex = "(.*);(.*)";
  rename.target_label = "route";
  rename.replacement = "$2-$1";
  relabelling_ = Relabelling::Make({drop, rename}).value();
  HttpSink sink;
  const auto notifier = MakeNotifier(sink);
  Send(notifier.get(), {Message("QuietOne"), Message("Loud")});
  const std::vector<HttpSink::Request> got = sink.WaitFor(1);
  WaitEmpty([&] { return notifier->waiting(); });
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body.find("QuietOne"), std::string::npos);
  EXPECT_NE(got[0].body.find(R"("route":"one-page")"), std::string::npos) << got[0].body;
}

TEST_F(DeliveryTest, TheWireFormOfAlerts) {
  HttpSink sink;
  const auto notifier = MakeNotifier(sink);
  Send(notifier.get(), {Message("A")});
  const std::vector<HttpSink::Request> got = sink.WaitFor(1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].path, "/am/api/v2/alerts");
  EXPECT_EQ(got[0].headers.at("content-type"), "application/json");
  EXPECT_EQ(got[0].headers.at("x-scope-orgid"), "fake");
  EXPECT_EQ(got[0].body, R"([{"startsAt":"2023-11-14T22:12:20.000Z","endsAt":"2023-11-14T22:17:20.000Z",)"
                         R"("generatorURL":"http://skald/explore?left=x","annotations":{"summary":"s"},)"
                         R"("labels":{"alertname":"A","cluster":"one","severity":"page"}}])");
  WaitEmpty([&] { return notifier->waiting(); });
  EXPECT_NE(Audit().find(R"("outcome":"delivered","status":200)"), std::string::npos);
}

TEST_F(DeliveryTest, TriesAgainUntilItIsTakenAndInOrder) {
  HttpSink sink;
  sink.Answer(503);
  auto notifier = MakeNotifier(sink);
  Send(notifier.get(), {Message("A")});
  sink.WaitFor(3);
  Send(notifier.get(), {Message("A", true)});
  Send(notifier.get(), {Message("B")});
  notifier = nullptr;  // the process ends
  OpenDb();
  clock_.now_ns = kNow + 60 * kMinute;
  const size_t before = sink.requests().size();
  sink.Answer(200);
  notifier = MakeNotifier(sink);
  WaitEmpty([&] { return notifier->waiting(); });
  const std::vector<HttpSink::Request> got = sink.requests();
  ASSERT_EQ(got.size(), before + 2) << "an alert does not stand twice in a request";
  EXPECT_NE(got[before].body.find(R"("endsAt":"2023-11-14T23:17:20.000Z")"), std::string::npos)
      << "one that waited is still valid when it comes: " << got[before].body;
  EXPECT_NE(got[before + 1].body.find(R"("endsAt":"2023-11-14T22:13:20.000Z")"), std::string::npos)
      << "resolved";
  EXPECT_NE(got[before + 1].body.find(R"("alertname":"B")"), std::string::npos);
  EXPECT_NE(Audit().find(R"("outcome":"will retry","status":503)"), std::string::npos);
}

TEST_F(DeliveryTest, ARepeatedNoticeTakesThePlaceOfTheOneThatWaits) {
  HttpSink sink;
  sink.Answer(500);
  const auto notifier = MakeNotifier(sink);
  Send(notifier.get(), {Message("A")});
  for (int i = 0; i < 50; ++i) Send(notifier.get(), {Message("A", false, false)});
  EXPECT_EQ(notifier->waiting(), 1u);
  Send(notifier.get(), {Message("A", true)});
  EXPECT_EQ(notifier->waiting(), 2u);
}

TEST_F(DeliveryTest, WhatIsRefusedIsDroppedAndTold) {
  HttpSink sink;
  sink.Answer(400);
  const auto notifier = MakeNotifier(sink);
  Send(notifier.get(), {Message("A")});
  WaitEmpty([&] { return notifier->waiting(); });
  EXPECT_EQ(sink.requests().size(), 1u);
  EXPECT_NE(Audit().find(R"("outcome":"refused","status":400)"), std::string::npos);
  EXPECT_NE(metrics_.Text().find("loki_prometheus_notifications_dropped_total"), std::string::npos);
}

TEST_F(DeliveryTest, AFullQueueDropsTheOldest) {
  HttpSink sink;
  sink.Answer(500);
  capacity_ = 3;
  const auto notifier = MakeNotifier(sink);
  for (int i = 0; i < 10; ++i) Send(notifier.get(), {Message(fmt::format("A{}", i))});
  EXPECT_EQ(notifier->waiting(), 3u);
  sink.Answer(200);
  WaitEmpty([&] { return notifier->waiting(); });
  EXPECT_NE(sink.requests().back().body.find("A9"), std::string::npos);
}

TEST_F(DeliveryTest, TenantsAreSentApartAndAuthenticationIsSent) {
  HttpSink sink;
  target_.credentials_file = directory_ + "/token";
  ASSERT_TRUE(WriteFileAtomically(target_.credentials_file, "secret\n").ok());
  const auto notifier = MakeNotifier(sink);
  RuleDbBatch batch;
  notifier->Enqueue(&batch, "a", kNow, {Message("A")});
  notifier->Enqueue(&batch, "b", kNow, {Message("A")});
  ASSERT_TRUE(db_->Commit(batch, true).ok());
  notifier->Announce();
  const std::vector<HttpSink::Request> got = sink.WaitFor(2);
  EXPECT_EQ(got[0].headers.at("x-scope-orgid"), "a");
  EXPECT_EQ(got[1].headers.at("x-scope-orgid"), "b");
  EXPECT_EQ(got[0].headers.at("authorization"), "Bearer secret");
  WaitEmpty([&] { return notifier->waiting(); });
}

TEST_F(DeliveryTest, RemoteWriteRetriesInOrder) {
  HttpSink sink;
  sink.Answer(503, "Retry-After: 0\r\n");
  RemoteWriteOptions options;
  options.name = "main";
  options.target.url = sink.url() + "/api/v1/write";
  options.target.basic_username = "u";
  options.target.basic_password = "p";
  options.max_backoff_ms = 20;
  options.drain_ms = 0;
  auto writer = std::make_unique<RemoteWriter>(options, db_.get(), &metrics_);
  RuleDbBatch batch;
  for (int i = 0; i < 5; ++i) {
    writer->Enqueue(&batch, "fake",
                    {{Labels{{"__name__", "a:b"}, {"app", "x"}}, 1000 + i, i == 4 ? StaleNan() : i}});
  }
  ASSERT_TRUE(db_->Commit(batch, true).ok());
  writer->Announce();
  sink.WaitFor(2);
  writer = nullptr;
  OpenDb();
  const size_t before = sink.requests().size();
  sink.Answer(204);
  writer = std::make_unique<RemoteWriter>(options, db_.get(), &metrics_);
  WaitEmpty([&] { return writer->waiting(); });
  const std::vector<HttpSink::Request> got = sink.requests();
  ASSERT_EQ(got.size(), before + 1);
  EXPECT_EQ(got[1].headers.at("retry-attempt"), "1");
  EXPECT_EQ(got.back().headers.at("content-encoding"), "snappy");
  EXPECT_EQ(got.back().headers.at("content-type"), "application/x-protobuf");
  EXPECT_EQ(got.back().headers.at("x-prometheus-remote-write-version"), "0.1.0");
  EXPECT_EQ(got.back().headers.at("authorization"), "Basic dTpw");
  std::string bytes;
  ASSERT_TRUE(snappy::Uncompress(got.back().body.data(), got.back().body.size(), &bytes));
  prometheus::WriteRequest request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  ASSERT_EQ(request.timeseries_size(), 5);
  EXPECT_EQ(request.timeseries(0).labels(0).name(), "__name__");
  EXPECT_EQ(request.timeseries(3).samples(0).timestamp(), 1003);
  EXPECT_EQ(request.timeseries(3).samples(0).value(), 3);
  EXPECT_TRUE(IsStaleNan(request.timeseries(4).samples(0).value()));
}

TEST_F(DeliveryTest, SamplesAreRelabelledAndDropped) {
  HttpSink sink;
  RemoteWriteOptions options;
  options.name = "main";
  options.target.url = sink.url();
  RelabelConfig drop;
  drop.action = "drop";
  drop.source_labels = {"__name__"};
  drop.regex = "ALERTS.*";
  RelabelConfig rename;
  rename.source_labels = {"app"};
  rename.target_label = "service";
  options.relabelling = Relabelling::Make({drop, rename}).value();
  RemoteWriter writer(options, db_.get(), &metrics_);
  RuleDbBatch batch;
  writer.Enqueue(&batch, "fake",
                 {{Labels{{"__name__", "ALERTS"}, {"app", "x"}}, 1000, 1},
                  {Labels{{"__name__", "a:b"}, {"app", "x"}}, 1000, 2}});
  ASSERT_TRUE(db_->Commit(batch, true).ok());
  writer.Announce();
  sink.WaitFor(1);
  std::string bytes;
  const std::string body = sink.requests().at(0).body;
  ASSERT_TRUE(snappy::Uncompress(body.data(), body.size(), &bytes));
  prometheus::WriteRequest request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  ASSERT_EQ(request.timeseries_size(), 1);
  ASSERT_EQ(request.timeseries(0).labels_size(), 3);
  EXPECT_EQ(request.timeseries(0).labels(2).name(), "service");
  EXPECT_EQ(request.timeseries(0).labels(2).value(), "x");
}

TEST(RetryAfter, SecondsOrADate) {
  EXPECT_EQ(ParseRetryAfter("3", 0), 3000);
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2023 22:13:30 GMT", 1'700'000'000), 10'000);
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2023 22:13:10 GMT", 1'700'000'000), 0);
  EXPECT_EQ(ParseRetryAfter("soon", 0), 0);
}

TEST(PublicUrl, HidesSecrets) {
  EXPECT_EQ(PublicUrl("http://u:p@h:1/x@y"), "http://h:1/x@y");
  EXPECT_EQ(PublicUrl("http://h/x"), "http://h/x");
}

}  // namespace
}  // namespace skald::rules
