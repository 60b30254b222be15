// Counts of rows and line bytes per detected level: what lets counting and volume queries answer without
// decoding lines.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "proto/rows.h"
#include "storage/log_source.h"

namespace skald {

// The metadata key the level of a line is stored under.
inline constexpr std::string_view kDetectedLevelKey = "detected_level";

// Adds rows [begin, end) to *levels, which is sorted by level and stays so. Rows without the key count as
// level "", rows whose metadata holds an error as kErrorLevel whatever their level is.
void AddLevels(const Rows& rows, size_t begin, size_t end, std::vector<LevelCount>* levels);

}  // namespace skald
