// Templates as LogQL and rules have them: Go's text/template with missing map keys as zero values. The
// language is complete but for functions as values.
//
//   ASSIGN_OR_RETURN(auto tmpl, Template::Parse("line", "{{.level | ToUpper}}", LogTemplateFunctions()));
//   std::string out;
//   absl::Status status = tmpl->Execute(row, &out);
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/template_value.h"

namespace skald {

// What a template reads: labels, and the line and time of an entry. Views need to live as long as one
// Execute.
class TemplateData {
 public:
  virtual ~TemplateData() = default;
  virtual std::optional<std::string_view> Lookup(std::string_view name) const = 0;
  // In any order, no name twice.
  virtual void ForEach(
      absl::FunctionRef<void(std::string_view name, std::string_view value)> visit) const = 0;
  virtual std::string_view line() const { return {}; }
  virtual int64_t time_ns() const { return 0; }
};

// A Go type that a function takes.
enum class TemplateType : uint8_t { kAny, kBool, kInt, kFloat, kString, kTime };

struct TemplateFunction {
  using Run =
      std::function<absl::StatusOr<TemplateValue>(std::span<TemplateValue> args, const TemplateData& data)>;
  std::vector<TemplateType> params;
  bool variadic = false;  // the last of params may stand any number of times, or not at all
  Run run;  // args are of the types of params, and as many; an error's message becomes "error calling f:
            // message"
};

// Functions by name; immutable once shared.
using TemplateFunctions = std::map<std::string, TemplateFunction, std::less<>>;

// and, or, not, eq, len, index, printf ...: in every set.
const TemplateFunctions& TemplateBuiltins();
// What LogQL adds for line_format and label_format, builtins included.
std::shared_ptr<const TemplateFunctions> LogTemplateFunctions();

struct TemplateTree;  // text/template_parser.h

// Immutable and thread-safe.
class Template {
 public:
  // InvalidArgument with Go's text: template: line:1: unclosed action. name goes into error texts. functions
  // holds the builtins too.
  static absl::StatusOr<std::shared_ptr<const Template>> Parse(
      std::string_view name, std::string_view text, std::shared_ptr<const TemplateFunctions> functions);
  ~Template();

  // Appends to *out. The error is InvalidArgument with Go's text: template: line:1:7: executing "line" at
  // <now>: ... ; *out then holds what came before.
  absl::Status Execute(const TemplateData& data, std::string* out) const;
  // The same with a value for `.` and `$`.
  absl::Status Execute(const TemplateValue& dot, const TemplateData& data, std::string* out) const;

  // The fields that its actions name, in order, with repetitions: a and b of {{.a}}{{if .b}}; neither that of
  // $.c nor that of index . "c".
  std::vector<std::string> Fields() const;
  // Nothing but text and {{.field}}: Execute never fails and reads nothing beyond Fields.
  bool IsPlain() const { return is_plain_; }
  // The field of a template that is nothing but one; "" for others.
  std::string_view OnlyField() const;
  bool Uses(std::string_view function) const;

 private:
  Template(std::unique_ptr<const TemplateTree> tree, std::shared_ptr<const TemplateFunctions> functions);
  struct Piece {
    bool is_field = false;
    std::string_view text;  // into the tree
  };
  const std::unique_ptr<const TemplateTree> tree_;
  const std::shared_ptr<const TemplateFunctions> functions_;
  bool is_plain_ = true;
  std::vector<Piece> pieces_;  // of a plain template: all of it
};

}  // namespace skald
