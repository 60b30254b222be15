#include "query/exec/pipeline/unwrap.h"

#include <xxhash.h>

#include <bit>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/units.h"

namespace skald::exec {

absl::StatusOr<UnwrapStage> UnwrapStage::Make(const logql::Unwrap& unwrap) {
  UnwrapStage out;
  out.label_ = unwrap.label;
  out.conversion_ = unwrap.conversion;
  for (const logql::LabelFilter& filter : unwrap.filters) {
    ASSIGN_OR_RETURN(LabelTest test, LabelTest::Make(filter));
    out.filters_.push_back(std::move(test));
  }
  return out;
}

UnwrapStage UnwrapStage::MakeHash(std::string label) {
  UnwrapStage out;
  out.label_ = std::move(label);
  out.hash_ = true;
  return out;
}

absl::Status UnwrapStage::Convert(std::string_view text, double* value) const {
  switch (conversion_) {
    case logql::UnwrapConversion::kNone:
      if (TryParseGoFloat(text, value)) return absl::OkStatus();
      return ParseGoFloat(text).status();
    case logql::UnwrapConversion::kBytes: {
      ASSIGN_OR_RETURN(const uint64_t bytes, ParseHumanBytes(text));
      *value = static_cast<double>(bytes);
      return absl::OkStatus();
    }
    case logql::UnwrapConversion::kDuration:
    case logql::UnwrapConversion::kDurationSeconds: {
      ASSIGN_OR_RETURN(const int64_t ns, ParseGoDuration(text));
      *value = static_cast<double>(ns / kNsPerSecond) + static_cast<double>(ns % kNsPerSecond) / 1e9;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

bool UnwrapStage::TryConvert(std::string_view text, double* value) const {
  if (conversion_ == logql::UnwrapConversion::kNone) return TryParseGoFloat(text, value);
  return Convert(text, value).ok();
}

bool UnwrapStage::Run(RowState* row, double* value) const {
  LabelState& labels = row->labels;
  const auto text = labels.Get(label_);
  if (!text.has_value() || text->empty()) return false;
  if (hash_) {
    *value = std::bit_cast<double>(uint64_t{XXH3_64bits(text->data(), text->size())});
    return true;
  }
  double number = 0;
  if (const absl::Status status = Convert(*text, &number); !status.ok()) {
    labels.SetError("SampleExtractionErr");
    labels.SetErrorDetails(labels.arena().Copy(MessageOf(status)));
    number = 0;
  }
  for (const LabelTest& filter : filters_) {
    if (!filter.Keeps(row)) return false;
  }
  *value = number;
  return true;
}

}  // namespace skald::exec
