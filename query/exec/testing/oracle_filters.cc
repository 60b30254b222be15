// Line filters and label filters.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "query/exec/testing/oracle_row.h"
#include "query/logql/pattern.h"
#include "query/logql/regex_simplify.h"
#include "text/runes.h"
#include "text/units.h"

namespace skald::oracle {
namespace {

using logql::CompareOp;
using logql::LineFilterOp;
using logql::Overloaded;
using logql::RegexTest;

// ------------------------------------------------------------------------------------------- addresses

using Address = std::vector<uint8_t>;  // 4 or 16 bytes

std::optional<Address> ParseAddress(const std::string& text) {
  std::array<uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return Address(bytes.begin(), bytes.begin() + 4);
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return Address(bytes.begin(), bytes.end());
  return std::nullopt;
}

bool Contains(const std::string& pattern, const Address& address) {
  if (const size_t dash = pattern.find('-'); dash != std::string::npos) {
    const auto from = ParseAddress(pattern.substr(0, dash));
    const auto to = ParseAddress(pattern.substr(dash + 1));
    return address.size() == from->size() && *from <= address && address <= *to;
  }
  if (const size_t slash = pattern.find('/'); slash != std::string::npos) {
    const auto net = ParseAddress(pattern.substr(0, slash));
    if (address.size() != net->size()) return false;
    const int bits = std::stoi(pattern.substr(slash + 1));
    for (int bit = 0; bit < bits; ++bit) {
      const size_t byte = static_cast<size_t>(bit / 8);
      if ((((*net)[byte] ^ address[byte]) >> (7 - bit % 8) & 1) != 0) return false;
    }
    return true;
  }
  return ParseAddress(pattern) == address;
}

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Where an IPv6 address may begin: one to four hex digits and a colon, or :: and a hex digit.
bool LooksLikeSix(std::string_view text) {
  if (text.size() < 5) return false;
  if (text.starts_with("::")) return IsHex(text[2]);
  size_t digits = 0;
  while (digits < 4 && IsHex(text[digits])) ++digits;
  return digits > 0 && digits < text.size() && text[digits] == ':';
}

bool AddressIn(const std::string& pattern, std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    std::string_view set;
    if (rest.size() >= 4 && rest[0] >= '0' && rest[0] <= '9' &&
        rest.substr(1, 3).find('.') != std::string_view::npos) {
      set = "0123456789.";
    } else if (LooksLikeSix(rest)) {
      set = "0123456789abcdefABCDEF:.";
    } else {
      continue;
    }
    const std::string_view run = rest.substr(0, rest.find_first_not_of(set));
    const auto address = ParseAddress(std::string(run));
    if (address.has_value() && Contains(pattern, *address)) return true;
    at += run.size();
  }
  return false;
}

// --------------------------------------------------------------------------------------------- regexes

// What (?i) of plain text means: rune by rune in lower case, but for the first byte, which must be the same
// in ASCII's lower case.
bool ContainsFolded(std::string_view text, const std::string& lower) {
  if (lower.empty()) return true;
  for (size_t begin = 0; begin < text.size(); ++begin) {
    const char c =
        text[begin] >= 'A' && text[begin] <= 'Z' ? static_cast<char>(text[begin] + 32) : text[begin];
    if (c != lower[0]) continue;
    std::string_view want = lower;
    std::string_view have = text.substr(begin);
    while (!want.empty() && !have.empty()) {
      const DecodedRune a = DecodeRune(want);
      const DecodedRune b = DecodeRune(have);
      if (ToLowerRune(b.rune) != a.rune) break;
      want.remove_prefix(a.size);
      have.remove_prefix(b.size);
    }
    if (want.empty()) return true;
  }
  return false;
}

bool HoldsSimple(const RegexTest& test, std::string_view text, bool is_label) {
  switch (test.kind) {
    case RegexTest::Kind::kAlways:
      return true;
    case RegexTest::Kind::kNonEmpty:
      return !text.empty();
    case RegexTest::Kind::kLiteral:
      if (is_label) {
        if (!test.fold_case) return text == test.text;
        return ToLower(text) == test.text;
      }
      [[fallthrough]];
    case RegexTest::Kind::kContains:
      return test.fold_case ? ContainsFolded(text, test.text)
                            : text.find(test.text) != std::string_view::npos;
    case RegexTest::Kind::kAnyOf:
      return std::any_of(test.legs.begin(), test.legs.end(),
                         [&](const RegexTest& leg) { return HoldsSimple(leg, text, is_label); });
  }
  return false;
}

bool HoldsRegex(const std::string& regex, std::string_view text, bool is_label) {
  if (const auto simple = logql::SimplifyRegex(regex)) return HoldsSimple(*simple, text, is_label);
  return MatchRegex(regex, text, is_label, false).matched;
}

// -------------------------------------------------------------------------------------------- patterns

bool HoldsPattern(const std::string& pattern, std::string_view line) {
  const auto tokens = logql::ParseLinePattern(pattern);
  if (tokens->empty()) return line.empty();
  if (line.empty()) return false;
  size_t at = 0;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const logql::PatternToken& token = (*tokens)[i];
    if (token.kind != logql::PatternToken::Kind::kLiteral) continue;
    const size_t found = line.find(token.text, at);
    if (found == std::string_view::npos || (i > 0 && found == at)) return false;
    at = found + token.text.size();
  }
  const bool ends_with_capture = tokens->back().kind != logql::PatternToken::Kind::kLiteral;
  return ends_with_capture ? at < line.size() : at == line.size();
}

// An operand that takes any line is left out of chains.
bool TakesAny(LineFilterOp op, const std::string& text) {
  if (op == LineFilterOp::kContains) return text.empty();
  if (op != LineFilterOp::kRegex) return false;
  const auto simple = logql::SimplifyRegex(text);
  return simple.has_value() && simple->kind == RegexTest::Kind::kAlways;
}

bool HoldsOperand(LineFilterOp op, const std::string& text, std::string_view line) {
  switch (op) {
    case LineFilterOp::kContains:
    case LineFilterOp::kNotContains:
      return line.find(text) != std::string_view::npos;
    case LineFilterOp::kRegex:
    case LineFilterOp::kNotRegex:
      return HoldsRegex(text, line, false);
    case LineFilterOp::kPattern:
    case LineFilterOp::kNotPattern:
      return HoldsPattern(text, line);
  }
  return false;
}

bool IsNegated(LineFilterOp op) {
  return op == LineFilterOp::kNotContains || op == LineFilterOp::kNotRegex || op == LineFilterOp::kNotPattern;
}

// --------------------------------------------------------------------------------------- label filters

template <class T>
bool Compare(CompareOp op, T a, T b) {
  switch (op) {
    case CompareOp::kEqual:
      return a == b;
    case CompareOp::kNotEqual:
      return a != b;
    case CompareOp::kGreater:
      return a > b;
    case CompareOp::kGreaterEqual:
      return a >= b;
    case CompareOp::kLess:
      return a < b;
    case CompareOp::kLessEqual:
      return a <= b;
  }
  return false;
}

// A filter that has to convert the value: read(text) is a StatusOr.
template <class Read, class T>
bool CompareLabel(const std::string& name, CompareOp op, T with, Read read, Row* row) {
  const std::optional<std::string> text = row->Get(name);
  if (!text.has_value()) return false;
  const auto value = read(*text);
  if (value.ok()) return Compare<T>(op, *value, with);
  if (!row->error.empty()) return true;  // marked already
  row->error = "LabelFilterErr";
  row->details = MessageOf(value.status());
  return true;
}

bool RunFilter(const logql::LabelFilter& filter, Row* row) {
  return std::visit(
      Overloaded{
          [&](const logql::StringFilter& f) {
            std::string value = row->Get(f.matcher.name()).value_or("");
            if (f.matcher.name() == "__error__") value = row->error;
            switch (f.matcher.op()) {
              case MatchOp::kEqual:
                return value == f.matcher.value();
              case MatchOp::kNotEqual:
                return value != f.matcher.value();
              case MatchOp::kRegex:
                return HoldsRegex(f.matcher.value(), value, true);
              case MatchOp::kNotRegex:
                return !HoldsRegex(f.matcher.value(), value, true);
            }
            return false;
          },
          [&](const logql::NumberFilter& f) {
            return CompareLabel(
                f.name, f.op, f.value, [](std::string_view text) { return ParseGoFloat(text); }, row);
          },
          [&](const logql::DurationFilter& f) {
            return CompareLabel(
                f.name, f.op, f.nanos, [](std::string_view text) { return ParseGoDuration(text); }, row);
          },
          [&](const logql::BytesFilter& f) {
            // Of the text that it prints as.
            const uint64_t with = *ParseHumanBytes(FormatHumanBytes(f.bytes));
            return CompareLabel(
                f.name, f.op, with, [](std::string_view text) { return ParseHumanBytes(text); }, row);
          },
          [&](const logql::IpFilter& f) {
            if (!row->error.empty()) return true;
            const std::optional<std::string> value = row->Get(f.name);
            return value.has_value() && AddressIn(f.pattern, *value) != f.negated;
          },
          [&](const logql::AndFilter& f) {
            const bool left = RunFilter(*f.left, row);
            const bool right = RunFilter(*f.right, row);
            return left && right;
          },
          [&](const logql::OrFilter& f) { return RunFilter(*f.left, row) || RunFilter(*f.right, row); },
      },
      filter.node);
}

}  // namespace

bool RunLineFilter(const logql::LineFilter& stage, const Row& row) {
  if (stage.IsIpFilter()) {
    return AddressIn(stage.operands[0].text, row.line) != (stage.op == LineFilterOp::kNotContains);
  }
  if (stage.operands.size() == 1)
    return HoldsOperand(stage.op, stage.operands[0].text, row.line) != IsNegated(stage.op);
  bool all_taken_out = true;
  for (const logql::LineFilterOperand& operand : stage.operands) {
    if (TakesAny(stage.op, operand.text)) continue;
    all_taken_out = false;
    if (HoldsOperand(stage.op, operand.text, row.line)) return true;
  }
  return all_taken_out;
}

bool RunLabelFilter(const logql::LabelFilter& filter, Row* row) { return RunFilter(filter, row); }

bool AlwaysTrue(const logql::LabelFilter& filter) {
  const auto* f = std::get_if<logql::StringFilter>(&filter.node);
  if (f == nullptr || f->matcher.op() != MatchOp::kRegex) return false;
  const auto simple = logql::SimplifyRegex(f->matcher.value());
  return simple.has_value() && simple->kind == RegexTest::Kind::kAlways;
}

std::optional<std::string> SingleLabel(const logql::LabelFilter& filter) {
  return std::visit(Overloaded{
                        [](const logql::StringFilter& f) { return std::optional(f.matcher.name()); },
                        [](const logql::AndFilter&) { return std::optional<std::string>(); },
                        [](const logql::OrFilter&) { return std::optional<std::string>(); },
                        [](const auto& f) { return std::optional<std::string>(f.name); },
                    },
                    filter.node);
}

}  // namespace skald::oracle
