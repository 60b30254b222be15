// CRC-32C (Castagnoli, RFC 3720 B.4), with the SSE4.2 instruction where there is one.
#pragma once

#include <cstdint>
#include <string_view>

namespace skald {

// The checksum of bytes, continued from crc (0 to start): Crc32c(b, Crc32c(a)) == Crc32c(a + b).
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace skald
