// A label set, and its text form {a="b", c="d"} (Prometheus metric syntax, as Loki prints and takes it).
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald {

// Distinct names, sorted bytewise. Immutable after construction in practice: share it as shared_ptr<const
// Labels>.
class Labels {
 public:
  using Pair = std::pair<std::string, std::string>;

  Labels() = default;
  // Sorts; of pairs with the same name the last one wins.
  explicit Labels(std::vector<Pair> pairs);
  Labels(std::initializer_list<Pair> pairs) : Labels(std::vector<Pair>(pairs)) {}

  // The value, or "" where there is no such label (which LogQL treats alike).
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name);

  size_t size() const { return pairs_.size(); }
  bool empty() const { return pairs_.empty(); }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }
  const std::vector<Pair>& pairs() const { return pairs_; }

  // {a="b", c="d"}: sorted names, ", " between, values Go-quoted. Canonical: equal sets give equal text.
  std::string ToString() const;

  friend bool operator==(const Labels&, const Labels&) = default;
  friend auto operator<=>(const Labels&,
                          const Labels&) = default;  // by (name, value) pairs, shorter prefix first

 private:
  std::vector<Pair> pairs_;
};

// Parses {a="b", c="d"} with double-quoted, back-quoted or single-quoted values and an optional trailing
// comma. Labels with an empty value are dropped (Loki does so before it hashes). "" and "{}" are the empty
// set; a bare word x, with or without braces after it, adds __name__="x". InvalidArgument with "1:5: parse
// error: ..." (line:column, 1-based) otherwise, also for a name that stands twice.
absl::StatusOr<Labels> ParseLabels(std::string_view text);

// [a-zA-Z_][a-zA-Z0-9_]*
bool IsLabelName(std::string_view name);

// Go's strconv.Quote: double quotes, \n \t \\ \" and \x, \u escapes for what does not print; invalid UTF-8 as
// \xNN.
void AppendGoQuoted(std::string* out, std::string_view text);

}  // namespace skald
