// libFuzzer target: a push in JSON. The first byte tells the form: 'l' the legacy one, else today's.
#include <cstddef>
#include <cstdint>
#include <string>

#include "proto/push/testing/check_push.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  skald::DecodedPush push;
  if (skald::DecodePushJson(std::move(body), data[0] == 'l', &push).ok()) skald::CheckPush(push);
  return 0;
}
