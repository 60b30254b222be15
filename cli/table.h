// Columns for people: padded to the widest cell, control characters made visible.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "cli/answer.h"
#include "cli/entry_printer.h"

namespace skald::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  // As many cells as the header has. code: of a colour of the terminal (31 is red) for the row, 0 for none.
  void Add(std::vector<std::string> cells, int color_code = 0);
  // Nothing at all without rows.
  void Print(std::ostream& out) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    int color_code;
  };
  std::vector<std::string> header_;
  std::vector<Row> rows_;
};

// Time, level, a column for each label that is not the same on all lines, and the line.
void PrintEntryTable(const std::vector<Entry>& entries, const PrinterOptions& options, std::ostream& out);

// A vector, matrix or scalar: a column for each label, the time (of a matrix) and the value. InvalidArgument
// for what is none of them.
absl::Status PrintMetricTable(const QueryAnswer& answer, const PrinterOptions& options, std::ostream& out);

}  // namespace skald::cli
