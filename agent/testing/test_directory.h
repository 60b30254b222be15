// A directory name for a test's files, in memory where the machine has such a place: the tests sync and
// rename a lot.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace skald::agent {

inline std::string TestDirectory(const std::string& what) {
  std::string base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir();
  while (base.ends_with('/')) base.pop_back();
  return base + "/skald_" + what + "_" + std::to_string(::getpid()) + "_" +
         testing::UnitTest::GetInstance()->current_test_info()->name();
}

}  // namespace skald::agent
