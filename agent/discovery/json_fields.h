// Fields of JSON documents that other programs wrote: what is missing or of another type is empty.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

namespace skald::agent {

inline std::string TextOf(const simdjson::dom::element& value) {
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

inline std::string TextOf(const simdjson::simdjson_result<simdjson::dom::element>& value) {
  simdjson::dom::element element;
  return value.get(element) == simdjson::SUCCESS ? TextOf(element) : std::string();
}

}  // namespace skald::agent
