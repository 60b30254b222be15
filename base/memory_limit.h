// How much memory the machine, or the container around the process, gives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

// The smaller of the machine's memory and the limits of all control groups the process is in; 0 if unknown.
uint64_t AvailableMemory();

// The same from given files, for tests: /proc/meminfo, /proc/self/cgroup, and where control groups are
// mounted.
uint64_t AvailableMemoryFrom(std::string_view meminfo, std::string_view cgroup, const std::string& mount);

}  // namespace skald
