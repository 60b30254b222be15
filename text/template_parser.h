// Templates as trees.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/template.h"

namespace skald {

struct TemplateNode;
using TemplateNodePtr = std::unique_ptr<TemplateNode>;

struct TemplateNode {
  enum class Type : uint8_t {
    kList,
    kText,
    kAction,
    kIf,
    kRange,
    kWith,
    kTemplate,
    kBreak,
    kContinue,  // statements
    kPipe,
    kCommand,
    kField,
    kChain,
    kVariable,
    kIdentifier,
    kDot,
    kNil,
    kBool,
    kNumber,
    kString,
    kElse,
    kEnd,  // only while parsing
  };
  Type type;
  size_t pos = 0;
  // kText: the text; kString: the value; kBool, kNumber, kIdentifier: as written; kTemplate: the name.
  std::string text;
  std::string quoted;               // kString: as written
  std::vector<std::string> idents;  // kField, kChain: names after the dots; kVariable: $x and those
  std::vector<TemplateNodePtr>
      children;  // kList, kPipe (commands), kCommand (arguments); kChain: what the fields are of
  std::vector<TemplateNodePtr> variables;  // kPipe: those it sets
  bool assigns = false;                    // kPipe: with = , not :=
  TemplateNodePtr pipe;                    // kAction, kIf, kRange, kWith; kTemplate, where it may be null
  TemplateNodePtr body;
  TemplateNodePtr other;  // else, may be null
  TemplateValue value;    // kBool, kNumber, kString: the constant, kNumber's as Go types it by itself
  bool is_int = false;
  bool is_float = false;
  int64_t int_value = 0;
  double float_value = 0;
  const TemplateFunction* function =
      nullptr;  // kIdentifier; null for names that only a caller's set could have

  // As Go prints it.
  void Print(std::string* out) const;
  std::string ToString() const;
  // kAction: the one field it prints; null for other actions.
  const std::string* PlainField() const;
};

struct TemplateTree {
  std::string name;
  std::string text;
  std::map<std::string, TemplateNodePtr, std::less<>> templates;  // the main one under name
};

absl::StatusOr<std::unique_ptr<const TemplateTree>> ParseTemplate(std::string_view name,
                                                                  std::string_view text,
                                                                  const TemplateFunctions& functions);

}  // namespace skald
