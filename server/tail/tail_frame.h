// The text frames of a live tail: one entry a stream object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/result.h"
#include "server/tail/tail_hub.h"

namespace skald::server {

// The two parts of an entry that are the same for all entries of one label set, as JSON.
struct TailLabels {
  std::string stream;
  std::string third;  // "" without categorize-labels
};

enum class TailForm {
  kMerged,       // all labels are the stream's
  kIndexOnly,    // labels of the index alone: live entries of a bare selector
  kCategorized,  // labels of the index, and the others in a third element
};
TailLabels MakeTailLabels(const CategorizedLabels& labels, TailForm form);

// {"stream":{...},"values":[["<ns>","line"]]}
std::string TailEntryJson(const TailLabels& labels, int64_t time_ns, std::string_view line);

// The whole frame. flags may be empty.
std::string TailFrameJson(const std::vector<std::string>& entries, const std::vector<DroppedEntry>& dropped,
                          const std::vector<std::string>& flags);

}  // namespace skald::server
