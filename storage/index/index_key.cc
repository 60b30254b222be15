#include "storage/index/index_key.h"

#include <exception>

namespace skald::index_key {
namespace {

constexpr size_t kMaxIdsAsList = 16;

}  // namespace

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::string EncodeIds(const uint32_t* ids, size_t count) {
  if (count > kMaxIdsAsList) return EncodeIds(Roaring(count, ids));
  std::string out(1, '\0');
  for (size_t i = 0; i < count; ++i) PutFixed<uint32_t>(&out, ids[i]);
  return out;
}

std::string EncodeIds(const Roaring& ids) {
  if (ids.cardinality() <= kMaxIdsAsList) {
    std::string out(1, '\0');
    for (const uint32_t id : ids) PutFixed<uint32_t>(&out, id);
    return out;
  }
  std::string out(1 + ids.getSizeInBytes(), '\1');
  ids.write(out.data() + 1);
  return out;
}

bool DecodeIds(std::string_view bytes, Roaring* ids) {
  if (bytes.empty()) return false;
  const char form = bytes.front();
  bytes.remove_prefix(1);
  if (form == 0) {
    if (bytes.size() % 4 != 0) return false;
    ByteReader reader(bytes);
    while (reader.remaining() > 0) ids->add(reader.Fixed<uint32_t>());
    return true;
  }
  if (form != 1) return false;
  try {
    *ids |= Roaring::readSafe(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

uint32_t DayKeyOf(const BlockSlice& slice) {
  const Day first = DayOf(slice.min_ns);
  return first == DayOf(slice.max_ns) ? DayKey(first) : kManyDays;
}

std::string EncodeSegmentInfo(const SegmentInfo& info) {
  std::string out;
  PutVarint(&out, info.bytes);
  PutVarint(&out, info.blocks);
  PutSignedVarint(&out, info.min_ns);
  PutSignedVarint(&out, info.max_ns);
  PutVarint(&out, info.shard);
  PutVarint(&out, Raw(info.covered));
  PutVarint(&out, info.level);
  return out;
}

bool DecodeSegmentInfo(std::string_view bytes, SegmentInfo* info) {
  ByteReader reader(bytes);
  info->bytes = reader.Varint();
  info->blocks = static_cast<uint32_t>(reader.Varint());
  info->min_ns = reader.SignedVarint();
  info->max_ns = reader.SignedVarint();
  info->shard = static_cast<uint32_t>(reader.Varint());
  info->covered = Lsn{reader.Varint()};
  info->level = reader.remaining() > 0 ? static_cast<uint32_t>(reader.Varint()) : 0;
  return reader.ok();
}

}  // namespace skald::index_key
