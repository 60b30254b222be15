// The language of Alloy's files: blocks with a label, attributes, and values as far as log pipelines use
// them.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald::cli {

struct RiverValue {
  enum class Kind {
    kText,        // a string, number or bool, as its text; ${NAME} for what stands in the environment
    kList,        //
    kMap,         //
    kReference,   // a.b.c, in text
    kExpression,  // anything that has to be computed; its source is in text
  };
  Kind kind = Kind::kText;
  std::string text;
  std::vector<RiverValue> list;
  std::vector<std::pair<std::string, RiverValue>> map;
  int line = 0;

  const RiverValue* Find(std::string_view key) const;
};

struct RiverBlock {
  std::string name;   // loki.source.file
  std::string label;  // "" without one
  int line = 0;
  std::vector<std::pair<std::string, RiverValue>> attributes;
  std::vector<RiverBlock> blocks;

  const RiverValue* Find(std::string_view attribute) const;
};

// The blocks of a file. InvalidArgument with file and line.
absl::StatusOr<std::vector<RiverBlock>> ParseRiver(std::string_view text, std::string_view name);

}  // namespace skald::cli
