#include "query/logql/regex_factor.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace skald::logql {
namespace {

using Op = RegexNode::Op;

bool MatchesNewline(const RegexNode& node) {
  return (node.op == Op::kLiteral && node.runes == U"\n") ||
         (node.op == Op::kCharClass && node.matches_newline) || node.op == Op::kAnyChar;
}

std::pair<std::u32string_view, bool> LeadingString(const RegexNode& node) {
  const RegexNode& first = node.op == Op::kConcat && !node.subs.empty() ? node.subs[0] : node;
  if (first.op != Op::kLiteral) return {};
  return {first.runes, first.fold_case};
}

void RemoveLeadingString(RegexNode* node, size_t count) {
  if (node->op == Op::kConcat && !node->subs.empty()) {
    RemoveLeadingString(&node->subs[0], count);
    if (node->subs[0].op != Op::kEmpty) return;
    node->subs.erase(node->subs.begin());
    if (node->subs.size() == 1) {
      RegexNode rest = std::move(node->subs[0]);
      *node = std::move(rest);
    }
    return;
  }
  if (node->op != Op::kLiteral) return;
  node->runes.erase(0, count);
  if (node->runes.empty()) node->op = Op::kEmpty;
}

bool SameClass(const RegexNode& a, const RegexNode& b) {
  if (a.op != b.op) return false;
  switch (a.op) {
    case Op::kAnyChar:
    case Op::kAnyCharNotNewline:
      return true;
    case Op::kLiteral:
      return a.runes == b.runes && a.fold_case == b.fold_case;
    case Op::kCharClass:
      return !a.class_text.empty() && a.class_text == b.class_text;
    case Op::kRepeat:
      return a.min == a.max && a.min == b.min && a.max == b.max && a.non_greedy == b.non_greedy &&
             IsClassLike(a.subs[0]) && SameClass(a.subs[0], b.subs[0]);
    default:
      return false;
  }
}

const RegexNode* LeadingNode(const RegexNode& node) {
  if (node.op == Op::kEmpty) return nullptr;
  if (node.op != Op::kConcat || node.subs.empty()) return &node;
  return node.subs[0].op == Op::kEmpty ? nullptr : &node.subs[0];
}

void RemoveLeadingNode(RegexNode* node) {
  if (node->op != Op::kConcat || node->subs.empty()) {
    *node = RegexNode();
    return;
  }
  node->subs.erase(node->subs.begin());
  if (node->subs.size() == 1) {
    RegexNode rest = std::move(node->subs[0]);
    *node = std::move(rest);
  }
}

RegexNode Prefixed(RegexNode prefix, std::vector<RegexNode> suffixes) {
  RegexNode node;
  node.op = Op::kConcat;
  node.subs.push_back(std::move(prefix));
  node.subs.push_back(Collapse(std::move(suffixes), Op::kAlternate));
  return node;
}

// Runs of alternatives that begin with the same literal text.
std::vector<RegexNode> FactorStrings(std::vector<RegexNode> subs) {
  std::vector<RegexNode> out;
  for (size_t start = 0; start < subs.size();) {
    auto [text, fold] = LeadingString(subs[start]);
    std::u32string common(text);
    size_t end = start + 1;
    for (; end < subs.size(); ++end) {
      const auto [other, other_fold] = LeadingString(subs[end]);
      if (other_fold != fold) break;
      size_t same = 0;
      while (same < common.size() && same < other.size() && common[same] == other[same]) ++same;
      if (same == 0) break;
      common.resize(same);
    }
    if (end == start + 1) {
      out.push_back(std::move(subs[start]));
    } else {
      RegexNode prefix;
      prefix.op = Op::kLiteral;
      prefix.fold_case = fold;
      prefix.runes = common;
      std::vector<RegexNode> suffixes;
      for (size_t i = start; i < end; ++i) {
        RemoveLeadingString(&subs[i], common.size());
        suffixes.push_back(std::move(subs[i]));
      }
      out.push_back(Prefixed(std::move(prefix), std::move(suffixes)));
    }
    start = end;
  }
  return out;
}

// Runs of alternatives that begin with the same class.
std::vector<RegexNode> FactorClasses(std::vector<RegexNode> subs) {
  std::vector<RegexNode> out;
  for (size_t start = 0; start < subs.size();) {
    const RegexNode* first = LeadingNode(subs[start]);
    size_t end = start + 1;
    for (; first != nullptr && end < subs.size(); ++end) {
      const RegexNode* other = LeadingNode(subs[end]);
      if (other == nullptr || !SameClass(*first, *other)) break;
    }
    if (end == start + 1) {
      out.push_back(std::move(subs[start]));
    } else {
      RegexNode prefix = *first;
      std::vector<RegexNode> suffixes;
      for (size_t i = start; i < end; ++i) {
        RemoveLeadingNode(&subs[i]);
        suffixes.push_back(std::move(subs[i]));
      }
      out.push_back(Prefixed(std::move(prefix), std::move(suffixes)));
    }
    start = end;
  }
  return out;
}

// Runs of single runes and classes become one class, runs of empty alternatives one.
std::vector<RegexNode> MergeRuns(std::vector<RegexNode> subs) {
  std::vector<RegexNode> out;
  for (size_t start = 0; start < subs.size();) {
    size_t end = start;
    while (end < subs.size() && IsClassLike(subs[end])) ++end;
    if (end > start) {
      size_t most = start;
      for (size_t i = start + 1; i < end; ++i) {
        if (subs[most].op < subs[i].op) most = i;
      }
      std::swap(subs[start], subs[most]);
      for (size_t i = start + 1; i < end; ++i) MergeClasses(&subs[start], subs[i]);
      out.push_back(std::move(subs[start]));
    }
    if (end < subs.size()) {
      const bool repeats_empty = subs[end].op == Op::kEmpty && !out.empty() && out.back().op == Op::kEmpty;
      if (!repeats_empty) out.push_back(std::move(subs[end]));
    }
    start = end + 1;
  }
  return out;
}

}  // namespace

bool IsClassLike(const RegexNode& node) {
  return (node.op == Op::kLiteral && node.runes.size() == 1) || node.op == Op::kCharClass ||
         node.op == Op::kAnyCharNotNewline || node.op == Op::kAnyChar;
}

void MergeClasses(RegexNode* to, const RegexNode& from) {
  switch (to->op) {
    case Op::kAnyChar:
      return;
    case Op::kAnyCharNotNewline:
      if (MatchesNewline(from)) to->op = Op::kAnyChar;
      return;
    case Op::kLiteral:
      if (from.runes == to->runes && from.fold_case == to->fold_case) return;
      break;
    default:
      break;
  }
  const bool newline = MatchesNewline(*to) || MatchesNewline(from);
  to->op = Op::kCharClass;
  to->matches_newline = newline;
  to->class_text.clear();  // equal to no other class
  to->runes.clear();
}

void CleanAlternative(RegexNode* node) {
  if (node->op != Op::kCharClass || !node->class_text.ends_with("[^\\n]")) return;
  *node = RegexNode();
  node->op = Op::kAnyCharNotNewline;
}

RegexNode Collapse(std::vector<RegexNode> subs, Op op) {
  if (subs.size() == 1) return std::move(subs[0]);
  RegexNode node;
  node.op = op;
  for (RegexNode& sub : subs) {
    if (sub.op == op) {
      std::move(sub.subs.begin(), sub.subs.end(), std::back_inserter(node.subs));
    } else {
      node.subs.push_back(std::move(sub));
    }
  }
  if (op == Op::kAlternate) {
    node.subs = MergeRuns(FactorClasses(FactorStrings(std::move(node.subs))));
    if (node.subs.size() == 1) {
      RegexNode only = std::move(node.subs[0]);
      return only;
    }
  }
  return node;
}

}  // namespace skald::logql
