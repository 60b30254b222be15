#include "base/media_type.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald {
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

bool IsToken(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return c > ' ' && c < 127 && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

// What follows the type: `; name=value`, the value a token or in quotes. A `;` at the end is nothing.
absl::Status CheckParameters(std::string_view rest) {
  const auto invalid = [] { return InvalidArgument("mime: invalid media parameter"); };
  std::vector<std::string> names;
  while (!(rest = Trim(rest)).empty()) {
    rest = Trim(rest.substr(1));  // the semicolon
    if (rest.empty()) return absl::OkStatus();
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos || !IsToken(Trim(rest.substr(0, equals)))) return invalid();
    names.push_back(Lower(Trim(rest.substr(0, equals))));
    rest = Trim(rest.substr(equals + 1));
    size_t end = 0;
    if (rest.starts_with('"')) {
      for (end = 1; end < rest.size() && rest[end] != '"'; ++end) end += rest[end] == '\\' ? 1 : 0;
      if (end >= rest.size()) return invalid();
      ++end;
    } else {
      end = std::min(rest.find_first_of("; \t"), rest.size());
      if (!IsToken(rest.substr(0, end))) return invalid();
    }
    rest = Trim(rest.substr(end));
    if (!rest.empty() && rest.front() != ';') return invalid();
    if (std::count(names.begin(), names.end(), names.back()) > 1)
      return InvalidArgument("mime: duplicate parameter name");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> MediaType(std::string_view header) {
  const std::string type = Lower(Trim(header.substr(0, header.find(';'))));
  if (type.empty()) return InvalidArgument("mime: no media type");
  const size_t slash = type.find('/');
  if (slash == std::string::npos) {
    if (!IsToken(type)) return InvalidArgument("mime: unexpected content after media subtype");
  } else {
    if (!IsToken(std::string_view(type).substr(0, slash)))
      return InvalidArgument("mime: expected slash after first token");
    const std::string_view subtype = std::string_view(type).substr(slash + 1);
    if (subtype.empty()) return InvalidArgument("mime: expected token after slash");
    if (!IsToken(subtype)) return InvalidArgument("mime: unexpected content after media subtype");
  }
  RETURN_IF_ERROR(CheckParameters(header.substr(std::min(header.find(';'), header.size()))));
  return type;
}

}  // namespace skald
