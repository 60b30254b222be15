#include "base/url_encode.h"

#include <algorithm>

#include "base/error.h"
#include "base/hex.h"
#include "base/status_macros.h"

namespace skald {

std::string UrlEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

absl::StatusOr<std::string> UrlDecode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return InvalidArgument("invalid URL escape \"{}\"", text.substr(i, 3));
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

absl::Status ParseForm(std::string_view text, FormPairs* out) {
  absl::Status first;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    if (part.find(';') != std::string_view::npos) {
      if (first.ok()) first = InvalidArgument("invalid semicolon separator in query");
      continue;
    }
    const size_t equals = std::min(part.find('='), part.size());
    absl::StatusOr<std::string> key = UrlDecode(part.substr(0, equals), true);
    absl::StatusOr<std::string> value =
        UrlDecode(equals < part.size() ? part.substr(equals + 1) : std::string_view(), true);
    if (!key.ok() || !value.ok()) {
      if (first.ok()) first = key.ok() ? value.status() : key.status();
      continue;
    }
    out->emplace_back(*std::move(key), *std::move(value));
  }
  return first;
}

}  // namespace skald
