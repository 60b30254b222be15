// A directory of our own for the time of its object.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>

namespace skald {

// Removed with all that is in it when the object ends; an empty one owns nothing.
class ScratchDirectory {
 public:
  // name-XXXXXX under TMPDIR, or /tmp; an error says which directory cannot be made.
  static absl::StatusOr<ScratchDirectory> Make(std::string_view name);

  ScratchDirectory() = default;
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchDirectory& operator=(ScratchDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~ScratchDirectory();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace skald
