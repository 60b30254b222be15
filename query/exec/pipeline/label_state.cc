#include "query/exec/pipeline/label_state.h"

#include <algorithm>
#include <cstring>

namespace skald::exec {

std::string_view RowArena::Join(std::string_view a, std::string_view b) {
  const size_t size = a.size() + b.size();
  char* at = nullptr;
  if (size > kChunk / 4) {
    large_.emplace_back(new char[size]);
    at = large_.back().get();
  } else {
    if (chunks_.empty() || used_ + size > kChunk) {
      if (!chunks_.empty()) ++chunk_;
      if (chunk_ == chunks_.size()) chunks_.emplace_back(new char[kChunk]);
      used_ = 0;
    }
    at = chunks_[chunk_].get() + used_;
    used_ += size;
  }
  if (!a.empty()) std::memcpy(at, a.data(), a.size());
  if (!b.empty()) std::memcpy(at + a.size(), b.data(), b.size());
  return {at, size};
}

void RowArena::Reset() {
  large_.clear();
  chunk_ = 0;
  used_ = 0;
}

void LabelState::StartSlice(const Labels& stream, const Rows* rows) {
  stream_ = &stream;
  stream_names_.Clear();
  for (const Labels::Pair& pair : stream) stream_names_.Add(pair.first);
  columns_.clear();
  column_names_.Clear();
  renamed_.clear();
  error_column_ = nullptr;
  error_details_column_ = nullptr;
  if (rows != nullptr) {
    for (const MetadataColumn& source : rows->metadata) {
      if (source.name == kErrorLabel) {
        error_column_ = &source;
        continue;
      }
      if (source.name == kErrorDetailsLabel) {
        error_details_column_ = &source;
        continue;
      }
      std::string_view name = source.name;
      if (StreamHas(name)) {
        renamed_.emplace_back(name);
        renamed_.back() += kExtractedSuffix;
        name = renamed_.back();
      }
      columns_.push_back({&source, name, false});
      column_names_.Add(name);
    }
  }
  has_error_columns_ = error_column_ != nullptr || error_details_column_ != nullptr;
  any_hidden_ = false;
  StartBareRow();
}

void LabelState::StartBareRow() {
  has_row_ = false;
  if (any_hidden_) {
    for (Column& column : columns_) column.hidden = false;
    any_hidden_ = false;
  }
  parsed_.clear();
  parsed_names_.Clear();
  extracted_.clear();
  extracted_names_.Clear();
  required_found_ = 0;
  deleted_.clear();
  deleted_names_.Clear();
  error_ = {};
  error_details_ = {};
  arena_.Reset();
}

void LabelState::StartRow(uint32_t row) {
  StartBareRow();
  row_ = row;
  has_row_ = true;
  if (!has_error_columns_) return;
  if (error_column_ != nullptr && error_column_->index[row] != 0) {
    error_ = error_column_->value(error_column_->index[row] - 1);
  }
  if (error_details_column_ != nullptr && error_details_column_->index[row] != 0) {
    error_details_ = error_details_column_->value(error_details_column_->index[row] - 1);
  }
}

bool LabelState::Deleted(std::string_view name) const {
  if (!deleted_names_.MayHold(name)) return false;
  return std::find(deleted_.begin(), deleted_.end(), name) != deleted_.end();
}

const LabelState::Field* LabelState::FindParsed(std::string_view name) const {
  if (!parsed_names_.MayHold(name)) return nullptr;
  for (const Field& field : parsed_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::optional<std::string_view> LabelState::MetadataGet(std::string_view name) const {
  if (!column_names_.MayHold(name)) return std::nullopt;
  for (size_t c = columns_.size(); c-- > 0;) {
    if (columns_[c].name == name && MetadataVisible(c)) return MetadataValue(c);
  }
  return std::nullopt;
}

bool LabelState::StreamVisible(std::string_view name) const {
  return !Deleted(name) && FindParsed(name) == nullptr;
}

std::optional<std::string_view> LabelState::Get(std::string_view name) const {
  if (const auto value = MetadataGet(name)) return value;
  if (const Field* field = FindParsed(name)) return field->value;
  if (!stream_names_.MayHold(name) || Deleted(name)) return std::nullopt;
  const std::string_view value = stream_->Get(name);
  if (value.empty()) return std::nullopt;
  return value;
}

void LabelState::HideMetadata(std::string_view name) {
  if (!column_names_.MayHold(name)) return;
  for (Column& column : columns_) {
    if (column.name != name) continue;
    column.hidden = true;
    any_hidden_ = true;
  }
}

bool LabelState::WasExtracted(std::string_view name) const {
  if (!extracted_names_.MayHold(name)) return false;
  return std::find(extracted_.begin(), extracted_.end(), name) != extracted_.end();
}

void LabelState::SetParsed(std::string_view name, std::string_view value) {
  HideMetadata(name);
  if (!WasExtracted(name)) {
    extracted_.push_back(name);
    extracted_names_.Add(name);
    if (hints_->mode == ParserHints::Mode::kRequired && hints_->Requires(name)) ++required_found_;
  }
  if (const Field* field = FindParsed(name)) {
    parsed_[static_cast<size_t>(field - parsed_.data())].value = value;
    return;
  }
  parsed_.push_back({name, value});
  parsed_names_.Add(name);
}

void LabelState::Delete(std::string_view name) {
  HideMetadata(name);
  if (const Field* field = FindParsed(name)) parsed_.erase(parsed_.begin() + (field - parsed_.data()));
  if (Deleted(name)) return;
  deleted_.push_back(name);
  deleted_names_.Add(name);
}

bool LabelState::empty() const {
  bool any = false;
  ForEach([&](std::string_view, std::string_view, LabelCategory) { any = true; });
  return !any;
}

void LabelState::AppendAll(std::vector<LabelView>* out) const {
  const size_t first = out->size();
  ForEach([&](std::string_view name, std::string_view value, LabelCategory category) {
    out->push_back({name, value, category});
  });
  if (has_error()) out->push_back({kErrorLabel, error_, LabelCategory::kParsed});
  if (!error_details_.empty()) out->push_back({kErrorDetailsLabel, error_details_, LabelCategory::kParsed});
  // Names stand twice where metadata got a name by the collision rule that other metadata, or the stream,
  // has: the last one counts.
  const auto begin = out->begin() + static_cast<std::ptrdiff_t>(first);
  std::stable_sort(begin, out->end(), [](const LabelView& a, const LabelView& b) { return a.name < b.name; });
  size_t kept = first;
  for (size_t i = first; i < out->size(); ++i) {
    if (i + 1 < out->size() && (*out)[i].name == (*out)[i + 1].name) continue;
    (*out)[kept++] = (*out)[i];
  }
  out->resize(kept);
}

void LabelState::AppendBy(const std::vector<std::string>& sorted_names, std::vector<LabelView>* out) const {
  for (const std::string& name : sorted_names) {
    if (Deleted(name)) continue;
    if (const auto value = Get(name)) out->push_back({name, *value, LabelCategory::kStream});
  }
}

void LabelState::AppendWithout(const std::vector<std::string>& names, std::string_view and_name,
                               std::vector<LabelView>* out) const {
  AppendAll(out);
  const bool all = names.empty() && and_name.empty();
  std::erase_if(*out, [&](const LabelView& label) {
    // Details of an error that was dropped are carried into series only with all other labels.
    if (label.name == kErrorDetailsLabel && !has_error() && !all) return true;
    return label.name == and_name || std::find(names.begin(), names.end(), label.name) != names.end();
  });
  for (LabelView& label : *out) label.category = LabelCategory::kStream;
}

}  // namespace skald::exec
