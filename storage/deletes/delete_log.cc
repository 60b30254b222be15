#include "storage/deletes/delete_log.h"

#include <algorithm>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr uint32_t kMagic = 0x4c454453;  // "SDEL"
constexpr uint8_t kVersion = 2;

}  // namespace

std::string EncodeDeleteRequests(const std::vector<DeleteRequest>& requests) {
  std::string out;
  PutFixed<uint32_t>(&out, kMagic);
  PutFixed<uint8_t>(&out, kVersion);
  PutVarint(&out, requests.size());
  for (const DeleteRequest& request : requests) {
    PutText(&out, request.id);
    PutText(&out, request.tenant);
    PutText(&out, request.query);
    PutSignedVarint(&out, request.start_ns);
    PutSignedVarint(&out, request.end_ns);
    PutSignedVarint(&out, request.created_ns);
    PutSignedVarint(&out, request.processed_ns);
    PutVarint(&out, request.removed_lines);
  }
  PutFixed<uint32_t>(&out, Crc32c(out));
  return out;
}

absl::StatusOr<std::vector<DeleteRequest>> DecodeDeleteRequests(std::string_view bytes) {
  constexpr size_t kLeast = 4 + 1 + 1 + 4;
  if (bytes.size() < kLeast) return DataLoss("delete requests: {} bytes are too few", bytes.size());
  ByteReader checksum(bytes.substr(bytes.size() - 4));
  bytes.remove_suffix(4);
  ByteReader reader(bytes);
  if (reader.Fixed<uint32_t>() != kMagic) return DataLoss("delete requests: wrong magic number");
  const auto version = reader.Fixed<uint8_t>();
  if (version < 1 || version > kVersion) return DataLoss("delete requests: version {} is not known", version);
  if (checksum.Fixed<uint32_t>() != Crc32c(bytes)) return DataLoss("delete requests: checksum mismatch");
  const uint64_t count = reader.Varint();
  std::vector<DeleteRequest> out;
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    DeleteRequest& request = out.emplace_back();
    request.id = reader.Text();
    request.tenant = reader.Text();
    request.query = reader.Text();
    request.start_ns = reader.SignedVarint();
    request.end_ns = reader.SignedVarint();
    request.created_ns = reader.SignedVarint();
    if (version == 1) continue;
    request.processed_ns = reader.SignedVarint();
    request.removed_lines = reader.Varint();
  }
  if (!reader.ok() || reader.remaining() > 0) return DataLoss("delete requests: malformed");
  return out;
}

absl::StatusOr<std::unique_ptr<DeleteLog>> DeleteLog::Open(std::string path) {
  std::unique_ptr<DeleteLog> log(new DeleteLog(std::move(path)));
  if (!FileExists(log->path_)) return log;
  ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(log->path_));
  absl::StatusOr<std::vector<DeleteRequest>> requests = DecodeDeleteRequests(bytes);
  if (!requests.ok()) return Annotate(requests.status(), log->path_);
  log->requests_ = *std::move(requests);
  return log;
}

absl::Status DeleteLog::Add(DeleteRequest request) {
  const std::lock_guard lock(mu_);
  std::vector<DeleteRequest> changed = requests_;
  changed.push_back(std::move(request));
  RETURN_IF_ERROR(WriteFileAtomically(path_, EncodeDeleteRequests(changed)));
  requests_ = std::move(changed);
  return absl::OkStatus();
}

absl::Status DeleteLog::Remove(std::string_view tenant, std::string_view id) {
  const std::lock_guard lock(mu_);
  std::vector<DeleteRequest> changed = requests_;
  const size_t gone =
      std::erase_if(changed, [&](const DeleteRequest& r) { return r.tenant == tenant && r.id == id; });
  if (gone == 0) return NotFound("no delete request {}", id);
  RETURN_IF_ERROR(WriteFileAtomically(path_, EncodeDeleteRequests(changed)));
  requests_ = std::move(changed);
  return absl::OkStatus();
}

absl::Status DeleteLog::Complete(std::string_view tenant, std::string_view id, int64_t processed_ns,
                                 uint64_t removed_lines, int64_t forget_before_ns) {
  const std::lock_guard lock(mu_);
  std::vector<DeleteRequest> changed = requests_;
  const auto it = std::find_if(changed.begin(), changed.end(),
                               [&](const DeleteRequest& r) { return r.tenant == tenant && r.id == id; });
  if (it == changed.end()) return NotFound("no delete request {}", id);
  it->processed_ns = processed_ns;
  it->removed_lines = removed_lines;
  std::erase_if(changed, [&](const DeleteRequest& r) {
    return r.processed_ns != 0 && r.processed_ns < forget_before_ns;
  });
  RETURN_IF_ERROR(WriteFileAtomically(path_, EncodeDeleteRequests(changed)));
  requests_ = std::move(changed);
  return absl::OkStatus();
}

std::vector<DeleteRequest> DeleteLog::All() const {
  const std::lock_guard lock(mu_);
  return requests_;
}

std::vector<DeleteRequest> DeleteLog::Of(std::string_view tenant) const {
  const std::lock_guard lock(mu_);
  std::vector<DeleteRequest> out;
  for (const DeleteRequest& request : requests_) {
    if (request.tenant == tenant) out.push_back(request);
  }
  return out;
}

}  // namespace skald
