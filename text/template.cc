#include "text/template.h"

#include "base/status_macros.h"
#include "text/template_exec.h"
#include "text/template_parser.h"

namespace skald {
namespace {

using Type = TemplateNode::Type;

void AddFields(const TemplateNode* node, std::vector<std::string>* out) {
  if (node == nullptr) return;
  if (node->type == Type::kField) out->insert(out->end(), node->idents.begin(), node->idents.end());
  if (node->type == Type::kChain || node->type == Type::kTemplate)
    return;  // the rules of hints do not look in here
  AddFields(node->pipe.get(), out);
  for (const TemplateNodePtr& child : node->children) AddFields(child.get(), out);
  AddFields(node->body.get(), out);
  AddFields(node->other.get(), out);
}

bool NodeUses(const TemplateNode* node, std::string_view function) {
  if (node == nullptr) return false;
  if (node->type == Type::kIdentifier && node->text == function) return true;
  for (const TemplateNodePtr& child : node->children) {
    if (NodeUses(child.get(), function)) return true;
  }
  return NodeUses(node->pipe.get(), function) || NodeUses(node->body.get(), function) ||
         NodeUses(node->other.get(), function);
}

}  // namespace

Template::Template(std::unique_ptr<const TemplateTree> tree,
                   std::shared_ptr<const TemplateFunctions> functions)
    : tree_(std::move(tree)), functions_(std::move(functions)) {
  for (const TemplateNodePtr& node : tree_->templates.find(tree_->name)->second->children) {
    if (node->type == Type::kText) {
      pieces_.push_back({false, node->text});
    } else if (const std::string* field = node->PlainField()) {
      pieces_.push_back({true, *field});
    } else {
      is_plain_ = false;
    }
  }
}
Template::~Template() = default;

absl::StatusOr<std::shared_ptr<const Template>> Template::Parse(
    std::string_view name, std::string_view text, std::shared_ptr<const TemplateFunctions> functions) {
  ASSIGN_OR_RETURN(std::unique_ptr<const TemplateTree> tree, ParseTemplate(name, text, *functions));
  return std::shared_ptr<const Template>(new Template(std::move(tree), std::move(functions)));
}

absl::Status Template::Execute(const TemplateData& data, std::string* out) const {
  if (!is_plain_) return Execute(TemplateValue::Data(&data), data, out);
  for (const Piece& piece : pieces_) {
    out->append(piece.is_field ? data.Lookup(piece.text).value_or(std::string_view()) : piece.text);
  }
  return absl::OkStatus();
}

absl::Status Template::Execute(const TemplateValue& dot, const TemplateData& data, std::string* out) const {
  return TemplateExecutor(*tree_, data, out).Run(dot);
}

std::vector<std::string> Template::Fields() const {
  std::vector<std::string> out;
  AddFields(tree_->templates.find(tree_->name)->second.get(), &out);
  return out;
}

std::string_view Template::OnlyField() const {
  return is_plain_ && pieces_.size() == 1 && pieces_[0].is_field ? pieces_[0].text : std::string_view();
}

bool Template::Uses(std::string_view function) const {
  for (const auto& [name, node] : tree_->templates) {
    if (NodeUses(node.get(), function)) return true;
  }
  return false;
}

}  // namespace skald
