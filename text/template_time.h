// The methods of times that a template may call: __timestamp__.Unix.
#pragma once

#include <string>
#include <string_view>

#include "text/template_value.h"

namespace skald {

// argument: null for a call without one. False where there is no such method that takes it.
bool CallTimeMethod(const GoTime& time, std::string_view name, const std::string* argument,
                    TemplateValue* out);

}  // namespace skald
