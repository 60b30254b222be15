// The label text of a pushed stream, in the grammar of a Prometheus metric, with the errors of its parser.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>
#include <vector>

#include "base/labels.h"

namespace skald {

// {a="b", c="d"}: sorted by name, values that are empty left out. "" and "{}" have none; a word before the
// braces, or a quoted one alone inside, is the value of __name__. A name that stands twice is there twice.
// InvalidArgument "1:5: parse error: ..." (line:column, from 1).
absl::StatusOr<std::vector<Labels::Pair>> ParseLabelText(std::string_view text);

}  // namespace skald
