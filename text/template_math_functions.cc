#include <cmath>
#include <limits>

#include "base/error.h"
#include "text/exact_decimal.h"
#include "text/go_float.h"
#include "text/go_int.h"
#include "text/template_functions.h"

namespace skald {
namespace {

using Kind = TemplateValue::Kind;
using Value = TemplateValue;
constexpr TemplateType kAny = TemplateType::kAny;

int64_t Truncated(double value) {
  if (!(value > -9.3e18 && value < 9.2233720368547748e18)) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

int64_t Wrapped(uint64_t value) { return static_cast<int64_t>(value); }
uint64_t U(int64_t value) { return static_cast<uint64_t>(value); }

template <class Combine>
TemplateResult Decimal(ExactDecimal start, TemplateArgs args, Combine combine) {
  for (const Value& arg : args) {
    const double value = TemplateToFloat(arg);
    if (std::isnan(value) || std::isinf(value)) {
      return InvalidArgument("Cannot create a Decimal from {}", FormatGoFloatV(value));
    }
    const absl::StatusOr<ExactDecimal> next = combine(start, ExactDecimal(value));
    if (!next.ok()) return next.status();
    start = *next;
  }
  return Value::Float(start.ToDouble());
}

template <class Combine>
TemplateResult DecimalFromFirst(TemplateArgs args, Combine combine) {
  const double first = TemplateToFloat(args[0]);
  if (std::isnan(first) || std::isinf(first)) {
    return InvalidArgument("Cannot create a Decimal from {}", FormatGoFloatV(first));
  }
  return Decimal(ExactDecimal(first), args.subspan(1), combine);
}

using DecimalOr = absl::StatusOr<ExactDecimal>;

}  // namespace

int64_t TemplateToInt(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      return value.as_int();
    case Kind::kFloat:
      return Truncated(value.as_float());
    case Kind::kString: {
      std::string_view text = value.as_string();
      // A plain decimal loses its fraction: 2.9 is 2, -.5 is 0.
      const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
      const size_t dot = text.find('.');
      if (dot != std::string_view::npos) {
        for (size_t i = sign; i < text.size(); ++i) {
          if (i != dot && (text[i] < '0' || text[i] > '9')) return 0;
        }
        if (dot == sign) return 0;
        text = text.substr(0, dot);
      }
      return ParseGoInt(text).value_or(0);
    }
    default:
      return 0;
  }
}

double TemplateToFloat(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      return static_cast<double>(value.as_int());
    case Kind::kFloat:
      return value.as_float();
    case Kind::kString: {
      double out = 0;
      return TryParseGoFloat(value.as_string(), &out) ? out : 0;
    }
    default:
      return 0;
  }
}

void AddMathFunctions(TemplateFunctions* out) {
  const auto number = [](const Value& v) { return TemplateToInt(v); };
  AddFunction(out, "int", {kAny}, [=](TemplateArgs a) -> TemplateResult { return Value::Int(number(a[0])); });
  AddFunction(out, "float64", {kAny},
              [](TemplateArgs a) -> TemplateResult { return Value::Float(TemplateToFloat(a[0])); });
  AddFunction(
      out, "add", {kAny},
      [=](TemplateArgs a) -> TemplateResult {
        uint64_t sum = 0;
        for (const Value& v : a) sum += U(number(v));
        return Value::Int64(Wrapped(sum));
      },
      true);
  AddFunction(out, "sub", {kAny, kAny}, [=](TemplateArgs a) -> TemplateResult {
    return Value::Int64(Wrapped(U(number(a[0])) - U(number(a[1]))));
  });
  AddFunction(
      out, "mul", {kAny, kAny},
      [=](TemplateArgs a) -> TemplateResult {
        uint64_t product = 1;
        for (const Value& v : a) product *= U(number(v));
        return Value::Int64(Wrapped(product));
      },
      true);
  for (const bool is_mod : {false, true}) {
    AddFunction(out, is_mod ? "mod" : "div", {kAny, kAny}, [=](TemplateArgs a) -> TemplateResult {
      const int64_t x = number(a[0]);
      const int64_t y = number(a[1]);
      if (y == 0) return InvalidArgument("runtime error: integer divide by zero");
      if (y == -1) return Value::Int64(is_mod ? 0 : Wrapped(0 - U(x)));
      return Value::Int64(is_mod ? x % y : x / y);
    });
  }
  for (const bool is_max : {false, true}) {
    AddFunction(
        out, is_max ? "max" : "min", {kAny, kAny},
        [=](TemplateArgs a) -> TemplateResult {
          int64_t best = number(a[0]);
          for (const Value& v : a.subspan(1))
            best = is_max ? std::max(best, number(v)) : std::min(best, number(v));
          return Value::Int64(best);
        },
        true);
    AddFunction(
        out, is_max ? "maxf" : "minf", {kAny, kAny},
        [=](TemplateArgs a) -> TemplateResult {
          double best = TemplateToFloat(a[0]);
          for (const Value& v : a.subspan(1)) {
            const double x = TemplateToFloat(v);
            if (std::isnan(x) || std::isnan(best)) {
              best = std::numeric_limits<double>::quiet_NaN();
            } else {
              best = is_max ? std::max(best, x) : std::min(best, x);
            }
          }
          return Value::Float(best);
        },
        true);
  }
  AddFunction(
      out, "addf", {kAny},
      [](TemplateArgs a) {
        return Decimal(ExactDecimal(), a,
                       [](const ExactDecimal& x, const ExactDecimal& y) -> DecimalOr { return x + y; });
      },
      true);
  AddFunction(
      out, "subf", {kAny, kAny},
      [](TemplateArgs a) {
        return DecimalFromFirst(
            a, [](const ExactDecimal& x, const ExactDecimal& y) -> DecimalOr { return x - y; });
      },
      true);
  AddFunction(
      out, "mulf", {kAny, kAny},
      [](TemplateArgs a) {
        return DecimalFromFirst(
            a, [](const ExactDecimal& x, const ExactDecimal& y) -> DecimalOr { return x * y; });
      },
      true);
  AddFunction(
      out, "divf", {kAny, kAny},
      [](TemplateArgs a) {
        return DecimalFromFirst(a, [](const ExactDecimal& x, const ExactDecimal& y) -> DecimalOr {
          if (y.is_zero()) return InvalidArgument("decimal division by 0");
          return x.DividedBy(y);
        });
      },
      true);
  AddFunction(out, "ceil", {kAny}, [](TemplateArgs a) -> TemplateResult {
    return Value::Float(std::ceil(TemplateToFloat(a[0])));
  });
  AddFunction(out, "floor", {kAny}, [](TemplateArgs a) -> TemplateResult {
    return Value::Float(std::floor(TemplateToFloat(a[0])));
  });
  AddFunction(
      out, "round", {kAny, TemplateType::kInt, TemplateType::kFloat},
      [](TemplateArgs a) -> TemplateResult {
        const double on = a.size() > 2 ? a[2].as_float() : 0.5;
        const double scale = std::pow(10.0, static_cast<double>(a[1].as_int()));
        const double scaled = scale * TemplateToFloat(a[0]);
        double whole = 0;
        const double fraction = std::modf(scaled, &whole);
        return Value::Float((fraction >= on ? std::ceil(scaled) : std::floor(scaled)) / scale);
      },
      true);
}

}  // namespace skald
