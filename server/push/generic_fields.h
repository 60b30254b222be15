// limits_config.discover_generic_fields: structured metadata that is taken from wherever one of several hints
// leads: a label of the stream, other metadata, or a field of the line.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "text/json_path.h"

namespace YAML {
class Node;
}  // namespace YAML

namespace skald::server {

// Field name -> hints, the earlier ones first.
using GenericFieldHints = std::map<std::string, std::vector<std::string>>;

// The YAML of the key: {fields: {name: [hint, ...]}}. InvalidArgument says what is wrong, without the place.
absl::Status ReadGenericFields(const YAML::Node& node, GenericFieldHints* out);

// Immutable; thread-safe.
class GenericFields {
 public:
  // A field whose name cannot be one of metadata is left out.
  explicit GenericFields(const GenericFieldHints& hints);

  bool empty() const { return fields_.empty(); }

 private:
  friend class GenericFieldFinder;

  struct Field {
    std::string name;  // as it is stored
    std::vector<std::string> hints;
  };
  struct PathOwner {
    size_t field;
    size_t hint;
  };

  std::vector<Field> fields_;
  std::vector<JsonPath> paths_;  // of all hints that are a path into JSON
  std::vector<PathOwner> path_owners_;
};

// Looks into entries, one after the other. Not thread-safe; fields outlives it.
class GenericFieldFinder {
 public:
  explicit GenericFieldFinder(const GenericFields* fields) : fields_(fields), finder_(&fields->paths_) {}

  using Lookup = std::function<std::optional<std::string_view>(std::string_view name)>;
  using Set = std::function<void(std::string_view name, std::string_view value)>;
  // Calls set for each field that is found and not empty; the value is valid until set returns.
  void Find(const Labels& stream, const Lookup& metadata, std::string_view line, const Set& set);

 private:
  // The value of the earliest hint of each field that has none yet.
  struct Found {
    bool settled = false;  // by labels or metadata
    size_t hint = 0;
    std::optional<std::string> value;
  };

  void Offer(size_t field, size_t hint, std::string_view value);
  void SearchJson(std::string_view object);
  void SearchLogfmt(std::string_view line);

  const GenericFields* const fields_;
  JsonPathFinder finder_;
  std::vector<Found> found_;
};

}  // namespace skald::server
