// URL paths and forms as Go's net/url and net/http read them, for it is their rules that Loki's clients know.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/url_encode.h"

namespace skald::server {

// %XX decoded, '+' too where asked for. InvalidArgument `invalid URL escape "%zz"`.
absl::StatusOr<std::string> UrlDecode(std::string_view text, bool plus_is_blank);
using skald::UrlEncode;

// "//", "." and ".." resolved, a trailing slash kept: what a request for `path` is redirected to if it
// differs.
std::string CleanPath(std::string_view path);

// Pairs of a query string or form body in their order.
using FormPairs = std::vector<std::pair<std::string, std::string>>;
// InvalidArgument on a bad escape (after all good pairs were appended) or on `;`: `invalid semicolon
// separator in query`.
absl::Status ParseForm(std::string_view text, FormPairs* out);

}  // namespace skald::server
