// The level of a log line, as the server finds it out where nobody says it: detected_level.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

// trace, debug, info, warn, error, critical, fatal for their names and short forms in any case (trc, dbg,
// inf, information, wrn, warning, err); text itself for any other.
std::string_view NormalizeLevel(std::string_view text);
// The same, "" for any other.
std::string_view KnownLevel(std::string_view text);
// OpenTelemetry's severity number; "info" for what is no number.
std::string_view LevelOfSeverityNumber(std::string_view text);

// Immutable and thread-safe.
class LevelDetector {
 public:
  struct Options {
    // Keys and labels that carry a level, the most trusted first.
    std::vector<std::string> fields = {
        "level",        "LEVEL", "Level", "log.level", "severity",      "SEVERITY",      "Severity",
        "SeverityText", "lvl",   "LVL",   "Lvl",       "severity_text", "Severity_Text", "SEVERITY_TEXT"};
    int json_depth = 2;  // levels of nesting that are searched, 1 = top level only; <= 0 for all
  };
  explicit LevelDetector(Options options);
  LevelDetector() : LevelDetector(Options()) {}

  // From the line alone: a field of a JSON or logfmt line, else the first word that is a level, else
  // "unknown". One of the known levels or "unknown"; static storage.
  std::string_view OfLine(std::string_view line) const;

  // A label's or metadata key's value; nullopt where there is none.
  using Lookup = std::function<std::optional<std::string_view>(std::string_view name)>;

  // All sources in order: metadata detected_level, a level field among the stream's labels, then among the
  // metadata, severity_number, the line. Values of labels and metadata that are no known level come back
  // unchanged (a view into them). "" means: add nothing.
  std::string_view Detect(const Lookup& stream_label, const Lookup& metadata, std::string_view line) const;

  // The level a stream's labels give to all of its lines, nullopt if they give none: ask once a stream, not
  // once a line.
  std::optional<std::string_view> OfStream(const Lookup& stream_label) const;
  // Steps for one line of a stream whose labels give none.
  std::string_view OfMetadataOrLine(const Lookup& metadata, std::string_view line) const;

 private:
  std::string_view FromJson(std::string_view line) const;
  std::string_view FromLogfmt(std::string_view line) const;
  bool IsField(std::string_view key) const;

  Options options_;
  uint32_t first_bytes_[8] = {};  // set of the bytes that fields begin with
  uint64_t lengths_ = 0;          // set of the fields' lengths (below 64)
};

// The text scan alone: the earliest of the words trace, debug, fatal, critical, error, err, warning, warn,
// info (in any case) that stands between boundaries; "" for none.
std::string_view ScanForLevel(std::string_view line);

}  // namespace skald
