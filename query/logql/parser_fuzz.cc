// libFuzzer target: any bytes are parsed without a crash, and what parses prints to something that prints the
// same. Seeds: testdata/queries.txt, a line each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/labels.h"
#include "query/logql/lexer.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace {

// What the printed form loses (see printer.h). Single marks that are no operator count as names (`!`, `$`)
// and do not survive beside others.
bool IsLossy(std::string_view query, std::string_view printed) {
  for (const skald::logql::Token& token : skald::logql::Lex(query)) {
    if (token.kind == skald::logql::TokenKind::kIdentifier && !skald::IsLabelName(token.text)) return true;
  }
  for (const std::string_view text : {"NaN", "Inf", "-0", "group_left (", "group_right ("}) {
    if (printed.find(text) != std::string_view::npos) return true;
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
  if (IsLossy(query, printed)) return 0;
  const auto again = skald::logql::ParseExpr(printed);
  if (again.ok() && skald::logql::Print(**again) != printed) std::abort();
  return 0;
}
