#include "query/exec/format_stages.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "text/decolorize.h"

namespace skald::exec {
namespace {

// What {{.name}} gives: errors count as labels while they are set.
std::string_view FieldValue(const LabelState& labels, std::string_view name) {
  if (name == kErrorLabel) return labels.error();
  if (name == kErrorDetailsLabel) return labels.error_details();
  return labels.Get(name).value_or(std::string_view());
}

}  // namespace

absl::StatusOr<LineFormatStage> LineFormatStage::Make(const logql::LineFormat& format) {
  ASSIGN_OR_RETURN(LabelTemplate text, LabelTemplate::Parse(format.text));
  return LineFormatStage(std::move(text));
}

void LineFormatStage::Run(RowState* row) const {
  const auto value_of = [&](std::string_view name) { return FieldValue(row->labels, name); };
  if (const std::string_view field = template_.only_field(); !field.empty()) {
    row->line = value_of(field);
    return;
  }
  row->value.clear();
  template_.Render(&row->value, value_of);
  row->line = row->labels.arena().Copy(row->value);
}

absl::StatusOr<LabelFormatStage> LabelFormatStage::Make(const logql::LabelFormat& format) {
  LabelFormatStage out;
  for (const logql::LabelFormatItem& source : format.items) {
    if (source.name == kErrorLabel) return InvalidArgument("__error__ cannot be formatted");
    for (const Item& earlier : out.items_) {
      if (earlier.name == source.name) {
        return InvalidArgument("multiple label name '{}' not allowed in a single format operation", source.name);
      }
    }
    Item item;
    item.name = source.name;
    item.is_rename = source.is_rename;
    if (source.is_rename) {
      item.source = source.value;
    } else {
      ASSIGN_OR_RETURN(item.text, LabelTemplate::Parse(source.value));
      for (const std::string& field : item.text.fields()) {
        const auto known = std::find(out.fields_.begin(), out.fields_.end(), field);
        item.fields.push_back(static_cast<size_t>(known - out.fields_.begin()));
        if (known == out.fields_.end()) out.fields_.push_back(field);
      }
    }
    out.items_.push_back(std::move(item));
  }
  return out;
}

void LabelFormatStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  std::vector<std::string_view>& snapshot = row->names;
  bool taken = false;
  for (const Item& item : items_) {
    if (item.is_rename) {
      if (const auto value = labels.Get(item.source)) {
        labels.SetParsed(item.name, *value);
        labels.Delete(item.source);
      }
      continue;
    }
    // All templates of a stage see the labels as they were before the first of them; unless there were none, then they look again.
    if (!taken) {
      snapshot.clear();
      for (const std::string& field : fields_) snapshot.push_back(FieldValue(labels, field));
      taken = !labels.empty() || labels.has_error();
    }
    row->value.clear();
    item.text.Render(&row->value, [&](std::string_view field) {
      const std::vector<std::string>& fields = item.text.fields();
      const auto index = static_cast<size_t>(std::find(fields.begin(), fields.end(), field) - fields.begin());
      return snapshot[item.fields[index]];
    });
    labels.SetParsed(item.name, labels.arena().Copy(row->value));
  }
}

void DecolorizeStage::Run(RowState* row) const {
  const std::string_view plain = Decolorize(row->line, &row->value);
  if (plain.data() != row->line.data()) row->line = row->labels.arena().Copy(plain);
}

}  // namespace skald::exec
