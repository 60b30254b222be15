#include "base/compress.h"

#include <cstring>
#include <memory>

#include <lz4.h>

#include "base/status_macros.h"

namespace skald {
namespace {

// LZ4's worst case is larger than the input, and std::string clears what it grows into: it compresses to a
// buffer of the thread's, and the few bytes that come out are copied. Not kept beyond this size.
constexpr size_t kKeptScratch = size_t{4} << 20;

struct Scratch {
  std::unique_ptr<char[]> bytes;
  size_t size = 0;
};

}  // namespace

Codec AppendCompressed(std::string_view raw, std::string* out) {
  SKALD_CHECK(raw.size() <= static_cast<size_t>(LZ4_MAX_INPUT_SIZE));
  if (raw.size() < 16) {  // no match fits
    out->append(raw);
    return Codec::kRaw;
  }
  thread_local Scratch scratch;
  // A result that is not smaller is not wanted, so there is no room for it.
  const size_t room = raw.size() - 1;
  if (scratch.size < room) {
    scratch.bytes.reset(new char[room]);
    scratch.size = room;
  }
  const int n = LZ4_compress_default(raw.data(), scratch.bytes.get(), static_cast<int>(raw.size()),
                                     static_cast<int>(room));
  if (n > 0) out->append(scratch.bytes.get(), static_cast<size_t>(n));
  if (scratch.size > kKeptScratch) scratch = Scratch();
  if (n > 0) return Codec::kLz4;
  out->append(raw);
  return Codec::kRaw;
}

bool PlausibleRawSize(uint8_t codec, uint64_t stored_size, uint64_t raw_size) {
  switch (static_cast<Codec>(codec)) {
    case Codec::kRaw:
      return stored_size == raw_size;
    case Codec::kLz4:
      return raw_size <= static_cast<uint64_t>(LZ4_MAX_INPUT_SIZE) && stored_size <= raw_size &&
             raw_size / 255 <= stored_size;
  }
  return false;
}

bool Decompress(uint8_t codec, std::string_view stored, char* out, size_t raw_size) {
  if (!PlausibleRawSize(codec, stored.size(), raw_size)) return false;
  if (static_cast<Codec>(codec) == Codec::kRaw) {
    if (raw_size > 0) std::memcpy(out, stored.data(), raw_size);
    return true;
  }
  const int n =
      LZ4_decompress_safe(stored.data(), out, static_cast<int>(stored.size()), static_cast<int>(raw_size));
  return n >= 0 && static_cast<size_t>(n) == raw_size;
}

}  // namespace skald
