#include "server/push/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/testing/manual_clock.h"
#include "proto/push/metadata_name.h"
#include "proto/rows_codec.h"

namespace skald::server {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'793'538'000'000'000'000;  // 2026-11-01T13:00:00Z
constexpr int64_t kSecond = 1'000'000'000;

struct Door {
  Limits limits;
  ManualClock clock{kNow};
  Metrics metrics;
  std::unique_ptr<TenantLimits> tenants;
  std::unique_ptr<Admission> admission;

  void Open() {
    if (admission != nullptr) return;
    tenants = std::make_unique<TenantLimits>(limits);
    admission = std::make_unique<Admission>(tenants.get(), nullptr, &clock, &metrics);
  }
  AdmissionResult Push(const std::string& json, const std::string& tenant = "fake") {
    Open();
    DecodedPush push;
    const absl::Status status = DecodePushJson(json, false, &push);
    EXPECT_TRUE(status.ok()) << status;
    return admission->Admit(tenant, push);
  }
};

std::string Describe(const std::vector<StreamRows>& streams) {
  std::string out;
  for (const StreamRows& stream : streams) {
    out += stream.labels.ToString();
    for (size_t i = 0; i < stream.rows->size(); ++i) {
      out += fmt::format(" {}:{}", stream.rows->time_ns[i] - kNow, stream.rows->line(i));
      for (const MetadataColumn& column : stream.rows->metadata) {
        if (column.index[i] != 0)
          out += fmt::format("[{}={}]", column.name, column.value(column.index[i] - 1));
      }
    }
    out += ";";
  }
  return out;
}

std::string Stream(const std::string& labels, const std::vector<std::string>& entries) {
  return "{\"streams\":[{\"stream\":" + labels + ",\"values\":[" +
         fmt::format("{}", fmt::join(entries, ",")) + "]}]}";
}

std::string Entry(int64_t seconds, const std::string& line, const std::string& metadata = "") {
  return fmt::format("[\"{}\",\"{}\"{}]", kNow + seconds * kSecond, line,
                     metadata.empty() ? "" : "," + metadata);
}

TEST(Admission, AddsServiceAndLevelAndSorts) {
  Door door;
  AdmissionResult got = door.Push(Stream(
      R"({"app":"p","empty":""})", {Entry(0, "later"), Entry(-5, "level=warn x"), Entry(0, "same time")}));
  EXPECT_EQ(got.answer.status, 204);
  EXPECT_EQ(Describe(got.streams),
            "{app=\"p\", service_name=\"p\"} -5000000000:level=warn x[detected_level=warn] "
            "0:later[detected_level=unknown] 0:same "
            "time[detected_level=unknown];");
  EXPECT_EQ(got.lines, 3u);
  got = door.Push(Stream(R"({"zone":"z"})", {Entry(0, "x")}));
  EXPECT_THAT(Describe(got.streams), HasSubstr("service_name=\"unknown_service\", zone=\"z\""));
  got = door.Push(Stream(R"({"service_name":"own","job":"j"})", {Entry(0, "x")}));
  EXPECT_THAT(Describe(got.streams), HasSubstr("{job=\"j\", service_name=\"own\"}"));
}

TEST(Admission, Levels) {
  Door door;
  const struct {
    const char* labels;
    const char* line;
    const char* metadata;
    const char* want;
  } kRows[] = {
      {R"({"a":"b","level":"notice"})", "error in text", "", "notice"},
      {R"({"a":"b","level":"notice"})", "error in text", R"({"detected_level":"WARN"})", "warn"},
      {R"({"a":"b"})", "x", R"({"severity_number":"17"})", "error"},
      {R"({"a":"b"})", "x", R"({"lvl":"dbg"})", "debug"},
      {R"({"a":"b"})", "[ERROR] boom", "", "error"},
      {R"({"a":"b"})", "x", R"({"detected_level":"odd"})", "odd"},
  };
  for (const auto& row : kRows) {
    const AdmissionResult got = door.Push(Stream(row.labels, {Entry(0, row.line, row.metadata)}));
    ASSERT_EQ(got.streams.size(), 1u);
    const MetadataColumn* column = got.streams[0].rows->FindMetadata("detected_level");
    ASSERT_NE(column, nullptr) << row.line;
    EXPECT_EQ(column->value(column->index[0] - 1), row.want) << row.line << " " << row.metadata;
  }
  Door off;
  off.limits.discover_log_levels = false;
  EXPECT_EQ(Describe(off.Push(Stream(R"({"app":"p"})", {Entry(0, "error")})).streams),
            "{app=\"p\", service_name=\"p\"} 0:error;");
}

TEST(Admission, MetadataNames) {
  Door door;
  door.limits.discover_log_levels = false;
  AdmissionResult got = door.Push(
      Stream(R"({"app":"p"})", {Entry(0, "x", R"({"trace_id":"abc","a.b":"1","a__b":"2","9x":"3"})"),
                                Entry(1, "y"), Entry(2, "z", R"({"trace_id":"d"})")}));
  EXPECT_EQ(Describe(got.streams),
            "{app=\"p\", service_name=\"p\"} 0:x[a_b=2][key_9x=3][trace_id=abc] 1000000000:y "
            "2000000000:z[trace_id=d];");
  got = door.Push(Stream(R"({"app":"p"})", {Entry(0, "x", R"({"":"v"})")}));
  EXPECT_EQ(got.answer.status, 500);
  EXPECT_EQ(got.answer.message, "label name is empty");
  EXPECT_TRUE(got.streams.empty());
  got = door.Push(Stream(R"({"app":"p"})", {Entry(0, "x", R"({"--":"v"})")}));
  EXPECT_EQ(got.answer.message, "normalization for label name \"--\" resulted in invalid name \"_\"");
  EXPECT_EQ(*NormalizeMetadataName("__a.b__"), "__a_b__");
  EXPECT_EQ(*NormalizeMetadataName("trace.id"), "trace_id");
  EXPECT_FALSE(NormalizeMetadataName("\xc3\xa9").ok());
}

TEST(Admission, RefusalTexts) {
  const std::string many = [] {
    std::string out = "{\"app\":\"e\"";
    for (int i = 0; i < 20; ++i) out += fmt::format(",\"l{}\":\"x\"", i);
    return out + "}";
  }();
  const struct {
    std::string push;
    std::string reason;
    std::string want;
  } kRows[] = {
      {Stream(R"({"app":"e"})", {Entry(601, "x")}), "too_far_in_future",
       "entry for stream '{app=\"e\", service_name=\"e\"}' has timestamp too new: 2026-11-01T13:10:01Z"},
      {Stream(R"({"app":"e"})", {Entry(-700'000, "x")}), "greater_than_max_sample_age",
       "entry for stream '{app=\"e\", service_name=\"e\"}' has timestamp too old: 2026-10-24T10:33:20Z, "
       "oldest acceptable timestamp is: "
       "2026-10-25T13:00:00Z"},
      {Stream(R"({"app":"e"})", {Entry(0, "12345678901")}), "line_too_long",
       "max entry size '10' bytes exceeded for stream '{app=\"e\", service_name=\"e\"}' while adding an "
       "entry with length '11' bytes"},
      {Stream(R"({"app":"e"})", {Entry(0, "x", R"({"abc":"defghijk"})")}), "structured_metadata_too_large",
       "stream '{app=\"e\", service_name=\"e\"}' has structured metadata too large: '11' bytes, limit: '10' "
       "bytes. Please see "
       "`limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it"},
      {Stream(R"({"app":"e"})", {Entry(0, "x", R"({"a":"","b":"","c":""})")}), "structured_metadata_too_many",
       "stream '{app=\"e\", service_name=\"e\"}' has too many structured metadata labels: '3', limit: '2'. "
       "Please see "
       "`limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase "
       "it"},
      {Stream(R"({"app":"e","v":"12345678901234567"})", {Entry(0, "x")}), "label_value_too_long",
       "stream '{app=\"e\", service_name=\"e\", v=\"12345678901234567\"}' has label value too long: "
       "'12345678901234567'"},
      {Stream(R"({"app":"e","abcdefghijklmnopq":"1"})", {Entry(0, "x")}), "label_name_too_long",
       "stream '{abcdefghijklmnopq=\"1\", app=\"e\", service_name=\"e\"}' has label name too long: "
       "'abcdefghijklmnopq'"},
  };
  for (const auto& row : kRows) {
    Door door;
    door.limits.reject_old_samples = true;
    door.limits.max_line_size = 10;
    door.limits.max_structured_metadata_size = 10;
    door.limits.max_structured_metadata_entries_count = 2;
    door.limits.max_label_value_length = 16;
    door.limits.max_label_name_length = 16;
    const AdmissionResult got = door.Push(row.push);
    EXPECT_EQ(got.answer.status, 400);
    EXPECT_EQ(got.answer.message, row.want);
    ASSERT_EQ(got.refusals.size(), 1u);
    EXPECT_EQ(got.refusals[0].reason, row.reason);
    EXPECT_THAT(door.metrics.Text(),
                HasSubstr("loki_discarded_samples_total{format=\"loki\",policy=\"\",reason=\"" + row.reason +
                          "\",retention_hours=\"0\",tenant=\"fake\"} 1\n"));
  }
  Door door;
  EXPECT_THAT(door.Push(Stream(many, {Entry(0, "x")})).answer.message,
              HasSubstr("' has 21 label names; limit 15"));
  EXPECT_EQ(door.Push("{\"streams\":[]}").answer.status, 422);
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", {})).answer.status, 204);
  const AdmissionResult bad = door.Push(Stream(R"({"a-b":"e"})", {Entry(0, "x")}));
  EXPECT_EQ(bad.answer.status, 400);
  EXPECT_THAT(bad.answer.message, HasSubstr("couldn't parse labels: 1:3: parse error: "));
  Door no_metadata;
  no_metadata.limits.allow_structured_metadata = false;
  EXPECT_THAT(no_metadata.Push(Stream(R"({"app":"e"})", {Entry(0, "x", R"({"a":"b"})")})).answer.message,
              HasSubstr("includes structured metadata, but this feature is disallowed"));
  EXPECT_EQ(Describe(no_metadata.Push(Stream(R"({"app":"e"})", {Entry(0, "x")})).streams),
            "{app=\"e\", service_name=\"e\"} 0:x;");
}

TEST(Admission, GoodEntriesStayAndErrorsAreGrouped) {
  Door door;
  door.limits.max_line_size = 3;
  const AdmissionResult got = door.Push(
      Stream(R"({"app":"e"})", {Entry(0, "12345"), Entry(1, "ok"), Entry(2, "67890"), Entry(3, "123456")}));
  EXPECT_EQ(got.lines, 1u);
  EXPECT_EQ(got.answer.status, 400);
  EXPECT_EQ(got.answer.message,
            "2 errors like: max entry size '3' bytes exceeded for stream '{app=\"e\", service_name=\"e\"}' "
            "while adding an entry with length "
            "'5' bytes; 1 errors like: max entry size '3' bytes exceeded for stream '{app=\"e\", "
            "service_name=\"e\"}' while adding an entry "
            "with length '6' bytes");
  ASSERT_EQ(got.refusals.size(), 1u);
  EXPECT_EQ(got.refusals[0].lines, 3u);
}

TEST(Admission, TruncatesAndMovesEqualTimesApart) {
  Door door;
  door.limits.discover_log_levels = false;
  door.limits.max_line_size = 5;
  door.limits.max_line_size_truncate = true;
  door.limits.max_line_size_truncate_identifier = "..";
  door.limits.increment_duplicate_timestamp = true;
  const AdmissionResult got = door.Push(
      Stream(R"({"app":"e"})", {Entry(0, "123456789"), Entry(0, "b"), Entry(0, "c"), Entry(1, "d")}));
  EXPECT_EQ(Describe(got.streams), "{app=\"e\", service_name=\"e\"} 0:123.. 1:b 2:c 1000000000:d;");
}

TEST(Admission, TenantRate) {
  Door door;
  door.limits.ingestion_rate_mb = 1.0 / 1048576 * 100;  // 100 bytes a second
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", {Entry(0, std::string(90, 'x'))})).answer.status, 204);
  const AdmissionResult got = door.Push(Stream(R"({"app":"e"})", {Entry(0, std::string(90, 'x'))}));
  EXPECT_EQ(got.answer.status, 429);
  EXPECT_EQ(got.answer.message,
            "ingestion rate limit exceeded for user fake (limit: 100 bytes/sec) while attempting to ingest "
            "'1' lines totaling '90' bytes, "
            "reduce log volume or contact your Loki administrator to see if the limit can be increased");
  EXPECT_TRUE(got.streams.empty());
}

TEST(Admission, LimitsOfATenant) {
  Door door;
  door.limits.ingestion_rate_mb = 1;
  door.Open();
  const auto apply = [&door](std::string_view yaml) {
    const absl::Status status = door.tenants->Apply(yaml, "o.yaml");
    ASSERT_TRUE(status.ok()) << status;
  };
  apply(
      "overrides:\n"
      "  small: {max_line_size: 3, max_label_value_length: 4, discover_log_levels: false, ingestion_rate_mb: "
      "0.0001}\n"
      "  named: {discover_service_name: [zone]}\n");
  const std::string long_line = Stream(R"({"app":"e"})", {Entry(0, "four")});
  const std::string long_label = Stream(R"({"app":"eeeee"})", {Entry(0, "x")});
  EXPECT_EQ(Describe(door.Push(long_line).streams),
            "{app=\"e\", service_name=\"e\"} 0:four[detected_level=unknown];");
  EXPECT_THAT(door.Push(long_line, "small").answer.message, HasSubstr("max entry size '3' bytes exceeded"));
  EXPECT_EQ(door.Push(long_label).answer.status, 204);
  EXPECT_THAT(door.Push(long_label, "small").answer.message, HasSubstr("label value too long"));
  EXPECT_EQ(Describe(door.Push(Stream(R"({"app":"e"})", {Entry(0, "abc")}), "small").streams),
            "{app=\"e\", service_name=\"e\"} 0:abc;");
  const std::string zone = Stream(R"({"app":"e","zone":"z"})", {Entry(0, "x")});
  EXPECT_THAT(Describe(door.Push(zone).streams), HasSubstr("service_name=\"e\""));
  EXPECT_THAT(Describe(door.Push(zone, "named").streams), HasSubstr("service_name=\"z\""));

  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back(Entry(i - 200, "abc"));
  const AdmissionResult limited = door.Push(Stream(R"({"app":"e"})", many), "small");
  EXPECT_EQ(limited.answer.status, 429);
  EXPECT_THAT(limited.answer.message, HasSubstr("for user small (limit: 104 bytes/sec)"));
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", many)).answer.status, 204);

  // What changes holds from the next push on.
  apply("overrides:\n  small: {max_line_size: 10, ingestion_rate_mb: 1}\n");
  EXPECT_EQ(door.Push(long_line, "small").answer.status, 204);
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", many), "small").answer.status, 204);
  apply("overrides: {}\n");
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", {Entry(0, "more than ten")}), "small").answer.status, 204);
}

TEST(Admission, StreamRate) {
  Door door;
  door.limits.per_stream_rate_limit = 100;
  door.limits.per_stream_rate_limit_burst = 100;
  EXPECT_EQ(door.Push(Stream(R"({"app":"e"})", {Entry(0, std::string(90, 'x'))})).answer.status, 204);
  EXPECT_EQ(door.Push(Stream(R"({"app":"f"})", {Entry(0, std::string(90, 'x'))})).answer.status, 204);
  const AdmissionResult got = door.Push(Stream(R"({"app":"e"})", {Entry(0, std::string(90, 'x'))}));
  EXPECT_EQ(got.answer.status, 429);
  EXPECT_THAT(
      got.answer.message,
      HasSubstr("Per stream rate limit exceeded (limit: 100B/sec) while attempting to ingest for stream "
                "'{app=\"e\", service_name=\"e\"}' totaling 90B"));
}

TEST(Admission, ManyMetadataNamesBecomeSeveralRows) {
  Door door;
  std::vector<std::string> entries;
  for (int i = 0; i < 2000; ++i) entries.push_back(Entry(-i, "x", fmt::format("{{\"k{}\":\"{}\"}}", i, i)));
  const AdmissionResult got = door.Push(Stream(R"({"app":"e"})", entries));
  EXPECT_EQ(got.lines, 2000u);
  EXPECT_GT(got.streams.size(), 2u);
  for (const StreamRows& stream : got.streams) EXPECT_LE(stream.rows->metadata.size(), 600u);
}

AgentStream AgentRows(const std::string& labels, Rows rows) {
  AgentStream stream;
  stream.labels = labels;
  EncodeRows(rows, &stream.encoded);
  stream.rows = std::make_shared<Rows>(std::move(rows));
  return stream;
}

TEST(Admission, AgentRowsPassThroughWhenNothingChanges) {
  Door door;
  door.Push("{\"streams\":[]}");
  Rows rows;
  rows.Append(kNow - 5, "a");
  rows.Append(kNow, "b");
  rows.metadata.push_back({"detected_level", "info", {4}, {1, 1}});
  std::vector<AgentStream> streams;
  streams.push_back(AgentRows("{app=\"a\"}", rows));
  const std::string encoded = streams[0].encoded;
  AdmissionResult got = door.admission->AdmitAgent("fake", std::move(streams));
  ASSERT_EQ(got.streams.size(), 1u);
  EXPECT_EQ(got.streams[0].encoded, encoded);
  EXPECT_EQ(Describe(got.streams),
            "{app=\"a\", service_name=\"a\"} -5:a[detected_level=info] 0:b[detected_level=info];");

  // One row without a level: the column is completed, the encoded form no longer fits.
  rows.metadata[0].index[1] = 0;
  rows.metadata.push_back({"trace", "x", {1}, {0, 1}});
  streams.clear();
  streams.push_back(AgentRows("{app=\"a\"}", rows));
  got = door.admission->AdmitAgent("fake", std::move(streams));
  EXPECT_EQ(got.streams[0].encoded, "");
  EXPECT_EQ(
      Describe(got.streams),
      "{app=\"a\", service_name=\"a\"} -5:a[detected_level=info] 0:b[detected_level=unknown][trace=x];");
}

TEST(Admission, AgentRefusalsAreNamed) {
  Door door;
  door.limits.max_line_size = 3;
  door.Push("{\"streams\":[]}");
  Rows rows;
  rows.Append(kNow - 5, "12345");
  rows.Append(kNow, "ok");
  rows.Append(kNow + 3600 * kSecond, "soon");
  rows.metadata.push_back({"a.b", "v", {1}, {1, 1, 1}});
  std::vector<AgentStream> streams;
  streams.push_back(AgentRows("{app=\"a\"}", rows));
  Rows other;
  other.Append(kNow, "x");
  streams.push_back(AgentRows("{app=", other));
  const AdmissionResult got = door.admission->AdmitAgent("fake", std::move(streams));
  EXPECT_FALSE(got.failed);
  EXPECT_EQ(Describe(got.streams), "{app=\"a\", service_name=\"a\"} 0:ok[a_b=v][detected_level=unknown];");
  ASSERT_EQ(got.refusals.size(), 3u);
  EXPECT_EQ(got.refusals[0].reason, "line_too_long");
  EXPECT_EQ(got.refusals[1].reason, "too_far_in_future");
  EXPECT_EQ(got.refusals[2].reason, "invalid_labels");
  EXPECT_EQ(got.refusals[2].stream, "{app=");
}

TEST(Admission, AgentsStreamsAreBlockedAndTheirFieldsFound) {
  Door door;
  door.limits.ingestion.enforced_labels = {"team"};
  door.limits.ingestion.block_until = {kNow + kSecond, "2026-11-01T13:00:01Z"};
  door.limits.discover_generic_fields = {{"org", {"org_id", "org"}}, {"trace", {"id"}}};
  door.Push("{\"streams\":[]}");
  const auto batch = [] {
    Rows rows;
    rows.Append(kNow - 5, "org=a id=1");
    rows.Append(kNow, "plain");
    rows.metadata.push_back({"org", "own", {3}, {1, 1}});
    Rows other;
    other.Append(kNow, "x");
    std::vector<AgentStream> streams;
    streams.push_back(AgentRows("{app=\"a\", team=\"t\"}", rows));
    streams.push_back(AgentRows("{app=\"b\"}", other));
    return streams;
  };
  AdmissionResult got = door.admission->AdmitAgent("fake", batch());
  EXPECT_EQ(Describe(got.streams), "");
  ASSERT_EQ(got.refusals.size(), 2u);
  EXPECT_EQ(got.refusals[0].reason, "blocked_ingestion");
  EXPECT_EQ(got.refusals[0].lines, 2u);
  EXPECT_EQ(got.refusals[1].reason, "missing_enforced_labels");
  EXPECT_THAT(
      door.metrics.Text(),
      HasSubstr("loki_discarded_samples_total{format=\"agent\",policy=\"\",reason=\"blocked_ingestion\","
                "retention_hours=\"0\",tenant=\"fake\"} 2\n"));

  door.clock.now_ns += kSecond;
  got = door.admission->AdmitAgent("fake", batch());
  EXPECT_EQ(
      Describe(got.streams),
      "{app=\"a\", service_name=\"a\", team=\"t\"} -5:org=a id=1[detected_level=unknown][org=own][trace=1] "
      "0:plain[detected_level=unknown][org=own];");
  EXPECT_EQ(got.streams[0].encoded, "");
}

}  // namespace
}  // namespace skald::server
