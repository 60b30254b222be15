// Which fields a sample of log lines has: structured metadata, what the query's own parsers produced, and
// what JSON or logfmt finds in the line. For detected_fields and detected_field/{name}/values.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/result.h"

namespace skald::server {

struct DetectedField {
  std::string label;
  std::string_view type;  // int float boolean duration bytes string; that of the value read last
  size_t cardinality = 0;
  std::vector<std::string_view> parsers;  // json, logfmt; empty for structured metadata
  std::vector<std::string> json_path;     // where in a JSON line it stands
};

// Fields in order of first sight, `limit` of them at most. streams: the answer of a log query. Labels of the
// index are no fields; a field of a line that has the name of one is called <name>_extracted.
absl::StatusOr<std::vector<DetectedField>> DetectFields(const Streams& streams, size_t limit);

// Distinct values of one field in order of first sight. Byte sizes that stand in lines come back in SI units
// (`3 MiB` as `3.1MB`), the form that a query can compare with; metadata comes back as it is.
absl::StatusOr<std::vector<std::string>> DetectFieldValues(const Streams& streams, std::string_view name,
                                                           size_t limit);

// The type that a value has by itself.
std::string_view FieldTypeOf(std::string_view value);

// Whether Logs Drilldown may offer a label: not where all of its values are numbers or UUIDs, unless its name
// or its values (0, 1) say that it is worth it.
bool IsDetectedLabel(std::string_view name, const std::vector<std::string>& values);

}  // namespace skald::server
