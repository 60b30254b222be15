#include "server/push/generic_fields.h"

#include <absl/status/statusor.h>

#include <utility>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "proto/push/metadata_name.h"
#include "text/line_form.h"
#include "text/logfmt.h"

namespace skald::server {

absl::Status ReadGenericFields(const YAML::Node& node, GenericFieldHints* out) {
  GenericFieldHints hints;
  try {
    if (!node.IsMap() && !node.IsNull()) return InvalidArgument("a map with fields is needed");
    for (const auto& item : node) {
      const auto key = item.first.as<std::string>();
      if (key != "fields") return InvalidArgument("{} is not known here", key);
      if (!item.second.IsNull()) hints = item.second.as<GenericFieldHints>();
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}", e.what());
  }
  *out = std::move(hints);
  return absl::OkStatus();
}

GenericFields::GenericFields(const GenericFieldHints& hints) {
  for (const auto& [name, of_field] : hints) {
    absl::StatusOr<std::string> normal = NormalizeMetadataName(name);
    if (!normal.ok() || of_field.empty()) continue;
    for (size_t i = 0; i < of_field.size(); ++i) {
      absl::StatusOr<JsonPath> path = ParseJsonPath(of_field[i]);
      if (!path.ok() || path->empty()) continue;
      paths_.push_back(*std::move(path));
      path_owners_.push_back({fields_.size(), i});
    }
    fields_.push_back({*std::move(normal), of_field});
  }
}

void GenericFieldFinder::Find(const Labels& stream, const Lookup& metadata, std::string_view line,
                              const Set& set) {
  const std::vector<GenericFields::Field>& fields = fields_->fields_;
  found_.assign(fields.size(), {});
  bool search_line = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    Found& found = found_[i];
    for (const std::string& hint : fields[i].hints) {
      if (found.value || !stream.Has(hint)) continue;
      found.value = stream.Get(hint);
    }
    for (const std::string& hint : fields[i].hints) {
      if (found.value) break;
      if (const auto value = metadata(hint)) found.value = *value;
    }
    found.settled = found.value.has_value();
    search_line |= !found.settled;
  }
  if (search_line) {
    if (const std::string_view object = ObjectOfLine(line); !object.empty()) {
      SearchJson(object);
    } else if (line.find('=') != std::string_view::npos) {
      SearchLogfmt(line);
    }
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (found_[i].value && !found_[i].value->empty()) set(fields[i].name, *found_[i].value);
  }
}

void GenericFieldFinder::Offer(size_t field, size_t hint, std::string_view value) {
  Found& found = found_[field];
  if (found.settled || (found.value && found.hint <= hint)) return;
  found.hint = hint;
  found.value = value;
}

void GenericFieldFinder::SearchJson(std::string_view object) {
  if (fields_->paths_.empty()) return;
  finder_.Find(
      object,
      [this](size_t path, const JsonValue& value) {
        const GenericFields::PathOwner& owner = fields_->path_owners_[path];
        Offer(owner.field, owner.hint, value.text);
      },
      [](JsonError) {});
}

void GenericFieldFinder::SearchLogfmt(std::string_view line) {
  LogfmtScanner scanner(line);
  while (scanner.Next() == LogfmtScanner::kPair) {
    for (size_t i = 0; i < fields_->fields_.size(); ++i) {
      const std::vector<std::string>& hints = fields_->fields_[i].hints;
      for (size_t h = 0; h < hints.size(); ++h) {
        if (EqualFold(scanner.key(), hints[h])) Offer(i, h, scanner.value());
      }
    }
  }
}

}  // namespace skald::server
