#include "rules/expr_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/nearest_word.h"

namespace skald::rules {
namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':'; }

// What stands in quotes is blanked, so that only the language's own signs are left. Places stay.
std::string WithoutTexts(std::string_view text) {
  std::string out(text);
  char quote = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    if (quote == 0) {
      if (c == '"' || c == '`' || c == '\'') quote = c;
      continue;
    }
    if (c == quote) {
      quote = 0;
      continue;
    }
    if (c == '\\' && quote != '`' && i + 1 < out.size()) out[i++] = ' ';
    out[i] = ' ';
  }
  return out;
}

size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

// The word at this place, "" where there is none.
std::string_view WordAt(std::string_view text, size_t at) {
  if (at >= text.size()) return "";
  size_t end = at;
  while (end < text.size() && IsWordChar(text[end])) ++end;
  return text.substr(at, end - at);
}

// Of the error, 0-based; the text's end where it is not known.
size_t PlaceOf(std::string_view text, int line, int col) {
  size_t begin = 0;
  for (int i = 1; i < line && begin < text.size(); ++i) begin = text.find('\n', begin) + 1;
  if (col <= 0) return text.size();
  return std::min(begin + static_cast<size_t>(col - 1), text.size());
}

const std::vector<std::string>& Functions() {
  static const std::vector<std::string> kWords = {"rate",
                                                  "count_over_time",
                                                  "bytes_rate",
                                                  "bytes_over_time",
                                                  "absent_over_time",
                                                  "rate_counter",
                                                  "sum_over_time",
                                                  "avg_over_time",
                                                  "min_over_time",
                                                  "max_over_time",
                                                  "stddev_over_time",
                                                  "stdvar_over_time",
                                                  "quantile_over_time",
                                                  "first_over_time",
                                                  "last_over_time",
                                                  "sum",
                                                  "avg",
                                                  "min",
                                                  "max",
                                                  "count",
                                                  "stddev",
                                                  "stdvar",
                                                  "topk",
                                                  "bottomk",
                                                  "sort",
                                                  "sort_desc",
                                                  "label_replace",
                                                  "vector"};
  return kWords;
}

const std::vector<std::string>& Stages() {
  static const std::vector<std::string> kWords = {"json",       "logfmt",      "regexp",       "pattern",
                                                  "unpack",     "line_format", "label_format", "unwrap",
                                                  "decolorize", "drop",        "keep"};
  return kWords;
}

// Functions of PromQL that people look for.
struct Other {
  std::string_view word;
  std::string_view advice;
};
constexpr Other kOthers[] = {
    {"histogram_quantile",
     "LogQL has the quantile of lines: quantile_over_time(0.95, {app=\"api\"} | json | unwrap duration [5m]) "
     "by "
     "(path)"},
    {"increase", "write count_over_time({...}[5m]) in place of increase"},
    {"irate", "write rate({...}[1m]) in place of irate"},
    {"absent", "write absent_over_time({...}[2m]) in place of absent"},
    {"count_values", "count the lines by a label: sum by (status) (count_over_time({...} | json [5m]))"},
    {"present_over_time", "write count_over_time({...}[5m]) > 0 in place of present_over_time"},
    {"time", "LogQL has no time(): give the alert's for, or a range, the length that is meant"},
};

// A word before an opening bracket that is no function.
std::optional<std::string> OfFunctions(std::string_view bare) {
  for (size_t i = 0; i < bare.size(); ++i) {
    if (!IsWordChar(bare[i]) || (i > 0 && IsWordChar(bare[i - 1]))) continue;
    const std::string_view word = WordAt(bare, i);
    const size_t behind = SkipBlanks(bare, i + word.size());
    if (behind >= bare.size() || bare[behind] != '(') continue;
    for (const Other& other : kOthers) {
      if (word == other.word) return std::string(other.advice);
    }
    constexpr std::string_view kKeywords[] = {"by",
                                              "without",
                                              "on",
                                              "ignoring",
                                              "group_left",
                                              "group_right",
                                              "bool",
                                              "and",
                                              "or",
                                              "unless",
                                              "ip",
                                              "variants",
                                              "of",
                                              "approx_topk",
                                              "count_distinct_over_time",
                                              "duration",
                                              "duration_seconds",
                                              "bytes",
                                              "unwrap"};
    if (std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords)) continue;
    const std::vector<std::string>& known = Functions();
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    const std::string near = NearestWord(word, known);
    if (!near.empty()) return fmt::format("write {} in place of {}", near, word);
    return fmt::format(
        "LogQL has no {}: count or measure lines, with rate, count_over_time, or quantile_over_time and the "
        "like "
        "over `| unwrap field`",
        word);
  }
  return std::nullopt;
}

// A metric's name before its labels.
std::optional<std::string> OfMetricNames(std::string_view bare, std::string_view text) {
  for (size_t brace = bare.find('{'); brace != std::string_view::npos; brace = bare.find('{', brace + 1)) {
    size_t begin = brace;
    while (begin > 0 && IsWordChar(bare[begin - 1])) --begin;
    const std::string_view word = bare.substr(begin, brace - begin);
    if (word.empty() || std::isdigit(static_cast<unsigned char>(word[0])) != 0) continue;
    const size_t end = std::min(text.find('}', brace), text.size() - 1);
    return fmt::format(
        "LogQL has no metrics such as {0}: choose streams by their labels alone and count their "
        "lines, as in rate({1} |= \"error\" [5m])",
        word, text.substr(brace, end - brace + 1));
  }
  return std::nullopt;
}

std::optional<std::string> OfBrackets(std::string_view bare) {
  std::string open;
  for (const char c : bare) {
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c != ')' && c != ']' && c != '}') continue;
    const char begin = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (open.empty()) return fmt::format("there is a {} too many", c);
    if (open.back() != begin) return fmt::format("close the {} before the {}", open.back(), c);
    open.pop_back();
  }
  if (open.empty()) return std::nullopt;
  return fmt::format("close the {}: a {} is missing", open.back(),
                     open.back() == '('   ? ')'
                     : open.back() == '[' ? ']'
                                          : '}');
}

// The first word of a stage that none has.
std::optional<std::string> OfStages(std::string_view bare) {
  for (size_t bar = bare.find('|'); bar != std::string_view::npos; bar = bare.find('|', bar + 1)) {
    const size_t at = SkipBlanks(bare, bar + 1);
    const std::string_view word = WordAt(bare, at);
    const size_t behind = SkipBlanks(bare, at + word.size());
    const char next = behind < bare.size() ? bare[behind] : ' ';
    if (word.empty() || (next != '[' && next != '|' && next != '"' && next != '`')) continue;
    const std::vector<std::string>& known = Stages();
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    const std::string near = NearestWord(word, known);
    return fmt::format(
        "{} is no stage: write {}", word,
        near.empty() ? "a parser such as json or logfmt, or compare it: " + std::string(word) + " = \"...\""
                     : near);
  }
  return std::nullopt;
}

// Grouping words without brackets.
std::optional<std::string> OfGroupings(std::string_view bare) {
  for (const std::string_view word : {"by", "without", "on", "ignoring"}) {
    for (size_t at = bare.find(word); at != std::string_view::npos; at = bare.find(word, at + 1)) {
      if ((at > 0 && IsWordChar(bare[at - 1])) || WordAt(bare, at) != word) continue;
      const size_t behind = SkipBlanks(bare, at + word.size());
      if (behind < bare.size() && bare[behind] == '(') continue;
      const std::string_view label = WordAt(bare, behind);
      return fmt::format("write the labels in brackets: {} ({})", word, label.empty() ? "app" : label);
    }
  }
  return std::nullopt;
}

// By what the parser says alone.
std::optional<std::string> OfError(std::string_view error, std::string_view bare, size_t place) {
  struct Row {
    std::string_view part;
    std::string_view advice;
  };
  constexpr Row kRows[] = {
      {"at least one regexp or equality matcher",
       "name a label in the selector, such as {app=\"api\"} or {namespace=~\".+\"}"},
      {"without unwrap",
       "say which field holds the number: `| json | unwrap duration` before the range, or use "
       "count_over_time"},
      {"operation quantile_over_time",
       "give the quantile first: quantile_over_time(0.95, {...} | unwrap duration [5m])"},
      {"parameter required", "give the number first: topk(5, ...)"},
      {"grouping not allowed", "group a sum of it: sum by (app) (rate({...}[5m]))"},
      {"in duration", "write a span such as 30s, 5m or 1h30m"},
      {"invalid char literal", "write texts in double quotes or backquotes: {app=\"api\"}"},
      {"unexpected ==", "write one = in a selector: {app=\"api\"}"},
      {"at least one capture", "name a field in the pattern: pattern \"<_> status=<status>\""},
      {"parsing regexp", "write the regular expression in RE2 syntax: .* stands for any text"},
      {"expecting IDENTIFIER or BYTES_CONV", "name the field: unwrap duration"},
      {"unexpected }, expecting IDENTIFIER", "remove the comma before the }"},
      {"unexpected STRING", "write numbers without quotes"},
      {"expecting STRING", "put texts in quotes: \"error\""},
  };
  for (const Row& row : kRows) {
    if (Contains(error, row.part)) return std::string(row.advice);
  }
  if (!Contains(error, "syntax error")) return std::nullopt;
  const std::string_view before = bare.substr(0, place);
  const size_t last = before.find_last_not_of(" \t\r\n");
  if (Contains(error, "unexpected $end") && last != std::string_view::npos &&
      Contains("<>=!+-*/%^", bare.substr(last, 1)))
    return "something is missing at the end: the number to compare with, such as > 1";
  if (Contains(error, "unexpected ,")) return "remove the comma";
  // A comparison with a word.
  if (Contains(error, "unexpected IDENTIFIER") && last != std::string_view::npos && bare[last] == '=')
    return fmt::format("put texts in quotes: \"{}\"", WordAt(bare, place));
  return std::nullopt;
}

}  // namespace

std::string ParseAdvice(std::string_view text, std::string_view error, int line, int col) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return "write a LogQL query of numbers, such as sum(rate({app=\"api\"} |= \"error\" [5m])) > 1";
  }
  const std::string bare = WithoutTexts(text);
  if (Contains(bare, "{{")) {
    return "templates stand in labels and annotations only: write the value itself into the expression";
  }
  if (Contains(bare, "'")) return "write texts in double quotes or backquotes: {app=\"api\"}";
  if (Contains(bare, "&&")) return "write `and` in place of &&";
  if (Contains(bare, "||")) return "write `or` in place of ||";
  if (Contains(bare, "!!")) return "filters are |= and != of text, |~ and !~ of regular expressions";
  if (Contains(bare, "=>")) return "write >= in place of =>";
  if (Contains(bare, "=<")) return "write <= in place of =<";
  if (const size_t percent = bare.find_last_not_of(" \t\r\n"); bare[percent] == '%')
    return "write a share as a number: 0.05 in place of 5%";
  const size_t place = PlaceOf(text, line, col);
  if (auto advice = OfMetricNames(bare, text)) return *advice;
  if (auto advice = OfGroupings(bare)) return *advice;
  if (auto advice = OfFunctions(bare)) return *advice;
  if (auto advice = OfError(error, bare, place)) return *advice;
  if (auto advice = OfBrackets(bare)) return *advice;
  if (auto advice = OfStages(bare)) return *advice;
  if (const size_t sub = bare.find(")["); sub != std::string::npos) {
    return "LogQL has no subqueries: give the inner range the length, or record the inner expression and "
           "look back "
           "over that in Prometheus";
  }
  if (!Contains(bare, "{") && !Contains(bare, "vector")) {
    return "this looks like PromQL: LogQL counts lines of streams, as in rate({app=\"api\"} |= \"error\" "
           "[5m])";
  }
  if (!Contains(bare, "[") && Contains(bare, "(")) {
    return "give the range in square brackets behind the selector: rate({app=\"api\"}[5m])";
  }
  const std::string_view rest = text.substr(place, 30);
  if (rest.empty()) return "something is missing at the end";
  return fmt::format("look at `{}`: what stands before it does not go together with it", rest);
}

}  // namespace skald::rules
