#include "server/http/media_type.h"

#include <algorithm>

#include "base/error.h"

namespace skald::server {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

}  // namespace

absl::StatusOr<std::string> MediaType(std::string_view header) {
  const std::string type = Lower(Trim(header.substr(0, header.find(';'))));
  if (type.empty()) return InvalidArgument("mime: no media type");
  const auto is_token = [](std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
      return c > ' ' && c < 127 && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
    });
  };
  const size_t slash = type.find('/');
  if (slash == std::string::npos) {
    if (!is_token(type)) return InvalidArgument("mime: unexpected content after media subtype");
    return type;
  }
  if (!is_token(std::string_view(type).substr(0, slash)))
    return InvalidArgument("mime: expected slash after first token");
  const std::string_view subtype = std::string_view(type).substr(slash + 1);
  if (subtype.empty()) return InvalidArgument("mime: expected token after slash");
  if (!is_token(subtype)) return InvalidArgument("mime: unexpected content after media subtype");
  return type;
}

}  // namespace skald::server
