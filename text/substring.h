// Finding one fixed text in much text at memory speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

// Immutable and thread-safe. Scans for two rare bytes of the needle at once, 16 or 32 places a step.
class SubstringFinder {
 public:
  static constexpr size_t kNotFound = std::string_view::npos;

  // With fold_ascii, letters A-Z and a-z match each other; other bytes are taken as they are.
  explicit SubstringFinder(std::string_view needle, bool fold_ascii = false);

  // Offset of the first occurrence that begins at or after `from`, kNotFound if none. The empty needle is
  // found at `from`.
  size_t Find(std::string_view text, size_t from = 0) const;
  bool FoundIn(std::string_view text) const { return Find(text) != kNotFound; }

  const std::string& needle() const { return needle_; }

 private:
  template <bool kFold>
  size_t FindSse(const char* text, size_t size, size_t from) const;
  template <bool kFold>
  size_t FindAvx2(const char* text, size_t size, size_t from) const;
  template <bool kFold>
  size_t FindSlow(const char* text, size_t size, size_t from) const;
  template <bool kFold>
  bool MatchesAt(const char* at) const;

  std::string needle_;  // lower-cased when folding
  bool fold_ = false;
  bool avx2_ = false;
  size_t rare_ = 0;    // offset of the needle's rarest byte
  size_t second_ = 0;  // offset of another one, if there is
};

// Whether no byte is beyond ASCII.
bool IsAscii(std::string_view text);

// A case-insensitive literal as `(?i)text` in a LogQL line filter finds it: runes are compared after
// lower-casing (ASCII by its letters, others by Unicode), but the first byte must agree after lower-casing of
// ASCII alone.
class FoldedFinder {
 public:
  // needle in any case.
  explicit FoldedFinder(std::string_view needle);

  // Offset of the first occurrence at or after `from`, and in *end the offset behind it.
  size_t Find(std::string_view text, size_t from, size_t* end) const;
  bool FoundIn(std::string_view text) const {
    size_t end = 0;
    return Find(text, 0, &end) != SubstringFinder::kNotFound;
  }
  // Whether searching text for ascii() finds just what Find does: so unless either holds bytes beyond ASCII
  // that count.
  bool AsciiSuffices(std::string_view text) const;
  const SubstringFinder& ascii() const { return ascii_; }
  bool ascii_only() const { return ascii_only_; }
  // Pieces of the lower-cased needle that stand in each text it is found in, but for the case of ASCII
  // letters.
  std::vector<std::string_view> NeededParts() const;
  // Whether all of text is the needle.
  bool Equals(std::string_view text) const;

 private:
  // Bytes of text that the needle takes at its start, 0 for no match.
  size_t MatchAt(std::string_view text) const;
  size_t FindByRunes(std::string_view text, size_t from, size_t* end) const;

  std::string lower_;
  SubstringFinder ascii_;
  bool ascii_only_ = false;
  bool foreign_ =
      false;  // a rune outside of ASCII could stand for one of the needle's letters (Kelvin sign, dotted I)
};

}  // namespace skald
