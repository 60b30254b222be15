// libFuzzer target: any bytes go through every line reader without a crash, and what they give lies within
// bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/decolorize.h"
#include "text/ip_filter.h"
#include "text/json_flatten.h"
#include "text/json_path.h"
#include "text/level.h"
#include "text/logfmt.h"
#include "text/substring.h"
#include "text/units.h"

namespace {

struct Visitor {
  std::string scratch;
  bool WantPrefix(std::string_view path) const { return path.size() % 3 != 0; }
  bool OnField(std::string_view name, const skald::JsonValue& value) {
    skald::JsonLabelValue(value, &scratch);
    if (name.empty()) std::abort();
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  skald::JsonFlattener flattener;
  flattener.Run(line, Visitor());

  static const std::vector<skald::JsonPath> paths = {
      *skald::ParseJsonPath("a"), *skald::ParseJsonPath("a.b[1].c"), *skald::ParseJsonPath("[0]")};
  skald::JsonPathFinder finder(&paths);
  finder.Find(
      line,
      [](size_t i, const skald::JsonValue&) {
        if (i >= paths.size()) std::abort();
      },
      [](skald::JsonError) {});
  (void)skald::ParseJsonPath(line);

  skald::LogfmtScanner scanner(line);
  size_t steps = 0;
  for (auto r = scanner.Next(); r != skald::LogfmtScanner::kEnd; r = scanner.Next()) {
    if (++steps > size) std::abort();
    if (r == skald::LogfmtScanner::kPair && scanner.key().empty()) std::abort();
  }

  static const skald::LevelDetector detector;
  if (detector.OfLine(line).empty()) std::abort();
  std::string scratch;
  if (skald::Decolorize(line, &scratch).size() > size) std::abort();
  static const auto ip = skald::IpMatcher::Make("10.0.0.0/8");
  ip->FoundIn(line);
  (void)skald::IpMatcher::Make(line);
  const size_t half = size / 2;
  if (skald::SubstringFinder(line.substr(half)).Find(line) != line.find(line.substr(half))) std::abort();
  skald::FoldedFinder(line.substr(half)).FoundIn(line);
  (void)skald::ParseGoFloat(line);
  (void)skald::ParseHumanBytes(line);
  (void)skald::ParseRfc3339(line);
  if (const auto ns = skald::ParseGoDuration(line); ns.ok()) {
    if (*skald::ParseGoDuration(skald::FormatGoDuration(*ns)) != *ns) std::abort();
  }
  (void)skald::ParsePrometheusDuration(line);
  return 0;
}
