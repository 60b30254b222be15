#include "base/compress.h"

#include <zstd.h>

#include <cstring>
#include <memory>

#include <lz4.h>

#include "base/coding.h"
#include "base/split_text.h"
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

constexpr int kZstdLevel = 9;
// The most that one byte of a zstd frame can stand for: a block of 128 KiB that repeats a byte takes four.
constexpr uint64_t kMostOfZstdByte = (128 << 10) / 4;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Contexts take megabytes, and who compresses with zstd does so rarely: they live as long as one call, unless
// the thread decompresses, which a query does thousands of times.
bool AppendZstd(std::string_view raw, std::string* out) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (context == nullptr) return false;
  const size_t at = out->size();
  out->resize(at + raw.size() - 1);
  const size_t n =
      ZSTD_compressCCtx(context.get(), out->data() + at, raw.size() - 1, raw.data(), raw.size(), kZstdLevel);
  out->resize(ZSTD_isError(n) ? at : at + n);
  return !ZSTD_isError(n);
}

}  // namespace

Codec AppendCompressed(std::string_view raw, std::string* out, Effort effort) {
  SKALD_CHECK(raw.size() <= static_cast<size_t>(LZ4_MAX_INPUT_SIZE));
  if (effort == Effort::kSmall && raw.size() >= 16) {
    if (AppendZstd(raw, out)) return Codec::kZstd;
    out->append(raw);
    return Codec::kRaw;
  }
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

Codec AppendCompressedText(std::string_view text, std::string* out, Effort effort) {
  constexpr size_t kMinSplit = 1024;
  if (effort == Effort::kFast || text.size() < kMinSplit) return AppendCompressed(text, out, effort);
  SplitText split;
  split.rest.reserve(text.size());
  SplitTextInto(text, &split);
  const std::string* const streams[] = {&split.rest, &split.digits, &split.hex};
  std::string sizes;
  std::string stored;
  for (const std::string* stream : streams) {
    const size_t before = stored.size();
    AppendCompressed(*stream, &stored, Effort::kSmall);
    PutVarint(&sizes, stream->size());
    PutVarint(&sizes, stored.size() - before);
  }
  if (sizes.size() + stored.size() >= text.size()) {
    out->append(text);
    return Codec::kRaw;
  }
  out->append(sizes);
  out->append(stored);
  return Codec::kSplitZstd;
}

bool PlausibleRawSize(uint8_t codec, uint64_t stored_size, uint64_t raw_size) {
  switch (static_cast<Codec>(codec)) {
    case Codec::kRaw:
      return stored_size == raw_size;
    case Codec::kLz4:
      return raw_size <= static_cast<uint64_t>(LZ4_MAX_INPUT_SIZE) && stored_size <= raw_size &&
             raw_size / 255 <= stored_size;
    case Codec::kZstd:
    case Codec::kSplitZstd:
      return raw_size <= static_cast<uint64_t>(LZ4_MAX_INPUT_SIZE) && stored_size < raw_size &&
             raw_size / kMostOfZstdByte <= stored_size;
  }
  return false;
}

namespace {

bool DecompressSplit(std::string_view stored, char* out, size_t raw_size) {
  struct Stream {
    uint64_t raw = 0;
    uint64_t stored = 0;
  } streams[3];
  ByteReader in(stored);
  for (Stream& stream : streams) {
    stream.raw = in.Varint();
    stream.stored = in.Varint();
  }
  // A byte of the text takes two of the rest at most, and stands in one of the others otherwise.
  if (!in.ok() || streams[0].raw > 2 * uint64_t{raw_size} || streams[1].raw > raw_size ||
      streams[2].raw > raw_size)
    return false;
  thread_local Scratch scratch;
  const size_t room = streams[0].raw + streams[1].raw + streams[2].raw + 3 * kJoinSlack;
  if (scratch.size < room) {
    scratch.bytes.reset(new char[room]);
    scratch.size = room;
  }
  std::string_view raw[3];
  char* at = scratch.bytes.get();
  bool sound = true;
  for (int i = 0; i < 3 && sound; ++i) {
    const std::string_view bytes = in.Bytes(streams[i].stored);
    const Codec codec = streams[i].stored == streams[i].raw ? Codec::kRaw : Codec::kZstd;
    sound = in.ok() && Decompress(static_cast<uint8_t>(codec), bytes, at, streams[i].raw);
    raw[i] = {at, streams[i].raw};
    std::memset(at + streams[i].raw, 0, kJoinSlack);
    at += streams[i].raw + kJoinSlack;
  }
  sound = sound && in.remaining() == 0 && JoinText(raw[0], raw[1], raw[2], out, raw_size);
  if (scratch.size > kKeptScratch) scratch = Scratch();
  return sound;
}

}  // namespace

bool Decompress(uint8_t codec, std::string_view stored, char* out, size_t raw_size) {
  if (!PlausibleRawSize(codec, stored.size(), raw_size)) return false;
  if (static_cast<Codec>(codec) == Codec::kRaw) {
    if (raw_size > 0) std::memcpy(out, stored.data(), raw_size);
    return true;
  }
  if (static_cast<Codec>(codec) == Codec::kSplitZstd) return DecompressSplit(stored, out, raw_size);
  if (static_cast<Codec>(codec) == Codec::kZstd) {
    thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
    return context != nullptr &&
           ZSTD_decompressDCtx(context.get(), out, raw_size, stored.data(), stored.size()) == raw_size;
  }
  const int n =
      LZ4_decompress_safe(stored.data(), out, static_cast<int>(stored.size()), static_cast<int>(raw_size));
  return n >= 0 && static_cast<size_t>(n) == raw_size;
}

}  // namespace skald
