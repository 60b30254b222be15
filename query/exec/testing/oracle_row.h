// One entry on its way through the oracle's pipeline: maps of strings, nothing interned, nothing shared.
// Written from the language's rules alone, so that the engine's rows can be compared with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "query/logql/ast.h"

namespace skald::oracle {

using StringMap = std::map<std::string, std::string>;

// What parsers may leave out for a query, which shows in its answers.
struct Hints {
  enum class Mode { kAll, kRequired, kNone };
  Mode mode = Mode::kAll;
  std::set<std::string> required;
  // The first label filter on each label, run as soon as a parser sets it.
  std::map<std::string, const logql::LabelFilter*> early;
  bool preserve_error = false;
};

struct Row {
  // The entry as it was stored.
  const StringMap* stream = nullptr;
  const Hints* hints = nullptr;
  int64_t time_ns = 0;

  std::string line;
  StringMap metadata;
  StringMap parsed;
  std::set<std::string> deleted;
  std::set<std::string> extracted;  // names that were ever set, whatever became of them
  std::string error;
  std::string details;

  // Metadata, parsed, then what the stream has and nobody dropped.
  std::optional<std::string> Get(const std::string& name) const;
  bool Collides(const std::string& name) const;
  std::string Resolved(const std::string& name) const { return Collides(name) ? name + "_extracted" : name; }
  void Set(const std::string& name, const std::string& value);
  void Delete(const std::string& name);
  bool Wants(const std::string& name) const;  // a parser may set it
  bool Idle() const;                          // parsers have nothing to do
  bool Complete() const;                      // all that is required was extracted
  void SetParserError(const std::string& what);
  // Every label with the errors: what an entry is printed with.
  StringMap All() const;
};

// Rows as metadata comes with them: names that the stream has get a suffix, errors are no labels.
Row MakeRow(const StringMap& stream, const StringMap& metadata, const std::string& line, int64_t time_ns,
            const Hints& hints);

// A key as a label name; "" for a blank one.
std::string Sanitize(std::string_view key, bool first);
// Each invalid byte and each U+FFFD as a space.
std::string WithSpaces(std::string_view text);

// One stage. False: the entry is dropped.
bool RunJson(const logql::JsonParser& stage, Row* row);
bool RunLogfmt(const logql::LogfmtParser& stage, Row* row);
bool RunRegexp(const logql::RegexpParser& stage, Row* row);
bool RunPattern(const logql::PatternParser& stage, Row* row);
bool RunUnpack(Row* row);
bool RunLineFilter(const logql::LineFilter& stage, const Row& row);
bool RunLabelFilter(const logql::LabelFilter& filter, Row* row);
void RunLineFormat(const logql::LineFormat& stage, Row* row);
void RunLabelFormat(const logql::LabelFormat& stage, Row* row);
void RunDecolorize(Row* row);
void RunDrop(const logql::Drop& stage, Row* row);
void RunKeep(const logql::Keep& stage, Row* row);
// The value of a sample; nullopt for none.
std::optional<double> RunUnwrap(const logql::Unwrap& unwrap, Row* row);

// True where the filter lets everything pass, so that it is no stage at all.
bool AlwaysTrue(const logql::LabelFilter& filter);
// The label of a filter that is on one alone.
std::optional<std::string> SingleLabel(const logql::LabelFilter& filter);
// Sets a label a parser found, if it is wanted and new. False: an early filter drops the entry.
bool Extract(const std::string& name, const std::string& value, Row* row);

// The first match of an unanchored regex in text as Go sees it (an invalid byte is one U+FFFD); groups as
// (begin, end) in text, or npos for those that took no part.
struct Groups {
  bool matched = false;
  std::vector<std::string> text;  // "" for groups without part
};
Groups MatchRegex(const std::string& regex, std::string_view text, bool anchored, bool dot_all);

}  // namespace skald::oracle
