// Text as a part of a URL, and forms, as Go's net/url reads them.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald {

// All but letters, digits and - _ . ~ as %XX.
std::string UrlEncode(std::string_view text);

// %XX decoded, '+' too where asked for. InvalidArgument `invalid URL escape "%zz"`.
absl::StatusOr<std::string> UrlDecode(std::string_view text, bool plus_is_blank);

// Pairs of a query string or form body in their order.
using FormPairs = std::vector<std::pair<std::string, std::string>>;
// InvalidArgument on a bad escape (after all good pairs were appended) or on `;`: `invalid semicolon
// separator in query`.
absl::Status ParseForm(std::string_view text, FormPairs* out);

}  // namespace skald
