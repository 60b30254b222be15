#include "query/exec/pipeline/parser_stages.h"

#include <algorithm>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "query/exec/pipeline/label_filter.h"
#include "query/logql/pattern.h"
#include "text/sanitize.h"

namespace skald::exec {
namespace {

constexpr std::string_view kJsonError = "JSONParserErr";
constexpr std::string_view kLogfmtError = "LogfmtParserErr";

// Right after a parser has set a label: the first filter on it, if one is to be run now.
bool PassesEarlyFilter(std::string_view label, RowState* row) {
  for (const EarlyFilter& filter : *row->early_filters) {
    if (filter.label == label) return filter.test->Keeps(row);
  }
  return true;
}

// The name under which a parsed key is kept; *name must live as long as the row.
std::string_view ResolveCollision(std::string_view name, RowState* row) {
  return row->labels.Collides(name) ? row->labels.arena().Join(name, kExtractedSuffix) : name;
}

bool PointsInto(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

// text as something that lives as long as the row; what points into the line does so already.
std::string_view Keep(std::string_view text, RowState* row) {
  return PointsInto(text, row->line) ? text : row->labels.arena().Copy(text);
}

// Where only some labels are wanted: no, before anything is copied, to most keys.
bool CannotBeWanted(std::string_view name, const ParserHints& hints) {
  if (hints.mode == ParserHints::Mode::kAll) return false;
  for (const std::string& member : hints.required) {
    if (std::string_view(member).starts_with(name) &&
        (member.size() == name.size() || std::string_view(member).ends_with(kExtractedSuffix))) {
      return false;
    }
  }
  return true;
}

struct JsonVisitor {
  RowState* row;
  bool dropped = false;

  bool WantPrefix(std::string_view path) const {
    const ParserHints& hints = row->labels.hints();
    return hints.mode == ParserHints::Mode::kAll || hints.RequiresPrefix(path);
  }

  bool OnField(std::string_view name, const JsonValue& value) {
    if (CannotBeWanted(name, row->labels.hints())) return true;
    const bool taken = row->labels.Collides(name);
    const std::string_view label = Keep(taken ? row->json.TakenName(name) : name, row);
    if (!row->labels.ShouldExtract(label)) return true;
    row->labels.SetParsed(label, Keep(JsonLabelValue(value, &row->value), row));
    if (!PassesEarlyFilter(label, row)) {
      dropped = true;
      return false;
    }
    return !row->labels.AllRequiredExtracted();
  }
};

void SetJsonError(JsonError error, RowState* row) {
  row->labels.SetParserError(kJsonError);
  row->labels.SetErrorDetails(JsonErrorText(error));
}

absl::Status BadExpression(std::string_view expression, std::string_view why) {
  return InvalidArgument("cannot parse expression [{}]: {}", expression, why);
}

}  // namespace

bool JsonStage::Run(RowState* row) const {
  if (row->labels.ParsersIdle()) return true;
  JsonVisitor visitor{row};
  const JsonError error = row->json.Run(row->line, visitor);
  if (visitor.dropped) return false;
  if (error != JsonError::kNone) SetJsonError(error, row);
  return true;
}

absl::StatusOr<JsonPathStage> JsonPathStage::Make(const logql::JsonParser& parser) {
  JsonPathStage out;
  auto paths = std::make_shared<std::vector<JsonPath>>();
  for (const logql::LabelExtraction& extraction : parser.extractions) {
    absl::StatusOr<JsonPath> path = ParseJsonPath(extraction.expression);
    if (!path.ok()) return BadExpression(extraction.expression, MessageOf(path.status()));
    out.names_.push_back(extraction.name);
    paths->push_back(std::move(*path));
  }
  out.paths_ = std::move(paths);
  return out;
}

bool JsonPathStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  if (row->line.empty() || labels.ParsersIdle()) return true;
  if (row->line[0] != '{' && row->line[0] != '"' && row->line[0] != '[') {
    labels.SetParserError(kJsonError);
    return true;
  }
  size_t found = 0;
  row->PathFinder(paths_.get())
      .Find(
          row->line,
          [&](size_t i, const JsonValue& value) {
            std::string_view text;
            if (value.type == JsonType::kObject || value.type == JsonType::kString) {
              text = JsonLabelValue(value, &row->value);
            } else if (value.type != JsonType::kNull) {
              // Escapes are escapes in arrays, and in numbers that are none.
              JsonValue as_string = value;
              as_string.type = JsonType::kString;
              as_string.escaped = value.text.find('\\') != std::string_view::npos;
              text = JsonLabelValue(as_string, &row->value);
            }
            labels.SetParsed(ResolveCollision(names_[i], row), Keep(text, row));
            ++found;
          },
          [&](JsonError error) { SetJsonError(error, row); });
  if (found < names_.size()) {
    for (const std::string& name : names_) {
      if (!labels.Get(name).has_value()) labels.SetParsed(name, "");
    }
  }
  return true;
}

bool LogfmtStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  if (labels.ParsersIdle()) return true;
  LogfmtScanner& scanner = row->logfmt;
  scanner.Reset(row->line);
  const bool all = labels.hints().mode == ParserHints::Mode::kAll;
  for (auto result = scanner.Next(); result != LogfmtScanner::kEnd; result = scanner.Next()) {
    if (result == LogfmtScanner::kError) {
      if (!strict_) continue;
      labels.SetParserError(kLogfmtError);
      labels.SetErrorDetails(labels.arena().Copy(scanner.ErrorText()));
      return true;
    }
    if (scanner.value().empty() && !keep_empty_) continue;
    const std::string_view name = SanitizedKey(scanner.key(), &row->key);
    if (name.empty() || (!all && CannotBeWanted(name, labels.hints()))) continue;
    const std::string_view label = ResolveCollision(Keep(name, row), row);
    if (!labels.ShouldExtract(label)) continue;
    labels.SetParsed(label, Keep(WithoutInvalidRunes(scanner.value(), &row->value), row));
    if (!PassesEarlyFilter(label, row)) return false;
    if (labels.AllRequiredExtracted()) return true;
  }
  return true;
}

absl::StatusOr<LogfmtPickStage> LogfmtPickStage::Make(const logql::LogfmtParser& parser) {
  LogfmtPickStage out;
  out.strict_ = parser.strict;
  for (const logql::LabelExtraction& extraction : parser.extractions) {
    const std::string_view text = extraction.expression;
    std::string_view key = text;
    const auto is_word = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!key.empty() && is_blank(key.front())) key.remove_prefix(1);
    while (!key.empty() && is_blank(key.back())) key.remove_suffix(1);
    if (key.empty()) return BadExpression(text, "syntax error: unexpected $end, expecting STRING or KEY");
    if (key.front() == '"') {
      const size_t close = key.find('"', 1);
      if (close != std::string_view::npos && close + 1 != key.size()) {
        return BadExpression(
            text, key[close + 1] == '"' ? "syntax error: unexpected STRING" : "syntax error: unexpected KEY");
      }
      key = key.substr(1, close == std::string_view::npos ? close : close - 1);
    } else {
      if (!is_word(key[0]) || (key[0] >= '0' && key[0] <= '9')) {
        return BadExpression(text, "syntax error: unexpected $end, expecting STRING or KEY");
      }
      for (size_t i = 0; i < key.size(); ++i) {
        if (is_word(key[i])) continue;
        while (is_blank(key[i])) ++i;
        if (is_word(key[i])) return BadExpression(text, "syntax error: unexpected KEY");
        const size_t size = DecodeRune(key.substr(i)).size;
        return BadExpression(text, fmt::format("unexpected char {}", key.substr(i, size)));
      }
    }
    out.names_.push_back(extraction.name);
    out.keys_.emplace_back(key);
  }
  return out;
}

const std::string* LogfmtPickStage::NameFor(std::string_view key) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return &names_[i];
  }
  for (const std::string& name : names_) {
    if (name == key) return &name;
  }
  return nullptr;
}

bool LogfmtPickStage::IsName(std::string_view key) const {
  return std::find(names_.begin(), names_.end(), key) != names_.end();
}

bool LogfmtPickStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  if (labels.ParsersIdle()) return true;
  for (const std::string& name : names_) {
    if (!labels.Collides(name)) labels.SetParsed(name, "");
  }
  LogfmtScanner& scanner = row->logfmt;
  scanner.Reset(row->line);
  for (auto result = scanner.Next(); result != LogfmtScanner::kEnd; result = scanner.Next()) {
    if (result == LogfmtScanner::kError) {
      if (!strict_) continue;
      labels.SetParserError(kLogfmtError);
      labels.SetErrorDetails(labels.arena().Copy(scanner.ErrorText()));
      return true;
    }
    const std::string_view key = SanitizedKey(scanner.key(), &row->key);
    if (key.empty()) continue;
    const std::string* name = NameFor(key);
    if (name == nullptr || (!IsName(key) && !labels.ShouldExtract(key))) continue;
    std::string_view label = *name;
    if (labels.Collides(label)) {
      // The rest of the line is not read once such a label is there, or where it is not wanted.
      label = ResolveCollision(label, row);
      if (!labels.ShouldExtract(label)) return true;
    }
    const std::string_view value = WithoutInvalidRunes(scanner.value(), &row->value);
    // A value with runes that cannot be is no value here.
    labels.SetParsed(label, value.data() == row->value.data() ? std::string_view() : Keep(value, row));
    if (labels.AllRequiredExtracted()) return true;
  }
  return true;
}

absl::StatusOr<RegexpStage> RegexpStage::Make(const logql::RegexpParser& parser) {
  ASSIGN_OR_RETURN(RegexMatch regex, RegexMatch::Make(parser.pattern));
  RegexpStage out(std::move(regex));
  ASSIGN_OR_RETURN(const std::shared_ptr<const re2::RE2> compiled, CompileGoRegex(parser.pattern));
  out.names_.resize(static_cast<size_t>(compiled->NumberOfCapturingGroups()) + 1);
  for (const auto& [group, name] : compiled->CapturingGroupNames()) {
    AppendSanitizedKey(&out.names_[static_cast<size_t>(group)], name, true);
  }
  return out;
}

bool RegexpStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  std::vector<std::string_view>& groups = row->groups;
  if (!regex_.Capture(row->line, &groups, &row->value)) return true;
  for (size_t i = 1; i < groups.size(); ++i) {
    if (names_[i].empty()) continue;
    const std::string_view label = ResolveCollision(names_[i], row);
    if (!labels.ShouldExtract(label)) continue;
    labels.SetParsed(label, Keep(groups[i], row));
    if (!PassesEarlyFilter(label, row)) return false;
  }
  return true;
}

absl::StatusOr<PatternStage> PatternStage::Make(const logql::PatternParser& parser) {
  ASSIGN_OR_RETURN(const std::vector<logql::PatternToken> tokens, logql::ParsePattern(parser.pattern));
  std::vector<PatternPiece> pieces;
  std::vector<std::string> names;
  for (const logql::PatternToken& token : tokens) {
    PatternPiece piece;
    piece.capture = token.kind != logql::PatternToken::Kind::kLiteral;
    if (token.kind == logql::PatternToken::Kind::kLiteral) piece.literal = token.text;
    if (token.kind == logql::PatternToken::Kind::kNamed) {
      piece.slot = static_cast<int>(names.size());
      names.push_back(token.text);
    }
    pieces.push_back(std::move(piece));
  }
  PatternStage out((PatternMatcher(pieces)));
  out.names_ = std::move(names);
  return out;
}

bool PatternStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  if (labels.ParsersIdle()) return true;
  bool keep = true;
  matcher_.Match(row->line, [&](int slot, std::string_view text) {
    const std::string_view label = ResolveCollision(names_[static_cast<size_t>(slot)], row);
    if (!labels.ShouldExtract(label)) return true;
    labels.SetParsed(label, text);
    keep = PassesEarlyFilter(label, row);
    return keep;
  });
  return keep;
}

bool UnpackStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  if (row->line.empty() || labels.ParsersIdle()) return true;
  if (row->line[0] != '{') {
    labels.SetParserError(kJsonError);
    labels.SetErrorDetails("expecting json object(6), but it is not");
    return true;
  }
  std::vector<LabelView>& pairs = row->views;
  pairs.clear();
  std::string_view entry;
  bool packed = false;
  const JsonError error =
      ForEachJsonMember(row->line, &row->key, [&](std::string_view key, const JsonValue& value) {
        if (value.type != JsonType::kString) return true;
        if (key == "_entry") {
          entry = Keep(JsonLabelValue(value, &row->value), row);
          packed = true;
          return true;
        }
        // The collision is looked for with the key as it stands, the label's name is made of the result.
        const std::string_view resolved = ResolveCollision(Keep(key, row), row);
        if (!labels.ShouldExtract(resolved)) return true;
        const std::string_view name = Keep(SanitizedKey(resolved, &row->value), row);
        if (!name.empty()) pairs.push_back({name, Keep(JsonLabelValue(value, &row->value), row)});
        return true;
      });
  if (error != JsonError::kNone) {
    SetJsonError(error, row);
    return true;
  }
  if (!packed) return true;
  for (const LabelView& pair : pairs) {
    labels.SetParsed(pair.name, pair.value);
    if (!PassesEarlyFilter(pair.name, row)) return false;
  }
  row->line = entry;
  return true;
}

}  // namespace skald::exec
