// The expressions of `| json name="a.b[0]"`, and finding what they name in a line.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/json_scan.h"

namespace skald {

// A field name or an array index, outermost first.
using JsonPath = std::vector<std::variant<std::string, uint64_t>>;

// field, .field, ["any key"], [n], combined; may not begin with '.'. Space is ignored between the parts.
// InvalidArgument with Loki's text: `syntax error: unexpected DOT, expecting FIELD`, `unexpected char c`,
// `cannot use float as array index`, ...
absl::StatusOr<JsonPath> ParseJsonPath(std::string_view text);

// Looks for several paths in one pass over a line. Immutable but for its scratch: one per thread.
class JsonPathFinder {
 public:
  // paths must outlive it; none is empty.
  explicit JsonPathFinder(const std::vector<JsonPath>* paths);

  // Calls fn(size_t path, const JsonValue&) for the first occurrence of each path, in document order, and
  // fn_error(JsonError) where a value that was asked for cannot be read or the text is a bare member. Other
  // damage ends the search in silence. A path below an array index that leads nowhere counts as found without
  // a call.
  template <class Fn, class ErrorFn>
  void Find(std::string_view line, Fn&& fn, ErrorFn&& fn_error) {
    Start();
    hits_.clear();
    Scan(line);
    for (const Hit& hit : hits_) {
      if (hit.error != JsonError::kNone) {
        fn_error(hit.error);
      } else {
        fn(hit.path, hit.value);
      }
    }
  }

 private:
  struct Hit {
    size_t path = 0;
    JsonValue value;
    JsonError error = JsonError::kNone;
  };

  void Start();
  void Scan(std::string_view line);
  bool OnKey(std::string_view key, const char* value, const char* end);
  // Elements of the array at p; returns behind it, or nullptr.
  const char* OnArray(const char* p, const char* end);
  bool SameTree(const JsonPath& path, size_t depth) const;
  void Take(size_t path, const char* p, const char* end);

  const std::vector<JsonPath>* paths_;
  size_t longest_ = 0;
  std::vector<bool> done_;
  size_t left_ = 0;
  int level_ = 0;
  std::vector<std::string> tree_;  // the key last seen at each level
  std::vector<Hit> hits_;
  std::string key_;
};

}  // namespace skald
