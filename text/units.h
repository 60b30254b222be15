// Human and Go forms of numbers, durations, byte sizes and times: one include for all of them.
#pragma once

#include "text/duration.h"     // IWYU pragma: export
#include "text/go_float.h"     // IWYU pragma: export
#include "text/human_bytes.h"  // IWYU pragma: export
#include "text/rfc3339.h"      // IWYU pragma: export
