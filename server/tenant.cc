#include "server/tenant.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace skald::server {
namespace {

constexpr size_t kMaxTenantBytes = 150;

// "" or what is wrong with the id.
std::string CheckId(std::string_view id) {
  for (const char c : id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("!-_.*'()").find(c) != std::string_view::npos;
    if (!plain) return fmt::format("tenant ID '{}' contains unsupported character '{}'", id, c);
  }
  if (id.size() > kMaxTenantBytes) return "tenant ID is too long: max 150 characters";
  if (id == "." || id == "..") return "tenant ID is '.' or '..'";
  return "";
}

}  // namespace

TenantOrError ResolveTenant(bool auth_enabled, std::string_view header, bool push) {
  if (!auth_enabled) return {std::string(kOnlyTenant), 200, ""};
  if (header.empty()) return {"", 401, "no org id"};
  std::vector<std::string> ids;
  while (!header.empty()) {
    const size_t bar = std::min(header.find('|'), header.size());
    const std::string_view id = header.substr(0, std::min(header.find(':'), bar));
    header.remove_prefix(std::min(bar + 1, header.size()));
    if (id.empty()) continue;
    if (std::string wrong = CheckId(id); !wrong.empty()) return {"", 400, std::move(wrong)};
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.emplace_back(id);
  }
  if (ids.empty()) return {"", 401, "no org id"};
  if (ids.size() > 1) return {"", push ? 400 : 500, "multiple org IDs present"};
  return {std::move(ids[0]), 200, ""};
}

HttpResponse TenantErrorResponse(const TenantOrError& error, bool push) {
  return TextResponse(error.status, error.message + (push || error.status == 401 ? "\n" : ""));
}

}  // namespace skald::server
