// Whose data a request is about: X-Scope-OrgID, where tenants are on.
#pragma once

#include <string>
#include <string_view>

#include "server/http/http_message.h"

namespace skald::server {

// The tenant of everything where tenants are off.
inline constexpr std::string_view kOnlyTenant = "fake";

struct TenantOrError {
  std::string tenant;  // "" on error
  int status = 200;
  std::string message;  // without a newline; 401 is answered with one everywhere
};

// header: the value as sent. Ids have letters, digits and ! - _ . * ' ( ), at most 150 bytes; `:...` at the
// end is cut off. `a|b` names several: `multiple org IDs present`, 500 for questions and 400 for pushes, as
// Loki answers unless it is told to allow them.
TenantOrError ResolveTenant(bool auth_enabled, std::string_view header, bool push);
// For questions that may be asked of several tenants: `a|b` gives "a|b", sorted and without repetitions.
TenantOrError ResolveTenants(bool auth_enabled, std::string_view header);
// The same, as the answer to send when there is no tenant.
HttpResponse TenantErrorResponse(const TenantOrError& error, bool push);

}  // namespace skald::server
