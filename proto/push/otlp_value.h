// An OTLP AnyValue in its wire form, and what it is as text.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status_macros.h"
#include "proto/push/proto_wire.h"

namespace skald {

// Views point into the bytes it was read from.
struct OtlpValue {
  enum class Kind { kNone, kString, kBool, kInt, kDouble, kArray, kMap, kBytes };
  Kind kind = Kind::kNone;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  std::string_view bytes;  // of strings and bytes; the message of arrays and maps
};

// How deep values may be nested.
inline constexpr int kMaxOtlpDepth = 100;

// The value itself, not what is nested in it. InvalidArgument for bytes that are no AnyValue.
absl::StatusOr<OtlpValue> ReadOtlpValue(std::string_view bytes);

struct OtlpPair {
  std::string_view key;
  OtlpValue value;
};
// A KeyValue.
absl::StatusOr<OtlpPair> ReadOtlpPair(std::string_view bytes);

// Calls visit(std::string_view element) -> absl::Status for the elements (AnyValue or KeyValue) of a kArray
// or kMap value's message, until one fails.
template <class Visit>
absl::Status ForEachOtlpElement(std::string_view message, Visit&& visit) {
  ByteReader reader(message);
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, proto_wire::Tag(&reader));
    if (tag >> 3 != 1) {
      RETURN_IF_ERROR(proto_wire::Skip(&reader, tag));
      continue;
    }
    ASSIGN_OR_RETURN(const std::string_view element, proto_wire::Delimited(&reader, tag, "Values"));
    RETURN_IF_ERROR(visit(element));
  }
  return absl::OkStatus();
}

// The value as text: strings as they are, true and false, decimals, doubles as JSON has them (NaN, Infinity,
// -Infinity), bytes in base64, arrays and maps as JSON with sorted keys; "" for none, and for an array or map
// that holds a number JSON has not. *scratch holds the text where it is not the bytes themselves.
absl::StatusOr<std::string_view> OtlpText(const OtlpValue& value, std::string* scratch);

}  // namespace skald
