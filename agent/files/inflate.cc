#include "agent/files/inflate.h"

#include <bzlib.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr size_t kInputBytes = size_t{64} << 10;
// A zstd file may ask for more memory only where it was made to (--ultra, --long).
constexpr int kMaxZstdWindowLog = 27;

class GzipInflater : public Inflater {
 public:
  GzipInflater() { ok_ = ::inflateInit2(&stream_, 15 + 16) == Z_OK; }
  ~GzipInflater() override {
    if (ok_) ::inflateEnd(&stream_);
  }

 protected:
  Step Decode(const char* in, size_t in_size, char* out, size_t n) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in));
    stream_.avail_in = static_cast<uInt>(in_size);
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(n);
    const int result = ok_ ? ::inflate(&stream_, Z_NO_FLUSH) : Z_MEM_ERROR;
    return {in_size - stream_.avail_in, n - stream_.avail_out, result == Z_STREAM_END,
            result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR};
  }
  bool Reset() override { return ok_ && ::inflateReset(&stream_) == Z_OK; }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

class ZstdInflater : public Inflater {
 public:
  ZstdInflater() : context_(::ZSTD_createDCtx()) {
    if (context_ != nullptr) ::ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }
  ~ZstdInflater() override { ::ZSTD_freeDCtx(context_); }

 protected:
  Step Decode(const char* in, size_t in_size, char* out, size_t n) override {
    ZSTD_inBuffer input{in, in_size, 0};
    ZSTD_outBuffer output{out, n, 0};
    const size_t result = ::ZSTD_decompressStream(context_, &output, &input);
    const bool bad = ::ZSTD_isError(result) != 0;
    return {input.pos, output.pos, !bad && result == 0, bad};
  }
  bool Reset() override { return ::ZSTD_isError(::ZSTD_DCtx_reset(context_, ZSTD_reset_session_only)) == 0; }

 private:
  ZSTD_DCtx* context_;
};

class Bzip2Inflater : public Inflater {
 public:
  Bzip2Inflater() { ok_ = ::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK; }
  ~Bzip2Inflater() override {
    if (ok_) ::BZ2_bzDecompressEnd(&stream_);
  }

 protected:
  Step Decode(const char* in, size_t in_size, char* out, size_t n) override {
    stream_.next_in = const_cast<char*>(in);
    stream_.avail_in = static_cast<unsigned>(in_size);
    stream_.next_out = out;
    stream_.avail_out = static_cast<unsigned>(n);
    const int result = ok_ ? ::BZ2_bzDecompress(&stream_) : BZ_MEM_ERROR;
    return {in_size - stream_.avail_in, n - stream_.avail_out, result == BZ_STREAM_END,
            result != BZ_OK && result != BZ_STREAM_END};
  }
  bool Reset() override {
    if (ok_) ::BZ2_bzDecompressEnd(&stream_);
    stream_ = bz_stream{};
    ok_ = ::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
    return ok_;
  }

 private:
  bz_stream stream_{};
  bool ok_ = false;
};

}  // namespace

absl::StatusOr<Compression> DetectCompression(int fd, const std::string& path) {
  char bytes[10];
  ASSIGN_OR_RETURN(const size_t n, ReadAt(fd, bytes, sizeof(bytes), 0, path));
  const std::string_view head(bytes, n);
  if (head.starts_with("\x1f\x8b\x08")) return Compression::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  // "BZh", a digit, and the magic of a block.
  if (head.starts_with("BZh") && head.substr(std::min<size_t>(4, n)) == "1AY&SY") return Compression::kBzip2;
  return Compression::kNone;
}

std::optional<uint64_t> StatedTextSize(Compression kind, int fd, uint64_t file_size,
                                       const std::string& path) {
  if (kind == Compression::kGzip && file_size > 18) {
    uint8_t size[4];
    const auto n = ReadAt(fd, reinterpret_cast<char*>(size), sizeof(size), file_size - 4, path);
    if (!n.ok() || *n != sizeof(size)) return std::nullopt;
    const uint64_t stated =
        uint64_t{size[0]} | uint64_t{size[1]} << 8 | uint64_t{size[2]} << 16 | uint64_t{size[3]} << 24;
    if (stated / kMaxDeflateRatio > file_size) return std::nullopt;  // cut off: these are other bytes
    return stated;
  }
  if (kind == Compression::kZstd) {
    char head[18];
    const auto n = ReadAt(fd, head, sizeof(head), 0, path);
    if (!n.ok()) return std::nullopt;
    const unsigned long long size = ::ZSTD_getFrameContentSize(head, *n);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
    return size;
  }
  return std::nullopt;
}

Inflater::Inflater() : input_(new char[kInputBytes]) {}

std::unique_ptr<Inflater> Inflater::Create(Compression kind) {
  switch (kind) {
    case Compression::kGzip:
      return std::make_unique<GzipInflater>();
    case Compression::kZstd:
      return std::make_unique<ZstdInflater>();
    case Compression::kBzip2:
      return std::make_unique<Bzip2Inflater>();
    case Compression::kNone:
      break;
  }
  return nullptr;
}

absl::StatusOr<size_t> Inflater::Next(int fd, char* out, size_t n, const std::string& path) {
  while (!damaged_ && !ended_) {
    if (input_begin_ == input_end_) {
      ASSIGN_OR_RETURN(const size_t got, ReadAt(fd, input_.get(), kInputBytes, read_, path));
      input_begin_ = 0;
      input_end_ = got;
      read_ += got;
    }
    const size_t left = input_end_ - input_begin_;
    if (left == 0 && between_) return 0;
    const Step step = Decode(input_.get() + input_begin_, left, out, n);
    input_begin_ += step.consumed;
    if (step.bad) {
      if (between_ && members_ > 0 && step.produced == 0) {
        ended_ = true;
      } else {
        damaged_ = true;
      }
      if (step.produced > 0) return step.produced;
      break;
    }
    between_ = step.member_end || (between_ && step.consumed == 0);
    if (step.member_end) {
      ++members_;
      if (!Reset()) damaged_ = true;
    }
    if (step.produced > 0) return step.produced;
    if (step.consumed == 0 && left == 0) return 0;
    if (step.consumed == 0 && !step.member_end) damaged_ = true;  // it wants nothing and gives nothing
  }
  if (damaged_) return DataLoss("{} is damaged: it cannot be decompressed further", path);
  return 0;
}

}  // namespace skald::agent
