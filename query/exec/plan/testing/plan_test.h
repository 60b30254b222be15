// What tests of passes share: plans and their texts by query.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "query/exec/plan/plan_printer.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"

namespace skald::exec {

// The plan after the pass named `last`, after all of them without a name.
inline Plan PlanOf(const std::string& query, std::string_view last = {},
                   const QueryLimits& limits = QueryLimits()) {
  const auto expr = logql::ParseExpr(query);
  EXPECT_TRUE(expr.ok()) << query << " " << expr.status();
  absl::StatusOr<Plan> plan = MakePlan(*expr, limits, last);
  EXPECT_TRUE(plan.ok()) << query << " " << plan.status();
  return *std::move(plan);
}

inline std::string PlanTextOf(const std::string& query, std::string_view last = {}) {
  return PlanText(PlanOf(query, last));
}

// The one value of a fact about the plan's first read, its values joined by newlines; "" where there is none.
inline std::string FactOf(const Plan& plan, std::string_view name) {
  std::string out;
  for (const ReadFact& fact : FactsOf(plan.reads[0])) {
    if (fact.name != name) continue;
    for (const std::string& value : fact.values) out += (out.empty() ? "" : "\n") + value;
  }
  return out;
}

// The notes of one pass, a line each.
inline std::string NotesOf(const Plan& plan, std::string_view pass) {
  std::string out;
  for (const PlanNote& note : plan.notes) {
    if (note.pass == pass) out += (out.empty() ? "" : "\n") + note.text;
  }
  return out;
}

}  // namespace skald::exec
