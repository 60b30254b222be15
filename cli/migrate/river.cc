#include "cli/migrate/river.h"

#include <cctype>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::cli {
namespace {

constexpr int kMaxDepth = 64;

struct Token {
  enum class Kind { kEnd, kNewline, kName, kString, kNumber, kSign };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 0;
};

class Lexer {
 public:
  Lexer(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  absl::StatusOr<std::vector<Token>> All() {
    std::vector<Token> out;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        out.push_back({Token::Kind::kNewline, "\n", line_++});
        ++at_;
      } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (text_.substr(at_, 2) == "/*") {
        const size_t end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return Wrong("a comment that does not end");
        Skip(end + 2);
      } else if (c == '"') {
        RETURN_IF_ERROR(Quoted(&out));
      } else if (c == '`') {
        const size_t end = text_.find('`', at_ + 1);
        if (end == std::string_view::npos) return Wrong("a text that does not end");
        out.push_back({Token::Kind::kString, std::string(text_.substr(at_ + 1, end - at_ - 1)), line_});
        Skip(end + 1);
      } else if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_') {
        out.push_back({Token::Kind::kName, Run(), line_});
      } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
        out.push_back({Token::Kind::kNumber, Run(), line_});
      } else {
        out.push_back({Token::Kind::kSign, std::string(1, c), line_});
        ++at_;
      }
    }
    out.push_back({Token::Kind::kEnd, "", line_});
    return out;
  }

 private:
  absl::Status Wrong(std::string_view what) const { return InvalidArgument("{}:{}: {}", name_, line_, what); }

  void Skip(size_t end) {
    for (; at_ < end; ++at_) {
      if (text_[at_] == '\n') ++line_;
    }
  }

  std::string Run() {
    const size_t begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') break;
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  absl::Status Quoted(std::vector<Token>* out) {
    const size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\n') at_ += text_[at_] == '\\' ? 2 : 1;
    std::string value;
    if (at_ >= text_.size() || text_[at_] != '"') return Wrong("a text that does not end");
    if (!UnquoteGo(text_.substr(begin, at_ - begin), '"', &value))
      return Wrong("a text with a wrong \\ sequence");
    ++at_;
    out->push_back({Token::Kind::kString, std::move(value), line_});
    return absl::OkStatus();
  }

  const std::string_view text_;
  const std::string_view name_;
  size_t at_ = 0;
  int line_ = 1;
};

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view name) : tokens_(std::move(tokens)), name_(name) {}

  absl::Status Body(bool is_file, int depth, RiverBlock* out) {
    if (depth > kMaxDepth) return Wrong("blocks nested too deep");
    while (true) {
      SkipNewlines();
      if (Now().kind == Token::Kind::kEnd)
        return is_file ? absl::OkStatus() : Wrong("a block that does not end");
      if (!is_file && TakeSign('}')) return absl::OkStatus();
      if (Now().kind != Token::Kind::kName) return Wrong("a name was expected, not " + Now().text);
      const Token name = Take();
      if (TakeSign('=')) {
        ASSIGN_OR_RETURN(RiverValue value, Value(depth + 1));
        out->attributes.emplace_back(name.text, std::move(value));
        continue;
      }
      RiverBlock block;
      block.name = name.text;
      block.line = name.line;
      if (Now().kind == Token::Kind::kString) block.label = Take().text;
      if (!TakeSign('{')) return Wrong("a { or = was expected behind " + name.text);
      RETURN_IF_ERROR(Body(false, depth + 1, &block));
      out->blocks.push_back(std::move(block));
    }
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  Token Take() { return Now().kind == Token::Kind::kEnd ? tokens_[at_] : tokens_[at_++]; }
  bool TakeSign(char sign) {
    if (Now().kind != Token::Kind::kSign || Now().text[0] != sign) return false;
    ++at_;
    return true;
  }
  void SkipNewlines() {
    while (Now().kind == Token::Kind::kNewline) ++at_;
  }
  absl::Status Wrong(std::string_view what) const {
    return InvalidArgument("{}:{}: {}", name_, Now().line, what);
  }

  // One operand, and whatever is computed with it up to the end of the line.
  absl::StatusOr<RiverValue> Value(int depth) {
    SkipNewlines();
    ASSIGN_OR_RETURN(RiverValue value, Operand(depth));
    constexpr std::string_view kOperators = "+-*/%<>!&|=?^";
    while (Now().kind == Token::Kind::kSign && kOperators.find(Now().text[0]) != std::string_view::npos) {
      value.kind = RiverValue::Kind::kExpression;
      while (Now().kind == Token::Kind::kSign && kOperators.find(Now().text[0]) != std::string_view::npos)
        Take();
      SkipNewlines();
      RETURN_IF_ERROR(Operand(depth).status());
    }
    return value;
  }

  absl::StatusOr<RiverValue> Operand(int depth) {
    if (depth > kMaxDepth) return Wrong("values nested too deep");
    RiverValue out;
    out.line = Now().line;
    if (TakeSign('-')) {
      ASSIGN_OR_RETURN(out, Operand(depth + 1));
      out.text = "-" + out.text;
      return out;
    }
    if (TakeSign('!')) {
      ASSIGN_OR_RETURN(out, Operand(depth + 1));
      out.kind = RiverValue::Kind::kExpression;
      return out;
    }
    if (TakeSign('(')) {
      ASSIGN_OR_RETURN(out, Value(depth + 1));
      SkipNewlines();
      if (!TakeSign(')')) return Wrong("a ) was expected");
      return out;
    }
    if (TakeSign('[')) return List(depth, std::move(out));
    if (TakeSign('{')) return Map(depth, std::move(out));
    const Token token = Take();
    out.text = token.text;
    if (token.kind == Token::Kind::kString || token.kind == Token::Kind::kNumber) return out;
    if (token.kind != Token::Kind::kName) return Wrong("a value was expected, not " + token.text);
    if (token.text == "true" || token.text == "false" || token.text == "null") return out;
    out.kind = RiverValue::Kind::kReference;
    return Suffixes(depth, std::move(out));
  }

  // name["key"], name(arguments).
  absl::StatusOr<RiverValue> Suffixes(int depth, RiverValue out) {
    while (true) {
      if (TakeSign('(')) {
        std::vector<RiverValue> arguments;
        while (true) {
          SkipNewlines();
          if (TakeSign(')')) break;
          ASSIGN_OR_RETURN(RiverValue argument, Value(depth + 1));
          arguments.push_back(std::move(argument));
          SkipNewlines();
          if (TakeSign(',')) continue;
          if (!TakeSign(')')) return Wrong("a , or ) was expected");
          break;
        }
        if ((out.text == "sys.env" || out.text == "env") && arguments.size() == 1) {
          out.kind = RiverValue::Kind::kText;
          out.text = "${" + arguments[0].text + "}";
        } else if (out.text == "concat" || out.text == "array.concat") {
          out.kind = RiverValue::Kind::kList;
          out.list = std::move(arguments);
        } else {
          out.kind = RiverValue::Kind::kExpression;
        }
      } else if (TakeSign('[')) {
        ASSIGN_OR_RETURN(const RiverValue index, Value(depth + 1));
        if (!TakeSign(']')) return Wrong("a ] was expected");
        out.text += "." + index.text;
      } else if (TakeSign('.')) {
        out.text += "." + Take().text;
      } else {
        return out;
      }
    }
  }

  absl::StatusOr<RiverValue> List(int depth, RiverValue out) {
    out.kind = RiverValue::Kind::kList;
    while (true) {
      SkipNewlines();
      if (TakeSign(']')) return out;
      ASSIGN_OR_RETURN(RiverValue value, Value(depth + 1));
      out.list.push_back(std::move(value));
      SkipNewlines();
      if (TakeSign(',')) continue;
      if (!TakeSign(']')) return Wrong("a , or ] was expected");
      return out;
    }
  }

  absl::StatusOr<RiverValue> Map(int depth, RiverValue out) {
    out.kind = RiverValue::Kind::kMap;
    while (true) {
      SkipNewlines();
      if (TakeSign('}')) return out;
      if (Now().kind != Token::Kind::kName && Now().kind != Token::Kind::kString)
        return Wrong("a key was expected, not " + Now().text);
      std::string key = Take().text;
      if (!TakeSign('=')) return Wrong("a = was expected behind " + key);
      ASSIGN_OR_RETURN(RiverValue value, Value(depth + 1));
      out.map.emplace_back(std::move(key), std::move(value));
      SkipNewlines();
      if (TakeSign(',')) continue;
      if (!TakeSign('}')) return Wrong("a , or } was expected");
      return out;
    }
  }

  const std::vector<Token> tokens_;
  const std::string_view name_;
  size_t at_ = 0;
};

const RiverValue* FindIn(const std::vector<std::pair<std::string, RiverValue>>& all, std::string_view key) {
  for (const auto& [name, value] : all) {
    if (name == key) return &value;
  }
  return nullptr;
}

}  // namespace

const RiverValue* RiverValue::Find(std::string_view key) const { return FindIn(map, key); }
const RiverValue* RiverBlock::Find(std::string_view attribute) const { return FindIn(attributes, attribute); }

absl::StatusOr<std::vector<RiverBlock>> ParseRiver(std::string_view text, std::string_view name) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Lexer(text, name).All());
  RiverBlock file;
  RETURN_IF_ERROR(Parser(std::move(tokens), name).Body(true, 0, &file));
  return std::move(file.blocks);
}

}  // namespace skald::cli
