#include "query/exec/pipeline/format_stages.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "text/decolorize.h"

namespace skald::exec {
namespace {

constexpr std::string_view kTemplateError = "TemplateFormatErr";

void SetTemplateError(const absl::Status& error, LabelState* labels) {
  labels->SetError(kTemplateError);
  labels->SetErrorDetails(labels->arena().Copy(MessageOf(error)));
}

}  // namespace

absl::StatusOr<LineFormatStage> LineFormatStage::Make(const logql::LineFormat& format) {
  absl::StatusOr<std::shared_ptr<const Template>> text =
      Template::Parse("line", format.text, LogTemplateFunctions());
  if (!text.ok()) return InvalidArgument("invalid line template: {}", MessageOf(text.status()));
  return LineFormatStage(std::move(*text));
}

void LineFormatStage::Run(RowState* row) const {
  const RowTemplateData data(&row->labels, row->line, row->time_ns);
  if (!only_field_.empty()) {
    row->line = data.Lookup(only_field_).value_or(std::string_view());
    return;
  }
  row->value.clear();
  if (const absl::Status status = template_->Execute(data, &row->value); !status.ok()) {
    SetTemplateError(status, &row->labels);
    return;
  }
  row->line = row->labels.arena().Copy(row->value);
}

absl::StatusOr<LabelFormatStage> LabelFormatStage::Make(const logql::LabelFormat& format) {
  LabelFormatStage out;
  for (const logql::LabelFormatItem& source : format.items) {
    if (source.name == kErrorLabel) return InvalidArgument("__error__ cannot be formatted");
    for (const Item& earlier : out.items_) {
      if (earlier.name == source.name) {
        return InvalidArgument("multiple label name '{}' not allowed in a single format operation",
                               source.name);
      }
    }
    out.items_.push_back(
        {source.name, source.is_rename, source.is_rename ? source.value : std::string(), nullptr});
  }
  for (size_t i = 0; i < out.items_.size(); ++i) {
    if (out.items_[i].is_rename) continue;
    absl::StatusOr<std::shared_ptr<const Template>> text =
        Template::Parse("label", format.items[i].value, LogTemplateFunctions());
    if (!text.ok()) {
      return InvalidArgument("invalid template for label '{}': {}", out.items_[i].name,
                             MessageOf(text.status()));
    }
    for (const std::string& field : (*text)->Fields()) {
      if (std::find(out.fields_.begin(), out.fields_.end(), field) == out.fields_.end())
        out.fields_.push_back(field);
    }
    out.plain_ &= (*text)->IsPlain();
    out.reads_row_ |= (*text)->Uses("__line__") || (*text)->Uses("__timestamp__") || (*text)->Uses("now");
    out.items_[i].text = std::move(*text);
  }
  return out;
}

void LabelFormatStage::Run(RowState* row) const {
  LabelState& labels = row->labels;
  std::vector<LabelView>& snapshot = row->views;
  bool taken = false;
  for (const Item& item : items_) {
    if (item.is_rename) {
      if (const auto value = labels.Get(item.source)) {
        labels.SetParsed(item.name, *value);
        labels.Delete(item.source);
      }
      continue;
    }
    // All templates of a stage see the labels as they were before the first of them; unless there were none,
    // then they look again.
    if (!taken) {
      snapshot.clear();
      if (plain_) {
        const RowTemplateData now(&labels, row->line, row->time_ns);
        for (const std::string& field : fields_) {
          if (const auto value = now.Lookup(field)) snapshot.push_back({field, *value});
        }
      } else {
        labels.AppendAll(&snapshot);
      }
      taken = !labels.empty() || labels.has_error();
    }
    row->value.clear();
    const SnapshotTemplateData data(&snapshot, row->line, row->time_ns);
    if (const absl::Status status = item.text->Execute(data, &row->value); !status.ok()) {
      SetTemplateError(status, &labels);
      continue;
    }
    labels.SetParsed(item.name, labels.arena().Copy(row->value));
  }
}

void DecolorizeStage::Run(RowState* row) const {
  const std::string_view plain = Decolorize(row->line, &row->value);
  if (plain.data() != row->line.data()) row->line = row->labels.arena().Copy(plain);
}

}  // namespace skald::exec
