#include "cli/pretty_json.h"

#include <simdjson.h>

#include "base/error.h"
#include "base/json_writer.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

void Indent(std::string* out, int level) {
  *out += '\n';
  out->append(2 * static_cast<size_t>(level), ' ');
}

void Append(std::string* out, dom::element value, int level) {
  switch (value.type()) {
    case dom::element_type::OBJECT: {
      const dom::object object = value.get_object().value_unsafe();
      *out += '{';
      bool first = true;
      for (const auto [key, member] : object) {
        if (!first) *out += ',';
        first = false;
        Indent(out, level + 1);
        AppendJsonString(out, key);
        *out += ": ";
        Append(out, member, level + 1);
      }
      if (!first) Indent(out, level);
      *out += '}';
      return;
    }
    case dom::element_type::ARRAY: {
      const dom::array array = value.get_array().value_unsafe();
      *out += '[';
      bool first = true;
      for (const dom::element element : array) {
        if (!first) *out += ',';
        first = false;
        Indent(out, level + 1);
        Append(out, element, level + 1);
      }
      if (!first) Indent(out, level);
      *out += ']';
      return;
    }
    default:
      *out += simdjson::minify(value);
  }
}

}  // namespace

absl::StatusOr<std::string> PrettyJson(std::string_view json) {
  dom::parser parser;
  dom::element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return InvalidArgument("not JSON: {}", simdjson::error_message(error));
  }
  std::string out;
  Append(&out, document, 0);
  out += '\n';
  return out;
}

absl::StatusOr<std::string> JsonLines(std::string_view json) {
  dom::parser parser;
  dom::element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return InvalidArgument("not JSON: {}", simdjson::error_message(error));
  }
  dom::array array;
  if (document.get(array)) return simdjson::minify(document) + "\n";
  std::string out;
  for (const dom::element element : array) {
    out += simdjson::minify(element);
    out += '\n';
  }
  return out;
}

}  // namespace skald::cli
