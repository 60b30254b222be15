// Templates of line_format and label_format as far as this build runs them: text and {{.field}}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace skald::exec {

// Fields that a template reads. Never fails: of a template that Parse refuses, those that can be told from its text.
std::vector<std::string> TemplateFields(std::string_view text);

// Immutable and thread-safe.
class LabelTemplate {
 public:
  // Unimplemented for actions other than a single field.
  static absl::StatusOr<LabelTemplate> Parse(std::string_view text);

  // Calls value_of(std::string_view field) -> std::string_view for each field in order and appends the result to *out.
  template <class ValueOf>
  void Render(std::string* out, ValueOf&& value_of) const {
    for (const Part& part : parts_) {
      if (part.is_field) {
        out->append(value_of(std::string_view(part.text)));
      } else {
        out->append(part.text);
      }
    }
  }

  // The field of a template that is nothing but one; "" for others.
  std::string_view only_field() const;
  // Distinct, in order of first sight.
  const std::vector<std::string>& fields() const { return fields_; }

 private:
  struct Part {
    bool is_field = false;
    std::string text;
  };
  std::vector<Part> parts_;
  std::vector<std::string> fields_;
};

}  // namespace skald::exec
