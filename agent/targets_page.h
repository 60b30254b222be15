// /targets for people.
#pragma once

#include <string>
#include <string_view>

namespace skald::agent {

// A page of what /targets says as JSON: each end with its files, those most behind first.
std::string TargetsPage(std::string_view json);

}  // namespace skald::agent
