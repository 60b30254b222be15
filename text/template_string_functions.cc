#include <absl/container/flat_hash_map.h>
#include <absl/strings/escaping.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/duration.h"
#include "text/human_bytes.h"
#include "text/runes.h"
#include "text/template_functions.h"

namespace skald {
namespace {

using Value = TemplateValue;
using Regex = std::shared_ptr<const re2::RE2>;
constexpr TemplateType kAny = TemplateType::kAny;
constexpr TemplateType kString = TemplateType::kString;
constexpr TemplateType kInt = TemplateType::kInt;
constexpr size_t kMaxText = 16 << 20;  // what one function may make

std::string_view S(const Value& value) { return value.as_string(); }

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

// Templates name their regexes as constants, mostly: they are made once a thread.
absl::StatusOr<Regex> CachedRegex(std::string_view text) {
  thread_local absl::flat_hash_map<std::string, Regex> cache;
  const std::string key(text);
  if (const auto it = cache.find(key); it != cache.end()) return it->second;
  ASSIGN_OR_RETURN(Regex regex, CompileGoRegex(text));
  constexpr size_t kMostRegexes = 64;
  if (cache.size() >= kMostRegexes) cache.clear();
  cache[key] = regex;
  return regex;
}

// The value of $name or ${name} at the start of text (after the $); *size is 0 where there is none.
void ExpandOne(std::string_view text, const re2::RE2& regex, const std::vector<re2::StringPiece>& groups,
               size_t* size, std::string* out) {
  const bool braces = text.starts_with("{");
  size_t end = braces ? 1 : 0;
  while (end < text.size()) {
    const DecodedRune rune = DecodeRune(text.substr(end));
    if (rune.rune != '_' && !IsLetterRune(rune.rune) && !IsDigitRune(rune.rune)) break;
    end += rune.size;
  }
  const std::string name(text.substr(braces ? 1 : 0, end - (braces ? 1 : 0)));
  *size = 0;
  if (name.empty() || (braces && (end >= text.size() || text[end] != '}'))) return;
  *size = end + (braces ? 1 : 0);
  size_t group = groups.size();
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    if (name.size() < 9) group = static_cast<size_t>(std::stoul(name));
  } else {
    const auto it = regex.NamedCapturingGroups().find(name);
    if (it != regex.NamedCapturingGroups().end()) group = static_cast<size_t>(it->second);
  }
  if (group < groups.size() && groups[group].data() != nullptr)
    out->append(groups[group].data(), groups[group].size());
}

void Expand(std::string_view text, const re2::RE2& regex, const std::vector<re2::StringPiece>& groups,
            std::string* out) {
  while (true) {
    const size_t dollar = text.find('$');
    out->append(text.substr(0, dollar));
    if (dollar == std::string_view::npos) return;
    text.remove_prefix(dollar + 1);
    if (text.starts_with("$")) {
      *out += '$';
      text.remove_prefix(1);
      continue;
    }
    size_t size = 0;
    ExpandOne(text, regex, groups, &size, out);
    if (size == 0) *out += '$';
    text.remove_prefix(size);
  }
}

TemplateResult RegexReplace(TemplateArgs a, bool literal) {
  const absl::StatusOr<Regex> compiled = CachedRegex(S(a[0]));
  if (!compiled.ok()) return compiled.status();
  const re2::RE2& regex = **compiled;
  const std::string_view text = S(a[1]);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  std::string out;
  size_t copied = 0;
  size_t search = 0;
  const re2::StringPiece piece(text.data(), text.size());
  while (search <= text.size() && regex.Match(piece, search, text.size(), re2::RE2::UNANCHORED, groups.data(),
                                              static_cast<int>(groups.size()))) {
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    out.append(text.substr(copied, begin - copied));
    // An empty match right behind another is none.
    if (end > copied || begin == 0) {
      if (literal) {
        out.append(S(a[2]));
      } else {
        Expand(S(a[2]), regex, groups, &out);
      }
    }
    if (out.size() > kMaxText) return InvalidArgument("text is too large");
    copied = end;
    const size_t width = search < text.size() ? DecodeRune(text.substr(search)).size : 0;
    search = search + width > end ? search + width : search + 1 > end ? search + 1 : end;
  }
  out.append(text.substr(copied));
  return Value::String(std::move(out));
}

TemplateResult CountMatches(std::string_view pattern, std::string_view text) {
  ASSIGN_OR_RETURN(const Regex regex, CachedRegex(pattern));
  int64_t count = 0;
  size_t at = 0;
  size_t previous_end = std::string_view::npos;
  re2::StringPiece match;
  while (at <= text.size() &&
         regex->Match({text.data(), text.size()}, at, text.size(), re2::RE2::UNANCHORED, &match, 1)) {
    const auto begin = static_cast<size_t>(match.data() - text.data());
    const size_t end = begin + match.size();
    const bool empty_again = begin == end && begin == previous_end;
    at = end == at ? end + (end < text.size() ? DecodeRune(text.substr(end)).size : 1) : end;
    previous_end = end;
    if (!empty_again) ++count;
  }
  return Value::Int(count);
}

// text.find, in time linear in text whatever stands in the two.
size_t FindText(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

// n < 0: all. An empty `from` stands before each rune and at the end.
TemplateResult Replace(std::string_view text, std::string_view from, std::string_view to, int64_t n) {
  std::string out;
  size_t at = 0;
  for (int64_t done = 0; n < 0 || done < n; ++done) {
    if (from.empty()) {
      if (done > 0) {
        if (at >= text.size()) break;
        const size_t size = DecodeRune(text.substr(at)).size;
        out.append(text.substr(at, size));
        at += size;
      }
      out.append(to);
    } else {
      const size_t found = FindText(text, from, at);
      if (found == std::string_view::npos) break;
      out.append(text.substr(at, found - at)).append(to);
      at = found + from.size();
    }
    if (out.size() > kMaxText) return InvalidArgument("text is too large");
  }
  out.append(text.substr(at));
  return Value::String(std::move(out));
}

// Quick to ask however long it is.
class RuneSet {
 public:
  explicit RuneSet(std::string_view set) {
    for (; !set.empty(); set.remove_prefix(DecodeRune(set).size)) runes_.push_back(DecodeRune(set).rune);
    if (runes_.size() > 1) std::sort(runes_.begin(), runes_.end());
  }
  bool Has(char32_t rune) const { return std::binary_search(runes_.begin(), runes_.end(), rune); }

 private:
  std::vector<char32_t> runes_;
};

std::string_view TrimSet(std::string_view text, std::string_view cutset, bool left, bool right) {
  const RuneSet set(cutset);
  while (left && !text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    if (!set.Has(rune.rune)) break;
    text.remove_prefix(rune.size);
  }
  while (right && !text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
      --begin;
    DecodedRune rune = DecodeRune(text.substr(begin));
    if (begin + rune.size != text.size()) rune = {};
    if (!set.Has(rune.rune)) break;
    text.remove_suffix(rune.size);
  }
  return text;
}

std::string_view TrimPrefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}
std::string_view TrimSuffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

// Upper case, but for letters that are two and for those of Georgian.
char32_t ToTitleRune(char32_t rune) {
  if (rune >= 0x1C4 && rune <= 0x1CC) return (rune - 0x1C4) / 3 * 3 + 0x1C5;
  if (rune >= 0x1F1 && rune <= 0x1F3) return 0x1F2;
  if (rune >= 0x10D0 && rune <= 0x10FF) return rune;
  return ToUpperRune(rune);
}

std::string Title(std::string_view text) {
  std::string out;
  bool in_word = false;
  while (!text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    AppendRune(&out, in_word ? rune.rune : ToTitleRune(rune.rune));
    const char32_t c = rune.rune;
    in_word = c == '_' || IsLetterRune(c) || IsDigitRune(c) || (c >= 0x80 && !IsSpaceRune(c));
    text.remove_prefix(rune.size);
  }
  return out;
}

TemplateResult Repeat(int64_t n, std::string_view text) {
  if (n < 0) return InvalidArgument("strings: negative Repeat count");
  if (!text.empty() && static_cast<uint64_t>(n) > kMaxText / text.size())
    return InvalidArgument("strings: Repeat output length overflow");
  std::string out;
  for (int64_t i = 0; i < n && !text.empty(); ++i) out.append(text);
  return Value::String(std::move(out));
}

TemplateResult Indent(int64_t n, std::string_view text, bool newline) {
  ASSIGN_OR_RETURN(const Value pad, Repeat(n, " "));
  ASSIGN_OR_RETURN(const Value lines, Replace(text, "\n", "\n" + pad.as_string(), -1));
  return Value::String((newline ? "\n" : "") + pad.as_string() + lines.as_string());
}

TemplateResult Align(int64_t n, std::string_view text, bool left) {
  const auto size = static_cast<int64_t>(CountRunes(text));
  if (n < 0 || n == size) return Value::String(text);
  if (n > size) {
    ASSIGN_OR_RETURN(const Value pad, Repeat(n - size, " "));
    return Value::String(left ? std::string(text) + pad.as_string() : pad.as_string() + std::string(text));
  }
  size_t at = 0;
  for (int64_t i = 0; i < (left ? n : size - n); ++i) at += DecodeRune(text.substr(at)).size;
  return Value::String(left ? text.substr(0, at) : text.substr(at));
}

TemplateResult Substr(int64_t start, int64_t end, std::string_view text) {
  const auto size = static_cast<int64_t>(text.size());
  if (start < 0) {
    if (end < 0) return InvalidArgument("runtime error: slice bounds out of range [:{}]", end);
    if (end > size)
      return InvalidArgument("runtime error: slice bounds out of range [:{}] with length {}", end, size);
    return Value::String(text.substr(0, static_cast<size_t>(end)));
  }
  if (end < 0 || end > size) {
    if (start > size) return InvalidArgument("runtime error: slice bounds out of range [{}:{}]", start, size);
    return Value::String(text.substr(static_cast<size_t>(start)));
  }
  if (start > end) return InvalidArgument("runtime error: slice bounds out of range [{}:{}]", start, end);
  return Value::String(text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

std::string_view Trunc(int64_t n, std::string_view text) {
  const auto size = static_cast<int64_t>(text.size());
  if (n < 0 && size + n > 0) return text.substr(static_cast<size_t>(size + n));
  return n >= 0 && size > n ? text.substr(0, static_cast<size_t>(n)) : text;
}

// Standard base64 with padding; on failure the error's text, as the value.
std::string Base64Decode(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') continue;
    const size_t value = kAlphabet.find(text[i]);
    if (value == std::string_view::npos) {
      std::string left;
      for (const char c : text.substr(i)) {
        if (c != '\n' && c != '\r') left += c;
      }
      if ((count == 2 && left == "==") || (count == 3 && left == "=")) {
        if (count == 2) out += static_cast<char>(bits >> 4);
        if (count == 3) out.append({static_cast<char>(bits >> 10), static_cast<char>(bits >> 2)});
        return out;
      }
      return fmt::format("illegal base64 data at input byte {}", i);
    }
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++count == 4) {
      out.append({static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)});
      bits = 0;
      count = 0;
    }
  }
  if (count > 0)
    return fmt::format("illegal base64 data at input byte {}", text.size() - static_cast<size_t>(count));
  return out;
}

TemplateResult QueryUnescape(std::string_view text) {
  std::string out;
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) {
        return InvalidArgument("invalid URL escape {}", Quoted(text.substr(i, 3)));
      }
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return Value::String(std::move(out));
}

}  // namespace

std::string QueryEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
        c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

void AddStringFunctions(TemplateFunctions* out) {
  const auto text = [out](std::string_view name, std::vector<TemplateType> params, auto run) {
    AddFunction(out, name, std::move(params),
                [run](TemplateArgs a) -> TemplateResult { return Value::String(run(a)); });
  };
  const auto truth = [out](std::string_view name, auto run) {
    AddFunction(out, name, {kString, kString},
                [run](TemplateArgs a) -> TemplateResult { return Value::Bool(run(a)); });
  };
  for (const char* name : {"ToLower", "lower"})
    text(name, {kString}, [](TemplateArgs a) { return ToLower(S(a[0])); });
  for (const char* name : {"ToUpper", "upper"})
    text(name, {kString}, [](TemplateArgs a) { return ToUpper(S(a[0])); });
  text("title", {kString}, [](TemplateArgs a) { return Title(S(a[0])); });
  AddFunction(out, "Replace", {kString, kString, kString, kInt},
              [](TemplateArgs a) { return Replace(S(a[0]), S(a[1]), S(a[2]), a[3].as_int()); });
  AddFunction(out, "replace", {kString, kString, kString},
              [](TemplateArgs a) { return Replace(S(a[2]), S(a[0]), S(a[1]), -1); });
  text("Trim", {kString, kString}, [](TemplateArgs a) { return TrimSet(S(a[0]), S(a[1]), true, true); });
  text("TrimLeft", {kString, kString}, [](TemplateArgs a) { return TrimSet(S(a[0]), S(a[1]), true, false); });
  text("TrimRight", {kString, kString},
       [](TemplateArgs a) { return TrimSet(S(a[0]), S(a[1]), false, true); });
  text("TrimPrefix", {kString, kString}, [](TemplateArgs a) { return TrimPrefix(S(a[0]), S(a[1])); });
  text("TrimSuffix", {kString, kString}, [](TemplateArgs a) { return TrimSuffix(S(a[0]), S(a[1])); });
  for (const char* name : {"TrimSpace", "trim"})
    text(name, {kString}, [](TemplateArgs a) { return TrimSpace(S(a[0])); });
  text("trimAll", {kString, kString}, [](TemplateArgs a) { return TrimSet(S(a[1]), S(a[0]), true, true); });
  text("trimPrefix", {kString, kString}, [](TemplateArgs a) { return TrimPrefix(S(a[1]), S(a[0])); });
  text("trimSuffix", {kString, kString}, [](TemplateArgs a) { return TrimSuffix(S(a[1]), S(a[0])); });
  text("trunc", {kInt, kString}, [](TemplateArgs a) { return Trunc(a[0].as_int(), S(a[1])); });
  AddFunction(out, "substr", {kInt, kInt, kString},
              [](TemplateArgs a) { return Substr(a[0].as_int(), a[1].as_int(), S(a[2])); });
  truth("contains", [](TemplateArgs a) { return FindText(S(a[1]), S(a[0]), 0) != std::string_view::npos; });
  truth("hasPrefix", [](TemplateArgs a) { return S(a[1]).starts_with(S(a[0])); });
  truth("hasSuffix", [](TemplateArgs a) { return S(a[1]).ends_with(S(a[0])); });
  AddFunction(out, "repeat", {kInt, kString}, [](TemplateArgs a) { return Repeat(a[0].as_int(), S(a[1])); });
  AddFunction(out, "indent", {kInt, kString},
              [](TemplateArgs a) { return Indent(a[0].as_int(), S(a[1]), false); });
  AddFunction(out, "nindent", {kInt, kString},
              [](TemplateArgs a) { return Indent(a[0].as_int(), S(a[1]), true); });
  AddFunction(out, "alignLeft", {kInt, kString},
              [](TemplateArgs a) { return Align(a[0].as_int(), S(a[1]), true); });
  AddFunction(out, "alignRight", {kInt, kString},
              [](TemplateArgs a) { return Align(a[0].as_int(), S(a[1]), false); });
  AddFunction(out, "regexReplaceAll", {kString, kString, kString},
              [](TemplateArgs a) { return RegexReplace(a, false); });
  AddFunction(out, "regexReplaceAllLiteral", {kString, kString, kString},
              [](TemplateArgs a) { return RegexReplace(a, true); });
  AddFunction(out, "count", {kString, kString},
              [](TemplateArgs a) { return CountMatches(S(a[0]), S(a[1])); });
  text("b64enc", {kString}, [](TemplateArgs a) {
    return absl::Base64Escape({S(a[0]).data(), S(a[0]).size()});
  });
  text("b64dec", {kString}, [](TemplateArgs a) { return Base64Decode(S(a[0])); });
  text("urlencode", {kString}, [](TemplateArgs a) { return QueryEscape(S(a[0])); });
  AddFunction(out, "urldecode", {kString}, [](TemplateArgs a) { return QueryUnescape(S(a[0])); });
  AddFunction(out, "bytes", {kString}, [](TemplateArgs a) -> TemplateResult {
    ASSIGN_OR_RETURN(const uint64_t bytes, ParseHumanBytes(S(a[0])));
    return Value::Float(static_cast<double>(bytes));
  });
  for (const char* name : {"duration", "duration_seconds"}) {
    AddFunction(out, name, {kString}, [](TemplateArgs a) -> TemplateResult {
      ASSIGN_OR_RETURN(const int64_t ns, ParseGoDuration(S(a[0])));
      return Value::Float(static_cast<double>(ns / 1'000'000'000) +
                          static_cast<double>(ns % 1'000'000'000) / 1e9);
    });
  }
  AddFunction(out, "fromJson", {kString},
              [](TemplateArgs a) -> TemplateResult { return TemplateValueFromJson(S(a[0])); });
  AddFunction(
      out, "default", {kAny, kAny},
      [](TemplateArgs a) -> TemplateResult { return a.size() > 1 && a[1].IsTrue() ? a[1] : a[0]; }, true);
}

}  // namespace skald
