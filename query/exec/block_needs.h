// What a block must hold for any of its rows to come through a pipeline: texts that its line filters and the
// equalities of its label filters ask for, held against the block's summary before anything is decoded.
#pragma once

#include <string>
#include <vector>

#include "query/exec/compiled_pipeline.h"
#include "storage/log_source.h"

namespace skald::exec {

// Immutable and thread-safe.
class BlockNeeds {
 public:
  BlockNeeds() = default;
  explicit BlockNeeds(const CompiledPipeline& compiled);

  // False: no row of the block comes through.
  bool MayMatch(const Block& block, const Selection& selection) const;

 private:
  struct Need {
    GramNeed grams;
    std::string label;     // whose value it is about; "" for the line itself
    bool escapes = false;  // a line may write it with backslashes
  };

  void AddStages(const CompiledPipeline& compiled);

  std::vector<Need> needs_;
};

}  // namespace skald::exec
