// What an agent must remember over a restart: how far each file is delivered, and what each batch on its way
// is made of.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/files/file_identity.h"
#include "agent/positions/record.h"
#include "base/coding.h"

namespace skald::agent {

// One file (one generation of a log), known by content. Ids are given out once per state directory.
struct FilePosition {
  uint64_t file_id = 0;
  InodeKey key;
  HeadHash head;
  uint64_t offset = 0;  // every record before it is delivered or part of a pending message
  TailHash tail;        // of the bytes before offset
  LogFormat format = LogFormat::kAuto;
  std::string path;       // where it was last seen
  std::string chain;      // the path its log has while it is the newest generation
  bool complete = false;  // compressed, and offset is the end of its text
};

// Bytes [begin, end) of a file.
struct Span {
  uint64_t file_id = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

// A message of which pieces were read, but not its last one. The spans cover its records, among others'
// records. Or (held) the lines from the first one on that a pipeline still holds something of.
struct PendingMessage {
  Output output = Output::kNone;
  std::vector<Span> spans;
  bool held = false;
};

// Complete records [begin, end) of one file, with what proves the file's identity at end.
struct ManifestRange {
  uint64_t file_id = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  HeadHash head;
  TailHash tail;  // length 0: not known, a later range of the same manifest has it
};

// What a batch takes from one log, in the order it was read.
struct ManifestChain {
  std::vector<ManifestRange> ranges;
  bool flush_pending = false;          // after the ranges, unfinished messages were sent as they are
  std::vector<uint64_t> flushed_held;  // or only these of what its pipeline held
  std::string chain;
  std::vector<PendingMessage> pending_end;
};

// Entries [first, last] of a source that is positioned by cursor (the systemd journal).
struct CursorRange {
  std::string source;
  std::string first;
  std::string last;
};

// What a batch is made of: enough to make it again, line by line.
struct Manifest {
  uint64_t sequence = 0;
  std::vector<ManifestChain> chains;
  std::vector<CursorRange> cursors;
};

struct AgentState {
  std::string agent_id;
  std::string node;
  uint64_t next_sequence = 1;
  uint64_t next_file_id = 1;
  int64_t alive_ns = 0;  // when the directories were last looked at: later files are not known
  std::map<uint64_t, FilePosition> files;
  std::map<std::string, std::vector<PendingMessage>> pending;  // by chain; at the delivered offsets
  std::map<std::string, std::string> cursors;                  // by source; the last delivered entry
  std::deque<Manifest> in_flight;                              // by ascending sequence

  // A batch's effect once it is acknowledged. Sequences that are not in flight are ignored.
  void ApplyAck(uint64_t sequence);
};

// Wire forms, for the state journal. Decoders answer false on malformed bytes.
void EncodeFilePosition(const FilePosition& file, std::string* out);
bool DecodeFilePosition(ByteReader* in, FilePosition* file);
void EncodePending(const std::vector<PendingMessage>& pending, std::string* out);
bool DecodePending(ByteReader* in, std::vector<PendingMessage>* pending);
void EncodeManifest(const Manifest& manifest, std::string* out);
bool DecodeManifest(ByteReader* in, Manifest* manifest);

}  // namespace skald::agent
