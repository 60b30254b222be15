#include "text/template_exec.h"

#include <algorithm>

#include "base/error.h"
#include "base/labels.h"
#include "text/template_time.h"

namespace skald {
namespace {

using Kind = TemplateValue::Kind;
using Type = TemplateNode::Type;

// A template of a query runs on each line: these bound what a bad one costs.
constexpr size_t kMaxSteps = 1'000'000;
// Reading or making so much text is a step of its own: functions take time by the length of their arguments.
constexpr size_t kBytesPerStep = 16;
constexpr size_t kMaxOutput = 32 << 20;
constexpr int kMaxDepth = 100;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

std::string Text(const TemplateValue& value) {
  std::string out;
  value.Print(&out);
  return out;
}

std::string_view NameOf(TemplateType type) {
  switch (type) {
    case TemplateType::kAny:
      return "interface {}";
    case TemplateType::kBool:
      return "bool";
    case TemplateType::kInt:
      return "int";
    case TemplateType::kFloat:
      return "float64";
    case TemplateType::kString:
      return "string";
    case TemplateType::kTime:
      return "time.Time";
  }
  return "";
}

bool Matches(TemplateType type, Kind kind) {
  switch (type) {
    case TemplateType::kAny:
      return true;
    case TemplateType::kBool:
      return kind == Kind::kBool;
    case TemplateType::kInt:
      return kind == Kind::kInt;
    case TemplateType::kFloat:
      return kind == Kind::kFloat;
    case TemplateType::kString:
      return kind == Kind::kString;
    case TemplateType::kTime:
      return kind == Kind::kTime;
  }
  return false;
}

}  // namespace

absl::Status TemplateExecutor::Run(const TemplateValue& dot) {
  template_name_ = tree_.name;
  variables_.emplace_back("$", dot);
  Walk(dot, *tree_.templates.find(tree_.name)->second);
  return status_;
}

bool TemplateExecutor::Fail(const std::string& message) {
  if (!status_.ok()) return false;
  if (node_ == nullptr) {
    status_ = InvalidArgument("template: {}: {}", template_name_, message);
    return false;
  }
  const std::string_view before = std::string_view(tree_.text).substr(0, node_->pos);
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
  status_ = InvalidArgument("template: {}:{}:{}: executing {} at <{}>: {}", tree_.name,
                            1 + std::count(before.begin(), before.end(), '\n'), column,
                            Quoted(template_name_), node_->ToString(), message);
  return false;
}

bool TemplateExecutor::Spend(size_t steps) {
  steps_ += steps;
  if (steps_ > kMaxSteps) return Fail("template takes too many steps");
  if (out_->size() - out_begin_ > kMaxOutput) return Fail("template output is too large");
  return true;
}

TemplateValue* TemplateExecutor::FindVariable(std::string_view name) {
  for (size_t i = variables_.size(); i-- > 0;) {
    if (variables_[i].first == name) return &variables_[i].second;
  }
  Fail("undefined variable: " + std::string(name));
  return nullptr;
}

TemplateExecutor::Flow TemplateExecutor::Walk(const Value& dot, const Node& node) {
  node_ = &node;
  switch (node.type) {
    case Type::kList:
      for (const TemplateNodePtr& child : node.children) {
        if (const Flow flow = Walk(dot, *child); flow != Flow::kNext) return flow;
      }
      return Flow::kNext;
    case Type::kText:
      out_->append(node.text);
      return Spend() ? Flow::kNext : Flow::kFailed;
    case Type::kAction: {
      if (!Spend()) return Flow::kFailed;
      if (dot.kind() == Kind::kData) {
        if (const std::string* field = node.PlainField()) {
          out_->append(dot.as_data().Lookup(*field).value_or(std::string_view()));
          return Flow::kNext;
        }
      }
      Value value;
      if (!EvalPipe(dot, *node.pipe, &value)) return Flow::kFailed;
      if (node.pipe->variables.empty()) value.Print(out_);
      return Flow::kNext;
    }
    case Type::kIf:
    case Type::kWith:
      return WalkBranch(dot, node);
    case Type::kRange:
      return WalkRange(dot, node);
    case Type::kTemplate:
      return WalkTemplate(dot, node);
    case Type::kBreak:
      return Flow::kBreak;
    case Type::kContinue:
      return Flow::kContinue;
    default:
      break;
  }
  Fail("unknown node: " + node.ToString());
  return Flow::kFailed;
}

bool TemplateExecutor::SpendText(const Value& value) {
  return value.kind() != Kind::kString || Spend(value.as_string().size() / kBytesPerStep);
}

TemplateExecutor::Flow TemplateExecutor::WalkBranch(const Value& dot, const Node& node) {
  const size_t mark = variables_.size();
  Value value;
  if (!Spend() || !EvalPipe(dot, *node.pipe, &value)) return Flow::kFailed;
  Flow flow = Flow::kNext;
  if (value.IsTrue()) {
    flow = Walk(node.type == Type::kWith ? value : dot, *node.body);
  } else if (node.other != nullptr) {
    flow = Walk(dot, *node.other);
  }
  variables_.resize(mark);
  return flow;
}

TemplateExecutor::Flow TemplateExecutor::WalkRange(const Value& dot, const Node& node) {
  const size_t outer = variables_.size();
  Value over;
  if (!Spend() || !EvalPipe(dot, *node.pipe, &over)) return Flow::kFailed;
  const size_t mark = variables_.size();
  const std::vector<TemplateNodePtr>& names = node.pipe->variables;
  bool any = false;
  Flow end = Flow::kNext;
  // False: the loop ends.
  const auto once = [&](const Value& index, const Value& element) {
    any = true;
    if (!Spend()) {
      end = Flow::kFailed;
      return false;
    }
    if (node.pipe->assigns) {
      if (!names.empty()) {
        Value* first = FindVariable(names[0]->idents[0]);
        if (first != nullptr) *first = names.size() > 1 ? index : element;
      }
      if (names.size() > 1) {
        Value* second = FindVariable(names[1]->idents[0]);
        if (second != nullptr) *second = element;
      }
    } else if (!names.empty()) {
      variables_[mark - 1].second = element;
      if (names.size() > 1) variables_[mark - 2].second = index;
    }
    end = Walk(element, *node.body);
    variables_.resize(mark);
    return end == Flow::kNext || end == Flow::kContinue;
  };
  switch (over.kind()) {
    case Kind::kList:
      for (size_t i = 0; i < over.as_list().size(); ++i) {
        if (!once(Value::Int(static_cast<int64_t>(i)), over.as_list()[i])) break;
      }
      break;
    case Kind::kMap:
      for (const auto& [key, element] : over.as_map()) {
        if (!once(Value::String(key), element)) break;
      }
      break;
    case Kind::kData: {
      std::vector<std::pair<std::string, std::string>> pairs;
      over.as_data().ForEach(
          [&](std::string_view name, std::string_view value) { pairs.emplace_back(name, value); });
      std::sort(pairs.begin(), pairs.end());
      for (const auto& [name, value] : pairs) {
        if (!once(Value::String(name), Value::String(value))) break;
      }
      break;
    }
    case Kind::kInt:
    case Kind::kInt64:
    case Kind::kUint8:
      if (names.size() > 1) {
        Fail("can't use " + Text(over) + " to iterate over more than one variable");
        return Flow::kFailed;
      }
      for (int64_t i = 0; i < over.as_int(); ++i) {
        if (!once(Value(), over.kind() == Kind::kInt ? Value::Int(i) : Value::Int64(i))) break;
      }
      break;
    case Kind::kInvalid:
    case Kind::kNil:
      break;
    default:
      Fail("range can't iterate over " + Text(over));
      return Flow::kFailed;
  }
  if (end == Flow::kFailed) return end;
  Flow flow = Flow::kNext;
  if (!any && node.other != nullptr) flow = Walk(dot, *node.other);
  variables_.resize(outer);
  return flow;
}

TemplateExecutor::Flow TemplateExecutor::WalkTemplate(const Value& dot, const Node& node) {
  const auto it = tree_.templates.find(node.text);
  if (it == tree_.templates.end()) {
    Fail(fmt::format("template {} not defined", Quoted(node.text)));
    return Flow::kFailed;
  }
  if (depth_ == kMaxDepth) {
    Fail(fmt::format("exceeded maximum template depth ({})", kMaxDepth));
    return Flow::kFailed;
  }
  Value inner;
  if (!Spend() || (node.pipe != nullptr && !EvalPipe(dot, *node.pipe, &inner))) return Flow::kFailed;
  auto variables = std::exchange(variables_, {{"$", inner}});
  const std::string_view name = std::exchange(template_name_, it->first);
  ++depth_;
  const Flow flow = Walk(inner, *it->second);
  if (flow == Flow::kFailed) return flow;
  --depth_;
  template_name_ = name;
  variables_ = std::move(variables);
  return Flow::kNext;
}

bool TemplateExecutor::EvalPipe(const Value& dot, const Node& pipe, Value* out) {
  node_ = &pipe;
  Value value;
  const Value* last = nullptr;
  for (const TemplateNodePtr& command : pipe.children) {
    Value next;
    if (!EvalCommand(dot, *command, last, &next)) return false;
    value = std::move(next);
    value.Unbox();
    last = &value;
  }
  for (const TemplateNodePtr& variable : pipe.variables) {
    if (pipe.assigns) {
      Value* known = FindVariable(variable->idents[0]);
      if (known == nullptr) return false;
      *known = value;
    } else {
      variables_.emplace_back(variable->idents[0], value);
    }
  }
  *out = std::move(value);
  return true;
}

bool TemplateExecutor::NotAFunction(const Node& command, bool has_last) {
  if (command.children.size() == 1 && !has_last) return true;
  return Fail("can't give argument to non-function " + command.children[0]->ToString());
}

bool TemplateExecutor::EvalCommand(const Value& dot, const Node& command, const Value* last, Value* out) {
  if (!Spend()) return false;
  const Node& first = *command.children[0];
  const bool has_last = last != nullptr;
  const size_t count = command.children.size();
  switch (first.type) {
    case Type::kField:
      node_ = &first;
      return EvalFields(dot, dot, first, 0, count, has_last, out);
    case Type::kVariable: {
      node_ = &first;
      const Value* value = FindVariable(first.idents[0]);
      if (value == nullptr) return false;
      if (first.idents.size() > 1) return EvalFields(dot, *value, first, 1, count, has_last, out);
      *out = *value;
      return SpendText(*out) && NotAFunction(command, has_last);
    }
    case Type::kChain: {
      node_ = &first;
      if (first.children[0]->type == Type::kNil)
        return Fail("indirection through explicit nil in " + first.ToString());
      Value receiver;
      if (!EvalAny(dot, *first.children[0], &receiver)) return false;
      // Methods of times are the only fields that take arguments.
      if (receiver.kind() == Kind::kTime && count + (has_last ? 1 : 0) == 2 && first.idents.size() == 1) {
        Value argument;
        if (has_last) {
          argument = *last;
          if (!Validate(TemplateType::kString, &argument)) return false;
        } else if (!EvalArg(dot, TemplateType::kString, *command.children[1], &argument)) {
          return false;
        }
        if (CallTimeMethod(receiver.as_time(), first.idents[0], &argument.as_string(), out)) return true;
      }
      return EvalFields(dot, std::move(receiver), first, 0, count, has_last, out);
    }
    case Type::kIdentifier:
      return EvalFunction(dot, first, command, &command.children, last, out);
    case Type::kPipe:
      return NotAFunction(command, has_last) && EvalPipe(dot, first, out);
    default:
      break;
  }
  node_ = &first;
  if (!NotAFunction(command, has_last)) return false;
  if (first.type == Type::kNil) return Fail("nil is not a command");
  *out = first.type == Type::kDot ? dot : first.value;
  return true;
}

bool TemplateExecutor::EvalFields(const Value&, Value receiver, const Node& owner, size_t first,
                                  size_t arg_count, bool has_last, Value* out) {
  for (size_t i = first; i < owner.idents.size(); ++i) {
    const bool has_args = i + 1 == owner.idents.size() && (arg_count > 1 || has_last);
    Value next;
    if (!EvalField(owner.idents[i], receiver, has_args, owner, &next)) return false;
    receiver = std::move(next);
  }
  *out = std::move(receiver);
  return true;
}

bool TemplateExecutor::EvalField(const std::string& name, const Value& receiver, bool has_args, const Node&,
                                 Value* out) {
  *out = Value();
  switch (receiver.kind()) {
    case Kind::kInvalid:
      return true;
    case Kind::kNil:
      return Fail("nil pointer evaluating interface {}." + name);
    case Kind::kMap:
    case Kind::kData: {
      if (has_args) return Fail(name + " is not a method but has arguments");
      if (receiver.kind() == Kind::kData) {
        *out = Value::String(receiver.as_data().Lookup(name).value_or(std::string_view()));
        return true;
      }
      const auto it = receiver.as_map().find(name);
      *out = it == receiver.as_map().end() ? Value::Nil() : it->second;
      return true;
    }
    case Kind::kTime:
      if (CallTimeMethod(receiver.as_time(), name, nullptr, out)) return true;
      break;
    default:
      break;
  }
  return Fail(fmt::format("can't evaluate field {} in type {}", name, receiver.TypeName()));
}

bool TemplateExecutor::EvalFunction(const Value& dot, const Node& function, const Node& owner,
                                    const std::vector<TemplateNodePtr>* args, const Value* last, Value* out) {
  node_ = &function;
  const TemplateFunction& f = *function.function;
  const size_t given = args == nullptr ? 0 : args->size() - 1;
  const size_t count = given + (last != nullptr ? 1 : 0);
  const size_t fixed = f.variadic ? f.params.size() - 1 : f.params.size();
  if (f.variadic && count < fixed) {
    return Fail(
        fmt::format("wrong number of args for {}: want at least {} got {}", function.text, fixed, given));
  }
  if (!f.variadic && count != fixed) {
    return Fail(fmt::format("wrong number of args for {}: want {} got {}", function.text, fixed, count));
  }
  const auto type_of = [&](size_t i) { return i < fixed ? f.params[i] : f.params.back(); };
  // and, or: they end with the first argument that decides, and are that argument.
  if (!f.run) {
    const bool wanted = function.text == "or";
    for (size_t i = 0; i < given; ++i) {
      if (!EvalArg(dot, TemplateType::kAny, *(*args)[i + 1], out)) return false;
      if (out->IsTrue() == wanted) return true;
    }
    if (last != nullptr) *out = *last;
    return true;
  }
  std::vector<Value> values(count);
  for (size_t i = 0; i < given; ++i) {
    if (!EvalArg(dot, type_of(i), *(*args)[i + 1], &values[i])) return false;
  }
  if (last != nullptr) {
    values[given] = *last;
    if (!Validate(type_of(given), &values[given])) return false;
  }
  for (const Value& value : values) {
    if (!SpendText(value)) return false;
  }
  absl::StatusOr<Value> result = f.run(values, data_);
  if (!result.ok()) {
    node_ = &owner;
    std::string why(MessageOf(result.status()));
    // Only here is known what stands there in the place of a function.
    constexpr std::string_view kNoFunction = "non-function ";
    if (function.text == "call" && given > 0 && why.starts_with(kNoFunction)) {
      why.insert(kNoFunction.size(), (*args)[1]->ToString() + " ");
    }
    return Fail(fmt::format("error calling {}: {}", function.text, why));
  }
  *out = std::move(*result);
  return Spend() && SpendText(*out);
}

bool TemplateExecutor::EvalAny(const Value& dot, const Node& node, Value* out) {
  node_ = &node;
  switch (node.type) {
    case Type::kDot:
      *out = dot;
      return true;
    case Type::kField:
      return EvalFields(dot, dot, node, 0, 1, false, out);
    case Type::kVariable: {
      const Value* value = FindVariable(node.idents[0]);
      return value != nullptr && SpendText(*value) && EvalFields(dot, *value, node, 1, 1, false, out);
    }
    case Type::kPipe:
      return EvalPipe(dot, node, out);
    case Type::kIdentifier:
      return EvalFunction(dot, node, node, nullptr, nullptr, out);
    case Type::kChain: {
      if (node.children[0]->type == Type::kNil)
        return Fail("indirection through explicit nil in " + node.ToString());
      Value receiver;
      return EvalAny(dot, *node.children[0], &receiver) &&
             EvalFields(dot, std::move(receiver), node, 0, 1, false, out);
    }
    default:
      return Fail("can't handle " + node.ToString());
  }
}

bool TemplateExecutor::EvalArg(const Value& dot, TemplateType type, const Node& node, Value* out) {
  node_ = &node;
  switch (node.type) {
    case Type::kNil:
      if (type != TemplateType::kAny) return Fail(fmt::format("cannot assign nil to {}", NameOf(type)));
      *out = Value();
      return true;
    case Type::kBool:
    case Type::kNumber:
    case Type::kString:
      break;
    default:
      return EvalAny(dot, node, out) && Validate(type, out);
  }
  switch (type) {
    case TemplateType::kAny:
      *out = node.value;
      return true;
    case TemplateType::kBool:
      if (node.type != Type::kBool) return Fail("expected bool; found " + node.ToString());
      *out = node.value;
      return true;
    case TemplateType::kString:
      if (node.type != Type::kString) return Fail("expected string; found " + node.ToString());
      *out = node.value;
      return true;
    case TemplateType::kInt:
      if (!node.is_int) return Fail("expected integer; found " + node.ToString());
      *out = Value::Int(node.int_value);
      return true;
    case TemplateType::kFloat:
      if (!node.is_float) return Fail("expected float; found " + node.ToString());
      *out = Value::Float(node.float_value);
      return true;
    case TemplateType::kTime:
      break;
  }
  return Fail(fmt::format("can't handle {} for arg of type {}", node.ToString(), NameOf(type)));
}

bool TemplateExecutor::Validate(TemplateType type, Value* value) {
  if (value->kind() == Kind::kInvalid) {
    if (type == TemplateType::kAny) return true;
    return Fail(fmt::format("invalid value; expected {}", NameOf(type)));
  }
  if (type == TemplateType::kAny || Matches(type, value->kind())) {
    value->Unbox();
    return true;
  }
  return Fail(fmt::format("wrong type for value; expected {}; got {}", NameOf(type),
                          value->boxed() ? value->Unboxed().TypeName() : value->TypeName()));
}

}  // namespace skald
