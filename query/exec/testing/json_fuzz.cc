// libFuzzer target: what the JSON reader finds in any bytes, and where it gives up, is what the oracle says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/testing/oracle_row.h"
#include "text/json_flatten.h"
#include "text/json_path.h"

namespace {

using skald::oracle::StringMap;

struct Visitor {
  StringMap* labels;
  std::string scratch;
  bool WantPrefix(std::string_view) const { return true; }
  bool OnField(std::string_view name, const skald::JsonValue& value) {
    if (name.empty()) std::abort();
    labels->emplace(name, skald::JsonLabelValue(value, &scratch));
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  StringMap labels;
  skald::JsonFlattener flattener;
  const skald::JsonError error = flattener.Run(line, Visitor{&labels, {}});

  const StringMap no_labels;
  const skald::oracle::Hints hints;
  skald::oracle::Row row = skald::oracle::MakeRow(no_labels, no_labels, std::string(line), 0, hints);
  skald::oracle::RunJson(skald::logql::JsonParser(), &row);
  if (row.error.empty() != (error == skald::JsonError::kNone)) std::abort();
  if (!row.error.empty() && row.details != skald::JsonErrorText(error)) std::abort();
  if (row.parsed != labels) std::abort();

  static const std::vector<skald::JsonPath> paths = {
      *skald::ParseJsonPath("a"), *skald::ParseJsonPath("a.b[1].c"), *skald::ParseJsonPath("[0]"),
      *skald::ParseJsonPath("a[0]")};
  skald::JsonPathFinder finder(&paths);
  std::vector<int> calls(paths.size());
  finder.Find(
      line,
      [&](size_t i, const skald::JsonValue& value) {
        if (i >= paths.size() || ++calls[i] > 1) std::abort();
        if (!value.text.empty() && (value.text.data() < line.data() || value.text.end() > line.end()))
          std::abort();
      },
      [](skald::JsonError) {});
  (void)skald::ParseJsonPath(line);
  return 0;
}
