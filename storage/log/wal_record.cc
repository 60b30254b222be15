#include "storage/log/wal_record.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "storage/limits.h"

namespace skald {

std::string EncodeWalFileHeader() {
  std::string out(kWalMagic);
  PutFixed<uint32_t>(&out, kWalVersion);
  PutFixed<uint32_t>(&out, Crc32c(out));
  return out;
}

absl::Status CheckWalFileHeader(std::string_view file) {
  if (file.size() < kWalFileHeaderBytes)
    return DataLoss("file of {} bytes is shorter than its header", file.size());
  if (!file.starts_with(kWalMagic)) return DataLoss("no log file: magic does not match");
  ByteReader reader(file.substr(kWalMagic.size()));
  const auto version = reader.Fixed<uint32_t>();
  const auto crc = reader.Fixed<uint32_t>();
  if (crc != Crc32c(file.substr(0, kWalMagic.size() + 4))) return DataLoss("header checksum does not match");
  if (version != kWalVersion) {
    return FailedPrecondition("log version {} is not known to this build, which writes {}", version,
                              kWalVersion);
  }
  return absl::OkStatus();
}

void AppendWalRecordHeader(std::string* out, WalRecordType type, Lsn lsn, Lsn group, uint32_t payload_size,
                           uint32_t payload_crc) {
  const size_t begin = out->size();
  PutFixed<uint32_t>(out, payload_size);
  PutFixed<uint32_t>(out, payload_crc);
  PutFixed<uint64_t>(out, Raw(lsn));
  PutFixed<uint64_t>(out, Raw(group));
  PutFixed<uint8_t>(out, static_cast<uint8_t>(type));
  PutFixed<uint32_t>(out, Crc32c(std::string_view(*out).substr(begin)));
}

bool WalScanner::ParseAt(uint64_t offset, WalRecord* record) const {
  const std::string_view rest = file_.substr(offset);
  if (rest.size() < kWalRecordHeaderBytes) return false;
  ByteReader reader(rest);
  const auto size = reader.Fixed<uint32_t>();
  const auto payload_crc = reader.Fixed<uint32_t>();
  const auto lsn = reader.Fixed<uint64_t>();
  const auto group = reader.Fixed<uint64_t>();
  const auto type = reader.Fixed<uint8_t>();
  const auto header_crc = reader.Fixed<uint32_t>();
  // Cheap refusals first: a scan past damage comes here for every byte.
  if (type != static_cast<uint8_t>(WalRecordType::kCheckpoint) &&
      type != static_cast<uint8_t>(WalRecordType::kBatch)) {
    return false;
  }
  if (size > kMaxWalRecordBytes || size > reader.remaining()) return false;
  if (header_crc != Crc32c(rest.substr(0, kWalRecordHeaderBytes - 4))) return false;
  const std::string_view payload = reader.Bytes(size);
  if (payload_crc != Crc32c(payload)) return false;
  record->type = static_cast<WalRecordType>(type);
  record->lsn = Lsn{lsn};
  record->group = Lsn{group};
  record->payload = payload;
  record->offset = offset;
  record->end = offset + kWalRecordHeaderBytes + size;
  return true;
}

bool WalScanner::Next(WalRecord* record) {
  for (uint64_t at = offset_; at + kWalRecordHeaderBytes <= file_.size(); ++at) {
    if (!ParseAt(at, record)) continue;
    record->after_damage = at != offset_;
    offset_ = valid_end_ = record->end;
    return true;
  }
  offset_ = file_.size();
  return false;
}

}  // namespace skald
