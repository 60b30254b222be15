// The parser stages, byte by byte.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/go_regex.h"
#include "base/utf8.h"
#include "query/exec/testing/oracle_row.h"
#include "query/logql/pattern.h"
#include "text/json_path.h"

namespace skald::oracle {
namespace {

// ------------------------------------------------------------------------------------------------- JSON

constexpr const char* kObjectError = "Value looks like object, but can't find closing '}' symbol";
constexpr const char* kJsonError = "Malformed JSON error";
constexpr const char* kStringError = "Value is string, but can't find closing '\"' symbol";
constexpr const char* kArrayError = "Value is array, but can't find closing ']' symbol";
constexpr const char* kValueError = "Unknown value type";
constexpr const char* kEscapeError = "Encountered an invalid escape sequence in a string";

struct Value {
  char type = 0;  // s n b 0 { [
  std::string_view text;
};

bool IsJsonSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void SkipSpace(std::string_view text, size_t* at) {
  while (*at < text.size() && IsJsonSpace(text[*at])) ++*at;
}

// The closing quote of the string whose first byte is at `at`.
size_t StringEnd(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at;
    }
  }
  return std::string_view::npos;
}

// Behind the bracket that closes the one at `at`; other kinds of brackets are not looked at.
size_t BlockEnd(std::string_view text, size_t at) {
  const char open = text[at];
  const char close = open == '{' ? '}' : ']';
  int level = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '"') {
      at = StringEnd(text, at + 1);
      if (at == std::string_view::npos) return at;
    } else if (text[at] == open) {
      ++level;
    } else if (text[at] == close && --level == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

const char* ReadValue(std::string_view text, size_t* at, Value* out) {
  const char c = text[*at];
  if (c == '"') {
    const size_t end = StringEnd(text, *at + 1);
    if (end == std::string_view::npos) return kStringError;
    *out = {'s', text.substr(*at + 1, end - *at - 1)};
    *at = end + 1;
    return nullptr;
  }
  if (c == '{' || c == '[') {
    const size_t end = BlockEnd(text, *at);
    if (end == std::string_view::npos) return c == '{' ? kObjectError : kArrayError;
    *out = {c, text.substr(*at, end - *at)};
    *at = end;
    return nullptr;
  }
  size_t end = *at;
  while (end < text.size() && !IsJsonSpace(text[end]) && text[end] != ',' && text[end] != '}' &&
         text[end] != ']') {
    ++end;
  }
  const std::string_view word = text.substr(*at, end - *at);
  if (word == "true" || word == "false") {
    *out = {'b', word};
  } else if (word == "null") {
    *out = {'0', word};
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    *out = {'n', word};
  } else {
    return kValueError;
  }
  *at = end;
  return nullptr;
}

int HexOf(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    static const std::map<char, char> kSingle = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'b', '\b'},
                                                 {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'}};
    if (const auto it = kSingle.find(text[i]); it != kSingle.end()) {
      out += it->second;
      continue;
    }
    if (text[i] != 'u') return std::nullopt;
    const int first = HexOf(text, i + 1);
    if (first < 0) return std::nullopt;
    i += 4;
    if (first < 0xD800 || first > 0xDFFF) {
      AppendRune(&out, static_cast<char32_t>(first));
      continue;
    }
    // Two more bytes are stepped over, whatever they are.
    const int second = HexOf(text, i + 3);
    if (second < 0xDC00) return std::nullopt;
    AppendRune(&out, static_cast<char32_t>(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)));
    i += 6;
  }
  return out;
}

std::string LabelValue(const Value& value) {
  if (value.type != 's') return std::string(value.text);
  return WithSpaces(Unescape(value.text).value_or(""));
}

using OnMember = std::function<const char*(const std::string& key, const Value& value, bool* stop)>;

// Null, or the error.
const char* Members(std::string_view text, const OnMember& on_member) {
  size_t at = 0;
  SkipSpace(text, &at);
  if (at == text.size() || text[at] != '{') return kObjectError;
  SkipSpace(text, &++at);
  if (at == text.size()) return kJsonError;
  while (true) {
    if (text[at] == '}') return nullptr;
    if (text[at] != '"') return kObjectError;
    const size_t key_end = StringEnd(text, at + 1);
    if (key_end == std::string_view::npos) return kJsonError;
    const std::optional<std::string> key = Unescape(text.substr(at + 1, key_end - at - 1));
    if (!key.has_value()) return kEscapeError;
    at = key_end + 1;
    SkipSpace(text, &at);
    if (at == text.size() || text[at] != ':') return kJsonError;
    SkipSpace(text, &++at);
    if (at == text.size()) return kJsonError;
    Value value;
    if (const char* error = ReadValue(text, &at, &value)) return error;
    bool stop = false;
    if (const char* error = on_member(*key, value, &stop)) return error;
    if (stop) return nullptr;
    SkipSpace(text, &at);
    if (at == text.size()) return kArrayError;
    if (text[at] == '}') return nullptr;
    if (text[at] != ',') return kObjectError;
    SkipSpace(text, &++at);
    if (at == text.size()) return kArrayError;
  }
}

bool WantPrefix(const std::string& path, const Row& row) {
  if (row.hints->mode == Hints::Mode::kAll || path.empty()) return true;
  return std::any_of(row.hints->required.begin(), row.hints->required.end(),
                     [&](const std::string& name) { return name.starts_with(path); });
}

struct Flattening {
  Row* row;
  bool dropped = false;
  bool stopped = false;
};

const char* Flatten(std::string_view text, const std::string& path, bool top, Flattening* state) {
  return Members(text, [&](const std::string& key, const Value& value, bool* stop) -> const char* {
    if (value.type == '0' || value.type == '[') return nullptr;
    const std::string part = Sanitize(key, path.empty());
    const auto under_path = [&](const std::string& last) {
      return last.empty() ? path : path.empty() ? last : path + "_" + last;
    };
    const std::string name = under_path(part);
    if (value.type == '{') {
      const char* error = WantPrefix(name, *state->row) ? Flatten(value.text, name, false, state) : nullptr;
      *stop = state->stopped;
      return error;
    }
    if (name.empty()) return nullptr;
    std::string label = name;
    if (state->row->Collides(name)) {
      label = top ? name + "_extracted" : under_path(Sanitize(key + "_extracted", path.empty()));
    }
    if (!Extract(label, LabelValue(value), state->row)) {
      state->dropped = state->stopped = *stop = true;
    } else if (state->row->Complete()) {
      state->stopped = *stop = true;
    }
    return nullptr;
  });
}

// The first value a path leads to; the text is sound.
std::optional<Value> FindPath(std::string_view text, const JsonPath& path, size_t depth) {
  size_t at = 0;
  SkipSpace(text, &at);
  Value value;
  if (at == text.size() || ReadValue(text, &at, &value) != nullptr) return std::nullopt;
  if (depth == path.size()) return value;
  std::optional<Value> found;
  if (const auto* name = std::get_if<std::string>(&path[depth]); name != nullptr && value.type == '{') {
    Members(value.text, [&](const std::string& key, const Value& member, bool* stop) -> const char* {
      if (key != *name) return nullptr;
      const std::string_view whole =
          member.type == 's' ? std::string_view(member.text.data() - 1, member.text.size() + 2) : member.text;
      found = FindPath(whole, path, depth + 1);
      *stop = found.has_value();
      return nullptr;
    });
  }
  if (const auto* index = std::get_if<uint64_t>(&path[depth]); index != nullptr && value.type == '[') {
    size_t inner = 1;
    for (uint64_t i = 0;; ++i) {
      SkipSpace(value.text, &inner);
      if (inner >= value.text.size() || value.text[inner] == ']') break;
      const size_t begin = inner;
      Value element;
      if (ReadValue(value.text, &inner, &element) != nullptr) break;
      if (i == *index) return FindPath(value.text.substr(begin, inner - begin), path, depth + 1);
      SkipSpace(value.text, &inner);
      if (inner < value.text.size() && value.text[inner] == ',') ++inner;
    }
  }
  return found;
}

bool RunJsonPaths(const logql::JsonParser& stage, Row* row) {
  if (row->line.empty() || row->Idle()) return true;
  if (row->line[0] != '{' && row->line[0] != '[' && row->line[0] != '"') {
    row->SetParserError("JSONParserErr");
    return true;
  }
  // A text before a colon is no member of anything; what is asked for is still set below, to nothing.
  if (row->line[0] == '"') {
    size_t at = StringEnd(row->line, 1);
    if (at != std::string_view::npos) {
      SkipSpace(row->line, &++at);
      if (at < row->line.size() && row->line[at] == ':') {
        row->SetParserError("JSONParserErr");
        row->details = kJsonError;
      }
    }
  }
  struct Hit {
    const char* at;
    std::string name;
    Value value;
  };
  std::vector<Hit> hits;
  for (const logql::LabelExtraction& extraction : stage.extractions) {
    const auto path = ParseJsonPath(extraction.expression);
    if (const auto value = FindPath(row->line, *path, 0))
      hits.push_back({value->text.data(), extraction.name, *value});
  }
  // In document order, as far as one name is asked for twice; an object before what is in it.
  std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.at + a.value.text.size() < b.at + b.value.text.size();
  });
  for (const Hit& hit : hits) {
    std::string text;
    if (hit.value.type == '{') {
      text = LabelValue(hit.value);
    } else if (hit.value.type != '0') {
      text = LabelValue({'s', hit.value.text});
    }
    row->Set(row->Resolved(hit.name), text);
  }
  if (hits.size() < stage.extractions.size()) {
    for (const logql::LabelExtraction& extraction : stage.extractions) {
      if (!row->Get(extraction.name).has_value()) row->Set(extraction.name, "");
    }
  }
  return true;
}

// ----------------------------------------------------------------------------------------------- logfmt

struct Pair {
  std::string key;
  std::string value;
  std::string error;  // "" for a pair
};

bool IsBlank(char c) { return static_cast<unsigned char>(c) <= 0x20; }

bool HasBadRune(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(DecodeRune(text).size)) {
    if (DecodeRune(text).rune == kReplacementRune) return true;
  }
  return false;
}

std::optional<std::string> UnescapeLogfmt(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    static const std::map<char, char> kSingle = {{'"', '"'},   {'\\', '\\'}, {'/', '/'},
                                                 {'\'', '\''}, {'b', '\b'},  {'f', '\f'},
                                                 {'n', '\n'},  {'r', '\r'},  {'t', '\t'}};
    if (const auto it = kSingle.find(text[i]); it != kSingle.end()) {
      out += it->second;
      continue;
    }
    const int first = text[i] == 'u' ? HexOf(text, i + 1) : -1;
    if (first < 0) return std::nullopt;
    i += 4;
    char32_t rune = static_cast<char32_t>(first);
    if (first >= 0xD800 && first <= 0xDFFF) {
      rune = kReplacementRune;
      const int second = first <= 0xDBFF && text.substr(i + 1, 2) == "\\u" ? HexOf(text, i + 3) : -1;
      if (second >= 0xDC00 && second <= 0xDFFF) {
        rune = static_cast<char32_t>(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
        i += 6;
      }
    }
    AppendRune(&out, rune);
  }
  return out;
}

// The pairs and errors of a line, in order.
std::vector<Pair> Pairs(std::string_view line) {
  std::vector<Pair> out;
  size_t at = 0;
  const auto fail = [&](const char* message, bool skip) {
    out.push_back({"", "", fmt::format("logfmt syntax error at pos {} : {}", at + 1, message)});
    while (skip && at < line.size() && !IsBlank(line[at])) ++at;
  };
  while (true) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    if (at == line.size()) return out;
    const size_t key_begin = at;
    while (at < line.size() && !IsBlank(line[at]) && line[at] != '=' && line[at] != '"') ++at;
    const std::string key(line.substr(key_begin, at - key_begin));
    const char stop = at < line.size() ? line[at] : ' ';
    if (stop == '"') {
      fail("unexpected '\"'", true);
      continue;
    }
    if (stop == '=' && key.empty()) {
      fail("unexpected '='", true);
      continue;
    }
    if (HasBadRune(key)) {
      fail("invalid key", true);
      continue;
    }
    if (stop == '=') ++at;
    if (stop != '=' || at == line.size() || IsBlank(line[at])) {
      out.push_back({key, "", ""});
      continue;
    }
    if (line[at] != '"') {
      const size_t begin = at;
      while (at < line.size() && !IsBlank(line[at]) && line[at] != '=' && line[at] != '"') ++at;
      if (at < line.size() && !IsBlank(line[at])) {
        fail(line[at] == '=' ? "unexpected '='" : "unexpected '\"'", true);
        continue;
      }
      out.push_back({key, std::string(line.substr(begin, at - begin)), ""});
      continue;
    }
    const size_t begin = ++at;
    const size_t end = StringEnd(line, begin);
    if (end == std::string_view::npos) {
      at = line.size();
      fail("unterminated quoted value", false);
      continue;
    }
    at = end + 1;
    if (const auto value = UnescapeLogfmt(line.substr(begin, end - begin))) {
      out.push_back({key, *value, ""});
    } else {
      fail("invalid quoted value", false);
    }
  }
}

// The key that a parameter of logfmt asks for.
std::string RequestedKey(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  if (!text.starts_with('"')) return std::string(text);
  return std::string(text.substr(1, text.find('"', 1) - 1));
}

bool RunLogfmtPick(const logql::LogfmtParser& stage, Row* row) {
  if (row->Idle()) return true;
  for (const logql::LabelExtraction& extraction : stage.extractions) {
    if (!row->Collides(extraction.name)) row->Set(extraction.name, "");
  }
  for (const Pair& pair : Pairs(row->line)) {
    if (!pair.error.empty()) {
      if (!stage.strict) continue;
      row->SetParserError("LogfmtParserErr");
      row->details = pair.error;
      return true;
    }
    const std::string key = Sanitize(pair.key, true);
    if (key.empty()) continue;
    const logql::LabelExtraction* wanted = nullptr;
    bool is_name = false;
    for (const logql::LabelExtraction& extraction : stage.extractions) {
      if (wanted == nullptr && RequestedKey(extraction.expression) == key) wanted = &extraction;
    }
    for (const logql::LabelExtraction& extraction : stage.extractions) {
      is_name |= extraction.name == key;
      if (wanted == nullptr && extraction.name == key) wanted = &extraction;
    }
    if (wanted == nullptr || (!is_name && !row->Wants(key))) continue;
    std::string name = wanted->name;
    if (row->Collides(name)) {
      name += "_extracted";
      if (!row->Wants(name)) return true;
    }
    row->Set(name, HasBadRune(pair.value) ? "" : pair.value);
    if (row->Complete()) return true;
  }
  return true;
}

}  // namespace

bool RunJson(const logql::JsonParser& stage, Row* row) {
  if (!stage.extractions.empty()) return RunJsonPaths(stage, row);
  if (row->Idle()) return true;
  Flattening state{row};
  const std::string line = row->line;
  const char* error = Flatten(line, "", true, &state);
  if (state.dropped) return false;
  if (error != nullptr) {
    row->SetParserError("JSONParserErr");
    row->details = error;
  }
  return true;
}

bool RunLogfmt(const logql::LogfmtParser& stage, Row* row) {
  if (!stage.extractions.empty()) return RunLogfmtPick(stage, row);
  if (row->Idle()) return true;
  for (const Pair& pair : Pairs(row->line)) {
    if (!pair.error.empty()) {
      if (!stage.strict) continue;
      row->SetParserError("LogfmtParserErr");
      row->details = pair.error;
      return true;
    }
    if (pair.value.empty() && !stage.keep_empty) continue;
    const std::string key = Sanitize(pair.key, true);
    if (key.empty()) continue;
    if (!Extract(row->Resolved(key), WithSpaces(pair.value), row)) return false;
    if (row->Complete()) return true;
  }
  return true;
}

bool RunRegexp(const logql::RegexpParser& stage, Row* row) {
  const Groups groups = MatchRegex(stage.pattern, row->line, false, false);
  if (!groups.matched) return true;
  const auto compiled = CompileGoRegex(stage.pattern);
  for (const auto& [group, name] : (*compiled)->CapturingGroupNames()) {
    const std::string label = Sanitize(name, true);
    if (label.empty()) continue;
    if (!Extract(row->Resolved(label), groups.text[static_cast<size_t>(group)], row)) return false;
  }
  return true;
}

bool RunPattern(const logql::PatternParser& stage, Row* row) {
  if (row->Idle() || row->line.empty()) return true;
  const auto tokens = logql::ParsePattern(stage.pattern);
  const std::string line = row->line;
  size_t at = 0;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const logql::PatternToken& token = (*tokens)[i];
    if (token.kind == logql::PatternToken::Kind::kLiteral) {
      if (i == 0) {
        if (!line.starts_with(token.text)) return true;
        at = token.text.size();
      }
      continue;
    }
    std::string text = line.substr(at);
    bool last = true;
    if (i + 1 < tokens->size()) {
      const std::string& literal = (*tokens)[i + 1].text;
      if (const size_t found = line.find(literal, at); found != std::string::npos) {
        text = line.substr(at, found - at);
        at = found + literal.size();
        last = false;
      }
    }
    if (token.kind == logql::PatternToken::Kind::kNamed && !Extract(row->Resolved(token.text), text, row))
      return false;
    if (last) return true;
  }
  return true;
}

bool RunUnpack(Row* row) {
  if (row->line.empty() || row->Idle()) return true;
  if (row->line[0] != '{') {
    row->SetParserError("JSONParserErr");
    row->details = "expecting json object(6), but it is not";
    return true;
  }
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<std::string> entry;
  const std::string line = row->line;
  const char* error = Members(line, [&](const std::string& key, const Value& value, bool*) -> const char* {
    if (value.type != 's') return nullptr;
    if (key == "_entry") {
      entry = LabelValue(value);
    } else if (const std::string name = row->Resolved(key); row->Wants(name)) {
      labels.emplace_back(Sanitize(name, true), LabelValue(value));
    }
    return nullptr;
  });
  if (error != nullptr) {
    row->SetParserError("JSONParserErr");
    row->details = error;
    return true;
  }
  if (!entry.has_value()) return true;
  for (const auto& [name, value] : labels) {
    if (name.empty()) continue;
    row->Set(name, value);
    const auto it = row->hints->early.find(name);
    if (it != row->hints->early.end() && !RunLabelFilter(*it->second, row)) return false;
  }
  row->line = *entry;
  return true;
}

}  // namespace skald::oracle
