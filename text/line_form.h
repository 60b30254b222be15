// What form a line has, as far as the discovery of its fields asks: JSON or logfmt.
#pragma once

#include <cstddef>
#include <string_view>

namespace skald {

// The line without the blanks around it if it looks like one JSON object, else "".
inline std::string_view ObjectOfLine(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  const bool object = !line.empty() && line.front() == '{' && line.back() == '}';
  return object ? line : std::string_view();
}

// Equal but for the case of ASCII letters, as keys of logfmt are compared.
inline bool EqualFold(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace skald
