// Delete requests, and for those that were carried out how many lines went, kept in one small file
// (storage/FORMAT.md, "deletes").
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

struct DeleteRequest {
  std::string id;  // unique within the tenant
  std::string tenant;
  std::string query;     // a log selector with its filters, as it was asked
  int64_t start_ns = 0;  // both inclusive
  int64_t end_ns = 0;
  int64_t created_ns = 0;
  int64_t processed_ns = 0;    // when its lines were gone from the disk; 0 = they are hidden only
  uint64_t removed_lines = 0;  // then

  friend bool operator==(const DeleteRequest&, const DeleteRequest&) = default;
};

std::string EncodeDeleteRequests(const std::vector<DeleteRequest>& requests);
// DataLoss for bytes that are not what the above made.
absl::StatusOr<std::vector<DeleteRequest>> DecodeDeleteRequests(std::string_view bytes);

// Thread-safe. A change is durable when it returns OK; on an error nothing has changed.
class DeleteLog {
 public:
  // A file that is missing is an empty list. DataLoss for one that does not decode: to go on without it would
  // show deleted lines.
  static absl::StatusOr<std::unique_ptr<DeleteLog>> Open(std::string path);

  absl::Status Add(DeleteRequest request);
  // NotFound where there is none.
  absl::Status Remove(std::string_view tenant, std::string_view id);

  // Marks it as carried out, and forgets those that were carried out before forget_before_ns. NotFound where
  // there is none.
  absl::Status Complete(std::string_view tenant, std::string_view id, int64_t processed_ns,
                        uint64_t removed_lines, int64_t forget_before_ns);

  // In order of their creation.
  std::vector<DeleteRequest> All() const;
  std::vector<DeleteRequest> Of(std::string_view tenant) const;

 private:
  explicit DeleteLog(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  mutable std::mutex mu_;
  std::vector<DeleteRequest> requests_;  // guarded by mu_
};

}  // namespace skald
