// Makes label names and values of a JSON object's leaves: {"a":{"b-c":1}} gives a_b_c="1".
#pragma once

#include <string>
#include <string_view>

#include "text/json_scan.h"
#include "text/sanitize.h"

namespace skald {

// Keeps scratch memory between lines. Not thread-safe.
class JsonFlattener {
 public:
  // Visitor:
  //   bool WantPrefix(std::string_view path)  false: the object at this sanitised path is stepped over
  //   bool OnField(std::string_view name, const JsonValue& value)  false: stop, nothing more is wanted
  // Strings, numbers and booleans are given, in the order of the text; nulls and arrays are not. Key parts
  // are sanitised and joined with `_`, blank ones left out. Views are valid until OnField returns; value.text
  // points into line. Names in the line that need no change point into line too.
  template <class Visitor>
  JsonError Run(std::string_view line, Visitor&& visitor) {
    path_.clear();
    stopped_ = false;
    return Object(line, 0, visitor);
  }

  // For OnField: the field's name where that is taken. Inside of an object it is the last part as written
  // that gets "_extracted", before it is made clean: {"app":{"":1}} gives app__extracted. Valid until the
  // next call.
  std::string_view TakenName(std::string_view name) {
    constexpr std::string_view kSuffix = "_extracted";
    if (depth_ == 0) {
      taken_.assign(name).append(kSuffix);
      return taken_;
    }
    last_.assign(part_).append(kSuffix);
    taken_.assign(path_, 0, prefix_);
    AppendPart(&taken_, last_);
    return taken_;
  }

 private:
  // Nesting beyond this is not followed: no log has it, and the stack is finite.
  static constexpr int kMaxDepth = 512;

  template <class Visitor>
  JsonError Object(std::string_view text, int depth, Visitor&& visitor) {
    const size_t prefix = path_.size();
    JsonError inner = JsonError::kNone;
    const JsonError error = ForEachJsonMember(text, &key_, [&](std::string_view key, const JsonValue& value) {
      if (value.type == JsonType::kNull || value.type == JsonType::kArray) return true;
      if (value.type == JsonType::kObject) {
        AppendPart(&path_, key);
        if ((path_.empty() || visitor.WantPrefix(path_)) && depth < kMaxDepth) {
          inner = Object(value.text, depth + 1, visitor);
        }
        path_.resize(prefix);
        return inner == JsonError::kNone && !stopped_;
      }
      std::string_view name = key;
      if (prefix != 0 || !IsCleanKey(key) || (key[0] >= '0' && key[0] <= '9')) {
        AppendPart(&path_, key);
        name = path_;
      }
      part_ = key;
      prefix_ = prefix;
      depth_ = depth;
      const bool go_on = name.empty() || visitor.OnField(name, value);
      path_.resize(prefix);
      stopped_ = !go_on;
      return go_on;
    });
    return inner != JsonError::kNone ? inner : error;
  }

  static void AppendPart(std::string* path, std::string_view key) {
    const size_t before = path->size();
    if (before > 0) *path += '_';
    const size_t part = path->size();
    AppendSanitizedKey(path, key, before == 0);
    if (path->size() == part) path->resize(before);
  }

  std::string path_;
  std::string key_;        // of the member being read, where it had escapes
  std::string taken_;      // what TakenName gives
  std::string last_;       // the last part as it is written, with its suffix
  std::string_view part_;  // of the field being visited
  size_t prefix_ = 0;      // bytes of path_ before it
  int depth_ = 0;
  bool stopped_ = false;
};

}  // namespace skald
