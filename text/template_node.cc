#include "base/labels.h"
#include "text/template_parser.h"

namespace skald {

using Type = TemplateNode::Type;

void TemplateNode::Print(std::string* out) const {
  const auto joined = [&](const std::vector<TemplateNodePtr>& nodes, std::string_view separator) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (i > 0) out->append(separator);
      if (type == Type::kCommand && nodes[i]->type == Type::kPipe) {
        out->append("(");
        nodes[i]->Print(out);
        out->append(")");
      } else {
        nodes[i]->Print(out);
      }
    }
  };
  const auto branch = [&](std::string_view word) {
    out->append("{{").append(word).append(" ");
    pipe->Print(out);
    out->append("}}");
    body->Print(out);
    if (other != nullptr) {
      out->append("{{else}}");
      other->Print(out);
    }
    out->append("{{end}}");
  };
  switch (type) {
    case Type::kList:
      joined(children, "");
      return;
    case Type::kText:
    case Type::kBool:
    case Type::kNumber:
    case Type::kIdentifier:
      *out += text;
      return;
    case Type::kString:
      *out += quoted;
      return;
    case Type::kAction:
      out->append("{{");
      pipe->Print(out);
      out->append("}}");
      return;
    case Type::kIf:
      branch("if");
      return;
    case Type::kRange:
      branch("range");
      return;
    case Type::kWith:
      branch("with");
      return;
    case Type::kTemplate:
      out->append("{{template ");
      AppendGoQuoted(out, text);
      if (pipe != nullptr) {
        out->append(" ");
        pipe->Print(out);
      }
      out->append("}}");
      return;
    case Type::kBreak:
      out->append("{{break}}");
      return;
    case Type::kContinue:
      out->append("{{continue}}");
      return;
    case Type::kElse:
      out->append("{{else}}");
      return;
    case Type::kEnd:
      out->append("{{end}}");
      return;
    case Type::kPipe:
      if (!variables.empty()) {
        joined(variables, ", ");
        out->append(assigns ? " = " : " := ");
      }
      joined(children, " | ");
      return;
    case Type::kCommand:
      joined(children, " ");
      return;
    case Type::kField:
      for (const std::string& ident : idents) out->append(".").append(ident);
      return;
    case Type::kChain:
      if (children[0]->type == Type::kPipe) {
        out->append("(");
        children[0]->Print(out);
        out->append(")");
      } else {
        children[0]->Print(out);
      }
      for (const std::string& ident : idents) out->append(".").append(ident);
      return;
    case Type::kVariable:
      for (size_t i = 0; i < idents.size(); ++i) out->append(i > 0 ? "." : "").append(idents[i]);
      return;
    case Type::kDot:
      out->append(".");
      return;
    case Type::kNil:
      out->append("nil");
      return;
  }
}

std::string TemplateNode::ToString() const {
  std::string out;
  Print(&out);
  return out;
}

const std::string* TemplateNode::PlainField() const {
  if (type != Type::kAction || !pipe->variables.empty() || pipe->children.size() != 1) return nullptr;
  const TemplateNode& command = *pipe->children[0];
  if (command.children.size() != 1) return nullptr;
  const TemplateNode& field = *command.children[0];
  return field.type == Type::kField && field.idents.size() == 1 ? &field.idents[0] : nullptr;
}

}  // namespace skald
