// Templates of alert labels and annotations: the engine of text/template.h with Prometheus' functions and
// variables ($labels, $value, $externalLabels, $externalURL).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/labels.h"
#include "query/exec/result.h"

namespace skald::rules {

// An instant query at the time of the evaluation.
using TemplateQuery = std::function<absl::StatusOr<Vector>(const std::string& expr)>;

// What a template may look at; must outlive the call of ExpandTemplate.
struct TemplateContext {
  const Labels* labels = nullptr;  // of the sample, before the rule's own
  double value = 0;
  const Labels* external_labels = nullptr;
  std::string external_url;
  int64_t time_ns = 0;
  TemplateQuery query;
};

// InvalidArgument with the parser's text.
absl::Status CheckTemplate(std::string_view text);

// The expanded text; "<error expanding template: ...>" where it fails, and *failed is then true. Thread-safe.
std::string ExpandTemplate(std::string_view name, std::string_view text, const TemplateContext& context,
                           bool* failed);

// As the template functions of these names write a number.
std::string Humanize(double value);
std::string Humanize1024(double value);
std::string HumanizeDuration(double seconds);
std::string HumanizePercentage(double ratio);

}  // namespace skald::rules
