#include "text/template_value.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/utf8.h"
#include "text/go_float.h"
#include "text/template.h"

namespace skald {
namespace {

constexpr int kMaxJsonDepth = 512;

TemplateValue FromElement(simdjson::dom::element element, int depth) {
  using Type = simdjson::dom::element_type;
  if (depth > kMaxJsonDepth) return TemplateValue::Nil();
  switch (element.type()) {
    case Type::ARRAY: {
      TemplateValue::List list;
      for (const simdjson::dom::element item : simdjson::dom::array(element)) {
        list.push_back(FromElement(item, depth + 1).Boxed());
      }
      return TemplateValue::FromList(std::move(list));
    }
    case Type::OBJECT: {
      TemplateValue::Map map;
      for (const auto field : simdjson::dom::object(element)) {
        map.insert_or_assign(std::string(field.key), FromElement(field.value, depth + 1).Boxed());
      }
      return TemplateValue::FromMap(std::move(map));
    }
    case Type::INT64:
      return TemplateValue::Float(static_cast<double>(int64_t(element)));
    case Type::UINT64:
      return TemplateValue::Float(static_cast<double>(uint64_t(element)));
    case Type::DOUBLE:
      return TemplateValue::Float(double(element));
    case Type::STRING:
      return TemplateValue::String(std::string_view(element));
    case Type::BOOL:
      return TemplateValue::Bool(bool(element));
    default:
      return TemplateValue::Nil();
  }
}

void PrintElement(const TemplateValue& value, std::string* out) {
  if (value.kind() == TemplateValue::Kind::kNil || value.kind() == TemplateValue::Kind::kInvalid) {
    *out += "<nil>";
  } else {
    value.Print(out);
  }
}

}  // namespace

TemplateValue TemplateValue::Boxed() const {
  TemplateValue out = *this;
  if (kind_ == Kind::kInvalid) return Nil();
  out.boxed_ = true;
  return out;
}

TemplateValue TemplateValue::Unboxed() const {
  TemplateValue out = *this;
  out.Unbox();
  return out;
}

void TemplateValue::Unbox() {
  boxed_ = false;
  if (kind_ == Kind::kNil) kind_ = Kind::kInvalid;
}

bool TemplateValue::IsTrue() const {
  switch (kind_) {
    case Kind::kInvalid:
    case Kind::kNil:
      return false;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      return as_int() != 0;
    case Kind::kFloat:
      return as_float() != 0;
    case Kind::kString:
      return !as_string().empty();
    case Kind::kTime:
      return true;
    case Kind::kList:
      return !as_list().empty();
    case Kind::kMap:
      return !as_map().empty();
    case Kind::kData: {
      bool any = false;
      as_data().ForEach([&](std::string_view, std::string_view) { any = true; });
      return any;
    }
  }
  return false;
}

std::string_view TemplateValue::TypeName() const {
  if (boxed_) return "interface {}";
  switch (kind_) {
    case Kind::kInvalid:
      return "<nil>";
    case Kind::kNil:
      return "interface {}";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kInt64:
      return "int64";
    case Kind::kUint8:
      return "uint8";
    case Kind::kFloat:
      return "float64";
    case Kind::kString:
      return "string";
    case Kind::kTime:
      return "time.Time";
    case Kind::kList:
      return "[]interface {}";
    case Kind::kMap:
      return "map[string]interface {}";
    case Kind::kData:
      return "map[string]string";
  }
  return "";
}

void TemplateValue::Print(std::string* out) const {
  switch (kind_) {
    case Kind::kInvalid:
    case Kind::kNil:
      *out += "<no value>";
      return;
    case Kind::kBool:
      *out += as_bool() ? "true" : "false";
      return;
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      *out += fmt::format_int(as_int()).c_str();
      return;
    case Kind::kFloat:
      *out += FormatGoFloatV(as_float());
      return;
    case Kind::kString:
      *out += as_string();
      return;
    case Kind::kTime:
      *out += GoTimeText(as_time());
      return;
    case Kind::kList: {
      *out += '[';
      bool first = true;
      for (const TemplateValue& item : as_list()) {
        if (!std::exchange(first, false)) *out += ' ';
        PrintElement(item, out);
      }
      *out += ']';
      return;
    }
    case Kind::kMap: {
      *out += "map[";
      bool first = true;
      for (const auto& [key, item] : as_map()) {
        if (!std::exchange(first, false)) *out += ' ';
        *out += key;
        *out += ':';
        PrintElement(item, out);
      }
      *out += ']';
      return;
    }
    case Kind::kData: {
      std::vector<std::pair<std::string_view, std::string_view>> pairs;
      as_data().ForEach(
          [&](std::string_view name, std::string_view value) { pairs.emplace_back(name, value); });
      std::sort(pairs.begin(), pairs.end());
      *out += "map[";
      for (size_t i = 0; i < pairs.size(); ++i) {
        if (i > 0) *out += ' ';
        out->append(pairs[i].first).append(":").append(pairs[i].second);
      }
      *out += ']';
      return;
    }
  }
}

namespace {

// The value of four hex digits at text[at], or 0.
uint32_t HexAt(std::string_view text, size_t at) {
  uint32_t value = 0;
  if (at + 4 > text.size()) return 0;
  const auto read = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return read.ptr == text.data() + at + 4 ? value : 0;
}

// Escapes of half a surrogate pair, which Go reads as U+FFFD and others refuse, replaced by that.
std::string WithoutLoneSurrogates(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size();) {
    if (json[i] != '\\' || i + 1 == json.size()) {
      out += json[i++];
      continue;
    }
    const uint32_t unit = json[i + 1] == 'u' ? HexAt(json, i + 2) : 0;
    if (unit < 0xD800 || unit > 0xDFFF) {
      out.append(json.substr(i, 2));
      i += 2;
      continue;
    }
    const bool low_follows = unit < 0xDC00 && json.substr(i + 6, 2) == "\\u" &&
                             HexAt(json, i + 8) >= 0xDC00 && HexAt(json, i + 8) <= 0xDFFF;
    if (low_follows) {
      out.append(json.substr(i, 12));
      i += 12;
    } else {
      out += "\\ufffd";
      i += 6;
    }
  }
  return out;
}

}  // namespace

namespace {

// -?(0|[1-9][0-9]*) alone.
bool IsJsonInteger(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Go reads each number as a float64: whole ones of any length, -0 with its sign, and null, while it reads on,
// for one that is too large.
std::string WithPlainNumbers(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size();) {
    const size_t begin = i;
    if (json[i] == '"') {
      for (++i; i < json.size() && json[i] != '"'; ++i) {
        if (json[i] == '\\') ++i;
      }
      i = std::min(i + 1, json.size());
      out.append(json.substr(begin, i - begin));
      continue;
    }
    i = std::min(json.find_first_not_of("+-.0123456789eE", begin), json.size());
    if (i == begin) {
      out += json[i++];
      continue;
    }
    const std::string_view number = json.substr(begin, i - begin);
    out.append(number);
    if (IsJsonInteger(number)) {
      out += ".0";
    } else if ((number[0] == '-' || (number[0] >= '0' && number[0] <= '9')) &&
               MessageOf(ParseGoFloat(number).status()).ends_with("out of range")) {
      out.replace(out.size() - number.size(), number.size(), "null");
    }
  }
  return out;
}

}  // namespace

TemplateValue TemplateValueFromJson(std::string_view json) {
  thread_local simdjson::dom::parser parser;
  std::string valid;
  if (!IsValidUtf8(json)) {  // Go replaces what is no UTF-8 and reads on
    AppendValidUtf8(&valid, json, "\xEF\xBF\xBD");
    json = valid;
  }
  std::string plain;
  if (json.find("-0") != json.npos) json = plain = WithPlainNumbers(json);
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) {
    const std::string mended = WithoutLoneSurrogates(WithPlainNumbers(json));
    if (mended == json || parser.parse(mended).get(root) != simdjson::SUCCESS) return TemplateValue::Nil();
  }
  return FromElement(root, 0);
}

}  // namespace skald
