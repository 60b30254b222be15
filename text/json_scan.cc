#include "text/json_scan.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "text/sanitize.h"

namespace skald {
namespace {

template <char kOpen, char kClose>
const char* FindClosing(const char* p, const char* end) {
  int level = 0;
  while (true) {
    p = FindByte(p, end, AnyOf<'"', kOpen, kClose>());
    if (p >= end) return nullptr;
    if (*p == '"') {
      bool escaped = false;
      p = FindStringEnd(p + 1, end, &escaped);
      if (p == nullptr) return nullptr;
    } else if (*p == kOpen) {
      ++level;
    } else if (--level == 0) {
      return p + 1;
    }
    ++p;
  }
}

// The four digits of an escape whose backslash is at text[at]; -1 where they are not there. Six bytes are
// taken for an escape whatever the first two are.
int32_t UnicodeEscape(std::string_view text, size_t at) {
  if (at + 6 > text.size()) return -1;
  int32_t value = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

std::string_view JsonErrorText(JsonError error) {
  switch (error) {
    case JsonError::kNone:
      return "";
    case JsonError::kObject:
      return "Value looks like object, but can't find closing '}' symbol";
    case JsonError::kJson:
      return "Malformed JSON error";
    case JsonError::kString:
      return "Value is string, but can't find closing '\"' symbol";
    case JsonError::kArray:
      return "Value is array, but can't find closing ']' symbol";
    case JsonError::kValue:
      return "Unknown value type";
    case JsonError::kEscape:
      return "Encountered an invalid escape sequence in a string";
  }
  return "";
}

const char* FindBlockEnd(const char* p, const char* end) {
  return *p == '{' ? FindClosing<'{', '}'>(p, end) : FindClosing<'[', ']'>(p, end);
}

JsonError ReadJsonValue(const char** p, const char* end, JsonValue* out) {
  const char* const begin = *p;
  switch (*begin) {
    case '"': {
      const char* const close = FindStringEnd(begin + 1, end, &out->escaped);
      if (close == nullptr) return JsonError::kString;
      out->type = JsonType::kString;
      out->text = {begin + 1, static_cast<size_t>(close - begin - 1)};
      *p = close + 1;
      return JsonError::kNone;
    }
    case '{':
    case '[': {
      const bool object = *begin == '{';
      const char* const close = FindBlockEnd(begin, end);
      if (close == nullptr) return object ? JsonError::kObject : JsonError::kArray;
      out->type = object ? JsonType::kObject : JsonType::kArray;
      out->text = {begin, static_cast<size_t>(close - begin)};
      *p = close;
      return JsonError::kNone;
    }
    default:
      break;
  }
  const char* q = begin;
  while (q < end && *q != ' ' && *q != '\n' && *q != '\r' && *q != '\t' && *q != ',' && *q != '}' &&
         *q != ']')
    ++q;
  out->text = {begin, static_cast<size_t>(q - begin)};
  if ((*begin >= '0' && *begin <= '9') || *begin == '-') {
    out->type = JsonType::kNumber;
  } else if (out->text == "true" || out->text == "false") {
    out->type = JsonType::kBool;
  } else if (out->text == "null") {
    out->type = JsonType::kNull;
  } else {
    return JsonError::kValue;
  }
  *p = q;
  return JsonError::kNone;
}

bool AppendJsonUnescaped(std::string* out, std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t slash = std::min(text.find('\\', i), text.size());
    out->append(text.substr(i, slash - i));
    if (slash == text.size()) break;
    if (slash + 1 == text.size()) return false;
    i = slash + 2;
    switch (text[slash + 1]) {
      case '"':
      case '/':
      case '\\':
        *out += text[slash + 1];
        break;
      case 'b':
        *out += '\b';
        break;
      case 'f':
        *out += '\f';
        break;
      case 'n':
        *out += '\n';
        break;
      case 'r':
        *out += '\r';
        break;
      case 't':
        *out += '\t';
        break;
      case 'u': {
        const int32_t first = UnicodeEscape(text, slash);
        if (first < 0) return false;
        i = slash + 6;
        char32_t rune = static_cast<char32_t>(first);
        if (first >= 0xD800 && first < 0xE000) {
          // A surrogate must be followed by a second escape; a wrong pair is an error or, at worst, U+FFFD.
          const int32_t second = UnicodeEscape(text, i);
          if (second < 0xDC00) return false;
          rune = 0x10000 + (static_cast<char32_t>(first - 0xD800) << 10) +
                 static_cast<char32_t>(second - 0xDC00);
          i += 6;
        }
        AppendRune(out, rune);
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

std::string_view JsonLabelValue(const JsonValue& value, std::string* scratch) {
  if (value.type != JsonType::kString) return value.text;
  if (!value.escaped) return WithoutInvalidRunes(value.text, scratch);
  scratch->clear();
  if (!AppendJsonUnescaped(scratch, value.text)) return {};
  std::string clean;
  const std::string_view out = WithoutInvalidRunes(*scratch, &clean);
  if (out.data() == scratch->data()) return out;
  scratch->swap(clean);
  return *scratch;
}

}  // namespace skald
