// The value forms of base/config.h: durations, sizes, switches, environment references.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/config.h"

namespace skald {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// "us" before "s", "ms" before "m": matched whole, so the order does not matter.
constexpr std::array<Unit, 10> kTimeUnits = {{{"ns", 1},
                                              {"us", 1e3},
                                              {"µs", 1e3},
                                              {"ms", 1e6},
                                              {"s", 1e9},
                                              {"m", 60e9},
                                              {"h", 3600e9},
                                              {"d", 86400e9},
                                              {"w", 604800e9},
                                              {"y", 31536000e9}}};

bool IsNumberChar(char c) { return (c >= '0' && c <= '9') || c == '.'; }

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool IsNameChar(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

}  // namespace

std::optional<int64_t> ParseConfigDuration(std::string_view text) {
  text = Trim(text);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    size_t digits = 0;
    while (digits < text.size() && IsNumberChar(text[digits])) ++digits;
    double number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + digits, number);
    if (digits == 0 || ec != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    size_t letters = 0;
    while (letters < text.size() && !IsNumberChar(text[letters])) ++letters;
    const std::string_view name = text.substr(0, letters);
    text.remove_prefix(letters);
    double factor = 0;
    for (const Unit& unit : kTimeUnits) {
      if (unit.name == name) factor = unit.factor;
    }
    if (factor == 0) return std::nullopt;
    total += number * factor;
  }
  if (total > 9.2e18) return std::nullopt;
  return static_cast<int64_t>(std::llround(total));
}

std::optional<uint64_t> ParseConfigBytes(std::string_view text) {
  text = Trim(text);
  size_t digits = 0;
  while (digits < text.size() && IsNumberChar(text[digits])) ++digits;
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + digits, number);
  if (digits == 0 || ec != std::errc() || end != text.data() + digits) return std::nullopt;
  std::string unit = Lower(Trim(text.substr(digits)));
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
  double factor = 1;
  if (!unit.empty()) {
    const size_t power = std::string_view("kmgtp").find(unit);
    if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
    factor = std::pow(1024.0, static_cast<double>(power + 1));
  }
  const double bytes = number * factor;
  if (bytes > 9.2e18) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::optional<bool> ParseConfigBool(std::string_view text) {
  const std::string t = Lower(Trim(text));
  if (t == "true" || t == "yes" || t == "on" || t == "1") return true;
  if (t == "false" || t == "no" || t == "off" || t == "0") return false;
  return std::nullopt;
}

std::string FormatConfigDuration(int64_t ns) {
  if (ns == 0) return "0s";
  constexpr std::pair<std::string_view, int64_t> kParts[] = {{"d", 86'400'000'000'000},
                                                             {"h", 3'600'000'000'000},
                                                             {"m", 60'000'000'000},
                                                             {"s", 1'000'000'000},
                                                             {"ms", 1'000'000},
                                                             {"us", 1'000},
                                                             {"ns", 1}};
  std::string out;
  if (ns < 0) {
    out = "-";
    ns = -ns;
  }
  for (const auto& [name, factor] : kParts) {
    if (ns < factor) continue;
    out += fmt::format("{}{}", ns / factor, name);
    ns %= factor;
  }
  return out;
}

std::string FormatConfigBytes(uint64_t bytes) {
  constexpr std::pair<std::string_view, int> kUnits[] = {{"TB", 40}, {"GB", 30}, {"MB", 20}, {"KB", 10}};
  for (const auto& [name, shift] : kUnits) {
    if (bytes != 0 && bytes % (uint64_t{1} << shift) == 0) return fmt::format("{}{}", bytes >> shift, name);
  }
  return fmt::format("{}B", bytes);
}

std::string ExpandEnvironment(std::string_view text, std::vector<std::string>* unset, bool escapes) {
  std::string out;
  out.reserve(text.size());
  size_t i = 0;
  while (i < text.size()) {
    if (escapes && (text.compare(i, 2, "$$") == 0 || text.compare(i, 2, "\\\\") == 0)) {
      out += text[i];
      i += 2;
      continue;
    }
    if (text.compare(i, 2, "${") != 0) {
      out += text[i++];
      continue;
    }
    size_t end = i + 2;
    while (end < text.size() && IsNameChar(text[end], end == i + 2 && !escapes)) ++end;
    const std::string name(text.substr(i + 2, end - i - 2));
    const size_t close = end < text.size() && text[end] == ':' ? text.find('}', end) : end;
    if (name.empty() || close >= text.size() || text[close] != '}') {
      out += text[i++];
      continue;
    }
    std::string_view fallback = text.substr(end, close - end);
    const bool has_default = !fallback.empty();
    if (has_default) fallback.remove_prefix(1);
    if (fallback.starts_with('-')) fallback.remove_prefix(1);
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') {
      out += value;
    } else {
      out += fallback;
      if (!has_default && value == nullptr && unset != nullptr) unset->push_back(name);
    }
    i = close + 1;
  }
  return out;
}

}  // namespace skald
