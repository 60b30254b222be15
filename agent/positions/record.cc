#include "agent/positions/record.h"

#include <cstring>

#include "base/hex.h"
#include "base/types.h"
#include "base/utf8.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

constexpr size_t kSecondLength = 19;  // 2006-01-02T15:04:05

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Walks one JSON line. Every step leaves p_ behind what it read, or answers false; never reads past the end.
class JsonLine {
 public:
  explicit JsonLine(std::string_view text) : p_(text.data()), end_(text.data() + text.size()) {}

  bool Take(char c) {
    SkipSpace();
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  bool AtEnd() {
    SkipSpace();
    return p_ == end_;
  }
  bool AtString() {
    SkipSpace();
    return p_ != end_ && *p_ == '"';
  }
  // The text between the quotes, escapes as they stand.
  bool RawString(std::string_view* raw) {
    if (!Take('"')) return false;
    const char* begin = p_;
    while (true) {
      const char* quote = static_cast<const char*>(std::memchr(p_, '"', static_cast<size_t>(end_ - p_)));
      if (quote == nullptr) return false;
      // The quote ends the string unless an odd number of backslashes stands before it.
      const char* slash = quote;
      while (slash > begin && slash[-1] == '\\') --slash;
      p_ = quote + 1;
      if ((quote - slash) % 2 == 0) {
        *raw = {begin, static_cast<size_t>(quote - begin)};
        return true;
      }
    }
  }
  // Any value, nested or not; its inside is only checked for balance.
  bool SkipValue() {
    SkipSpace();
    int depth = 0;
    std::string_view ignored;
    do {
      SkipSpace();
      if (p_ == end_) return false;
      switch (*p_) {
        case '"':
          if (!RawString(&ignored)) return false;
          break;
        case '{':
        case '[':
          ++depth;
          ++p_;
          break;
        case '}':
        case ']':
          if (--depth < 0) return false;
          ++p_;
          break;
        case ',':
        case ':':
          if (depth == 0) return false;
          ++p_;
          break;
        default: {
          const char* begin = p_;
          while (p_ != end_ && std::strchr(",:]}\" \t[{", *p_) == nullptr) ++p_;
          if (p_ == begin) return false;
        }
      }
    } while (depth > 0);
    return true;
  }

 private:
  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }

  const char* p_;
  const char* end_;
};

bool TakeHex4(std::string_view raw, size_t at, char32_t* rune) {
  if (at + 4 > raw.size()) return false;
  *rune = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const int digit = HexDigit(raw[i]);
    if (digit < 0) return false;
    *rune = *rune * 16 + static_cast<char32_t>(digit);
  }
  return true;
}

bool UnescapeJson(std::string_view raw, std::string* out) {
  out->clear();
  size_t at = 0;
  while (at < raw.size()) {
    const auto* slash = static_cast<const char*>(std::memchr(raw.data() + at, '\\', raw.size() - at));
    if (slash == nullptr) {
      out->append(raw.substr(at));
      return true;
    }
    const auto next = static_cast<size_t>(slash - raw.data());
    out->append(raw.substr(at, next - at));
    if (next + 1 >= raw.size()) return false;
    at = next + 2;
    switch (raw[next + 1]) {
      case 'n':
        out->push_back('\n');
        break;
      case 't':
        out->push_back('\t');
        break;
      case 'r':
        out->push_back('\r');
        break;
      case 'b':
        out->push_back('\b');
        break;
      case 'f':
        out->push_back('\f');
        break;
      case '"':
      case '\\':
      case '/':
        out->push_back(raw[next + 1]);
        break;
      case 'u': {
        char32_t rune = 0;
        if (!TakeHex4(raw, at, &rune)) return false;
        at += 4;
        if (rune >= 0xD800 && rune < 0xDC00) {
          char32_t low = 0;
          if (at + 6 <= raw.size() && raw[at] == '\\' && raw[at + 1] == 'u' && TakeHex4(raw, at + 2, &low) &&
              low >= 0xDC00 && low < 0xE000) {
            rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
          } else {
            rune = kReplacementRune;
          }
        } else if (rune >= 0xDC00 && rune < 0xE000) {
          rune = kReplacementRune;
        }
        AppendRune(out, rune);
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

bool ParseOutput(std::string_view text, Output* output) {
  if (text == "stdout") {
    *output = Output::kStdout;
  } else if (text == "stderr") {
    *output = Output::kStderr;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string_view LogFormatName(LogFormat format) {
  switch (format) {
    case LogFormat::kAuto:
      return "auto";
    case LogFormat::kPlain:
      return "plain";
    case LogFormat::kCri:
      return "cri";
    case LogFormat::kDocker:
      return "docker";
  }
  return "plain";
}

bool RecordParser::ParseTime(std::string_view text, int64_t* time_ns) {
  if (text.size() < kSecondLength + 1) return false;
  // The common form ends in Z and shares its second with the line before.
  if (text.back() == 'Z' && text.substr(0, kSecondLength) == second_) {
    std::string_view fraction = text.substr(kSecondLength, text.size() - kSecondLength - 1);
    if (fraction.empty()) {
      *time_ns = second_ns_;
      return true;
    }
    if (fraction.front() == '.' && fraction.size() >= 2 && fraction.size() <= 10) {
      int64_t ns = 0;
      bool digits = true;
      for (size_t i = 1; i < 10; ++i) {
        const char c = i < fraction.size() ? fraction[i] : '0';
        digits &= IsDigit(c);
        ns = ns * 10 + (c - '0');
      }
      if (!digits) return false;
      *time_ns = second_ns_ + ns;
      return true;
    }
  }
  const absl::StatusOr<int64_t> parsed = ParseRfc3339(text);
  if (!parsed.ok()) return false;
  *time_ns = *parsed;
  if (text.back() == 'Z') {
    second_ = std::string(text.substr(0, kSecondLength));
    const int64_t fraction = ((*parsed % kNsPerSecond) + kNsPerSecond) % kNsPerSecond;
    second_ns_ = *parsed - fraction;
  }
  return true;
}

bool RecordParser::ParseCri(std::string_view line, Record* record) {
  const size_t time_end = line.find(' ');
  if (time_end == std::string_view::npos) return false;
  const size_t output_end = time_end + 7;  // "stdout" and "stderr" are equally long
  if (output_end + 2 > line.size() || line[output_end] != ' ') return false;
  if (!ParseOutput(line.substr(time_end + 1, 6), &record->output)) return false;
  const char tag = line[output_end + 1];
  if (tag != 'P' && tag != 'F') return false;
  size_t tags_end = output_end + 2;
  if (tags_end < line.size() && line[tags_end] == ':') {
    tags_end = line.find(' ', tags_end);
    if (tags_end == std::string_view::npos) tags_end = line.size();
  }
  if (tags_end < line.size() && line[tags_end] != ' ') return false;
  record->partial = tag == 'P';
  record->content = tags_end < line.size() ? line.substr(tags_end + 1) : std::string_view();
  return ParseTime(line.substr(0, time_end), &record->time_ns);
}

bool RecordParser::ParseDocker(std::string_view line, Record* record) {
  JsonLine json(line);
  if (!json.Take('{')) return false;
  std::string_view log;
  bool has_log = false;
  bool has_time = false;
  record->output = Output::kNone;
  if (!json.Take('}')) {
    do {
      std::string_view key;
      std::string_view value;
      if (!json.RawString(&key) || !json.Take(':')) return false;
      if (key == "log" && json.AtString()) {
        if (!json.RawString(&log)) return false;
        has_log = true;
      } else if (key == "stream" && json.AtString()) {
        if (!json.RawString(&value) || !ParseOutput(value, &record->output)) return false;
      } else if (key == "time" && json.AtString()) {
        if (!json.RawString(&value) || !ParseTime(value, &record->time_ns)) return false;
        has_time = true;
      } else if (!json.SkipValue()) {
        return false;
      }
    } while (json.Take(','));
    if (!json.Take('}')) return false;
  }
  if (!json.AtEnd() || !has_log || !has_time || !UnescapeJson(log, &scratch_)) return false;
  record->partial = scratch_.empty() || scratch_.back() != '\n';
  record->content = scratch_;
  if (!record->partial) record->content.remove_suffix(1);
  return true;
}

LogFormat DetectFormat(std::string_view first_line) {
  RecordParser parser;
  Record record;
  if (parser.ParseCri(first_line, &record)) return LogFormat::kCri;
  if (!first_line.empty() && first_line.front() == '{' && parser.ParseDocker(first_line, &record))
    return LogFormat::kDocker;
  return LogFormat::kPlain;
}

}  // namespace skald::agent
