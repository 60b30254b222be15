#include "query/exec/line_filter.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/pattern.h"

namespace skald::exec {
namespace {

using logql::LineFilterOp;
using logql::Overloaded;
using logql::RegexTest;

bool Holds(const LineTest& test, std::string_view line) {
  return std::visit(Overloaded{
                        [](const AlwaysTrue&) { return true; },
                        [&](const NonEmptyText&) { return !line.empty(); },
                        [&](const SubstringFinder& finder) { return finder.FoundIn(line); },
                        [&](const FoldedFinder& finder) { return finder.FoundIn(line); },
                        [&](const RegexMatch& regex) { return regex.Matches(line); },
                        [&](const LinePattern& pattern) { return pattern.Matches(line); },
                        [&](const IpMatcher& ip) { return ip.FoundIn(line); },
                    },
                    test);
}

bool IsAlwaysTrue(const LineTest& test) { return std::holds_alternative<AlwaysTrue>(test); }

// How much text a search over a block can look for on behalf of a test: 0 where there is no such text.
size_t SearchText(const LineTest& test) {
  return std::visit(Overloaded{
                        [](const AlwaysTrue&) { return size_t{0}; },
                        [](const NonEmptyText&) { return size_t{0}; },
                        [](const SubstringFinder& finder) { return finder.needle().size(); },
                        [](const FoldedFinder& finder) {
                          return finder.ascii_only() ? finder.ascii().needle().size() : size_t{0};
                        },
                        [](const RegexMatch& regex) {
                          return regex.required() == nullptr ? size_t{0} : regex.required()->needle().size();
                        },
                        [](const LinePattern& pattern) { return pattern.longest_literal().size(); },
                        [](const IpMatcher&) { return size_t{0}; },
                    },
                    test);
}

// A test for fixed text and nothing else.
bool IsPlain(const LineTest& test) {
  return std::holds_alternative<SubstringFinder>(test) || std::holds_alternative<FoldedFinder>(test);
}

std::vector<PatternPiece> Pieces(const std::vector<logql::PatternToken>& tokens) {
  std::vector<PatternPiece> out;
  for (const logql::PatternToken& token : tokens) {
    if (token.kind == logql::PatternToken::Kind::kLiteral) {
      out.push_back({false, -1, token.text});
    } else {
      out.push_back({true, -1, ""});
    }
  }
  return out;
}

absl::StatusOr<std::vector<LineTest>> TestsOf(LineFilterOp op, const logql::LineFilterOperand& operand,
                                              bool ip) {
  std::vector<LineTest> out;
  switch (op) {
    case LineFilterOp::kContains:
    case LineFilterOp::kNotContains:
      if (ip) {
        ASSIGN_OR_RETURN(IpMatcher matcher, IpMatcher::Make(operand.text));
        out.emplace_back(matcher);
      } else if (operand.text.empty()) {
        out.emplace_back(AlwaysTrue());
      } else {
        out.emplace_back(SubstringFinder(operand.text));
      }
      return out;
    case LineFilterOp::kRegex:
    case LineFilterOp::kNotRegex: {
      if (ip) return InvalidArgument("ip: invalid operation");
      if (const auto simple = logql::SimplifyRegex(operand.text)) return LineTestsOf(*simple);
      ASSIGN_OR_RETURN(RegexMatch regex, RegexMatch::Make(operand.text));
      out.emplace_back(std::move(regex));
      return out;
    }
    case LineFilterOp::kPattern:
    case LineFilterOp::kNotPattern: {
      if (ip) return InvalidArgument("ip: invalid operation");
      ASSIGN_OR_RETURN(const std::vector<logql::PatternToken> tokens, logql::ParseLinePattern(operand.text));
      out.emplace_back(LinePattern(Pieces(tokens)));
      return out;
    }
  }
  return out;
}

// A set of rows [begin, end) as bits.
class RowBits {
 public:
  RowBits(uint32_t begin, uint32_t end) : begin_(begin), words_((end - begin + 63) / 64) {}
  void Set(uint32_t row) { words_[(row - begin_) / 64] |= uint64_t{1} << ((row - begin_) % 64); }
  bool Get(uint32_t row) const { return (words_[(row - begin_) / 64] >> ((row - begin_) % 64) & 1) != 0; }

 private:
  uint32_t begin_;
  std::vector<uint64_t> words_;
};

// The row at or after `row` whose line or newline holds the byte at `offset`; there is one below end.
uint32_t RowAt(const Rows& rows, uint32_t row, uint32_t end, size_t offset) {
  uint32_t step = 1;
  uint32_t low = row;  // every row before low ends before offset
  while (low + step < end && rows.line_end[low + step - 1] < offset) {
    low += step;
    step *= 2;
  }
  const auto first = rows.line_end.begin() + low;
  const auto last = rows.line_end.begin() + std::min(end, low + step);
  return static_cast<uint32_t>(std::lower_bound(first, last, offset) - rows.line_end.begin());
}

// Calls fn(row) once for each row of [begin, end) in whose line the finder's text stands, in ascending order.
template <class Fn>
void ForEachRowWith(const SubstringFinder& finder, const Rows& rows, uint32_t begin, uint32_t end, Fn&& fn) {
  const std::string_view text(rows.text.data(), rows.line_end[end - 1]);
  const size_t size = finder.needle().size();
  size_t at = rows.line_begin(begin);
  uint32_t row = begin;
  while ((at = finder.Find(text, at)) != SubstringFinder::kNotFound) {
    row = RowAt(rows, row, end, at);
    if (at + size > rows.line_end[row]) {
      ++at;  // reaches over the end of a line
      continue;
    }
    fn(row);
    at = rows.line_end[row] + size_t{1};
    if (++row >= end) return;
  }
}

}  // namespace

std::vector<LineTest> LineTestsOf(const RegexTest& test) {
  std::vector<LineTest> out;
  switch (test.kind) {
    case RegexTest::Kind::kAlways:
      out.emplace_back(AlwaysTrue());
      break;
    case RegexTest::Kind::kNonEmpty:
      out.emplace_back(NonEmptyText());
      break;
    case RegexTest::Kind::kLiteral:
    case RegexTest::Kind::kContains:
      if (test.text.empty()) {
        out.emplace_back(AlwaysTrue());
      } else if (test.fold_case) {
        out.emplace_back(FoldedFinder(test.text));
      } else {
        out.emplace_back(SubstringFinder(test.text));
      }
      break;
    case RegexTest::Kind::kAnyOf:
      for (const RegexTest& leg : test.legs) {
        for (LineTest& part : LineTestsOf(leg)) out.push_back(std::move(part));
      }
      break;
  }
  return out;
}

absl::StatusOr<LineFilter> LineFilter::Make(const logql::LineFilter& filter) {
  LineFilter out;
  out.negated_ = filter.op == LineFilterOp::kNotContains || filter.op == LineFilterOp::kNotRegex ||
                 filter.op == LineFilterOp::kNotPattern;
  for (const logql::LineFilterOperand& operand : filter.operands) {
    ASSIGN_OR_RETURN(std::vector<LineTest> tests, TestsOf(filter.op, operand, filter.IsIpFilter()));
    for (LineTest& test : tests) out.any_.push_back(std::move(test));
  }
  // In a chain a member that is always true is left out, unless there is nothing else.
  if (!std::all_of(out.any_.begin(), out.any_.end(), IsAlwaysTrue)) std::erase_if(out.any_, IsAlwaysTrue);
  return out;
}

bool LineFilter::Keeps(std::string_view line) const {
  for (const LineTest& test : any_) {
    if (Holds(test, line)) return !negated_;
  }
  return negated_;
}

GramNeed LineFilter::Need() const {
  GramNeed need;
  if (negated_) return need;
  for (const LineTest& test : any_) {
    if (const auto* finder = std::get_if<SubstringFinder>(&test)) {
      need.AddAlternative(finder->needle());
    } else if (const auto* folded = std::get_if<FoldedFinder>(&test)) {
      need.AddAlternative(folded->NeededParts());
    } else if (const auto* regex = std::get_if<RegexMatch>(&test);
               regex != nullptr && regex->required() != nullptr) {
      need.AddAlternative(regex->required()->needle());
    } else if (const auto* pattern = std::get_if<LinePattern>(&test)) {
      need.AddAlternative(pattern->longest_literal());
    } else {
      need.AddAlternative(std::string_view());
    }
  }
  return need;
}

bool LineFilter::AlwaysKeeps() const { return !negated_ && IsAlwaysTrue(any_[0]); }

size_t LineFilters::SearchWorth(const LineFilter& filter) {
  size_t worth = SIZE_MAX;
  for (const LineTest& test : filter.any_) {
    // Of a negative filter only fixed text will do: where a required text stands, the regex may still not
    // match.
    const size_t text = filter.negated_ && !IsPlain(test) ? 0 : SearchText(test);
    worth = std::min(worth, text);
  }
  if (worth == 0 || worth == SIZE_MAX) return 0;
  // One positive text leaves the fewest lines; several passes and negative filters come after it.
  size_t rank = std::min<size_t>(worth, 100);
  if (!filter.negated_) rank += 200;
  if (filter.any_.size() == 1) rank += 100;
  return rank;
}

LineFilters::LineFilters(std::vector<LineFilter> filters) : filters_(std::move(filters)) {
  std::erase_if(filters_, [](const LineFilter& filter) { return filter.AlwaysKeeps(); });
  size_t best = 0;
  for (size_t i = 0; i < filters_.size(); ++i) {
    const size_t worth = SearchWorth(filters_[i]);
    if (worth <= best) continue;
    best = worth;
    driver_ = i;
  }
  if (driver_ == kNoDriver) return;
  const std::vector<LineTest>& tests = filters_[driver_].any_;
  driver_exact_ = std::all_of(tests.begin(), tests.end(), IsPlain);
}

bool LineFilters::Keep(std::string_view line) const { return KeepAllBut(kNoDriver, line); }

bool LineFilters::KeepAllBut(size_t skipped, std::string_view line) const {
  for (size_t i = 0; i < filters_.size(); ++i) {
    if (i != skipped && !filters_[i].Keeps(line)) return false;
  }
  return true;
}

bool LineFilters::AsciiSuffices(const Rows& rows, uint32_t begin, uint32_t end) const {
  const size_t first = rows.line_begin(begin);
  const std::string_view text(rows.text.data() + first, rows.line_end[end - 1] - first);
  for (const LineTest& test : filters_[driver_].any_) {
    const auto* folded = std::get_if<FoldedFinder>(&test);
    if (folded != nullptr && !folded->AsciiSuffices(text)) return false;
  }
  return true;
}

void LineFilters::KeepRows(const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* out) const {
  if (begin >= end) return;
  if (driver_ == kNoDriver || !AsciiSuffices(rows, begin, end)) {
    for (uint32_t row = begin; row < end; ++row) {
      if (Keep(rows.line(row))) out->push_back(row);
    }
    return;
  }
  const LineFilter& driver = filters_[driver_];
  const size_t settled = driver_exact_ ? driver_ : kNoDriver;
  const bool alone = driver_exact_ && filters_.size() == 1;
  const auto keep = [&](uint32_t row) {
    if (alone || KeepAllBut(settled, rows.line(row))) out->push_back(row);
  };
  const auto search = [&](const LineTest& test, auto&& fn) {
    if (const auto* finder = std::get_if<SubstringFinder>(&test)) {
      ForEachRowWith(*finder, rows, begin, end, fn);
    } else if (const auto* folded = std::get_if<FoldedFinder>(&test)) {
      ForEachRowWith(folded->ascii(), rows, begin, end, fn);
    } else if (const auto* regex = std::get_if<RegexMatch>(&test)) {
      ForEachRowWith(*regex->required(), rows, begin, end, fn);
    } else {
      ForEachRowWith(SubstringFinder(std::get<LinePattern>(test).longest_literal()), rows, begin, end, fn);
    }
  };
  if (!driver.negated_ && driver.any_.size() == 1) {
    search(driver.any_[0], keep);
    return;
  }
  RowBits hits(begin, end);
  for (const LineTest& test : driver.any_) {
    search(test, [&](uint32_t row) { hits.Set(row); });
  }
  for (uint32_t row = begin; row < end; ++row) {
    if (hits.Get(row) != driver.negated_) keep(row);
  }
}

}  // namespace skald::exec
