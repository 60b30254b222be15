#include "storage/block/rows_merge.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>

namespace skald {

// A column under construction, with a set over its dictionary to find a value's place.
struct RowsBuilder::Column {
  struct Hash {
    using is_transparent = void;
    const MetadataColumn* of;
    size_t operator()(std::string_view value) const { return XXH3_64bits(value.data(), value.size()); }
    size_t operator()(uint32_t k) const { return (*this)(of->value(k)); }
  };
  struct Equal {
    using is_transparent = void;
    const MetadataColumn* of;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, std::string_view b) const { return of->value(a) == b; }
    bool operator()(std::string_view a, uint32_t b) const { return of->value(b) == a; }
  };

  explicit Column(std::string_view name) : values(0, Hash{&column}, Equal{&column}) { column.name = name; }

  // 1 + the value's ordinal.
  uint32_t Intern(std::string_view value) {
    if (auto it = values.find(value); it != values.end()) return *it + 1;
    const auto k = static_cast<uint32_t>(column.value_end.size());
    column.value_bytes.append(value);
    column.value_end.push_back(static_cast<uint32_t>(column.value_bytes.size()));
    values.insert(k);
    return k + 1;
  }

  MetadataColumn column;
  absl::flat_hash_set<uint32_t, Hash, Equal> values;
};

RowsBuilder::RowsBuilder() = default;
RowsBuilder::~RowsBuilder() = default;

void RowsBuilder::Reserve(size_t rows, size_t text_bytes) {
  rows_.time_ns.reserve(rows);
  rows_.line_end.reserve(rows);
  rows_.text.reserve(text_bytes);
}

void RowsBuilder::MapColumns(const Rows& from) {
  source_ = &from;
  source_map_.clear();
  for (const MetadataColumn& theirs : from.metadata) {
    Column* ours = nullptr;
    for (const auto& column : columns_) {
      if (column->column.name == theirs.name) ours = column.get();
    }
    if (ours == nullptr) {
      columns_.push_back(std::make_unique<Column>(theirs.name));
      ours = columns_.back().get();
      ours->column.index.resize(rows_.size(), 0);
    }
    source_map_.push_back({ours, std::vector<uint32_t>(theirs.value_count() + 1, 0)});
  }
}

void RowsBuilder::Append(const Rows& from, size_t begin, size_t end) {
  if (begin == end) return;
  if (source_ != &from) MapColumns(from);

  rows_.time_ns.insert(rows_.time_ns.end(), from.time_ns.begin() + begin, from.time_ns.begin() + end);
  const uint32_t text_begin = from.line_begin(begin);
  const uint32_t text_end = from.line_end[end - 1] + 1;
  const uint32_t shift =
      static_cast<uint32_t>(rows_.text.size()) - text_begin;  // wraps, and wraps back below
  rows_.text.append(from.text.view().substr(text_begin, text_end - text_begin));
  const size_t first = rows_.line_end.size();
  rows_.line_end.resize(first + (end - begin));
  for (size_t i = begin; i < end; ++i) rows_.line_end[first + i - begin] = from.line_end[i] + shift;

  for (size_t c = 0; c < from.metadata.size(); ++c) {
    const MetadataColumn& theirs = from.metadata[c];
    Mapped& mapped = source_map_[c];
    MetadataColumn& ours = mapped.column->column;
    ours.index.resize(first, 0);
    ours.index.resize(first + (end - begin));
    for (size_t i = begin; i < end; ++i) {
      const uint32_t index = theirs.index[i];
      if (index != 0 && mapped.index[index] == 0)
        mapped.index[index] = mapped.column->Intern(theirs.value(index - 1));
      ours.index[first + i - begin] = mapped.index[index];
    }
  }
}

Rows RowsBuilder::Finish() {
  Rows out = std::move(rows_);
  for (const auto& column : columns_) {
    column->column.index.resize(out.size(), 0);
    out.metadata.push_back(std::move(column->column));
  }
  std::sort(out.metadata.begin(), out.metadata.end(),
            [](const MetadataColumn& a, const MetadataColumn& b) { return a.name < b.name; });
  rows_ = Rows();
  columns_.clear();
  source_map_.clear();
  source_ = nullptr;
  return out;
}

Rows MergeByTime(std::span<const Rows* const> parts) {
  RowsBuilder builder;
  size_t rows = 0;
  size_t text = 0;
  for (const Rows* part : parts) {
    rows += part->size();
    text += part->text.size();
  }
  builder.Reserve(rows, text);
  // Whole runs at a time: from the part whose next row is the oldest, all rows before the oldest next row of
  // the others.
  std::vector<size_t> next(parts.size(), 0);
  while (builder.size() < rows) {
    constexpr size_t kNone = std::numeric_limits<size_t>::max();
    size_t best = kNone;
    size_t second = kNone;
    for (size_t p = 0; p < parts.size(); ++p) {
      if (next[p] == parts[p]->size()) continue;
      const int64_t t = parts[p]->time_ns[next[p]];
      if (best == kNone || t < parts[best]->time_ns[next[best]]) {
        second = best;
        best = p;
      } else if (second == kNone || t < parts[second]->time_ns[next[second]]) {
        second = p;
      }
    }
    const Rows& from = *parts[best];
    size_t end = from.size();
    if (second != kNone) {
      const int64_t limit = parts[second]->time_ns[next[second]];
      const auto begin_it = from.time_ns.begin() + static_cast<ptrdiff_t>(next[best]);
      const auto end_it = best < second ? std::upper_bound(begin_it, from.time_ns.end(), limit)
                                        : std::lower_bound(begin_it, from.time_ns.end(), limit);
      end = static_cast<size_t>(end_it - from.time_ns.begin());
    }
    builder.Append(from, next[best], end);
    next[best] = end;
  }
  return builder.Finish();
}

bool SameEntry(const Rows& a, size_t i, const Rows& b, size_t j) {
  if (a.line(i) != b.line(j)) return false;
  // Columns are sorted by name on both sides; those without a value for the row do not count.
  size_t x = 0;
  size_t y = 0;
  while (true) {
    while (x < a.metadata.size() && a.metadata[x].index[i] == 0) ++x;
    while (y < b.metadata.size() && b.metadata[y].index[j] == 0) ++y;
    if (x == a.metadata.size() || y == b.metadata.size())
      return x == a.metadata.size() && y == b.metadata.size();
    const MetadataColumn& p = a.metadata[x++];
    const MetadataColumn& q = b.metadata[y++];
    if (p.name != q.name || p.value(p.index[i] - 1) != q.value(q.index[j] - 1)) return false;
  }
}

namespace {

// Runs of equal times longer than this are compared by hash: a sender that stamps whole seconds makes runs of
// thousands.
constexpr size_t kCompareAllUpTo = 8;

uint64_t HashOf(const Rows& rows, size_t i) {
  const std::string_view line = rows.line(i);
  uint64_t hash = XXH3_64bits(line.data(), line.size());
  for (const MetadataColumn& column : rows.metadata) {
    if (column.index[i] == 0) continue;
    const std::string_view value = column.value(column.index[i] - 1);
    hash = hash * 31 + XXH3_64bits_withSeed(value.data(), value.size(),
                                            XXH3_64bits(column.name.data(), column.name.size()));
  }
  return hash;
}

size_t RunEnd(const Rows& rows, size_t begin) {
  size_t end = begin + 1;
  while (end < rows.size() && rows.time_ns[end] == rows.time_ns[begin]) ++end;
  return end;
}

struct Hashed {
  uint64_t hash;
  uint32_t row;
  friend bool operator<(const Hashed& a, const Hashed& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.row < b.row;
  }
};

void HashRun(const Rows& rows, size_t begin, size_t end, std::vector<Hashed>* out) {
  out->clear();
  for (size_t i = begin; i < end; ++i) out->push_back({HashOf(rows, i), static_cast<uint32_t>(i)});
  std::sort(out->begin(), out->end());
}

// Within one run of equal times.
void RepeatedWithin(const Rows& rows, size_t begin, size_t end, std::vector<Hashed>* scratch,
                    std::vector<uint32_t>* out) {
  if (end - begin <= kCompareAllUpTo) {
    for (size_t i = begin + 1; i < end; ++i) {
      for (size_t j = begin; j < i; ++j) {
        if (SameEntry(rows, i, rows, j)) {
          out->push_back(static_cast<uint32_t>(i));
          break;
        }
      }
    }
    return;
  }
  HashRun(rows, begin, end, scratch);
  for (size_t i = 1; i < scratch->size(); ++i) {
    for (size_t j = i; j-- > 0 && (*scratch)[j].hash == (*scratch)[i].hash;) {
      if (SameEntry(rows, (*scratch)[i].row, rows, (*scratch)[j].row)) {
        out->push_back((*scratch)[i].row);
        break;
      }
    }
  }
}

void RepeatedAcross(const Rows& rows, size_t begin, size_t end, const Rows& earlier, size_t other_begin,
                    size_t other_end, std::vector<Hashed>* scratch, std::vector<uint32_t>* out) {
  if ((end - begin) * (other_end - other_begin) <= kCompareAllUpTo * kCompareAllUpTo || end - begin == 1) {
    for (size_t i = begin; i < end; ++i) {
      for (size_t j = other_begin; j < other_end; ++j) {
        if (SameEntry(rows, i, earlier, j)) {
          out->push_back(static_cast<uint32_t>(i));
          break;
        }
      }
    }
    return;
  }
  HashRun(earlier, other_begin, other_end, scratch);
  for (size_t i = begin; i < end; ++i) {
    const uint64_t hash = HashOf(rows, i);
    for (auto it = std::lower_bound(scratch->begin(), scratch->end(), Hashed{hash, 0});
         it != scratch->end() && it->hash == hash; ++it) {
      if (SameEntry(rows, i, earlier, it->row)) {
        out->push_back(static_cast<uint32_t>(i));
        break;
      }
    }
  }
}

}  // namespace

std::vector<uint32_t> FindRepeated(const Rows& rows, std::span<const Rows* const> earlier) {
  std::vector<uint32_t> out;
  std::vector<Hashed> scratch;
  const size_t n = rows.size();
  for (size_t i = 0; i + 1 < n; ++i) {
    if (rows.time_ns[i] != rows.time_ns[i + 1]) continue;
    const size_t end = RunEnd(rows, i);
    RepeatedWithin(rows, i, end, &scratch, &out);
    i = end - 1;
  }
  for (const Rows* part : earlier) {
    if (n == 0 || part->size() == 0 || part->time_ns.back() < rows.time_ns.front() ||
        part->time_ns.front() > rows.time_ns.back()) {
      continue;
    }
    // Walks both in order of time, jumping over what cannot meet.
    size_t i = 0;
    size_t j = 0;
    while (i < n && j < part->size()) {
      const int64_t t = rows.time_ns[i];
      const int64_t u = part->time_ns[j];
      if (t < u) {
        i = static_cast<size_t>(
            std::lower_bound(rows.time_ns.begin() + static_cast<ptrdiff_t>(i), rows.time_ns.end(), u) -
            rows.time_ns.begin());
      } else if (u < t) {
        j = static_cast<size_t>(
            std::lower_bound(part->time_ns.begin() + static_cast<ptrdiff_t>(j), part->time_ns.end(), t) -
            part->time_ns.begin());
      } else {
        const size_t i_end = RunEnd(rows, i);
        const size_t j_end = RunEnd(*part, j);
        RepeatedAcross(rows, i, i_end, *part, j, j_end, &scratch, &out);
        i = i_end;
        j = j_end;
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Rows Without(const Rows& rows, std::span<const uint32_t> dropped) {
  RowsBuilder builder;
  size_t begin = 0;
  for (const uint32_t row : dropped) {
    builder.Append(rows, begin, row);
    begin = row + 1;
  }
  builder.Append(rows, begin, rows.size());
  return builder.Finish();
}

uint64_t MemoryBytes(const Rows& rows) {
  uint64_t bytes = sizeof(Rows) + rows.time_ns.capacity() * sizeof(int64_t) +
                   rows.line_end.capacity() * sizeof(uint32_t) + rows.text.capacity() +
                   (rows.text.capacity() > 0 ? TextBuffer::kPadding : 0);
  for (const MetadataColumn& column : rows.metadata) {
    bytes += sizeof(MetadataColumn) + column.value_bytes.capacity() +
             (column.value_end.capacity() + column.index.capacity()) * sizeof(uint32_t);
    if (column.name.capacity() > 15) bytes += column.name.capacity();
  }
  return bytes;
}

}  // namespace skald
