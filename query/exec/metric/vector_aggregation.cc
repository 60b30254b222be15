#include "query/exec/metric/vector_aggregation.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cmath>

#include "query/exec/labels_index.h"

namespace skald::exec {
namespace {

using logql::VectorOp;

// One group at one evaluation time.
struct GroupState {
  uint64_t count = 0;
  double value = 0;  // sum, extreme, or mean
  double m2 = 0;     // sum of squared distances from the mean
};

void AddSample(VectorOp op, GroupState* state, double value) {
  ++state->count;
  switch (op) {
    case VectorOp::kSum:
      state->value += value;
      break;
    case VectorOp::kMin:
      if (state->count == 1 || std::isnan(state->value) || value < state->value) state->value = value;
      break;
    case VectorOp::kMax:
      if (state->count == 1 || std::isnan(state->value) || value > state->value) state->value = value;
      break;
    case VectorOp::kAvg:
      state->value += (value - state->value) / static_cast<double>(state->count);
      break;
    case VectorOp::kStddev:
    case VectorOp::kStdvar: {
      if (state->count == 1) {  // also a NaN is 0 away from itself
        state->value = value;
        break;
      }
      const double distance = value - state->value;
      state->value += distance / static_cast<double>(state->count);
      state->m2 += distance * (value - state->value);
      break;
    }
    default:
      break;
  }
}

double ResultOf(VectorOp op, const GroupState& state) {
  switch (op) {
    case VectorOp::kCount:
      return static_cast<double>(state.count);
    case VectorOp::kStdvar:
      return state.m2 / static_cast<double>(state.count);
    case VectorOp::kStddev:
      return std::sqrt(state.m2 / static_cast<double>(state.count));
    default:
      return state.value;
  }
}

// The input's series by group, groups in order of their first series.
struct Groups {
  std::vector<Labels> labels;
  std::vector<std::vector<uint32_t>> members;
};

Groups GroupSeries(const std::optional<logql::Grouping>& grouping, const StepVector& input) {
  Groups groups;
  LabelsIndex index([&groups](uint32_t i) -> const Labels& { return groups.labels[i]; });
  for (uint32_t i = 0; i < input.size(); ++i) {
    Labels labels = GroupLabels(grouping, input[i].labels);
    const uint32_t group = index.FindOrInsert(labels, static_cast<uint32_t>(groups.labels.size()));
    if (group == groups.labels.size()) {
      groups.labels.push_back(std::move(labels));
      groups.members.emplace_back();
    }
    groups.members[group].push_back(i);
  }
  return groups;
}

StepVector Reduce(VectorOp op, const std::optional<logql::Grouping>& grouping, const StepVector& input,
                  uint32_t steps) {
  Groups groups = GroupSeries(grouping, input);
  StepVector out;
  out.reserve(groups.labels.size());
  std::vector<GroupState> states(steps);
  for (size_t g = 0; g < groups.labels.size(); ++g) {
    uint32_t first = steps;
    uint32_t last = 0;
    for (const uint32_t member : groups.members[g]) {
      for (const StepValue& point : input[member].points) AddSample(op, &states[point.step], point.value);
      first = std::min(first, input[member].points.front().step);
      last = std::max(last, input[member].points.back().step);
    }
    StepSeries series;
    series.labels = std::move(groups.labels[g]);
    for (uint32_t step = first; step <= last && step < steps; ++step) {
      if (states[step].count == 0) continue;
      series.points.push_back(StepValue{step, ResultOf(op, states[step])});
      states[step] = GroupState();
    }
    if (!series.points.empty()) out.push_back(std::move(series));
  }
  return out;
}

// NaN comes last both ways.
bool Before(bool descending, double x, double y) {
  if (std::isnan(x)) return false;
  if (std::isnan(y)) return true;
  return descending ? x > y : x < y;
}

StepVector Select(bool top, int64_t k, const std::optional<logql::Grouping>& grouping,
                  const StepVector& input) {
  struct Candidate {
    uint32_t step;
    uint32_t series;
    double value;
  };
  const Groups groups = GroupSeries(grouping, input);
  StepVector out;
  std::vector<Candidate> candidates;
  for (const std::vector<uint32_t>& members : groups.members) {
    candidates.clear();
    for (const uint32_t member : members) {
      for (const StepValue& point : input[member].points) {
        candidates.push_back(Candidate{point.step, member, point.value});
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(), [top](const Candidate& x, const Candidate& y) {
      return x.step != y.step ? x.step < y.step : Before(top, x.value, y.value);
    });
    // In order of rank at the first step at which a series wins.
    absl::flat_hash_map<uint32_t, size_t> place;
    int64_t rank = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      rank = i > 0 && candidates[i].step == candidates[i - 1].step ? rank + 1 : 1;
      if (rank > k) continue;
      const auto [it, added] = place.try_emplace(candidates[i].series, out.size());
      if (added) out.push_back(StepSeries{input[candidates[i].series].labels, {}});
      out[it->second].points.push_back(StepValue{candidates[i].step, candidates[i].value});
    }
  }
  return out;
}

}  // namespace

Labels GroupLabels(const std::optional<logql::Grouping>& grouping, const Labels& labels) {
  std::vector<Labels::Pair> kept;
  if (!grouping.has_value()) return Labels();
  for (const Labels::Pair& pair : labels) {
    const bool listed =
        std::find(grouping->labels.begin(), grouping->labels.end(), pair.first) != grouping->labels.end();
    if (grouping->without ? !listed && pair.first != "__name__" && !pair.second.empty() : listed) {
      kept.push_back(pair);
    }
  }
  return Labels(std::move(kept));
}

bool IsIdentity(const logql::VectorAggregation& aggregation, const StepVector& input) {
  if (aggregation.op != VectorOp::kSum && aggregation.op != VectorOp::kMin &&
      aggregation.op != VectorOp::kMax && aggregation.op != VectorOp::kAvg) {
    return false;
  }
  const bool without = aggregation.grouping.has_value() && aggregation.grouping->without;
  const std::vector<std::string> none;
  const std::vector<std::string>& listed =
      aggregation.grouping.has_value() ? aggregation.grouping->labels : none;
  return std::all_of(input.begin(), input.end(), [&](const StepSeries& series) {
    return std::all_of(series.labels.begin(), series.labels.end(), [&](const Labels::Pair& pair) {
      const bool is_listed = std::find(listed.begin(), listed.end(), pair.first) != listed.end();
      return without ? !is_listed && pair.first != "__name__" && !pair.second.empty() : is_listed;
    });
  });
}

StepVector AggregateVector(const logql::VectorAggregation& aggregation, const StepVector& input,
                           uint32_t steps) {
  switch (aggregation.op) {
    case VectorOp::kTopk:
    case VectorOp::kApproxTopk:
      return Select(true, aggregation.k, aggregation.grouping, input);
    case VectorOp::kBottomk:
      return Select(false, aggregation.k, aggregation.grouping, input);
    case VectorOp::kSort:
    case VectorOp::kSortDesc: {
      StepVector out = input;
      if (steps == 1) {
        const bool descending = aggregation.op == VectorOp::kSortDesc;
        std::stable_sort(out.begin(), out.end(), [descending](const StepSeries& x, const StepSeries& y) {
          return Before(descending, x.points.front().value, y.points.front().value);
        });
      }
      return out;
    }
    default:
      return Reduce(aggregation.op, aggregation.grouping, input, steps);
  }
}

}  // namespace skald::exec
