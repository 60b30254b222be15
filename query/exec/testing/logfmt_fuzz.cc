// libFuzzer target: the pairs of any bytes, and the error that a strict reader stops at, are what the oracle
// says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "query/exec/testing/oracle_row.h"
#include "text/logfmt.h"
#include "text/sanitize.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::oracle::StringMap;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (const bool strict : {false, true}) {
    StringMap labels;
    std::string error;
    std::string key_scratch;
    std::string value_scratch;
    skald::LogfmtScanner scanner(line);
    size_t steps = 0;
    for (auto r = scanner.Next(); r != skald::LogfmtScanner::kEnd; r = scanner.Next()) {
      if (++steps > size) std::abort();
      if (r == skald::LogfmtScanner::kError) {
        if (!strict) continue;
        error = scanner.ErrorText();
        break;
      }
      if (scanner.key().empty()) std::abort();
      const std::string_view key = skald::SanitizedKey(scanner.key(), &key_scratch);
      if (!key.empty()) labels.emplace(key, skald::WithoutInvalidRunes(scanner.value(), &value_scratch));
    }

    const StringMap no_labels;
    const skald::oracle::Hints hints;
    skald::oracle::Row row = skald::oracle::MakeRow(no_labels, no_labels, std::string(line), 0, hints);
    skald::logql::LogfmtParser stage;
    stage.strict = strict;
    stage.keep_empty = true;
    skald::oracle::RunLogfmt(stage, &row);
    if (row.details != error || row.parsed != labels) std::abort();
  }
  return 0;
}
