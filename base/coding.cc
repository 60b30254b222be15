#include "base/coding.h"

#include <bit>

static_assert(std::endian::native == std::endian::little, "the formats are written as the host's own bytes");
