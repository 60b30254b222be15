// Rows: lines of one stream (or, in a stored block, of several) as columns. The one in-memory form of log
// lines from the agent's batches over the write-ahead log and the heads to the query engine.
// proto/rows_codec.h is its wire form.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

// A growable byte buffer that does not clear what it grows into, and keeps kPadding readable (undefined)
// bytes past its end, so that vector code may read over it.
class TextBuffer {
 public:
  static constexpr size_t kPadding = 64;

  TextBuffer() = default;
  TextBuffer(TextBuffer&&) noexcept = default;
  TextBuffer& operator=(TextBuffer&&) noexcept = default;
  TextBuffer(const TextBuffer& other) { append(other.view()); }
  TextBuffer& operator=(const TextBuffer& other) {
    if (this != &other) {
      clear();
      append(other.view());
    }
    return *this;
  }

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  void clear() { size_ = 0; }

  void reserve(size_t n) {
    if (n <= capacity_) return;
    std::unique_ptr<char[]> grown(new char[n + kPadding]);
    if (size_ > 0) std::memcpy(grown.get(), bytes_.get(), size_);
    bytes_ = std::move(grown);
    capacity_ = n;
  }
  // New bytes are undefined.
  void resize(size_t n) {
    if (n > capacity_) reserve(n);
    size_ = n;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    Grow(bytes.size());
    std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void push_back(char c) {
    Grow(1);
    bytes_[size_++] = c;
  }

 private:
  void Grow(size_t more) {
    if (size_ + more > capacity_) reserve(std::max(size_ + more, capacity_ * 2));
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// One structured-metadata key over all rows: a dictionary of its values and one index a row.
struct MetadataColumn {
  std::string name;
  std::string value_bytes;  // the values, end to end
  std::vector<uint32_t>
      value_end;                // value k is value_bytes[value_end[k-1], value_end[k]); value_end[-1] is 0
  std::vector<uint32_t> index;  // one a row: 0 = the row has no such key, else 1 + the value's ordinal

  size_t value_count() const { return value_end.size(); }
  std::string_view value(size_t k) const {
    const uint32_t begin = k == 0 ? 0 : value_end[k - 1];
    return std::string_view(value_bytes).substr(begin, value_end[k] - begin);
  }
};

// Invariants: time_ns, line_end and each metadata index have one element a row. Within one stream's rows,
// time_ns ascends (ties in order of arrival). text is each line followed by '\n' (a line may hold '\n'
// itself): row i's line is text[begin(i), line_end[i]) and text[line_end[i]] == '\n'. Metadata columns are
// sorted by name, names distinct. A Rows shared as shared_ptr<const Rows> is never written again and may be
// read by any thread.
struct Rows {
  std::vector<int64_t> time_ns;
  std::vector<uint32_t> line_end;
  TextBuffer text;
  std::vector<MetadataColumn> metadata;

  size_t size() const { return time_ns.size(); }
  uint32_t line_begin(size_t row) const { return row == 0 ? 0 : line_end[row - 1] + 1; }
  std::string_view line(size_t row) const {
    const uint32_t begin = line_begin(row);
    return {text.data() + begin, line_end[row] - begin};
  }
  // Bytes of the lines of rows [begin, end), without the separators.
  uint64_t line_bytes(size_t begin, size_t end) const {
    return begin == end ? 0 : line_end[end - 1] - line_begin(begin) - (end - begin - 1);
  }

  // Empties it and keeps the capacity.
  void clear() {
    time_ns.clear();
    line_end.clear();
    text.clear();
    metadata.clear();
  }
  // Appends a row without metadata; existing metadata columns get index 0 for it.
  void Append(int64_t t_ns, std::string_view line) {
    time_ns.push_back(t_ns);
    text.append(line);
    line_end.push_back(static_cast<uint32_t>(text.size()));
    text.push_back('\n');
    for (MetadataColumn& column : metadata) column.index.push_back(0);
  }
  const MetadataColumn* FindMetadata(std::string_view name) const {
    for (const MetadataColumn& column : metadata) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }
};

// Largest text of one Rows, so that offsets fit; batches and blocks are cut far below it.
inline constexpr size_t kMaxRowsText = size_t{1} << 30;

}  // namespace skald
