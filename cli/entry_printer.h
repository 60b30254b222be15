// Log lines on the terminal, in logcli's three forms.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "base/labels.h"
#include "cli/answer.h"

namespace skald::cli {

enum class OutputMode {
  kDefault,  // 2026-11-01T12:00:00Z {app="a"} the line
  kRaw,      // the line
  kJsonl,    // {"labels":{"app":"a"},"line":"the line","timestamp":"2026-11-01T12:00:00.5Z"}
};

struct PrinterOptions {
  OutputMode mode = OutputMode::kDefault;
  bool no_labels = false;
  bool local_time = true;
  bool color = false;
  uint64_t labels_width = 0;                     // pads the label column; 0 = to the widest of a batch
  std::vector<std::string> include_labels = {};  // empty: all
  std::vector<std::string> exclude_labels = {};
};

// Labels that all entries have with one value; those of the only stream if there is one. Empty for no
// entries.
Labels CommonLabels(const std::vector<Entry>& entries);

// Not thread-safe; out must outlive it.
class EntryPrinter {
 public:
  EntryPrinter(PrinterOptions options, std::ostream* out) : options_(std::move(options)), out_(out) {}

  // `common` is left out of the label column: it is the same on every line, and was told once.
  void Print(const std::vector<Entry>& entries, const Labels& common);

 private:
  std::string ColumnOf(const Labels& labels, const Labels& common) const;

  PrinterOptions options_;
  std::ostream* out_;
};

}  // namespace skald::cli
