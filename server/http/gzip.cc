#include "server/http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace skald::server {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsGzip(std::string_view coding) {
  constexpr std::string_view kName = "gzip";
  return std::equal(coding.begin(), coding.end(), kName.begin(), kName.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

// The q of `;q=0.5`; 1 without one, 0 for one that is no number.
double Weight(std::string_view parameters) {
  parameters = Trim(parameters);
  if (parameters.empty()) return 1;
  if (!parameters.starts_with("q=") && !parameters.starts_with("Q=")) return 1;
  parameters.remove_prefix(2);
  double q = 0;
  const auto [end, error] = std::from_chars(parameters.data(), parameters.data() + parameters.size(), q);
  return error == std::errc() && end == parameters.data() + parameters.size() ? q : 0;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view part = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(part.find(';'), part.size());
    if (!IsGzip(Trim(part.substr(0, semicolon)))) continue;
    return Weight(part.substr(std::min(semicolon + 1, part.size()))) > 0;
  }
  return false;
}

std::string Gzip(std::string_view bytes) {
  constexpr int kGzipFraming = 16;
  constexpr size_t kPiece = size_t{64} << 10;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzipFraming, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return {};
  std::string out;
  size_t taken = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t n = std::min<size_t>(bytes.size() - taken, std::numeric_limits<uInt>::max());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + taken));  // zlib only reads it
    stream.avail_in = static_cast<uInt>(n);
    do {
      const size_t before = out.size();
      out.resize(before + kPiece);
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream.avail_out = kPiece;
      state = deflate(&stream, taken + n == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
      out.resize(out.size() - stream.avail_out);
    } while (state == Z_OK && stream.avail_out == 0);
    taken += n - stream.avail_in;
  }
  deflateEnd(&stream);
  return state == Z_STREAM_END ? out : std::string();
}

}  // namespace skald::server
