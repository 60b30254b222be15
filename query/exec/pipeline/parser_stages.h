// | json, | logfmt, | regexp, | pattern, | unpack: stages that make labels of a line.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/pipeline/regex_match.h"
#include "query/exec/pipeline/row_state.h"
#include "query/logql/ast.h"
#include "text/json_path.h"
#include "text/pattern.h"

namespace skald::exec {

// Each is immutable and thread-safe; Run is false where the row is dropped (by an early filter). Make's
// errors are Loki's texts, without the stage.

class JsonStage {
 public:
  bool Run(RowState* row) const;
};

class JsonPathStage {
 public:
  static absl::StatusOr<JsonPathStage> Make(const logql::JsonParser& parser);
  bool Run(RowState* row) const;

 private:
  std::vector<std::string> names_;
  // Shared: finders keep a pointer to it.
  std::shared_ptr<const std::vector<JsonPath>> paths_;
};

class LogfmtStage {
 public:
  explicit LogfmtStage(const logql::LogfmtParser& parser)
      : strict_(parser.strict), keep_empty_(parser.keep_empty) {}
  bool Run(RowState* row) const;
  bool strict() const { return strict_; }
  bool keep_empty() const { return keep_empty_; }

 private:
  bool strict_;
  bool keep_empty_;
};

class LogfmtPickStage {
 public:
  static absl::StatusOr<LogfmtPickStage> Make(const logql::LogfmtParser& parser);
  bool Run(RowState* row) const;
  bool strict() const { return strict_; }

 private:
  const std::string* NameFor(std::string_view key) const;
  bool IsName(std::string_view key) const;

  bool strict_ = false;
  std::vector<std::string> names_;
  std::vector<std::string> keys_;  // what each name asks for
};

class RegexpStage {
 public:
  static absl::StatusOr<RegexpStage> Make(const logql::RegexpParser& parser);
  bool Run(RowState* row) const;

 private:
  explicit RegexpStage(RegexMatch regex) : regex_(std::move(regex)) {}
  RegexMatch regex_;
  std::vector<std::string> names_;  // by group, sanitised; "" for groups without a name
};

class PatternStage {
 public:
  static absl::StatusOr<PatternStage> Make(const logql::PatternParser& parser);
  bool Run(RowState* row) const;

 private:
  explicit PatternStage(PatternMatcher matcher) : matcher_(std::move(matcher)) {}
  PatternMatcher matcher_;
  std::vector<std::string> names_;  // by slot
};

class UnpackStage {
 public:
  bool Run(RowState* row) const;
};

}  // namespace skald::exec
