#include "query/exec/query_error.h"

#include "base/error.h"

namespace skald {

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kResourceExhausted:
      return 400;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

absl::Status TimedOutError() {
  return DeadlineExceeded(
      "request timed out, decrease the duration of the request or add more label matchers (prefer exact "
      "match over "
      "regex match) to reduce the amount of data processed");
}

absl::Status ClientCancelledError() { return Cancelled("the request was cancelled by the client"); }

}  // namespace skald
