// Templates of line_format and label_format over a row's labels.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/pipeline/label_state.h"
#include "text/template.h"

namespace skald::exec {

// Fields that a template reads. Never fails: of a template that Parse refuses there are none.
std::vector<std::string> TemplateFields(std::string_view text);
// A function of that name stands in the template. Never fails either.
bool TemplateUses(std::string_view text, std::string_view function);
// Fields and functions that cannot fail are all there is in it. False for a template that Parse refuses.
bool TemplateIsPlain(std::string_view text);

// The row as templates see it: errors count as labels while they are set. Views live as long as the row's.
class RowTemplateData : public TemplateData {
 public:
  RowTemplateData(const LabelState* labels, std::string_view line, int64_t time_ns)
      : labels_(labels), line_(line), time_ns_(time_ns) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override;
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override;
  std::string_view line() const override { return line_; }
  int64_t time_ns() const override { return time_ns_; }

 private:
  const LabelState* labels_;
  std::string_view line_;
  int64_t time_ns_;
};

// The same with labels as they were before: those of `labels` alone.
class SnapshotTemplateData : public TemplateData {
 public:
  SnapshotTemplateData(const std::vector<LabelView>* labels, std::string_view line, int64_t time_ns)
      : labels_(labels), line_(line), time_ns_(time_ns) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override;
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override;
  std::string_view line() const override { return line_; }
  int64_t time_ns() const override { return time_ns_; }

 private:
  const std::vector<LabelView>* labels_;
  std::string_view line_;
  int64_t time_ns_;
};

}  // namespace skald::exec
