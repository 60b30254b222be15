// Texts of which one stands in everything that a regex matches: `(error|fail)ed` needs errored or failed,
// `took [0-9]+|timeout` needs "took " or timeout. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skald::logql {

struct NeededLiteral {
  std::string text;
  bool fold_ascii = false;  // letters A-Z and a-z match each other; text is in lower case then
  bool operator==(const NeededLiteral&) const = default;
};

// regex: Go syntax. Each literal has at least two bytes, there are at most 64; none where no such set can be
// told, or the regex is invalid. None of them holds U+FFFD, which in a regex stands for invalid bytes too.
std::vector<NeededLiteral> FindNeededLiterals(std::string_view regex);

}  // namespace skald::logql
