// A regex as the tree that Go's regexp/syntax makes of it: runs of literals joined, alternatives factored by
// their common prefixes (bar|buzz is b(?:ar|uzz), 400|404 is 40[04]), counted repetitions written out where
// that is simple. The simplification rules of line and label filters look at that shape. Character classes
// are kept only as far as those rules tell them apart. Pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::logql {

struct RegexNode {
  // From kLiteral to kAnyChar in order of what a class made of two of them becomes.
  enum class Op {
    kEmpty,
    kLiteral,
    kCharClass,
    kAnyCharNotNewline,
    kAnyChar,
    kAssertion,  // ^ $ \b \B \A \z
    kCapture,
    kStar,
    kPlus,
    kQuest,
    kRepeat,  // {n,m} beyond the forms above
    kConcat,
    kAlternate,
    kLeftParen,    // only while parsing
    kVerticalBar,  // only while parsing
  };
  Op op = Op::kEmpty;
  std::u32string runes;          // kLiteral; under fold_case each in the smallest of its cases
  bool fold_case = false;        // kLiteral
  std::string class_text;        // kCharClass: as written, to compare
  bool matches_newline = false;  // kCharClass
  bool non_greedy = false;       // repetitions
  int min = 0;                   // kRepeat
  int max = 0;                   // kRepeat, -1: no limit
  std::vector<RegexNode> subs;
};

// Nullopt for a regex that does not compile (or nests deeper than 200 levels).
std::optional<RegexNode> ParseRegexTree(std::string_view regex);

}  // namespace skald::logql
