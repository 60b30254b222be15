// Compression of byte sections: LZ4's block format (no frame), zstd, or as they are where that is no gain.
// The codec's number is stored beside the section by the caller, as are its sizes; the checksum is the
// caller's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// Stored numbers: never renumbered.
// kSplitZstd: text taken apart (split_text.h), each stream with zstd: for each of the three a varint raw size
// and a varint stored size (equal: as it is), then the streams.
enum class Codec : uint8_t { kRaw = 0, kLz4 = 1, kZstd = 2, kSplitZstd = 3 };

// What may be spent: kFast is LZ4 (some 500 MB/s), kSmall zstd (some 80 MB/s, half the bytes).
enum class Effort { kFast, kSmall };

// Appends raw to *out, compressed if that makes it smaller, and says which. raw.size() < 2^31 - 2^24.
Codec AppendCompressed(std::string_view raw, std::string* out, Effort effort = Effort::kFast);

// The same for lines of text: with kSmall it is taken apart first, which makes of most logs a sixth less.
Codec AppendCompressedText(std::string_view text, std::string* out, Effort effort);

// Whether stored bytes of this codec number can be raw_size bytes at all (known codec; equal sizes if raw;
// LZ4 makes at most 255 bytes of one, zstd 32,768). Called before memory is allocated by a raw_size that came
// from outside.
bool PlausibleRawSize(uint8_t codec, uint64_t stored_size, uint64_t raw_size);

// Writes exactly raw_size bytes to out. False if stored does not decode to just that; out is undefined then.
// Never reads or writes out of bounds, whatever the bytes.
bool Decompress(uint8_t codec, std::string_view stored, char* out, size_t raw_size);

}  // namespace skald
