// The JSON forms of a push, read with simdjson's on-demand parser: strings without escapes cost no copy.
#include <simdjson.h>

#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "proto/push/push_decode.h"
#include "proto/push/push_json_error.h"
#include "text/json_scan.h"
#include "text/line_form.h"
#include "text/rfc3339.h"

namespace skald {
namespace {

namespace od = simdjson::ondemand;

// Where Loki's decoder stands when it complains about a stream.
constexpr std::string_view kWhere =
    "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: ";

absl::Status Bad(std::string_view text) { return InvalidArgument("{}", text); }

// Damage to the JSON itself.
absl::Status BadJson(simdjson::error_code code) { return DataLoss("{}", simdjson::error_message(code)); }

#define SKALD_JSON(expr)                                                                 \
  do {                                                                                   \
    if (const simdjson::error_code skald_code = (expr); skald_code != simdjson::SUCCESS) \
      return BadJson(skald_code);                                                        \
  } while (false)

// What Loki's decoder says of a value of another kind.
constexpr std::string_view kNoObject = "Value looks like object, but can't find closing '}' symbol";
constexpr std::string_view kNoString = "Value is string, but can't find closing '\"' symbol";
constexpr std::string_view kNoNumber =
    "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol";

// Of a value in place of an array.
absl::Status NoArray(od::json_type type) {
  return Bad(type == od::json_type::object ? "Unknown value type" : "Malformed JSON error");
}

absl::Status GetString(od::value value, std::string_view said, std::string_view* out) {
  od::json_type type{};
  SKALD_JSON(value.type().get(type));
  if (type != od::json_type::string) return Bad(said);
  // A lone surrogate; other damage is found by whoever looks at the text again.
  if (value.get_string().get(*out) != simdjson::SUCCESS) return Bad(kNoNumber);
  return absl::OkStatus();
}

std::string_view RawText(od::value value, simdjson::error_code* code) {
  std::string_view raw;
  od::json_type type{};
  *code = value.type().get(type);
  if (*code != simdjson::SUCCESS) return {};
  if (type == od::json_type::object || type == od::json_type::array) {
    if (type == od::json_type::object) {
      od::object object;
      *code = value.get_object().get(object);
      if (*code == simdjson::SUCCESS) *code = object.raw_json().get(raw);
    } else {
      od::array array;
      *code = value.get_array().get(array);
      if (*code == simdjson::SUCCESS) *code = array.raw_json().get(raw);
    }
    return raw;
  }
  raw = value.raw_json_token();
  while (!raw.empty() &&
         (raw.back() == ' ' || raw.back() == '\n' || raw.back() == '\r' || raw.back() == '\t')) {
    raw.remove_suffix(1);
  }
  return raw;
}

absl::Status ReadLabels(od::value value, DecodedPush* out, PushStream* stream) {
  od::json_type type{};
  SKALD_JSON(value.type().get(type));
  od::object object;
  if (type != od::json_type::object) return Bad(kNoObject);
  SKALD_JSON(value.get_object().get(object));
  std::map<std::string_view, std::string_view> pairs;  // of equal names the last wins
  for (auto field : object) {
    std::string_view name;
    SKALD_JSON(field.unescaped_key().get(name));
    od::value v;
    SKALD_JSON(field.value().get(v));
    SKALD_JSON(v.type().get(type));
    std::string_view text;
    if (type == od::json_type::string) {
      SKALD_JSON(v.get_string().get(text));
    } else {
      simdjson::error_code code = simdjson::SUCCESS;
      text = RawText(v, &code);
      SKALD_JSON(code);
    }
    pairs[name] = text;
  }
  std::string& text = out->texts.emplace_back("{");
  for (const auto& [name, v] : pairs) {
    if (text.size() > 1) text += ", ";
    text += name;
    text += '=';
    AppendGoQuoted(&text, v);
  }
  text += '}';
  stream->labels = text;
  return absl::OkStatus();
}

absl::Status ReadMetadata(od::value value, DecodedPush* out) {
  od::json_type type{};
  SKALD_JSON(value.type().get(type));
  if (type != od::json_type::object) return Bad(kNoObject);
  od::object object;
  SKALD_JSON(value.get_object().get(object));
  for (auto field : object) {
    std::string_view name;
    SKALD_JSON(field.unescaped_key().get(name));
    od::value v;
    SKALD_JSON(field.value().get(v));
    std::string_view text;
    RETURN_IF_ERROR(GetString(v, kNoString, &text));
    RETURN_IF_ERROR(out->CheckRoom());
    out->metadata.emplace_back(name, text);
  }
  return absl::OkStatus();
}

absl::Status ParseTime(std::string_view text, int64_t* time_ns) {
  const char* const end = text.data() + text.size();
  const char* const begin = text.data();
  const auto [p, ec] = std::from_chars(begin, end, *time_ns);
  if (ec == std::errc() && p == end && begin != end) return absl::OkStatus();
  return Bad(kNoNumber);
}

absl::Status ReadEntry(od::value value, DecodedPush* out) {
  od::json_type type{};
  SKALD_JSON(value.type().get(type));
  if (type == od::json_type::null) return absl::OkStatus();
  if (type != od::json_type::array) return NoArray(type);
  od::array array;
  SKALD_JSON(value.get_array().get(array));
  RETURN_IF_ERROR(out->CheckRoom());
  PushEntry entry;
  entry.metadata_begin = static_cast<uint32_t>(out->metadata.size());
  size_t i = 0;
  for (auto element : array) {
    od::value v;
    SKALD_JSON(element.get(v));
    if (i == 0) {
      std::string_view time;
      RETURN_IF_ERROR(GetString(v, kNoNumber, &time));
      RETURN_IF_ERROR(ParseTime(time, &entry.time_ns));
    } else if (i == 1) {
      RETURN_IF_ERROR(GetString(v, kNoString, &entry.line));
    } else if (i == 2) {
      RETURN_IF_ERROR(ReadMetadata(v, out));
    }
    ++i;
  }
  if (i == 0) entry.time_ns = kNoTimeNs;
  entry.metadata_end = static_cast<uint32_t>(out->metadata.size());
  out->entries.push_back(entry);
  return absl::OkStatus();
}

absl::Status ReadLegacyEntry(od::value value, DecodedPush* out) {
  od::object object;
  SKALD_JSON(value.get_object().get(object));
  RETURN_IF_ERROR(out->CheckRoom());
  PushEntry entry;
  entry.metadata_begin = static_cast<uint32_t>(out->metadata.size());
  for (auto field : object) {
    std::string_view key;
    SKALD_JSON(field.unescaped_key().get(key));
    od::value v;
    SKALD_JSON(field.value().get(v));
    if (key == "ts" || key == "timestamp") {
      std::string_view time;
      RETURN_IF_ERROR(GetString(v, kNoNumber, &time));
      const absl::StatusOr<int64_t> parsed = ParseRfc3339(time);
      if (!parsed.ok()) return Bad(MessageOf(parsed.status()));
      entry.time_ns = *parsed;
    } else if (key == "line") {
      RETURN_IF_ERROR(GetString(v, kNoString, &entry.line));
    } else if (key == "structuredMetadata") {
      RETURN_IF_ERROR(ReadMetadata(v, out));
    }
  }
  entry.metadata_end = static_cast<uint32_t>(out->metadata.size());
  out->entries.push_back(entry);
  return absl::OkStatus();
}

absl::Status ReadStream(od::value value, bool legacy, DecodedPush* out) {
  od::json_type type{};
  SKALD_JSON(value.type().get(type));
  if (type != od::json_type::object) return Bad(kNoObject);
  od::object object;
  SKALD_JSON(value.get_object().get(object));
  RETURN_IF_ERROR(out->CheckRoom());
  PushStream stream;
  stream.labels = "{}";
  stream.entry_begin = static_cast<uint32_t>(out->entries.size());
  for (auto field : object) {
    std::string_view key;
    SKALD_JSON(field.unescaped_key().get(key));
    od::value v;
    SKALD_JSON(field.value().get(v));
    if (legacy && key == "labels") {
      RETURN_IF_ERROR(GetString(v, kNoString, &stream.labels));
    } else if (!legacy && key == "stream") {
      RETURN_IF_ERROR(ReadLabels(v, out, &stream));
    } else if (key == (legacy ? "entries" : "values")) {
      SKALD_JSON(v.type().get(type));
      if (type == od::json_type::null) continue;
      if (type != od::json_type::array) return NoArray(type);
      out->entries.resize(stream.entry_begin);  // of a key that stands twice the last counts
      od::array array;
      SKALD_JSON(v.get_array().get(array));
      for (auto element : array) {
        od::value entry;
        SKALD_JSON(element.get(entry));
        RETURN_IF_ERROR(legacy ? ReadLegacyEntry(entry, out) : ReadEntry(entry, out));
      }
    }
  }
  stream.entry_end = static_cast<uint32_t>(out->entries.size());
  out->streams.push_back(stream);
  return absl::OkStatus();
}

absl::Status ReadRequest(od::document& document, bool legacy, DecodedPush* out) {
  od::json_type type{};
  SKALD_JSON(document.type().get(type));
  if (type == od::json_type::null) return absl::OkStatus();
  od::object object;
  if (type != od::json_type::object) return Bad("a push is an object");
  SKALD_JSON(document.get_object().get(object));
  for (auto field : object) {
    std::string_view key;
    SKALD_JSON(field.unescaped_key().get(key));
    if (!EqualFold(key, "streams")) continue;
    od::value v;
    SKALD_JSON(field.value().get(v));
    SKALD_JSON(v.type().get(type));
    if (type == od::json_type::null) continue;
    od::array array;
    SKALD_JSON(v.get_array().get(array));
    for (auto element : array) {
      od::value stream;
      SKALD_JSON(element.get(stream));
      RETURN_IF_ERROR(ReadStream(stream, legacy, out));
    }
  }
  return absl::OkStatus();
}

// status, of a body that could not be read as far as out says, with the text that goes out.
absl::Status Explained(const absl::Status& status, std::string_view body, bool legacy,
                       const DecodedPush& out) {
  const std::string what(MessageOf(status));
  if (!legacy) {
    std::optional<std::string> text;
    if (absl::IsDataLoss(status)) text = PushJsonError(body, std::nullopt);
    if (!text) text = PushJsonError(body, StreamFault{out.streams.size(), what});
    if (text) return Bad(*text);
  }
  return InvalidArgument("{}{}", kWhere, what);
}

}  // namespace

absl::Status DecodePushJson(std::string body, bool legacy, DecodedPush* out) {
  if (body.empty()) return InvalidArgument("EOF");
  auto parser = std::make_shared<od::parser>();
  std::string& text = out->texts.emplace_back(std::move(body));
  od::document document;
  const auto iterate = [&] {
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    return parser->iterate(simdjson::padded_string_view(text.data(), text.size(), text.capacity()))
        .get(document);
  };
  simdjson::error_code code = iterate();
  if (code == simdjson::UTF8_ERROR) {
    // Lines need not be UTF-8, JSON must be: what is not goes in as U+FFFD.
    std::string valid;
    valid.reserve(text.size() + text.size() / 8 + simdjson::SIMDJSON_PADDING);
    AppendValidUtf8(&valid, text, "\xEF\xBF\xBD");
    text.swap(valid);
    code = iterate();
  }
  out->parser = parser;
  const absl::Status status = code == simdjson::SUCCESS ? ReadRequest(document, legacy, out) : BadJson(code);
  if (status.ok()) return status;
  // What follows the closing brace is nobody's business: without it, it may be a push.
  const char* const end = text.data() + text.size();
  const char* const begin = SkipJsonSpace(text.data(), end);
  const char* const close = begin < end && *begin == '{' ? FindBlockEnd(begin, end) : nullptr;
  if (close == nullptr || SkipJsonSpace(close, end) == end) return Explained(status, text, legacy, *out);
  text.resize(static_cast<size_t>(close - text.data()));
  out->streams.clear();
  out->entries.clear();
  out->metadata.clear();
  code = iterate();
  const absl::Status again = code == simdjson::SUCCESS ? ReadRequest(document, legacy, out) : BadJson(code);
  return again.ok() ? again : Explained(again, text, legacy, *out);
}

}  // namespace skald
