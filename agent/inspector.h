// Shows what each stage does to each line: --inspect.
#pragma once

#include <cstdio>
#include <string_view>

#include "agent/stages/stage.h"

namespace skald::agent {

// An observer of pipelines (Pipeline::SetObserver). What a stage takes away is marked -, what it adds +, in
// colours where out is a terminal. Used by one thread.
class Inspector {
 public:
  explicit Inspector(std::FILE* out);
  // stage "": the entry as it comes in.
  void See(std::string_view stage, const Entry& entry, bool dropped);

 private:
  void Difference(std::string_view what, std::string_view before, std::string_view now, bool was, bool is);

  std::FILE* const out_;
  const bool colours_;
  Entry before_;
  uint64_t lines_ = 0;
};

}  // namespace skald::agent
