#include "base/scratch_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace skald {

absl::StatusOr<ScratchDirectory> ScratchDirectory::Make(std::string_view name) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error) return Internal("TMPDIR is no directory: {}", error.message());
  std::string path = (parent / name).string() + "-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return ErrnoStatus("make a directory", path, errno);
  ScratchDirectory out;
  out.path_ = std::move(path);
  return out;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace skald
