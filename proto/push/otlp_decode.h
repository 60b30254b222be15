// An OTLP logs request as streams and entries, by Loki's label mapping: some resource attributes are index
// labels, everything else about a record is structured metadata of its line.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/push/otlp_config.h"
#include "proto/push/push_decode.h"

namespace skald {

struct OtlpMapping {
  const OtlpConfig* config;
  // Label names that may give service_name where there is no service.name; empty = none is made up.
  const std::vector<std::string>* discover_service_name;
  int64_t now_ns = 0;           // of records without a time
  uint64_t max_made_bytes = 0;  // of names and texts made here: nesting multiplies them
};

// bytes: an ExportLogsServiceRequest, which must outlive out's views. InvalidArgument with Loki's text.
absl::Status DecodeOtlpProto(std::string_view bytes, const OtlpMapping& mapping, DecodedPush* out);

// The protobuf form of a request in OTLP's JSON form: camelCase or snake_case keys, 64-bit integers as
// numbers or strings, ids in hex, bytes in base64; null is absent; unknown keys and what follows the closing
// brace are passed over.
absl::StatusOr<std::string> OtlpJsonToProto(std::string json);

// An OTLP body as it came over HTTP: Content-Type and Content-Encoding decide. `json` of the result tells
// which form it was. Statuses are Loki's.
PushDecodeResult DecodeOtlp(const PushFormat& format, const OtlpMapping& mapping, std::string body);

}  // namespace skald
