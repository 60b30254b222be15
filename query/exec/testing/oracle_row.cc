#include "query/exec/testing/oracle_row.h"

#include <map>
#include <utility>

#include <re2/re2.h>

#include "base/go_regex.h"
#include "base/utf8.h"
#include "text/runes.h"

namespace skald::oracle {

Row MakeRow(const StringMap& stream, const StringMap& metadata, const std::string& line, int64_t time_ns,
            const Hints& hints) {
  Row row;
  row.stream = &stream;
  row.hints = &hints;
  row.time_ns = time_ns;
  row.line = line;
  for (const auto& [name, value] : metadata) {
    if (name == "__error__") {
      row.error = value;
    } else if (name == "__error_details__") {
      row.details = value;
    } else {
      row.metadata[stream.contains(name) ? name + "_extracted" : name] = value;
    }
  }
  return row;
}

std::optional<std::string> Row::Get(const std::string& name) const {
  if (const auto it = metadata.find(name); it != metadata.end()) return it->second;
  if (const auto it = parsed.find(name); it != parsed.end()) return it->second;
  if (deleted.contains(name)) return std::nullopt;
  const auto it = stream->find(name);
  if (it == stream->end() || it->second.empty()) return std::nullopt;
  return it->second;
}

bool Row::Collides(const std::string& name) const {
  return stream->contains(name) || metadata.contains(name);
}

void Row::Set(const std::string& name, const std::string& value) {
  metadata.erase(name);
  parsed[name] = value;
  extracted.insert(name);
}

void Row::Delete(const std::string& name) {
  metadata.erase(name);
  parsed.erase(name);
  deleted.insert(name);
}

bool Row::Wants(const std::string& name) const {
  if (extracted.contains(name)) return false;
  return hints->mode == Hints::Mode::kAll || hints->required.contains(name);
}

bool Row::Complete() const {
  if (hints->mode != Hints::Mode::kRequired) return false;
  for (const std::string& name : hints->required) {
    if (!extracted.contains(name)) return false;
  }
  return true;
}

bool Row::Idle() const { return hints->mode == Hints::Mode::kNone || Complete(); }

void Row::SetParserError(const std::string& what) {
  error = what;
  if (hints->preserve_error) Set("__preserve_error__", "true");
}

StringMap Row::All() const {
  StringMap out;
  for (const auto& [name, value] : *stream) {
    if (!value.empty() && !deleted.contains(name)) out[name] = value;
  }
  for (const auto& [name, value] : metadata) out[name] = value;
  for (const auto& [name, value] : parsed) out[name] = value;
  if (!error.empty()) out["__error__"] = error;
  if (!details.empty()) out["__error_details__"] = details;
  return out;
}

std::string Sanitize(std::string_view key, bool first) {
  std::string out;
  for (key = TrimSpace(key); !key.empty(); key.remove_prefix(DecodeRune(key).size)) {
    const char c = key[0];
    const bool digit = c >= '0' && c <= '9';
    if (out.empty() && first && digit) out += '_';
    const bool word = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out += word ? c : '_';
  }
  return out;
}

std::string WithSpaces(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    if (!rune.valid || rune.rune == kReplacementRune) {
      out += ' ';
    } else {
      out += text.substr(0, rune.size);
    }
    text.remove_prefix(rune.size);
  }
  return out;
}

bool Extract(const std::string& name, const std::string& value, Row* row) {
  if (!row->Wants(name)) return true;
  row->Set(name, value);
  const auto it = row->hints->early.find(name);
  return it == row->hints->early.end() || RunLabelFilter(*it->second, row);
}

Groups MatchRegex(const std::string& regex, std::string_view text, bool anchored, bool dot_all) {
  // Compiled once each: the one thing that would be too slow to do by the letter.
  static auto* const cache = new std::map<std::pair<std::string, int>, std::shared_ptr<const re2::RE2>>();
  std::shared_ptr<const re2::RE2>& compiled = (*cache)[{regex, (anchored ? 1 : 0) + (dot_all ? 2 : 0)}];
  if (compiled == nullptr) {
    std::string source = anchored ? "^(?:" + regex + ")$" : regex;
    if (dot_all) source = "(?s)" + source;
    auto made = CompileGoRegex(source);
    if (!made.ok()) return {};
    compiled = *made;
  }
  std::string runes;
  std::vector<size_t> origin;  // of each byte of runes, in text
  for (size_t at = 0; at < text.size();) {
    const DecodedRune rune = DecodeRune(text.substr(at));
    const std::string_view bytes = rune.valid ? text.substr(at, rune.size) : std::string_view("\xef\xbf\xbd");
    runes += bytes;
    origin.insert(origin.end(), bytes.size(), at);
    at += rune.size;
  }
  origin.push_back(text.size());
  std::vector<re2::StringPiece> groups(static_cast<size_t>(compiled->NumberOfCapturingGroups()) + 1);
  Groups out;
  out.matched = compiled->Match({runes.data(), runes.size()}, 0, runes.size(), re2::RE2::UNANCHORED,
                                groups.data(), static_cast<int>(groups.size()));
  if (!out.matched) return out;
  for (const re2::StringPiece& group : groups) {
    if (group.data() == nullptr) {
      out.text.emplace_back();
      continue;
    }
    const size_t begin = origin[static_cast<size_t>(group.data() - runes.data())];
    const size_t end = origin[static_cast<size_t>(group.data() - runes.data()) + group.size()];
    out.text.emplace_back(text.substr(begin, end - begin));
  }
  return out;
}

}  // namespace skald::oracle
