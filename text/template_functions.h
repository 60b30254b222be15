// What the files of functions share.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "text/template.h"

namespace skald {

using TemplateArgs = std::span<TemplateValue>;
using TemplateResult = absl::StatusOr<TemplateValue>;

void AddStringFunctions(TemplateFunctions* out);
void AddMathFunctions(TemplateFunctions* out);
void AddTimeFunctions(TemplateFunctions* out);

// Go's fmt.Sprintf and fmt.Sprint.
std::string TemplatePrintf(std::string_view format, TemplateArgs args);
std::string TemplatePrint(TemplateArgs args);

// Go's url.QueryEscape.
std::string QueryEscape(std::string_view text);

// As the casts of the functions int and float64 read any value: what is no number is 0.
int64_t TemplateToInt(const TemplateValue& value);
double TemplateToFloat(const TemplateValue& value);

// A function of the data alone, or of arguments.
template <class Run>
void AddFunction(TemplateFunctions* out, std::string_view name, std::vector<TemplateType> params, Run run,
                 bool variadic = false) {
  TemplateFunction& f = (*out)[std::string(name)];
  f.params = std::move(params);
  f.variadic = variadic;
  f.run = [run](TemplateArgs args, const TemplateData&) -> TemplateResult { return run(args); };
}

}  // namespace skald
