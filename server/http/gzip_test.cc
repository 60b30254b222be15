#include "server/http/gzip.h"

#include <gtest/gtest.h>

#include <random>

#include "base/content_encoding.h"

namespace skald::server {
namespace {

struct Case {
  const char* header;
  bool want;
};

TEST(GzipTest, AcceptEncoding) {
  const Case cases[] = {{"", false},
                        {"gzip", true},
                        {"GZIP", true},
                        {"deflate, gzip, br", true},
                        {"deflate,gzip;q=0.5", true},
                        {"identity;q=1, gzip; q=0.1", true},
                        {"gzip;q=0", false},
                        {"gzip;q=0.0", false},
                        {"gzip;q=x", false},
                        {"*", false},
                        {"deflate", false},
                        {"xgzip, gzipx", false},
                        {",,;q=1,gzip", true}};
  for (const Case& c : cases) EXPECT_EQ(AcceptsGzip(c.header), c.want) << c.header;
}

TEST(GzipTest, RoundTrip) {
  std::mt19937 random(1);
  for (const size_t size : {0, 1, 1000, 65536, 70000, 3'000'000}) {
    for (const unsigned letters : {2u, 256u}) {
      std::string bytes(size, 0);
      for (char& c : bytes) c = static_cast<char>(random() % letters);
      const absl::StatusOr<std::string> back = DecodeContent(ContentEncoding::kGzip, Gzip(bytes), size + 1);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(*back, bytes);
    }
  }
}

}  // namespace
}  // namespace skald::server
