#include "text/sanitize.h"

#include <array>

#include "base/utf8.h"
#include "text/byte_scan.h"
#include "text/runes.h"

namespace skald {
namespace {

constexpr std::array<bool, 256> kClean = [] {
  std::array<bool, 256> out{};
  for (int c = 'a'; c <= 'z'; ++c) out[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) out[static_cast<size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) out[static_cast<size_t>(c)] = true;
  out['_'] = true;
  return out;
}();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool IsCleanKey(std::string_view key) {
  if (key.empty()) return false;
  for (const char c : key) {
    if (!kClean[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

void AppendSanitizedKey(std::string* out, std::string_view key, bool first) {
  key = TrimSpace(key);
  if (key.empty()) return;
  if (first && IsDigit(key[0])) *out += '_';
  for (size_t i = 0; i < key.size();) {
    const char c = key[i];
    if (static_cast<signed char>(c) >= 0) {
      *out += kClean[static_cast<unsigned char>(c)] ? c : '_';
      ++i;
    } else {
      *out += '_';
      i += DecodeRune(key.substr(i)).size;
    }
  }
}

std::string_view SanitizedKey(std::string_view key, std::string* scratch) {
  if (IsCleanKey(key) && !IsDigit(key[0])) return key;
  scratch->clear();
  AppendSanitizedKey(scratch, key, true);
  return *scratch;
}

std::string_view WithoutInvalidRunes(std::string_view text, std::string* scratch) {
  const char* end = text.data() + text.size();
  const char* p = FindByte(text.data(), end, NonAscii());
  if (p == end) return text;
  bool copied = false;
  for (size_t i = static_cast<size_t>(p - text.data()); i < text.size();) {
    const DecodedRune rune = DecodeRune(text.substr(i));
    const bool bad = !rune.valid || rune.rune == kReplacementRune;
    if (bad && !copied) {
      scratch->assign(text.substr(0, i));
      copied = true;
    }
    if (copied) {
      if (bad) {
        *scratch += ' ';
      } else {
        scratch->append(text.substr(i, rune.size));
      }
    }
    i += rune.size;
  }
  return copied ? std::string_view(*scratch) : text;
}

}  // namespace skald
