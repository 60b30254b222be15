// The project's one JSON writer: appends to a std::string, puts commas itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// How a string's characters go out. Go's encoding/json escapes < > & as \u003c \u003e \u0026; Loki does so in
// some places (log lines, metric labels) and not in others (stream labels, label lists): http-api 1.2.
enum class JsonEscape { kPlain, kHtml };

// Appends text as a quoted JSON string. Invalid UTF-8 goes out as \ufffd, one per byte; U+2028 and U+2029
// escaped under kHtml.
void AppendJsonString(std::string* out, std::string_view text, JsonEscape escape = JsonEscape::kPlain);

// Not thread-safe. The caller keeps the nesting right; out must outlive the writer.
//
//   JsonWriter w(&out);
//   w.BeginObject().Key("status").String("success").Key("data").BeginArray().Int(1).EndArray().EndObject();
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out, JsonEscape escape = JsonEscape::kPlain)
      : out_(out), escape_(escape) {}

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view key);
  JsonWriter& String(std::string_view text) { return String(text, escape_); }
  JsonWriter& String(std::string_view text, JsonEscape escape);
  JsonWriter& Int(int64_t value);
  JsonWriter& UInt(uint64_t value);
  JsonWriter& Double(double value);  // shortest round trip; must be finite
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // a complete JSON value

 private:
  JsonWriter& Open(char c);
  JsonWriter& Close(char c);
  void Separate();

  std::string* out_;
  JsonEscape escape_;
  bool comma_ = false;  // the next value or key is preceded by a comma
};

}  // namespace skald
