// | distinct app, env: the first line, in the answer's direction, of each combination of values. A label that
// a line does not have counts as "".
#include <absl/container/flat_hash_set.h>
#include <xxhash.h>

#include <cstdint>

#include "base/status_macros.h"
#include "query/exec/stages/sequence_stage.h"

namespace skald::exec {
namespace {

class DistinctStage : public SequenceStage {
 public:
  DistinctStage(const logql::NamedStage& stage, const SequenceInput& input)
      : arguments_(stage.arguments), labels_(input.labels), memory_(input.query.budget) {}

  absl::Status Take(SequenceLine line, Next next) override {
    key_.clear();
    const Labels& labels = labels_->Get(line.labels).labels;
    for (const logql::StageArgument& argument : arguments_) {
      key_ += labels.Get(argument.name);
      key_ += '\0';
    }
    // 128 bits: different combinations with the same hash do not happen.
    const XXH128_hash_t hash = XXH3_128bits(key_.data(), key_.size());
    if (!seen_.emplace(hash.high64, hash.low64).second) return absl::OkStatus();
    RETURN_IF_ERROR(memory_.Hold(static_cast<int64_t>(seen_.capacity() * (sizeof(Hash) + 1))));
    return next(std::move(line));
  }

 private:
  using Hash = std::pair<uint64_t, uint64_t>;

  const std::vector<logql::StageArgument> arguments_;
  const LabelSetInterner* const labels_;
  MemoryAccount memory_;
  absl::flat_hash_set<Hash> seen_;
  std::string key_;
};

}  // namespace

SKALD_SEQUENCE_STAGE(distinct) { return std::make_unique<DistinctStage>(stage, input); }

}  // namespace skald::exec
