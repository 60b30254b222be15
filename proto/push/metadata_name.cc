#include "proto/push/metadata_name.h"

#include <algorithm>

#include "base/error.h"

namespace skald {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void AppendCollapsed(std::string* out, std::string_view name) {
  bool gap = false;
  for (const char c : name) {
    if (IsAlphanumeric(c)) {
      out->push_back(c);
      gap = false;
    } else if (!gap) {
      out->push_back('_');
      gap = true;
    }
  }
}

}  // namespace

bool IsNormalMetadataName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  bool gap = false;
  bool any = false;
  for (const char c : name) {
    if (IsAlphanumeric(c)) {
      gap = false;
      any = true;
    } else if (c != '_' || gap) {
      return false;
    } else {
      gap = true;
    }
  }
  return any;
}

absl::StatusOr<std::string> NormalizeMetadataName(std::string_view name) {
  if (name.empty()) return Internal("label name is empty");
  std::string out;
  if (name.size() >= 4 && name.starts_with("__") && name.ends_with("__")) {
    out = "__";
    AppendCollapsed(&out, name.substr(2, name.size() - 4));
    out += "__";
  } else {
    if (name[0] >= '0' && name[0] <= '9') out = "key_";
    AppendCollapsed(&out, name);
  }
  if (std::all_of(out.begin(), out.end(), [](char c) { return c == '_'; })) {
    return Internal("normalization for label name \"{}\" resulted in invalid name \"{}\"", name, out);
  }
  return out;
}

}  // namespace skald
