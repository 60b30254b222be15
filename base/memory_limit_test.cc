#include "base/memory_limit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace skald {
namespace {

TEST(MemoryLimitTest, TakesTheSmallest) {
  const std::string mount = ::testing::TempDir() + "/memory_limit_test";
  std::filesystem::remove_all(mount);
  const auto put = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(mount + name).parent_path());
    std::ofstream(mount + name) << text;
  };
  put("/memory.max", "max\n");
  put("/a/memory.max", "3000000\n");
  put("/a/b/memory.max", "max\n");
  put("/c/memory.max", "9000000\n");
  put("/memory/old/memory.limit_in_bytes", "1000000\n");
  const std::string meminfo = "MemTotal:        4096 kB\nMemFree: 1 kB\n";
  const struct {
    std::string meminfo, cgroup;
    uint64_t want;
  } rows[] = {
      {"", "", 0},
      {meminfo, "", 4096 * 1024},
      {meminfo, "0::/\n", 4096 * 1024},
      {meminfo, "0::/a/b\n", 3000000},
      {"", "0::/a\n", 3000000},
      {meminfo, "0::/c\n", 4096 * 1024},
      {meminfo, "0::/not/there\n", 4096 * 1024},
      {meminfo, "5:cpu:/a\n4:memory:/old\n", 1000000},
      {meminfo, "no colons\n\n", 4096 * 1024},
  };
  for (const auto& row : rows)
    EXPECT_EQ(AvailableMemoryFrom(row.meminfo, row.cgroup, mount), row.want) << row.cgroup;
  EXPECT_GT(AvailableMemory(), 0u);
}

}  // namespace
}  // namespace skald
