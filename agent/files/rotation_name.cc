#include "agent/files/rotation_name.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace skald::agent {
namespace {

constexpr std::string_view kDateBytes = "0123456789-:._T+Z";
constexpr int kDateDigits = 8;

// The date at the end of a name, with what separates it; "" if it has none.
std::string_view DateOf(std::string_view path) {
  path = WithoutCompression(path);
  const size_t before = path.find_last_not_of(kDateBytes);
  const std::string_view date = path.substr(before == std::string_view::npos ? 0 : before + 1);
  const auto digits = std::count_if(date.begin(), date.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits >= kDateDigits ? date : std::string_view();
}

// The short number at the end of a name; -1 if it has none.
int NumberOf(std::string_view path) {
  path = WithoutCompression(path);
  const std::string_view end = path.substr(path.rfind('.') + 1);
  if (end.empty() || end.size() > 3 || end.find_first_not_of("0123456789") != std::string_view::npos)
    return -1;
  return std::atoi(std::string(end).c_str());
}

}  // namespace

bool IsPassedOver(std::string_view name) {
  for (const std::string_view end : {".xz", ".lz4", ".zip", ".Z", ".lzma", ".tmp", ".swp"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

std::string_view WithoutCompression(std::string_view name) {
  for (const std::string_view end : {".gz", ".zst", ".bz2"}) {
    if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
  }
  return name;
}

bool IsRotationSuffix(std::string_view suffix) {
  if (suffix == ".old") return true;
  if (suffix.size() < 2 || (suffix[0] != '.' && suffix[0] != '-' && suffix[0] != '_')) return false;
  if (suffix[1] < '0' || suffix[1] > '9') return false;
  return suffix.find_first_not_of(kDateBytes, 1) == std::string_view::npos;
}

bool IsOlder(int64_t a_ns, std::string_view a_path, int64_t b_ns, std::string_view b_path) {
  const std::string_view a_date = DateOf(a_path);
  const std::string_view b_date = DateOf(b_path);
  if (!a_date.empty() && a_date.size() == b_date.size() && a_date != b_date) return a_date < b_date;
  if (a_ns != b_ns) return a_ns < b_ns;
  const int a = NumberOf(a_path);
  const int b = NumberOf(b_path);
  if (a >= 0 && b >= 0) return a > b;
  return a_path < b_path;
}

}  // namespace skald::agent
