// Runs a template's tree.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template_parser.h"

namespace skald {

// One execution. Every Eval and Walk that returns false has set the status.
class TemplateExecutor {
 public:
  // All must outlive it.
  TemplateExecutor(const TemplateTree& tree, const TemplateData& data, std::string* out)
      : tree_(tree), data_(data), out_(out), out_begin_(out->size()) {}

  absl::Status Run(const TemplateValue& dot);

 private:
  using Value = TemplateValue;
  using Node = TemplateNode;
  enum class Flow { kNext, kBreak, kContinue, kFailed };

  Flow Walk(const Value& dot, const Node& node);
  Flow WalkBranch(const Value& dot, const Node& node);
  Flow WalkRange(const Value& dot, const Node& node);
  Flow WalkTemplate(const Value& dot, const Node& node);

  bool EvalPipe(const Value& dot, const Node& pipe, Value* out);
  bool EvalCommand(const Value& dot, const Node& command, const Value* last, Value* out);
  // owner: what errors of a call speak of; args: the command's, the function or field included; last: the
  // piped value or null.
  bool EvalFields(const Value& dot, Value receiver, const Node& owner, size_t first, size_t arg_count,
                  bool has_last, Value* out);
  bool EvalField(const std::string& name, const Value& receiver, bool has_args, const Node& owner,
                 Value* out);
  bool EvalFunction(const Value& dot, const Node& function, const Node& owner,
                    const std::vector<TemplateNodePtr>* args, const Value* last, Value* out);
  bool EvalArg(const Value& dot, TemplateType type, const Node& node, Value* out);
  bool EvalAny(const Value& dot, const Node& node, Value* out);  // a node that is not a constant
  bool Validate(TemplateType type, Value* value);
  bool NotAFunction(const Node& command, bool has_last);

  Value* FindVariable(std::string_view name);
  bool Spend(size_t steps = 1);
  bool SpendText(const Value& value);  // for looking at all of it
  bool Fail(const std::string& message);

  const TemplateTree& tree_;
  const TemplateData& data_;
  std::string* const out_;
  const size_t out_begin_;
  std::vector<std::pair<std::string_view, Value>> variables_;
  const Node* node_ = nullptr;  // that errors point at
  std::string_view template_name_;
  size_t steps_ = 0;
  int depth_ = 0;
  absl::Status status_;
};

}  // namespace skald
