// Bodies as they come compressed: each form of Content-Encoding that some door takes.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

enum class ContentEncoding {
  kGzip,     // members may follow each other
  kDeflate,  // bare deflate, without zlib's framing
  kZstd,     // frames may follow each other
  kLz4,      // LZ4's frame format; frames may follow each other
};

// The decoded bytes. ResourceExhausted as soon as they pass max_bytes (never more is made); InvalidArgument
// for bytes that are not of the form.
absl::StatusOr<std::string> DecodeContent(ContentEncoding form, std::string_view bytes, uint64_t max_bytes);

}  // namespace skald
