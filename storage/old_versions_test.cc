// Whole directories as older builds left them: each version of each file is opened, read, and goes on.
// SKALD_WRITE_FIXTURES writes the log's file anew, for when it has a new version (beside the old one).
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "storage/filenames.h"
#include "storage/segment/segment_reader.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kT0 = 1'793'534'400'000'000'000;
const std::string kTestData = std::string(SKALD_SOURCE_DIR) + "/storage/testdata/";
// Of builds that did not write its checksum.
constexpr std::string_view kOldMeta = "skald store 1\nshards 2\n";

void Prepare(const std::string& directory) {
  ASSERT_TRUE(CreateDirectories(SegmentDirectory(directory)).ok());
  ASSERT_TRUE(CreateDirectories(WalDirectory(directory)).ok());
  ASSERT_TRUE(WriteFileAtomically(MetaFileName(directory), kOldMeta).ok());
}

std::unique_ptr<Store> OpenStore(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  auto store = Store::Open(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? std::move(*store) : nullptr;
}

TEST(OldVersionsTest, SegmentsOfEachVersion) {
  for (const std::string version : {"v1", "v2", "v3", "v4"}) {
    const TempDir dir;
    const std::string directory = dir.path() + "/data";
    ASSERT_NO_FATAL_FAILURE(Prepare(directory));
    const std::string name = "0000000000000010.seg";  // part 0 of a group
    const auto bytes = ReadWholeFile(kTestData + version + "/0000000000000007.seg");
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    ASSERT_TRUE(WriteFileAtomically(SegmentDirectory(directory) + "/" + name, *bytes).ok());

    std::map<std::string, uint64_t> rows;  // by tenant
    {
      const auto blobs = OpenLocalBlobStore(SegmentDirectory(directory));
      ASSERT_TRUE(blobs.ok()) << blobs.status();
      const auto reader = SegmentReader::Open(**blobs, name);
      ASSERT_TRUE(reader.ok()) << reader.status();
      const auto footer = (*reader)->ReadFooter();
      ASSERT_TRUE(footer.ok()) << footer.status();
      for (const BlockHeader& block : footer->blocks) {
        for (const BlockSlice& slice : block.slices)
          rows[std::string(footer->streams[slice.stream].tenant)] += slice.row_end - slice.row_begin;
      }
    }
    ASSERT_FALSE(rows.empty());

    const std::unique_ptr<Store> store = OpenStore(directory);
    ASSERT_NE(store, nullptr) << version;
    const auto check = [&](std::string_view when) {
      for (const auto& [tenant, count] : rows) {
        const ReadResult got = ReadAll(*store, {}, {}, tenant);
        EXPECT_EQ(got.rows.size() + got.repetitions, count) << version << " " << when << " " << tenant;
        EXPECT_EQ(got.damaged_blocks, 0u) << version << " " << when;
      }
    };
    check("as it was");
    AppendBatch batch = MakeBatch(Labels({{"app", "new"}}), {{kT0, "a new line"}});
    batch.tenant = "new";
    ASSERT_TRUE(store->AppendAndWait(std::move(batch)).ok());
    ASSERT_TRUE(store->Flush().ok());
    ASSERT_TRUE(store->Compact().ok());
    check("compacted by this build");
    EXPECT_EQ(ReadAll(*store, {}, {}, "new").rows.size(), 1u) << version;
  }
}

TEST(OldVersionsTest, LogOfVersion1) {
  const std::string fixture = kTestData + "wal-v1/00000001.log";
  const Labels api({{"app", "api"}});
  const Labels web({{"app", "web"}, {"env", "prod"}});
  if (std::getenv("SKALD_WRITE_FIXTURES") != nullptr) {
    const TempDir dir;
    const std::string directory = dir.path() + "/data";
    ASSERT_NO_FATAL_FAILURE(Prepare(directory));
    const std::unique_ptr<Store> store = OpenStore(directory);
    AppendBatch batch =
        MakeBatch(api, {{kT0, "GET /index.html 200"}, {kT0 + 5, "GET /favicon.ico 404"}}, "node-1", 7);
    batch.streams.push_back({web, MakeRows({{kT0 + 1, "started"}}), ""});
    ASSERT_TRUE(store->AppendAndWait(std::move(batch)).ok());
    ASSERT_TRUE(store->AppendAndWait(MakeBatch(api, {{kT0 + 9, "GET / 200"}}, "node-1", 8)).ok());
    const auto bytes = ReadWholeFile(WalDirectory(directory) + "/00000001.log");
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    ASSERT_TRUE(CreateDirectories(kTestData + "wal-v1").ok());
    ASSERT_TRUE(WriteFileAtomically(fixture, *bytes).ok());
  }
  const TempDir dir;
  const std::string directory = dir.path() + "/data";
  ASSERT_NO_FATAL_FAILURE(Prepare(directory));
  const auto bytes = ReadWholeFile(fixture);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_TRUE(WriteFileAtomically(WalDirectory(directory) + "/00000001.log", *bytes).ok());
  std::unique_ptr<Store> store = OpenStore(directory);
  ASSERT_NE(store, nullptr);
  std::vector<std::string> want = {
      fmt::format("{} {} GET /index.html 200", kT0, api.ToString()),
      fmt::format("{} {} started", kT0 + 1, web.ToString()),
      fmt::format("{} {} GET /favicon.ico 404", kT0 + 5, api.ToString()),
      fmt::format("{} {} GET / 200", kT0 + 9, api.ToString()),
  };
  EXPECT_EQ(ReadAll(*store, {}).rows, want);
  EXPECT_EQ(Raw(store->LastSequence("t", "node-1")), 8u);
  ASSERT_TRUE(store->Flush().ok());
  store.reset();
  store = OpenStore(directory);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(ReadAll(*store, {}).rows, want);
}

}  // namespace
}  // namespace skald
