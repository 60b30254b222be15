#include "query/exec/pipeline/line_filter.h"

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

// Texts of which one stands wherever the test holds; empty where nothing is known.
std::vector<logql::NeededLiteral> NeededBy(const LineTest& test) {
  using Needed = std::vector<logql::NeededLiteral>;
  return std::visit(Overloaded{
                        [](const AlwaysTrue&) { return Needed(); },
                        [](const NonEmptyText&) { return Needed(); },
                        [](const SubstringFinder& finder) {
                          return Needed{{finder.needle(), false}};
                        },
                        [](const FoldedFinder& finder) {
                          return finder.ascii_only() ? Needed{{finder.ascii().needle(), true}} : Needed();
                        },
                        [](const RegexMatch& regex) { return regex.searched(); },
                        [](const LinePattern& pattern) {
                          return pattern.longest_literal().empty()
                                     ? Needed()
                                     : Needed{{std::string(pattern.longest_literal()), false}};
                        },
                        [](const IpMatcher&) { return Needed(); },
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

// The same for several texts at once; a row may come up more than once. False where the scan could not be
// run.
template <class Fn>
bool ForEachRowWith(const LiteralSet& set, const Rows& rows, uint32_t begin, uint32_t end, Fn&& fn) {
  const size_t base = rows.line_begin(begin);
  const std::string_view text(rows.text.data() + base, rows.line_end[end - 1] - base);
  uint32_t row = begin;  // matches come in order of their ends
  size_t done = 0;       // matches that end up to here say nothing new
  return set.ForEach(text, [&](size_t from, size_t to) {
    if (to <= done) return;
    row = RowAt(rows, row, end, base + to - 1);
    if (base + to > rows.line_end[row] || base + from < rows.line_begin(row))
      return;  // over the end of a line
    done = rows.line_end[row] - base;
    fn(row);
  });
}

// The fewest texts for which looking for all at once beats looking for each.
constexpr size_t kFewestForSet = 2;

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
  out.FindNeeded();
  return out;
}

void LineFilter::FindNeeded() {
  needed_suffices_ = std::all_of(any_.begin(), any_.end(), IsPlain);
  for (const LineTest& test : any_) {
    const std::vector<logql::NeededLiteral> needed = NeededBy(test);
    if (needed.empty()) {
      needed_.clear();
      return;
    }
    needed_.insert(needed_.end(), needed.begin(), needed.end());
  }
}

bool LineFilter::Keeps(std::string_view line) const {
  for (const LineTest& test : any_) {
    if (Holds(test, line)) return !negated_;
  }
  return negated_;
}

std::vector<TextParts> LineFilter::NeededTexts() const {
  std::vector<TextParts> out;
  if (negated_) return out;
  for (const LineTest& test : any_) {
    const size_t before = out.size();
    if (const auto* finder = std::get_if<SubstringFinder>(&test)) {
      out.push_back({{finder->needle()}, false});
    } else if (const auto* folded = std::get_if<FoldedFinder>(&test)) {
      const std::vector<std::string_view> parts = folded->NeededParts();
      if (!parts.empty()) out.push_back({{parts.begin(), parts.end()}, true});
    } else if (const auto* regex = std::get_if<RegexMatch>(&test)) {
      for (const logql::NeededLiteral& literal : regex->needed())
        out.push_back({{literal.text}, literal.fold_ascii});
    } else if (const auto* pattern = std::get_if<LinePattern>(&test)) {
      if (!pattern->longest_literal().empty())
        out.push_back({{std::string(pattern->longest_literal())}, false});
    }
    if (out.size() == before) return {};
  }
  return out;
}

bool LineFilter::AlwaysKeeps() const { return !negated_ && IsAlwaysTrue(any_[0]); }

size_t LineFilters::SearchWorth(const LineFilter& filter) {
  if (filter.needed_.empty()) return 0;
  size_t shortest = SIZE_MAX;
  for (const logql::NeededLiteral& literal : filter.needed_)
    shortest = std::min(shortest, literal.text.size());
  // One positive text leaves the fewest lines; several texts and negative filters come after it.
  size_t rank = std::min<size_t>(shortest, 100);
  if (!filter.negated_) rank += 200;
  if (filter.needed_.size() == 1) rank += 100;
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
  const std::vector<logql::NeededLiteral>& needed = filters_[driver_].needed_;
  if (needed.size() >= kFewestForSet) set_ = LiteralSet::Make(needed);
  for (const logql::NeededLiteral& literal : needed) finders_.emplace_back(literal.text, literal.fold_ascii);
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
  const std::vector<LineTest>& tests = filters_[driver_].any_;
  std::optional<bool> ascii;  // asked once for all tests
  return std::all_of(tests.begin(), tests.end(), [&](const LineTest& test) {
    const auto* folded = std::get_if<FoldedFinder>(&test);
    if (folded == nullptr) return true;
    if (tests.size() > 1 && !ascii.has_value()) ascii = IsAscii(text);
    return ascii.value_or(false) ? folded->ascii_only() : folded->AsciiSuffices(text);
  });
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
  // Of a row with and of one without any of the texts, whether the driver still has to look.
  const size_t hit_settled = driver.needed_suffices_ ? driver_ : kNoDriver;
  const auto keep = [&](uint32_t row, size_t settled) {
    if ((settled == driver_ && filters_.size() == 1) || KeepAllBut(settled, rows.line(row)))
      out->push_back(row);
  };
  if (!driver.negated_ && finders_.size() == 1) {
    ForEachRowWith(finders_[0], rows, begin, end, [&](uint32_t row) { keep(row, hit_settled); });
    return;
  }
  RowBits hits(begin, end);
  const auto hit = [&](uint32_t row) { hits.Set(row); };
  if (!set_ || !ForEachRowWith(*set_, rows, begin, end, hit)) {
    for (const SubstringFinder& finder : finders_) ForEachRowWith(finder, rows, begin, end, hit);
  }
  for (uint32_t row = begin; row < end; ++row) {
    if (!hits.Get(row)) {
      if (driver.negated_) keep(row, driver_);
    } else if (!driver.negated_ || !driver.needed_suffices_) {
      keep(row, hit_settled);
    }
  }
}

}  // namespace skald::exec
