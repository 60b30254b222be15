// The read API of the server, one function a question. http-api paths and parameter names as logcli sends
// them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/labels.h"
#include "base/types.h"
#include "cli/answer.h"
#include "cli/http_client.h"

namespace skald::cli {

struct RangeQuery {
  std::string query;
  TimeRange range;
  uint64_t limit = 30;
  bool forward = false;
  std::string step;      // "" = the server's default
  std::string interval;  // "" = none
};

// Not thread-safe. Errors are those of HttpClient::Get, and InvalidArgument for an answer that cannot be
// read.
class Api {
 public:
  explicit Api(Connection connection) : http_(std::move(connection)) {}

  absl::StatusOr<QueryAnswer> QueryRange(const RangeQuery& query);
  absl::StatusOr<QueryAnswer> QueryInstant(const std::string& query, int64_t time_ns, uint64_t limit,
                                           bool forward);
  absl::StatusOr<std::vector<std::string>> LabelNames(TimeRange range);
  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& name, TimeRange range);
  absl::StatusOr<std::vector<Labels>> Series(const std::vector<std::string>& selectors, TimeRange range);
  // With the methods that change something too.
  HttpClient& http() { return http_; }
  // The answer as it came: index/stats, index/volume, detected_fields and the like.
  absl::StatusOr<std::string> Raw(const std::string& path, const Parameters& parameters) {
    return http_.Get(path, parameters);
  }

 private:
  HttpClient http_;
};

}  // namespace skald::cli
