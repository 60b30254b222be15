#include "text/template_parser.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/go_float.h"
#include "text/go_int.h"
#include "text/template_lexer.h"

namespace skald {
namespace {

using Type = TemplateNode::Type;

constexpr int kMaxDepth = 200;  // of parentheses and blocks: the stack is finite

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

std::string TokenText(const TemplateToken& token) {
  if (token.type == TokenType::kEof) return "EOF";
  if (token.type == TokenType::kError) return token.text;
  if (token.type > TokenType::kKeyword) return "<" + token.text + ">";
  if (token.text.size() > 10) return Quoted(token.text.substr(0, 10)) + "...";
  return Quoted(token.text);
}

// The first error ends the parse: everything that returns a null node or false has set it.
class Parser {
 public:
  Parser(TemplateTree* tree, const TemplateFunctions& functions)
      : tree_(tree), functions_(functions), tokens_(LexTemplate(tree->text)) {}

  absl::Status Run() {
    TemplateNodePtr root = Make(Type::kList, 0);
    while (Ok() && Peek().type != TokenType::kEof) {
      if (Peek().type == TokenType::kLeftDelim) {
        const size_t back = at_;
        Next();
        if (NextNonSpace().type == TokenType::kDefine) {
          Definition();
          continue;
        }
        at_ = back;
      }
      TemplateNodePtr node = TextOrAction();
      if (!Ok()) break;
      if (node->type == Type::kEnd || node->type == Type::kElse) {
        Fail("unexpected " + node->ToString());
        break;
      }
      root->children.push_back(std::move(node));
    }
    if (Ok()) Add(tree_->name, std::move(root));
    return error_;
  }

 private:
  bool Ok() const { return error_.ok(); }

  // ---- tokens
  const TemplateToken& Look() {
    farthest_ = std::max(farthest_, at_);
    return tokens_[std::min(at_, tokens_.size() - 1)];
  }
  const TemplateToken& Peek() { return Look(); }
  const TemplateToken& Next() {
    const TemplateToken& token = Look();
    ++at_;
    return token;
  }
  const TemplateToken& NextNonSpace() {
    while (Look().type == TokenType::kSpace) ++at_;
    return Next();
  }
  const TemplateToken& PeekNonSpace() {
    while (Look().type == TokenType::kSpace) ++at_;
    return Look();
  }

  void Fail(const std::string& message) {
    if (!Ok()) return;
    const int line = tokens_[std::min(farthest_, tokens_.size() - 1)].line;
    error_ = InvalidArgument("template: {}:{}: {}", tree_->name, line, message);
  }
  void Unexpected(const TemplateToken& token, std::string_view context) {
    if (token.type == TokenType::kError) {
      std::string extra;
      if (action_line_ != 0 && action_line_ != token.line) {
        extra = fmt::format(" in action started at {}:{}", tree_->name, action_line_);
        if (token.text.ends_with(" action")) extra = extra.substr(std::string_view(" in action").size());
      }
      Fail(token.text + extra);
      return;
    }
    Fail(fmt::format("unexpected {} in {}", TokenText(token), context));
  }
  bool Expect(TokenType type, std::string_view context) {
    const TemplateToken& token = NextNonSpace();
    if (token.type != type) Unexpected(token, context);
    return Ok();
  }

  TemplateNodePtr Make(Type type, size_t pos) {
    auto node = std::make_unique<TemplateNode>();
    node->type = type;
    node->pos = pos;
    return node;
  }

  // ---- statements
  void Add(const std::string& name, TemplateNodePtr list) {
    const auto is_empty = [](const TemplateNode& node) {
      return std::all_of(node.children.begin(), node.children.end(), [](const TemplateNodePtr& child) {
        return child->type == Type::kText &&
               child->text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
      });
    };
    TemplateNodePtr& known = tree_->templates[name];
    if (known == nullptr || is_empty(*known)) {
      known = std::move(list);
    } else if (!is_empty(*list)) {
      Fail(fmt::format("template: multiple definition of template {}", Quoted(name)));
    }
  }

  std::string TemplateName(const TemplateToken& token, std::string_view context) {
    std::string out;
    if (token.type == TokenType::kString || token.type == TokenType::kRawString) {
      if (!Unquote(token, &out)) Fail("invalid syntax");
    } else {
      Unexpected(token, context);
    }
    return out;
  }

  // The body of a template of its own, up to its end.
  void NamedBody(const std::string& name, std::string_view context) {
    std::vector<std::string> outer_variables = std::exchange(variables_, {"$"});
    const int outer_ranges = std::exchange(ranges_, 0);
    TemplateNodePtr end;
    TemplateNodePtr list = ItemList(&end);
    if (Ok() && end->type != Type::kEnd) Fail(fmt::format("unexpected {} in {}", end->ToString(), context));
    if (Ok()) Add(name, std::move(list));
    variables_ = std::move(outer_variables);
    ranges_ = outer_ranges;
  }

  void Definition() {
    const std::string name = TemplateName(NextNonSpace(), "define clause");
    if (Ok() && Expect(TokenType::kRightDelim, "define clause")) NamedBody(name, "define clause");
  }

  TemplateNodePtr ItemList(TemplateNodePtr* end) {
    if (++depth_ > kMaxDepth) Fail("template is nested too deeply");
    TemplateNodePtr list = Make(Type::kList, PeekNonSpace().pos);
    while (Ok() && PeekNonSpace().type != TokenType::kEof) {
      TemplateNodePtr node = TextOrAction();
      if (!Ok()) break;
      if (node->type == Type::kEnd || node->type == Type::kElse) {
        *end = std::move(node);
        --depth_;
        return list;
      }
      list->children.push_back(std::move(node));
    }
    Fail("unexpected EOF");
    return nullptr;
  }

  TemplateNodePtr TextOrAction() {
    const TemplateToken& token = NextNonSpace();
    if (token.type == TokenType::kText) {
      TemplateNodePtr node = Make(Type::kText, token.pos);
      node->text = token.text;
      return node;
    }
    if (token.type == TokenType::kLeftDelim) {
      action_line_ = token.line;
      TemplateNodePtr node = Action();
      action_line_ = 0;
      return node;
    }
    Unexpected(token, "input");
    return nullptr;
  }

  TemplateNodePtr Action() {
    const TemplateToken& token = NextNonSpace();
    switch (token.type) {
      case TokenType::kBlock:
        return Block();
      case TokenType::kBreak:
        return LoopControl(Type::kBreak, "{{break}}", token.pos);
      case TokenType::kContinue:
        return LoopControl(Type::kContinue, "{{continue}}", token.pos);
      case TokenType::kElse: {
        const TemplateToken& peek = PeekNonSpace();
        TemplateNodePtr node = Make(Type::kElse, peek.pos);
        if (peek.type != TokenType::kIf && peek.type != TokenType::kWith)
          Expect(TokenType::kRightDelim, "else");
        return node;
      }
      case TokenType::kEnd: {
        Expect(TokenType::kRightDelim, "end");
        return Make(Type::kEnd, token.pos);
      }
      case TokenType::kIf:
        return Control(Type::kIf, "if", token.pos);
      case TokenType::kRange:
        return Control(Type::kRange, "range", token.pos);
      case TokenType::kWith:
        return Control(Type::kWith, "with", token.pos);
      case TokenType::kTemplate: {
        const TemplateToken& name_token = NextNonSpace();
        TemplateNodePtr node = Make(Type::kTemplate, name_token.pos);
        node->text = TemplateName(name_token, "template clause");
        if (!Ok()) return nullptr;
        if (NextNonSpace().type != TokenType::kRightDelim) {
          --at_;
          node->pipe = Pipeline("template clause", TokenType::kRightDelim);
        }
        return node;
      }
      default:
        break;
    }
    --at_;
    TemplateNodePtr node = Make(Type::kAction, Peek().pos);
    node->pipe = Pipeline("command", TokenType::kRightDelim);
    return node;
  }

  TemplateNodePtr LoopControl(Type type, const std::string& name, size_t pos) {
    const TemplateToken& token = NextNonSpace();
    if (token.type != TokenType::kRightDelim) Unexpected(token, name);
    if (ranges_ == 0) Fail(name + " outside {{range}}");
    return Make(type, pos);
  }

  TemplateNodePtr Block() {
    const TemplateToken& token = NextNonSpace();
    TemplateNodePtr node = Make(Type::kTemplate, token.pos);
    node->text = TemplateName(token, "block clause");
    if (Ok()) node->pipe = Pipeline("block clause", TokenType::kRightDelim);
    if (Ok()) NamedBody(node->text, "block clause");
    return node;
  }

  TemplateNodePtr Control(Type type, std::string_view context, size_t pos) {
    const size_t variables = variables_.size();
    TemplateNodePtr node = Make(type, pos);
    node->pipe = Pipeline(context, TokenType::kRightDelim);
    if (!Ok()) return nullptr;
    if (type == Type::kRange) ++ranges_;
    TemplateNodePtr end;
    node->body = ItemList(&end);
    if (type == Type::kRange) --ranges_;
    if (!Ok()) return nullptr;
    if (end->type == Type::kElse) {
      const TokenType again = type == Type::kIf ? TokenType::kIf : TokenType::kWith;
      if (type != Type::kRange && Peek().type == again) {
        Next();
        node->other = Make(Type::kList, end->pos);
        if (++depth_ > kMaxDepth) Fail("template is nested too deeply");
        TemplateNodePtr chained = Ok() ? Control(type, context, end->pos) : nullptr;
        --depth_;
        if (!Ok()) return nullptr;
        node->other->children.push_back(std::move(chained));
      } else {
        node->other = ItemList(&end);
        if (Ok() && end->type != Type::kEnd) Fail("expected end; found " + end->ToString());
      }
    }
    variables_.resize(variables);
    return node;
  }

  // ---- pipelines
  TemplateNodePtr MakeVariable(const TemplateToken& token) {
    TemplateNodePtr node = Make(Type::kVariable, token.pos);
    node->idents = {token.text};
    return node;
  }

  TemplateNodePtr Pipeline(std::string_view context, TokenType end) {
    if (++depth_ > kMaxDepth) Fail("template is nested too deeply");
    TemplateNodePtr pipe = Make(Type::kPipe, PeekNonSpace().pos);
    if (!Ok() || !Declarations(context, pipe.get())) return nullptr;
    while (Ok()) {
      const TemplateToken& token = NextNonSpace();
      if (token.type == end) {
        CheckPipeline(*pipe, context);
        --depth_;
        return pipe;
      }
      switch (token.type) {
        case TokenType::kBool:
        case TokenType::kCharConstant:
        case TokenType::kDot:
        case TokenType::kField:
        case TokenType::kIdentifier:
        case TokenType::kNumber:
        case TokenType::kNil:
        case TokenType::kRawString:
        case TokenType::kString:
        case TokenType::kVariable:
        case TokenType::kLeftParen: {
          --at_;
          TemplateNodePtr command = Command();
          if (Ok()) pipe->children.push_back(std::move(command));
          break;
        }
        default:
          Unexpected(token, context);
      }
    }
    return nullptr;
  }

  bool Declarations(std::string_view context, TemplateNode* pipe) {
    while (PeekNonSpace().type == TokenType::kVariable) {
      const size_t back = at_;
      const TemplateToken& variable = Next();
      const TemplateToken& next = PeekNonSpace();
      if (next.type == TokenType::kAssign || next.type == TokenType::kDeclare) {
        pipe->assigns = next.type == TokenType::kAssign;
        Next();
        pipe->variables.push_back(MakeVariable(variable));
        variables_.push_back(variable.text);
        return true;
      }
      if (next.type != TokenType::kChar || next.text != ",") {
        at_ = back;
        return true;
      }
      Next();
      pipe->variables.push_back(MakeVariable(variable));
      variables_.push_back(variable.text);
      if (context != "range" || pipe->variables.size() >= 2) {
        Fail(fmt::format("too many declarations in {}", context));
        return false;
      }
      const TokenType then = PeekNonSpace().type;
      if (then != TokenType::kVariable && then != TokenType::kRightDelim && then != TokenType::kRightParen) {
        Fail("range can only initialize variables");
        return false;
      }
    }
    return true;
  }

  void CheckPipeline(const TemplateNode& pipe, std::string_view context) {
    if (pipe.children.empty()) Fail(fmt::format("missing value for {}", context));
    for (size_t i = 1; i < pipe.children.size(); ++i) {
      const Type type = pipe.children[i]->children[0]->type;
      if (type == Type::kBool || type == Type::kDot || type == Type::kNil || type == Type::kNumber ||
          type == Type::kString) {
        Fail(fmt::format("non executable command in pipeline stage {}", i + 1));
      }
    }
  }

  TemplateNodePtr Command() {
    TemplateNodePtr command = Make(Type::kCommand, PeekNonSpace().pos);
    while (true) {
      PeekNonSpace();
      TemplateNodePtr operand = Operand();
      if (!Ok()) return nullptr;
      if (operand != nullptr) command->children.push_back(std::move(operand));
      const TemplateToken& token = Next();
      if (token.type == TokenType::kSpace) continue;
      if (token.type == TokenType::kRightDelim || token.type == TokenType::kRightParen) {
        --at_;
      } else if (token.type != TokenType::kPipe) {
        Unexpected(token, "operand");
      }
      break;
    }
    if (command->children.empty()) Fail("empty command");
    return command;
  }

  TemplateNodePtr Operand() {
    TemplateNodePtr node = Term();
    if (node == nullptr || Peek().type != TokenType::kField) return node;
    const size_t pos = Peek().pos;
    std::vector<std::string> fields;
    while (Peek().type == TokenType::kField) fields.push_back(Next().text.substr(1));
    switch (node->type) {
      case Type::kField:
      case Type::kVariable:
        node->pos = pos;
        node->idents.insert(node->idents.end(), fields.begin(), fields.end());
        return node;
      case Type::kBool:
      case Type::kString:
      case Type::kNumber:
      case Type::kNil:
      case Type::kDot:
        Fail("unexpected . after term " + Quoted(node->ToString()));
        return nullptr;
      default: {
        TemplateNodePtr chain = Make(Type::kChain, pos);
        chain->children.push_back(std::move(node));
        chain->idents = std::move(fields);
        return chain;
      }
    }
  }

  static bool Unquote(const TemplateToken& token, std::string* out) {
    const std::string_view inner = std::string_view(token.text).substr(1, token.text.size() - 2);
    if (token.type != TokenType::kRawString) return UnquoteGo(inner, token.text[0], out);
    *out = inner;
    std::erase(*out, '\r');
    return true;
  }

  // Null, and no error, where no term begins.
  TemplateNodePtr Term() {
    const TemplateToken& token = NextNonSpace();
    switch (token.type) {
      case TokenType::kIdentifier: {
        TemplateNodePtr node = Make(Type::kIdentifier, token.pos);
        node->text = token.text;
        const auto it = functions_.find(token.text);
        if (it == functions_.end()) {
          Fail(fmt::format("function {} not defined", Quoted(token.text)));
          return nullptr;
        }
        node->function = &it->second;
        return node;
      }
      case TokenType::kDot:
        return Make(Type::kDot, token.pos);
      case TokenType::kNil:
        return Make(Type::kNil, token.pos);
      case TokenType::kVariable:
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
          Fail(fmt::format("undefined variable {}", Quoted(token.text)));
          return nullptr;
        }
        return MakeVariable(token);
      case TokenType::kField: {
        TemplateNodePtr node = Make(Type::kField, token.pos);
        node->idents = {token.text.substr(1)};
        return node;
      }
      case TokenType::kBool: {
        TemplateNodePtr node = Make(Type::kBool, token.pos);
        node->text = token.text;
        node->value = TemplateValue::Bool(token.text == "true");
        return node;
      }
      case TokenType::kCharConstant:
      case TokenType::kNumber:
        return Number(token);
      case TokenType::kLeftParen:
        return Pipeline("parenthesized pipeline", TokenType::kRightParen);
      case TokenType::kString:
      case TokenType::kRawString: {
        TemplateNodePtr node = Make(Type::kString, token.pos);
        node->quoted = token.text;
        if (!Unquote(token, &node->text)) Fail("invalid syntax");
        node->value = TemplateValue::String(node->text);
        return node;
      }
      default:
        break;
    }
    --at_;
    return nullptr;
  }

  TemplateNodePtr Number(const TemplateToken& token) {
    TemplateNodePtr node = Make(Type::kNumber, token.pos);
    node->text = token.text;
    if (token.type == TokenType::kCharConstant) {
      std::string text;
      if (!Unquote(token, &text) || CountRunes(text) != 1) {
        Fail("malformed character constant: " + token.text);
        return nullptr;
      }
      node->int_value = static_cast<int64_t>(DecodeRune(text).rune);
      node->is_int = node->is_float = true;
      node->float_value = static_cast<double>(node->int_value);
      node->value = TemplateValue::Int(node->int_value);
      return node;
    }
    const bool looks_float = token.text.find_first_of(".eEpP") != std::string::npos;
    const bool hex = token.text.find_first_of("xX") != std::string::npos;
    if (const auto whole = ParseGoInt(token.text)) {
      node->is_int = node->is_float = true;
      node->int_value = *whole;
      node->float_value = static_cast<double>(*whole);
    } else if (double value = 0; TryParseGoFloat(token.text, &value)) {
      if (!looks_float) {
        Fail("integer overflow: " + Quoted(token.text));
        return nullptr;
      }
      node->is_float = true;
      node->float_value = value;
      if (value >= -9.2e18 && value <= 9.2e18 && static_cast<double>(static_cast<int64_t>(value)) == value) {
        node->is_int = true;
        node->int_value = static_cast<int64_t>(value);
      }
    } else {
      Fail("illegal number syntax: " + Quoted(token.text));
      return nullptr;
    }
    const bool as_float = looks_float && !(hex && token.text.find_first_of("pP") == std::string::npos);
    node->value = as_float ? TemplateValue::Float(node->float_value) : TemplateValue::Int(node->int_value);
    return node;
  }

  TemplateTree* const tree_;
  const TemplateFunctions& functions_;
  const std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  size_t farthest_ = 0;
  std::vector<std::string> variables_ = {"$"};
  int ranges_ = 0;
  int depth_ = 0;
  int action_line_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const TemplateTree>> ParseTemplate(std::string_view name,
                                                                  std::string_view text,
                                                                  const TemplateFunctions& functions) {
  auto tree = std::make_unique<TemplateTree>();
  tree->name = name;
  tree->text = text;
  RETURN_IF_ERROR(Parser(tree.get(), functions).Run());
  return tree;
}

}  // namespace skald
