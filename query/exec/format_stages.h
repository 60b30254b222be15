// | line_format, | label_format, | decolorize: stages that rewrite the line or labels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "query/exec/label_template.h"
#include "query/exec/row_state.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Each is immutable and thread-safe. Make's errors are Loki's texts, without the stage.

class LineFormatStage {
 public:
  static absl::StatusOr<LineFormatStage> Make(const logql::LineFormat& format);
  void Run(RowState* row) const;
  // May set the row's error. Fields alone cannot fail.
  bool CanFail() const { return false; }

 private:
  explicit LineFormatStage(LabelTemplate text) : template_(std::move(text)) {}
  LabelTemplate template_;
};

class LabelFormatStage {
 public:
  // `__error__ cannot be formatted`, `multiple label name 'x' not allowed in a single format operation`.
  static absl::StatusOr<LabelFormatStage> Make(const logql::LabelFormat& format);
  void Run(RowState* row) const;
  bool CanFail() const { return false; }

 private:
  struct Item {
    std::string name;
    bool is_rename = false;
    std::string source;
    LabelTemplate text;
    std::vector<size_t> fields;  // of text: where their values stand in the snapshot
  };
  std::vector<Item> items_;
  std::vector<std::string> fields_;  // that any template reads
};

class DecolorizeStage {
 public:
  void Run(RowState* row) const;
};

}  // namespace skald::exec
