// Protobuf's wire form read in place: tags, lengths, unknown fields. Errors are InvalidArgument with the
// texts that Go's decoders use, because senders and their tests know those.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>

#include "base/coding.h"

namespace skald::proto_wire {

inline constexpr uint64_t kVarint = 0;
inline constexpr uint64_t kFixed64 = 1;
inline constexpr uint64_t kBytes = 2;
inline constexpr uint64_t kFixed32 = 5;

absl::Status Truncated();
absl::Status WrongType(uint64_t type, std::string_view field);

// The next tag: field number << 3 | wire type. The number is never 0.
absl::StatusOr<uint64_t> Tag(ByteReader* reader);
// Steps over the field of this tag.
absl::Status Skip(ByteReader* reader, uint64_t tag);

// The value of a field of this tag; `field` names it in errors.
absl::StatusOr<std::string_view> Delimited(ByteReader* reader, uint64_t tag, std::string_view field);
absl::StatusOr<uint64_t> Varint(ByteReader* reader, uint64_t tag, std::string_view field);
absl::StatusOr<uint64_t> Fixed64(ByteReader* reader, uint64_t tag, std::string_view field);
absl::StatusOr<uint32_t> Fixed32(ByteReader* reader, uint64_t tag, std::string_view field);

}  // namespace skald::proto_wire
