#include <fmt/format.h>
#include <fmt/printf.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/utf8.h"
#include "text/go_float.h"
#include "text/template_functions.h"

namespace skald {
namespace {

using Kind = TemplateValue::Kind;

constexpr int kMaxWidth = 1'000'000;

struct Verb {
  bool minus = false, plus = false, sharp = false, space = false, zero = false;
  bool go_syntax = false;  // %#v
  int width = -1;
  int precision = -1;
  char32_t letter = 'v';

  bool Is(std::string_view letters) const {
    return letter < 0x80 && letters.find(static_cast<char>(letter)) != std::string_view::npos;
  }
};

// %v at the top, where nil is <nil>.
std::string Shown(const TemplateValue& value) {
  if (value.kind() == Kind::kInvalid || value.kind() == Kind::kNil) return "<nil>";
  std::string out;
  value.Print(&out);
  return out;
}

// To the verb's width, with blanks or, where both ask for it, zeros in front: of texts too.
std::string Padded(std::string text, const Verb& verb, bool zeros) {
  const auto size = static_cast<int>(CountRunes(text));
  if (verb.width <= size) return text;
  const auto gap = static_cast<size_t>(verb.width - size);
  if (verb.minus) return text + std::string(gap, ' ');
  return std::string(gap, zeros && verb.zero ? '0' : ' ') + text;
}

std::string Upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

std::string Integer(int64_t value, const Verb& verb) {
  const uint64_t size = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits = verb.Is("b")    ? fmt::format("{:b}", size)
                       : verb.Is("oO") ? fmt::format("{:o}", size)
                       : verb.Is("x")  ? fmt::format("{:x}", size)
                       : verb.Is("X")  ? fmt::format("{:X}", size)
                                       : fmt::format("{}", size);
  const char* sign = value < 0 ? "-" : verb.plus ? "+" : verb.space ? " " : "";
  int least = 0;
  if (verb.precision >= 0) {
    if (verb.precision == 0 && size == 0) return Padded("", verb, false);
    least = verb.precision;
  } else if (verb.zero && !verb.minus && verb.width >= 0) {
    least = verb.width - (*sign == '\0' ? 0 : 1);
  }
  if (least > static_cast<int>(digits.size())) {
    digits.insert(0, static_cast<size_t>(least) - digits.size(), '0');
  }
  if (verb.sharp) {
    if (verb.Is("b")) digits.insert(0, "0b");
    if (verb.Is("oO") && digits[0] != '0') digits.insert(0, "0");
    if (verb.Is("x")) digits.insert(0, "0x");
    if (verb.Is("X")) digits.insert(0, "0X");
  }
  if (verb.Is("O")) digits.insert(0, "0o");
  return Padded(sign + digits, verb, false);
}

// U+00E9 'e'
std::string CodePoint(int64_t value, const Verb& verb) {
  std::string out = fmt::format("{:X}", static_cast<uint64_t>(value));
  const auto least = static_cast<size_t>(std::max(verb.precision, 4));
  if (out.size() < least) out.insert(0, least - out.size(), '0');
  out.insert(0, "U+");
  if (verb.sharp && value >= 0 && value <= 0x10FFFF && IsPrintRune(static_cast<char32_t>(value))) {
    out += " '";
    AppendRune(&out, static_cast<char32_t>(value));
    out += '\'';
  }
  return Padded(std::move(out), verb, false);
}

std::string QuotedRune(char32_t rune) {
  if (rune == '"') return "'\"'";
  if (rune == '\'') return "'\\''";
  std::string text;
  AppendRune(&text, rune);
  std::string quoted;
  AppendGoQuoted(&quoted, text);
  quoted.front() = quoted.back() = '\'';
  return quoted;
}

// 0x1.8p+01: one digit before the point, which is 1, and an exponent of two digits.
std::string HexFloat(double value, const Verb& verb) {
  int exponent = 0;
  const double one = std::frexp(value, &exponent) * 2;  // in [1, 2)
  std::string text = verb.precision < 0 ? fmt::sprintf("%a", one) : fmt::sprintf("%.*a", verb.precision, one);
  const size_t p = text.find('p');
  exponent += (value == 0 ? 0 : -1) + std::atoi(text.c_str() + p + 1);
  text.resize(p);
  if (const size_t x = text.find("0x2"); x != std::string::npos) {  // rounded up
    text[x + 2] = '1';
    ++exponent;
  }
  return text + fmt::format("p{}{:02d}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

std::string BinaryFloat(double value) {
  int exponent = 0;
  const auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(value, &exponent), 53));
  exponent = value == 0 ? -1074 : exponent - 53;
  return fmt::format("{}p{}{}", mantissa, exponent < 0 ? '-' : '+', std::abs(exponent));
}

std::string FloatDigits(double value, const Verb& verb) {
  if (verb.Is("b")) return BinaryFloat(value);
  if (verb.Is("xX")) return verb.Is("X") ? Upper(HexFloat(value, verb)) : HexFloat(value, verb);
  std::string text;
  if (verb.Is("vgG")) {
    text = verb.precision < 0 ? FormatGoFloatV(value) : fmt::sprintf("%.*g", verb.precision, value);
  } else if (verb.Is("eE")) {
    text = fmt::sprintf("%.*e", verb.precision < 0 ? 6 : verb.precision, value);
  } else {
    text = fmt::sprintf("%.*f", verb.precision < 0 ? 6 : verb.precision, value);
  }
  return verb.Is("GE") ? Upper(std::move(text)) : text;
}

// With #: a point in any case, and the zeros that %g leaves away.
std::string WithPoint(std::string digits, const Verb& verb) {
  const bool hex = verb.Is("xX");
  int missing = verb.Is("vgGx") ? (verb.precision < 0 ? 6 : verb.precision) : 0;
  const size_t tail_at = digits.find_first_of(hex ? "pP" : "eE");
  const std::string tail = tail_at == std::string::npos ? "" : digits.substr(tail_at);
  digits.resize(digits.size() - tail.size());
  bool significant = false;
  for (const char c : digits) {
    if (c == '.' || c == '-') continue;
    significant |= c != '0';
    if (significant) --missing;
  }
  if (digits.find('.') == std::string::npos) {
    if (digits == "0" || digits == "-0") --missing;
    digits += '.';
  }
  if (missing > 0) digits.append(static_cast<size_t>(missing), '0');
  return digits + tail;
}

std::string Float(double value, const Verb& verb) {
  if (std::isnan(value)) return Padded(verb.plus ? "+NaN" : verb.space ? " NaN" : "NaN", verb, false);
  if (std::isinf(value)) {
    return Padded(value < 0 ? "-Inf" : verb.space && !verb.plus ? " Inf" : "+Inf", verb, false);
  }
  std::string text = FloatDigits(value, verb);
  if (verb.sharp && !verb.Is("b")) text = WithPoint(std::move(text), verb);
  std::string sign;
  if (text[0] == '-') {
    sign = "-";
    text.erase(0, 1);
  } else if (verb.plus) {
    sign = "+";
  } else if (verb.space) {
    sign = " ";
  }
  // The sign stands in front of the zeros.
  const auto size = static_cast<int>(text.size() + sign.size());
  if (!sign.empty() && verb.zero && !verb.minus && verb.width > size) {
    return sign + std::string(static_cast<size_t>(verb.width - size), '0') + text;
  }
  return Padded(sign + text, verb, true);
}

std::string FirstRunes(std::string_view text, int n) {
  if (n < 0) return std::string(text);
  size_t at = 0;
  for (int i = 0; i < n && at < text.size(); ++i) at += DecodeRune(text.substr(at)).size;
  return std::string(text.substr(0, at));
}

// Two digits a byte; the precision counts bytes.
std::string HexText(std::string_view text, const Verb& verb) {
  if (verb.precision >= 0) text = text.substr(0, static_cast<size_t>(verb.precision));
  const char* digits = verb.Is("x") ? "0123456789abcdef" : "0123456789ABCDEF";
  const std::string_view prefix = verb.Is("x") ? "0x" : "0X";
  std::string hex;
  for (size_t i = 0; i < text.size(); ++i) {
    if (verb.space && i > 0) hex += ' ';
    if (verb.sharp && (i == 0 || verb.space)) hex += prefix;
    hex.append({digits[static_cast<unsigned char>(text[i]) >> 4], digits[text[i] & 0xF]});
  }
  return Padded(std::move(hex), verb, true);
}

std::string Text(std::string_view value, const Verb& verb) {
  if (verb.Is("xX")) return HexText(value, verb);
  const std::string text = FirstRunes(value, verb.precision);
  if (!verb.Is("q") && !verb.go_syntax) return Padded(text, verb, true);
  if (verb.sharp && text.find_first_of("`\n\r") == std::string::npos)
    return Padded("`" + text + "`", verb, true);
  std::string quoted;
  AppendGoQuoted(&quoted, text);
  return Padded(std::move(quoted), verb, true);
}

std::string One(const TemplateValue& value, const Verb& verb);

bool IsNone(const TemplateValue& value) {
  return value.kind() == Kind::kInvalid || value.kind() == Kind::kNil;
}

// A value under a letter that is none of its own, with the flags and the width of that.
std::string Bad(const TemplateValue& value, const Verb& verb) {
  std::string out = "%!";
  AppendRune(&out, verb.letter);
  if (IsNone(value)) return out + "(<nil>)";
  Verb plain = verb;
  plain.letter = 'v';
  return out + "(" + std::string(value.Unboxed().TypeName()) + "=" + One(value, plain) + ")";
}

// Of a list or a map.
std::string Inner(const TemplateValue& value, const Verb& verb) {
  if (IsNone(value)) return verb.go_syntax ? "interface {}(nil)" : "<nil>";
  return One(value, verb);
}

std::string Members(std::string_view type, const std::vector<std::pair<std::string, TemplateValue>>& members,
                    const Verb& verb) {
  std::string out = verb.go_syntax ? std::string(type) + "{" : "map[";
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += verb.go_syntax ? ", " : " ";
    out += One(TemplateValue::String(members[i].first), verb) + ":" + Inner(members[i].second, verb);
  }
  return out + (verb.go_syntax ? "}" : "]");
}

std::string One(const TemplateValue& value, const Verb& verb) {
  if (verb.Is("T")) return Text(IsNone(value) ? "<nil>" : value.Unboxed().TypeName(), verb);
  switch (value.kind()) {
    case Kind::kInvalid:
    case Kind::kNil:
      return verb.Is("v") ? Padded("<nil>", verb, true) : Bad(value, verb);
    case Kind::kBool:
      return verb.Is("vt") ? Padded(value.as_bool() ? "true" : "false", verb, true) : Bad(value, verb);
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      if (verb.Is("vdboOxX")) return Integer(value.as_int(), verb);
      if (verb.Is("U")) return CodePoint(value.as_int(), verb);
      if (verb.Is("cq")) {
        const int64_t n = value.as_int();
        const char32_t rune = n < 0 || n > 0x10FFFF ? kReplacementRune : static_cast<char32_t>(n);
        if (verb.Is("q")) return Padded(QuotedRune(rune), verb, true);
        std::string out;
        AppendRune(&out, rune);
        return Padded(std::move(out), verb, true);
      }
      return Bad(value, verb);
    case Kind::kFloat:
      return verb.Is("vgGeEfFxXb") ? Float(value.as_float(), verb) : Bad(value, verb);
    case Kind::kString:
      return verb.Is("vsqxX") ? Text(value.as_string(), verb) : Bad(value, verb);
    case Kind::kTime:
      return verb.Is("vsqxX") ? Text(GoTimeText(value.as_time()), verb) : Bad(value, verb);
    case Kind::kList: {
      std::string out = verb.go_syntax ? "[]interface {}{" : "[";
      for (size_t i = 0; i < value.as_list().size(); ++i) {
        if (i > 0) out += verb.go_syntax ? ", " : " ";
        out += Inner(value.as_list()[i], verb);
      }
      return out + (verb.go_syntax ? "}" : "]");
    }
    case Kind::kMap: {
      std::vector<std::pair<std::string, TemplateValue>> members(value.as_map().begin(),
                                                                 value.as_map().end());
      return Members("map[string]interface {}", members, verb);
    }
    case Kind::kData: {
      std::vector<std::pair<std::string, TemplateValue>> members;
      value.as_data().ForEach([&](std::string_view name, std::string_view text) {
        members.emplace_back(name, TemplateValue::String(text));
      });
      std::sort(members.begin(), members.end(),
                [](const auto& x, const auto& y) { return x.first < y.first; });
      return Members("map[string]string", members, verb);
    }
  }
  return {};
}

// Reads one format from left to right. Explicit argument numbers (%[2]d, %[3]*.[2]*[1]f) set which argument
// is next.
class FormatReader {
 public:
  FormatReader(std::string_view format, TemplateArgs args) : format_(format), args_(args) {}

  std::string Run() {
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      out_.append(format_.substr(at_, percent - at_));
      if (percent == format_.size()) break;
      at_ = percent + 1;
      OneVerb();
    }
    if (!reordered_ && next_ < args_.size()) Extra();
    return std::move(out_);
  }

 private:
  char Peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  void OneVerb() {
    Verb verb;
    good_index_ = true;
    for (;; ++at_) {
      const char c = Peek();
      if (c == '-') {
        verb.minus = true;
      } else if (c == '+') {
        verb.plus = true;
      } else if (c == '#') {
        verb.sharp = true;
      } else if (c == ' ') {
        verb.space = true;
      } else if (c == '0') {
        verb.zero = true;
      } else {
        break;
      }
    }
    bool after_index = Index();
    if (Peek() == '*') {
      if (!Star(&verb.width)) out_ += "%!(BADWIDTH)";
      after_index = false;
      if (verb.width < -1) {
        verb.minus = true;
        verb.width = -verb.width;
      }
    } else if (Digits(&verb.width) && after_index) {
      good_index_ = false;  // %[3]2d
    }
    if (Peek() == '.') {
      ++at_;
      if (after_index) good_index_ = false;  // %[3].2d
      verb.precision = 0;
      after_index = Index();
      if (Peek() == '*') {
        verb.precision = -1;
        if (!Star(&verb.precision) || verb.precision < 0) {
          out_ += "%!(BADPREC)";
          verb.precision = -1;
        }
        after_index = false;
      } else {
        Digits(&verb.precision);
      }
    }
    if (!after_index) Index();
    if (at_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      return;
    }
    const DecodedRune rune = DecodeRune(format_.substr(at_));
    at_ += rune.size;
    verb.letter = rune.rune;
    if (verb.letter == 'v') {  // + and # tell how much of a value is shown
      verb.go_syntax = verb.sharp;
      verb.sharp = verb.plus = false;
    }
    if (verb.letter == '%') {
      out_ += '%';
    } else if (!good_index_ || next_ >= args_.size()) {
      out_ += "%!";
      AppendRune(&out_, verb.letter);
      out_ += good_index_ ? "(MISSING)" : "(BADINDEX)";
    } else {
      out_ += One(args_[next_++], verb);
    }
  }

  // [n]: the next argument is the nth. False where there is no bracket.
  bool Index() {
    if (Peek() != '[') return false;
    reordered_ = true;
    const size_t close = format_.find(']', at_);
    if (close == std::string_view::npos) {
      good_index_ = false;
      ++at_;
      return false;
    }
    const std::string_view text = format_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    size_t n = 0;
    bool ok = !text.empty() && text.size() < 7;
    for (const char c : text) {
      ok = ok && c >= '0' && c <= '9';
      n = n * 10 + static_cast<size_t>(c - '0');
    }
    if (ok && n >= 1 && n <= args_.size()) {
      next_ = n - 1;
    } else {
      good_index_ = false;
    }
    return true;
  }

  // The next argument as a width or precision; false where it is none.
  bool Star(int* value) {
    ++at_;
    if (next_ >= args_.size()) return false;
    const TemplateValue& argument = args_[next_++];
    if (!argument.is_int() || std::abs(argument.as_int()) > kMaxWidth) return false;
    *value = static_cast<int>(argument.as_int());
    return true;
  }

  bool Digits(int* value) {
    bool any = false;
    for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
      any = true;
      *value = std::min(std::max(*value, 0) * 10 + (Peek() - '0'), kMaxWidth);
    }
    return any;
  }

  void Extra() {
    out_ += "%!(EXTRA ";
    for (size_t a = next_; a < args_.size(); ++a) {
      if (a > next_) out_ += ", ";
      out_ += IsNone(args_[a]) ? "<nil>" : std::string(args_[a].Unboxed().TypeName()) + "=" + Shown(args_[a]);
    }
    out_ += ')';
  }

  std::string_view format_;
  TemplateArgs args_;
  size_t at_ = 0;
  size_t next_ = 0;  // argument
  bool reordered_ = false;
  bool good_index_ = true;
  std::string out_;
};

}  // namespace

std::string TemplatePrint(TemplateArgs args) {
  std::string out;
  for (size_t i = 0; i < args.size(); ++i) {
    // Between two values of which neither is a text.
    if (i > 0 && args[i].kind() != Kind::kString && args[i - 1].kind() != Kind::kString) out += ' ';
    out += Shown(args[i]);
  }
  return out;
}

std::string TemplatePrintf(std::string_view format, TemplateArgs args) {
  return FormatReader(format, args).Run();
}

}  // namespace skald
