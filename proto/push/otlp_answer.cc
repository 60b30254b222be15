#include "proto/push/otlp_answer.h"

#include <cstdint>

#include "base/coding.h"
#include "base/utf8.h"

namespace skald {
namespace {

constexpr uint64_t kRetrySeconds = 1;

void PutNumber(std::string* out, uint64_t number, uint64_t value) {
  PutVarint(out, number << 3);
  PutVarint(out, value);
}

void PutField(std::string* out, uint64_t number, std::string_view bytes) {
  PutVarint(out, number << 3 | 2);
  PutText(out, bytes);
}

}  // namespace

std::string OtlpErrorBody(std::string_view message) {
  std::string valid;
  AppendValidUtf8(&valid, message, "\xEF\xBF\xBD");
  std::string status;
  PutField(&status, 2, valid);
  return status;
}

std::string OtlpRetryDetails(int grpc_code, std::string_view message) {
  std::string duration;
  PutNumber(&duration, 1, kRetrySeconds);
  std::string retry_info;
  PutField(&retry_info, 1, duration);
  std::string any;
  PutField(&any, 1, "type.googleapis.com/google.rpc.RetryInfo");
  PutField(&any, 2, retry_info);
  std::string status;
  PutNumber(&status, 1, static_cast<uint64_t>(grpc_code));
  PutField(&status, 2, message);
  PutField(&status, 3, any);
  return status;
}

}  // namespace skald
