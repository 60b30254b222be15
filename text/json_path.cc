#include "text/json_path.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald {
namespace {

bool IsFieldStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  absl::StatusOr<JsonPath> Parse() {
    JsonPath path;
    Next();
    if (token_ != Token::kField && token_ != Token::kOpen) {
      return Unexpected("LSB or FIELD");
    }
    while (true) {
      if (token_ == Token::kField && path.empty()) {
        path.emplace_back(value_);
      } else if (token_ == Token::kDot) {
        Next();
        if (token_ != Token::kField) return Unexpected("FIELD");
        path.emplace_back(value_);
      } else if (token_ == Token::kOpen) {
        Next();
        if (token_ == Token::kString) {
          path.emplace_back(value_);
        } else if (token_ == Token::kIndex) {
          path.emplace_back(index_);
        } else {
          return Unexpected("STRING or INDEX");
        }
        Next();
        if (token_ != Token::kClose) return Unexpected("RSB");
      } else if (token_ == Token::kEnd) {
        RETURN_IF_ERROR(bad_);
        return path;
      } else {
        return Unexpected("");
      }
      Next();
    }
  }

 private:
  enum class Token { kEnd, kDot, kOpen, kClose, kField, kString, kIndex };

  absl::Status Unexpected(std::string_view expecting) const {
    constexpr const char* kNames[] = {"$end", "DOT", "LSB", "RSB", "FIELD", "STRING", "INDEX"};
    const char* name = kNames[static_cast<size_t>(token_)];
    return expecting.empty() ? InvalidArgument("syntax error: unexpected {}", name)
                             : InvalidArgument("syntax error: unexpected {}, expecting {}", name, expecting);
  }

  // What cannot be read is the end too; where an end may stand, that is the error.
  void Bad(absl::Status status) {
    bad_ = std::move(status);
    token_ = Token::kEnd;
  }

  void Next() {
    while (pos_ < text_.size() &&
           (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\n' || text_[pos_] == '\r')) {
      ++pos_;
    }
    if (pos_ == text_.size()) {
      token_ = Token::kEnd;
      return;
    }
    const char c = text_[pos_];
    if (IsFieldStart(c)) {
      const size_t begin = pos_;
      while (pos_ < text_.size() && (IsFieldStart(text_[pos_]) || IsDigit(text_[pos_]))) ++pos_;
      token_ = Token::kField;
      value_ = text_.substr(begin, pos_ - begin);
      return;
    }
    if (c == '.' || c == '[' || c == ']') {
      ++pos_;
      token_ = c == '.' ? Token::kDot : c == '[' ? Token::kOpen : Token::kClose;
      return;
    }
    if (c == '"') {
      // There are no escapes; a ] ends the text too, in place of the quote.
      const size_t begin = ++pos_;
      while (pos_ < text_.size() && text_[pos_] != '"' && text_[pos_] != ']') ++pos_;
      value_ = text_.substr(begin, pos_ - begin);
      if (pos_ < text_.size()) ++pos_;
      token_ = Token::kString;
      return;
    }
    if (IsDigit(c)) return Index();
    Bad(InvalidArgument("unexpected char {}", text_.substr(pos_, DecodeRune(text_.substr(pos_)).size)));
  }

  void Index() {
    const size_t begin = pos_;
    while (pos_ < text_.size() && text_[pos_] != ']') {
      const char c = text_[pos_];
      if (c == '.') return Bad(InvalidArgument("cannot use float as array index"));
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') break;
      if (!IsDigit(c)) {
        return Bad(InvalidArgument("non-integer value: {}",
                                   text_.substr(pos_, DecodeRune(text_.substr(pos_)).size)));
      }
      ++pos_;
    }
    if (pos_ == text_.size()) return Bad(InvalidArgument("non-integer value: {}", std::string_view("\0", 1)));
    const std::from_chars_result read = std::from_chars(text_.data() + begin, text_.data() + pos_, index_);
    if (read.ec != std::errc())
      return Bad(InvalidArgument("non-integer value: {}", text_.substr(begin, pos_ - begin)));
    token_ = Token::kIndex;
  }

  std::string_view text_;
  size_t pos_ = 0;
  Token token_ = Token::kEnd;
  std::string value_;
  uint64_t index_ = 0;
  absl::Status bad_;
};

// The value under path[from..] of the value at p; nullopt where it is not there.
std::optional<const char*> Descend(const JsonPath& path, size_t from, const char* p, const char* end) {
  std::string scratch;
  for (; from < path.size(); ++from) {
    p = SkipJsonSpace(p, end);
    const char* found = nullptr;
    if (p == end) return std::nullopt;
    if (const auto* name = std::get_if<std::string>(&path[from])) {
      ForEachJsonMember({p, static_cast<size_t>(end - p)}, &scratch,
                        [&](std::string_view key, const JsonValue& value) {
                          if (key != *name) return true;
                          found = value.text.data() - (value.type == JsonType::kString ? 1 : 0);
                          return false;
                        });
    } else {
      if (*p != '[') return std::nullopt;
      uint64_t left = std::get<uint64_t>(path[from]);
      p = SkipJsonSpace(p + 1, end);
      while (p < end && *p != ']') {
        if (left-- == 0) {
          found = p;
          break;
        }
        JsonValue value;
        if (ReadJsonValue(&p, end, &value) != JsonError::kNone) return std::nullopt;
        p = SkipJsonSpace(p, end);
        if (p == end || *p != ',') break;
        p = SkipJsonSpace(p + 1, end);
      }
    }
    if (found == nullptr) return std::nullopt;
    p = found;
  }
  return p;
}

}  // namespace

absl::StatusOr<JsonPath> ParseJsonPath(std::string_view text) { return PathParser(text).Parse(); }

JsonPathFinder::JsonPathFinder(const std::vector<JsonPath>* paths) : paths_(paths) {
  for (const JsonPath& path : *paths) longest_ = std::max(longest_, path.size());
  tree_.resize(longest_ + 1);
}

void JsonPathFinder::Start() {
  done_.assign(paths_->size(), false);
  left_ = paths_->size();
  level_ = 0;
}

bool JsonPathFinder::SameTree(const JsonPath& path, size_t depth) const {
  for (size_t i = 0; i < depth; ++i) {
    const auto* name = std::get_if<std::string>(&path[i]);
    if (name == nullptr || *name != tree_[i]) return false;
  }
  return true;
}

void JsonPathFinder::Take(size_t path, const char* p, const char* end) {
  Hit hit;
  hit.path = path;
  p = SkipJsonSpace(p, end);
  hit.error = p == end ? JsonError::kJson : ReadJsonValue(&p, end, &hit.value);
  hits_.push_back(hit);
}

bool JsonPathFinder::OnKey(std::string_view key, const char* value, const char* end) {
  if (level_ < 1) {
    hits_.push_back({0, {}, JsonError::kJson});
    return false;
  }
  const auto depth = static_cast<size_t>(level_);
  if (depth > longest_) return true;
  tree_[depth - 1].assign(key);
  for (size_t i = 0; i < paths_->size(); ++i) {
    const JsonPath& path = (*paths_)[i];
    if (done_[i] || path.size() != depth || !SameTree(path, depth)) continue;
    done_[i] = true;
    --left_;
    Take(i, value, end);
  }
  return left_ > 0;
}

const char* JsonPathFinder::OnArray(const char* p, const char* end) {
  const auto depth = static_cast<size_t>(std::max(level_, 0));
  std::vector<size_t> wanted;
  for (size_t i = 0; i < paths_->size(); ++i) {
    const JsonPath& path = (*paths_)[i];
    if (!done_[i] && path.size() > depth && std::holds_alternative<uint64_t>(path[depth]) &&
        SameTree(path, depth)) {
      wanted.push_back(i);
    }
  }
  if (wanted.empty()) return FindBlockEnd(p, end);
  // Looking into an array goes a level down, and the bracket that closes it comes up again; where an element
  // is broken the search goes on from there.
  ++level_;
  uint64_t index = 0;
  p = SkipJsonSpace(p + 1, end);
  while (p < end && *p != ']') {
    const char* const element = p;
    JsonValue value;
    if (ReadJsonValue(&p, end, &value) != JsonError::kNone) return element;
    for (const size_t i : wanted) {
      const JsonPath& path = (*paths_)[i];
      if (std::get<uint64_t>(path[depth]) != index || done_[i]) continue;
      done_[i] = true;
      --left_;
      if (const auto at = Descend(path, depth + 1, element, p)) Take(i, *at, p);
    }
    if (left_ == 0) return nullptr;
    ++index;
    p = SkipJsonSpace(p, end);
    if (p == end || *p != ',') break;
    p = SkipJsonSpace(p + 1, end);
  }
  return p;
}

void JsonPathFinder::Scan(std::string_view line) {
  const char* const end = line.data() + line.size();
  const char* p = line.data();
  while (true) {
    p = FindByte(p, end, AnyOf<'"', '{', '}', '[', ']'>());
    if (p == end) return;
    switch (*p) {
      case '{':
        ++level_;
        ++p;
        break;
      case '}':
      case ']':
        --level_;
        ++p;
        break;
      case '[':
        p = OnArray(p, end);
        if (p == nullptr) return;
        break;
      default: {
        bool escaped = false;
        const char* const begin = p + 1;
        const char* const close = FindStringEnd(begin, end, &escaped);
        if (close == nullptr) return;
        p = SkipJsonSpace(close + 1, end);
        if (p == end) return;
        if (*p != ':') break;
        std::string_view key(begin, static_cast<size_t>(close - begin));
        if (escaped) {
          key_.clear();
          if (!AppendJsonUnescaped(&key_, key)) return;
          key = key_;
        }
        if (!OnKey(key, p + 1, end)) return;
        ++p;
      }
    }
  }
}

}  // namespace skald
