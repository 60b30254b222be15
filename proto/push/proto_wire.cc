#include "proto/push/proto_wire.h"

#include "base/error.h"

namespace skald::proto_wire {

absl::Status Truncated() { return InvalidArgument("unexpected EOF"); }

absl::Status WrongType(uint64_t type, std::string_view field) {
  return InvalidArgument("proto: wrong wireType = {} for field {}", type, field);
}

absl::StatusOr<uint64_t> Tag(ByteReader* reader) {
  const uint64_t tag = reader->Varint();
  if (!reader->ok()) return Truncated();
  if (tag >> 3 == 0) return InvalidArgument("proto: illegal tag 0 (wire type {})", tag & 7);
  return tag;
}

absl::Status Skip(ByteReader* reader, uint64_t tag) {
  switch (tag & 7) {
    case kVarint:
      reader->Varint();
      break;
    case kFixed64:
      reader->Bytes(8);
      break;
    case kBytes:
      reader->Text();
      break;
    case kFixed32:
      reader->Bytes(4);
      break;
    default:
      return InvalidArgument("proto: illegal wireType {}", tag & 7);
  }
  if (!reader->ok()) return Truncated();
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> Delimited(ByteReader* reader, uint64_t tag, std::string_view field) {
  if ((tag & 7) != kBytes) return WrongType(tag & 7, field);
  const std::string_view bytes = reader->Text();
  if (!reader->ok()) return Truncated();
  return bytes;
}

absl::StatusOr<uint64_t> Varint(ByteReader* reader, uint64_t tag, std::string_view field) {
  if ((tag & 7) != kVarint) return WrongType(tag & 7, field);
  const uint64_t value = reader->Varint();
  if (!reader->ok()) return Truncated();
  return value;
}

absl::StatusOr<uint64_t> Fixed64(ByteReader* reader, uint64_t tag, std::string_view field) {
  if ((tag & 7) != kFixed64) return WrongType(tag & 7, field);
  const auto value = reader->Fixed<uint64_t>();
  if (!reader->ok()) return Truncated();
  return value;
}

absl::StatusOr<uint32_t> Fixed32(ByteReader* reader, uint64_t tag, std::string_view field) {
  if ((tag & 7) != kFixed32) return WrongType(tag & 7, field);
  const auto value = reader->Fixed<uint32_t>();
  if (!reader->ok()) return Truncated();
  return value;
}

}  // namespace skald::proto_wire
