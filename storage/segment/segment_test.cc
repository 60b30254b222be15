#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "storage/segment/segment_reader.h"
#include "storage/segment/segment_writer.h"
#include "storage/testing/memory_blob_store.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

using ::testing::HasSubstr;

constexpr ColumnSet kAll = {.times = true, .lines = true, .metadata = true};
const std::string kName = "0000000000000007.seg";

BlockPiece Whole(uint32_t stream, const Rows& rows) {
  return {stream, &rows, 0, static_cast<uint32_t>(rows.size())};
}

// All that a segment holds, as text: what tests compare.
std::string Dump(const SegmentReader& reader, const SegmentFooter& footer, bool skip_damaged = false) {
  std::string out;
  for (const BlockHeader& block : footer.blocks) {
    Rows rows;
    const absl::Status status = reader.ReadBlock(block, kAll, &rows, nullptr);
    if (!status.ok()) {
      if (!skip_damaged) out += fmt::format("{}\n", MessageOf(status));
      continue;
    }
    for (const BlockSlice& slice : block.slices) {
      const SegmentStream& stream = footer.streams[slice.stream];
      for (uint32_t i = slice.row_begin; i < slice.row_end; ++i) {
        out += fmt::format("{} {} {} {}", stream.tenant, stream.labels, rows.time_ns[i], rows.line(i));
        for (const auto& [name, value] : MetadataOf(rows, i)) out += fmt::format(" {}={}", name, value);
        out += "\n";
      }
    }
  }
  return out;
}

// The segment that storage/testdata/v1 keeps and FORMAT.md shows.
struct Example {
  Example() {
    AppendRow(&web, 1'700'000'000'000'000'000, "GET /index.html 200",
              {{"detected_level", "info"}, {"pod", "web-0"}});
    AppendRow(&web, 1'700'000'000'250'000'000, "GET /missing 404",
              {{"detected_level", "warn"}, {"pod", "web-0"}});
    AppendRow(&web, 1'700'000'000'250'000'000, "", {});
    AppendRow(&db, 1'700'000'001'000'000'000, "checkpoint complete:\nwrote 12 buffers",
              {{"detected_level", "info"}});
    for (int i = 0; i < 4; ++i) {
      AppendRow(&later, 1'700'000'002'000'000'001 + i, "GET /healthz 200 GET /healthz 200",
                {{"detected_level", "info"}});
    }
  }

  absl::Status Write(BlobStore* blobs) const {
    auto writer = SegmentWriter::Create(blobs, kName, {.shard = 1, .shard_count = 2, .covered = Lsn(300)});
    if (!writer.ok()) return writer.status();
    const uint32_t a = (*writer)->AddStream(StreamId(5), "team-a", R"({app="web"})");
    const uint32_t b = (*writer)->AddStream(StreamId(9), "team-b", R"({app="db", env="prod"})");
    if (absl::Status status = (*writer)->AddBlock({Whole(a, web), Whole(b, db)}); !status.ok()) return status;
    if (absl::Status status = (*writer)->AddBlock({Whole(a, later)}); !status.ok()) return status;
    return (*writer)->Finish().status();
  }

  Rows web, db, later;
};

const char kExampleDump[] =
    "team-a {app=\"web\"} 1700000000000000000 GET /index.html 200 detected_level=info pod=web-0\n"
    "team-a {app=\"web\"} 1700000000250000000 GET /missing 404 detected_level=warn pod=web-0\n"
    "team-a {app=\"web\"} 1700000000250000000 \n"
    "team-b {app=\"db\", env=\"prod\"} 1700000001000000000 checkpoint complete:\nwrote 12 buffers "
    "detected_level=info\n"
    "team-a {app=\"web\"} 1700000002000000001 GET /healthz 200 GET /healthz 200 detected_level=info\n"
    "team-a {app=\"web\"} 1700000002000000002 GET /healthz 200 GET /healthz 200 detected_level=info\n"
    "team-a {app=\"web\"} 1700000002000000003 GET /healthz 200 GET /healthz 200 detected_level=info\n"
    "team-a {app=\"web\"} 1700000002000000004 GET /healthz 200 GET /healthz 200 detected_level=info\n";

std::string ExampleBytes() {
  MemoryBlobStore blobs;
  EXPECT_EQ(Example().Write(&blobs), absl::OkStatus());
  return blobs.Get(kName);
}

SegmentReader ReaderOf(std::string bytes) {
  return SegmentReader(std::make_shared<const MemoryBlob>("s.seg", std::move(bytes)));
}

TEST(SegmentTest, WritesAndReadsFiles) {
  const TempDir dir;
  auto blobs = *OpenLocalBlobStore(dir.path());
  ASSERT_EQ(Example().Write(blobs.get()), absl::OkStatus());
  auto reader = *SegmentReader::Open(*blobs, kName);
  ASSERT_EQ(blobs->Delete(kName), absl::OkStatus());  // who has it open goes on
  const auto footer = reader->ReadFooter();
  ASSERT_EQ(footer.status(), absl::OkStatus());
  EXPECT_EQ(footer->properties, (SegmentProperties{.shard = 1, .shard_count = 2, .covered = Lsn(300)}));
  EXPECT_EQ(footer->min_ns, 1'700'000'000'000'000'000);
  EXPECT_EQ(footer->max_ns, 1'700'000'002'000'000'004);
  EXPECT_EQ(footer->rows, 8u);
  EXPECT_EQ(footer->line_bytes, 19u + 16 + 37 + 4 * 33);
  ASSERT_EQ(footer->streams.size(), 2u);
  EXPECT_EQ(footer->streams[1].id, StreamId(9));
  ASSERT_EQ(footer->blocks.size(), 2u);
  ASSERT_EQ(footer->blocks[0].slices.size(), 2u);
  EXPECT_EQ(footer->blocks[0].slices[0].levels.size(), 3u);
  EXPECT_EQ(Dump(*reader, *footer), kExampleDump);
}

TEST(SegmentTest, ReadsOnlyWhatIsWanted) {
  const Rows rows = SampleRows(1000, 1);
  MemoryBlobStore blobs;
  auto writer = *SegmentWriter::Create(&blobs, "x", {});
  writer->AddStream(StreamId(1), "t", "{}");
  ASSERT_EQ(writer->AddBlock({Whole(0, rows)}), absl::OkStatus());
  const SegmentFooter footer = *writer->Finish();
  const BlockHeader& block = footer.blocks[0];
  auto reader = *SegmentReader::Open(blobs, "x");
  Rows back;
  ReadStats times, lines;
  ASSERT_EQ(reader->ReadBlock(block, {.times = true}, &back, &times), absl::OkStatus());
  EXPECT_EQ(back.time_ns, rows.time_ns);
  EXPECT_EQ(back.text.size(), 0u);
  EXPECT_LT(times.stored_bytes, block.location.size / 10);
  EXPECT_EQ(times.decoded_bytes, 0u);
  ASSERT_EQ(reader->ReadBlock(block, {.lines = true}, &back, &lines), absl::OkStatus());
  EXPECT_EQ(back.text.view(), rows.text.view());
  EXPECT_TRUE(back.time_ns.empty());
  EXPECT_EQ(lines.blocks, 1u);
  EXPECT_EQ(lines.stored_bytes, block.location.size);
  EXPECT_EQ(lines.decoded_rows, 1000u);
  EXPECT_EQ(lines.decoded_bytes, rows.line_bytes(0, rows.size()));
  const char* text = back.text.data();
  ASSERT_EQ(reader->ReadBlock(block, kAll, &back, nullptr), absl::OkStatus());
  EXPECT_EQ(back.text.data(), text);  // no new memory
}

TEST(SegmentTest, EmptySegment) {
  MemoryBlobStore blobs;
  ASSERT_EQ((*SegmentWriter::Create(&blobs, "x", {}))->Finish().status(), absl::OkStatus());
  const auto footer = (*SegmentReader::Open(blobs, "x"))->ReadFooter();
  ASSERT_EQ(footer.status(), absl::OkStatus());
  EXPECT_EQ(footer->rows, 0u);
}

TEST(SegmentTest, UnfinishedLeavesNothing) {
  const TempDir dir;
  auto blobs = *OpenLocalBlobStore(dir.path());
  {
    auto writer = *SegmentWriter::Create(blobs.get(), kName, {});
    writer->AddStream(StreamId(1), "t", "{}");
    Rows rows;
    rows.Append(1, "x");
    ASSERT_EQ(writer->AddBlock({Whole(0, rows)}), absl::OkStatus());
  }
  EXPECT_TRUE(ListDirectory(dir.path())->empty());
}

TEST(SegmentTest, EachFlippedByteIsDataLossOrEqualContent) {
  const std::string bytes = ExampleBytes();
  const SegmentFooter sound = *ReaderOf(bytes).ReadFooter();
  const auto& blocks = sound.blocks;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const SegmentReader reader = ReaderOf(damaged);
      const auto footer = reader.ReadFooter();
      const bool in_blocks =
          i >= blocks[0].location.offset && i < blocks[1].location.offset + blocks[1].location.size;
      ASSERT_EQ(footer.ok(), in_blocks) << i;
      // Head, footer or tail: an error by name, and everything can be saved.
      if (!footer.ok()) {
        ASSERT_TRUE(absl::IsDataLoss(footer.status())) << footer.status();
        ASSERT_THAT(std::string(MessageOf(footer.status())), HasSubstr("segment s.seg: segment "));
        const auto salvaged = reader.Salvage();
        ASSERT_EQ(salvaged.status(), absl::OkStatus());
        ASSERT_EQ(Dump(reader, salvaged->footer), kExampleDump) << i;
        ASSERT_EQ(salvaged->head_ok, i >= kSegmentHeadSize);
        if (salvaged->head_ok) {
          ASSERT_EQ(salvaged->footer.properties, sound.properties);
        }
        ASSERT_EQ(salvaged->lost_bytes > 0, i + kSegmentTailSize >= bytes.size()) << i;
        continue;
      }
      // A block: it alone is lost, or nothing at all (its directory, which reading does not need).
      const std::string got = Dump(reader, *footer, true);
      const size_t second = std::string_view(kExampleDump).find("team-a {app=\"web\"} 1700000002");
      const bool in_first = i < blocks[1].location.offset;
      if (got != kExampleDump) {
        ASSERT_EQ(got, in_first ? kExampleDump + second : std::string(kExampleDump, second)) << i;
      }
    }
  }
}

TEST(SegmentTest, EachTruncationIsDataLossAndSavesWhatIsWhole) {
  const std::string bytes = ExampleBytes();
  const SegmentFooter sound = *ReaderOf(bytes).ReadFooter();
  for (size_t n = 0; n < bytes.size(); ++n) {
    const SegmentReader reader = ReaderOf(bytes.substr(0, n));
    ASSERT_TRUE(absl::IsDataLoss(reader.ReadFooter().status())) << n;
    const auto salvaged = reader.Salvage();
    ASSERT_EQ(salvaged.status(), absl::OkStatus());
    uint64_t whole = 0;
    for (const BlockHeader& block : sound.blocks)
      whole += block.location.offset + block.location.size <= n ? 1 : 0;
    ASSERT_EQ(salvaged->footer.blocks.size(), whole) << n;
    for (const BlockHeader& block : sound.blocks) {  // an index that knows more than the file has
      Rows rows;
      const absl::Status status = reader.ReadBlock(block, kAll, &rows, nullptr);
      ASSERT_EQ(status.ok(), block.location.offset + block.location.size <= n);
      if (!status.ok()) {
        ASSERT_TRUE(absl::IsDataLoss(status)) << status;
      }
    }
  }
}

TEST(SegmentTest, SalvageStepsOverDamagedBlocks) {
  const Rows rows = SampleRows(400, 6);
  MemoryBlobStore blobs;
  auto writer = *SegmentWriter::Create(&blobs, "x", {});
  for (uint32_t s = 0; s < 5; ++s) {
    writer->AddStream(StreamId(s), "t", fmt::format("{{n=\"{}\"}}", s));
    ASSERT_EQ(writer->AddBlock({Whole(s, rows)}), absl::OkStatus());
  }
  const SegmentFooter footer = *writer->Finish();
  std::string bytes = blobs.Get("x");
  bytes[footer.blocks[1].location.offset + 3] ^= 1;     // its magic: found again by the next one's
  bytes[footer.blocks[3].location.offset + 5000] ^= 1;  // in its text
  bytes.resize(bytes.size() - 1);                       // and no tail
  const auto salvaged = ReaderOf(bytes).Salvage();
  ASSERT_EQ(salvaged.status(), absl::OkStatus());
  ASSERT_EQ(salvaged->footer.blocks.size(), 3u);
  ASSERT_EQ(salvaged->footer.streams.size(), 3u);
  EXPECT_EQ(salvaged->footer.streams[1].labels, "{n=\"2\"}");
  EXPECT_EQ(salvaged->footer.blocks[1].location.offset, footer.blocks[2].location.offset);
  EXPECT_EQ(salvaged->footer.rows, 1200u);
  EXPECT_GT(salvaged->lost_bytes, footer.blocks[1].location.size + footer.blocks[3].location.size);
}

// A line may hold anything, also a whole block of somebody else's.
TEST(SegmentTest, SalvageIsNotFooledByLines) {
  MemoryBlobStore blobs;
  Rows evil;
  evil.Append(1, ExampleBytes().substr(kSegmentHeadSize));
  auto writer = *SegmentWriter::Create(&blobs, "x", {});
  writer->AddStream(StreamId(1), "t", "{}");
  ASSERT_EQ(writer->AddBlock({Whole(0, evil)}), absl::OkStatus());
  const SegmentFooter footer = *writer->Finish();
  std::string bytes = blobs.Get("x");
  bytes[footer.blocks[0].location.offset + footer.blocks[0].location.size - 1] ^= 1;
  bytes.back() ^= 1;
  const auto salvaged = ReaderOf(bytes).Salvage();
  ASSERT_EQ(salvaged.status(), absl::OkStatus());
  EXPECT_TRUE(salvaged->footer.blocks.empty());
}

TEST(SegmentTest, ErrorsNameSegmentBlockAndSection) {
  std::string bytes = ExampleBytes();
  const SegmentFooter footer = *ReaderOf(bytes).ReadFooter();
  const uint64_t offset = footer.blocks[0].location.offset;
  const size_t text = bytes.find("GET /index");
  bytes[text] = 'P';
  Rows rows;
  EXPECT_EQ(MessageOf(ReaderOf(bytes).ReadBlock(footer.blocks[0], kAll, &rows, nullptr)),
            fmt::format("segment s.seg block at {}: section text: crc mismatch at offset {}", offset,
                        text - offset));
  BlockHeader other = footer.blocks[1];
  other.rows = 5;
  EXPECT_THAT(std::string(MessageOf(ReaderOf(bytes).ReadBlock(other, kAll, &rows, nullptr))),
              HasSubstr("4 rows"));
}

// Version 1 must be readable for ever, as must be what FORMAT.md shows of it.
TEST(SegmentTest, Version1FixtureAndFormatDump) {
  const std::string source = SKALD_SOURCE_DIR;
  const std::string path = source + "/storage/testdata/v1/" + kName;
  if (std::getenv("SKALD_WRITE_FIXTURES") != nullptr) {
    ASSERT_EQ(WriteFileAtomically(path, ExampleBytes()), absl::OkStatus());
  }
  const auto fixture = ReadWholeFile(path);
  ASSERT_EQ(fixture.status(), absl::OkStatus());
  const SegmentReader reader = ReaderOf(*fixture);
  const auto footer = reader.ReadFooter();
  ASSERT_EQ(footer.status(), absl::OkStatus());
  EXPECT_EQ(footer->properties.covered, Lsn(300));
  EXPECT_EQ(Dump(reader, *footer), kExampleDump);

  const auto text = ReadWholeFile(source + "/storage/FORMAT.md");
  ASSERT_EQ(text.status(), absl::OkStatus());
  const std::string begin = "<!-- segment dump -->\n```\n";
  size_t at = text->find(begin);
  ASSERT_NE(at, std::string::npos);
  at += begin.size();
  std::string dumped;
  const std::string_view dump = std::string_view(*text).substr(at, text->find("```", at) - at);
  for (size_t line = 0; line < dump.size(); line = dump.find('\n', line) + 1) {
    // "0000  53 6b ...  |what it is"
    const std::string_view row = dump.substr(line, dump.find('\n', line) - line);
    for (size_t i = 6; i + 1 < row.size() && row[i] != '|' && row[i] != ' '; i += 3) {
      dumped.push_back(static_cast<char>(std::stoi(std::string(row.substr(i, 2)), nullptr, 16)));
    }
  }
  EXPECT_EQ(dumped, *fixture);
}

// One block each of what later versions write: with a summary (2), of compaction (3), and with a sample of
// the grams of much text (4).
TEST(SegmentTest, FixturesOfLaterVersions) {
  const std::string source = SKALD_SOURCE_DIR;
  const struct {
    std::string version;
    Effort effort;
    int rows;
  } versions[] = {{"v2", Effort::kFast, 600}, {"v3", Effort::kSmall, 600}, {"v4", Effort::kSmall, 3000}};
  for (const auto& version : versions) {
    Rows rows;
    std::string want;
    for (int i = 0; i < version.rows; ++i) {
      const std::string line = fmt::format("level=info msg=\"request {:08x} done\" took={}ms",
                                           static_cast<uint32_t>(i) * 2654435761u, i * 7919 % 1000);
      AppendRow(&rows, 1'700'000'000'000'000'000 + i * 1'000'000'000LL, line, {{"detected_level", "info"}});
      want += line + "\n";
    }
    const std::string path = source + "/storage/testdata/" + version.version + "/" + kName;
    if (std::getenv("SKALD_WRITE_FIXTURES") != nullptr) {
      MemoryBlobStore blobs;
      auto writer =
          *SegmentWriter::Create(&blobs, kName, {.shard = 1, .shard_count = 2, .covered = Lsn(300)});
      const uint32_t a = writer->AddStream(StreamId(5), "team-a", R"({app="web"})");
      ASSERT_TRUE(writer->AddBlock({Whole(a, rows)}, version.effort).ok());
      ASSERT_TRUE(writer->Finish().ok());
      ASSERT_TRUE(CreateDirectories(source + "/storage/testdata/" + version.version).ok());
      ASSERT_TRUE(WriteFileAtomically(path, blobs.Get(kName)).ok());
    }
    const auto fixture = ReadWholeFile(path);
    ASSERT_TRUE(fixture.ok()) << fixture.status();
    const SegmentReader reader = ReaderOf(*fixture);
    const auto footer = reader.ReadFooter();
    ASSERT_TRUE(footer.ok()) << footer.status();
    ASSERT_EQ(footer->blocks.size(), 1u);
    Rows got;
    ASSERT_TRUE(reader.ReadBlock(footer->blocks[0], kAll, &got, nullptr).ok());
    EXPECT_EQ(got.text.view(), want) << version.version;
    EXPECT_EQ(got.time_ns, rows.time_ns) << version.version;
    bool read = false;
    const auto summary = reader.Summary(footer->blocks[0].location, &read);
    EXPECT_TRUE(read);
    ASSERT_NE(summary, nullptr);
    EXPECT_FALSE(summary->grams.empty());
    GramNeed need;
    need.AddAlternative("request 9e3779b1 done");
    EXPECT_TRUE(summary->MayHold(need));
    int refused = 0;
    for (const char* text :
         {"a text that stands nowhere", "nor does this one", "WARNING: very unlike the rest"}) {
      GramNeed absent;
      absent.AddAlternative(text);
      refused += summary->MayHold(absent) ? 0 : 1;
    }
    EXPECT_GE(refused, version.rows > 600 ? 1 : 0) << version.version;  // few bits of little text are all set
    EXPECT_FALSE(summary->times.counts.empty());
  }
}

}  // namespace
}  // namespace skald
