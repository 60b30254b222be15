#include "server/tenant/tenant.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/utf8.h"

namespace skald::server {
namespace {

constexpr size_t kMaxTenantBytes = 150;

// "" or what is wrong with the id.
std::string CheckId(std::string_view id) {
  for (const char c : id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("!-_.*'()").find(c) != std::string_view::npos;
    if (!plain) {
      std::string shown;  // the byte as the character of that number
      AppendRune(&shown, static_cast<unsigned char>(c));
      return fmt::format("tenant ID '{}' contains unsupported character '{}'", id, shown);
    }
  }
  if (id.size() > kMaxTenantBytes) return "tenant ID is too long: max 150 characters";
  if (id == "." || id == "..") return "tenant ID is '.' or '..'";
  return "";
}

// Where several ids are a tenant, they are joined with `|`; else `several` is the status of the error.
TenantOrError Resolve(bool auth_enabled, std::string_view header, bool join, int several) {
  if (!auth_enabled) return {std::string(kOnlyTenant), 200, ""};
  if (header.empty()) return {"", 401, "no org id"};
  std::vector<std::string> ids;
  bool blank = false;  // `a|`: for pushes a second id, though an empty one
  while (!header.empty()) {
    const size_t bar = header.find('|');
    const std::string_view id = header.substr(0, std::min(header.find(':'), std::min(bar, header.size())));
    header = bar == std::string_view::npos ? std::string_view() : header.substr(bar + 1);
    if (id.empty() || (bar != std::string_view::npos && header.empty())) blank = several == 400;
    if (!id.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.emplace_back(id);
  }
  if (ids.empty()) return {"", 401, "no org id"};
  if (ids.size() + (blank ? 1 : 0) > 1 && !join) return {"", several, "multiple org IDs present"};
  for (const std::string& id : ids) {
    if (std::string wrong = CheckId(id); !wrong.empty()) return {"", 400, std::move(wrong)};
  }
  std::sort(ids.begin(), ids.end());
  return {fmt::format("{}", fmt::join(ids, "|")), 200, ""};
}

}  // namespace

TenantOrError ResolveTenant(bool auth_enabled, std::string_view header, bool push) {
  return Resolve(auth_enabled, header, false, push ? 400 : 500);
}

TenantOrError ResolveTenants(bool auth_enabled, std::string_view header) {
  return Resolve(auth_enabled, header, true, 0);
}

HttpResponse TenantErrorResponse(const TenantOrError& error, bool push) {
  return TextResponse(error.status, error.message + (push || error.status == 401 ? "\n" : ""));
}

}  // namespace skald::server
