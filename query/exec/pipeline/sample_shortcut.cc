#include "query/exec/pipeline/sample_shortcut.h"

#include <algorithm>
#include <variant>

#include "text/units.h"

namespace skald::exec {
namespace {

// Lines of one stream that are all alike but one: no use in learning every odd one.
constexpr uint32_t kManyMisses = 64;
constexpr uint32_t kRowsBetweenTries = 16;

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

SampleShortcut::SampleShortcut(const CompiledPipeline& compiled) : compiled_(compiled) {
  const SampleKind kind = compiled.plan.kind;
  if (kind != SampleKind::kOne && kind != SampleKind::kBytes && kind != SampleKind::kUnwrap) return;
  if (compiled.plan.hints.mode != ParserHints::Mode::kRequired) return;
  if (compiled.stages.empty()) return;
  json_ = std::holds_alternative<JsonStage>(compiled.stages[0]);
  const auto* logfmt = std::get_if<LogfmtStage>(&compiled.stages[0]);
  if (!json_ && (logfmt == nullptr || logfmt->strict() || logfmt->keep_empty())) return;
  for (size_t i = 1; i < compiled.stages.size(); ++i) {
    const auto* test = std::get_if<LabelTest>(&compiled.stages[i]);
    if (test == nullptr) return;
    tests_.push_back(test);
    Want(*test);
  }
  if (json_) {
    // Texts drop a line with an error too, other filters only if the parser asks them.
    if (!compiled.early_filters.empty()) early_ = compiled.early_filters[0].test;
    for (const LabelTest* test : tests_) {
      if (early_ == nullptr && !test->label().empty() && !test->CanFail()) early_ = test;
    }
  }
  if (early_ != nullptr) {
    early_label_ =
        static_cast<size_t>(std::find(wanted_.begin(), wanted_.end(), early_->label()) - wanted_.begin());
    if (early_label_ == wanted_.size()) early_ = nullptr;  // __error__
  }
  if (compiled.unwrap.has_value()) {
    for (const LabelTest& filter : compiled.unwrap->filters()) {
      late_tests_.push_back(&filter);
      Want(filter);
    }
    const std::string& label = compiled.unwrap->label();
    unwrap_ = static_cast<size_t>(std::find(wanted_.begin(), wanted_.end(), label) - wanted_.begin());
    if (unwrap_ == wanted_.size()) wanted_.push_back(label);
    has_unwrap_ = true;
  }
  if (late_tests_.empty() &&
      std::all_of(tests_.begin(), tests_.end(), [](const LabelTest* test) { return test->IsNumber(); })) {
    for (const LabelTest* test : tests_) {
      number_labels_.push_back(
          static_cast<size_t>(std::find(wanted_.begin(), wanted_.end(), test->label()) - wanted_.begin()));
    }
    only_numbers_ = true;
  }
  // Names that a collision, or the pipeline itself, gives are the common way's business.
  const auto is_odd = [](const std::string& name) {
    return (name.starts_with("__") && name != kErrorLabel) || name.ends_with(kExtractedSuffix);
  };
  const std::vector<std::string>& required = compiled.plan.hints.required;
  if (wanted_.empty() || std::any_of(required.begin(), required.end(), is_odd)) return;
  may_stop_ = std::all_of(required.begin(), required.end(),
                          [&](const std::string& name) { return Contains(wanted_, name); });
  possible_ = true;
}

void SampleShortcut::Want(const LabelTest& test) {
  for (std::string& label : test.Labels()) {
    // A line that has a shape has no error.
    if (label != kErrorLabel && !Contains(wanted_, label)) wanted_.push_back(std::move(label));
  }
}

bool SampleShortcut::StartSlice(const Labels& stream, const Rows& rows, const LabelState& labels) {
  shape_count_ = 0;
  misses_ = 0;
  rows_ = &rows;
  matched_row_ = expected_row_ = kNoRow;
  if (!possible_ || labels.has_error_columns()) return false;
  // What the stream or a row's metadata has would stand in for what the line says, or give it another name.
  for (const std::string& name : wanted_) {
    if (stream.Has(name)) return false;
  }
  for (const MetadataColumn& column : rows.metadata) {
    if (compiled_.plan.hints.Requires(column.name)) return false;
  }
  const SampleGrouping& grouping = compiled_.plan.grouping;
  same_labels_ = grouping.kind == SampleGrouping::Kind::kNoLabels ||
                 (grouping.kind == SampleGrouping::Kind::kBy &&
                  std::all_of(grouping.labels.begin(), grouping.labels.end(),
                              [&](const std::string& name) { return !stream.Get(name).empty(); }));
  return same_labels_ || !tests_.empty() || !late_tests_.empty();
}

bool SampleShortcut::Learn(std::string_view line) {
  if (shape_count_ == kMaxShapes)
    shape_count_ = kMaxShapes - 1;  // the one that matched longest ago gives way
  if (shapes_.size() <= shape_count_) shapes_.resize(shape_count_ + 1);
  Known& known = shapes_[shape_count_];
  if (!(json_ ? known.shape.LearnJson(line) : known.shape.LearnLogfmt(line))) return false;
  known.places.clear();
  known.wanted.clear();
  known.early_end = 0;
  size_t last = 0;
  for (size_t i = 0; i < known.shape.size(); ++i) {
    if (known.shape.name(i).starts_with("__")) return false;
    const auto it = std::find(wanted_.begin(), wanted_.end(), known.shape.name(i));
    if (it == wanted_.end()) continue;
    const auto wanted = static_cast<uint32_t>(it - wanted_.begin());
    // The first of several with one name counts.
    if (std::find(known.wanted.begin(), known.wanted.end(), wanted) != known.wanted.end()) continue;
    known.places.push_back(static_cast<uint32_t>(i));
    known.wanted.push_back(wanted);
    if (early_ != nullptr && wanted == early_label_) known.early_end = i + 1;
    last = i;
  }
  // Every test must have its value: without one, labels of other kinds come in.
  if (known.wanted.size() != wanted_.size()) return false;
  known.place_of.resize(wanted_.size());
  for (size_t i = 0; i < known.wanted.size(); ++i) known.place_of[known.wanted[i]] = known.places[i];
  // logfmt has no errors that count; JSON is read to its end unless all that is wanted was found.
  if (!json_ || may_stop_) known.shape.CutAfter(last);
  values_.resize(std::max(values_.size(), known.shape.size()));
  next_values_.resize(values_.size());
  ++shape_count_;
  return true;
}

std::optional<bool> SampleShortcut::HoldAll(const std::vector<const LabelTest*>& tests) const {
  bool all = true;
  for (const LabelTest* test : tests) {
    const std::optional<bool> holds = test->Decide(named_);
    if (!holds.has_value()) return std::nullopt;
    all &= *holds;
  }
  return all;
}

bool SampleShortcut::Matches(const Known& known, std::string_view line, bool* dropped) {
  const LineShape& shape = known.shape;
  const char* at = line.data();
  if (known.early_end > 0) {
    at = shape.MatchValues(line, at, 0, known.early_end, values_.data());
    if (at == nullptr) return false;
    const LabelTest::Named named{wanted_[early_label_], values_[known.early_end - 1]};
    if (!named.value.empty() && early_->Decide({&named, 1}) == false) return *dropped = true;
  }
  at = shape.MatchValues(line, at, known.early_end, shape.size(), values_.data());
  return at != nullptr && shape.MatchEnd(line, at);
}

SampleShortcut::Verdict SampleShortcut::SettleNumbers(const Known& known,
                                                      const std::vector<std::string_view>& values,
                                                      double* value) {
  // None of the values is empty: they are numbers, or it cannot tell.
  bool kept = true;
  for (size_t i = 0; i < tests_.size(); ++i) {
    double number = 0;
    if (!TryParseGoFloat(values[known.place_of[number_labels_[i]]], &number)) return Verdict::kUnknown;
    kept = kept && tests_[i]->PassesNumber(number);
  }
  if (!kept) return Verdict::kDropped;
  if (has_unwrap_ && !compiled_.unwrap->TryConvert(values[known.place_of[unwrap_]], value))
    return Verdict::kUnknown;
  return same_labels_ ? Verdict::kKept : Verdict::kUnknown;
}

SampleShortcut::Verdict SampleShortcut::Settle(const Known& known,
                                               const std::vector<std::string_view>& values, double* value) {
  if (only_numbers_) return SettleNumbers(known, values, value);
  named_.clear();
  named_.push_back({kErrorLabel, {}});
  std::string_view unwrapped;
  for (size_t i = 0; i < known.places.size(); ++i) {
    const std::string_view text = values[known.places[i]];
    if (text.empty()) return Verdict::kUnknown;  // no value at all, for some
    named_.push_back({wanted_[known.wanted[i]], text});
    if (known.wanted[i] == unwrap_) unwrapped = text;
  }
  const std::optional<bool> kept = HoldAll(tests_);
  if (!kept.has_value()) return Verdict::kUnknown;
  if (!*kept) return Verdict::kDropped;
  if (has_unwrap_) {
    if (!compiled_.unwrap->TryConvert(unwrapped, value)) return Verdict::kUnknown;
    const std::optional<bool> kept_late = HoldAll(late_tests_);
    if (!kept_late.has_value()) return Verdict::kUnknown;
    if (!*kept_late) return Verdict::kDropped;
  }
  return same_labels_ ? Verdict::kKept : Verdict::kUnknown;
}

SampleShortcut::Verdict SampleShortcut::Try(uint32_t row, double* value) {
  const bool matched = row == matched_row_;
  const bool in_a_row = row == expected_row_;
  matched_row_ = kNoRow;
  expected_row_ = row + 1;
  if (matched) return Settle(shapes_[0], next_values_, value);
  if (misses_ > kManyMisses && ++misses_ % kRowsBetweenTries != 0) return Verdict::kUnknown;
  const std::string_view line = rows_->line(row);
  if (in_a_row && pair_pause_ > 0) {
    --pair_pause_;
  } else if (in_a_row && shape_count_ > 0 && shapes_[0].early_end == 0 && row + 1 < rows_->line_end.size()) {
    const std::string_view lines[] = {line, rows_->line(row + 1)};
    std::string_view* const values[] = {values_.data(), next_values_.data()};
    if (shapes_[0].shape.MatchBoth(lines, values)) {
      matched_row_ = row + 1;
      misses_ = 0;
      return Settle(shapes_[0], values_, value);
    }
    pair_pause_ = kRowsBetweenTries;
  }
  for (size_t i = 0; i < shape_count_; ++i) {
    bool dropped = false;
    if (!Matches(shapes_[i], line, &dropped)) continue;
    if (i > 0) std::swap(shapes_[i], shapes_[0]);
    misses_ = 0;
    return dropped ? Verdict::kDropped : Settle(shapes_[0], values_, value);
  }
  ++misses_;
  Learn(line);
  return Verdict::kUnknown;
}

}  // namespace skald::exec
