#include "query/logql/regex_simplify.h"

#include <utility>

#include "base/utf8.h"
#include "query/logql/regex_tree.h"
#include "text/runes.h"

namespace skald::logql {
namespace {

using Kind = RegexTest::Kind;
using Op = RegexNode::Op;

RegexTest Simple(Kind kind) {
  RegexTest test;
  test.kind = kind;
  return test;
}

// Under fold_case both sides are compared in lower case.
RegexTest TextTest(Kind kind, const std::u32string& runes, bool fold_case) {
  RegexTest test;
  test.kind = kind;
  test.fold_case = fold_case;
  for (const char32_t rune : runes) AppendRune(&test.text, fold_case ? ToLowerRune(rune) : rune);
  return test;
}

// left or right, where a test that always holds gives way to the other one.
std::optional<RegexTest> Or(std::optional<RegexTest> left, RegexTest right) {
  if (!left || left->kind == Kind::kAlways) return right;
  if (right.kind == Kind::kAlways) return left;
  RegexTest both = Simple(Kind::kAnyOf);
  for (RegexTest* test : {&*left, &right}) {
    if (test->kind == Kind::kAnyOf) {
      std::move(test->legs.begin(), test->legs.end(), std::back_inserter(both.legs));
    } else {
      both.legs.push_back(std::move(*test));
    }
  }
  return both;
}

const RegexNode& WithoutCapture(const RegexNode& node) {
  return node.op == Op::kCapture ? node.subs[0] : node;
}

bool IsAnything(const RegexNode& node) {
  return node.op == Op::kStar && node.subs[0].op == Op::kAnyCharNotNewline;
}

std::optional<RegexTest> SimplifyConcat(const RegexNode& concat, const std::u32string& prefix);

// The alternatives appended to the literal before them.
std::optional<RegexTest> SimplifySuffixes(const RegexNode& alternate, const std::u32string& literal,
                                          bool fold_case, std::optional<RegexTest> test) {
  for (const RegexNode& sub : alternate.subs) {
    const RegexNode& leg = WithoutCapture(sub);
    if (!fold_case && leg.fold_case) return std::nullopt;
    if (leg.op == Op::kEmpty || IsAnything(leg)) {
      test = Or(std::move(test), TextTest(Kind::kContains, literal, fold_case));
    } else if (leg.op == Op::kLiteral) {
      test = Or(std::move(test), TextTest(Kind::kContains, literal + leg.runes, fold_case));
    } else if (leg.op == Op::kConcat) {
      std::optional<RegexTest> nested = SimplifyConcat(leg, literal);
      if (!nested) return std::nullopt;
      test = Or(std::move(test), std::move(*nested));
    } else {
      return std::nullopt;
    }
  }
  return test;
}

// At most three parts: one literal, .* anywhere, alternatives after the literal. prefix: the literal of an
// outer concat.
std::optional<RegexTest> SimplifyConcat(const RegexNode& concat, const std::u32string& prefix) {
  constexpr int kMaxParts = 3;
  std::u32string literal = prefix;
  bool has_literal = false;
  bool fold_case = false;
  int parts = 0;
  std::optional<RegexTest> test;
  for (const RegexNode& sub : concat.subs) parts += WithoutCapture(sub).op == Op::kEmpty ? 0 : 1;
  if (parts > kMaxParts) return std::nullopt;
  for (const RegexNode& sub : concat.subs) {
    const RegexNode& part = WithoutCapture(sub);
    if (part.op == Op::kEmpty || IsAnything(part)) continue;
    if (part.op == Op::kLiteral && !has_literal) {
      has_literal = true;
      literal += part.runes;
      fold_case = part.fold_case;
    } else if (part.op == Op::kAlternate && !literal.empty()) {
      test = SimplifySuffixes(part, literal, fold_case, std::move(test));
      if (!test) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (test) return test;
  if (literal.empty()) return std::nullopt;
  return TextTest(Kind::kContains, literal, fold_case);
}

std::optional<RegexTest> SimplifyNode(const RegexNode& node) {
  switch (node.op) {
    case Op::kCapture:
      return SimplifyNode(node.subs[0]);
    case Op::kLiteral:
      return TextTest(Kind::kLiteral, node.runes, node.fold_case);
    case Op::kEmpty:
      return Simple(Kind::kAlways);
    case Op::kStar:
      if (IsAnything(node)) return Simple(Kind::kAlways);
      return std::nullopt;
    case Op::kPlus:
      if (node.subs[0].op == Op::kAnyCharNotNewline) return Simple(Kind::kNonEmpty);
      return std::nullopt;
    case Op::kConcat:
      return SimplifyConcat(node, U"");
    case Op::kAlternate: {
      std::optional<RegexTest> test;
      for (const RegexNode& leg : node.subs) {
        std::optional<RegexTest> simple = SimplifyNode(leg);
        if (!simple) return std::nullopt;
        test = Or(std::move(test), std::move(*simple));
      }
      return test;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<RegexTest> SimplifyRegex(std::string_view regex) {
  const std::optional<RegexNode> tree = ParseRegexTree(regex);
  if (!tree) return std::nullopt;
  return SimplifyNode(*tree);
}

}  // namespace skald::logql
