// What rotation does to a log's name: a number or a date behind it, and the ending of a compressed file.
#pragma once

#include <cstdint>
#include <string_view>

namespace skald::agent {

// A file on its way to its place, or compressed in a way that is not read (.xz, .lz4, .zip).
bool IsPassedOver(std::string_view name);
// The name without .gz, .zst or .bz2.
std::string_view WithoutCompression(std::string_view name);
inline bool IsCompressedName(std::string_view name) { return WithoutCompression(name).size() != name.size(); }
// .1, -20250101, .20250101-101010, .2025-01-01T10:10:10, .old
bool IsRotationSuffix(std::string_view suffix);

// Whether a rotated file of a log was that log before another one was. Dates in the names decide, as the time
// of change of a compressed file may be when it was compressed. Else times of change do; file systems keep
// them to some milliseconds only, and where they are the same, short numbers of a rename chain descend.
bool IsOlder(int64_t a_ns, std::string_view a_path, int64_t b_ns, std::string_view b_path);

}  // namespace skald::agent
