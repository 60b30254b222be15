// A quick way for the rows of a metric query whose pipeline is one json or logfmt parser, filters on its
// labels and perhaps an unwrap: lines that have the shape of a line before them give their values without a
// parser, and most rows are settled without a label set being built. What it cannot settle goes the common
// way, so that answers are the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/pipeline/compiled_pipeline.h"
#include "text/line_shape.h"

namespace skald::exec {

// Scratch of one thread, like the PipelineRunner it belongs to. Not thread-safe.
class SampleShortcut {
 public:
  explicit SampleShortcut(const CompiledPipeline& compiled);

  // False: not for rows of this slice. labels has begun it.
  bool StartSlice(const Labels& stream, const Rows& rows, const LabelState& labels);
  // Whether all rows of the slice that are kept have the labels of the stream's own that the grouping names.
  bool same_labels() const { return same_labels_; }

  enum class Verdict {
    kUnknown,  // the common way must tell
    kDropped,
    kKept,  // with same_labels(), if Try says so
  };
  // A row of the slice. *value is an unwrapped value, where there is an unwrap and the row is kept.
  Verdict Try(uint32_t row, double* value);

 private:
  // Shapes that lines of this slice had, the last one that matched first.
  struct Known {
    LineShape shape;
    // Of the shape's values those that tests and unwrap ask for, and which.
    std::vector<uint32_t> places;
    std::vector<uint32_t> wanted;    // index into wanted_
    std::vector<uint32_t> place_of;  // of each of wanted_
    // Values up to which the parser reads before it asks early_; 0 where it does not.
    size_t early_end = 0;
  };
  static constexpr size_t kMaxShapes = 4;

  void Want(const LabelTest& test);
  bool Learn(std::string_view line);
  // Whether the line has the shape; *dropped where what comes after its early value does not count any more.
  bool Matches(const Known& known, std::string_view line, bool* dropped);
  Verdict SettleNumbers(const Known& known, const std::vector<std::string_view>& values, double* value);
  Verdict Settle(const Known& known, const std::vector<std::string_view>& values, double* value);
  // Whether all tests hold for named_; nullopt where one cannot tell.
  std::optional<bool> HoldAll(const std::vector<const LabelTest*>& tests) const;

  const CompiledPipeline& compiled_;
  bool possible_ = false;
  bool json_ = false;
  std::vector<const LabelTest*> tests_;
  std::vector<const LabelTest*> late_tests_;  // after the unwrap
  bool only_numbers_ = false;                 // tests_ all compare numbers, and there are no later ones
  std::vector<size_t> number_labels_;         // then of each the label, in wanted_
  std::vector<std::string> wanted_;           // labels of tests and unwrap
  // A test on one label that is asked as soon as the parser has that one, wanted_[early_label_]; or null.
  const LabelTest* early_ = nullptr;
  size_t early_label_ = 0;
  size_t unwrap_ = 0;  // in wanted_
  bool has_unwrap_ = false;
  bool may_stop_ = false;  // the parser wants no more than wanted_

  bool same_labels_ = false;
  std::vector<Known> shapes_;
  size_t shape_count_ = 0;
  uint32_t misses_ = 0;  // rows since the last match
  const Rows* rows_ = nullptr;
  std::vector<std::string_view> values_;
  // Rows asked for one after the other are matched two at a time: the row whose values next_values_ holds
  // (of shapes_[0]), and the one that is asked for next if they are.
  static constexpr uint32_t kNoRow = UINT32_MAX;
  uint32_t matched_row_ = kNoRow;
  uint32_t expected_row_ = kNoRow;
  uint32_t pair_pause_ = 0;  // rows to be matched singly, after two that were not alike
  std::vector<std::string_view> next_values_;
  std::vector<LabelTest::Named> named_;
};

}  // namespace skald::exec
