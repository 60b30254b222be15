// The values of a template's language, which are those of Go: each has a type that errors and printing show.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/go_time.h"

namespace skald {

class TemplateData;

// A value type; lists and maps are shared and never change.
class TemplateValue {
 public:
  enum class Kind : uint8_t {
    kInvalid,  // no value at all: prints <no value>
    kNil,      // an empty interface {}
    kBool,
    kInt,
    kInt64,
    kUint8,
    kFloat,
    kString,
    kTime,
    kList,  // []interface {}
    kMap,   // map[string]interface {}
    kData,  // the labels the template is run on, a map[string]string
  };
  using List = std::vector<TemplateValue>;
  using Map = std::map<std::string, TemplateValue, std::less<>>;

  TemplateValue() noexcept {}  // not defaulted: clang 14 would not find it while the class is incomplete
  static TemplateValue Nil() { return TemplateValue(Kind::kNil); }
  static TemplateValue Bool(bool value) { return TemplateValue(Kind::kBool, int64_t{value}); }
  static TemplateValue Int(int64_t value) { return TemplateValue(Kind::kInt, value); }
  static TemplateValue Int64(int64_t value) { return TemplateValue(Kind::kInt64, value); }
  static TemplateValue Uint8(uint8_t value) { return TemplateValue(Kind::kUint8, int64_t{value}); }
  static TemplateValue Float(double value) { return TemplateValue(Kind::kFloat, value); }
  static TemplateValue String(std::string value) { return TemplateValue(Kind::kString, std::move(value)); }
  static TemplateValue String(std::string_view value) { return String(std::string(value)); }
  static TemplateValue String(const char* value) { return String(std::string(value)); }
  static TemplateValue Time(const GoTime& value) { return TemplateValue(Kind::kTime, value); }
  static TemplateValue FromList(List list) {
    return TemplateValue(Kind::kList, std::make_shared<const List>(std::move(list)));
  }
  static TemplateValue FromMap(Map map) {
    return TemplateValue(Kind::kMap, std::make_shared<const Map>(std::move(map)));
  }
  // data must outlive the value.
  static TemplateValue Data(const TemplateData* data) { return TemplateValue(Kind::kData, data); }

  Kind kind() const { return kind_; }
  bool is_int() const { return kind_ == Kind::kInt || kind_ == Kind::kInt64 || kind_ == Kind::kUint8; }
  // Of the kind that the name says.
  bool as_bool() const { return std::get<int64_t>(value_) != 0; }
  int64_t as_int() const { return std::get<int64_t>(value_); }
  double as_float() const { return std::get<double>(value_); }
  const std::string& as_string() const { return std::get<std::string>(value_); }
  const GoTime& as_time() const { return std::get<GoTime>(value_); }
  const List& as_list() const { return *std::get<std::shared_ptr<const List>>(value_); }
  const Map& as_map() const { return *std::get<std::shared_ptr<const Map>>(value_); }
  const TemplateData& as_data() const { return *std::get<const TemplateData*>(value_); }

  // Elements of lists and maps are interfaces around values; errors tell the two apart.
  bool boxed() const { return boxed_; }
  TemplateValue Boxed() const;
  TemplateValue Unboxed() const;  // of Nil: Invalid
  void Unbox();

  // False for empty, zero, nil and none.
  bool IsTrue() const;
  // "string", "[]interface {}", "time.Time"; "interface {}" of boxed values and nil.
  std::string_view TypeName() const;
  // As Go's %v.
  void Print(std::string* out) const;

 private:
  using Store = std::variant<std::monostate, int64_t, double, std::string, GoTime,
                             std::shared_ptr<const List>, std::shared_ptr<const Map>, const TemplateData*>;
  explicit TemplateValue(Kind kind, Store value = {}) : kind_(kind), value_(std::move(value)) {}

  Kind kind_ = Kind::kInvalid;
  bool boxed_ = false;
  Store value_;
};

// Go's JSON value of a text: float64, string, bool, nil, list, map. Nil where it is no JSON.
TemplateValue TemplateValueFromJson(std::string_view json);

}  // namespace skald
