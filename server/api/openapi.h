// The document that describes the HTTP API (OpenAPI 3.1): api/openapi.json.
#pragma once

#include <string_view>

namespace skald::server {

extern const std::string_view kOpenApi;

}  // namespace skald::server
