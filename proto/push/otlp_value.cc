#include "proto/push/otlp_value.h"

#include <absl/strings/escaping.h>

#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "proto/push/proto_wire.h"
#include "text/go_float.h"

namespace skald {
namespace {

using Kind = OtlpValue::Kind;

// Shortest digits; an exponent below 1e-6 and from 1e21 on, without padding: 1e-7, 1e+21.
void AppendJsonNumber(std::string* out, double value) {
  const double magnitude = std::abs(value);
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) {
    AppendSampleValue(out, value);
    return;
  }
  std::string text = FormatGoFloatV(value);
  // Go pads the exponent to two digits, its JSON takes that back for small ones.
  const size_t e = text.find("e-0");
  if (e != std::string::npos) text.erase(e + 2, 1);
  *out += text;
}

// As Go's encoding/json without HTML escaping: \b, \f and the two line separators have escapes of their own.
void AppendGoJsonString(std::string* out, std::string_view text) {
  std::string quoted;
  AppendJsonString(&quoted, text);
  for (size_t i = 0; i < quoted.size(); ++i) {
    const std::string_view rest = std::string_view(quoted).substr(i);
    if (rest.starts_with("\\u0008") || rest.starts_with("\\u000c")) {
      *out += rest[5] == '8' ? "\\b" : "\\f";
      i += 5;
    } else if (rest.starts_with("\\\\")) {
      *out += "\\\\";
      ++i;
    } else if (rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9")) {
      *out += rest[2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out->push_back(quoted[i]);
    }
  }
}

// False where the value has no JSON form.
absl::StatusOr<bool> AppendJson(const OtlpValue& value, int depth, std::string* out) {
  if (depth > kMaxOtlpDepth) return InvalidArgument("a value is nested deeper than {} levels", kMaxOtlpDepth);
  switch (value.kind) {
    case Kind::kNone:
      *out += "null";
      return true;
    case Kind::kString:
      AppendGoJsonString(out, value.bytes);
      return true;
    case Kind::kBool:
      *out += value.boolean ? "true" : "false";
      return true;
    case Kind::kInt:
      *out += std::to_string(value.integer);
      return true;
    case Kind::kDouble:
      if (!std::isfinite(value.number)) return false;
      AppendJsonNumber(out, value.number);
      return true;
    case Kind::kBytes:
      AppendJsonString(out, absl::Base64Escape({value.bytes.data(), value.bytes.size()}));
      return true;
    case Kind::kArray: {
      bool whole = true;
      *out += '[';
      bool first = true;
      RETURN_IF_ERROR(ForEachOtlpElement(value.bytes, [&](std::string_view element) -> absl::Status {
        ASSIGN_OR_RETURN(const OtlpValue inner, ReadOtlpValue(element));
        if (!first) *out += ',';
        first = false;
        ASSIGN_OR_RETURN(const bool fits, AppendJson(inner, depth + 1, out));
        whole &= fits;
        return absl::OkStatus();
      }));
      *out += ']';
      return whole;
    }
    case Kind::kMap: {
      bool whole = true;
      std::map<std::string_view, OtlpValue> sorted;  // of equal keys the last stays
      RETURN_IF_ERROR(ForEachOtlpElement(value.bytes, [&](std::string_view element) -> absl::Status {
        ASSIGN_OR_RETURN(const OtlpPair pair, ReadOtlpPair(element));
        sorted[pair.key] = pair.value;
        return absl::OkStatus();
      }));
      *out += '{';
      bool first = true;
      for (const auto& [key, inner] : sorted) {
        if (!first) *out += ',';
        first = false;
        AppendGoJsonString(out, key);
        *out += ':';
        ASSIGN_OR_RETURN(const bool fits, AppendJson(inner, depth + 1, out));
        whole &= fits;
      }
      *out += '}';
      return whole;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<OtlpValue> ReadOtlpValue(std::string_view bytes) {
  ByteReader reader(bytes);
  OtlpValue value;
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, proto_wire::Tag(&reader));
    const uint64_t field = tag >> 3;
    switch (field) {
      case 1: {
        ASSIGN_OR_RETURN(value.bytes, proto_wire::Delimited(&reader, tag, "StringValue"));
        value.kind = Kind::kString;
        break;
      }
      case 2: {
        ASSIGN_OR_RETURN(const uint64_t v, proto_wire::Varint(&reader, tag, "BoolValue"));
        value.boolean = v != 0;
        value.kind = Kind::kBool;
        break;
      }
      case 3: {
        ASSIGN_OR_RETURN(const uint64_t v, proto_wire::Varint(&reader, tag, "IntValue"));
        value.integer = static_cast<int64_t>(v);
        value.kind = Kind::kInt;
        break;
      }
      case 4: {
        ASSIGN_OR_RETURN(const uint64_t v, proto_wire::Fixed64(&reader, tag, "DoubleValue"));
        std::memcpy(&value.number, &v, sizeof(v));
        value.kind = Kind::kDouble;
        break;
      }
      case 5: {
        ASSIGN_OR_RETURN(value.bytes, proto_wire::Delimited(&reader, tag, "ArrayValue"));
        value.kind = Kind::kArray;
        break;
      }
      case 6: {
        ASSIGN_OR_RETURN(value.bytes, proto_wire::Delimited(&reader, tag, "KvlistValue"));
        value.kind = Kind::kMap;
        break;
      }
      case 7: {
        ASSIGN_OR_RETURN(value.bytes, proto_wire::Delimited(&reader, tag, "BytesValue"));
        value.kind = Kind::kBytes;
        break;
      }
      default:
        RETURN_IF_ERROR(proto_wire::Skip(&reader, tag));
    }
  }
  return value;
}

absl::StatusOr<OtlpPair> ReadOtlpPair(std::string_view bytes) {
  ByteReader reader(bytes);
  OtlpPair pair;
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, proto_wire::Tag(&reader));
    if (tag >> 3 == 1) {
      ASSIGN_OR_RETURN(pair.key, proto_wire::Delimited(&reader, tag, "Key"));
    } else if (tag >> 3 == 2) {
      ASSIGN_OR_RETURN(const std::string_view value, proto_wire::Delimited(&reader, tag, "Value"));
      ASSIGN_OR_RETURN(pair.value, ReadOtlpValue(value));
    } else {
      RETURN_IF_ERROR(proto_wire::Skip(&reader, tag));
    }
  }
  return pair;
}

absl::StatusOr<std::string_view> OtlpText(const OtlpValue& value, std::string* scratch) {
  scratch->clear();
  switch (value.kind) {
    case Kind::kNone:
      return std::string_view();
    case Kind::kString:
      return value.bytes;
    case Kind::kBytes:
      *scratch = absl::Base64Escape({value.bytes.data(), value.bytes.size()});
      break;
    case Kind::kDouble:
      if (std::isfinite(value.number)) {
        AppendJsonNumber(scratch, value.number);
      } else {
        *scratch = std::isnan(value.number) ? "NaN" : value.number > 0 ? "Infinity" : "-Infinity";
      }
      break;
    default: {
      ASSIGN_OR_RETURN(const bool whole, AppendJson(value, 0, scratch));
      if (!whole) scratch->clear();
    }
  }
  return std::string_view(*scratch);
}

}  // namespace skald
