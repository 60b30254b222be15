// Keys and values of the label index. Integers in keys are big-endian, so that they sort; storage/FORMAT.md
// tells each mapping.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <roaring/roaring.hh>

#include "base/coding.h"
#include "base/types.h"
#include "storage/index/label_index.h"

namespace skald::index_key {

// First byte of every key.
inline constexpr char kMeta = 'M';              // "M" -> format version; "Mrebuilding" -> "" while it is so
inline constexpr char kStreamByLabels = 'S';    // tenant, label text -> stream id
inline constexpr char kLabelsByStream = 'L';    // stream id -> tenant, label text
inline constexpr char kPostings = 'P';          // tenant, day, name, value -> stream ids
inline constexpr char kStreamsOfDay = 'D';      // tenant, day -> stream ids
inline constexpr char kBlocks = 'B';            // stream id, day, segment id -> block entries
inline constexpr char kSegment = 'G';           // segment id -> segment info
inline constexpr char kStreamsOfSegment = 'T';  // segment id -> stream ids
inline constexpr char kFlushed = 'F';           // shard -> LSN
inline constexpr char kPurged = 'R';            // name of a delete -> rows removed

// Entries of blocks whose rows of the stream lie on more than one day stand under this one.
inline constexpr uint32_t kManyDays = 0;

inline void PutBigEndian32(std::string* out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(v >> shift));
}
inline void PutBigEndian64(std::string* out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(v >> shift));
}
inline uint32_t GetBigEndian32(std::string_view bytes) {
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(bytes[i]);
  return v;
}
inline uint64_t GetBigEndian64(std::string_view bytes) {
  return uint64_t{GetBigEndian32(bytes)} << 32 | GetBigEndian32(bytes.substr(4));
}
// Days before 1970 sort first; never kManyDays.
inline uint32_t DayKey(Day day) { return static_cast<uint32_t>(day) + 0x80000000u; }
inline Day DayFromKey(uint32_t key) { return static_cast<Day>(key - 0x80000000u); }

inline std::string Meta() { return std::string(1, kMeta); }
inline std::string Rebuilding() { return std::string(1, kMeta) + "rebuilding"; }
inline std::string StreamByLabels(std::string_view tenant, std::string_view text) {
  std::string key(1, kStreamByLabels);
  PutText(&key, tenant);
  key.append(text);
  return key;
}
inline std::string LabelsByStream(uint32_t id) {
  std::string key(1, kLabelsByStream);
  PutBigEndian32(&key, id);
  return key;
}
inline std::string TenantDay(char family, std::string_view tenant, Day day) {
  std::string key(1, family);
  PutText(&key, tenant);
  PutBigEndian32(&key, DayKey(day));
  return key;
}
inline std::string PostingsOfName(std::string_view tenant, Day day, std::string_view name) {
  std::string key = TenantDay(kPostings, tenant, day);
  key.append(name);
  key.push_back('\0');
  return key;
}
inline std::string Postings(std::string_view tenant, Day day, std::string_view name, std::string_view value) {
  std::string key = PostingsOfName(tenant, day, name);
  key.append(value);
  return key;
}
inline std::string BlocksOfStream(uint32_t id) {
  std::string key(1, kBlocks);
  PutBigEndian32(&key, id);
  return key;
}
inline std::string BlocksOfDay(uint32_t id, uint32_t day_key) {
  std::string key = BlocksOfStream(id);
  PutBigEndian32(&key, day_key);
  return key;
}
inline std::string Blocks(uint32_t id, uint32_t day_key, SegmentId segment) {
  std::string key = BlocksOfDay(id, day_key);
  PutBigEndian64(&key, Raw(segment));
  return key;
}
inline std::string Segment(SegmentId id) {
  std::string key(1, kSegment);
  PutBigEndian64(&key, Raw(id));
  return key;
}
inline std::string StreamsOfSegment(SegmentId id) {
  std::string key(1, kStreamsOfSegment);
  PutBigEndian64(&key, Raw(id));
  return key;
}
inline std::string Flushed(uint32_t shard) {
  std::string key(1, kFlushed);
  PutBigEndian32(&key, shard);
  return key;
}

inline std::string Purged(std::string_view purge) { return std::string(1, kPurged).append(purge); }

// The least key above all that begin with prefix; "" if there is none.
std::string PrefixEnd(std::string prefix);

// Stream ids: a first byte of 0 and then each id as fixed 32 (few ids, any order), or 1 and a portable
// Roaring bitmap.
std::string EncodeIds(const Roaring& ids);
std::string EncodeIds(const uint32_t* ids, size_t count);
// Adds to *ids; false when the bytes are malformed.
bool DecodeIds(std::string_view bytes, Roaring* ids);

// The day all rows of the slice lie on, or kManyDays.
uint32_t DayKeyOf(const BlockSlice& slice);

std::string EncodeSegmentInfo(const SegmentInfo& info);
bool DecodeSegmentInfo(std::string_view bytes, SegmentInfo* info);

}  // namespace skald::index_key
