#include "proto/push/push_decode.h"

#include <snappy.h>

#include "base/coding.h"
#include "base/content_encoding.h"
#include "base/error.h"
#include "base/media_type.h"
#include "base/status_macros.h"
#include "proto/push/proto_wire.h"

namespace skald {
namespace {

using proto_wire::Delimited;
using proto_wire::Skip;
using proto_wire::Tag;
using proto_wire::Truncated;
using proto_wire::WrongType;

absl::Status ReadTimestamp(std::string_view bytes, int64_t* time_ns) {
  ByteReader reader(bytes);
  int64_t seconds = 0;
  int64_t nanos = 0;
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
    const uint64_t field = tag >> 3;
    if (field != 1 && field != 2) {
      RETURN_IF_ERROR(Skip(&reader, tag));
      continue;
    }
    if ((tag & 7) != proto_wire::kVarint) return WrongType(tag & 7, field == 1 ? "Seconds" : "Nanos");
    const uint64_t value = reader.Varint();
    if (!reader.ok()) return Truncated();
    if (field == 1) {
      seconds = static_cast<int64_t>(value);
    } else {
      nanos = static_cast<int32_t>(value);
    }
  }
  // The bounds of google.protobuf.Timestamp.
  constexpr int64_t kYear1 = -62'135'596'800;
  constexpr int64_t kYear10000 = 253'402'300'800;
  const auto bad = [&](std::string_view what) {
    return InvalidArgument("timestamp: &types.Timestamp{{Seconds: {},\nNanos: {},\n}}{}", seconds, nanos,
                           what);
  };
  if (seconds < kYear1) return bad(" before 0001-01-01");
  if (seconds >= kYear10000) return bad(" after 10000-01-01");
  if (nanos < 0 || nanos >= 1'000'000'000) return bad(": nanos not in range [0, 1e9)");
  // Wraps around as Go's UnixNano does.
  *time_ns =
      static_cast<int64_t>(static_cast<uint64_t>(seconds) * 1'000'000'000 + static_cast<uint64_t>(nanos));
  return absl::OkStatus();
}

absl::Status ReadPair(std::string_view bytes, std::pair<std::string_view, std::string_view>* pair) {
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
    if (tag >> 3 == 1) {
      ASSIGN_OR_RETURN(pair->first, Delimited(&reader, tag, "Name"));
    } else if (tag >> 3 == 2) {
      ASSIGN_OR_RETURN(pair->second, Delimited(&reader, tag, "Value"));
    } else {
      RETURN_IF_ERROR(Skip(&reader, tag));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadEntry(std::string_view bytes, DecodedPush* out) {
  RETURN_IF_ERROR(out->CheckRoom());
  ByteReader reader(bytes);
  PushEntry entry;
  entry.metadata_begin = static_cast<uint32_t>(out->metadata.size());
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
    switch (tag >> 3) {
      case 1: {
        ASSIGN_OR_RETURN(const std::string_view time, Delimited(&reader, tag, "Timestamp"));
        RETURN_IF_ERROR(ReadTimestamp(time, &entry.time_ns));
        break;
      }
      case 2: {
        ASSIGN_OR_RETURN(entry.line, Delimited(&reader, tag, "Line"));
        break;
      }
      case 3: {
        ASSIGN_OR_RETURN(const std::string_view pair, Delimited(&reader, tag, "StructuredMetadata"));
        RETURN_IF_ERROR(out->CheckRoom());
        out->metadata.emplace_back();
        RETURN_IF_ERROR(ReadPair(pair, &out->metadata.back()));
        break;
      }
      default:  // 4 = parsed, which says nothing on the way in
        RETURN_IF_ERROR(Skip(&reader, tag));
    }
  }
  entry.metadata_end = static_cast<uint32_t>(out->metadata.size());
  out->entries.push_back(entry);
  return absl::OkStatus();
}

absl::Status ReadStream(std::string_view bytes, DecodedPush* out) {
  RETURN_IF_ERROR(out->CheckRoom());
  ByteReader reader(bytes);
  PushStream stream;
  stream.entry_begin = static_cast<uint32_t>(out->entries.size());
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
    switch (tag >> 3) {
      case 1: {
        ASSIGN_OR_RETURN(stream.labels, Delimited(&reader, tag, "Labels"));
        break;
      }
      case 2: {
        ASSIGN_OR_RETURN(const std::string_view entry, Delimited(&reader, tag, "Entries"));
        RETURN_IF_ERROR(ReadEntry(entry, out));
        break;
      }
      default:
        RETURN_IF_ERROR(Skip(&reader, tag));
    }
  }
  stream.entry_end = static_cast<uint32_t>(out->entries.size());
  out->streams.push_back(stream);
  return absl::OkStatus();
}

PushError TooLarge(uint64_t size, uint64_t max) {
  return {400, fmt::format("decompressed message size too large than max ({} vs {})", size, max)};
}

}  // namespace

absl::Status DecodedPush::CheckRoom() const {
  if (streams.size() + entries.size() + metadata.size() < kMaxPushParts) return absl::OkStatus();
  return InvalidArgument(
      "a push may have {} streams, lines and structured metadata pairs together; send less at once",
      kMaxPushParts);
}

uint64_t DecodedPush::HeldBytes() const {
  uint64_t held = streams.capacity() * sizeof(PushStream) + entries.capacity() * sizeof(PushEntry) +
                  metadata.capacity() * sizeof(metadata[0]);
  for (const std::string& text : texts) held += sizeof(text) + text.size();
  return held;
}

absl::Status DecodePushProto(std::string_view bytes, DecodedPush* out) {
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
    if (tag >> 3 == 1) {
      ASSIGN_OR_RETURN(const std::string_view stream, Delimited(&reader, tag, "Streams"));
      RETURN_IF_ERROR(ReadStream(stream, out));
    } else {
      RETURN_IF_ERROR(Skip(&reader, tag));
    }
  }
  return absl::OkStatus();
}

PushDecodeResult DecodePush(const PushFormat& format, std::string body) {
  PushDecodeResult result;
  const auto fail = [&result](int status, std::string_view message) {
    result.error = {status, std::string(message)};
    return std::move(result);
  };
  const absl::StatusOr<std::string> type = MediaType(format.content_type);
  const std::string encoding = format.content_encoding;
  if (!encoding.empty() && encoding != "snappy" && encoding != "gzip" && encoding != "deflate") {
    return fail(400, fmt::format("Content-Encoding \"{}\" not supported", encoding));
  }
  if (!type.ok()) return fail(400, MessageOf(type.status()));
  result.json = *type == "application/json";

  if (encoding == "gzip" || encoding == "deflate") {
    absl::StatusOr<std::string> plain =
        DecodeContent(encoding == "gzip" ? ContentEncoding::kGzip : ContentEncoding::kDeflate, body,
                      format.max_decompressed);
    if (absl::IsResourceExhausted(plain.status())) {
      result.error = TooLarge(format.max_decompressed + 1, format.max_decompressed);
      return result;
    }
    if (!plain.ok()) return fail(400, MessageOf(plain.status()));
    body = *std::move(plain);
  }
  if (result.json) {
    if (absl::Status status = DecodePushJson(std::move(body), format.legacy, &result.push); !status.ok()) {
      return fail(absl::IsInternal(status) ? 500 : 400, MessageOf(status));
    }
    result.ok = true;
    return result;
  }
  size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
    return fail(400, "snappy: corrupt input");
  if (size > format.max_decompressed) {
    result.error = TooLarge(size, format.max_decompressed);
    return result;
  }
  // A snappy byte makes at most 64/3 bytes: what claims more is a bomb that would only cost memory.
  if (size / 32 > body.size()) return fail(400, "snappy: corrupt input");
  std::string& plain = result.push.texts.emplace_back();
  plain.resize(size);
  if (!snappy::RawUncompress(body.data(), body.size(), plain.data()))
    return fail(400, "snappy: corrupt input");
  body = {};
  if (absl::Status status = DecodePushProto(plain, &result.push); !status.ok())
    return fail(400, MessageOf(status));
  result.ok = true;
  return result;
}

}  // namespace skald
