// Wanted values are what Loki 3.7.6 made of the same requests.
#include "proto/push/otlp_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "proto/otlp_logs.pb.h"

namespace skald {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string>& Names() {
  static const std::vector<std::string> names = {
      "service", "app", "container_name", "k8s_container_name", "job", "k8s_job_name"};
  return names;
}

// "{labels} line a=b c=d" of each entry, or the error; metadata as stored: of one name the last.
std::vector<std::string> Text(const DecodedPush& push) {
  std::vector<std::string> out;
  for (const PushStream& stream : push.streams) {
    for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) {
      const PushEntry& entry = push.entries[e];
      std::map<std::string_view, std::string_view> pairs;
      for (uint32_t m = entry.metadata_begin; m < entry.metadata_end; ++m)
        pairs[push.metadata[m].first] = push.metadata[m].second;
      for (uint32_t m = stream.metadata_begin; m < stream.metadata_end; ++m)
        pairs[push.metadata[m].first] = push.metadata[m].second;
      std::string text = fmt::format("{} {}", stream.labels, entry.line);
      for (const auto& [name, value] : pairs) text += fmt::format(" {}={}", name, value);
      out.push_back(text);
    }
  }
  return out;
}

std::vector<std::string> Decoded(const std::string& json, const OtlpConfig& config = {}) {
  const OtlpMapping mapping{&config, &Names(), 99, 1 << 20};
  const PushDecodeResult result = DecodeOtlp({"application/json", "", false, 1 << 20}, mapping, json);
  if (!result.ok) return {fmt::format("{} {}", result.error.status, result.error.message)};
  EXPECT_TRUE(result.push.service_name_settled);
  return Text(result.push);
}

// One record of one resource.
std::string One(const std::string& resource, const std::string& record, const std::string& scope = "{}") {
  return fmt::format(
      R"({{"resourceLogs":[{{"resource":{{"attributes":[{}]}},"scopeLogs":[{{"scope":{},"logRecords":[{{"timeUnixNano":"5",{}}}]}}]}}]}})",
      resource, scope, record);
}
std::string Kv(const std::string& key, const std::string& value) {
  return fmt::format(R"({{"key":"{}","value":{}}})", key, value);
}
std::string Str(const std::string& key, const std::string& value) {
  return Kv(key, fmt::format(R"({{"stringValue":"{}"}})", value));
}
std::string Body(const std::string& text) { return fmt::format(R"("body":{{"stringValue":"{}"}})", text); }

TEST(OtlpDecode, ResourceAttributesAndServiceName) {
  struct Row {
    std::string resource;
    const char* want;
  };
  const Row table[] = {
      {Str("service.name", "s"), R"({service_name="s"} x)"},
      {"", R"({service_name="unknown_service"} x)"},
      {Str("service.name", ""), R"({service_name="unknown_service"} x)"},
      {Str("service.name", "") + "," + Str("container.name", "c"),
       R"({container_name="c", service_name="c"} x)"},
      {Str("k8s.container.name", "kc") + "," + Str("container.name", "c"),
       R"({container_name="c", k8s_container_name="kc", service_name="kc"} x)"},
      {Str("k8s.job.name", "j"), R"({k8s_job_name="j", service_name="j"} x)"},
      {Kv("service.name", R"({"intValue":5})"), R"({service_name="5"} x)"},
      {Kv("service.name", R"({"kvlistValue":{"values":[{"key":"a","value":{"stringValue":"b"}}]}})"),
       R"({service_name_a="b"} x)"},
      {Str("service.name", "s") + "," + Str("host.name", "h"), R"({service_name="s"} x host_name=h)"},
      {Str("service.name", "s") + "," + Str("--", "h"),
       R"(400 symbolizer lookup: normalization for label name "--" resulted in invalid name "_")"},
  };
  for (const Row& row : table)
    EXPECT_THAT(Decoded(One(row.resource, Body("x"))), ElementsAre(row.want)) << row.resource;
}

TEST(OtlpDecode, RecordsAndScopes) {
  const std::string s = Str("service.name", "s");
  struct Row {
    std::string record;
    const char* want;
  };
  const Row table[] = {
      {Body("x") + R"(,"attributes":[)" + Str("http.status", "5") + "," + Str("1x", "6") + "]",
       R"({service_name="s"} x http_status=5 key_1x=6)"},
      {Body("x") + R"(,"attributes":[)" +
           Kv("a",
              R"({"kvlistValue":{"values":[{"key":"b.c","value":{"intValue":"7"}},{"key":"--","value":{"boolValue":true}},{"key":"","value":{"doubleValue":1.5}}]}})") +
           "]",
       R"({service_name="s"} x a_=1.5 a_b_c=7)"},
      {Body("x") + R"(,"attributes":[)" + Str("", "1") + "]", "400 symbolizer lookup: label name is empty"},
      {Body("x") + R"(,"severityNumber":9,"severityText":"INFO","flags":1,"droppedAttributesCount":3)",
       R"({service_name="s"} x dropped_attributes_count=3 flags=1 severity_number=9 severity_text=INFO)"},
      {Body("x") + R"(,"severityNumber":"SEVERITY_NUMBER_WARN")",
       R"({service_name="s"} x severity_number=13)"},
      {Body("x") + R"(,"observedTimeUnixNano":7)", R"({service_name="s"} x observed_timestamp=7)"},
      {Body("x") + R"(,"traceId":"0102030405060708090A0B0C0D0E0F10","spanId":"0000000000000000")",
       R"({service_name="s"} x trace_id=0102030405060708090a0b0c0d0e0f10)"},
      {Body("x") + R"(,"traceId":"0102")", "400 ID.UnmarshalJSONIter: length mismatch"},
      {R"("body":{"kvlistValue":{"values":[{"key":"b","value":{"intValue":1}},{"key":"a","value":{"arrayValue":{"values":[{},{"bytesValue":"YWI="},{"stringValue":"<&>\u2028\b"}]}}}]}})",
       R"({service_name="s"} {"a":[null,"YWI=","<&>\u2028\b"],"b":1})"},
      {R"("body":{"doubleValue":1e21})", R"({service_name="s"} 1e+21)"},
      {R"("body":{"doubleValue":1e-7})", R"({service_name="s"} 1e-7)"},
      {R"("body":{"doubleValue":"NaN"})", R"({service_name="s"} NaN)"},
      {R"("body":{"arrayValue":{"values":[{"doubleValue":"NaN"}]}})", R"({service_name="s"} )"},
      {R"("body":{"stringValue":"a\ud800b"})",
       "{service_name=\"s\"} a\xEF\xBF\xBD"
       "b"},
      {R"("body":null,"attributes":null)", R"({service_name="s"} )"},
  };
  for (const Row& row : table) EXPECT_THAT(Decoded(One(s, row.record)), ElementsAre(row.want)) << row.record;
  // Scope beats resource beats record.
  EXPECT_THAT(
      Decoded(One(s + "," + Str("x", "res") + "," + Str("y", "res"),
                  Body("b") + R"(,"attributes":[)" + Str("x", "log") + "," + Str("z", "log") + "]",
                  R"({"name":"n","version":"1","droppedAttributesCount":4,"attributes":[)" +
                      Str("x", "scope") + "]}")),
      ElementsAre(
          R"({service_name="s"} b scope_dropped_attributes_count=4 scope_name=n scope_version=1 x=scope y=res z=log)"));
}

TEST(OtlpDecode, JsonForms) {
  EXPECT_THAT(
      Decoded(R"({"resource_logs":[{"scope_logs":[{"log_records":[{"body":{"string_value":"x"}}]}]}]} }{")"),
      ElementsAre(R"({service_name="unknown_service"} x)"));
  EXPECT_THAT(Decoded(R"({"resourceLogs":[null,{"scopeLogs":[null,{"logRecords":[null,{}]}]}]})").size(), 2u);
  EXPECT_TRUE(Decoded("null").empty());
  EXPECT_TRUE(Decoded(R"({"resourceLogs":null,"other":[{}]})").empty());
  for (const char* bad : {"", "[]", "\"x\"", R"({"resourceLogs":[)", R"({"resourceLogs":{}})",
                          R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"a"}]}]}]})",
                          R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":-5}]}]}]})",
                          R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":"x"}]}]}]})"}) {
    EXPECT_THAT(Decoded(bad), ElementsAre(HasSubstr("400 "))) << bad;
  }
}

TEST(OtlpDecode, Rules) {
  OtlpConfig config;
  OtlpRule rule;
  rule.action = OtlpAction::kIndexLabel;
  rule.attributes = {"host.name"};
  config.resource.push_back(rule);
  rule.attributes = {"tenant"};
  config.log.push_back(rule);
  rule.action = OtlpAction::kDrop;
  rule.attributes = {"secret"};
  config.log.push_back(rule);
  config.scope.push_back(rule);
  config.severity_text_as_label = true;
  EXPECT_THAT(
      Decoded(One(Str("service.name", "s") + "," + Str("host.name", "h"),
                  Body("x") + R"(,"severityText":"WARN","attributes":[)" + Str("tenant", "t") + "," +
                      Str("secret", "k") + "]",
                  R"({"attributes":[)" + Str("secret", "k") + "]}"),
              config),
      ElementsAre(
          R"({host_name="h", service_name="s", severity_text="WARN", tenant="t"} x severity_text=WARN)"));
}

TEST(OtlpDecode, HeadersAndEncodings) {
  const OtlpConfig config;
  const OtlpMapping mapping{&config, &Names(), 99, 1 << 20};
  const auto error = [&](const char* type, const char* encoding, const std::string& body) {
    return DecodeOtlp({type, encoding, false, 1 << 20}, mapping, body).error.message;
  };
  EXPECT_EQ(error("application/json; charset=utf-8", "", "{}"),
            "content type: application/json; charset=utf-8 is not supported");
  EXPECT_EQ(error("application/json", "deflate", "{}"),
            "unsupported content encoding deflate: only gzip, lz4 and zstd are supported");
  EXPECT_EQ(error("application/json", "gzip", "{}"), "unexpected EOF");
  EXPECT_EQ(error("application/json", "gzip", ""), "EOF");
  EXPECT_EQ(error("application/json", "zstd", "{}{}{}{}"), "invalid input: magic number mismatch");
  EXPECT_EQ(error("application/json", "lz4", "{}{}{}{}"), "lz4: bad magic number");
  EXPECT_EQ(error("application/x-protobuf", "", "\x0a"), "unexpected EOF");
  EXPECT_EQ(error("application/x-protobuf", "", "\x08\x01"),
            "proto: wrong wireType = 0 for field ResourceLogs");
}

TEST(OtlpDecode, ProtobufTruncationsAndFlips) {
  namespace otlp = opentelemetry::proto::collector::logs::v1;
  otlp::ExportLogsServiceRequest request;
  auto* resource = request.add_resource_logs();
  auto* attribute = resource->mutable_resource()->add_attributes();
  attribute->set_key("service.name");
  attribute->mutable_value()->set_string_value("s");
  auto* record = resource->add_scope_logs()->add_log_records();
  record->set_time_unix_nano(5);
  record->mutable_body()->set_string_value("bad \xff utf8");
  record->set_trace_id(std::string(16, 'a'));
  auto* map = record->add_attributes();
  map->set_key("m");
  auto* inner = map->mutable_value()->mutable_kvlist_value()->add_values();
  inner->set_key("k");
  inner->mutable_value()->set_double_value(2.5);
  std::string bytes = request.SerializeAsString();
  const OtlpConfig config;
  const OtlpMapping mapping{&config, &Names(), 99, 1 << 20};
  const auto decode = [&](std::string body) {
    return DecodeOtlp({"application/x-protobuf", "", false, 1 << 20}, mapping, std::move(body));
  };
  EXPECT_THAT(Text(decode(bytes).push),
              ElementsAre("{service_name=\"s\"} bad \xff utf8 m_k=2.5 trace_id=" + [] {
                std::string hex;
                for (int i = 0; i < 16; ++i) hex += "61";
                return hex;
              }()));
  for (size_t i = 0; i < bytes.size(); ++i) {
    decode(bytes.substr(0, i));
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      decode(bytes);
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
    }
  }
}

TEST(OtlpDecode, NestingMultipliesNothing) {
  std::string value = R"({"stringValue":"x"})";
  for (int i = 0; i < 200; ++i) value = R"({"kvlistValue":{"values":[)" + Kv("k", value) + "]}}";
  EXPECT_THAT(Decoded(One("", R"("body":)" + value)), ElementsAre(HasSubstr("deeper")));
  // A long name in front of many leaves.
  std::string leaves;
  for (int i = 0; i < 1000; ++i) leaves += (i > 0 ? "," : "") + Str("k" + std::to_string(i), "v");
  const std::string wide = Kv(std::string(4000, 'n'), R"({"kvlistValue":{"values":[)" + leaves + "]}}");
  EXPECT_THAT(Decoded(One("", Body("x") + R"(,"attributes":[)" + wide + "]")),
              ElementsAre(HasSubstr("flattened")));
}

}  // namespace
}  // namespace skald
