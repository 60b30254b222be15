// The wire and write-ahead-log form of Rows of one stream: columns apart, text as one LZ4 block. Described
// byte for byte in proto/README.md. What an agent encoded is taken over by the log as it is.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/rows.h"

namespace skald {

// Appends the encoded rows. rows must keep the invariants of proto/rows.h.
void EncodeRows(const Rows& rows, std::string* out);

struct RowsLimits {
  uint64_t max_rows = uint64_t{1} << 24;
  uint64_t max_text_bytes = uint64_t{256} << 20;
  uint64_t max_metadata_columns = 1024;
};

// Decodes all of bytes into *rows (cleared first). DataLoss with what is wrong where, for truncated or
// malformed bytes, broken invariants (times that do not ascend, text without its '\n's) or trailing bytes;
// ResourceExhausted over a limit, checked before anything is allocated by it.
absl::Status DecodeRows(std::string_view bytes, const RowsLimits& limits, Rows* rows);

}  // namespace skald
