// How an error of the engine goes out over HTTP, and the texts that Loki gives to the errors that are not
// about the query.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace skald {

// 400 InvalidArgument (bad query, pipeline error) and ResourceExhausted (a limit of the query), 499
// Cancelled, 504 DeadlineExceeded, 500 everything else (vector matching among it). 200 for OK.
int HttpStatusOf(const absl::Status& status);

// DeadlineExceeded and Cancelled with Loki's texts.
absl::Status TimedOutError();
absl::Status ClientCancelledError();

}  // namespace skald
