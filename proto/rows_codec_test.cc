#include "proto/rows_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/error.h"

namespace skald {
namespace {

using ::testing::HasSubstr;

MetadataColumn Column(std::string name, const std::vector<std::string>& values, std::vector<uint32_t> index) {
  MetadataColumn column;
  column.name = std::move(name);
  for (const std::string& value : values) {
    column.value_bytes += value;
    column.value_end.push_back(static_cast<uint32_t>(column.value_bytes.size()));
  }
  column.index = std::move(index);
  return column;
}

void ExpectEqual(const Rows& got, const Rows& want) {
  EXPECT_EQ(got.time_ns, want.time_ns);
  EXPECT_EQ(got.line_end, want.line_end);
  EXPECT_EQ(got.text.view(), want.text.view());
  ASSERT_EQ(got.metadata.size(), want.metadata.size());
  for (size_t i = 0; i < want.metadata.size(); ++i) {
    EXPECT_EQ(got.metadata[i].name, want.metadata[i].name);
    EXPECT_EQ(got.metadata[i].value_bytes, want.metadata[i].value_bytes);
    EXPECT_EQ(got.metadata[i].value_end, want.metadata[i].value_end);
    EXPECT_EQ(got.metadata[i].index, want.metadata[i].index);
  }
}

std::string Encoded(const Rows& rows) {
  std::string out;
  EncodeRows(rows, &out);
  return out;
}

// The example of proto/README.md.
Rows ReadmeRows() {
  Rows rows;
  rows.Append(1'700'000'000'000'000'000, "GET /a 200");
  rows.Append(1'700'000'000'000'000'150, "");
  rows.metadata.push_back(Column("detected_level", {"info"}, {1, 0}));
  return rows;
}

TEST(RowsCodecTest, ReadmeBytes) {
  const char want[] =
      "\x01\x02"
      "\x80\x80\xd0\xe2\xc6\xbf\xce\x97\x2f\xac\x02"
      "\x0a\x00"
      "\x00\x0c"
      "GET /a 200\n\n"
      "\x01\x00\x17\x17\x0e"
      "detected_level\x01\x04"
      "info\x01\x00";
  EXPECT_EQ(Encoded(ReadmeRows()), std::string_view(want, sizeof(want) - 1));
}

TEST(RowsCodecTest, RoundTrips) {
  std::vector<Rows> all(7);
  all[1].Append(0, "");
  all[2] = ReadmeRows();
  for (int i = 0; i < 3; ++i) all[3].Append(5, "a line\nwith newlines\n");  // ties
  all[4].Append(std::numeric_limits<int64_t>::min(), "first");
  all[4].Append(std::numeric_limits<int64_t>::max(), "last");
  for (int i = 0; i < 70'000; ++i) all[5].Append(i * 1000, "level=info msg=\"request completed\"");
  for (const int values : {255, 256, 65'535, 65'536}) {
    MetadataColumn column;
    column.name = "k" + std::to_string(10'000'000 + values);
    for (int k = 0; k < values; ++k) {
      column.value_bytes += std::to_string(k);
      column.value_end.push_back(static_cast<uint32_t>(column.value_bytes.size()));
    }
    for (int i = 0; i < 70'000; ++i) column.index.push_back(static_cast<uint32_t>(i % (values + 1)));
    all[5].metadata.push_back(std::move(column));
  }
  all[6].Append(7, std::string("\0\xff\xfe", 3));
  Rows back;  // one for all: what an earlier decode left must not show
  for (int round = 0; round < 2; ++round) {
    for (const Rows& rows : all) {
      ASSERT_EQ(DecodeRows(Encoded(rows), RowsLimits(), &back), absl::OkStatus());
      ExpectEqual(back, rows);
    }
  }
}

TEST(RowsCodecTest, RandomRowsRoundTrip) {
  std::mt19937 random(7);
  Rows back;
  for (int round = 0; round < 300; ++round) {
    Rows rows;
    int64_t t = static_cast<int64_t>(random()) * random() - (int64_t{1} << 62);
    const int count = static_cast<int>(random() % 50);
    for (int i = 0; i < count; ++i) {
      t += static_cast<int64_t>(random() % 3 == 0 ? 0 : random());
      std::string line(random() % 40, '\0');
      for (char& c : line) c = static_cast<char>(random() % (round % 2 == 0 ? 4 : 256));
      rows.Append(t, line);
    }
    for (uint32_t m = 0; m < random() % 4; ++m) {
      MetadataColumn column = Column("m" + std::to_string(m), {"", "one", "two"}, {});
      for (int i = 0; i < count; ++i) column.index.push_back(random() % 4);
      rows.metadata.push_back(std::move(column));
    }
    ASSERT_EQ(DecodeRows(Encoded(rows), RowsLimits(), &back), absl::OkStatus());
    ExpectEqual(back, rows);
  }
}

// There is no checksum at this level (the log's record has it): damage may change values, but the result
// keeps its invariants.
void ExpectSoundOrError(std::string_view bytes) {
  Rows rows;
  if (!DecodeRows(bytes, RowsLimits(), &rows).ok()) {
    EXPECT_EQ(rows.size(), 0u);
    return;
  }
  ASSERT_EQ(rows.line_end.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_LT(rows.line_end[i], rows.text.size());
    ASSERT_EQ(rows.text.data()[rows.line_end[i]], '\n');
    if (i > 0) {
      ASSERT_GE(rows.time_ns[i], rows.time_ns[i - 1]);
    }
  }
  for (const MetadataColumn& column : rows.metadata) {
    ASSERT_EQ(column.index.size(), rows.size());
    for (const uint32_t k : column.index) ASSERT_LE(k, column.value_count());
  }
}

Rows Mixed() {
  Rows rows;
  for (int i = 0; i < 40; ++i)
    rows.Append(1000 + i * i, "level=warn msg=\"retrying\" attempt=" + std::to_string(i));
  rows.metadata.push_back(Column("detected_level", {"warn"}, std::vector<uint32_t>(40, 1)));
  rows.metadata.push_back(Column("pod", {"a", "b"}, std::vector<uint32_t>(40, 2)));
  return rows;
}

TEST(RowsCodecTest, EachByteFlippedNeverBreaksInvariants) {
  for (const Rows& rows : {ReadmeRows(), Mixed()}) {
    const std::string bytes = Encoded(rows);
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        ExpectSoundOrError(damaged);
      }
    }
  }
}

TEST(RowsCodecTest, EachTruncationIsAnError) {
  const std::string bytes = Encoded(Mixed());
  Rows rows;
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(DecodeRows(std::string_view(bytes).substr(0, n), RowsLimits(), &rows).ok()) << n;
  }
  EXPECT_THAT(std::string(MessageOf(DecodeRows(bytes + "x", RowsLimits(), &rows))),
              HasSubstr("1 bytes too many"));
}

TEST(RowsCodecTest, RandomBytesNeverBreakInvariants) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = "\x01";
    const size_t size = random() % 60;
    for (size_t i = 0; i < size; ++i)
      bytes.push_back(static_cast<char>(random() % (round % 3 == 0 ? 256 : 8)));
    ExpectSoundOrError(bytes);
  }
}

TEST(RowsCodecTest, Refusals) {
  std::string backwards("\x01\x02\x04\x03\x00\x00", 6);
  std::string separator("\x01\x01\x00\x01\x00\x02xx\x00", 9);
  std::string huge("\x01", 1);
  PutVarint(&huge, uint64_t{1} << 40);
  std::string wide("\x01\x01\x00", 3);
  PutVarint(&wide, ~uint64_t{0});
  std::string bomb("\x01\x01\x00", 3);
  PutVarint(&bomb, 100 << 20);
  bomb += std::string("\x01\x01z", 3);
  std::string index("\x01\x01\x00\x00\x00\x01\n\x01\x00\x05\x05\x01k\x01\x00\x02", 16);
  std::string order("\x01\x01\x00\x00\x00\x01\n\x02\x00\x08\x08\x01k\x00\x00\x01j\x00\x00", 19);
  const struct {
    std::string bytes;
    absl::StatusCode code;
    std::string want;
  } rows[] = {
      {"", absl::StatusCode::kDataLoss, "0 bytes are too few"},
      {std::string("\x02\x00\x00\x00\x00", 5), absl::StatusCode::kDataLoss, "version 2 is not known"},
      {backwards, absl::StatusCode::kDataLoss, "time of row 1 is before the one of row 0"},
      {separator, absl::StatusCode::kDataLoss, "line 0 does not end where it says"},
      {huge, absl::StatusCode::kResourceExhausted, "1099511627776 of them"},
      {wide, absl::StatusCode::kResourceExhausted, "text beyond the 268435456 bytes"},
      {bomb, absl::StatusCode::kDataLoss, "cannot make"},
      {index, absl::StatusCode::kDataLoss, "index beyond its 1 values"},
      {order, absl::StatusCode::kDataLoss, "\"j\" does not sort after \"k\""},
  };
  for (const auto& row : rows) {
    Rows out;
    const absl::Status status = DecodeRows(row.bytes, RowsLimits(), &out);
    EXPECT_EQ(status.code(), row.code) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(row.want));
  }
}

}  // namespace
}  // namespace skald
