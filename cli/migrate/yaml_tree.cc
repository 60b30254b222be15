#include "cli/migrate/yaml_tree.h"

#include <algorithm>
#include <cctype>

#include <yaml-cpp/yaml.h>

#include "base/json_writer.h"

namespace skald::cli {

std::string YamlScalar(std::string_view text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '/' || c == '-' ||
           c == ':';
  };
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), is_plain) &&
                     text.front() != '-' && text.front() != ':' && text.back() != ':';
  if (plain) return std::string(text);
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
    std::string out;
    AppendJsonString(&out, text);
    return out;
  }
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

YamlTree YamlTree::Of(const YAML::Node& node) {
  if (node.IsMap()) {
    YamlTree map;
    for (const auto& item : node) map[item.first.Scalar()] = Of(item.second);
    return map;
  }
  if (node.IsSequence()) {
    YamlTree list = List();
    for (const YAML::Node& item : node) list.Append(Of(item));
    return list;
  }
  return node.IsScalar() ? YamlTree(node.Scalar()) : YamlTree();
}

YamlTree& YamlTree::operator[](const std::string& key) {
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == key) return values_[i];
  }
  return Add(key, {});
}

bool YamlTree::Has(std::string_view key) const {
  return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
}

YamlTree& YamlTree::Append(YamlTree value) {
  is_list_ = true;
  return Add("", std::move(value));
}

YamlTree& YamlTree::Add(std::string key, YamlTree value) {
  keys_.push_back(std::move(key));
  notes_.push_back(std::exchange(pending_notes_, {}));
  return values_.emplace_back(std::move(value));
}

void YamlTree::Note(std::string comment) { pending_notes_.push_back(std::move(comment)); }

size_t YamlTree::notes() const {
  size_t count = pending_notes_.size();
  for (size_t i = 0; i < values_.size(); ++i) count += notes_[i].size() + values_[i].notes();
  return count;
}

void YamlTree::WriteNotes(const std::vector<std::string>& notes, size_t indent, std::string* out) {
  for (const std::string& note : notes) *out += std::string(indent, ' ') + "# " + note + "\n";
}

void YamlTree::Write(size_t indent, std::string* out) const {
  for (size_t i = 0; i < values_.size(); ++i) {
    WriteNotes(notes_[i], indent, out);
    const YamlTree& value = values_[i];
    *out += std::string(indent, ' ') + (is_list_ ? "-" : YamlScalar(keys_[i]) + ":");
    if (value.is_scalar_) {
      *out += " " + YamlScalar(value.text_) + "\n";
    } else if (value.values_.empty()) {
      *out += value.is_list_ ? " []\n" : " {}\n";
      WriteNotes(value.pending_notes_, indent + 2, out);
    } else if (is_list_ && value.notes_.front().empty()) {
      // The first key stands beside the dash.
      std::string below;
      value.Write(indent + 2, &below);
      *out += " " + below.substr(indent + 2);
    } else {
      *out += "\n";
      value.Write(indent + 2, out);
    }
  }
  WriteNotes(pending_notes_, indent, out);
}

std::string YamlTree::Text() const {
  std::string out;
  Write(0, &out);
  return out;
}

}  // namespace skald::cli
