#include "query/exec/pipeline/printable.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace skald::exec {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsPrintable(std::string_view value) {
  return IsValidUtf8(value) && value.find(kReplacement) == std::string_view::npos;
}

}  // namespace

std::string PrintableValue(std::string_view value) {
  if (IsPrintable(value)) return std::string(value);
  std::string text;
  AppendValidUtf8(&text, value, " ");
  for (size_t at = text.find(kReplacement); at != std::string::npos; at = text.find(kReplacement, at)) {
    text.replace(at, kReplacement.size(), " ");
  }
  return text;
}

Labels PrintableLabels(const Labels& labels) {
  if (std::all_of(labels.begin(), labels.end(),
                  [](const Labels::Pair& pair) { return IsPrintable(pair.second); })) {
    return labels;
  }
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : labels) pairs.emplace_back(name, PrintableValue(value));
  return Labels(std::move(pairs));
}

}  // namespace skald::exec
