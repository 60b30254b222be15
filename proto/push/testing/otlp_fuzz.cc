// libFuzzer target: logs of OpenTelemetry. The first byte tells the form: 'O' JSON, else protobuf.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/push/otlp_decode.h"
#include "proto/push/testing/check_push.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr uint64_t kMaxBytes = 1 << 20;
  static const skald::OtlpConfig config;
  static const std::vector<std::string> names = {"service", "container_name"};
  const skald::OtlpMapping mapping{&config, &names, 1, kMaxBytes};
  const char* const type = data[0] == 'O' ? "application/json" : "application/x-protobuf";
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto result = skald::DecodeOtlp({type, "", false, kMaxBytes}, mapping, std::move(body));
  if (result.ok) skald::CheckPush(result.push);
  return 0;
}
