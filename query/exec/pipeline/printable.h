// Label values as they go into an answer.
#pragma once

#include <string>
#include <string_view>

#include "base/labels.h"

namespace skald::exec {

// Each invalid byte and each U+FFFD as a space, as Loki prints label values. (Lines keep them: the JSON
// writer sees to those.)
std::string PrintableValue(std::string_view value);
Labels PrintableLabels(const Labels& labels);

}  // namespace skald::exec
