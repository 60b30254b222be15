// Parameters of read requests, parsed and refused as Loki does, text for text.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/engine.h"
#include "server/http/http_message.h"
#include "server/http/url.h"

namespace skald::server {

// URL and form values as Go's http.Request.ParseForm gives them: body values first.
class Params {
 public:
  // InvalidArgument for a bad escape or content type, `http: POST too large` is the router's.
  static absl::StatusOr<Params> Of(const HttpRequest& request);
  // What decodes of them, and the first error.
  static Params Lenient(const HttpRequest& request, absl::Status* first_error);

  // The first value, "" if there is none.
  std::string_view Get(std::string_view key) const;
  std::vector<std::string> All(std::string_view key) const;

 private:
  FormPairs pairs_;
};

// A time: decimals = seconds (rounded to ms), up to 10 characters = seconds, longer = nanoseconds, else RFC
// 3339. InvalidArgument with Go's strconv text. `fallback` for "".
absl::StatusOr<int64_t> ParseTimeParam(std::string_view text, int64_t fallback_ns);

// Seconds as a number, or a Prometheus duration. InvalidArgument `cannot parse "x" to a valid duration`.
absl::StatusOr<int64_t> ParseSecondsOrDuration(std::string_view text);

struct Bounds {
  int64_t start_ns = 0;
  int64_t end_ns = 0;
};
// start, end and since; the default is the last hour.
absl::StatusOr<Bounds> ParseBounds(const Params& params, int64_t now_ns);

// An integer parameter; `fallback` where it is missing. InvalidArgument `strconv.Atoi: parsing "x": invalid
// syntax`.
absl::StatusOr<int64_t> ParseIntParam(const Params& params, std::string_view key, int64_t fallback);

// A number of lines, fields or values. InvalidArgument `limit must be a positive value`, whatever the key.
absl::StatusOr<uint32_t> ParsePositive(const Params& params, std::string_view key, uint32_t fallback);
// limit: 100 by default.
absl::StatusOr<uint32_t> ParseLimit(const Params& params);
absl::StatusOr<Direction> ParseDirection(const Params& params);

// step, by default a 250th of the range but at least a second; checked against zero and 11,000 points.
absl::StatusOr<int64_t> ParseStep(const Params& params, const Bounds& bounds);

// All of a range or instant query but the tenant.
absl::StatusOr<QueryParams> ParseRangeQuery(const Params& params, int64_t now_ns);
absl::StatusOr<QueryParams> ParseInstantQuery(const Params& params, int64_t now_ns);

absl::Status ZeroStepError();
absl::Status EndBeforeStartError();

// X-Loki-Response-Encoding-Flags, split at commas, not trimmed.
std::vector<std::string> EncodingFlags(const HttpRequest& request);
inline constexpr std::string_view kCategorizeLabels = "categorize-labels";
// Whether X-Query-Tags says that Logs Drilldown asks.
bool IsDrilldown(const HttpRequest& request);

}  // namespace skald::server
