#include "base/labels.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace skald {

Labels::Labels(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [](const Pair& a, const Pair& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (i + 1 < pairs_.size() && pairs_[i].first == pairs_[i + 1].first) continue;
    if (kept != i) pairs_[kept] = std::move(pairs_[i]);
    ++kept;
  }
  pairs_.resize(kept);
}

namespace {

auto Find(const std::vector<Labels::Pair>& pairs, std::string_view name) {
  return std::lower_bound(pairs.begin(), pairs.end(), name,
                          [](const Labels::Pair& pair, std::string_view n) { return pair.first < n; });
}

}  // namespace

std::string_view Labels::Get(std::string_view name) const {
  auto it = Find(pairs_, name);
  return it != pairs_.end() && it->first == name ? std::string_view(it->second) : std::string_view();
}

bool Labels::Has(std::string_view name) const {
  auto it = Find(pairs_, name);
  return it != pairs_.end() && it->first == name;
}

void Labels::Set(std::string_view name, std::string_view value) {
  auto at = pairs_.begin() + (Find(pairs_, name) - pairs_.cbegin());
  if (at != pairs_.end() && at->first == name) {
    at->second = value;
  } else {
    pairs_.emplace(at, std::string(name), std::string(value));
  }
}

void Labels::Remove(std::string_view name) {
  auto at = pairs_.begin() + (Find(pairs_, name) - pairs_.cbegin());
  if (at != pairs_.end() && at->first == name) pairs_.erase(at);
}

std::string Labels::ToString() const {
  std::string out = "{";
  for (const auto& [name, value] : pairs_) {
    if (out.size() > 1) out += ", ";
    out += name;
    out += '=';
    AppendGoQuoted(&out, value);
  }
  out += '}';
  return out;
}

bool IsLabelName(std::string_view name) {
  if (name.empty()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return true;
}

void AppendGoQuoted(std::string* out, std::string_view text) {
  *out += '"';
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const DecodedRune rune = DecodeRune(text.substr(i));
      if (!rune.valid) {
        fmt::format_to(std::back_inserter(*out), "\\x{:02x}", c);
      } else if (IsPrintRune(rune.rune)) {
        out->append(text.substr(i, rune.size));
      } else if (rune.rune < 0x10000) {
        fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<uint32_t>(rune.rune));
      } else {
        fmt::format_to(std::back_inserter(*out), "\\U{:08x}", static_cast<uint32_t>(rune.rune));
      }
      i += rune.size;
      continue;
    }
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\a':
        *out += "\\a";
        break;
      case '\b':
        *out += "\\b";
        break;
      case '\f':
        *out += "\\f";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\v':
        *out += "\\v";
        break;
      default:
        if (c < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(*out), "\\x{:02x}", c);
        } else {
          *out += static_cast<char>(c);
        }
    }
    ++i;
  }
  *out += '"';
}

namespace {

// A recursive-descent reader of Prometheus metric syntax; columns count runes as Prometheus does.
class LabelParser {
 public:
  explicit LabelParser(std::string_view text) : text_(text) {}

  absl::StatusOr<Labels> Parse() {
    std::vector<Labels::Pair> pairs;
    SkipSpace();
    if (!AtEnd() && IsNameStart(text_[pos_])) pairs.emplace_back("__name__", Name());
    SkipSpace();
    if (!AtEnd() && text_[pos_] == '{') {
      ++pos_;
      absl::Status status = Pairs(&pairs);
      if (!status.ok()) return status;
      SkipSpace();
    }
    if (!AtEnd()) return Error(fmt::format("unexpected character: '{}'", Rune()));
    std::sort(pairs.begin(), pairs.end());
    for (size_t i = 1; i < pairs.size(); ++i) {
      if (pairs[i].first == pairs[i - 1].first) {
        return Error(fmt::format("duplicate label name: {}", pairs[i].first));
      }
    }
    std::erase_if(pairs, [](const Labels::Pair& pair) { return pair.second.empty(); });
    return Labels(std::move(pairs));
  }

 private:
  static bool IsNameStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  }

  bool AtEnd() const { return pos_ >= text_.size(); }
  void SkipSpace() {
    while (!AtEnd() &&
           (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\n' || text_[pos_] == '\r'))
      ++pos_;
  }
  std::string Name() {
    const size_t begin = pos_;
    while (!AtEnd() && (IsNameStart(text_[pos_]) || (text_[pos_] >= '0' && text_[pos_] <= '9'))) ++pos_;
    return std::string(text_.substr(begin, pos_ - begin));
  }
  std::string Rune() const { return std::string(text_.substr(pos_, DecodeRune(text_.substr(pos_)).size)); }

  absl::Status Error(std::string_view what) const {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < pos_ && i < text_.size(); i += DecodeRune(text_.substr(i)).size) {
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      } else {
        ++column;
      }
    }
    return InvalidArgument("{}:{}: parse error: {}", line, column, what);
  }

  absl::Status Pairs(std::vector<Labels::Pair>* pairs) {
    while (true) {
      SkipSpace();
      if (AtEnd()) return Error("unexpected end of input inside braces");
      if (text_[pos_] == '}') {
        ++pos_;
        return absl::OkStatus();
      }
      if (!IsNameStart(text_[pos_]) || text_[pos_] == ':') {
        return Error(fmt::format("unexpected character inside braces: '{}'", Rune()));
      }
      std::string name = Name();
      SkipSpace();
      if (AtEnd()) return Error("unexpected end of input inside braces");
      if (text_[pos_] != '=') return Error(fmt::format("unexpected character inside braces: '{}'", Rune()));
      ++pos_;
      SkipSpace();
      std::string value;
      if (absl::Status status = Value(&value); !status.ok()) return status;
      pairs->emplace_back(std::move(name), std::move(value));
      SkipSpace();
      if (!AtEnd() && text_[pos_] == ',') {
        ++pos_;
      } else if (!AtEnd() && text_[pos_] != '}') {
        return Error(fmt::format("unexpected character inside braces: '{}'", Rune()));
      }
    }
  }

  absl::Status Value(std::string* out) {
    if (AtEnd()) return Error("unexpected end of input inside braces");
    const char quote = text_[pos_];
    if (quote != '"' && quote != '`' && quote != '\'') {
      return Error(fmt::format("unexpected character inside braces: '{}'", Rune()));
    }
    const size_t begin = ++pos_;
    while (!AtEnd() && text_[pos_] != quote) {
      if (quote != '`' && text_[pos_] == '\n') return Error("unterminated quoted string");
      pos_ += quote != '`' && text_[pos_] == '\\' ? 2 : 1;
    }
    if (AtEnd()) return Error("unterminated quoted string");
    const std::string_view raw = text_.substr(begin, pos_ - begin);
    ++pos_;
    if (quote == '`') {
      *out = raw;
      return absl::OkStatus();
    }
    if (!UnquoteGo(raw, quote, out)) return Error("unknown escape sequence");
    return absl::OkStatus();
  }

  std::string_view text_;
  size_t pos_ = 0;
};

}  // namespace

absl::StatusOr<Labels> ParseLabels(std::string_view text) { return LabelParser(text).Parse(); }

}  // namespace skald
