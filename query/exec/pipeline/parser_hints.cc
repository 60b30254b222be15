#include "query/exec/pipeline/parser_hints.h"

namespace skald::exec {

bool ParserHints::Requires(std::string_view name) const {
  for (const std::string& member : required) {
    if (member == name) return true;
  }
  return false;
}

bool ParserHints::RequiresPrefix(std::string_view prefix) const {
  for (const std::string& member : required) {
    if (std::string_view(member).starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace skald::exec
