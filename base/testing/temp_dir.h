// A directory that is deleted with the object. For tests.
#pragma once

#include <string>

#include "base/scratch_directory.h"

namespace skald {

class TempDir {
 public:
  const std::string& path() const { return directory_.path(); }

 private:
  const ScratchDirectory directory_ = ScratchDirectory::Make("skald").value();
};

}  // namespace skald
