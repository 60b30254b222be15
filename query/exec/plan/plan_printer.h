// Writes plans for people and for programs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "query/exec/plan/plan.h"

namespace skald::exec {

// A step of the computation: a node of the plan's tree, or the reading of lines. In order of the tree,
// parents first.
struct PlanStep {
  std::string name;  // "sum by (app)", "rate [5m]"
  uint32_t depth = 0;
  std::optional<uint32_t> read;       // of Plan::reads, for the steps that read
  const logql::Expr* node = nullptr;  // of Plan::root
};
std::vector<PlanStep> StepsOf(const Plan& plan);

// What there is to say about a read: pairs such as {"filters", "|= \"x\""}.
struct ReadFact {
  std::string_view name;
  std::vector<std::string> values;  // not empty
};
std::vector<ReadFact> FactsOf(const ReadPlan& read);
// Whether a stage makes labels of the line.
bool HasParser(const PipelinePlan& pipeline);

// A text tree: steps, reads, passes.
//
//   sum by (app)
//     rate [5m]                    read 0
//   read 0
//     streams  {env="prod"}
//     filters  |= "error"
//   passes
//     push_filters  read 0: 1 line filters run over whole blocks
std::string PlanText(const Plan& plan);
// Its parts: a step's line without its end, a read's lines, the passes' lines.
std::string StepText(const PlanStep& step);
void AppendReadText(std::string* out, size_t number, const ReadPlan& read);
void AppendNotesText(std::string* out, const Plan& plan);

// The same as one JSON object: {"query","computed","steps":[],"reads":[],"passes":[]}.
void WritePlanJson(const Plan& plan, JsonWriter* w);

}  // namespace skald::exec
