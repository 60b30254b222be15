#include "query/exec/pipeline/label_template.h"

namespace skald::exec {

std::vector<std::string> TemplateFields(std::string_view text) {
  const auto parsed = Template::Parse("line", text, LogTemplateFunctions());
  return parsed.ok() ? (*parsed)->Fields() : std::vector<std::string>();
}

bool TemplateUses(std::string_view text, std::string_view function) {
  const auto parsed = Template::Parse("line", text, LogTemplateFunctions());
  return parsed.ok() && (*parsed)->Uses(function);
}

bool TemplateIsPlain(std::string_view text) {
  const auto parsed = Template::Parse("line", text, LogTemplateFunctions());
  return parsed.ok() && (*parsed)->IsPlain();
}

std::optional<std::string_view> RowTemplateData::Lookup(std::string_view name) const {
  // Without an error these are names like others: a line may hold them as keys.
  if (name == kErrorLabel && labels_->has_error()) return labels_->error();
  if (name == kErrorDetailsLabel && !labels_->error_details().empty()) return labels_->error_details();
  return labels_->Get(name);
}

void RowTemplateData::ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const {
  std::vector<LabelView> labels;
  labels_->AppendAll(&labels);
  for (const LabelView& label : labels) visit(label.name, label.value);
}

std::optional<std::string_view> SnapshotTemplateData::Lookup(std::string_view name) const {
  for (const LabelView& label : *labels_) {
    if (label.name == name) return label.value;
  }
  return std::nullopt;
}

void SnapshotTemplateData::ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const {
  for (const LabelView& label : *labels_) visit(label.name, label.value);
}

}  // namespace skald::exec
