// Shows what each stage does to each line: --inspect.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "agent/stages/stage.h"

namespace skald::agent {

// An observer of pipelines (Pipeline::SetObserver). What a stage takes away is marked -, what it adds +, in
// colours where out is a terminal; or, for programs, each stage of each line is an object of JSON:
//   {"entry":1,"stage":"logfmt","changes":[{"what":"extracted
//   level","before":"a","now":"b"}],"dropped":"why"}
// without before where there was nothing, and without now where nothing is left. Used by one thread.
class Inspector {
 public:
  explicit Inspector(std::FILE* out, bool as_json = false);
  // stage "": the entry as it comes in.
  void See(std::string_view stage, const Entry& entry, bool dropped);

 private:
  void Begin(std::string_view stage, const Entry& entry);
  void Difference(std::string_view what, std::string_view before, std::string_view now, bool was, bool is);
  void End(const Entry& entry, bool dropped);

  std::FILE* const out_;
  const bool as_json_;
  const bool colours_;
  Entry before_;
  uint64_t lines_ = 0;
  std::string json_;  // of the stage being shown
};

}  // namespace skald::agent
