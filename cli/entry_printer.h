// Log lines on the terminal, in logcli's forms and as a table.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "base/labels.h"
#include "cli/answer.h"
#include "cli/local_time.h"

namespace skald::cli {

enum class OutputMode {
  kDefault,  // 2026-11-01T12:00:00Z {app="a"} the line
  kRaw,      // the line
  kTable,    // columns; for people
  kJsonl,    // {"labels":{"app":"a"},"line":"the line","timestamp":"2026-11-01T12:00:00.5Z"}
};

struct PrinterOptions {
  OutputMode mode = OutputMode::kDefault;
  bool no_labels = false;
  bool local_time = true;
  TimeFormat time_format = TimeFormat::kRfc3339;  // of kDefault and kTable
  bool color = false;
  bool common_labels = false;                    // beside each line too
  uint64_t labels_width = 0;                     // of the label column at least: the widest of a batch fits
  std::vector<std::string> include_labels = {};  // empty: all
  std::vector<std::string> exclude_labels = {};
};

// Labels that all entries have with one value; those of the only stream if there is one. Empty for no
// entries.
Labels CommonLabels(const std::vector<Entry>& entries);

// The level among a line's labels: detected_level or level; "" for none.
std::string LevelOf(const Labels& labels);
bool IsLevelLabel(std::string_view name);
// The terminal's colour code for a level: 31 red for errors, 33 yellow for warnings; 0 for none.
int ColorOfLevel(std::string_view level);

// Whether a label has a place beside its line: asked for, or neither excluded nor, unless those are wanted
// too, common to all lines.
bool IsShown(const PrinterOptions& options, const std::string& name, const std::string& value,
             const Labels& common);

// Not thread-safe; out must outlive it.
class EntryPrinter {
 public:
  EntryPrinter(PrinterOptions options, std::ostream* out) : options_(std::move(options)), out_(out) {}

  // Not for kTable, which needs all lines (cli/table.h). `common` is left out of the label column: it is the
  // same on every line, and was told once.
  void Print(const std::vector<Entry>& entries, const Labels& common);

 private:
  std::string ColumnOf(const Labels& labels, const Labels& common) const;

  PrinterOptions options_;
  std::ostream* out_;
};

}  // namespace skald::cli
