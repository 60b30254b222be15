#include "server/push/rows_builder.h"

#include <algorithm>

namespace skald::server {
namespace {

// Up to here a column is found by looking at all of them.
constexpr size_t kFewColumns = 12;

}  // namespace

void RowsBuilder::Reserve(size_t rows, size_t text_bytes) {
  rows_.time_ns.reserve(rows);
  rows_.line_end.reserve(rows);
  rows_.text.reserve(text_bytes + rows);
}

void RowsBuilder::Set(std::string_view name, std::string_view value) {
  if (value.empty()) {  // the same as none
    for (Column& c : columns_) {
      if (c.data.name == name && c.data.index.size() == rows_.size()) c.data.index.back() = 0;
    }
    return;
  }
  Column* column = nullptr;
  if (columns_.size() <= kFewColumns) {
    for (Column& c : columns_) {
      if (c.data.name == name) column = &c;
    }
  } else if (const auto it = by_name_.find(std::string(name)); it != by_name_.end()) {
    column = &columns_[it->second];
  }
  if (column == nullptr) {
    column = &columns_.emplace_back();
    column->data.name = name;
    if (columns_.size() == kFewColumns + 1) {
      for (size_t i = 0; i < columns_.size(); ++i) by_name_[columns_[i].data.name] = static_cast<uint32_t>(i);
    } else if (columns_.size() > kFewColumns) {
      by_name_[column->data.name] = static_cast<uint32_t>(columns_.size() - 1);
    }
  }
  MetadataColumn& data = column->data;
  uint32_t index = column->last_index;
  if (index == 0 || column->last != value) {
    index = 0;
    if (column->last_index != 0) {
      if (column->values.empty()) column->values.emplace(column->last, column->last_index);
      if (const auto it = column->values.find(value); it != column->values.end()) index = it->second;
    }
    if (index == 0) {
      data.value_bytes.append(value);
      data.value_end.push_back(static_cast<uint32_t>(data.value_bytes.size()));
      index = static_cast<uint32_t>(data.value_end.size());
      if (column->last_index != 0) column->values.emplace(value, index);
    }
    column->last = value;
    column->last_index = index;
  }
  data.index.resize(rows_.size(), 0);
  data.index.back() = index;
}

Rows RowsBuilder::Take() {
  for (Column& column : columns_) {
    column.data.index.resize(rows_.size(), 0);
    rows_.metadata.push_back(std::move(column.data));
  }
  std::sort(rows_.metadata.begin(), rows_.metadata.end(),
            [](const MetadataColumn& a, const MetadataColumn& b) { return a.name < b.name; });
  Rows out = std::move(rows_);
  rows_ = {};
  columns_.clear();
  by_name_.clear();
  return out;
}

}  // namespace skald::server
