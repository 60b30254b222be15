// Templates of the stages template and replace: text/template.h with the functions Promtail adds, over what
// is extracted.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "agent/stages/stage.h"
#include "text/template.h"

namespace skald::agent {

class StageTemplate {
 public:
  // InvalidArgument with Go's text, also for a function that is not known.
  static absl::StatusOr<StageTemplate> Parse(std::string_view text);

  // Data: the extracted values as texts, .Value (where not nullptr) and .Entry, the line. A name that is not
  // there prints "<no value>".
  absl::StatusOr<std::string> Execute(const Entry& entry, const std::string* value) const;

 private:
  std::shared_ptr<const Template> template_;
};

}  // namespace skald::agent
