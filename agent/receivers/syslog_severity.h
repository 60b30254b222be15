// The severities of syslog, 0 to 7, under their names.
#pragma once

#include <string_view>

namespace skald::agent {

// As detected levels; "" for what is no severity.
inline std::string_view LevelOfSeverity(int severity) {
  constexpr std::string_view kLevels[] = {"fatal", "fatal", "critical", "error",
                                          "warn",  "info",  "info",     "debug"};
  return severity >= 0 && severity <= 7 ? kLevels[severity] : std::string_view();
}

// As __journal_priority_keyword has them.
inline std::string_view KeywordOfSeverity(int severity) {
  constexpr std::string_view kKeywords[] = {"emerg",   "alert",  "crit", "error",
                                            "warning", "notice", "info", "debug"};
  return severity >= 0 && severity <= 7 ? kKeywords[severity] : std::string_view();
}

}  // namespace skald::agent
