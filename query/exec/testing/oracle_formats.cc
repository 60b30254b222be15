// Stages that make lines and labels of others, and unwrap. Templates run on the project's own template
// engine, which has its tests in text/.
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <re2/re2.h>

#include "base/error.h"
#include "query/exec/testing/oracle_row.h"
#include "text/template.h"
#include "text/units.h"

namespace skald::oracle {
namespace {

class MapData : public TemplateData {
 public:
  MapData(const StringMap& labels, std::string_view line, int64_t time_ns)
      : labels_(labels), line_(line), time_ns_(time_ns) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override {
    const auto it = labels_.find(std::string(name));
    if (it == labels_.end()) return std::nullopt;
    return it->second;
  }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override {
    for (const auto& [name, value] : labels_) visit(name, value);
  }
  std::string_view line() const override { return line_; }
  int64_t time_ns() const override { return time_ns_; }

 private:
  const StringMap& labels_;
  std::string_view line_;
  int64_t time_ns_;
};

std::shared_ptr<const Template> ParsedTemplate(const std::string& name, const std::string& text) {
  static auto* const cache =
      new std::map<std::pair<std::string, std::string>, std::shared_ptr<const Template>>();
  std::shared_ptr<const Template>& parsed = (*cache)[{name, text}];
  if (parsed == nullptr) parsed = *Template::Parse(name, text, LogTemplateFunctions());
  return parsed;
}

bool Holds(const Matcher& matcher, const Row& row) {
  std::string value = row.Get(matcher.name()).value_or("");
  if (matcher.name() == "__error__") value = row.error;
  if (matcher.name() == "__error_details__") value = row.details;
  return matcher.Matches(value);
}

}  // namespace

void RunLineFormat(const logql::LineFormat& stage, Row* row) {
  const StringMap labels = row->All();
  std::string out;
  const absl::Status status =
      ParsedTemplate("line", stage.text)->Execute(MapData(labels, row->line, row->time_ns), &out);
  if (!status.ok()) {
    row->error = "TemplateFormatErr";
    row->details = MessageOf(status);
    return;
  }
  row->line = out;
}

void RunLabelFormat(const logql::LabelFormat& stage, Row* row) {
  StringMap snapshot;
  for (const logql::LabelFormatItem& item : stage.items) {
    if (item.is_rename) {
      if (const auto value = row->Get(item.value)) {
        row->Set(item.name, *value);
        row->Delete(item.value);
      }
      continue;
    }
    if (snapshot.empty()) snapshot = row->All();
    std::string out;
    const absl::Status status =
        ParsedTemplate("label", item.value)->Execute(MapData(snapshot, row->line, row->time_ns), &out);
    if (!status.ok()) {
      row->error = "TemplateFormatErr";
      row->details = MessageOf(status);
      continue;
    }
    row->Set(item.name, out);
  }
}

void RunDecolorize(Row* row) {
  // Bytes as Latin-1, U+009B spelled out: lines need not be UTF-8.
  static const auto* const kColours = new re2::RE2(
      "(?:\\x1b|\\xc2\\x9b)[\\[\\]()#;?]*(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\\x07|"
      "(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~])",
      re2::RE2::Latin1);
  re2::RE2::GlobalReplace(&row->line, *kColours, "");
}

void RunDrop(const logql::Drop& stage, Row* row) {
  for (const logql::NameOrMatcher& item : stage.items) {
    if (item.matcher.has_value() && !Holds(*item.matcher, *row)) continue;
    if (item.name == "__error__") {
      row->error.clear();
    } else if (item.name == "__error_details__") {
      row->details.clear();
    } else {
      row->Delete(item.name);
    }
  }
}

void RunKeep(const logql::Keep& stage, Row* row) {
  for (const auto& [name, value] : row->All()) {
    bool kept = name == "__error__" || name == "__error_details__" || name == "__preserve_error__";
    for (const logql::NameOrMatcher& item : stage.items) {
      kept |= item.name == name && (!item.matcher.has_value() || item.matcher->Matches(value));
    }
    if (!kept) row->Delete(name);
  }
}

std::optional<double> RunUnwrap(const logql::Unwrap& unwrap, Row* row) {
  const std::optional<std::string> text = row->Get(unwrap.label);
  if (!text.has_value() || text->empty()) return std::nullopt;
  double value = 0;
  absl::Status status;
  switch (unwrap.conversion) {
    case logql::UnwrapConversion::kNone: {
      const auto number = ParseGoFloat(*text);
      status = number.status();
      if (status.ok()) value = *number;
      break;
    }
    case logql::UnwrapConversion::kBytes: {
      const auto bytes = ParseHumanBytes(*text);
      status = bytes.status();
      if (status.ok()) value = static_cast<double>(*bytes);
      break;
    }
    case logql::UnwrapConversion::kDuration:
    case logql::UnwrapConversion::kDurationSeconds: {
      const auto ns = ParseGoDuration(*text);
      status = ns.status();
      if (status.ok()) value = static_cast<double>(*ns) / 1e9;
      break;
    }
  }
  if (!status.ok()) {
    row->error = "SampleExtractionErr";
    row->details = MessageOf(status);
  }
  for (const logql::LabelFilter& filter : unwrap.filters) {
    if (!RunLabelFilter(filter, row)) return std::nullopt;
  }
  return value;
}

}  // namespace skald::oracle
