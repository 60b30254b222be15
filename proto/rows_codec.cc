#include "proto/rows_codec.h"

#include <algorithm>
#include <limits>

#include "base/coding.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr uint8_t kVersion = 1;

// Bytes of one index: by the number of values, so that it need not be stored.
int IndexWidth(uint64_t values) {
  if (values <= 0xff) return 1;
  return values <= 0xffff ? 2 : 4;
}

template <typename T>
void PutIndexes(const std::vector<uint32_t>& index, std::string* out) {
  const size_t at = out->size();
  out->resize(at + index.size() * sizeof(T));
  char* p = out->data() + at;
  for (const uint32_t k : index) {
    const T narrow = static_cast<T>(k);
    std::memcpy(p, &narrow, sizeof(T));
    p += sizeof(T);
  }
}

// False if an index is beyond the dictionary.
template <typename T>
bool GetIndexes(std::string_view bytes, uint32_t values, std::vector<uint32_t>* index) {
  uint32_t largest = 0;
  for (size_t i = 0; i < index->size(); ++i) {
    T narrow;
    std::memcpy(&narrow, bytes.data() + i * sizeof(T), sizeof(T));
    (*index)[i] = narrow;
    largest = std::max<uint32_t>(largest, narrow);
  }
  return largest <= values;
}

void EncodeColumn(const MetadataColumn& column, std::string* out) {
  PutText(out, column.name);
  PutVarint(out, column.value_count());
  for (size_t k = 0; k < column.value_count(); ++k) PutVarint(out, column.value(k).size());
  out->append(column.value_bytes);
  switch (IndexWidth(column.value_count())) {
    case 1:
      return PutIndexes<uint8_t>(column.index, out);
    case 2:
      return PutIndexes<uint16_t>(column.index, out);
    default:
      return PutIndexes<uint32_t>(column.index, out);
  }
}

absl::Status DecodeColumn(ByteReader* in, uint64_t rows, std::string_view previous, bool first,
                          MetadataColumn* column) {
  column->name = in->Text();
  if (!in->ok()) return DataLoss("rows: metadata is cut short in a column's name");
  if (!first && column->name <= previous) {
    return DataLoss("rows: metadata column \"{}\" does not sort after \"{}\"", column->name, previous);
  }
  const uint64_t values = in->Varint();
  if (!in->ok() || values > in->remaining()) {
    return DataLoss("rows: metadata column \"{}\" claims {} values in {} bytes", column->name, values,
                    in->remaining());
  }
  column->value_end.resize(values);
  uint64_t end = 0;
  for (uint64_t k = 0; k < values; ++k) {
    const uint64_t size = in->Varint();
    if (!in->ok() || size > in->remaining()) {
      return DataLoss("rows: metadata column \"{}\" value {} of {} bytes does not fit", column->name, k,
                      size);
    }
    end += size;
    if (end > std::numeric_limits<uint32_t>::max()) {
      return DataLoss("rows: metadata column \"{}\" has more than 4 GiB of values", column->name);
    }
    column->value_end[k] = static_cast<uint32_t>(end);
  }
  column->value_bytes = in->Bytes(end);
  const int width = IndexWidth(values);
  const std::string_view packed = in->Bytes(rows * width);  // rows <= 2^32: no overflow
  if (!in->ok()) return DataLoss("rows: metadata column \"{}\" is cut short", column->name);
  column->index.resize(rows);
  const auto count = static_cast<uint32_t>(values);
  const bool sound = width == 1   ? GetIndexes<uint8_t>(packed, count, &column->index)
                     : width == 2 ? GetIndexes<uint16_t>(packed, count, &column->index)
                                  : GetIndexes<uint32_t>(packed, count, &column->index);
  if (!sound)
    return DataLoss("rows: metadata column \"{}\" has an index beyond its {} values", column->name, values);
  return absl::OkStatus();
}

absl::Status DecodeMetadata(ByteReader* in, const RowsLimits& limits, uint64_t rows,
                            std::vector<MetadataColumn>* out) {
  const uint64_t columns = in->Varint();
  if (!in->ok()) return DataLoss("rows: cut short before the metadata");
  if (columns > limits.max_metadata_columns) {
    return ResourceExhausted("rows: {} metadata columns, at most {} are taken", columns,
                             limits.max_metadata_columns);
  }
  if (columns == 0) {
    out->clear();
    return absl::OkStatus();
  }
  const auto codec = in->Fixed<uint8_t>();
  const uint64_t raw_size = in->Varint();
  const std::string_view stored = in->Text();
  if (!in->ok()) return DataLoss("rows: metadata is cut short");
  if (raw_size > limits.max_text_bytes) {
    return ResourceExhausted("rows: {} bytes of metadata, at most {} are taken", raw_size,
                             limits.max_text_bytes);
  }
  if (!PlausibleRawSize(codec, stored.size(), raw_size)) {
    return DataLoss("rows: metadata codec {} cannot make {} bytes of {}", codec, raw_size, stored.size());
  }
  TextBuffer raw;
  std::string_view bytes = stored;
  if (static_cast<Codec>(codec) != Codec::kRaw) {
    raw.resize(raw_size);
    if (!Decompress(codec, stored, raw.data(), raw_size))
      return DataLoss("rows: metadata does not decompress");
    bytes = raw.view();
  }
  // The indexes of all columns together are part of raw_size, which bounds columns * rows before anything is
  // allocated by it.
  if (columns * rows > raw_size)
    return DataLoss("rows: {} metadata columns do not fit into {} bytes", columns, raw_size);
  out->resize(columns);
  ByteReader section(bytes);
  for (uint64_t i = 0; i < columns; ++i) {
    const std::string_view previous = i == 0 ? std::string_view() : std::string_view((*out)[i - 1].name);
    RETURN_IF_ERROR(DecodeColumn(&section, rows, previous, i == 0, &(*out)[i]));
  }
  if (section.remaining() > 0)
    return DataLoss("rows: {} bytes too many after the metadata", section.remaining());
  return absl::OkStatus();
}

absl::Status Decode(std::string_view bytes, const RowsLimits& limits, Rows* rows) {
  ByteReader in(bytes);
  const auto version = in.Fixed<uint8_t>();
  const uint64_t count = in.Varint();
  if (!in.ok()) return DataLoss("rows: {} bytes are too few", bytes.size());
  if (version != kVersion) return DataLoss("rows: version {} is not known", version);
  if (count > limits.max_rows) {
    return ResourceExhausted("rows: {} of them, at most {} are taken", count, limits.max_rows);
  }
  // A row takes a byte of time and one of length at least.
  if (count > in.remaining() / 2)
    return DataLoss("rows: {} claimed, {} bytes are left", count, in.remaining());

  // Not cleared first: resize() writes only what is new to the vector.
  rows->time_ns.resize(count);
  uint64_t t = 0;  // unsigned: the difference of two times may be any 64 bits
  for (uint64_t i = 0; i < count; ++i) {
    t += static_cast<uint64_t>(in.SignedVarint());
    rows->time_ns[i] = static_cast<int64_t>(t);
    if (i > 0 && rows->time_ns[i] < rows->time_ns[i - 1]) {
      return DataLoss("rows: time of row {} is before the one of row {}", i, i - 1);
    }
  }
  if (!in.ok()) return DataLoss("rows: cut short within the times");

  const uint64_t max_text = std::min<uint64_t>(limits.max_text_bytes, kMaxRowsText);
  rows->line_end.resize(count);
  uint64_t end = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t length = in.Varint();
    if (length >= max_text - end) {
      return ResourceExhausted("rows: text beyond the {} bytes that are taken, at row {}", max_text, i);
    }
    end += length;
    rows->line_end[i] = static_cast<uint32_t>(end);
    ++end;
  }
  if (!in.ok()) return DataLoss("rows: cut short within the line lengths");

  const auto codec = in.Fixed<uint8_t>();
  const std::string_view stored = in.Text();
  if (!in.ok()) return DataLoss("rows: cut short within the text");
  if (!PlausibleRawSize(codec, stored.size(), end)) {
    return DataLoss("rows: text codec {} cannot make {} bytes of {}", codec, end, stored.size());
  }
  rows->text.clear();  // nothing to keep when it grows
  rows->text.resize(end);
  if (!Decompress(codec, stored, rows->text.data(), end)) return DataLoss("rows: text does not decompress");
  for (uint64_t i = 0; i < count; ++i) {
    if (rows->text.data()[rows->line_end[i]] != '\n')
      return DataLoss("rows: line {} does not end where it says", i);
  }
  RETURN_IF_ERROR(DecodeMetadata(&in, limits, count, &rows->metadata));
  if (in.remaining() > 0) return DataLoss("rows: {} bytes too many at the end", in.remaining());
  return absl::OkStatus();
}

}  // namespace

void EncodeRows(const Rows& rows, std::string* out) {
  PutFixed<uint8_t>(out, kVersion);
  PutVarint(out, rows.size());
  uint64_t previous = 0;
  for (const int64_t t : rows.time_ns) {
    PutSignedVarint(out, static_cast<int64_t>(static_cast<uint64_t>(t) - previous));
    previous = static_cast<uint64_t>(t);
  }
  for (size_t i = 0; i < rows.size(); ++i) PutVarint(out, rows.line_end[i] - rows.line_begin(i));

  // The codec is known only after compression, and the size is a varint: the section is made apart. Kept per
  // thread, within bounds.
  thread_local std::string section;
  section.clear();
  Codec codec = AppendCompressed(rows.text.view(), &section);
  PutFixed<uint8_t>(out, static_cast<uint8_t>(codec));
  // With room for what follows: a byte behind the section would double what the string takes.
  out->reserve(out->size() + section.size() + 64);
  PutText(out, section);

  PutVarint(out, rows.metadata.size());
  if (!rows.metadata.empty()) {
    std::string raw;
    for (const MetadataColumn& column : rows.metadata) EncodeColumn(column, &raw);
    section.clear();
    codec = AppendCompressed(raw, &section);
    PutFixed<uint8_t>(out, static_cast<uint8_t>(codec));
    PutVarint(out, raw.size());
    PutText(out, section);
  }
  if (section.capacity() > (size_t{4} << 20)) section = std::string();
}

absl::Status DecodeRows(std::string_view bytes, const RowsLimits& limits, Rows* rows) {
  const absl::Status status = Decode(bytes, limits, rows);
  if (!status.ok()) rows->clear();
  return status;
}

}  // namespace skald
