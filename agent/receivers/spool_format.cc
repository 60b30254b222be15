#include "agent/receivers/spool_format.h"

#include <algorithm>

#include "base/coding.h"
#include "base/crc32c.h"

namespace skald::agent {
namespace {

constexpr uint32_t kMagic = 0x50534B53;
constexpr std::string_view kMagicBytes = "SKSP";

void PutPairs(const std::vector<std::pair<std::string, std::string>>& pairs, std::string* out) {
  PutVarint(out, pairs.size());
  for (const auto& [name, value] : pairs) {
    PutText(out, name);
    PutText(out, value);
  }
}

bool GetPairs(ByteReader* in, std::vector<std::pair<std::string, std::string>>* pairs) {
  const uint64_t count = in->Varint();
  if (count > in->remaining()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view name = in->Text();
    pairs->emplace_back(name, in->Text());
  }
  return in->ok();
}

void PutEntry(const SpoolEntry& entry, int64_t base_ns, std::string* out) {
  // Times may lie anywhere, so their distance wraps.
  PutSignedVarint(
      out, static_cast<int64_t>(static_cast<uint64_t>(entry.time_ns) - static_cast<uint64_t>(base_ns)));
  PutText(out, entry.line);
  PutVarint(out, entry.cut_bytes);
  PutVarint(out, static_cast<uint64_t>(entry.severity + 1));
  PutPairs(entry.metadata, out);
}

bool GetEntry(ByteReader* in, int64_t base_ns, SpoolEntry* entry) {
  entry->time_ns =
      static_cast<int64_t>(static_cast<uint64_t>(base_ns) + static_cast<uint64_t>(in->SignedVarint()));
  entry->line = in->Text();
  entry->cut_bytes = in->Varint();
  const uint64_t severity = in->Varint();
  if (severity > 8) return false;
  entry->severity = static_cast<int>(severity) - 1;
  return GetPairs(in, &entry->metadata);
}

}  // namespace

void SpoolEntry::SetMetadata(std::string_view name, std::string value) {
  for (auto& pair : metadata) {
    if (pair.first != name) continue;
    pair.second = std::move(value);
    return;
  }
  metadata.emplace_back(name, std::move(value));
}

uint64_t SpoolRecord::lines() const {
  uint64_t lines = 0;
  for (const SpoolStream& stream : streams) lines += stream.entries.size();
  return lines;
}

uint64_t SpoolRecord::bytes() const {
  uint64_t bytes = 0;
  for (const SpoolStream& stream : streams) {
    for (const SpoolEntry& entry : stream.entries) bytes += entry.line.size();
  }
  return bytes;
}

std::vector<std::string> EncodeSpoolPayloads(std::string_view source, const std::vector<SpoolStream>& streams,
                                             size_t target) {
  std::vector<std::string> payloads;
  std::string parts;  // streams of the record being made
  uint64_t count = 0;
  const auto close = [&] {
    if (count == 0) return;
    std::string& payload = payloads.emplace_back();
    PutText(&payload, source);
    PutVarint(&payload, count);
    payload += parts;
    parts.clear();
    count = 0;
  };
  std::string entries;
  for (const SpoolStream& stream : streams) {
    for (size_t begin = 0; begin < stream.entries.size();) {
      entries.clear();
      size_t end = begin;
      int64_t before_ns = 0;
      while (end < stream.entries.size() && (end == begin || parts.size() + entries.size() < target)) {
        PutEntry(stream.entries[end], before_ns, &entries);
        before_ns = stream.entries[end++].time_ns;
      }
      PutPairs(stream.labels.pairs(), &parts);
      PutVarint(&parts, end - begin);
      parts += entries;
      ++count;
      begin = end;
      if (parts.size() >= target) close();
    }
  }
  close();
  return payloads;
}

void AppendSpoolRecord(uint64_t number, std::string_view payload, std::string* out) {
  std::string tail;
  PutFixed<uint64_t>(&tail, number);
  PutFixed<uint32_t>(out, kMagic);
  PutFixed<uint32_t>(out, static_cast<uint32_t>(payload.size()));
  PutFixed<uint32_t>(out, Crc32c(payload, Crc32c(tail)));
  *out += tail;
  *out += payload;
}

bool DecodeSpoolPayload(std::string_view payload, SpoolRecord* record) {
  ByteReader in(payload);
  record->source = in.Text();
  const uint64_t streams = in.Varint();
  if (streams > in.remaining()) return false;
  record->streams.clear();
  for (uint64_t i = 0; i < streams; ++i) {
    SpoolStream& stream = record->streams.emplace_back();
    std::vector<Labels::Pair> pairs;
    if (!GetPairs(&in, &pairs)) return false;
    stream.labels = Labels(std::move(pairs));
    const uint64_t entries = in.Varint();
    if (entries > in.remaining()) return false;
    int64_t before_ns = 0;
    for (uint64_t k = 0; k < entries; ++k) {
      SpoolEntry& entry = stream.entries.emplace_back();
      if (!GetEntry(&in, before_ns, &entry)) return false;
      before_ns = entry.time_ns;
    }
  }
  return in.ok() && in.remaining() == 0;
}

size_t BytesToNextSpoolFrame(std::string_view bytes) {
  const size_t next = bytes.find(kMagicBytes, 1);
  // The magic may begin in the last bytes.
  return next != std::string_view::npos ? next : bytes.size() - std::min<size_t>(bytes.size() - 1, 3);
}

SpoolFrame NextSpoolFrame(std::string_view bytes) {
  SpoolFrame frame;
  const auto damaged = [&] {
    frame.kind = SpoolFrame::Kind::kDamaged;
    frame.skip = BytesToNextSpoolFrame(bytes);
    return frame;
  };
  const size_t known = std::min(bytes.size(), kMagicBytes.size());
  if (known > 0 && bytes.substr(0, known) != kMagicBytes.substr(0, known)) return damaged();
  if (bytes.size() < kSpoolFrameBytes) {
    frame.kind = SpoolFrame::Kind::kIncomplete;
    frame.need = kSpoolFrameBytes;
    return frame;
  }
  ByteReader in(bytes.substr(kMagicBytes.size()));
  const auto length = in.Fixed<uint32_t>();
  const auto crc = in.Fixed<uint32_t>();
  if (length > kMaxSpoolPayload) return damaged();
  if (bytes.size() < kSpoolFrameBytes + length) {
    frame.kind = SpoolFrame::Kind::kIncomplete;
    frame.need = kSpoolFrameBytes + length;
    return frame;
  }
  const std::string_view checked = bytes.substr(kSpoolFrameBytes - 8, length + 8);
  if (Crc32c(checked) != crc) return damaged();
  frame.kind = SpoolFrame::Kind::kRecord;
  frame.number = in.Fixed<uint64_t>();
  frame.payload = bytes.substr(kSpoolFrameBytes, length);
  frame.size = kSpoolFrameBytes + length;
  return frame;
}

}  // namespace skald::agent
