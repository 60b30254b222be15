#include "storage/segment/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"

namespace skald {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BlobStoreTest : public ::testing::Test {
 protected:
  ~BlobStoreTest() override { ClearFailpoints(); }

  static absl::Status Write(BlobStore* store, const std::string& name, std::string_view bytes) {
    auto writer = store->Create(name);
    if (!writer.ok()) return writer.status();
    if (absl::Status status = (*writer)->Append(bytes); !status.ok()) return status;
    return (*writer)->Commit();
  }

  TempDir dir_;
};

TEST_F(BlobStoreTest, WritesReadsListsDeletes) {
  auto store = *OpenLocalBlobStore(dir_.path() + "/a/b");
  ASSERT_EQ(Write(store.get(), "2.seg", "second"), absl::OkStatus());
  ASSERT_EQ(Write(store.get(), "1.seg", "first"), absl::OkStatus());
  EXPECT_THAT(*store->List(), ElementsAre("1.seg", "2.seg"));
  EXPECT_EQ(*store->Size("1.seg"), 5u);

  auto blob = *store->Open("1.seg");
  ASSERT_EQ(store->Delete("1.seg"), absl::OkStatus());
  EXPECT_EQ(store->Delete("1.seg"), absl::OkStatus());
  EXPECT_THAT(*store->List(), ElementsAre("2.seg"));
  EXPECT_TRUE(absl::IsNotFound(store->Open("1.seg").status()));
  EXPECT_TRUE(absl::IsNotFound(store->Size("1.seg").status()));
  char buffer[5];
  ASSERT_EQ(blob->Read(1, 4, buffer), absl::OkStatus());  // still readable
  EXPECT_EQ(std::string(buffer, 4), "irst");
  EXPECT_TRUE(absl::IsOutOfRange(blob->Read(1, 5, buffer)));
  EXPECT_TRUE(absl::IsOutOfRange(blob->Read(6, 0, buffer)));
  EXPECT_TRUE(absl::IsOutOfRange(blob->Read(2, ~size_t{0}, buffer)));
}

TEST_F(BlobStoreTest, UncommittedLeavesNothing) {
  auto store = *OpenLocalBlobStore(dir_.path());
  {
    auto writer = *store->Create("x");
    ASSERT_EQ(writer->Append("half"), absl::OkStatus());
    EXPECT_EQ(writer->size(), 4u);
    EXPECT_THAT(*store->List(), IsEmpty());
    EXPECT_THAT(*ListDirectory(dir_.path()), ElementsAre("x.tmp"));
  }
  EXPECT_THAT(*ListDirectory(dir_.path()), IsEmpty());
}

TEST_F(BlobStoreTest, OpenDeletesWhatACrashLeft) {
  ASSERT_EQ(WriteFileAtomically(dir_.path() + "/keep", "k"), absl::OkStatus());
  ASSERT_TRUE(OpenFile(dir_.path() + "/x.tmp", 0101).ok());
  auto store = *OpenLocalBlobStore(dir_.path());
  EXPECT_THAT(*ListDirectory(dir_.path()), ElementsAre("keep"));
}

TEST_F(BlobStoreTest, NamesAreChecked) {
  auto store = *OpenLocalBlobStore(dir_.path());
  for (const std::string name : {"", ".", "..", "a/b", "../x", ".hidden", "x.tmp", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store->Create(name).status())) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(store->Open(name).status())) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(store->Delete(name))) << name;
  }
  ASSERT_EQ(Write(store.get(), "x", "1"), absl::OkStatus());
  EXPECT_TRUE(absl::IsAlreadyExists(store->Create("x").status()));
}

TEST_F(BlobStoreTest, EachFailedStepLeavesNothing) {
  auto store = *OpenLocalBlobStore(dir_.path());
  for (const char* step : {"blob.append", "blob.sync", "blob.rename", "blob.sync_directory"}) {
    SetFailpoint(step, [] { return ResourceExhausted("injected"); });
    EXPECT_TRUE(absl::IsResourceExhausted(Write(store.get(), "x", "1"))) << step;
    EXPECT_THAT(*ListDirectory(dir_.path()), IsEmpty()) << step;
    ClearFailpoints();
  }
  EXPECT_EQ(Write(store.get(), "x", "1"), absl::OkStatus());
}

}  // namespace
}  // namespace skald
