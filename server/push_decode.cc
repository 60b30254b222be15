#include "server/push_decode.h"

#include <snappy.h>
#include <zlib.h>

#include <algorithm>

#include "base/coding.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::server {
namespace {

// Protobuf wire types.
constexpr uint64_t kVarint = 0;
constexpr uint64_t kFixed64 = 1;
constexpr uint64_t kBytes = 2;
constexpr uint64_t kFixed32 = 5;

absl::Status Truncated() { return InvalidArgument("unexpected EOF"); }

absl::Status WrongType(uint64_t type, std::string_view field) {
  return InvalidArgument("proto: wrong wireType = {} for field {}", type, field);
}

// Steps over a field of a number that nobody knows.
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

// The bytes of a length-delimited field.
absl::StatusOr<std::string_view> Delimited(ByteReader* reader, uint64_t tag, std::string_view field) {
  if ((tag & 7) != kBytes) return WrongType(tag & 7, field);
  const std::string_view bytes = reader->Text();
  if (!reader->ok()) return Truncated();
  return bytes;
}

absl::StatusOr<uint64_t> Tag(ByteReader* reader) {
  const uint64_t tag = reader->Varint();
  if (!reader->ok()) return Truncated();
  if (tag >> 3 == 0) return InvalidArgument("proto: illegal tag 0 (wire type {})", tag & 7);
  return tag;
}

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
    if ((tag & 7) != kVarint) return WrongType(tag & 7, field == 1 ? "Seconds" : "Nanos");
    const uint64_t value = reader.Varint();
    if (!reader.ok()) return Truncated();
    if (field == 1) {
      seconds = static_cast<int64_t>(value);
    } else {
      nanos = static_cast<int32_t>(value);
    }
  }
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

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// The media type without its parameters, in lower case, by the rules of MIME.
absl::StatusOr<std::string> MediaType(std::string_view header) {
  const std::string type = Lower(Trim(header.substr(0, header.find(';'))));
  if (type.empty()) return InvalidArgument("mime: no media type");
  const auto is_token = [](std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
      return c > ' ' && c < 127 && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
    });
  };
  const size_t slash = type.find('/');
  if (slash == std::string::npos) {
    if (!is_token(type)) return InvalidArgument("mime: unexpected content after media subtype");
    return type;
  }
  if (!is_token(std::string_view(type).substr(0, slash)))
    return InvalidArgument("mime: expected slash after first token");
  const std::string_view subtype = std::string_view(type).substr(slash + 1);
  if (subtype.empty()) return InvalidArgument("mime: expected token after slash");
  if (!is_token(subtype)) return InvalidArgument("mime: unexpected content after media subtype");
  return type;
}

PushError TooLarge(uint64_t size, uint64_t max) {
  return {400, fmt::format("decompressed message size too large than max ({} vs {})", size, max)};
}

}  // namespace

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

absl::StatusOr<std::string> Inflate(Compression form, std::string_view bytes, uint64_t max_bytes) {
  z_stream z{};
  // 16 + 15: gzip framing; -15: bare deflate.
  if (::inflateInit2(&z, form == Compression::kGzip ? 31 : -15) != Z_OK)
    return ResourceExhausted("zlib: out of memory");
  struct End {
    z_stream* z;
    ~End() { ::inflateEnd(z); }
  } end{&z};
  std::string out;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  size_t filled = 0;
  bool any_member = false;
  while (true) {
    if (filled == out.size()) {
      if (filled > max_bytes) return ResourceExhausted("larger than {} bytes", max_bytes);
      const uint64_t guess = std::max<uint64_t>({out.size() * 2, bytes.size() * 4, 64 << 10});
      out.resize(std::min<uint64_t>(guess, max_bytes + 1));
    }
    z.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    z.avail_out = static_cast<uInt>(std::min<size_t>(out.size() - filled, 1u << 30));
    const uInt room = z.avail_out;
    const int rc = ::inflate(&z, Z_NO_FLUSH);
    filled += room - z.avail_out;
    if (filled > max_bytes) return ResourceExhausted("larger than {} bytes", max_bytes);
    if (rc == Z_STREAM_END) {
      any_member = true;
      // gzip members may follow each other.
      if (form == Compression::kGzip && z.avail_in > 0) {
        if (::inflateReset(&z) != Z_OK) return InvalidArgument("gzip: invalid header");
        continue;
      }
      break;
    }
    if (rc == Z_OK && (z.avail_in > 0 || z.avail_out == 0)) continue;
    if (rc == Z_OK || rc == Z_BUF_ERROR) {
      if (z.avail_out == 0) continue;
      return InvalidArgument("unexpected EOF");
    }
    if (form == Compression::kGzip) {
      return InvalidArgument("{}",
                             any_member || filled > 0 ? "gzip: invalid checksum" : "gzip: invalid header");
    }
    return InvalidArgument("flate: corrupt input before offset {}", z.total_in);
  }
  out.resize(filled);
  return out;
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
    absl::StatusOr<std::string> plain = Inflate(
        encoding == "gzip" ? Compression::kGzip : Compression::kDeflate, body, format.max_decompressed);
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

}  // namespace skald::server
