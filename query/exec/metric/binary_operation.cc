#include "query/exec/metric/binary_operation.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/labels_index.h"

namespace skald::exec {
namespace {

using logql::BinaryOpKind;
using logql::MatchCardinality;
using logql::VectorMatching;

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

bool Lists(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What two samples must have in common: labels less those that do not count, and less empty ones.
std::vector<Labels::Pair> SignatureOf(const VectorMatching& matching, const Labels& labels) {
  std::vector<Labels::Pair> signature;
  for (const Labels::Pair& pair : labels) {
    if (!pair.second.empty() && Lists(matching.labels, pair.first) == matching.on) signature.push_back(pair);
  }
  return signature;
}

// Series of both sides that share a signature.
struct SignatureGroup {
  std::vector<uint32_t> left;
  std::vector<uint32_t> right;
};

std::vector<SignatureGroup> GroupBySignature(const VectorMatching& matching, const StepVector& left,
                                             const StepVector& right) {
  absl::flat_hash_map<std::vector<Labels::Pair>, uint32_t> ordinal;
  std::vector<SignatureGroup> groups;
  const auto group_of = [&](const Labels& labels) -> SignatureGroup& {
    const auto [it, added] =
        ordinal.try_emplace(SignatureOf(matching, labels), static_cast<uint32_t>(groups.size()));
    if (added) groups.emplace_back();
    return groups[it->second];
  };
  for (uint32_t i = 0; i < left.size(); ++i) group_of(left[i].labels).left.push_back(i);
  for (uint32_t i = 0; i < right.size(); ++i) group_of(right[i].labels).right.push_back(i);
  return groups;
}

std::vector<bool> StepsOf(const StepVector& vector, const std::vector<uint32_t>& members, uint32_t steps) {
  std::vector<bool> present(steps);
  for (const uint32_t i : members) {
    for (const StepValue& point : vector[i].points) present[point.step] = true;
  }
  return present;
}

void AppendFiltered(const StepSeries& series, const std::vector<bool>& steps, bool wanted, StepVector* out) {
  StepSeries kept;
  for (const StepValue& point : series.points) {
    if (steps[point.step] == wanted) kept.points.push_back(point);
  }
  if (kept.points.empty()) return;
  kept.labels = series.labels;
  out->push_back(std::move(kept));
}

StepVector ApplySetOp(BinaryOpKind op, const VectorMatching& matching, const StepVector& left,
                      const StepVector& right, uint32_t steps) {
  const std::vector<SignatureGroup> groups = GroupBySignature(matching, left, right);
  StepVector out;
  if (op == BinaryOpKind::kOr) {
    out = left;
    for (const SignatureGroup& group : groups) {
      const std::vector<bool> seen = StepsOf(left, group.left, steps);
      for (const uint32_t i : group.right) AppendFiltered(right[i], seen, false, &out);
    }
    MergeEqualLabels(&out);
    return out;
  }
  // In the order of the left side.
  std::vector<const std::vector<bool>*> steps_of_series(left.size());
  std::vector<std::vector<bool>> presence;
  presence.reserve(groups.size());
  for (const SignatureGroup& group : groups) {
    presence.push_back(StepsOf(right, group.right, steps));
    for (const uint32_t i : group.left) steps_of_series[i] = &presence.back();
  }
  for (uint32_t i = 0; i < left.size(); ++i) {
    AppendFiltered(left[i], *steps_of_series[i], op == BinaryOpKind::kAnd, &out);
  }
  return out;
}

// Labels of the result of a pair of samples; `one` is the side whose signatures are unique.
Labels ResultLabels(const VectorMatching& matching, const Labels& many, const Labels& one) {
  std::vector<Labels::Pair> pairs;
  for (const Labels::Pair& pair : many) {
    if (pair.second.empty()) continue;
    if (matching.cardinality == MatchCardinality::kOneToOne &&
        Lists(matching.labels, pair.first) != matching.on) {
      continue;
    }
    pairs.push_back(pair);
  }
  Labels labels(std::move(pairs));
  for (const std::string& name : matching.include) {
    const std::string_view value = one.Get(name);
    if (value.empty()) {
      labels.Remove(name);
    } else {
      labels.Set(name, value);
    }
  }
  return labels;
}

// The value of left op right, or nullopt where a comparison drops the sample.
std::optional<double> Combine(const logql::BinaryOp& op, double left, double right) {
  const double value = logql::EvaluateScalars(op.op, left, right);
  if (!logql::IsComparison(op.op) || op.return_bool) return value;
  if (value == 0) return std::nullopt;
  return left;
}

}  // namespace

StepVector ApplyNumber(const logql::BinaryOp& op, double number, bool number_is_left,
                       const StepVector& vector) {
  const bool filters = logql::IsComparison(op.op) && !op.return_bool;
  StepVector out;
  out.reserve(vector.size());
  for (const StepSeries& series : vector) {
    StepSeries result;
    result.points.reserve(series.points.size());
    for (const StepValue& point : series.points) {
      const double value = number_is_left ? logql::EvaluateScalars(op.op, number, point.value)
                                          : logql::EvaluateScalars(op.op, point.value, number);
      if (!filters) {
        result.points.push_back(StepValue{point.step, value});
      } else if (value != 0) {
        result.points.push_back(point);
      }
    }
    if (result.points.empty()) continue;
    result.labels = series.labels;
    out.push_back(std::move(result));
  }
  return out;
}

absl::StatusOr<StepVector> ApplyVectors(const logql::BinaryOp& op, const StepVector& left,
                                        const StepVector& right, uint32_t steps) {
  const VectorMatching matching = op.matching.value_or(VectorMatching());
  if (logql::IsSetOp(op.op)) return ApplySetOp(op.op, matching, left, right, steps);

  const bool swapped = matching.cardinality == MatchCardinality::kOneToMany;
  const bool one_to_one = matching.cardinality == MatchCardinality::kOneToOne;
  const StepVector& many = swapped ? right : left;
  const StepVector& one = swapped ? left : right;

  StepVector out;
  std::vector<uint32_t> owner(steps, kNone);  // of a step: the one side's series
  std::vector<double> owner_value(steps);
  for (const SignatureGroup& group : GroupBySignature(matching, left, right)) {
    const std::vector<uint32_t>& many_members = swapped ? group.right : group.left;
    const std::vector<uint32_t>& one_members = swapped ? group.left : group.right;
    for (const uint32_t i : one_members) {
      for (const StepValue& point : one[i].points) {
        if (owner[point.step] != kNone) {  // also where there is nothing to match them with
          return Internal(
              "found duplicate series on the {} hand-side;many-to-many matching not allowed: matching labels "
              "must be "
              "unique on one side",
              swapped ? "left" : "right");
        }
        owner[point.step] = i;
        owner_value[point.step] = point.value;
      }
    }
    std::vector<bool> matched(one_to_one ? steps : 0);
    absl::flat_hash_map<std::pair<uint32_t, uint32_t>, size_t> place;         // (many, one) -> out
    absl::flat_hash_map<std::vector<Labels::Pair>, std::vector<bool>> taken;  // result labels -> steps
    for (const uint32_t m : many_members) {
      uint32_t current_owner = kNone;
      size_t current_place = 0;
      std::vector<bool>* current_taken = nullptr;
      for (const StepValue& point : many[m].points) {
        const uint32_t o = owner[point.step];
        if (o == kNone) continue;
        if (one_to_one) {
          if (matched[point.step]) {
            return Internal(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)");
          }
          matched[point.step] = true;
        }
        if (o != current_owner) {
          current_owner = o;
          const auto [it, added] = place.try_emplace(std::pair(m, o), out.size());
          if (added) out.push_back(StepSeries{ResultLabels(matching, many[m].labels, one[o].labels), {}});
          current_place = it->second;
          if (!one_to_one) {
            current_taken = &taken[out[current_place].labels.pairs()];
            if (current_taken->empty()) current_taken->resize(steps);
          }
        }
        if (current_taken != nullptr) {
          if ((*current_taken)[point.step]) {
            return Internal("multiple matches for labels: grouping labels must ensure unique matches");
          }
          (*current_taken)[point.step] = true;
        }
        const double left_value = swapped ? owner_value[point.step] : point.value;
        const double right_value = swapped ? point.value : owner_value[point.step];
        if (const std::optional<double> value = Combine(op, left_value, right_value); value.has_value()) {
          out[current_place].points.push_back(StepValue{point.step, *value});
        }
      }
    }
    for (const uint32_t i : one_members) {
      for (const StepValue& point : one[i].points) owner[point.step] = kNone;
    }
  }
  std::erase_if(out, [](const StepSeries& series) { return series.points.empty(); });
  return out;
}

void MergeEqualLabels(StepVector* vector) {
  LabelsIndex index([vector](uint32_t i) -> const Labels& { return (*vector)[i].labels; });
  size_t kept = 0;
  for (size_t i = 0; i < vector->size(); ++i) {
    const uint32_t place = index.FindOrInsert((*vector)[i].labels, static_cast<uint32_t>(kept));
    if (place == kept) {
      if (kept != i) (*vector)[kept] = std::move((*vector)[i]);
      ++kept;
      continue;
    }
    std::vector<StepValue>& points = (*vector)[place].points;
    const std::vector<StepValue>& more = (*vector)[i].points;
    points.insert(points.end(), more.begin(), more.end());
    std::stable_sort(points.begin(), points.end(),
                     [](const StepValue& x, const StepValue& y) { return x.step < y.step; });
  }
  vector->resize(kept);
}

}  // namespace skald::exec
