// Log files that are not UTF-8: where their lines end, and what they say in UTF-8.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace skald::agent {

// One encoding. Immutable.
class TextEncoding {
 public:
  // By a name of IANA's or WHATWG's list, in any case; nullptr for UTF-8 and what is part of it.
  // InvalidArgument for a name that is not known, or an encoding that lines cannot be found in.
  static absl::StatusOr<std::shared_ptr<const TextEncoding>> Make(std::string_view name);
  static const TextEncoding& Utf16LittleEndian();
  static const TextEncoding& Utf16BigEndian();

  // As iconv knows it.
  const std::string& name() const { return name_; }
  // Bytes of a unit. Units begin at multiples of it in the file; a newline is one of them.
  size_t width() const { return newline_.size(); }
  bool utf16() const { return utf16_; }

  // The next newline's first byte at or behind `at` in data, which begins at file offset `offset`; npos if
  // there is none.
  size_t FindNewline(std::string_view data, size_t at, uint64_t offset) const;

 private:
  TextEncoding(std::string name, std::string newline, bool utf16)
      : name_(std::move(name)), newline_(std::move(newline)), utf16_(utf16) {}

  const std::string name_;
  const std::string newline_;
  const bool utf16_;
};

// UTF-16's byte order mark, where a file begins with one.
inline constexpr size_t kByteOrderMarkBytes = 2;
const TextEncoding* ByteOrderMark(std::string_view begin_of_file);

// Makes UTF-8 out of text that comes in pieces. What cannot be decoded becomes U+FFFD, a unit at a time. Not
// thread-safe.
class TextDecoder {
 public:
  explicit TextDecoder(const TextEncoding& encoding);
  ~TextDecoder();
  TextDecoder(const TextDecoder&) = delete;
  TextDecoder& operator=(const TextDecoder&) = delete;

  // Another text begins: nothing of the one before is left.
  void Begin();
  // Appends to *out. A character that is not whole at the end of a piece waits for the next one; with `last`
  // it is one that cannot be decoded.
  void Decode(std::string_view bytes, bool last, std::string* out);
  // U+FFFD given out so far.
  uint64_t replaced() const { return replaced_; }

 private:
  void* converter_;  // iconv_t
  const size_t width_;
  std::string carried_;
  uint64_t replaced_ = 0;
};

}  // namespace skald::agent
