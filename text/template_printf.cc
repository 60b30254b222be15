#include <fmt/format.h>

#include <cmath>
#include <cstdio>

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
  int width = -1;
  int precision = -1;
  char32_t letter = 'v';
};

// %v at the top, where nil is <nil>.
std::string Shown(const TemplateValue& value) {
  if (value.kind() == Kind::kInvalid || value.kind() == Kind::kNil) return "<nil>";
  std::string out;
  value.Print(&out);
  return out;
}

std::string Bad(const TemplateValue& value, char32_t letter) {
  std::string out = "%!";
  AppendRune(&out, letter);
  if (value.kind() == Kind::kInvalid || value.kind() == Kind::kNil) return out + "(<nil>)";
  return out + "(" + std::string(value.Unboxed().TypeName()) + "=" + Shown(value) + ")";
}

std::string Padded(std::string text, const Verb& verb, bool zeros) {
  const auto size = static_cast<int>(CountRunes(text));
  if (verb.width <= size) return text;
  const auto gap = static_cast<size_t>(verb.width - size);
  if (verb.minus) return text + std::string(gap, ' ');
  if (!zeros) return std::string(gap, ' ') + text;
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  return text.insert(sign, gap, '0');
}

std::string Integer(int64_t value, const Verb& verb) {
  uint64_t size = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits;
  switch (verb.letter) {
    case 'b':
      digits = fmt::format("{:b}", size);
      break;
    case 'o':
    case 'O':
      digits = fmt::format("{:o}", size);
      break;
    case 'x':
      digits = fmt::format("{:x}", size);
      break;
    case 'X':
      digits = fmt::format("{:X}", size);
      break;
    default:
      digits = fmt::format("{}", size);
  }
  if (verb.precision >= 0) {
    if (verb.precision == 0 && size == 0) digits.clear();
    if (static_cast<size_t>(verb.precision) > digits.size())
      digits.insert(0, static_cast<size_t>(verb.precision) - digits.size(), '0');
  }
  if (verb.sharp && verb.letter == 'x') digits.insert(0, "0x");
  if (verb.sharp && verb.letter == 'X') digits.insert(0, "0X");
  if (verb.sharp && verb.letter == 'b') digits.insert(0, "0b");
  if (verb.sharp && verb.letter == 'o') digits.insert(0, "0");
  if (verb.letter == 'O') digits.insert(0, "0o");
  const char* sign = value < 0 ? "-" : verb.plus ? "+" : verb.space ? " " : "";
  return Padded(sign + digits, verb, verb.zero && verb.precision < 0);
}

std::string Float(double value, const Verb& verb) {
  std::string text;
  if (!std::isfinite(value)) {
    text = FormatGoFloatV(value);  // an infinity keeps its sign
  } else {
    const char letter = static_cast<char>(verb.letter);
    if ((letter == 'v' || letter == 'g' || letter == 'G') && verb.precision < 0) {
      text = FormatGoFloatV(value);
    } else {
      char format[] = "%.*f";
      format[3] = letter == 'v' ? 'g' : letter == 'F' ? 'f' : letter;
      const int precision = verb.precision < 0 ? 6 : verb.precision;
      const int size = std::snprintf(nullptr, 0, format, precision, value);
      text.resize(static_cast<size_t>(size) + 1);
      std::snprintf(text.data(), text.size(), format, precision, value);
      text.pop_back();
    }
    if (text[0] != '-' && text[0] != '+' && verb.plus) text.insert(0, "+");
    if (text[0] != '-' && !verb.plus && verb.space) text.insert(0, " ");
  }
  return Padded(std::move(text), verb, verb.zero && std::isfinite(value));
}

std::string FirstRunes(std::string_view text, int n) {
  if (n < 0) return std::string(text);
  size_t at = 0;
  for (int i = 0; i < n && at < text.size(); ++i) at += DecodeRune(text.substr(at)).size;
  return std::string(text.substr(0, at));
}

std::string Text(std::string_view value, const Verb& verb, bool quoted) {
  std::string text = FirstRunes(value, verb.precision);
  if (verb.letter == 'x' || verb.letter == 'X') {
    std::string hex;
    const char* digits = verb.letter == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
    for (const char c : text) hex.append({digits[static_cast<unsigned char>(c) >> 4], digits[c & 0xF]});
    return Padded(std::move(hex), verb, verb.zero);
  }
  if (quoted) {
    std::string out;
    if (verb.sharp && verb.letter == 'q' && text.find('`') == std::string::npos &&
        text.find('\n') == std::string::npos) {
      out = "`" + text + "`";
    } else {
      AppendGoQuoted(&out, text);
    }
    text = std::move(out);
  }
  return Padded(std::move(text), verb, verb.zero);
}

std::string One(const TemplateValue& value, const Verb& verb) {
  const auto is = [&](std::string_view letters) {
    return verb.letter < 0x80 && letters.find(static_cast<char>(verb.letter)) != std::string_view::npos;
  };
  if (is("T"))
    return Text(
        value.kind() == Kind::kInvalid || value.kind() == Kind::kNil ? "<nil>" : value.Unboxed().TypeName(),
        verb, false);
  switch (value.kind()) {
    case Kind::kInvalid:
    case Kind::kNil:
      return is("v") ? Padded("<nil>", verb, false) : Bad(value, verb.letter);
    case Kind::kBool:
      return is("vt") ? Padded(Shown(value), verb, false) : Bad(value, verb.letter);
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      if (is("vdboOxX")) return Integer(value.as_int(), verb);
      if (is("cqU")) {
        const auto rune = static_cast<char32_t>(value.as_int());
        if (is("U")) return Padded(fmt::format("U+{:04X}", static_cast<uint32_t>(rune)), verb, false);
        std::string out;
        AppendRune(&out, rune);
        return Padded(is("q") ? "'" + out + "'" : out, verb, false);
      }
      return Bad(value, verb.letter);
    case Kind::kFloat:
      return is("vgGeEfF") ? Float(value.as_float(), verb) : Bad(value, verb.letter);
    case Kind::kString:
      return is("vsqxX") ? Text(value.as_string(), verb, is("q") || (is("v") && verb.sharp))
                         : Bad(value, verb.letter);
    case Kind::kTime:
      return is("vsqxX") ? Text(GoTimeText(value.as_time()), verb, is("q")) : Bad(value, verb.letter);
    case Kind::kList: {
      std::string out = "[";
      for (size_t i = 0; i < value.as_list().size(); ++i) {
        if (i > 0) out += ' ';
        out += One(value.as_list()[i], verb);
      }
      return out + "]";
    }
    case Kind::kMap: {
      std::string out = "map[";
      for (const auto& [key, item] : value.as_map()) {
        if (out.size() > 4) out += ' ';
        out += One(TemplateValue::String(key), verb) + ":" + One(item, verb);
      }
      return out + "]";
    }
    case Kind::kData:
      return is("vs") ? Shown(value) : Bad(value, verb.letter);
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
      Star(&verb.width);
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
        Star(&verb.precision);
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

  // The next argument as a width or precision.
  void Star(int* value) {
    ++at_;
    if (next_ < args_.size() && args_[next_].is_int() && std::abs(args_[next_].as_int()) <= kMaxWidth) {
      *value = static_cast<int>(args_[next_].as_int());
    }
    ++next_;
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
      const bool none = args_[a].kind() == Kind::kInvalid || args_[a].kind() == Kind::kNil;
      out_ += none ? "<nil>" : std::string(args_[a].Unboxed().TypeName()) + "=" + Shown(args_[a]);
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
