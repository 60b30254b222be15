// What senders of Loki's push, and of plain text, put into a request, as entries of the spool.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spool_format.h"

namespace skald::agent {

// Streams with the labels they were sent with. InvalidArgument says what is wrong with the body. Entries
// without a time have now_ns. max_bytes: of a body that is decompressed.
//
// {"streams": [{"stream": {labels}, "values": [["<ns>", "line", {metadata}?], ...]}, ...]}
absl::StatusOr<std::vector<SpoolStream>> ReadPushJson(const std::string& body, int64_t now_ns);
// A logproto.PushRequest in snappy's block form.
absl::StatusOr<std::vector<SpoolStream>> ReadPushProto(const std::string& body, uint64_t max_bytes,
                                                       int64_t now_ns);
// One entry a line; blank ones are passed over. One stream without labels.
std::vector<SpoolStream> ReadPushText(std::string_view body, int64_t now_ns);

// A gzip body as it was.
absl::StatusOr<std::string> ReadGzip(std::string_view body, uint64_t max_bytes);

}  // namespace skald::agent
