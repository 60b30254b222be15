#include "base/content_encoding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include <lz4frame.h>

#include "base/error.h"

namespace skald {
namespace {

// The output while it grows.
class Output {
 public:
  Output(size_t input_bytes, uint64_t max_bytes) : input_bytes_(input_bytes), max_bytes_(max_bytes) {}

  // Room for more, at least one byte; ResourceExhausted beyond the limit.
  absl::Status MakeRoom() {
    if (filled_ > max_bytes_) return ResourceExhausted("larger than {} bytes", max_bytes_);
    if (filled_ < bytes_.size()) return absl::OkStatus();
    const uint64_t guess = std::max<uint64_t>({bytes_.size() * 2, input_bytes_ * 4, 64 << 10});
    bytes_.resize(std::min<uint64_t>(guess, max_bytes_ + 1));
    return absl::OkStatus();
  }
  char* free_space() { return bytes_.data() + filled_; }
  size_t free_bytes() const { return std::min<size_t>(bytes_.size() - filled_, 1u << 30); }
  bool full() const { return filled_ == bytes_.size(); }
  bool empty() const { return filled_ == 0; }
  void Filled(size_t n) { filled_ += n; }

  absl::StatusOr<std::string> Take() {
    if (filled_ > max_bytes_) return ResourceExhausted("larger than {} bytes", max_bytes_);
    bytes_.resize(filled_);
    return std::move(bytes_);
  }

 private:
  const size_t input_bytes_;
  const uint64_t max_bytes_;
  std::string bytes_;
  size_t filled_ = 0;
};

absl::StatusOr<std::string> Inflate(bool gzip, std::string_view bytes, uint64_t max_bytes) {
  z_stream z{};
  // 16 + 15: gzip framing; -15: bare deflate.
  if (::inflateInit2(&z, gzip ? 31 : -15) != Z_OK) return ResourceExhausted("zlib: out of memory");
  struct End {
    z_stream* z;
    ~End() { ::inflateEnd(z); }
  } end{&z};
  Output out(bytes.size(), max_bytes);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  bool any_member = false;
  while (true) {
    if (absl::Status status = out.MakeRoom(); !status.ok()) return status;
    z.next_out = reinterpret_cast<Bytef*>(out.free_space());
    z.avail_out = static_cast<uInt>(out.free_bytes());
    const uInt room = z.avail_out;
    const int rc = ::inflate(&z, Z_NO_FLUSH);
    out.Filled(room - z.avail_out);
    if (rc == Z_STREAM_END) {
      any_member = true;
      if (!gzip || z.avail_in == 0) return out.Take();
      if (::inflateReset(&z) != Z_OK) return InvalidArgument("gzip: invalid header");
      continue;
    }
    if (rc == Z_OK && (z.avail_in > 0 || z.avail_out == 0)) continue;
    if (rc == Z_OK || rc == Z_BUF_ERROR) {
      if (z.avail_out == 0) continue;
      return InvalidArgument("{}", bytes.empty() ? "EOF" : "unexpected EOF");
    }
    if (gzip) {
      const bool header = !any_member && out.empty();
      constexpr size_t kHeaderBytes = 10;
      if (header && bytes.size() < kHeaderBytes) return InvalidArgument("unexpected EOF");
      return InvalidArgument("{}", header ? "gzip: invalid header" : "gzip: invalid checksum");
    }
    return InvalidArgument("flate: corrupt input before offset {}", z.total_in);
  }
}

absl::StatusOr<std::string> DecodeZstd(std::string_view bytes, uint64_t max_bytes) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (context == nullptr) return ResourceExhausted("zstd: out of memory");
  Output out(bytes.size(), max_bytes);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t left = 0;
  while (in.pos < in.size || left != 0) {
    if (absl::Status status = out.MakeRoom(); !status.ok()) return status;
    ZSTD_outBuffer to{out.free_space(), out.free_bytes(), 0};
    const size_t before = in.pos;
    left = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(left) != 0)
      return InvalidArgument(
          "{}", out.empty() && to.pos == 0 ? "invalid input: magic number mismatch" : "invalid zstd input");
    out.Filled(to.pos);
    if (to.pos == 0 && in.pos == before && in.pos == in.size) return InvalidArgument("unexpected EOF");
  }
  return out.Take();
}

absl::StatusOr<std::string> DecodeLz4(std::string_view bytes, uint64_t max_bytes) {
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0)
    return ResourceExhausted("lz4: out of memory");
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(made,
                                                                             LZ4F_freeDecompressionContext);
  Output out(bytes.size(), max_bytes);
  size_t left = 0;
  while (!bytes.empty() || left != 0) {
    if (absl::Status status = out.MakeRoom(); !status.ok()) return status;
    size_t written = out.free_bytes();
    size_t read = bytes.size();
    left = LZ4F_decompress(context.get(), out.free_space(), &written, bytes.data(), &read, nullptr);
    if (LZ4F_isError(left) != 0)
      return InvalidArgument("{}", out.empty() ? "lz4: bad magic number" : "lz4: invalid input");
    out.Filled(written);
    bytes.remove_prefix(read);
    if (written == 0 && read == 0 && bytes.empty()) return InvalidArgument("unexpected EOF");
  }
  return out.Take();
}

}  // namespace

absl::StatusOr<std::string> DecodeContent(ContentEncoding form, std::string_view bytes, uint64_t max_bytes) {
  switch (form) {
    case ContentEncoding::kGzip:
    case ContentEncoding::kDeflate:
      return Inflate(form == ContentEncoding::kGzip, bytes, max_bytes);
    case ContentEncoding::kZstd:
      return DecodeZstd(bytes, max_bytes);
    case ContentEncoding::kLz4:
      return DecodeLz4(bytes, max_bytes);
  }
  return Internal("unknown encoding");
}

}  // namespace skald
