// YAML to be written, with comments: what a migration builds.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace YAML {
class Node;
}

namespace skald::cli {

class YamlTree {
 public:
  YamlTree() = default;  // an empty map, unless something is added
  YamlTree(std::string text) : is_scalar_(true), text_(std::move(text)) {}
  YamlTree(const char* text) : YamlTree(std::string(text)) {}
  static YamlTree List() {
    YamlTree list;
    list.is_list_ = true;
    return list;
  }
  static YamlTree Of(const YAML::Node& node);

  // The value of a map's key; made where there is none.
  YamlTree& operator[](const std::string& key);
  bool Has(std::string_view key) const;
  YamlTree& Append(YamlTree value);
  // Comments stand before what is added next.
  void Note(std::string comment);

  bool empty() const { return !is_scalar_ && values_.empty(); }
  size_t size() const { return values_.size(); }
  bool is_list() const { return is_list_; }
  const std::string& text() const { return text_; }
  // How many notes there are, below too.
  size_t notes() const;
  std::string Text() const;

 private:
  YamlTree& Add(std::string key, YamlTree value);
  void Write(size_t indent, std::string* out) const;
  static void WriteNotes(const std::vector<std::string>& notes, size_t indent, std::string* out);

  bool is_scalar_ = false;
  bool is_list_ = false;
  std::string text_;
  std::vector<std::string> keys_;                // of a map; "" in a list
  std::vector<YamlTree> values_;                 // as many
  std::vector<std::vector<std::string>> notes_;  // as many: before each
  std::vector<std::string> pending_notes_;
};

// A scalar as YAML has it, quoted where it must be.
std::string YamlScalar(std::string_view text);

}  // namespace skald::cli
