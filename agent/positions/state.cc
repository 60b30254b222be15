#include "agent/positions/state.h"

#include <algorithm>

namespace skald::agent {
namespace {

void EncodeHead(const HeadHash& head, std::string* out) {
  PutVarint(out, head.length);
  PutFixed(out, head.hash);
}
HeadHash DecodeHead(ByteReader* in) {
  HeadHash head;
  head.length = static_cast<uint32_t>(std::min<uint64_t>(in->Varint(), kHeadBytes));
  head.hash = in->Fixed<uint64_t>();
  return head;
}
void EncodeTail(const TailHash& tail, std::string* out) {
  PutVarint(out, tail.length);
  PutFixed(out, tail.hash);
}
TailHash DecodeTail(ByteReader* in) {
  TailHash tail;
  tail.length = static_cast<uint32_t>(std::min<uint64_t>(in->Varint(), kTailBytes));
  tail.hash = in->Fixed<uint64_t>();
  return tail;
}

// A count of things that take at least one byte each.
bool ReadCount(ByteReader* in, uint64_t* count) {
  *count = in->Varint();
  return in->ok() && *count <= in->remaining();
}

}  // namespace

void AgentState::ApplyAck(uint64_t sequence) {
  const auto found = std::find_if(in_flight.begin(), in_flight.end(),
                                  [&](const Manifest& manifest) { return manifest.sequence == sequence; });
  if (found == in_flight.end()) return;
  for (ManifestChain& chain : found->chains) {
    for (const ManifestRange& range : chain.ranges) {
      const auto file = files.find(range.file_id);
      if (file == files.end() || range.end < file->second.offset) continue;
      file->second.offset = range.end;
      file->second.head = range.head;
      file->second.tail = range.tail;
    }
    if (chain.pending_end.empty()) {
      pending.erase(chain.chain);
    } else {
      pending[chain.chain] = std::move(chain.pending_end);
    }
  }
  for (CursorRange& cursor : found->cursors) cursors[cursor.source] = std::move(cursor.last);
  in_flight.erase(found);
}

void EncodeFilePosition(const FilePosition& file, std::string* out) {
  PutVarint(out, file.file_id);
  PutVarint(out, file.key.device);
  PutVarint(out, file.key.inode);
  EncodeHead(file.head, out);
  PutVarint(out, file.offset);
  EncodeTail(file.tail, out);
  PutVarint(out, static_cast<uint64_t>(file.format));
  PutText(out, file.path);
  PutText(out, file.chain);
  PutVarint(out, file.complete ? 1 : 0);
  PutVarint(out, file.key.birth_ns);
}

bool DecodeFilePosition(ByteReader* in, FilePosition* file) {
  file->file_id = in->Varint();
  file->key.device = in->Varint();
  file->key.inode = in->Varint();
  file->head = DecodeHead(in);
  file->offset = in->Varint();
  file->tail = DecodeTail(in);
  const uint64_t format = in->Varint();
  file->path = in->Text();
  file->chain = in->Text();
  // Records of before there were these.
  file->complete = in->ok() && in->remaining() > 0 && in->Varint() != 0;
  file->key.birth_ns = in->ok() && in->remaining() > 0 ? in->Varint() : 0;
  if (format > static_cast<uint64_t>(LogFormat::kDocker)) return false;
  file->format = static_cast<LogFormat>(format);
  return in->ok();
}

void EncodePending(const std::vector<PendingMessage>& pending, std::string* out) {
  PutVarint(out, pending.size());
  for (const PendingMessage& message : pending) {
    PutVarint(out, message.held ? uint64_t{kOutputs} : static_cast<uint64_t>(message.output));
    PutVarint(out, message.spans.size());
    for (const Span& span : message.spans) {
      PutVarint(out, span.file_id);
      PutVarint(out, span.begin);
      PutVarint(out, span.end);
    }
  }
}

bool DecodePending(ByteReader* in, std::vector<PendingMessage>* pending) {
  uint64_t count = 0;
  if (!ReadCount(in, &count)) return false;
  pending->resize(count);
  for (PendingMessage& message : *pending) {
    const uint64_t output = in->Varint();
    uint64_t spans = 0;
    if (output > kOutputs || !ReadCount(in, &spans)) return false;
    message.held = output == kOutputs;
    if (!message.held) message.output = static_cast<Output>(output);
    message.spans.resize(spans);
    for (Span& span : message.spans) {
      span.file_id = in->Varint();
      span.begin = in->Varint();
      span.end = in->Varint();
    }
  }
  return in->ok();
}

void EncodeManifest(const Manifest& manifest, std::string* out) {
  PutVarint(out, manifest.sequence);
  PutVarint(out, manifest.chains.size());
  for (const ManifestChain& chain : manifest.chains) {
    PutVarint(out, chain.ranges.size());
    for (const ManifestRange& range : chain.ranges) {
      PutVarint(out, range.file_id);
      PutVarint(out, range.begin);
      PutVarint(out, range.end);
      EncodeHead(range.head, out);
      EncodeTail(range.tail, out);
    }
    PutVarint(out, (chain.flushed_held.size() << 1) | (chain.flush_pending ? 1 : 0));
    for (const uint64_t hash : chain.flushed_held) PutFixed(out, hash);
    PutText(out, chain.chain);
    EncodePending(chain.pending_end, out);
  }
  PutVarint(out, manifest.cursors.size());
  for (const CursorRange& cursor : manifest.cursors) {
    PutText(out, cursor.source);
    PutText(out, cursor.first);
    PutText(out, cursor.last);
  }
}

bool DecodeManifest(ByteReader* in, Manifest* manifest) {
  manifest->sequence = in->Varint();
  uint64_t count = 0;
  if (!ReadCount(in, &count)) return false;
  manifest->chains.resize(count);
  for (ManifestChain& chain : manifest->chains) {
    if (!ReadCount(in, &count)) return false;
    chain.ranges.resize(count);
    for (ManifestRange& range : chain.ranges) {
      range.file_id = in->Varint();
      range.begin = in->Varint();
      range.end = in->Varint();
      range.head = DecodeHead(in);
      range.tail = DecodeTail(in);
      if (range.end < range.begin) return false;
    }
    const uint64_t flushed = in->Varint();
    chain.flush_pending = (flushed & 1) != 0;
    if (flushed >> 1 > in->remaining()) return false;
    chain.flushed_held.resize(flushed >> 1);
    for (uint64_t& hash : chain.flushed_held) hash = in->Fixed<uint64_t>();
    chain.chain = in->Text();
    if (!DecodePending(in, &chain.pending_end)) return false;
  }
  if (!ReadCount(in, &count)) return false;
  manifest->cursors.resize(count);
  for (CursorRange& cursor : manifest->cursors) {
    cursor.source = in->Text();
    cursor.first = in->Text();
    cursor.last = in->Text();
  }
  return in->ok();
}

}  // namespace skald::agent
