// libFuzzer target: a compressed body in each encoding. What comes out is never larger than allowed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/http/content_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::server::Encoding;
  constexpr uint64_t kMaxBytes = 1 << 20;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const Encoding form : {Encoding::kGzip, Encoding::kDeflate, Encoding::kZstd, Encoding::kLz4}) {
    const auto plain = skald::server::Decode(form, body, kMaxBytes);
    if (plain.ok() && plain->size() > kMaxBytes) std::abort();
  }
  return 0;
}
