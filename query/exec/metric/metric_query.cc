#include "query/exec/metric/metric_query.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "query/exec/metric/binary_operation.h"
#include "query/exec/metric/label_replace.h"
#include "query/exec/metric/result_cache.h"
#include "query/exec/metric/sample_scan.h"
#include "query/exec/metric/vector_aggregation.h"
#include "query/exec/pipeline/printable.h"
#include "query/exec/windows/rolling_windows.h"

namespace skald::exec {
namespace {

using logql::Expr;
using logql::Overloaded;

// A node's value: a number, or a vector at each evaluation time. Vectors are shared: one range aggregation
// may stand twice.
using VectorPtr = std::shared_ptr<const StepVector>;
using Value = std::variant<double, VectorPtr>;

class Evaluator {
 public:
  Evaluator(const QueryContext& context, const Plan& plan, const EvaluationTimes& times)
      : context_(context), plan_(plan), times_(times), reads_(plan.reads.size()) {}

  absl::StatusOr<Value> Evaluate(const Expr& expr) {
    if (context_.trace == nullptr) return EvaluateNode(expr);
    const int64_t begin_ns = MonotonicNs();
    const int64_t held = context_.budget->used();
    absl::StatusOr<Value> value = EvaluateNode(expr);
    StepCost cost{MonotonicNs() - begin_ns, context_.budget->used() - held, 1};
    if (value.ok() && std::holds_alternative<VectorPtr>(*value)) cost.results = VectorOf(*value)->size();
    context_.trace->steps.try_emplace(&expr, cost);
    return value;
  }

 private:
  absl::StatusOr<Value> EvaluateNode(const Expr& expr) {
    return std::visit([this](const auto& node) -> absl::StatusOr<Value> { return Node(node); }, expr.node);
  }

  absl::StatusOr<Value> Node(const logql::LogSelectorExpr&) {
    return Internal("a log selector stands where numbers are wanted");
  }
  absl::StatusOr<Value> Node(const logql::Variants&) {
    return InvalidArgument("multi variant queries are disabled for this instance");
  }
  absl::StatusOr<Value> Node(const logql::Literal& literal) { return Value(literal.value); }

  absl::StatusOr<Value> Node(const logql::VectorLiteral& literal) {
    StepSeries series;
    for (uint32_t step = 0; step < times_.count; ++step)
      series.points.push_back(StepValue{step, literal.value});
    return Wrap(StepVector{std::move(series)});
  }

  absl::StatusOr<Value> Node(const logql::RangeAggregation& range) {
    const uint32_t read = plan_.read_of.at(&range);
    if (reads_[read] == nullptr) {
      const WindowGrid grid(times_.start_ns, times_.step_ns, times_.count, range.log_range.range_ns,
                            range.log_range.offset_ns);
      QueryStats stats;
      QueryContext context = context_;
      context.stats = &stats;
      const bool rolls = context.windows != nullptr && times_.instant &&
                         RollingWindows::Fits(plan_.reads[read], grid, context.interval_ns);
      absl::StatusOr<StepVector> vector =
          rolls ? context.windows->Read(context, plan_.reads[read], grid, context.interval_ns)
          : context.results != nullptr && !times_.instant
              ? context.results->Read(context, plan_.reads[read], grid)
              : ScanSamples(context, plan_.reads[read], grid);
      context_.stats->Add(stats);
      RETURN_IF_ERROR(vector.status());
      if (context_.trace != nullptr) context_.trace->reads[read] = stats;
      reads_[read] = std::make_shared<const StepVector>(*std::move(vector));
    }
    return Value(reads_[read]);
  }

  absl::StatusOr<Value> Node(const logql::VectorAggregation& aggregation) {
    if (aggregation.op == logql::VectorOp::kApproxTopk && !times_.instant) {
      return Internal("count min sketches are only supported on instant queries");
    }
    ASSIGN_OR_RETURN(const Value inner, Evaluate(*aggregation.inner));
    // A grouping that was pushed into a range aggregation leaves nothing to do.
    if (std::holds_alternative<logql::RangeAggregation>(aggregation.inner->node) &&
        IsIdentity(aggregation, *VectorOf(inner))) {
      return inner;
    }
    return Wrap(AggregateVector(aggregation, *VectorOf(inner), times_.count));
  }

  absl::StatusOr<Value> Node(const logql::LabelReplace& replace) {
    ASSIGN_OR_RETURN(const Value inner, Evaluate(*replace.inner));
    ASSIGN_OR_RETURN(StepVector vector, ApplyLabelReplace(replace, *VectorOf(inner)));
    return Wrap(std::move(vector));
  }

  absl::StatusOr<Value> Node(const logql::BinaryOp& op) {
    ASSIGN_OR_RETURN(const Value left, Evaluate(*op.lhs));
    ASSIGN_OR_RETURN(const Value right, Evaluate(*op.rhs));
    RETURN_IF_ERROR(context_.cancel->Check());
    const double* left_number = std::get_if<double>(&left);
    const double* right_number = std::get_if<double>(&right);
    if (left_number != nullptr && right_number != nullptr) {
      return Value(logql::EvaluateScalars(op.op, *left_number, *right_number));
    }
    if (left_number != nullptr) return Wrap(ApplyNumber(op, *left_number, true, *VectorOf(right)));
    if (right_number != nullptr) return Wrap(ApplyNumber(op, *right_number, false, *VectorOf(left)));
    ASSIGN_OR_RETURN(StepVector vector, ApplyVectors(op, *VectorOf(left), *VectorOf(right), times_.count));
    return Wrap(std::move(vector));
  }

  static VectorPtr VectorOf(const Value& value) {
    const VectorPtr* vector = std::get_if<VectorPtr>(&value);
    SKALD_CHECK(vector != nullptr);  // the plan refuses aggregations of numbers
    return *vector;
  }

  static Value Wrap(StepVector vector) {
    return Value(std::make_shared<const StepVector>(std::move(vector)));
  }

  const QueryContext& context_;
  const Plan& plan_;
  const EvaluationTimes& times_;
  std::vector<VectorPtr> reads_;  // by plan_.reads; null = not read yet
};

int64_t MillisOf(int64_t time_ns) {
  const int64_t ms = time_ns / kNsPerMs;
  return time_ns % kNsPerMs < 0 ? ms - 1 : ms;
}

Matrix MatrixOf(const StepVector& vector, const EvaluationTimes& times) {
  Matrix matrix;
  matrix.series.reserve(vector.size());
  for (const StepSeries& series : vector) {
    Series out;
    out.labels = PrintableLabels(series.labels);
    out.points.reserve(series.points.size());
    for (const StepValue& point : series.points) {
      out.points.push_back(
          Point{MillisOf(times.start_ns + int64_t{point.step} * times.step_ns), point.value});
    }
    matrix.series.push_back(std::move(out));
  }
  return matrix;
}

absl::Status LimitSeries(const QueryLimits& limits, StepVector* vector, QueryResult* result) {
  if (limits.max_query_series == 0 || vector->size() <= limits.max_query_series) return absl::OkStatus();
  if (!limits.truncate_series) {
    return ResourceExhausted(
        "maximum number of series ({}) reached for a single query; consider reducing query cardinality by "
        "adding more "
        "specific stream selectors, reducing the time range, or aggregating results with functions like "
        "sum(), count() "
        "or topk()",
        limits.max_query_series);
  }
  vector->resize(limits.max_query_series);
  result->reached.push_back({"series", fmt::format("{}", limits.max_query_series)});
  result->warnings.push_back(
      fmt::format("maximum number of series ({}) reached for a single query; returning partial results",
                  limits.max_query_series));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EvaluationTimes> TimesOf(const QueryParams& params, const QueryLimits& limits) {
  EvaluationTimes times;
  times.instant = params.instant;
  if (params.instant) {
    times.start_ns = params.end_ns;
    return times;
  }
  const int64_t step_ns = params.step_ns - params.step_ns % kNsPerMs;
  if (step_ns <= 0) {
    return InvalidArgument(
        "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  __int128 start = params.start_ns;
  __int128 end = params.end_ns;
  if (limits.split_interval_ns > 0) {
    start -= (start % step_ns + step_ns) % step_ns;
    end += (step_ns - (end % step_ns + step_ns) % step_ns) % step_ns;
  }
  constexpr int kMaxSteps = 11000;
  const __int128 count = end < start ? 0 : (end - start) / step_ns + 1;
  if (count > kMaxSteps + 3) {
    return InvalidArgument(
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step "
        "parameter");
  }
  times.start_ns = static_cast<int64_t>(start);
  times.step_ns = step_ns;
  times.count = static_cast<uint32_t>(std::max<__int128>(count, 1));
  return times;
}

absl::Status RunMetricQuery(const QueryContext& context, const Plan& plan, const EvaluationTimes& times,
                            const QueryLimits& limits, QueryResult* result) {
  Evaluator evaluator(context, plan, times);
  ASSIGN_OR_RETURN(const Value value, evaluator.Evaluate(*plan.root));
  if (const double* number = std::get_if<double>(&value)) {
    if (times.instant) {
      result->data = Scalar{MillisOf(times.start_ns), *number};
      return absl::OkStatus();
    }
    StepSeries series;
    for (uint32_t step = 0; step < times.count; ++step) series.points.push_back(StepValue{step, *number});
    result->data = MatrixOf(StepVector{std::move(series)}, times);
    return absl::OkStatus();
  }
  StepVector vector = *std::get<VectorPtr>(value);
  if (!times.instant) MergeEqualLabels(&vector);
  RETURN_IF_ERROR(LimitSeries(limits, &vector, result));
  context.stats->entries_returned += vector.size();
  if (!times.instant || !plan.keeps_value_order) {
    std::stable_sort(vector.begin(), vector.end(),
                     [](const StepSeries& x, const StepSeries& y) { return x.labels < y.labels; });
  }
  if (!times.instant) {
    result->data = MatrixOf(vector, times);
    return absl::OkStatus();
  }
  Vector out;
  out.t_ms = MillisOf(times.start_ns);
  out.samples.reserve(vector.size());
  for (const StepSeries& series : vector) {
    out.samples.push_back(VectorSample{PrintableLabels(series.labels), series.points.front().value});
  }
  result->data = std::move(out);
  return absl::OkStatus();
}

}  // namespace skald::exec
