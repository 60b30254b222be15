// URL paths and forms as Go's net/url and net/http read them, for it is their rules that Loki's clients know.
#pragma once

#include <string>
#include <string_view>

#include "base/url_encode.h"

namespace skald::server {

using skald::FormPairs;
using skald::ParseForm;
using skald::UrlDecode;
using skald::UrlEncode;

// "//", "." and ".." resolved, a trailing slash kept: what a request for `path` is redirected to if it
// differs.
std::string CleanPath(std::string_view path);

}  // namespace skald::server
