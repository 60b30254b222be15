// libFuzzer target: any text is read as a pattern (up to the first newline), and what it captures of any line
// (the rest), or whether it matches one, is what the oracle says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/testing/oracle_row.h"
#include "query/logql/pattern.h"
#include "text/pattern.h"

namespace {

using skald::logql::PatternToken;

std::vector<skald::PatternPiece> Pieces(const std::vector<PatternToken>& tokens,
                                        std::vector<std::string>* names) {
  std::vector<skald::PatternPiece> pieces;
  for (const PatternToken& token : tokens) {
    skald::PatternPiece piece;
    piece.capture = token.kind != PatternToken::Kind::kLiteral;
    if (!piece.capture) piece.literal = token.text;
    if (token.kind == PatternToken::Kind::kNamed) {
      piece.slot = static_cast<int>(names->size());
      names->push_back(token.text);
    }
    pieces.push_back(piece);
  }
  return pieces;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  const std::string pattern(input.substr(0, newline));
  const std::string line(newline == std::string_view::npos ? "10.1.2.3 - bob GET /x"
                                                           : input.substr(newline + 1));
  const skald::oracle::StringMap no_labels;
  const skald::oracle::Hints hints;
  skald::oracle::Row row = skald::oracle::MakeRow(no_labels, no_labels, line, 0, hints);

  std::vector<std::string> names;
  if (const auto tokens = skald::logql::ParsePattern(pattern); tokens.ok()) {
    skald::oracle::StringMap labels;
    skald::PatternMatcher(Pieces(*tokens, &names)).Match(line, [&](int slot, std::string_view text) {
      labels.emplace(names.at(static_cast<size_t>(slot)), text);
      return true;
    });
    skald::oracle::RunPattern({pattern, {}}, &row);
    if (labels != row.parsed) std::abort();
  }
  if (const auto tokens = skald::logql::ParseLinePattern(pattern); tokens.ok()) {
    const bool matches = skald::LinePattern(Pieces(*tokens, &names)).Matches(line);
    skald::logql::LineFilter filter;
    filter.op = skald::logql::LineFilterOp::kPattern;
    filter.operands.push_back({false, pattern});
    if (skald::oracle::RunLineFilter(filter, row) != matches) std::abort();
  }
  return 0;
}
