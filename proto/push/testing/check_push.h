// What holds of every push that a decoder let through, for fuzz targets.
#pragma once

#include "proto/push/push_decode.h"

namespace skald {

// Reads every byte that the push points to. Aborts where a range lies outside or a text does not read back.
void CheckPush(const DecodedPush& push);

}  // namespace skald
