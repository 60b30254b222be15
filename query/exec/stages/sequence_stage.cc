#include "query/exec/stages/sequence_stage.h"

#include <string_view>

#include "base/error.h"

namespace skald::exec {

// The list is the names of the files in this folder: SKALD_STAGE(distinct), a line each.
#define SKALD_STAGE(word) SKALD_SEQUENCE_STAGE(word);
#include "query/exec/stage_list.inc"
#undef SKALD_STAGE

namespace {

struct Entry {
  std::string_view word;
  std::unique_ptr<SequenceStage> (*make)(const logql::NamedStage&, const SequenceInput&);
};

constexpr Entry kStages[] = {
#define SKALD_STAGE(word) {#word, MakeStage_##word},
#include "query/exec/stage_list.inc"
#undef SKALD_STAGE
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
