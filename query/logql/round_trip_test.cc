// What is printed says the same: the tree of a query's printed forms is the query's own, for all queries of
// the golden scripts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/error.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace skald::logql {
namespace {

// A tree as text, each field with its length or as a number, so that two texts are equal where two trees are.
// Places in the query's text and heights are left out, and what two spellings share: tokens of a conjunction,
// sizes as written.
class TreeWriter {
 public:
  static std::string Of(const Expr& expr) {
    TreeWriter writer;
    writer.Put(expr);
    return std::move(writer.out_);
  }

 private:
  void Text(std::string_view text) { out_ += fmt::format("{}:{} ", text.size(), text); }
  template <class T>
  void Number(T value) {
    if constexpr (std::is_enum_v<T>) {
      out_ += fmt::format("{} ", static_cast<int>(value));
    } else {
      out_ += fmt::format("{} ", value);
    }
  }
  template <class List>
  void Texts(const List& list) {
    Number(list.size());
    for (const std::string& text : list) Text(text);
  }
  template <class List>
  void All(const List& list) {
    Number(list.size());
    for (const auto& item : list) Put(item);
  }
  template <class T>
  void Maybe(const std::optional<T>& item) {
    Number(item.has_value());
    if (item.has_value()) Put(*item);
  }
  template <class... Ts>
  void Put(const std::variant<Ts...>& node) {
    out_ += fmt::format("({} ", node.index());
    std::visit([this](const auto& item) { Put(item); }, node);
    out_ += ") ";
  }

  void Put(double value) { Number(value); }
  void Put(const Matcher& m) { Text(m.name()), Number(m.op()), Text(m.value()); }
  void Put(const LineFilterOperand& o) { Number(o.is_ip), Text(o.text); }
  void Put(const LineFilter& f) { Number(f.op), All(f.operands); }
  void Put(const LabelExtraction& e) { Text(e.name), Text(e.expression); }
  void Put(const JsonParser& p) { All(p.extractions); }
  void Put(const LogfmtParser& p) { Number(p.strict), Number(p.keep_empty), All(p.extractions); }
  void Put(const RegexpParser& p) { Text(p.pattern); }
  void Put(const PatternParser& p) { Text(p.pattern); }
  void Put(const Unpack&) {}
  void Put(const NumberFilter& f) { Text(f.name), Number(f.op), Number(f.value); }
  void Put(const StringFilter& f) { Put(f.matcher); }
  void Put(const DurationFilter& f) { Text(f.name), Number(f.op), Number(f.nanos); }
  void Put(const BytesFilter& f) { Text(f.name), Number(f.op), Number(f.threshold); }
  void Put(const IpFilter& f) { Text(f.name), Number(f.negated), Text(f.pattern); }
  void Put(const AndFilter& f) { Put(*f.left), Put(*f.right); }
  void Put(const OrFilter& f) { Put(*f.left), Put(*f.right); }
  void Put(const LabelFilter& f) { Put(f.node); }
  void Put(const LineFormat& f) { Text(f.text); }
  void Put(const LabelFormatItem& i) { Text(i.name), Number(i.is_rename), Text(i.value); }
  void Put(const LabelFormat& f) { All(f.items); }
  void Put(const Decolorize&) {}
  void Put(const NameOrMatcher& i) { Text(i.name), Maybe(i.matcher); }
  void Put(const Drop& d) { All(d.items); }
  void Put(const Keep& k) { All(k.items); }
  void Put(const StageArgument& a) { Text(a.name), Number(a.count.value_or(uint64_t{0} - 1)); }
  void Put(const NamedStage& s) { Text(s.word), All(s.arguments); }
  void Put(const LogSelectorExpr& e) { All(e.selector.matchers), All(e.stages); }
  void Put(const Unwrap& u) { Text(u.label), Number(u.conversion), All(u.filters); }
  void Put(const LogRangeExpr& e) { Put(e.source), Number(e.range_ns), Number(e.offset_ns), Maybe(e.unwrap); }
  void Put(const Grouping& g) { Number(g.without), Texts(g.labels); }
  void Put(const RangeAggregation& r) {
    Number(r.op), Maybe(r.parameter), Text(r.counted_label), Put(r.log_range), Maybe(r.grouping);
  }
  // No grouping and `by ()` mean the same here.
  void Put(const VectorAggregation& v) {
    Number(v.op), Number(v.k), Put(*v.inner), Put(v.grouping.value_or(Grouping()));
  }
  void Put(const VectorMatching& m) {
    Number(m.cardinality), Number(m.on), Texts(m.labels), Texts(m.include);
  }
  void Put(const BinaryOp& b) {
    Number(b.op), Put(*b.lhs), Put(*b.rhs), Number(b.return_bool), Maybe(b.matching);
  }
  void Put(const Literal& l) { Number(l.value); }
  void Put(const VectorLiteral& l) { Number(l.value); }
  void Put(const LabelReplace& r) {
    Put(*r.inner), Text(r.dst), Text(r.replacement), Text(r.src), Text(r.regex);
  }
  void Put(const Variants& v) {
    Number(v.variants.size());
    for (const ExprPtr& one : v.variants) Put(*one);
    Put(v.of);
  }
  void Put(const Expr& e) { Put(e.node); }

  std::string out_;
};

std::string TreeOf(std::string_view query, const ParseOptions& options) {
  const absl::StatusOr<ExprPtr> expr = ParseExpr(query, options);
  return expr.ok() ? TreeWriter::Of(**expr) : std::string(MessageOf(expr.status()));
}

TEST(RoundTrip, TreesDiffer) {
  const char* const queries[] = {R"({a="b"})",
                                 R"({a="b"} |= "c")",
                                 R"({a="b"} != "c")",
                                 R"(rate({a="b"}[1m]))",
                                 R"(rate({a="b"}[1m] offset 1m))",
                                 R"(sum by (c) (rate({a="b"}[1m])))",
                                 R"(sum without (c) (rate({a="b"}[1m])))"};
  for (const char* x : queries) {
    for (const char* y : queries) EXPECT_EQ(TreeOf(x, {}) == TreeOf(y, {}), x == y) << x << " " << y;
  }
}

// False for a query that is no case: an error, or one of the forms whose print is lossy.
bool ExpectRoundTrip(const std::string& query, ParseOptions options) {
  const absl::StatusOr<ExprPtr> expr = ParseExpr(query, options);
  if (!expr.ok()) return false;
  // The one tree that no text makes but a division of literals.
  const auto* literal = std::get_if<Literal>(&(*expr)->node);
  if (literal != nullptr && std::isnan(literal->value)) return false;
  // Names beyond ASCII are printed in quotes, which selectors do not take: that form is lossy, as Loki's is.
  if (Print(**expr).starts_with("{\"")) return false;
  const std::string tree = TreeWriter::Of(**expr);
  EXPECT_EQ(TreeOf(Print(**expr), options), tree) << query << "\n" << Print(**expr);
  EXPECT_EQ(TreeOf(Pretty(**expr), options), tree) << query << "\n" << Pretty(**expr);
  return true;
}

TEST(RoundTrip, GoldenScripts) {
  int files = 0;
  int queries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SKALD_GOLDEN_SCRIPTS)) {
    if (entry.path().extension() != ".logqltest") continue;
    ++files;
    std::ifstream file(entry.path());
    ParseOptions options;
    for (std::string line; std::getline(file, line);) {
      if (line == "extensions on") options.extensions = true;
      const size_t colon = line.find(": ");
      if (!line.starts_with("eval ") || colon == std::string::npos) continue;
      const std::string query = line.substr(colon + 2);
      if (ExpectRoundTrip(query, options)) ++queries;
    }
  }
  EXPECT_GE(files, 23);
  EXPECT_GT(queries, 400);
}

// The corpus of queries, each by its print; what is lossy there is lossy in Loki.
TEST(RoundTrip, Corpus) {
  std::ifstream file(SKALD_LOGQL_TESTDATA "/queries.txt");
  ASSERT_TRUE(file.is_open());
  int queries = 0;
  for (std::string query; std::getline(file, query);) {
    const absl::StatusOr<ExprPtr> expr = ParseExpr(query);
    ASSERT_TRUE(expr.ok()) << query;
    const std::string printed = Print(**expr);
    const bool lossy = printed.find("NaN") != std::string::npos || query.find("é") != std::string::npos ||
                       printed.find("group_left (vector") != std::string::npos ||
                       printed.find("vector(0.000000)") != std::string::npos;  // six decimals
    if (lossy) continue;
    ++queries;
    const absl::StatusOr<ExprPtr> again = ParseExpr(printed);
    ASSERT_TRUE(again.ok()) << query << "\n" << printed;
    EXPECT_EQ(TreeWriter::Of(**again), TreeWriter::Of(**expr)) << query << "\n" << printed;
  }
  EXPECT_GT(queries, 600);
}

}  // namespace
}  // namespace skald::logql
