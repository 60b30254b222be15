#include "base/memory_limit.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/file.h"

namespace skald {
namespace {

std::optional<uint64_t> LeadingNumber(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

void TakeLimit(const std::string& file, uint64_t* least) {
  const auto text = ReadWholeFile(file);
  if (!text.ok()) return;
  const std::optional<uint64_t> limit = LeadingNumber(*text);  // none for "max"
  if (limit && *limit > 0) *least = std::min(*least, *limit);
}

// The file of this name in the group's directory and all above it: each of them limits what is below.
void TakeLimits(const std::string& mount, std::string_view group, const std::string& name, uint64_t* least) {
  std::string path(group);
  while (true) {
    TakeLimit(mount + path + "/" + name, least);
    const size_t slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) break;
    path.resize(slash);
  }
  TakeLimit(mount + "/" + name, least);  // inside of a container the group's path is the host's
}

}  // namespace

uint64_t AvailableMemoryFrom(std::string_view meminfo, std::string_view cgroup, const std::string& mount) {
  uint64_t least = ~uint64_t{0};
  constexpr std::string_view kTotal = "MemTotal:";
  if (const size_t at = meminfo.find(kTotal); at != std::string_view::npos) {
    if (const auto kib = LeadingNumber(meminfo.substr(at + kTotal.size()))) least = *kib * 1024;
  }
  while (!cgroup.empty()) {
    const size_t end = cgroup.find('\n');
    const std::string_view line = cgroup.substr(0, end);
    cgroup.remove_prefix(end == std::string_view::npos ? cgroup.size() : end + 1);
    // number:controllers:path
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controllers.empty()) {
      TakeLimits(mount, path, "memory.max", &least);
    } else if (controllers == "memory") {
      TakeLimits(mount + "/memory", path, "memory.limit_in_bytes", &least);
    }
  }
  return least == ~uint64_t{0} ? 0 : least;
}

uint64_t AvailableMemory() {
  const auto meminfo = ReadWholeFile("/proc/meminfo");
  const auto cgroup = ReadWholeFile("/proc/self/cgroup");
  return AvailableMemoryFrom(meminfo.ok() ? *meminfo : "", cgroup.ok() ? *cgroup : "", "/sys/fs/cgroup");
}

}  // namespace skald
