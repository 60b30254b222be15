// libFuzzer target: a compressed body in each encoding. What comes out is never larger than allowed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/content_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::ContentEncoding;
  constexpr uint64_t kMaxBytes = 1 << 20;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const ContentEncoding form :
       {ContentEncoding::kGzip, ContentEncoding::kDeflate, ContentEncoding::kZstd, ContentEncoding::kLz4}) {
    const auto plain = skald::DecodeContent(form, body, kMaxBytes);
    if (plain.ok() && plain->size() > kMaxBytes) std::abort();
  }
  return 0;
}
