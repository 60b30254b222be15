#include "storage/deletes/delete_log.h"

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace skald {
namespace {

DeleteRequest Sample(std::string id, std::string tenant = "t") {
  return {std::move(id), std::move(tenant), "{app=\"a\"} |= \"x\"", -5, 1'793'534'400'000'000'000, 7};
}

TEST(DeleteLog, RoundTripAndEveryFlip) {
  const std::vector<DeleteRequest> requests = {Sample("00000001"), Sample("ffffffff", "")};
  std::string bytes = EncodeDeleteRequests(requests);
  auto decoded = DecodeDeleteRequests(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, requests);
  EXPECT_EQ(*DecodeDeleteRequests(EncodeDeleteRequests({})), std::vector<DeleteRequest>());
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 0x20;
    EXPECT_TRUE(absl::IsDataLoss(DecodeDeleteRequests(bytes).status())) << i;
    bytes[i] ^= 0x20;
    EXPECT_TRUE(absl::IsDataLoss(DecodeDeleteRequests(bytes.substr(0, i)).status())) << i;
  }
}

TEST(DeleteLog, StandsAfterReopening) {
  const TempDir directory;
  const std::string path = directory.path() + "/deletes";
  {
    auto log = DeleteLog::Open(path);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE((*log)->Add(Sample("1")).ok());
    ASSERT_TRUE((*log)->Add(Sample("2", "u")).ok());
    ASSERT_TRUE((*log)->Add(Sample("3")).ok());
    EXPECT_TRUE(absl::IsNotFound((*log)->Remove("u", "1")));
    ASSERT_TRUE((*log)->Remove("t", "1").ok());
  }
  auto log = DeleteLog::Open(path);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->Of("t"), std::vector<DeleteRequest>{Sample("3")});
  EXPECT_EQ((*log)->All().size(), 2u);

  ASSERT_TRUE(WriteFileAtomically(path, "not a list").ok());
  EXPECT_TRUE(absl::IsDataLoss(DeleteLog::Open(path).status()));
}

// Version 1 had neither when a request was carried out nor how many lines went.
TEST(DeleteLog, Version1) {
  std::string bytes("SDEL\x01\x01", 6);
  const std::string id = "0000002a";
  const std::string query = R"({app="a"} |= "x")";
  bytes += static_cast<char>(id.size());
  bytes += id;
  bytes += "\x01t";
  bytes += static_cast<char>(query.size());
  bytes += query;
  bytes += "\x09\x14\x0e";  // -5, 10 and 7 as zigzag varints
  PutFixed<uint32_t>(&bytes, Crc32c(bytes));
  const auto decoded = DecodeDeleteRequests(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, std::vector<DeleteRequest>{(DeleteRequest{id, "t", query, -5, 10, 7})});
}

}  // namespace
}  // namespace skald
