// A directory that is deleted with the object. For tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/status_macros.h"

namespace skald {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-XXXXXX").string();
    SKALD_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace skald
