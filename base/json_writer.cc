#include "base/json_writer.h"

#include <charconv>

#include "base/utf8.h"

namespace skald {

void AppendJsonString(std::string* out, std::string_view text, JsonEscape escape) {
  constexpr char kHex[] = "0123456789abcdef";
  const bool html = escape == JsonEscape::kHtml;
  *out += '"';
  size_t i = 0;
  size_t plain = 0;  // [plain, i) needs no escape and is not written yet
  const auto flush = [&](size_t skip) {
    out->append(text.substr(plain, i - plain));
    i += skip;
    plain = i;
  };
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && !(html && (c == '<' || c == '>' || c == '&'))) {
      ++i;
      continue;
    }
    if (c >= 0x80) {
      const DecodedRune rune = DecodeRune(text.substr(i));
      if (!rune.valid) {
        flush(1);
        *out += "\\ufffd";
      } else if (html && (rune.rune == 0x2028 || rune.rune == 0x2029)) {
        flush(3);
        *out += rune.rune == 0x2028 ? "\\u2028" : "\\u2029";
      } else {
        i += rune.size;
      }
      continue;
    }
    flush(1);
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        *out += "\\u00";
        *out += kHex[c >> 4];
        *out += kHex[c & 15];
    }
  }
  flush(0);
  *out += '"';
}

void JsonWriter::Separate() {
  if (comma_) *out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::Open(char c) {
  Separate();
  *out_ += c;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char c) {
  *out_ += c;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  Separate();
  AppendJsonString(out_, key, escape_);
  *out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text, JsonEscape escape) {
  Separate();
  AppendJsonString(out_, text, escape);
  return *this;
}

JsonWriter& JsonWriter::Int(int64_t value) {
  Separate();
  char buffer[24];
  out_->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
  return *this;
}

JsonWriter& JsonWriter::UInt(uint64_t value) {
  Separate();
  char buffer[24];
  out_->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
  return *this;
}

JsonWriter& JsonWriter::Double(double value) {
  Separate();
  char buffer[40];
  out_->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) { return Raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::Null() { return Raw("null"); }

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  *out_ += json;
  return *this;
}

}  // namespace skald
