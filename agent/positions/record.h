// The record formats a log file's lines come in: CRI (containerd, CRI-O), Docker's json-file, and plain text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace skald::agent {

enum class LogFormat : uint8_t { kAuto = 0, kPlain = 1, kCri = 2, kDocker = 3 };
std::string_view LogFormatName(LogFormat format);

// Which output of a container a record is from. A plain line has none.
enum class Output : uint8_t { kNone = 0, kStdout = 1, kStderr = 2 };
inline constexpr int kOutputs = 3;

struct Record {
  int64_t time_ns = 0;
  Output output = Output::kNone;
  bool partial = false;      // more of this message follows in a later record of the same output
  std::string_view content;  // into the line, or into the parser's scratch
};

// Parses one line (without its '\n') at a time. Keeps the last second seen, as neighbours mostly share it.
// Not thread-safe.
class RecordParser {
 public:
  // <RFC 3339 time> <stdout|stderr> <P|F>[:more tags] <content>. False for anything else; then *record is
  // undefined.
  bool ParseCri(std::string_view line, Record* record);

  // {"log":"...","stream":"stdout","time":"..."} with any other keys, in any order. A log text that ends
  // without '\n' is partial; one '\n' is cut. False for anything else. content is valid until the next call.
  bool ParseDocker(std::string_view line, Record* record);

 private:
  bool ParseTime(std::string_view text, int64_t* time_ns);

  std::string second_;  // "2006-01-02T15:04:05"
  int64_t second_ns_ = 0;
  std::string scratch_;
};

// What a file's first line looks like: CRI, Docker or else plain.
LogFormat DetectFormat(std::string_view first_line);

}  // namespace skald::agent
