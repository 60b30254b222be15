// libFuzzer target: any bytes are parsed without a crash, and what parses prints to something that prints the
// same. Seeds: testdata/queries.txt, a line each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace {

// What the printed form loses (see printer.h).
bool IsLossy(std::string_view printed) {
  if (printed.find("NaN") != std::string_view::npos || printed.find("Inf") != std::string_view::npos ||
      printed.find("group_left (") != std::string_view::npos ||
      printed.find("group_right (") != std::string_view::npos) {
    return true;
  }
  for (const char c : printed) {
    if (static_cast<unsigned char>(c) >= 0x80 || c == '\'' || c == '$') return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  const auto expr = skald::logql::ParseExpr(query);
  if (!expr.ok()) {
    if (!skald::logql::DetailOf(expr.status())) std::abort();
    return 0;
  }
  const std::string printed = skald::logql::Print(**expr);
  skald::logql::Pretty(**expr);
  if (IsLossy(printed)) return 0;
  const auto again = skald::logql::ParseExpr(printed);
  if (again.ok() && skald::logql::Print(**again) != printed) std::abort();
  return 0;
}
