#include "text/gram_filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/simd.h"

namespace skald {
namespace {

uint32_t GramAt(const char* p) {
  uint32_t gram;
  std::memcpy(&gram, p, sizeof(gram));
  return gram;
}

}  // namespace

void GramSetBuilder::Start(size_t text_bytes) {
  // A place for eight bytes of text: of logs, half of the places are taken then, at most.
  const int want = std::bit_width(std::max<size_t>(text_bytes / 8, 1)) - 1;
  log2_places_ = std::clamp(want, kMinLog2Bits, kMaxLog2Bits);
  marks_.assign(size_t{1} << log2_places_, 0);
}

void GramSetBuilder::Add(std::string_view text) {
  if (text.size() < kGramBytes) return;
  unsigned char* const marks = marks_.data();
  const int shift = 32 - log2_places_;
  const char* p = text.data();
  const char* const last = p + text.size() - kGramBytes;  // the last gram begins here
  // One load has four grams, and a byte to spare.
  for (; last - p >= 4; p += 4) {
    uint64_t bytes;
    std::memcpy(&bytes, p, sizeof(bytes));
    marks[GramHash(static_cast<uint32_t>(bytes)) >> shift] = 1;
    marks[GramHash(static_cast<uint32_t>(bytes >> 8)) >> shift] = 1;
    marks[GramHash(static_cast<uint32_t>(bytes >> 16)) >> shift] = 1;
    marks[GramHash(static_cast<uint32_t>(bytes >> 24)) >> shift] = 1;
  }
  for (; p <= last; ++p) marks[GramHash(GramAt(p)) >> shift] = 1;
}

bool GramSetBuilder::Finish(size_t max_bytes, int* log2_bits, std::string* out) {
  int log2 = log2_places_;
  while (log2 > kMinLog2Bits && (size_t{1} << log2) / 8 > max_bytes) {
    // Neighbours become one place: the top bits of a hash still name it.
    --log2;
    for (size_t i = 0; i < size_t{1} << log2; ++i) {
      marks_[i] = static_cast<unsigned char>(marks_[2 * i] | marks_[2 * i + 1]);
    }
  }
  const size_t bytes = (size_t{1} << log2) / 8;
  if (bytes > max_bytes) return false;
  const size_t at = out->size();
  out->resize(at + bytes);
  for (size_t i = 0; i < bytes; i += 2) {
    const __m128i marks = _mm_loadu_si128(reinterpret_cast<const __m128i*>(marks_.data() + i * 8));
    const auto mask = static_cast<uint16_t>(_mm_movemask_epi8(_mm_slli_epi16(marks, 7)));
    std::memcpy(out->data() + at + i, &mask, sizeof(mask));
  }
  *log2_bits = log2;
  return true;
}

void GramNeed::AddAlternative(std::string_view literal) {
  AddAlternative(std::vector<std::string_view>{literal});
}

void GramNeed::AddAlternative(const std::vector<std::string_view>& literals) {
  std::vector<uint32_t> hashes;
  for (const std::string_view literal : literals) {
    for (size_t i = 0; i + kGramBytes <= literal.size(); ++i)
      hashes.push_back(GramHash(GramAt(literal.data() + i)));
  }
  trivial_ |= hashes.empty();
  alternatives_.push_back(std::move(hashes));
}

bool GramNeed::MayHold(const unsigned char* bits, int log2_bits) const {
  if (Trivial()) return true;
  const int shift = 32 - log2_bits;
  const auto stands = [&](uint32_t hash) {
    const uint32_t place = hash >> shift;
    return (bits[place / 8] >> (place % 8) & 1) != 0;
  };
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const std::vector<uint32_t>& hashes) {
    return std::all_of(hashes.begin(), hashes.end(), stands);
  });
}

}  // namespace skald
