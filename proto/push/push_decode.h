// The bytes of a push as streams and entries: views into what was received, nothing copied, nothing judged.
// Two forms, as Loki takes them: JSON, and logproto.PushRequest.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace skald {

// Of an entry that was sent without one: Go's zero time, older than any that is allowed.
inline constexpr int64_t kNoTimeNs = kMinTimeNs;

struct PushEntry {
  int64_t time_ns = kNoTimeNs;
  std::string_view line;
  uint32_t metadata_begin = 0;  // into DecodedPush::metadata
  uint32_t metadata_end = 0;
};

struct PushStream {
  std::string_view labels;   // {a="b", c="d"}
  uint32_t entry_begin = 0;  // into DecodedPush::entries
  uint32_t entry_end = 0;
  uint32_t metadata_begin = 0;  // into DecodedPush::metadata: pairs of each of the entries, behind their own
  uint32_t metadata_end = 0;
};

// Streams, entries and metadata pairs that one push may have: some bytes of input make each of them, and each
// takes more memory than those bytes.
inline constexpr size_t kMaxPushParts = size_t{1} << 24;

// Owns what its views point to. Movable.
struct DecodedPush {
  std::vector<PushStream> streams;
  std::vector<PushEntry> entries;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  // The labels say what service_name is, or that there is none: it is not looked for.
  bool service_name_settled = false;

  // InvalidArgument beyond kMaxPushParts.
  absl::Status CheckRoom() const;
  // Bytes of memory it holds.
  uint64_t HeldBytes() const;

  std::deque<std::string> texts;  // bodies and label texts made here
  std::shared_ptr<void> parser;   // of JSON: holds unescaped strings
};

// How an error goes out: status and body without the newline.
struct PushError {
  int status = 400;
  std::string message;
};

struct PushFormat {
  std::string content_type;      // header as sent
  std::string content_encoding;  // header as sent
  bool legacy = false;           // /api/prom/push: another JSON form
  uint64_t max_decompressed = 0;
  std::string policy = {};  // X-Loki-Ingestion-Policy as sent
};

// Either out is filled or the error is returned. body is taken over.
struct PushDecodeResult {
  bool ok = false;
  DecodedPush push;
  PushError error;
  bool json = false;
};
PushDecodeResult DecodePush(const PushFormat& format, std::string body);

// The parts, for other doors and for tests. Errors are InvalidArgument with Loki's text.
// bytes: a logproto.PushRequest, not compressed, which must outlive out's views.
absl::Status DecodePushProto(std::string_view bytes, DecodedPush* out);
// body becomes part of out.
absl::Status DecodePushJson(std::string body, bool legacy, DecodedPush* out);

}  // namespace skald
