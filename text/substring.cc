#include "text/substring.h"

#include <array>
#include <cstring>

#include "base/simd.h"
#include "base/utf8.h"
#include "text/byte_scan.h"
#include "text/runes.h"

namespace skald {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// How common a byte is in logs, roughly: higher is more common.
int Commonness(char c) {
  constexpr std::string_view kByFrequency = " e0ta1onir2s3l5d4c-:\".,68m7/9p=u_hfgb";
  const size_t at = kByFrequency.find(c);
  if (at != std::string_view::npos) return 100 - static_cast<int>(at);
  if (c >= 'a' && c <= 'z') return 40;
  if (c >= 'A' && c <= 'Z') return 25;
  return 10;
}

// The 0x20 bit that makes a letter's two cases equal when it is set in text and needle; 0 for other bytes.
template <bool kFold>
char FoldBit(char c) {
  return kFold && IsLetter(c) ? 0x20 : 0;
}

}  // namespace

SubstringFinder::SubstringFinder(std::string_view needle, bool fold_ascii)
    : needle_(needle), fold_(fold_ascii) {
  if (fold_) {
    for (char& c : needle_) c = Lower(c);
  }
  avx2_ = CpuHasAvx2();
  for (size_t i = 0; i < needle_.size(); ++i) {
    if (Commonness(needle_[i]) < Commonness(needle_[rare_])) rare_ = i;
  }
  second_ = rare_ == 0 && needle_.size() > 1 ? 1 : 0;
  for (size_t i = 0; i < needle_.size(); ++i) {
    if (i != rare_ && Commonness(needle_[i]) < Commonness(needle_[second_])) second_ = i;
  }
}

template <bool kFold>
bool SubstringFinder::MatchesAt(const char* at) const {
  if constexpr (!kFold) return std::memcmp(at, needle_.data(), needle_.size()) == 0;
  for (size_t i = 0; i < needle_.size(); ++i) {
    if (Lower(at[i]) != needle_[i]) return false;
  }
  return true;
}

template <bool kFold>
size_t SubstringFinder::FindSlow(const char* text, size_t size, size_t from) const {
  for (; from + needle_.size() <= size; ++from) {
    if (MatchesAt<kFold>(text + from)) return from;
  }
  return kNotFound;
}

template <bool kFold>
size_t SubstringFinder::FindSse(const char* text, size_t size, size_t from) const {
  const __m128i rare = _mm_set1_epi8(needle_[rare_]);
  const __m128i second = _mm_set1_epi8(needle_[second_]);
  const __m128i rare_fold = _mm_set1_epi8(FoldBit<kFold>(needle_[rare_]));
  const __m128i second_fold = _mm_set1_epi8(FoldBit<kFold>(needle_[second_]));
  const size_t reach = std::max(rare_, second_) + 16;
  for (; from + reach <= size && from + needle_.size() <= size; from += 16) {
    __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + from + rare_));
    __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + from + second_));
    if constexpr (kFold) {
      a = _mm_or_si128(a, rare_fold);
      b = _mm_or_si128(b, second_fold);
    }
    auto mask = static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(a, rare), _mm_cmpeq_epi8(b, second))));
    while (mask != 0) {
      const size_t at = from + static_cast<size_t>(__builtin_ctz(mask));
      if (at + needle_.size() > size) return kNotFound;
      if (MatchesAt<kFold>(text + at)) return at;
      mask &= mask - 1;
    }
  }
  return FindSlow<kFold>(text, size, from);
}

template <bool kFold>
SKALD_AVX2 size_t SubstringFinder::FindAvx2(const char* text, size_t size, size_t from) const {
  const __m256i rare = _mm256_set1_epi8(needle_[rare_]);
  const __m256i second = _mm256_set1_epi8(needle_[second_]);
  const __m256i rare_fold = _mm256_set1_epi8(FoldBit<kFold>(needle_[rare_]));
  const __m256i second_fold = _mm256_set1_epi8(FoldBit<kFold>(needle_[second_]));
  const size_t reach = std::max(rare_, second_) + 32;
  for (; from + reach <= size && from + needle_.size() <= size; from += 32) {
    __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + from + rare_));
    __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + from + second_));
    if constexpr (kFold) {
      a = _mm256_or_si256(a, rare_fold);
      b = _mm256_or_si256(b, second_fold);
    }
    auto mask = static_cast<uint32_t>(
        _mm256_movemask_epi8(_mm256_and_si256(_mm256_cmpeq_epi8(a, rare), _mm256_cmpeq_epi8(b, second))));
    while (mask != 0) {
      const size_t at = from + static_cast<size_t>(__builtin_ctz(mask));
      if (at + needle_.size() > size) return kNotFound;
      if (MatchesAt<kFold>(text + at)) return at;
      mask &= mask - 1;
    }
  }
  return FindSse<kFold>(text, size, from);
}

size_t SubstringFinder::Find(std::string_view text, size_t from) const {
  if (from > text.size() || text.size() - from < needle_.size()) return kNotFound;
  if (needle_.empty()) return from;
  if (needle_.size() == 1 && !fold_) {
    const void* at = std::memchr(text.data() + from, needle_[0], text.size() - from);
    return at == nullptr ? kNotFound : static_cast<size_t>(static_cast<const char*>(at) - text.data());
  }
  if (fold_) {
    return avx2_ ? FindAvx2<true>(text.data(), text.size(), from)
                 : FindSse<true>(text.data(), text.size(), from);
  }
  return avx2_ ? FindAvx2<false>(text.data(), text.size(), from)
               : FindSse<false>(text.data(), text.size(), from);
}

bool IsAscii(std::string_view text) {
  const char* end = text.data() + text.size();
  return FindByte(text.data(), end, NonAscii()) == end;
}

FoldedFinder::FoldedFinder(std::string_view needle)
    : lower_(ToLower(needle)), ascii_(lower_, true), ascii_only_(IsAscii(lower_)) {
  foreign_ = lower_.find_first_of("ki", 1) != std::string::npos;
}

size_t FoldedFinder::MatchAt(std::string_view text) const {
  size_t at = 0;
  for (size_t i = 0; i < lower_.size();) {
    if (at >= text.size()) return 0;
    if (static_cast<signed char>(text[at]) >= 0 && static_cast<signed char>(lower_[i]) >= 0) {
      if (Lower(text[at]) != lower_[i]) return 0;
      ++at;
      ++i;
      continue;
    }
    const DecodedRune have = DecodeRune(text.substr(at));
    const DecodedRune want = DecodeRune(std::string_view(lower_).substr(i));
    if (!have.valid || !want.valid || ToLowerRune(have.rune) != want.rune) return 0;
    at += have.size;
    i += want.size;
  }
  return at;
}

size_t FoldedFinder::FindByRunes(std::string_view text, size_t from, size_t* end) const {
  if (lower_.size() > text.size()) return SubstringFinder::kNotFound;
  for (size_t i = from; i + lower_.size() <= text.size(); ++i) {
    if (Lower(text[i]) != lower_[0]) continue;
    if (const size_t taken = MatchAt(text.substr(i)); taken > 0) {
      *end = i + taken;
      return i;
    }
  }
  return SubstringFinder::kNotFound;
}

size_t FoldedFinder::Find(std::string_view text, size_t from, size_t* end) const {
  if (lower_.empty()) {
    *end = from;
    return from;
  }
  if (!ascii_only_) return FindByRunes(text, from, end);
  const size_t at = ascii_.Find(text, from);
  if (foreign_ && from <= text.size() &&
      !AsciiSuffices(text.substr(from, at == SubstringFinder::kNotFound ? at : at - from))) {
    return FindByRunes(text, from, end);
  }
  if (at != SubstringFinder::kNotFound) *end = at + lower_.size();
  return at;
}

bool FoldedFinder::AsciiSuffices(std::string_view text) const {
  if (!ascii_only_) return false;
  if (!foreign_ || IsAscii(text)) return true;
  // Of all runes only U+212A (e2 84 aa) and U+0130 (c4 b0) become ASCII letters.
  static const SubstringFinder kelvin("\xe2\x84\xaa");
  static const SubstringFinder dotted_i("\xc4\xb0");
  return !kelvin.FoundIn(text) && !dotted_i.FoundIn(text);
}

std::vector<std::string_view> FoldedFinder::NeededParts() const {
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (size_t i = 0; i <= lower_.size(); ++i) {
    // Runes beyond ASCII have cases of other bytes, and two of them are cases of k and i.
    const bool cut =
        i == lower_.size() || static_cast<signed char>(lower_[i]) < 0 || lower_[i] == 'k' || lower_[i] == 'i';
    if (!cut) continue;
    if (i > begin) out.push_back(std::string_view(lower_).substr(begin, i - begin));
    begin = i + 1;
  }
  return out;
}

bool FoldedFinder::Equals(std::string_view text) const {
  if (lower_.empty()) return text.empty();
  return !text.empty() && Lower(text[0]) == lower_[0] && MatchAt(text) == text.size();
}

}  // namespace skald
