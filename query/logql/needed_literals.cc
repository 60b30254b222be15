#include "query/logql/needed_literals.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "query/logql/regex_tree.h"
#include "text/runes.h"

namespace skald::logql {
namespace {

using Op = RegexNode::Op;
using Literals = std::vector<NeededLiteral>;

constexpr size_t kMaxLiterals = 64;
constexpr size_t kMinBytes = 2;

// The part of a literal that a search for bytes may look for: under folding the longest run without letters
// that have relatives beyond ASCII (k and s), or that are beyond ASCII themselves.
NeededLiteral Searchable(const NeededLiteral& literal) {
  if (literal.text.find("\xef\xbf\xbd") != std::string::npos) return {};
  if (!literal.fold_ascii) return literal;
  NeededLiteral best{"", true};
  size_t begin = 0;
  for (size_t i = 0; i <= literal.text.size(); ++i) {
    const bool cut = i == literal.text.size() || static_cast<signed char>(literal.text[i]) < 0 ||
                     literal.text[i] == 'k' || literal.text[i] == 's';
    if (!cut) continue;
    if (i - begin > best.text.size()) best.text = literal.text.substr(begin, i - begin);
    begin = i + 1;
  }
  return best;
}

size_t Shortest(const Literals& literals) {
  size_t shortest = SIZE_MAX;
  for (const NeededLiteral& literal : literals) {
    shortest = std::min(shortest, Searchable(literal).text.size());
  }
  return literals.empty() ? 0 : shortest;
}

// What is known about the matches of a node.
struct Known {
  std::optional<Literals> whole;  // each match is one of these, as far as its bytes go; "" may be among them
  Literals needed;                // one of these stands in each match; empty: nothing known
};

// The better of two sets to look for: long literals above all, then few.
void Improve(Literals* best, const Literals& other) {
  const size_t have = Shortest(*best);
  const size_t offered = Shortest(other);
  if (offered > have || (offered == have && offered > 0 && other.size() < best->size())) *best = other;
}

Literals Best(const Known& known) {
  Literals best = known.needed;
  if (known.whole) Improve(&best, *known.whole);
  return best;
}

// Each of left followed by each of right; nullopt for too many.
std::optional<Literals> Product(const Literals& left, const Literals& right) {
  if (left.size() * right.size() > kMaxLiterals) return std::nullopt;
  Literals out;
  for (const NeededLiteral& a : left) {
    for (const NeededLiteral& b : right) {
      NeededLiteral both{a.text + b.text, a.fold_ascii || b.fold_ascii};
      if (both.fold_ascii) {
        for (char& c : both.text) {
          if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
        }
      }
      out.push_back(std::move(both));
    }
  }
  return out;
}

Known Of(const RegexNode& node);

Known OfLiteral(const RegexNode& node) {
  NeededLiteral literal{"", node.fold_case};
  for (const char32_t rune : node.runes) AppendRune(&literal.text, node.fold_case ? ToLowerRune(rune) : rune);
  return Known{Literals{literal}, {}};
}

Known OfConcat(const RegexNode& node) {
  Known out{Literals{{}}, {}};
  std::optional<Literals> run = out.whole;  // of the parts since the last one that could be anything
  for (const RegexNode& sub : node.subs) {
    const Known part = Of(sub);
    Improve(&out.needed, part.needed);
    std::optional<Literals> longer = part.whole && run ? Product(*run, *part.whole) : std::nullopt;
    if (!longer) {
      if (run) Improve(&out.needed, *run);
      out.whole.reset();
      run = part.whole ? part.whole : std::optional(Literals{{}});
      continue;
    }
    run = std::move(longer);
  }
  if (run) Improve(&out.needed, *run);
  if (out.whole) out.whole = std::move(run);
  return out;
}

Known OfAlternate(const RegexNode& node) {
  Known out{Literals(), {}};
  bool needs = true;
  for (const RegexNode& sub : node.subs) {
    const Known leg = Of(sub);
    const Literals best = Best(leg);
    needs = needs && Shortest(best) > 0;
    out.needed.insert(out.needed.end(), best.begin(), best.end());
    if (!leg.whole) out.whole.reset();
    if (out.whole) out.whole->insert(out.whole->end(), leg.whole->begin(), leg.whole->end());
  }
  if (!needs || out.needed.size() > kMaxLiterals) out.needed.clear();
  if (out.whole && out.whole->size() > kMaxLiterals) out.whole.reset();
  return out;
}

Known Of(const RegexNode& node) {
  switch (node.op) {
    case Op::kLiteral:
      return OfLiteral(node);
    case Op::kEmpty:
    case Op::kAssertion:
      return Known{Literals{{}}, {}};
    case Op::kCapture:
      return Of(node.subs[0]);
    case Op::kPlus:
      return Known{std::nullopt, Best(Of(node.subs[0]))};
    case Op::kRepeat:
      return node.min > 0 ? Known{std::nullopt, Best(Of(node.subs[0]))} : Known{};
    case Op::kQuest: {
      Known out = Of(node.subs[0]);
      out.needed.clear();
      if (out.whole) out.whole->push_back({});
      return out;
    }
    case Op::kConcat:
      return OfConcat(node);
    case Op::kAlternate:
      return OfAlternate(node);
    default:
      return {};
  }
}

}  // namespace

std::vector<NeededLiteral> FindNeededLiterals(std::string_view regex) {
  const std::optional<RegexNode> tree = ParseRegexTree(regex);
  if (!tree) return {};
  const Literals best = Best(Of(*tree));
  if (Shortest(best) < kMinBytes) return {};
  Literals out;
  for (const NeededLiteral& literal : best) {
    NeededLiteral text = Searchable(literal);
    if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
  }
  return out;
}

}  // namespace skald::logql
