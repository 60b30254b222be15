#include "text/gram_filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/simd.h"
#include "text/gram_sample.h"

namespace skald {
namespace {

uint32_t GramAt(const char* p) {
  uint32_t gram;
  std::memcpy(&gram, p, sizeof(gram));
  return gram;
}

// Sets marks[place] for each gram's place, the top bits of its hash.
void MarkGrams(std::string_view text, int shift, unsigned char* marks) {
  if (text.size() < kGramBytes) return;
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

bool IsSet(const unsigned char* bits, uint32_t place) { return (bits[place / 8] >> (place % 8) & 1) != 0; }

}  // namespace

void GramSetBuilder::Start(size_t text_bytes) {
  // A place for eight bytes of text: of logs, half of the places are taken then, at most.
  const int want = std::bit_width(std::max<size_t>(text_bytes / 8, 1)) - 1;
  log2_places_ = std::clamp(want, kMinLog2Bits, kMaxLog2Bits);
  marks_.assign(size_t{1} << log2_places_, 0);
}

void GramSetBuilder::Add(std::string_view text) { MarkGrams(text, 32 - log2_places_, marks_.data()); }

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
  const auto may_hold = [this](const auto& stands) {
    return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const std::vector<uint32_t>& hashes) {
      return std::all_of(hashes.begin(), hashes.end(), stands);
    });
  };
  if (log2_bits != kSampledGrams) {
    const int shift = 32 - log2_bits;
    return may_hold([bits, shift](uint32_t hash) { return IsSet(bits, hash >> shift); });
  }
  SampleHead head;
  std::memcpy(&head, bits, sizeof(head));
  return may_hold([head, set = bits + sizeof(head)](uint32_t gram_hash) {
    const uint64_t hash = SampleHash(gram_hash);
    return !IsChosen(hash, head.chosen) || IsSet(set, SampleBit(hash, head.bits));
  });
}

namespace {
constexpr int kSamplePlaces = 20;  // log2
}  // namespace

void GramSampleBuilder::Start() { marks_.assign(size_t{1} << kSamplePlaces, 0); }

void GramSampleBuilder::Add(std::string_view text) { MarkGrams(text, 32 - kSamplePlaces, marks_.data()); }

uint32_t GramSampleBuilder::Finish(size_t max_bytes, std::string* out) {
  const size_t bytes = std::min(max_bytes, kMaxSetBytes);
  const auto bits = static_cast<uint32_t>(bytes * 8);
  const auto grams = static_cast<double>(std::count(marks_.begin(), marks_.end(), 1));
  // ln 2 grams a bit leave half of the bits 0.
  const double chosen = 256 * 0.693 * bits / std::max(grams, 1.0);
  const auto of_256 = static_cast<uint32_t>(std::clamp(chosen, 1.0, 256.0));
  const size_t at = out->size();
  out->resize(at + bytes);
  for (size_t i = 0; i < marks_.size(); i += 8) {
    uint64_t eight;
    std::memcpy(&eight, marks_.data() + i, sizeof(eight));
    if (eight == 0) continue;
    for (size_t k = i; k < i + 8; ++k) {
      const uint64_t hash = SampleHash(static_cast<uint32_t>(k) << (32 - kSamplePlaces));
      if (marks_[k] == 0 || !IsChosen(hash, of_256)) continue;
      const uint32_t place = SampleBit(hash, bits);
      char& byte = (*out)[at + place / 8];
      byte = static_cast<char>(byte | 1 << (place % 8));
    }
  }
  return of_256;
}

}  // namespace skald
