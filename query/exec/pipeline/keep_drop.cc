#include "query/exec/pipeline/keep_drop.h"

#include <algorithm>

namespace skald::exec {

void DropStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  for (const logql::NameOrMatcher& item : items_) {
    if (item.name == kErrorLabel) {
      if (!item.matcher || item.matcher->Matches(labels.error())) labels.SetError({});
    } else if (item.name == kErrorDetailsLabel) {
      if (!item.matcher || item.matcher->Matches(labels.error_details())) labels.SetErrorDetails({});
    } else if (!item.matcher || item.matcher->Matches(labels.Get(item.name).value_or(std::string_view()))) {
      labels.Delete(item.name);
    }
  }
}

void KeepStage::Run(RowState* row) const {
  std::vector<std::string_view>& doomed = row->names;
  doomed.clear();
  row->labels.ForEach([&](std::string_view name, std::string_view value, LabelCategory) {
    if (name == kErrorLabel || name == kErrorDetailsLabel || name == kPreserveErrorLabel) return;
    const bool kept = std::any_of(items_.begin(), items_.end(), [&](const logql::NameOrMatcher& item) {
      return item.name == name && (!item.matcher || item.matcher->Matches(value));
    });
    if (!kept) doomed.push_back(name);
  });
  for (const std::string_view name : doomed) row->labels.Delete(name);
}

}  // namespace skald::exec
