// Byte coding of all on-disk and on-wire formats: little-endian fixed widths, LEB128 varints, zigzag,
// length-prefixed text. Writers append to a std::string; ByteReader never reads past its end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace skald {

template <typename T>
void PutFixed(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));  // little-endian hosts only; checked in coding.cc
  out->append(bytes, sizeof(T));
}

inline void PutVarint(std::string* out, uint64_t value) {
  char bytes[10];
  int n = 0;
  while (value > 127) {
    bytes[n++] = static_cast<char>(value | 128);
    value >>= 7;
  }
  bytes[n++] = static_cast<char>(value);
  out->append(bytes, n);
}

inline uint64_t ZigZag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
inline int64_t UnZigZag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

inline void PutSignedVarint(std::string* out, int64_t value) { PutVarint(out, ZigZag(value)); }

// varint length, then the bytes.
inline void PutText(std::string* out, std::string_view text) {
  PutVarint(out, text.size());
  out->append(text);
}

// Reads in order from a byte view it does not own. The first read past the end (or malformed varint) makes
// ok() false for good; every read after that returns zero or empty. Callers check ok() once, after a group of
// reads, and before they allocate by a size that was read.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return static_cast<size_t>(end_ - p_); }

  template <typename T>
  T Fixed() {
    T value{};
    if (remaining() < sizeof(T)) return Fail<T>();
    std::memcpy(&value, p_, sizeof(T));
    p_ += sizeof(T);
    return value;
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) return Fail<uint64_t>();
      const auto byte = static_cast<unsigned char>(*p_++);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return Fail<uint64_t>();
  }

  int64_t SignedVarint() { return UnZigZag(Varint()); }

  std::string_view Bytes(uint64_t n) {
    if (remaining() < n) return Fail<std::string_view>();
    std::string_view out(p_, n);
    p_ += n;
    return out;
  }

  std::string_view Text() { return Bytes(Varint()); }

 private:
  template <typename T>
  T Fail() {
    ok_ = false;
    p_ = end_;
    return T{};
  }

  const char* p_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace skald
