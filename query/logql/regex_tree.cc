#include "query/logql/regex_tree.h"

#include <algorithm>
#include <utility>

#include "base/go_regex.h"
#include "base/utf8.h"
#include "query/logql/regex_factor.h"
#include "text/runes.h"

namespace skald::logql {
namespace {

using Op = RegexNode::Op;

constexpr int kMaxDepth = 200;

// All runes equal to rune but for their case, rune itself among them.
std::vector<char32_t> FoldOrbit(char32_t rune) {
  constexpr char32_t kKelvin = 0x212A;
  constexpr char32_t kLongS = 0x17F;
  if (rune == 'k' || rune == 'K' || rune == kKelvin) return {'K', 'k', kKelvin};
  if (rune == 's' || rune == 'S' || rune == kLongS) return {'S', 's', kLongS};
  std::vector<char32_t> orbit = {rune};
  for (const char32_t other : {ToUpperRune(rune), ToLowerRune(rune)}) {
    if (std::find(orbit.begin(), orbit.end(), other) == orbit.end()) orbit.push_back(other);
  }
  std::sort(orbit.begin(), orbit.end());
  return orbit;
}

// Reads a regex that is known to compile.
class TreeParser {
 public:
  explicit TreeParser(std::string_view regex) : rest_(regex) {}

  std::optional<RegexNode> Run() {
    while (!rest_.empty()) {
      if (!Step()) return std::nullopt;
    }
    Concat();
    if (SwapVerticalBar()) stack_.pop_back();
    Alternate();
    if (stack_.size() != 1) return std::nullopt;
    return std::move(stack_[0]);
  }

 private:
  struct Flags {
    bool fold_case = false;
    bool dot_newline = false;
    bool non_greedy = false;
  };

  bool Step() {
    switch (rest_[0]) {
      case '(':
        return OpenParen();
      case '|':
        Concat();
        if (!SwapVerticalBar()) PushOp(Op::kVerticalBar);
        rest_.remove_prefix(1);
        return true;
      case ')':
        rest_.remove_prefix(1);
        return CloseParen();
      case '^':
      case '$':
        PushOp(Op::kAssertion);
        rest_.remove_prefix(1);
        return true;
      case '.':
        PushOp(flags_.dot_newline ? Op::kAnyChar : Op::kAnyCharNotNewline);
        rest_.remove_prefix(1);
        return true;
      case '[':
        return Class();
      case '*':
      case '+':
      case '?': {
        const Op op = rest_[0] == '*' ? Op::kStar : rest_[0] == '+' ? Op::kPlus : Op::kQuest;
        rest_.remove_prefix(1);
        return Repeat(op, 0, 0);
      }
      case '{':
        return Braces();
      case '\\':
        return Escape();
      default:
        PushLiteral(TakeRune());
        return true;
    }
  }

  char32_t TakeRune() {
    const DecodedRune decoded = DecodeRune(rest_);
    rest_.remove_prefix(decoded.size);
    return decoded.rune;
  }

  // ----------------------------------------------------------------------------------------- the stack

  // The two topmost literals become one; called before each push, when no repetition can take the last rune
  // any more.
  void JoinLiterals() {
    const size_t n = stack_.size();
    if (n < 2 || stack_[n - 1].op != Op::kLiteral || stack_[n - 2].op != Op::kLiteral ||
        stack_[n - 1].fold_case != stack_[n - 2].fold_case) {
      return;
    }
    stack_[n - 2].runes += stack_[n - 1].runes;
    stack_.pop_back();
  }

  void Push(RegexNode node) {
    JoinLiterals();
    stack_.push_back(std::move(node));
  }

  void PushOp(Op op) {
    RegexNode node;
    node.op = op;
    Push(std::move(node));
  }

  void PushRune(char32_t rune, bool fold_case) {
    RegexNode node;
    node.op = Op::kLiteral;
    node.fold_case = fold_case;
    node.runes = std::u32string(1, rune);
    Push(std::move(node));
  }

  void PushLiteral(char32_t rune) {
    PushRune(flags_.fold_case ? FoldOrbit(rune)[0] : rune, flags_.fold_case);
  }

  std::vector<RegexNode> PopOperands() {
    size_t i = stack_.size();
    while (i > 0 && stack_[i - 1].op < Op::kLeftParen) --i;
    std::vector<RegexNode> subs(std::make_move_iterator(stack_.begin() + static_cast<ptrdiff_t>(i)),
                                std::make_move_iterator(stack_.end()));
    stack_.resize(i);
    return subs;
  }

  void Concat() {
    JoinLiterals();
    std::vector<RegexNode> subs = PopOperands();
    if (subs.empty()) {
      PushOp(Op::kEmpty);
    } else {
      Push(Collapse(std::move(subs), Op::kConcat));
    }
  }

  void Alternate() {
    std::vector<RegexNode> subs = PopOperands();
    if (subs.empty()) {
      PushOp(Op::kEmpty);
    } else {
      CleanAlternative(&subs.back());
      Push(Collapse(std::move(subs), Op::kAlternate));
    }
  }

  // Puts the alternative on top below the bar under it, merging it into the one before if both are classes.
  bool SwapVerticalBar() {
    const size_t n = stack_.size();
    if (n >= 3 && stack_[n - 2].op == Op::kVerticalBar && IsClassLike(stack_[n - 1]) &&
        IsClassLike(stack_[n - 3])) {
      if (stack_[n - 1].op > stack_[n - 3].op) std::swap(stack_[n - 1], stack_[n - 3]);
      MergeClasses(&stack_[n - 3], stack_[n - 1]);
      stack_.pop_back();
      return true;
    }
    if (n >= 2 && stack_[n - 2].op == Op::kVerticalBar) {
      if (n >= 3) CleanAlternative(&stack_[n - 3]);
      std::swap(stack_[n - 1], stack_[n - 2]);
      return true;
    }
    return false;
  }

  // -------------------------------------------------------------------------------------------- groups

  bool OpenParen() {
    if (open_.size() >= kMaxDepth) return false;
    if (!rest_.starts_with("(?")) {
      rest_.remove_prefix(1);
      return OpenGroup(true);
    }
    if (rest_.starts_with("(?P<") || rest_.starts_with("(?<")) {
      const size_t end = rest_.find('>');
      if (end == std::string_view::npos) return false;
      rest_.remove_prefix(end + 1);
      return OpenGroup(true);
    }
    rest_.remove_prefix(2);
    Flags flags = flags_;
    for (bool on = true; !rest_.empty();) {
      const char c = rest_[0];
      rest_.remove_prefix(1);
      switch (c) {
        case 'i':
          flags.fold_case = on;
          break;
        case 's':
          flags.dot_newline = on;
          break;
        case 'U':
          flags.non_greedy = on;
          break;
        case 'm':
          break;
        case '-':
          on = false;
          break;
        case ':':
          OpenGroup(false);
          flags_ = flags;
          return true;
        case ')':
          flags_ = flags;
          return true;
        default:
          return false;
      }
    }
    return false;
  }

  bool OpenGroup(bool capture) {
    PushOp(Op::kLeftParen);
    open_.push_back({flags_, capture});
    return true;
  }

  bool CloseParen() {
    Concat();
    if (SwapVerticalBar()) stack_.pop_back();
    Alternate();
    const size_t n = stack_.size();
    if (n < 2 || stack_[n - 2].op != Op::kLeftParen || open_.empty()) return false;
    RegexNode inner = std::move(stack_[n - 1]);
    stack_.resize(n - 2);
    flags_ = open_.back().flags;
    if (open_.back().capture) {
      RegexNode group;
      group.op = Op::kCapture;
      group.subs.push_back(std::move(inner));
      inner = std::move(group);
    }
    open_.pop_back();
    Push(std::move(inner));
    return true;
  }

  // --------------------------------------------------------------------------------------- repetitions

  bool Repeat(Op op, int min, int max) {
    if (stack_.empty() || stack_.back().op >= Op::kLeftParen) return false;
    RegexNode node;
    node.op = op;
    node.min = min;
    node.max = max;
    node.non_greedy = flags_.non_greedy;
    if (rest_.starts_with('?')) {
      rest_.remove_prefix(1);
      node.non_greedy = !node.non_greedy;
    }
    node.subs.push_back(std::move(stack_.back()));
    stack_.back() = std::move(node);
    return true;
  }

  bool TakeInt(int* value) {
    size_t digits = 0;
    *value = 0;
    while (digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9') {
      *value = std::min(*value * 10 + (rest_[digits] - '0'), 100000);
      ++digits;
    }
    if (digits == 0 || (digits > 1 && rest_[0] == '0')) return false;
    rest_.remove_prefix(digits);
    return true;
  }

  // {n}, {n,}, {n,m}; anything else is a literal brace.
  bool Braces() {
    const std::string_view start = rest_;
    rest_.remove_prefix(1);
    int min = 0;
    int max = 0;
    bool ok = TakeInt(&min);
    if (ok && rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      if (rest_.starts_with('}')) {
        max = -1;
      } else {
        ok = TakeInt(&max);
      }
    } else {
      max = min;
    }
    if (!ok || !rest_.starts_with('}')) {
      rest_ = start.substr(1);
      PushLiteral('{');
      return true;
    }
    rest_.remove_prefix(1);
    return Repeat(Op::kRepeat, min, max);
  }

  // ------------------------------------------------------------------------------- escapes and classes

  void PushClass(std::string_view text) {
    RegexNode node;
    node.op = Op::kCharClass;
    node.class_text = flags_.fold_case ? "(?i)" : "";
    node.class_text += text;
    const auto compiled = CompileGoRegex(node.class_text);
    node.matches_newline = compiled.ok() && re2::RE2::FullMatch("\n", **compiled);
    Push(std::move(node));
  }

  bool Escape() {
    if (rest_.size() < 2) return false;
    switch (rest_[1]) {
      case 'A':
      case 'b':
      case 'B':
      case 'z':
        PushOp(Op::kAssertion);
        rest_.remove_prefix(2);
        return true;
      case 'Q': {
        const size_t end = rest_.find("\\E");
        std::string_view literal = rest_.substr(2, end == std::string_view::npos ? end : end - 2);
        const std::string_view after =
            end == std::string_view::npos ? std::string_view() : rest_.substr(end + 2);
        for (rest_ = literal; !rest_.empty();) PushLiteral(TakeRune());
        rest_ = after;
        return true;
      }
      default:
        break;
    }
    if (const size_t size = ClassEscapeSize(); size > 0) {
      PushClass(rest_.substr(0, size));
      rest_.remove_prefix(size);
      return true;
    }
    char32_t rune = 0;
    if (!TakeEscapedRune(&rune)) return false;
    PushLiteral(rune);
    return true;
  }

  // The bytes of \d, \pN, \p{Greek} and the like at the start, else 0.
  size_t ClassEscapeSize() const {
    if (rest_.size() < 2 || rest_[0] != '\\') return 0;
    if (std::string_view("dDsSwW").find(rest_[1]) != std::string_view::npos) return 2;
    if (rest_[1] != 'p' && rest_[1] != 'P') return 0;
    if (rest_.size() < 3) return 0;
    if (rest_[2] != '{') return 2 + DecodeRune(rest_.substr(2)).size;
    const size_t end = rest_.find('}');
    return end == std::string_view::npos ? 0 : end + 1;
  }

  bool TakeEscapedRune(char32_t* rune) {
    rest_.remove_prefix(1);
    if (rest_.empty()) return false;
    const char c = rest_[0];
    if (c >= '0' && c <= '7') {
      *rune = 0;
      for (int i = 0; i < 3 && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '7';
           ++i, rest_.remove_prefix(1)) {
        *rune = *rune * 8 + static_cast<char32_t>(rest_[0] - '0');
      }
      return true;
    }
    if (c == 'x') {
      rest_.remove_prefix(1);
      const bool braces = rest_.starts_with('{');
      const size_t size = braces ? rest_.find('}') : 2;
      if (size > rest_.size()) return false;
      const std::string_view digits = braces ? rest_.substr(1, size - 1) : rest_.substr(0, 2);
      *rune = 0;
      for (const char d : digits) {
        const int value = d >= '0' && d <= '9'                     ? d - '0'
                          : (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10
                                                                   : -1;
        if (value < 0 || *rune > 0x10FFFF) return false;
        *rune = *rune * 16 + static_cast<char32_t>(value);
      }
      rest_.remove_prefix(braces ? size + 1 : size);
      return true;
    }
    constexpr std::string_view kNames = "afnrtv";
    constexpr std::string_view kValues = "\a\f\n\r\t\v";
    if (const size_t at = kNames.find(c); at != std::string_view::npos) {
      *rune = static_cast<unsigned char>(kValues[at]);
      rest_.remove_prefix(1);
      return true;
    }
    *rune = TakeRune();
    return true;
  }

  // A class of one rune, or of the two cases of one, is a literal.
  bool Class() {
    const std::string_view start = rest_;
    rest_.remove_prefix(1);
    bool simple = true;  // only runes and ranges, not negated
    if (rest_.starts_with('^')) {
      simple = false;
      rest_.remove_prefix(1);
    }
    std::vector<char32_t> members;
    for (bool first = true; first || !rest_.starts_with(']'); first = false) {
      if (rest_.empty()) return false;
      if (rest_.starts_with("[:")) {
        if (const size_t end = rest_.find(":]", 2); end != std::string_view::npos) {
          rest_.remove_prefix(end + 2);
          simple = false;
          continue;
        }
      }
      if (const size_t size = ClassEscapeSize(); size > 0) {
        rest_.remove_prefix(size);
        simple = false;
        continue;
      }
      char32_t low = 0;
      if (!TakeClassRune(&low)) return false;
      char32_t high = low;
      if (rest_.size() >= 2 && rest_[0] == '-' && rest_[1] != ']') {
        rest_.remove_prefix(1);
        if (!TakeClassRune(&high)) return false;
      }
      if (high > low + 1) simple = false;
      members.push_back(low);
      members.push_back(high);
    }
    rest_.remove_prefix(1);
    const std::string_view text = start.substr(0, start.size() - rest_.size());
    if (simple && PushAsLiteral(std::move(members))) return true;
    PushClass(text);
    return true;
  }

  bool TakeClassRune(char32_t* rune) {
    if (rest_.empty()) return false;
    if (rest_[0] == '\\') return TakeEscapedRune(rune);
    *rune = TakeRune();
    return true;
  }

  bool PushAsLiteral(std::vector<char32_t> members) {
    if (flags_.fold_case) {
      for (const char32_t rune : std::vector<char32_t>(members)) {
        const std::vector<char32_t> orbit = FoldOrbit(rune);
        members.insert(members.end(), orbit.begin(), orbit.end());
      }
    }
    std::sort(members.begin(), members.end());
    members.erase(std::unique(members.begin(), members.end()), members.end());
    if (members.size() == 1) {
      PushRune(members[0], false);
      return true;
    }
    if (members.size() == 2 && FoldOrbit(members[0]) == members) {
      PushRune(members[0], true);
      return true;
    }
    return false;
  }

  struct OpenGroupState {
    Flags flags;
    bool capture;
  };

  std::string_view rest_;
  Flags flags_;
  std::vector<RegexNode> stack_;
  std::vector<OpenGroupState> open_;
};

// Repetitions of nothing and of repetitions, and counted ones that are really *, + or the thing itself.
RegexNode SimplifyRepetitions(RegexNode node) {
  for (RegexNode& sub : node.subs) sub = SimplifyRepetitions(std::move(sub));
  if (node.op == Op::kRepeat) {
    if (node.min == 0 && node.max == 0) return RegexNode();
    if (node.min == 1 && node.max == 1) {
      RegexNode sub = std::move(node.subs[0]);
      return sub;
    }
    if (node.min == 0 && node.max == 1) node.op = Op::kQuest;
    if (node.max == -1 && node.min <= 1) node.op = node.min == 0 ? Op::kStar : Op::kPlus;
  }
  if (node.op == Op::kStar || node.op == Op::kPlus || node.op == Op::kQuest) {
    const RegexNode& sub = node.subs[0];
    if (sub.op == Op::kEmpty || (sub.op == node.op && sub.non_greedy == node.non_greedy)) {
      RegexNode same = std::move(node.subs[0]);
      return same;
    }
  }
  return node;
}

}  // namespace

std::optional<RegexNode> ParseRegexTree(std::string_view regex) {
  if (!CompileGoRegex(regex).ok()) return std::nullopt;
  std::optional<RegexNode> tree = TreeParser(regex).Run();
  if (tree) *tree = SimplifyRepetitions(std::move(*tree));
  return tree;
}

}  // namespace skald::logql
