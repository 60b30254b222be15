#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/html_escape.h"
#include "text/template_functions.h"

namespace skald {
namespace {

using Kind = TemplateValue::Kind;
using Value = TemplateValue;
constexpr TemplateType kAny = TemplateType::kAny;

enum class Basic { kNone, kBool, kInt, kFloat, kString };

Basic BasicOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return Basic::kBool;
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      return Basic::kInt;
    case Kind::kFloat:
      return Basic::kFloat;
    case Kind::kString:
      return Basic::kString;
    default:
      return Basic::kNone;
  }
}

bool IsNone(const Value& value) { return value.kind() == Kind::kInvalid || value.kind() == Kind::kNil; }

absl::Status Incompatible(const Value& a, const Value& b) {
  return InvalidArgument("incompatible types for comparison: {} and {}", a.Unboxed().TypeName(),
                         b.Unboxed().TypeName());
}

absl::StatusOr<bool> Equal(TemplateArgs args) {
  if (args.size() < 2) return InvalidArgument("missing argument for comparison");
  const Value& a = args[0];
  for (const Value& b : args.subspan(1)) {
    const Basic basic = BasicOf(a);
    bool same = false;
    if (basic != BasicOf(b)) {
      if (!IsNone(a) && !IsNone(b)) return Incompatible(a, b);
    } else {
      switch (basic) {
        case Basic::kBool:
        case Basic::kInt:
          same = a.as_int() == b.as_int();
          break;
        case Basic::kFloat:
          same = a.as_float() == b.as_float();
          break;
        case Basic::kString:
          same = a.as_string() == b.as_string();
          break;
        case Basic::kNone:
          if (IsNone(a) || IsNone(b)) {
            same = IsNone(a) == IsNone(b);
          } else if (a.kind() == Kind::kTime && b.kind() == Kind::kTime) {
            same = a.as_time().seconds == b.as_time().seconds &&
                   a.as_time().nanosecond == b.as_time().nanosecond;
          } else {
            std::string text;
            b.Print(&text);
            return InvalidArgument("non-comparable type {}: {}", text, b.TypeName());
          }
      }
    }
    if (same) return true;
  }
  return false;
}

absl::StatusOr<bool> Less(const Value& a, const Value& b) {
  const Basic basic = BasicOf(a);
  if (basic == Basic::kNone || BasicOf(b) == Basic::kNone)
    return InvalidArgument("invalid type for comparison");
  if (basic != BasicOf(b)) return Incompatible(a, b);
  switch (basic) {
    case Basic::kInt:
      return a.as_int() < b.as_int();
    case Basic::kFloat:
      return a.as_float() < b.as_float();
    case Basic::kString:
      return a.as_string() < b.as_string();
    default:
      return InvalidArgument("invalid type for comparison");
  }
}

absl::StatusOr<bool> LessOrEqual(TemplateArgs a) {
  ASSIGN_OR_RETURN(const bool less, Less(a[0], a[1]));
  if (less) return true;
  return Equal(a);
}

// An index of a text or list; limit is the largest that is allowed.
absl::StatusOr<size_t> Position(const Value& index, size_t limit) {
  if (IsNone(index)) return InvalidArgument("cannot index slice/array with nil");
  if (!index.is_int()) return InvalidArgument("cannot index slice/array with type {}", index.TypeName());
  if (index.as_int() < 0 || static_cast<uint64_t>(index.as_int()) > limit) {
    return InvalidArgument("index out of range: {}", index.as_int());
  }
  return static_cast<size_t>(index.as_int());
}

TemplateResult Index(TemplateArgs args) {
  Value item = args[0];
  if (IsNone(item)) return InvalidArgument("index of untyped nil");
  for (const Value& index : args.subspan(1)) {
    item = item.Unboxed();
    switch (item.kind()) {
      case Kind::kInvalid:
        return InvalidArgument("index of nil pointer");
      case Kind::kString:
      case Kind::kList: {
        const bool is_text = item.kind() == Kind::kString;
        const size_t size = is_text ? item.as_string().size() : item.as_list().size();
        ASSIGN_OR_RETURN(const size_t at, Position(index, size));
        if (at == size)
          return InvalidArgument("reflect: {} index out of range", is_text ? "string" : "slice");
        Value next = is_text ? Value::Uint8(static_cast<uint8_t>(item.as_string()[at])) : item.as_list()[at];
        item = std::move(next);
        break;
      }
      case Kind::kMap:
      case Kind::kData: {
        if (IsNone(index)) return InvalidArgument("value is nil; should be of type string");
        if (index.kind() != Kind::kString)
          return InvalidArgument("value has type {}; should be string", index.TypeName());
        if (item.kind() == Kind::kData) {
          item = Value::String(item.as_data().Lookup(index.as_string()).value_or(std::string_view()));
          break;
        }
        const auto it = item.as_map().find(index.as_string());
        Value next = it == item.as_map().end() ? Value::Nil() : it->second;
        item = std::move(next);
        break;
      }
      default:
        return InvalidArgument("can't index item of type {}", item.TypeName());
    }
  }
  return item;
}

TemplateResult Slice(TemplateArgs args) {
  const Value& item = args[0];
  if (IsNone(item)) return InvalidArgument("slice of untyped nil");
  if (args.size() > 4) return InvalidArgument("too many slice indexes: {}", args.size() - 1);
  const bool is_text = item.kind() == Kind::kString;
  if (!is_text && item.kind() != Kind::kList)
    return InvalidArgument("can't slice item of type {}", item.TypeName());
  if (is_text && args.size() == 4) return InvalidArgument("cannot 3-index slice a string");
  const size_t size = is_text ? item.as_string().size() : item.as_list().size();
  size_t at[3] = {0, size, size};
  for (size_t i = 1; i < args.size(); ++i) {
    ASSIGN_OR_RETURN(at[i - 1], Position(args[i], size));
  }
  if (at[0] > at[1]) return InvalidArgument("invalid slice index: {} > {}", at[0], at[1]);
  if (at[1] > at[2]) return InvalidArgument("invalid slice index: {} > {}", at[1], at[2]);
  if (is_text) return Value::String(item.as_string().substr(at[0], at[1] - at[0]));
  const Value::List& list = item.as_list();
  return Value::FromList(
      {list.begin() + static_cast<std::ptrdiff_t>(at[0]), list.begin() + static_cast<std::ptrdiff_t>(at[1])});
}

TemplateResult Length(TemplateArgs a) {
  switch (a[0].kind()) {
    case Kind::kInvalid:
    case Kind::kNil:
      return InvalidArgument("reflect: call of reflect.Value.Type on zero Value");
    case Kind::kString:
      return Value::Int(static_cast<int64_t>(a[0].as_string().size()));
    case Kind::kList:
      return Value::Int(static_cast<int64_t>(a[0].as_list().size()));
    case Kind::kMap:
      return Value::Int(static_cast<int64_t>(a[0].as_map().size()));
    case Kind::kData: {
      int64_t count = 0;
      a[0].as_data().ForEach([&](std::string_view, std::string_view) { ++count; });
      return Value::Int(count);
    }
    default:
      return InvalidArgument("len of type {}", a[0].TypeName());
  }
}

// For html, js and urlquery, which show nil as templates do.
std::string Joined(TemplateArgs args) {
  std::vector<Value> shown(args.begin(), args.end());
  for (Value& value : shown) {
    if (value.kind() == Kind::kInvalid || value.kind() == Kind::kNil) value = Value::String("<no value>");
  }
  return TemplatePrint(shown);
}

std::string JsEscape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    switch (rune.rune) {
      case '\\':
        out += "\\\\";
        break;
      case '\'':
        out += "\\'";
        break;
      case '"':
        out += "\\\"";
        break;
      case '<':
      case '>':
      case '&':
      case '=':
        fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<uint32_t>(rune.rune));
        break;
      default:
        if (rune.rune >= 0x20 && (rune.rune < 0x80 || IsPrintRune(rune.rune))) {
          AppendRune(&out, rune.rune);
        } else {
          fmt::format_to(std::back_inserter(out), "\\u{:04X}", static_cast<uint32_t>(rune.rune));
        }
    }
    text.remove_prefix(rune.size);
  }
  return out;
}

TemplateFunctions MakeBuiltins() {
  TemplateFunctions out;
  // Without run: the executor evaluates only as many of their arguments as it takes.
  out["and"] = out["or"] = {{kAny, kAny}, true, nullptr};
  AddFunction(&out, "not", {kAny},
              [](TemplateArgs a) -> TemplateResult { return Value::Bool(!a[0].IsTrue()); });
  const auto compare = [&](std::string_view name, auto run, bool variadic) {
    AddFunction(
        &out, name, {kAny, kAny},
        [run](TemplateArgs a) -> TemplateResult {
          ASSIGN_OR_RETURN(const bool value, run(a));
          return Value::Bool(value);
        },
        variadic);
  };
  using Or = absl::StatusOr<bool>;
  const auto negated = [](Or value) -> Or { return value.ok() ? Or(!*value) : value; };
  compare(
      "eq", [](TemplateArgs a) { return Equal(a); }, true);
  compare(
      "ne", [=](TemplateArgs a) { return negated(Equal(a)); }, false);
  compare(
      "lt", [](TemplateArgs a) { return Less(a[0], a[1]); }, false);
  compare(
      "le", [](TemplateArgs a) { return LessOrEqual(a); }, false);
  compare(
      "gt", [=](TemplateArgs a) { return negated(LessOrEqual(a)); }, false);
  compare(
      "ge", [=](TemplateArgs a) { return negated(Less(a[0], a[1])); }, false);
  AddFunction(&out, "len", {kAny}, Length);
  AddFunction(&out, "index", {kAny, kAny}, Index, true);
  AddFunction(&out, "slice", {kAny, kAny}, Slice, true);
  const auto text = [&](std::string_view name, auto run) {
    AddFunction(
        &out, name, {kAny}, [run](TemplateArgs a) -> TemplateResult { return Value::String(run(a)); }, true);
  };
  text("print", [](TemplateArgs a) { return TemplatePrint(a); });
  text("println", [](TemplateArgs a) {
    std::string line;
    for (size_t i = 0; i < a.size(); ++i) {
      if (i > 0) line += ' ';
      line += TemplatePrint(a.subspan(i, 1));
    }
    return line + "\n";
  });
  text("html", [](TemplateArgs a) { return HtmlEscape(Joined(a)); });
  text("js", [](TemplateArgs a) { return JsEscape(Joined(a)); });
  text("urlquery", [](TemplateArgs a) { return QueryEscape(Joined(a)); });
  AddFunction(
      &out, "printf", {TemplateType::kString, kAny},
      [](TemplateArgs a) -> TemplateResult {
        return Value::String(TemplatePrintf(a[0].as_string(), a.subspan(1)));
      },
      true);
  AddFunction(
      &out, "call", {kAny, kAny},
      [](TemplateArgs a) -> TemplateResult {
        if (IsNone(a[0])) return InvalidArgument("call of nil");
        return InvalidArgument("non-function of type {}", a[0].TypeName());
      },
      true);
  return out;
}

}  // namespace

const TemplateFunctions& TemplateBuiltins() {
  static const TemplateFunctions builtins = MakeBuiltins();
  return builtins;
}

std::shared_ptr<const TemplateFunctions> LogTemplateFunctions() {
  static const std::shared_ptr<const TemplateFunctions> functions = [] {
    auto out = std::make_shared<TemplateFunctions>(TemplateBuiltins());
    AddStringFunctions(out.get());
    AddMathFunctions(out.get());
    AddTimeFunctions(out.get());
    (*out)["__line__"].run = [](TemplateArgs, const TemplateData& data) -> TemplateResult {
      return Value::String(data.line());
    };
    (*out)["__timestamp__"].run = [](TemplateArgs, const TemplateData& data) -> TemplateResult {
      return Value::Time(GoTime::FromUnixNs(data.time_ns()));
    };
    return out;
  }();
  return functions;
}

}  // namespace skald
