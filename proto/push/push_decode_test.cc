#include "proto/push/push_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>
#include <zlib.h>

#include "base/coding.h"
#include "base/error.h"
#include "proto/logproto.pb.h"

namespace skald {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Snappy(const std::string& bytes) {
  std::string out;
  snappy::Compress(bytes.data(), bytes.size(), &out);
  return out;
}

std::string Deflate(const std::string& bytes, int window_bits) {
  z_stream z{};
  EXPECT_EQ(::deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&z, bytes.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  ::deflateEnd(&z);
  return out;
}

std::string Gzip(const std::string& bytes) { return Deflate(bytes, 31); }

logproto::PushRequest Sample() {
  logproto::PushRequest request;
  auto* stream = request.add_streams();
  stream->set_labels("{app=\"a\"}");
  auto* entry = stream->add_entries();
  entry->mutable_timestamp()->set_seconds(5);
  entry->mutable_timestamp()->set_nanos(7);
  entry->set_line("hello");
  auto* pair = entry->add_structuredmetadata();
  pair->set_name("k");
  pair->set_value("v");
  entry = stream->add_entries();
  entry->mutable_timestamp()->set_seconds(-1);
  entry->set_line("bad \xff utf8");
  request.add_streams()->set_labels("{b=\"c\"}");
  return request;
}

PushDecodeResult Decode(const std::string& type, const std::string& encoding, std::string body,
                        uint64_t max = 1 << 20, bool legacy = false) {
  return DecodePush({type, encoding, legacy, max}, std::move(body));
}

std::string Describe(const DecodedPush& push) {
  std::string out;
  for (const PushStream& stream : push.streams) {
    out += stream.labels;
    for (uint32_t e = stream.entry_begin; e < stream.entry_end; ++e) {
      const PushEntry& entry = push.entries[e];
      out += fmt::format(" {}:{}", entry.time_ns, entry.line);
      for (uint32_t m = entry.metadata_begin; m < entry.metadata_end; ++m) {
        out += fmt::format("[{}={}]", push.metadata[m].first, push.metadata[m].second);
      }
    }
    out += ";";
  }
  return out;
}

TEST(PushDecode, Protobuf) {
  const std::string bytes = Sample().SerializeAsString();
  const std::string want = "{app=\"a\"} 5000000007:hello[k=v] -1000000000:bad \xff utf8;{b=\"c\"};";
  PushDecodeResult got = Decode("application/x-protobuf", "", Snappy(bytes));
  ASSERT_TRUE(got.ok) << got.error.message;
  EXPECT_EQ(Describe(got.push), want);
  got = Decode("text/whatever", "snappy", Snappy(bytes));
  ASSERT_TRUE(got.ok);
  EXPECT_EQ(Describe(got.push), want);
  got = Decode("application/x-protobuf", "gzip", Gzip(Snappy(bytes)));
  ASSERT_TRUE(got.ok) << got.error.message;
  EXPECT_EQ(Describe(got.push), want);
  got = Decode("application/x-protobuf", "deflate", Deflate(Snappy(bytes), -15));
  ASSERT_TRUE(got.ok) << got.error.message;
  EXPECT_EQ(Describe(got.push), want);
}

TEST(PushDecode, EveryTruncationAndFlipIsAnErrorOrAPush) {
  const std::string bytes = Sample().SerializeAsString();
  for (size_t n = 0; n < bytes.size(); ++n) {
    DecodedPush push;
    (void)DecodePushProto(bytes.substr(0, n), &push);
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[n] = static_cast<char>(flipped[n] ^ (1 << bit));
      DecodedPush other;
      (void)DecodePushProto(flipped, &other);
    }
  }
  DecodedPush push;
  EXPECT_EQ(MessageOf(DecodePushProto(bytes.substr(0, bytes.size() - 3), &push)), "unexpected EOF");
  EXPECT_EQ(MessageOf(DecodePushProto("\x0f", &push)), "proto: wrong wireType = 7 for field Streams");
  EXPECT_EQ(MessageOf(DecodePushProto("\x17", &push)), "proto: illegal wireType 7");
  EXPECT_EQ(MessageOf(DecodePushProto(std::string("\x00", 1), &push)), "proto: illegal tag 0 (wire type 0)");
}

TEST(PushDecode, Refusals) {
  std::string claims_much;
  PutVarint(&claims_much, 900'000);
  claims_much += "\x04xx";
  const struct {
    std::string type, encoding, body;
    int status;
    std::string message;
  } kRows[] = {
      {"", "", "x", 400, "mime: no media type"},
      {"application/json", "br", "{}", 400, "Content-Encoding \"br\" not supported"},
      {"application/x-protobuf", "", "not snappy", 400, "snappy: corrupt input"},
      {"application/x-protobuf", "", "", 400, "snappy: corrupt input"},
      {"application/x-protobuf", "", claims_much, 400, "snappy: corrupt input"},
      {"application/x-protobuf", "", Snappy(std::string(2 << 20, 'x')), 400,
       "decompressed message size too large than max (2097152 vs 1048576)"},
      {"application/json", "gzip", Gzip(std::string(64 << 20, ' ')), 400,
       "decompressed message size too large than max (1048577 vs 1048576)"},
      {"application/json", "gzip", "no gzip", 400, "unexpected EOF"},
      {"application/json", "gzip", "this is no gzip", 400, "gzip: invalid header"},
      {"application/json", "gzip", Gzip("{\"streams\":[]}").substr(0, 12), 400, "unexpected EOF"},
      {"application/json", "", "", 400, "EOF"},
      {"application/json", "", " \n", 400,
       std::string("readObjectStart: expect { or n, but found ") + '\0' +
           ", error found in #0 byte of ...| \n|..., bigger context ...| \n|..."},
  };
  for (const auto& row : kRows) {
    const PushDecodeResult got = Decode(row.type, row.encoding, row.body);
    EXPECT_FALSE(got.ok) << row.message;
    EXPECT_EQ(got.error.status, row.status) << row.message;
    EXPECT_EQ(got.error.message, row.message);
  }
}

TEST(PushDecode, Json) {
  const struct {
    const char* json;
    const char* want;
  } kRows[] = {
      {R"({"streams":[{"stream":{"b":"2","a":"x\"y"},"values":[["5","l\n\u00fc"],["6","m",{"k":"v"}, 7]]}]} trailing)",
       "{a=\"x\\\"y\", b=\"2\"} 5:l\n\xc3\xbc 6:m[k=v];"},
      {R"({"other":{"x":[1]},"streams":[{"values":[["5"]],"stream":{"n":5,"o":null,"p":{"q": 1},"n":6}}]})",
       "{n=\"6\", o=\"null\", p=\"{\\\"q\\\": 1}\"} 5:;"},
      {R"({"streams":[{"stream":{"a":"b"},"values":null},{"values":[null,["-7","x"]]}]})",
       "{a=\"b\"};{} -7:x;"},
      {R"({"streams":null})", ""},
      {"null", ""},
      {"{}", ""},
  };
  for (const auto& row : kRows) {
    PushDecodeResult got = Decode("application/json; charset=utf-8", "", row.json);
    ASSERT_TRUE(got.ok) << row.json << ": " << got.error.message;
    EXPECT_EQ(Describe(got.push), row.want) << row.json;
  }
  // Bytes that are no UTF-8 do not spoil a push.
  PushDecodeResult got =
      Decode("application/json", "", "{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\xff!\"]]}]}");
  ASSERT_TRUE(got.ok) << got.error.message;
  EXPECT_EQ(Describe(got.push), "{} 1:a\xEF\xBF\xBD!;");
}

TEST(PushDecode, ContentTypes) {
  const struct {
    const char* type;
    const char* want;  // "" for JSON, as it is
  } kRows[] = {
      {"application/json", ""},
      {"APPLICATION/JSON; charset=\"utf-8\"; a=b", ""},
      {"application/json;", ""},
      {"application/json; charset", "mime: invalid media parameter"},
      {"application/json;;", "mime: invalid media parameter"},
      {"application/json; charset=\"utf-8", "mime: invalid media parameter"},
      {"application/json; a=b; A=c", "mime: duplicate parameter name"},
      {"", "mime: no media type"},
      {"a/", "mime: expected token after slash"},
      {"text/json", "snappy: corrupt input"},
  };
  for (const auto& row : kRows)
    EXPECT_EQ(Decode(row.type, "", "{\"streams\":[]}").error.message, row.want) << row.type;
}

TEST(PushDecode, BadJson) {
  const char* const kRows[] = {
      R"({"streams":[{"stream":{},"values":[["1",5]]}]})",
      R"({"streams":[{"stream":{},"values":[[1,"x"]]}]})",
      R"({"streams":[{"stream":{},"values":[["abc","x"]]}]})",
      R"({"streams":[{"stream":{},"values":[["","x"]]}]})",
      R"({"streams":[{"stream":{},"values":[["99999999999999999999","x"]]}]})",
      R"({"streams":[{"stream":{},"values":[["1","x",null]]}]})",
      R"({"streams":[{"stream":{},"values":[["1","x",{"k":5}]]}]})",
      R"({"streams":[{"stream":{},"values":["x"]}]})",
      R"({"streams":[{"stream":[],"values":[]}]})",
      R"({"streams":[{"stream":{},"values":[["1","x)",
      R"({"streams":{}})",
  };
  for (const char* json : kRows) {
    const PushDecodeResult got = Decode("application/json", "", json);
    EXPECT_FALSE(got.ok) << json;
    EXPECT_EQ(got.error.status, 400) << json;
    EXPECT_THAT(got.error.message, StartsWith("loghttp.PushRequest.Streams: ")) << json;
  }
  const PushDecodeResult no_time = Decode("application/json", "", R"({"streams":[{"values":[[]]}]})");
  ASSERT_TRUE(no_time.ok);  // it is refused beside others that are not
  EXPECT_EQ(no_time.push.entries[0].time_ns, kNoTimeNs);
  EXPECT_THAT(Decode("application/json", "", "[]").error.message, HasSubstr("readObjectStart"));
}

TEST(PushDecode, LegacyJson) {
  PushDecodeResult got = Decode(
      "application/json", "",
      R"({"streams":[{"labels":"{app=\"p\"}","entries":[{"ts":"2026-11-01T12:00:01.5Z","line":"x","structuredMetadata":{"a":"b"}}]}]})",
      1 << 20, true);
  ASSERT_TRUE(got.ok) << got.error.message;
  EXPECT_EQ(Describe(got.push), "{app=\"p\"} 1793534401500000000:x[a=b];");
}

}  // namespace
}  // namespace skald
