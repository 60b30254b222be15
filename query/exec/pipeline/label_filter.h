// Label filters: | level="error", | duration > 1s and size < 5KB.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "query/exec/pipeline/regex_match.h"
#include "query/exec/pipeline/row_state.h"
#include "query/logql/ast.h"
#include "query/logql/regex_simplify.h"
#include "text/ip_filter.h"
#include "text/substring.h"

namespace skald::exec {

struct LabelTestNode;

// Immutable and thread-safe. Running it may set the row's error: a value that cannot be read as a number
// keeps the row, with LabelFilterErr.
class LabelTest {
 public:
  // InvalidArgument with Loki's text, without the stage: an address pattern that is none, outside of and/or.
  static absl::StatusOr<LabelTest> Make(const logql::LabelFilter& filter);

  LabelTest(LabelTest&&) noexcept;
  LabelTest& operator=(LabelTest&&) noexcept;
  ~LabelTest();

  bool Keeps(RowState* row) const;
  // The filter can drop nothing and sets no error (=~".*").
  bool AlwaysKeeps() const;
  // The one label it is about, "" for and/or.
  std::string_view label() const;
  // A number, duration or size: may set an error.
  bool CanFail() const;

  // Where it is one comparison of a label with a number: whether a value that is `number` passes. For hot
  // loops over tests of that kind; not to be asked of others.
  bool IsNumber() const;
  bool PassesNumber(double number) const;

  // All labels it is about, with repetitions.
  std::vector<std::string> Labels() const;
  // What Keeps says, where the values of the labels alone settle it and no error is set; else nullopt.
  // values: of labels that stand on the row; nullopt too where one that counts is not among them or not plain
  // ASCII.
  struct Named {
    std::string_view name;
    std::string_view value;
  };
  std::optional<bool> Decide(std::span<const Named> values) const;

  // Texts of which all must stand in the values of labels of a row that it keeps: what equalities ask for.
  struct Wanted {
    std::string_view label;
    std::vector<std::string_view> any_of;
  };
  void AppendWanted(std::vector<Wanted>* out) const;

 private:
  explicit LabelTest(std::unique_ptr<const LabelTestNode> root);
  static absl::StatusOr<std::unique_ptr<const LabelTestNode>> Build(const logql::LabelFilter& filter,
                                                                    bool inside);
  static bool Run(const LabelTestNode& node, RowState* row);
  static std::optional<bool> Decide(const LabelTestNode& node, std::span<const Named> values);
  static void AppendLabels(const LabelTestNode& node, std::vector<std::string>* out);
  static void AppendWanted(const LabelTestNode& node, std::vector<Wanted>* out);

  std::unique_ptr<const LabelTestNode> root_;
};

}  // namespace skald::exec
