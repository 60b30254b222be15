// How Go puts concatenations and alternations of a regex tree together (see regex_tree.h).
#pragma once

#include <vector>

#include "query/logql/regex_tree.h"

namespace skald::logql {

// A single rune, a class, a dot.
bool IsClassLike(const RegexNode& node);
// to = to or from, for two class-like nodes of which `to` is the more complex.
void MergeClasses(RegexNode* to, const RegexNode& from);
// An alternative that is nothing but [^\n] is a dot.
void CleanAlternative(RegexNode* node);
// One node (kConcat or kAlternate) of all subs, nodes of the same op inside it taken apart, alternatives
// factored.
RegexNode Collapse(std::vector<RegexNode> subs, RegexNode::Op op);

}  // namespace skald::logql
