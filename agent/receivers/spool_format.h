// The spool's records as bytes. Little-endian; varints and texts as base/coding.h has them.
//
// A segment file, spool-<number of its first record, 20 digits>, is the eight bytes "SKSPOOL\1" and then
// records:
//   u32 magic 0x50534B53, u32 length of the payload, u32 CRC-32C of number and payload, u64 number, payload
// Numbers ascend over the whole spool and are never given out twice. The payload:
//   text source (the scrape job); varint streams; of each stream
//     varint labels, and name and value (texts) of each; varint entries, and of each
//       signed varint time less the time of the entry before (ns; of the first: Unix), text line,
//       varint bytes that were cut from the line, varint severity + 1 (0 = none), varint metadata pairs, and
//       name and value of each
// A reader that meets bytes that are no record goes on at the next magic with a record that checks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"

namespace skald::agent {

struct SpoolEntry {
  int64_t time_ns = 0;
  std::string line;
  uint64_t cut_bytes = 0;
  int severity = -1;                                          // of syslog, 0 to 7; -1 = none
  std::vector<std::pair<std::string, std::string>> metadata;  // no name twice

  // Adds or replaces.
  void SetMetadata(std::string_view name, std::string value);
};

struct SpoolStream {
  Labels labels;
  std::vector<SpoolEntry> entries;
};

struct SpoolRecord {
  uint64_t number = 0;
  std::string source;
  std::vector<SpoolStream> streams;

  uint64_t lines() const;
  uint64_t bytes() const;  // of the lines
};

inline constexpr std::string_view kSpoolHeader = "SKSPOOL\1";
inline constexpr size_t kSpoolFrameBytes = 20;
inline constexpr uint32_t kMaxSpoolPayload = uint32_t{64} << 20;

// The payloads of as many records as it takes for none to be much longer than about target bytes.
std::vector<std::string> EncodeSpoolPayloads(std::string_view source, const std::vector<SpoolStream>& streams,
                                             size_t target = size_t{256} << 10);
void AppendSpoolRecord(uint64_t number, std::string_view payload, std::string* out);
// False for bytes that are no payload.
bool DecodeSpoolPayload(std::string_view payload, SpoolRecord* record);

// What stands at the beginning of bytes.
struct SpoolFrame {
  enum class Kind {
    kRecord,
    kIncomplete,  // perhaps a record, if `need` bytes were there
    kDamaged,     // no record; `skip` bytes on there may be one
  };
  Kind kind = Kind::kDamaged;
  uint64_t number = 0;
  std::string_view payload;
  size_t size = 0;  // of the record
  size_t need = 0;
  size_t skip = 0;
};
SpoolFrame NextSpoolFrame(std::string_view bytes);
// Behind the first byte (there must be one), how far it is to where the next record may begin.
size_t BytesToNextSpoolFrame(std::string_view bytes);

}  // namespace skald::agent
