// Walks the members of one JSON object as it is, in one pass and without checking more than it needs to find
// them. What it accepts, and with which error it stops, is part of LogQL: see JsonError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/byte_scan.h"

namespace skald {

enum class JsonType : uint8_t { kString, kNumber, kBool, kNull, kObject, kArray };

enum class JsonError : uint8_t {
  kNone,
  kObject,  // not an object, no closing brace of a nested one, garbage in place of a key or after a value
  kJson,    // end after {, no colon, key not closed, nothing after the colon
  kString,  // value string not closed
  kArray,   // array not closed, or the text ends right after a value or a comma
  kValue,   // a literal that is none
  kEscape,  // bad escape in a key
};

// The text that Loki gives as __error_details__.
std::string_view JsonErrorText(JsonError error);

struct JsonValue {
  JsonType type = JsonType::kNull;
  bool escaped = false;  // a string that holds a backslash
  std::string_view
      text;  // as it stands: strings without their quotes, objects and arrays with their brackets
};

// p behind the space, tab, CR, LF at p.
inline const char* SkipJsonSpace(const char* p, const char* end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) ++p;
  return p;
}

// The closing quote of the string whose first byte is *p, nullptr where there is none.
inline const char* FindStringEnd(const char* p, const char* end, bool* escaped) {
  *escaped = false;
  while (true) {
    p = FindByte(p, end, AnyOf<'"', '\\'>());
    if (p >= end) return nullptr;
    if (*p == '"') return p;
    *escaped = true;
    p += 2;
    if (p > end) return nullptr;
  }
}

// Behind the bracket that closes the one at p ({ or [; strings are stepped over, other brackets are not
// looked at), nullptr where there is none.
const char* FindBlockEnd(const char* p, const char* end);

// Reads the value that starts at *p, which is not blank, and moves *p behind it.
JsonError ReadJsonValue(const char** p, const char* end, JsonValue* out);

// Appends a string's text with its escapes resolved; false on a bad escape (out then holds a part).
bool AppendJsonUnescaped(std::string* out, std::string_view text);

// What a string value is as a label value: text itself, or unescaped into *scratch; "" where an escape is
// bad; a space in place of each U+FFFD and invalid byte.
std::string_view JsonLabelValue(const JsonValue& value, std::string* scratch);

// Calls fn(std::string_view key, const JsonValue& value) -> bool for each member of the object that text
// starts with (after space), until it returns false. Keys are unescaped (into *scratch where they hold
// escapes: valid until fn returns). What follows the object is not looked at. Members before an error have
// been given.
template <class Fn>
JsonError ForEachJsonMember(std::string_view text, std::string* scratch, Fn&& fn) {
  const char* const end = text.data() + text.size();
  const char* p = SkipJsonSpace(text.data(), end);
  if (p == end || *p != '{') return JsonError::kObject;
  p = SkipJsonSpace(p + 1, end);
  if (p == end) return JsonError::kJson;
  while (true) {
    if (*p == '}') return JsonError::kNone;
    if (*p != '"') return JsonError::kObject;
    bool escaped = false;
    const char* const key_begin = p + 1;
    const char* const key_end = FindStringEnd(key_begin, end, &escaped);
    if (key_end == nullptr) return JsonError::kJson;
    std::string_view key(key_begin, static_cast<size_t>(key_end - key_begin));
    if (escaped) [[unlikely]] {
      scratch->clear();
      if (!AppendJsonUnescaped(scratch, key)) return JsonError::kEscape;
      key = *scratch;
    }
    p = key_end + 1;
    if (p == end || *p != ':') {
      p = SkipJsonSpace(p, end);
      if (p == end || *p != ':') return JsonError::kJson;
    }
    p = SkipJsonSpace(p + 1, end);
    if (p == end) return JsonError::kJson;
    JsonValue value;
    if (const JsonError error = ReadJsonValue(&p, end, &value); error != JsonError::kNone) return error;
    if (!fn(key, value)) return JsonError::kNone;
    p = SkipJsonSpace(p, end);
    if (p == end) return JsonError::kArray;
    if (*p == '}') return JsonError::kNone;
    if (*p != ',') return JsonError::kObject;
    p = SkipJsonSpace(p + 1, end);
    if (p == end) return JsonError::kArray;
  }
}

}  // namespace skald
