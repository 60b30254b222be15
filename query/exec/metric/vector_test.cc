// Aggregations and operators on vectors that are written down, one evaluation time unless said otherwise.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "query/exec/metric/binary_operation.h"
#include "query/exec/metric/label_replace.h"
#include "query/exec/metric/vector_aggregation.h"

namespace skald::exec {
namespace {

using logql::BinaryOpKind;
using logql::MatchCardinality;
using logql::VectorOp;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

StepSeries One(Labels labels, double value) { return StepSeries{std::move(labels), {{0, value}}}; }

std::string Text(const StepVector& vector) {
  std::string out;
  for (const StepSeries& series : vector) {
    if (!out.empty()) out += "; ";
    out += series.labels.ToString();
    for (const StepValue& point : series.points) {
      out += ' ';
      if (point.step > 0) out += std::to_string(point.step) + ":";
      out += std::isnan(point.value) ? "NaN"
                                     : std::to_string(static_cast<int64_t>(std::lround(point.value * 1000)));
    }
  }
  return out;
}

logql::VectorAggregation Aggregation(VectorOp op, std::optional<logql::Grouping> grouping, int64_t k = 0) {
  logql::VectorAggregation aggregation;
  aggregation.op = op;
  aggregation.grouping = std::move(grouping);
  aggregation.k = k;
  return aggregation;
}

TEST(VectorAggregation, Table) {
  const StepVector input = {One({{"app", "a"}, {"pod", "1"}}, 1), One({{"app", "a"}, {"pod", "2"}}, 3),
                            One({{"app", "b"}, {"pod", "1"}}, kNan), One({{"app", "b"}, {"pod", "2"}}, 5)};
  const logql::Grouping by_app{false, {"app"}, {}};
  const logql::Grouping without_pod{true, {"pod"}, {}};
  const logql::Grouping by_none{false, {}, {}};
  const logql::Grouping by_missing{false, {"app", "nope"}, {}};
  const struct {
    logql::VectorAggregation aggregation;
    std::string want;
  } rows[] = {
      {Aggregation(VectorOp::kSum, by_app), "{app=\"a\"} 4000; {app=\"b\"} NaN"},
      {Aggregation(VectorOp::kSum, by_missing), "{app=\"a\"} 4000; {app=\"b\"} NaN"},
      {Aggregation(VectorOp::kMin, without_pod), "{app=\"a\"} 1000; {app=\"b\"} 5000"},
      {Aggregation(VectorOp::kMax, std::nullopt), "{} 5000"},
      {Aggregation(VectorOp::kMax, by_none), "{} 5000"},
      {Aggregation(VectorOp::kCount, by_none), "{} 4000"},
      {Aggregation(VectorOp::kAvg, by_app), "{app=\"a\"} 2000; {app=\"b\"} NaN"},
      {Aggregation(VectorOp::kStdvar, by_app), "{app=\"a\"} 1000; {app=\"b\"} NaN"},
      {Aggregation(VectorOp::kTopk, std::nullopt, 2),
       "{app=\"b\", pod=\"2\"} 5000; {app=\"a\", pod=\"2\"} 3000"},
      {Aggregation(VectorOp::kBottomk, by_app, 1),
       "{app=\"a\", pod=\"1\"} 1000; {app=\"b\", pod=\"2\"} 5000"},
      {Aggregation(VectorOp::kSortDesc, std::nullopt),
       "{app=\"b\", pod=\"2\"} 5000; {app=\"a\", pod=\"2\"} 3000; {app=\"a\", pod=\"1\"} 1000; "
       "{app=\"b\", pod=\"1\"} NaN"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Text(AggregateVector(row.aggregation, input, 1)), row.want) << logql::Name(row.aggregation.op);
  }
}

TEST(VectorAggregation, StepsAreApart) {
  const StepVector input = {StepSeries{Labels({{"a", "1"}}), {{0, 2}, {2, 1}}},
                            StepSeries{Labels({{"a", "2"}}), {{0, 1}, {2, 5}}}};
  EXPECT_EQ(Text(AggregateVector(Aggregation(VectorOp::kSum, std::nullopt), input, 3)), "{} 3000 2:6000");
  EXPECT_EQ(Text(AggregateVector(Aggregation(VectorOp::kTopk, std::nullopt, 1), input, 3)),
            "{a=\"1\"} 2000; {a=\"2\"} 2:5000");
}

logql::BinaryOp Op(BinaryOpKind kind, bool return_bool = false) {
  logql::BinaryOp op;
  op.op = kind;
  op.return_bool = return_bool;
  return op;
}

logql::BinaryOp Op(BinaryOpKind kind, bool return_bool, MatchCardinality cardinality, bool on,
                   std::vector<std::string> labels, std::vector<std::string> include = {}) {
  logql::BinaryOp op = Op(kind, return_bool);
  op.matching = logql::VectorMatching{cardinality, on, std::move(labels), std::move(include)};
  return op;
}

TEST(BinaryOperation, MatchingExamples) {
  const StepVector left = {One({{"app", "f"}, {"m", "1"}}, 60), One({{"app", "f"}, {"m", "2"}}, 60)};
  const StepVector right = {One({{"app", "f"}, {"pool", "p"}}, 30)};
  const StepVector sum = {One({{"app", "f"}}, 120)};
  constexpr auto kOne = MatchCardinality::kOneToOne;
  constexpr auto kLeft = MatchCardinality::kManyToOne;
  constexpr auto kRight = MatchCardinality::kOneToMany;
  const struct {
    logql::BinaryOp op;
    const StepVector& left;
    const StepVector& right;
    std::string want;  // a result, or the beginning of an error
  } rows[] = {
      {Op(BinaryOpKind::kAdd), left, right, ""},
      {Op(BinaryOpKind::kGreater, false, kOne, false, {"m", "pool"}), left, right,
       "multiple matches for labels: many"},
      {Op(BinaryOpKind::kGreater, false, kLeft, true, {"app"}, {"pool"}), left, right,
       "{app=\"f\", m=\"1\", pool=\"p\"} 60000; {app=\"f\", m=\"2\", pool=\"p\"} 60000"},
      {Op(BinaryOpKind::kGreater, true, kLeft, true, {"app"}), left, right,
       "{app=\"f\", m=\"1\"} 1000; {app=\"f\", m=\"2\"} 1000"},
      {Op(BinaryOpKind::kLess, false, kRight, true, {"app"}, {"pool"}), right, left,
       "{app=\"f\", m=\"1\", pool=\"p\"} 30000; {app=\"f\", m=\"2\", pool=\"p\"} 30000"},
      {Op(BinaryOpKind::kAdd, false, kOne, true, {"app"}), right, left,
       "found duplicate series on the right hand-side"},
      {Op(BinaryOpKind::kAdd, false, kRight, true, {"app"}), left, right,
       "found duplicate series on the left hand-side"},
      {Op(BinaryOpKind::kAdd, false, kOne, true, {"app"}), sum, right, "{app=\"f\"} 150000"},
      {Op(BinaryOpKind::kSub, false, kOne, false, {"pool"}), sum, right, "{app=\"f\"} 90000"},
      {Op(BinaryOpKind::kAnd, false, kOne, true, {"app"}), left, right,
       "{app=\"f\", m=\"1\"} 60000; {app=\"f\", m=\"2\"} 60000"},
      {Op(BinaryOpKind::kUnless, false, kOne, true, {"app"}), left, right, ""},
      {Op(BinaryOpKind::kOr), left, right,
       "{app=\"f\", m=\"1\"} 60000; {app=\"f\", m=\"2\"} 60000; {app=\"f\", pool=\"p\"} 30000"},
      {Op(BinaryOpKind::kMul, false, kOne, true, {}), sum, right, "{} 3600000"},
      {Op(BinaryOpKind::kAdd, false, kLeft, true, {}, {"m"}), left, right,
       "multiple matches for labels: grouping labels must ensure unique matches"},
  };
  for (const auto& row : rows) {
    const absl::StatusOr<StepVector> got = ApplyVectors(row.op, row.left, row.right, 1);
    if (got.ok()) {
      EXPECT_EQ(Text(*got), row.want) << logql::Name(row.op.op);
    } else {
      EXPECT_EQ(std::string(got.status().message()).substr(0, row.want.size()), row.want);
      EXPECT_FALSE(row.want.empty()) << got.status();
    }
  }
}

TEST(BinaryOperation, Numbers) {
  const StepVector vector = {StepSeries{Labels({{"a", "1"}}), {{0, 2}, {1, 5}}}};
  const struct {
    logql::BinaryOp op;
    double number;
    bool number_is_left;
    std::string want;
  } rows[] = {
      {Op(BinaryOpKind::kGreater), 3, false, "{a=\"1\"} 1:5000"},
      {Op(BinaryOpKind::kLess), 3, true, "{a=\"1\"} 1:5000"},
      {Op(BinaryOpKind::kGreater, true), 3, false, "{a=\"1\"} 0 1:1000"},
      {Op(BinaryOpKind::kSub), 10, true, "{a=\"1\"} 8000 1:5000"},
      {Op(BinaryOpKind::kDiv), 0, false, "{a=\"1\"} NaN 1:NaN"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(Text(ApplyNumber(row.op, row.number, row.number_is_left, vector)), row.want);
}

TEST(BinaryOperation, SeriesTakeTurns) {
  // The one side changes its series from step to step; the result's labels follow it, or are one series where
  // they agree.
  const StepVector many = {StepSeries{Labels({{"a", "1"}, {"m", "x"}}), {{0, 1}, {1, 2}}}};
  const StepVector one = {StepSeries{Labels({{"a", "1"}, {"p", "u"}}), {{0, 10}}},
                          StepSeries{Labels({{"a", "1"}, {"p", "v"}}), {{1, 20}}}};
  const auto op = Op(BinaryOpKind::kAdd, false, MatchCardinality::kManyToOne, true, {"a"}, {"p"});
  EXPECT_EQ(Text(*ApplyVectors(op, many, one, 2)),
            "{a=\"1\", m=\"x\", p=\"u\"} 11000; {a=\"1\", m=\"x\", p=\"v\"} 1:22000");
  StepVector plain =
      *ApplyVectors(Op(BinaryOpKind::kAdd, false, MatchCardinality::kOneToOne, true, {"a"}), many, one, 2);
  MergeEqualLabels(&plain);
  EXPECT_EQ(Text(plain), "{a=\"1\"} 11000 1:22000");
}

TEST(LabelReplace, Table) {
  const StepVector input = {One({{"app", "a-b"}}, 1)};
  const struct {
    std::string dst, replacement, src, regex, want;
  } rows[] = {
      {"n", "${1}x", "app", "(.*)", "{app=\"a-b\", n=\"a-bx\"}"},
      {"n", "$1x", "app", "(.*)", "{app=\"a-b\"}"},
      {"n", "$$", "app", ".*", "{app=\"a-b\", n=\"$\"}"},
      {"n", "$2-$1", "app", "(.)-(.)", "{app=\"a-b\", n=\"b-a\"}"},
      {"n", "$tail", "app", "a-(?P<tail>.)", "{app=\"a-b\", n=\"b\"}"},
      {"n", "x", "app", "a", "{app=\"a-b\"}"},
      {"app", "", "app", ".*", "{}"},
      {"n", "none", "missing", "", "{app=\"a-b\", n=\"none\"}"},
      {"n", "$ {x", "app", ".*", "{app=\"a-b\", n=\"$ {x\"}"},
  };
  for (const auto& row : rows) {
    logql::LabelReplace replace{nullptr, row.dst, row.replacement, row.src, row.regex};
    const absl::StatusOr<StepVector> got = ApplyLabelReplace(replace, input);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ((*got)[0].labels.ToString(), row.want) << row.replacement;
  }
}

// A value of bytes that are no UTF-8, as the regexp stage can take one out of a line: `.` takes each of them.
TEST(LabelReplace, BytesThatAreNoText) {
  const StepVector input = {One({{"app", "pr\xffx"}}, 1)};
  logql::LabelReplace replace{nullptr, "n", "$2-$1", "app", "(.*)(r+).*"};
  const absl::StatusOr<StepVector> got = ApplyLabelReplace(replace, input);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)[0].labels.Get("n"), "r-p");
}

}  // namespace
}  // namespace skald::exec
