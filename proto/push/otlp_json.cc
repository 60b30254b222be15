// OTLP's JSON form written out as its protobuf form, so that both are mapped by the same code.
#include <absl/strings/escaping.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/coding.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "proto/push/otlp_decode.h"
#include "proto/push/otlp_value.h"
#include "text/go_float.h"
#include "text/json_scan.h"

namespace skald {
namespace {

namespace od = simdjson::ondemand;

absl::Status Bad(simdjson::error_code code) { return InvalidArgument("{}", simdjson::error_message(code)); }

#define SKALD_JSON(expr)                                                                 \
  do {                                                                                   \
    if (const simdjson::error_code skald_code = (expr); skald_code != simdjson::SUCCESS) \
      return Bad(skald_code);                                                            \
  } while (false)

constexpr const char* kSeverities[] = {
    "UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4", "DEBUG",  "DEBUG2", "DEBUG3", "DEBUG4",
    "INFO",        "INFO2",  "INFO3",  "INFO4",  "WARN",   "WARN2",  "WARN3",  "WARN4",  "ERROR",
    "ERROR2",      "ERROR3", "ERROR4", "FATAL",  "FATAL2", "FATAL3", "FATAL4"};

// The message that is being written: fields are appended, nested messages get their length afterwards.
class ProtoText {
 public:
  void Varint(uint32_t field, uint64_t value) {
    PutVarint(&bytes_, field << 3 | 0u);
    PutVarint(&bytes_, value);
  }
  void Fixed64(uint32_t field, uint64_t value) {
    PutVarint(&bytes_, field << 3 | 1u);
    PutFixed<uint64_t>(&bytes_, value);
  }
  void Fixed32(uint32_t field, uint32_t value) {
    PutVarint(&bytes_, field << 3 | 5u);
    PutFixed<uint32_t>(&bytes_, value);
  }
  void Bytes(uint32_t field, std::string_view value) {
    PutVarint(&bytes_, field << 3 | 2u);
    PutText(&bytes_, value);
  }
  // A nested message: what is written until End is in it. The length is a varint of always five bytes.
  size_t Begin(uint32_t field) {
    PutVarint(&bytes_, field << 3 | 2u);
    bytes_.append(kLengthBytes, '\0');
    return bytes_.size();
  }
  void End(size_t begin) {
    size_t length = bytes_.size() - begin;
    for (size_t i = 0; i < kLengthBytes; ++i) {
      bytes_[begin - kLengthBytes + i] = static_cast<char>((length & 127) | (i + 1 < kLengthBytes ? 128 : 0));
      length >>= 7;
    }
  }
  std::string Take() { return std::move(bytes_); }
  void Reserve(size_t n) { bytes_.reserve(n); }

 private:
  static constexpr size_t kLengthBytes = 5;
  std::string bytes_;
};

class Transcoder {
 public:
  absl::Status Request(od::value value) {
    return Object(value, [this](std::string_view key, od::value v) -> absl::Status {
      if (key == "resourceLogs" || key == "resource_logs")
        return Array(v, [this](od::value e) { return Nested(1, e, &Transcoder::ResourceLogs); });
      return absl::OkStatus();
    });
  }

  ProtoText* out() { return &out_; }

 private:
  using Member = absl::Status (Transcoder::*)(std::string_view, od::value);

  absl::Status ResourceLogs(std::string_view key, od::value v) {
    if (key == "resource") return Nested(1, v, &Transcoder::Resource);
    if (key == "scopeLogs" || key == "scope_logs")
      return Array(v, [this](od::value e) { return Nested(2, e, &Transcoder::ScopeLogs); });
    return absl::OkStatus();
  }

  absl::Status Resource(std::string_view key, od::value v) {
    if (key == "attributes") return Attributes(1, v);
    return absl::OkStatus();
  }

  absl::Status ScopeLogs(std::string_view key, od::value v) {
    if (key == "scope") return Nested(1, v, &Transcoder::Scope);
    if (key == "logRecords" || key == "log_records")
      return Array(v, [this](od::value e) { return Nested(2, e, &Transcoder::LogRecord); });
    return absl::OkStatus();
  }

  absl::Status Scope(std::string_view key, od::value v) {
    if (key == "name") return Text(1, v);
    if (key == "version") return Text(2, v);
    if (key == "attributes") return Attributes(3, v);
    if (key == "droppedAttributesCount" || key == "dropped_attributes_count") {
      ASSIGN_OR_RETURN(const uint64_t n, Unsigned(v));
      out_.Varint(4, n);
    }
    return absl::OkStatus();
  }

  absl::Status LogRecord(std::string_view key, od::value v) {
    if (key == "timeUnixNano" || key == "time_unix_nano") {
      ASSIGN_OR_RETURN(const uint64_t n, Unsigned(v));
      out_.Fixed64(1, n);
    } else if (key == "observedTimeUnixNano" || key == "observed_time_unix_nano") {
      ASSIGN_OR_RETURN(const uint64_t n, Unsigned(v));
      out_.Fixed64(11, n);
    } else if (key == "severityNumber" || key == "severity_number") {
      ASSIGN_OR_RETURN(const int64_t n, Severity(v));
      out_.Varint(2, static_cast<uint64_t>(n));
    } else if (key == "severityText" || key == "severity_text") {
      return Text(3, v);
    } else if (key == "body") {
      return Value(5, v, 0);
    } else if (key == "attributes") {
      return Attributes(6, v);
    } else if (key == "droppedAttributesCount" || key == "dropped_attributes_count") {
      ASSIGN_OR_RETURN(const uint64_t n, Unsigned(v));
      out_.Varint(7, n);
    } else if (key == "flags") {
      ASSIGN_OR_RETURN(const uint64_t n, Unsigned(v));
      out_.Fixed32(8, static_cast<uint32_t>(n));
    } else if (key == "traceId" || key == "trace_id") {
      return Id(9, 16, v);
    } else if (key == "spanId" || key == "span_id") {
      return Id(10, 8, v);
    }
    return absl::OkStatus();
  }

  absl::Status Attributes(uint32_t field, od::value v) {
    return Array(v, [this, field](od::value e) { return Pair(field, e, 0); });
  }

  absl::Status Pair(uint32_t field, od::value v, int depth) {
    const size_t begin = out_.Begin(field);
    RETURN_IF_ERROR(Object(v, [this, depth](std::string_view key, od::value inner) -> absl::Status {
      if (key == "key") return Text(1, inner);
      if (key == "value") return Value(2, inner, depth);
      return absl::OkStatus();
    }));
    out_.End(begin);
    return absl::OkStatus();
  }

  absl::Status Value(uint32_t field, od::value v, int depth) {
    if (depth > kMaxOtlpDepth)
      return InvalidArgument("a value is nested deeper than {} levels", kMaxOtlpDepth);
    const size_t begin = out_.Begin(field);
    RETURN_IF_ERROR(Object(v, [this, depth](std::string_view key, od::value inner) -> absl::Status {
      if (key == "stringValue" || key == "string_value") return Text(1, inner);
      if (key == "boolValue" || key == "bool_value") {
        bool b = false;
        if (inner.get_bool().get(b) != simdjson::SUCCESS) return InvalidArgument("ReadBool: expect t or f");
        out_.Varint(2, b ? 1 : 0);
      } else if (key == "intValue" || key == "int_value") {
        ASSIGN_OR_RETURN(const int64_t n, Signed(inner));
        out_.Varint(3, static_cast<uint64_t>(n));
      } else if (key == "doubleValue" || key == "double_value") {
        ASSIGN_OR_RETURN(const double d, Double(inner));
        uint64_t bits = 0;
        std::memcpy(&bits, &d, sizeof(bits));
        out_.Fixed64(4, bits);
      } else if (key == "bytesValue" || key == "bytes_value") {
        ASSIGN_OR_RETURN(const std::string_view text, String(inner));
        std::string bytes;
        if (!absl::Base64Unescape({text.data(), text.size()}, &bytes))
          return InvalidArgument("base64.Decode: illegal base64 data");
        out_.Bytes(7, bytes);
      } else if (key == "arrayValue" || key == "array_value") {
        return Values(5, inner, [this, depth](od::value e) { return Value(1, e, depth + 1); });
      } else if (key == "kvlistValue" || key == "kvlist_value") {
        return Values(6, inner, [this, depth](od::value e) { return Pair(1, e, depth + 1); });
      }
      return absl::OkStatus();
    }));
    out_.End(begin);
    return absl::OkStatus();
  }

  template <class Visit>
  absl::Status Values(uint32_t field, od::value v, Visit visit) {
    const size_t begin = out_.Begin(field);
    RETURN_IF_ERROR(Object(v, [this, &visit](std::string_view key, od::value inner) -> absl::Status {
      if (key == "values") return Array(inner, visit);
      return absl::OkStatus();
    }));
    out_.End(begin);
    return absl::OkStatus();
  }

  absl::Status Nested(uint32_t field, od::value v, Member member) {
    const size_t begin = out_.Begin(field);
    RETURN_IF_ERROR(Object(
        v, [this, member](std::string_view key, od::value inner) { return (this->*member)(key, inner); }));
    out_.End(begin);
    return absl::OkStatus();
  }

  // Calls visit for each member that is not null; null in place of the object is an empty one.
  template <class Visit>
  absl::Status Object(od::value v, Visit visit) {
    od::json_type type{};
    SKALD_JSON(v.type().get(type));
    if (type == od::json_type::null) return Null(v);
    if (type != od::json_type::object) return InvalidArgument("ReadObject: expect {{ or , or }} or n");
    od::object object;
    SKALD_JSON(v.get_object().get(object));
    for (auto field : object) {
      std::string_view key;
      SKALD_JSON(field.unescaped_key().get(key));
      od::value inner;
      SKALD_JSON(field.value().get(inner));
      SKALD_JSON(inner.type().get(type));
      if (type == od::json_type::null) {
        RETURN_IF_ERROR(Null(inner));
        continue;
      }
      RETURN_IF_ERROR(visit(key, inner));
    }
    return absl::OkStatus();
  }

  template <class Visit>
  absl::Status Array(od::value v, Visit visit) {
    od::json_type type{};
    SKALD_JSON(v.type().get(type));
    if (type == od::json_type::null) return Null(v);
    if (type != od::json_type::array) return InvalidArgument("ReadArray: expect [ or , or ] or n");
    od::array array;
    SKALD_JSON(v.get_array().get(array));
    for (auto element : array) {
      od::value inner;
      SKALD_JSON(element.get(inner));
      RETURN_IF_ERROR(visit(inner));
    }
    return absl::OkStatus();
  }

  static absl::Status Null(od::value v) {
    bool is_null = false;
    SKALD_JSON(v.is_null().get(is_null));
    return is_null ? absl::OkStatus() : InvalidArgument("invalid null");
  }

  // Unescaped.
  absl::StatusOr<std::string_view> String(od::value v) {
    od::json_type type{};
    SKALD_JSON(v.type().get(type));
    if (type != od::json_type::string) return InvalidArgument("ReadString: expects \" or n");
    std::string_view text;
    SKALD_JSON(v.get_string().get(text));
    return text;
  }

  absl::Status Text(uint32_t field, od::value v) {
    ASSIGN_OR_RETURN(const std::string_view text, String(v));
    out_.Bytes(field, text);
    return absl::OkStatus();
  }

  absl::Status Id(uint32_t field, size_t bytes, od::value v) {
    ASSIGN_OR_RETURN(const std::string_view text, String(v));
    if (text.empty()) return absl::OkStatus();
    const auto hex = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (text.size() != bytes * 2) return InvalidArgument("ID.UnmarshalJSONIter: length mismatch");
    if (!std::all_of(text.begin(), text.end(), hex))
      return InvalidArgument("ID.UnmarshalJSONIter: encoding/hex: invalid byte");
    out_.Bytes(field, absl::HexStringToBytes({text.data(), text.size()}));
    return absl::OkStatus();
  }

  // A number as a number or in a string; the digits.
  absl::StatusOr<std::string_view> Digits(od::value v) {
    od::json_type type{};
    SKALD_JSON(v.type().get(type));
    if (type == od::json_type::string) return String(v);
    if (type != od::json_type::number) return InvalidArgument("unsupported value type");
    std::string_view raw = v.raw_json_token();
    while (!raw.empty() &&
           (raw.back() == ' ' || raw.back() == '\n' || raw.back() == '\r' || raw.back() == '\t'))
      raw.remove_suffix(1);
    return raw;
  }

  template <class T>
  absl::StatusOr<T> Whole(od::value v, std::string_view what) {
    absl::StatusOr<std::string_view> digits = Digits(v);
    if (!digits.ok()) return InvalidArgument("Read{}: {}", what, MessageOf(digits.status()));
    T n{};
    const char* const end = digits->data() + digits->size();
    const auto [p, ec] = std::from_chars(digits->data(), end, n);
    if (ec == std::errc() && p == end && !digits->empty()) return n;
    return InvalidArgument("Read{}: strconv.Parse{}: parsing \"{}\": {}", what,
                           what.substr(0, what.size() - 2), *digits,
                           ec == std::errc::result_out_of_range ? "value out of range" : "invalid syntax");
  }
  absl::StatusOr<uint64_t> Unsigned(od::value v) { return Whole<uint64_t>(v, "Uint64"); }
  absl::StatusOr<int64_t> Signed(od::value v) { return Whole<int64_t>(v, "Int64"); }

  absl::StatusOr<double> Double(od::value v) {
    ASSIGN_OR_RETURN(const std::string_view digits, Digits(v));
    if (digits == "Infinity") return INFINITY;
    if (digits == "-Infinity") return -INFINITY;
    return ParseGoFloat(digits);
  }

  absl::StatusOr<int64_t> Severity(od::value v) {
    ASSIGN_OR_RETURN(std::string_view text, Digits(v));
    if (text.starts_with("SEVERITY_NUMBER_")) {
      text.remove_prefix(16);
      for (size_t i = 0; i < std::size(kSeverities); ++i) {
        if (text == kSeverities[i]) return static_cast<int64_t>(i);
      }
      return 0;
    }
    int32_t n = 0;
    const auto [p, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || p != text.data() + text.size())
      return InvalidArgument("ReadEnum: \"{}\" is no number", text);
    return n;
  }

  ProtoText out_;
};

// The number of \uXXXX at p, or -1.
int EscapedUnit(std::string_view text) {
  int unit = 0;
  if (text.size() < 6 || !text.starts_with("\\u")) return -1;
  const auto [p, ec] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  return ec == std::errc() && p == text.data() + 6 ? unit : -1;
}

// Halves of surrogate pairs that stand alone become U+FFFD; simdjson takes no others.
void ReplaceLoneSurrogates(std::string* json) {
  for (size_t i = json->find("\\"); i != std::string::npos; i = json->find("\\", i)) {
    const std::string_view rest = std::string_view(*json).substr(i);
    const int unit = EscapedUnit(rest);
    if (unit < 0xD800 || unit > 0xDFFF) {
      i += 2;
      continue;
    }
    const int next = unit < 0xDC00 ? EscapedUnit(rest.substr(6)) : -1;
    if (next >= 0xDC00 && next <= 0xDFFF) {
      i += 12;
      continue;
    }
    json->replace(i + 2, 4, "fffd");
    i += 6;
  }
}

absl::StatusOr<std::string> Transcode(const std::string& json) {
  od::parser parser;
  od::document document;
  SKALD_JSON(
      parser.iterate(simdjson::padded_string_view(json.data(), json.size(), json.capacity())).get(document));
  od::json_type type{};
  SKALD_JSON(document.type().get(type));
  Transcoder transcoder;
  if (type == od::json_type::null) return std::string();
  if (type != od::json_type::object) return InvalidArgument("ReadObject: expect {{ or , or }} or n");
  od::value root;
  SKALD_JSON(document.get_value().get(root));
  transcoder.out()->Reserve(json.size());
  RETURN_IF_ERROR(transcoder.Request(root));
  return transcoder.out()->Take();
}

}  // namespace

absl::StatusOr<std::string> OtlpJsonToProto(std::string json) {
  // What follows the closing brace is nobody's business.
  {
    const char* const end = json.data() + json.size();
    const char* const begin = SkipJsonSpace(json.data(), end);
    if (begin == end) return InvalidArgument("ReadObject: expect {{ or , or }} or n, but found \\x00");
    const char* const close = *begin == '{' ? FindBlockEnd(begin, end) : nullptr;
    if (close != nullptr) json.resize(static_cast<size_t>(close - json.data()));
  }
  if (!IsValidUtf8(json)) {
    std::string valid;
    AppendValidUtf8(&valid, json, "\xEF\xBF\xBD");
    json.swap(valid);
  }
  ReplaceLoneSurrogates(&json);
  json.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  return Transcode(json);
}

}  // namespace skald
