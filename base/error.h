// Builds absl::Status errors from fmt format strings. absl::StrCat does not take std::string_view on Debian
// 12 (its absl::string_view is another type), so all error texts of the project are made here.
//
//   return InvalidArgument("chunk {} block {}: crc mismatch at offset {}", id, n, offset);
#pragma once

#include <absl/status/status.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace skald {

#define SKALD_ERROR_MAKER(Name)                                                                     \
  template <typename... Args>                                                                       \
  absl::Status Name(fmt::format_string<Args...> text, Args&&... args) {                             \
    return absl::Status(absl::StatusCode::k##Name, fmt::format(text, std::forward<Args>(args)...)); \
  }
SKALD_ERROR_MAKER(InvalidArgument)
SKALD_ERROR_MAKER(NotFound)
SKALD_ERROR_MAKER(AlreadyExists)
SKALD_ERROR_MAKER(FailedPrecondition)
SKALD_ERROR_MAKER(ResourceExhausted)
SKALD_ERROR_MAKER(OutOfRange)
SKALD_ERROR_MAKER(Unavailable)
SKALD_ERROR_MAKER(Unimplemented)
SKALD_ERROR_MAKER(DataLoss)
SKALD_ERROR_MAKER(Internal)
SKALD_ERROR_MAKER(Cancelled)
SKALD_ERROR_MAKER(DeadlineExceeded)
SKALD_ERROR_MAKER(PermissionDenied)
#undef SKALD_ERROR_MAKER

// An errno as a Status: "open /x/y: No such file or directory". NotFound for ENOENT, ResourceExhausted for
// ENOSPC and EDQUOT, PermissionDenied for EACCES, EPERM and EROFS, AlreadyExists for EEXIST, else
// Unavailable.
absl::Status ErrnoStatus(std::string_view what, std::string_view path, int error);

// absl::Status::message() as a std::string_view.
inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same status with text put in front: Annotate(status, "wal 00000003.log").
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

}  // namespace skald
