// Builds the Rows of one stream entry by entry: text end to end, metadata as columns with dictionaries.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/rows.h"

namespace skald::server {

// Not thread-safe. Texts given to Set live until Take.
class RowsBuilder {
 public:
  // Room for this much, so that text is not moved again.
  void Reserve(size_t rows, size_t text_bytes);

  // A new row; times ascend over the calls.
  void Add(int64_t time_ns, std::string_view line) {
    rows_.time_ns.push_back(time_ns);
    rows_.text.append(line);
    rows_.line_end.push_back(static_cast<uint32_t>(rows_.text.size()));
    rows_.text.push_back('\n');
  }
  // Metadata of the last row; of one name the last call wins.
  void Set(std::string_view name, std::string_view value);

  size_t rows() const { return rows_.size(); }
  size_t text_bytes() const { return rows_.text.size(); }
  size_t columns() const { return columns_.size(); }

  // The rows, columns sorted by name; the builder is empty again.
  Rows Take();

 private:
  using Dictionary =
      absl::flat_hash_map<std::string_view, uint32_t, std::hash<std::string_view>, std::equal_to<>>;
  struct Column {
    MetadataColumn data;      // index may be shorter than the rows: the rest is 0
    std::string_view last;    // of the last Set, for runs of one value
    uint32_t last_index = 0;  // 0 = none yet
    Dictionary values;        // filled from the second distinct value on
  };

  Rows rows_;
  std::vector<Column> columns_;
  absl::flat_hash_map<std::string, uint32_t> by_name_;  // filled beyond a few columns
};

}  // namespace skald::server
