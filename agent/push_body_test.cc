#include "agent/push_body.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include "proto/logproto.pb.h"

namespace skald::agent {
namespace {

constexpr int64_t kNow = 77;

TEST(PushBody, Json) {
  const auto streams = ReadPushJson(
      R"({"streams":[{"stream":{"job":"a","env":"x"},"values":[["5","one"],["6","two",{"k":"v"}],["","now"]]},{"values":[]}]})",
      kNow);
  ASSERT_TRUE(streams.ok()) << streams.status();
  ASSERT_EQ(streams->size(), 2U);
  const SpoolStream& first = (*streams)[0];
  EXPECT_EQ(first.labels, (Labels{{"env", "x"}, {"job", "a"}}));
  ASSERT_EQ(first.entries.size(), 3U);
  EXPECT_EQ(first.entries[0].time_ns, 5);
  EXPECT_EQ(first.entries[1].line, "two");
  EXPECT_EQ(first.entries[1].metadata, (std::vector<std::pair<std::string, std::string>>{{"k", "v"}}));
  EXPECT_EQ(first.entries[2].time_ns, kNow);
  for (const char* bad :
       {"", "{", "[]", R"({"streams":1})", R"({"streams":[{"stream":{}}]})",
        R"({"streams":[{"values":[["x","y"]]}]})", R"({"streams":[{"values":[["1"]]}]})",
        R"({"streams":[{"values":[[1,"y"]]}]})", R"({"streams":[{"stream":{"a":1},"values":[]}]})",
        R"({"streams":[{"values":[["1","y",{"k":1}]]}]})"}) {
    EXPECT_FALSE(ReadPushJson(bad, kNow).ok()) << bad;
  }
}

TEST(PushBody, Proto) {
  logproto::PushRequest request;
  auto* stream = request.add_streams();
  stream->set_labels(R"({b="2", a="1"})");
  auto* entry = stream->add_entries();
  entry->mutable_timestamp()->set_seconds(3);
  entry->mutable_timestamp()->set_nanos(4);
  entry->set_line("x\xff");
  auto* pair = entry->add_structuredmetadata();
  pair->set_name("k");
  pair->set_value("v");
  stream->add_entries()->set_line("no time");
  std::string body;
  const std::string plain = request.SerializeAsString();
  snappy::Compress(plain.data(), plain.size(), &body);
  const auto streams = ReadPushProto(body, 1 << 20, kNow);
  ASSERT_TRUE(streams.ok()) << streams.status();
  ASSERT_EQ(streams->size(), 1U);
  EXPECT_EQ((*streams)[0].labels, (Labels{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ((*streams)[0].entries[0].time_ns, 3'000'000'004);
  EXPECT_EQ((*streams)[0].entries[0].line, "x\xff");
  EXPECT_EQ((*streams)[0].entries[0].metadata.size(), 1U);
  EXPECT_EQ((*streams)[0].entries[1].time_ns, kNow);
  EXPECT_FALSE(ReadPushProto(body, plain.size() - 1, kNow).ok());
  for (size_t cut = 1; cut < body.size(); ++cut)
    EXPECT_FALSE(ReadPushProto(body.substr(0, cut), 1 << 20, kNow).ok());
  stream->set_labels("{broken");
  const std::string broken = request.SerializeAsString();
  snappy::Compress(broken.data(), broken.size(), &body);
  EXPECT_FALSE(ReadPushProto(body, 1 << 20, kNow).ok());
}

TEST(PushBody, Text) {
  const auto streams = ReadPushText("one\r\n\ntwo\nthree", kNow);
  ASSERT_EQ(streams.size(), 1U);
  ASSERT_EQ(streams[0].entries.size(), 3U);
  EXPECT_EQ(streams[0].entries[0].line, "one");
  EXPECT_EQ(streams[0].entries[2].line, "three");
  EXPECT_EQ(streams[0].entries[2].time_ns, kNow + 2);
}

}  // namespace
}  // namespace skald::agent
