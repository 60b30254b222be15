#include "query/exec/stages/sequence_stage.h"

#include <string_view>

#include "base/error.h"

namespace skald::exec {
namespace {

struct Entry {
  std::string_view word;
  std::unique_ptr<SequenceStage> (*make)(const logql::NamedStage&, const SequenceInput&);
};

constexpr Entry kStages[] = {
    {"context", MakeContextStage},
    {"distinct", MakeDistinctStage},
};

}  // namespace

absl::StatusOr<std::unique_ptr<SequenceStage>> MakeSequenceStage(const logql::NamedStage& stage,
                                                                 const SequenceInput& input) {
  for (const Entry& entry : kStages) {
    if (entry.word == stage.word) return entry.make(stage, input);
  }
  return InvalidArgument("there is no stage {}", stage.word);
}

}  // namespace skald::exec
