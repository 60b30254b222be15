#include "storage/block/level_count.h"

#include <algorithm>
#include <cstdint>

namespace skald {
namespace {

void Add(std::string_view level, uint32_t rows, uint64_t line_bytes, std::vector<LevelCount>* levels) {
  auto at =
      std::lower_bound(levels->begin(), levels->end(), level,
                       [](const LevelCount& count, std::string_view name) { return count.level < name; });
  if (at == levels->end() || at->level != level)
    at = levels->insert(at, LevelCount{std::string(level), 0, 0});
  at->rows += rows;
  at->line_bytes += line_bytes;
}

}  // namespace

void AddLevels(const Rows& rows, size_t begin, size_t end, std::vector<LevelCount>* levels) {
  if (begin >= end) return;
  const MetadataColumn* column = rows.FindMetadata(kDetectedLevelKey);
  const MetadataColumn* errors = rows.FindMetadata(kErrorLevel);
  if (errors != nullptr) {
    for (size_t i = begin; i < end; ++i) {
      std::string_view level;
      if (column != nullptr && column->index[i] != 0) level = column->value(column->index[i] - 1);
      Add(errors->index[i] != 0 ? kErrorLevel : level, 1, rows.line_end[i] - rows.line_begin(i), levels);
    }
    return;
  }
  if (column == nullptr)
    return Add("", static_cast<uint32_t>(end - begin), rows.line_bytes(begin, end), levels);
  struct Count {
    uint32_t rows = 0;
    uint64_t line_bytes = 0;
  };
  std::vector<Count> counts(column->value_count() + 1);
  for (size_t i = begin; i < end; ++i) {
    Count& count = counts[column->index[i]];
    ++count.rows;
    count.line_bytes += rows.line_end[i] - rows.line_begin(i);
  }
  for (size_t k = 0; k < counts.size(); ++k) {
    if (counts[k].rows == 0) continue;
    Add(k == 0 ? std::string_view() : column->value(k - 1), counts[k].rows, counts[k].line_bytes, levels);
  }
}

}  // namespace skald
