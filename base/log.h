// The programs' own log: logfmt lines on stderr, through spdlog. Only this header is included; spdlog stays
// in log.cc.
//
//   LogInfo("segment written", "id={} bytes={}", id, bytes);   ->  ts=... level=info msg="segment written"
//   id=7 bytes=4096
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace skald {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();
bool LogEnabled(LogLevel level);
void WriteLogLine(LogLevel level, std::string_view message, std::string_view fields);

#define SKALD_LOG_FUNCTION(Name, level)                                                                    \
  inline void Name(std::string_view message) { WriteLogLine(level, message, {}); }                         \
  template <typename... Args>                                                                              \
  void Name(std::string_view message, fmt::format_string<Args...> fields, Args&&... args) {                \
    if (LogEnabled(level)) WriteLogLine(level, message, fmt::format(fields, std::forward<Args>(args)...)); \
  }
SKALD_LOG_FUNCTION(LogDebug, LogLevel::kDebug)
SKALD_LOG_FUNCTION(LogInfo, LogLevel::kInfo)
SKALD_LOG_FUNCTION(LogWarn, LogLevel::kWarn)
SKALD_LOG_FUNCTION(LogError, LogLevel::kError)
#undef SKALD_LOG_FUNCTION

}  // namespace skald
