// Answers as gzip, for clients that say they take it.
#pragma once

#include <string>
#include <string_view>

namespace skald::server {

// Smaller bodies go out as they are: compressing them gains no packet.
inline constexpr size_t kMinGzipBytes = 1400;

// Whether an Accept-Encoding names gzip with a weight above 0. `*` does not count, as in Loki.
bool AcceptsGzip(std::string_view accept_encoding);

// bytes as one gzip member, at zlib's fastest level. "" if there is no memory for it.
std::string Gzip(std::string_view bytes);

}  // namespace skald::server
