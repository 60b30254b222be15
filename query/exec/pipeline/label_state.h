// The labels of one entry on its way through the pipeline: stream labels below structured metadata below what
// parsers found, what was dropped, and the error. Rules: what a name means depends on the order of these
// layers, and some of it looks odd; it is what LogQL says.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "proto/rows.h"
#include "query/exec/pipeline/label_set.h"
#include "query/exec/pipeline/parser_hints.h"

namespace skald::exec {

inline constexpr std::string_view kErrorLabel = "__error__";
inline constexpr std::string_view kErrorDetailsLabel = "__error_details__";
inline constexpr std::string_view kPreserveErrorLabel = "__preserve_error__";
inline constexpr std::string_view kExtractedSuffix = "_extracted";

// Text that lives as long as the row that is being worked on. Bytes never move.
class RowArena {
 public:
  std::string_view Copy(std::string_view text) { return Join(text, {}); }
  std::string_view Join(std::string_view a, std::string_view b);
  void Reset();

 private:
  static constexpr size_t kChunk = 16 << 10;
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::vector<std::unique_ptr<char[]>> large_;  // of this row alone
  size_t chunk_ = 0;
  size_t used_ = 0;
};

// A set of names that may say "maybe" for one that is not in it: what most lookups of absent names end with.
class NameSketch {
 public:
  void Add(std::string_view name) { bits_ |= Bit(name); }
  bool MayHold(std::string_view name) const { return (bits_ & Bit(name)) != 0; }
  void Clear() { bits_ = 0; }

 private:
  static uint64_t Bit(std::string_view name) {
    if (name.empty()) return 1;
    const auto first = static_cast<unsigned char>(name.front());
    const auto last = static_cast<unsigned char>(name.back());
    return uint64_t{1} << ((name.size() * 11 + first * 5 + last) % 64);
  }
  uint64_t bits_ = 0;
};

// Not thread-safe. Views given to it must live until the next StartRow (Keep makes them so); views it gives
// live as long.
class LabelState {
 public:
  explicit LabelState(const ParserHints* hints) : hints_(hints) {}
  LabelState(const LabelState&) = delete;
  LabelState& operator=(const LabelState&) = delete;

  // rows may be null: there is no metadata then. Both must outlive the slice.
  void StartSlice(const Labels& stream, const Rows* rows);
  void StartRow(uint32_t row);
  // A row without metadata.
  void StartBareRow();

  RowArena& arena() { return arena_; }

  // ---- layers
  // Metadata, then parsed, then the stream's labels that are not dropped. Errors are not in here.
  std::optional<std::string_view> Get(std::string_view name) const;
  // True for a stream label even after it was dropped, and for metadata that is still there: what a parser's
  // key collides with.
  bool Collides(std::string_view name) const { return StreamHas(name) || MetadataGet(name).has_value(); }
  void SetParsed(std::string_view name, std::string_view value);
  void Delete(std::string_view name);
  // No label is visible.
  bool empty() const;

  // ---- what parsers need to know
  bool WasExtracted(std::string_view name) const;
  // False: this key (after the collision rule) is not wanted, or an earlier value stands.
  bool ShouldExtract(std::string_view name) const {
    return !WasExtracted(name) && (hints_->mode == ParserHints::Mode::kAll || hints_->Requires(name));
  }
  bool AllRequiredExtracted() const {
    return hints_->mode == ParserHints::Mode::kRequired && required_found_ == hints_->required.size();
  }
  bool ParsersIdle() const { return hints_->mode == ParserHints::Mode::kNone || AllRequiredExtracted(); }
  const ParserHints& hints() const { return *hints_; }

  // ---- errors
  bool has_error() const { return !error_.empty(); }
  std::string_view error() const { return error_; }
  std::string_view error_details() const { return error_details_; }
  void SetError(std::string_view error) { error_ = error; }
  void SetErrorDetails(std::string_view details) { error_details_ = details; }
  // A parser's error, which is kept apart where the query asks for __error__ itself.
  void SetParserError(std::string_view error) {
    SetError(error);
    if (hints_->preserve_error) SetParsed(kPreserveErrorLabel, "true");
  }

  // ---- results, sorted by name
  // All labels, errors among them, with their categories.
  void AppendAll(std::vector<LabelView>* out) const;
  // For samples: category kStream throughout.
  void AppendBy(const std::vector<std::string>& sorted_names, std::vector<LabelView>* out) const;
  void AppendWithout(const std::vector<std::string>& names, std::string_view and_name,
                     std::vector<LabelView>* out) const;

  // Calls fn(name, value, category) for each visible label (errors not), in no order. fn must not change the
  // labels.
  template <class Fn>
  void ForEach(Fn&& fn) const {
    for (const Labels::Pair& pair : *stream_) {
      if (!pair.second.empty() && StreamVisible(pair.first))
        fn(std::string_view(pair.first), std::string_view(pair.second), LabelCategory::kStream);
    }
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (MetadataVisible(c))
        fn(std::string_view(columns_[c].name), MetadataValue(c), LabelCategory::kMetadata);
    }
    for (const Field& field : parsed_) fn(field.name, field.value, LabelCategory::kParsed);
  }

  // ---- metadata as columns, for callers that remember outcomes by value index
  size_t column_count() const { return columns_.size(); }
  std::string_view column_name(size_t c) const { return columns_[c].name; }
  const MetadataColumn& column(size_t c) const { return *columns_[c].source; }
  bool has_error_columns() const { return has_error_columns_; }

 private:
  struct Column {
    const MetadataColumn* source = nullptr;
    std::string_view name;  // _extracted where the stream has it
    bool hidden = false;    // for this row: deleted or set anew
  };
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  bool StreamHas(std::string_view name) const { return stream_names_.MayHold(name) && stream_->Has(name); }
  bool Deleted(std::string_view name) const;
  bool StreamVisible(std::string_view name) const;
  bool MetadataVisible(size_t c) const {
    return has_row_ && !columns_[c].hidden && columns_[c].source->index[row_] != 0;
  }
  std::string_view MetadataValue(size_t c) const {
    return columns_[c].source->value(columns_[c].source->index[row_] - 1);
  }
  std::optional<std::string_view> MetadataGet(std::string_view name) const;
  const Field* FindParsed(std::string_view name) const;
  void HideMetadata(std::string_view name);

  const ParserHints* hints_;
  const Labels* stream_ = nullptr;
  NameSketch stream_names_;
  std::vector<Column> columns_;
  const MetadataColumn* error_column_ = nullptr;
  const MetadataColumn* error_details_column_ = nullptr;
  bool has_error_columns_ = false;
  NameSketch column_names_;
  std::deque<std::string> renamed_;  // names of columns that the stream has

  uint32_t row_ = 0;
  bool has_row_ = false;
  bool any_hidden_ = false;
  std::vector<Field> parsed_;
  NameSketch parsed_names_;
  std::vector<std::string_view> extracted_;
  NameSketch extracted_names_;
  size_t required_found_ = 0;
  std::vector<std::string_view> deleted_;
  NameSketch deleted_names_;
  std::string_view error_;
  std::string_view error_details_;
  RowArena arena_;
};

}  // namespace skald::exec
