// | line_format, | label_format, | decolorize: stages that rewrite the line or labels.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/pipeline/label_template.h"
#include "query/exec/pipeline/row_state.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Each is immutable and thread-safe. Make's errors are Loki's texts, without the stage.

class LineFormatStage {
 public:
  static absl::StatusOr<LineFormatStage> Make(const logql::LineFormat& format);
  void Run(RowState* row) const;
  // May set the row's error, or reads labels that its fields do not name. Fields alone do neither.
  bool CanFail() const { return !plain_; }

 private:
  explicit LineFormatStage(std::shared_ptr<const Template> text)
      : template_(std::move(text)), only_field_(template_->OnlyField()), plain_(template_->IsPlain()) {}
  std::shared_ptr<const Template> template_;
  std::string only_field_;  // "" where there is more
  bool plain_;
};

class LabelFormatStage {
 public:
  // `__error__ cannot be formatted`, `multiple label name 'x' not allowed in a single format operation`.
  static absl::StatusOr<LabelFormatStage> Make(const logql::LabelFormat& format);
  void Run(RowState* row) const;
  // As with LineFormatStage.
  bool CanFail() const { return !plain_; }
  // A template looks at the line, or differs from row to row by itself.
  bool ReadsRow() const { return reads_row_; }

 private:
  struct Item {
    std::string name;
    bool is_rename = false;
    std::string source;
    std::shared_ptr<const Template> text;  // null for renames
  };
  std::vector<Item> items_;
  std::vector<std::string> fields_;  // that any template reads; the snapshot holds no others where plain_
  bool plain_ = true;
  bool reads_row_ = false;
};

class DecolorizeStage {
 public:
  void Run(RowState* row) const;
};

}  // namespace skald::exec
