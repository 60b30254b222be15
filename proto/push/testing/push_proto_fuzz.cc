// libFuzzer target: a push in protobuf. The first byte tells what the rest is: 's' a body as it is sent, in
// snappy, 't' the label text of its stream, else the bare message.
#include <cstddef>
#include <cstdint>
#include <string>

#include "proto/push/testing/check_push.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::DecodedPush;
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 's') {
    const auto result = skald::DecodePush({"application/x-protobuf", "", false, 1 << 20}, std::move(body));
    if (result.ok) skald::CheckPush(result.push);
    return 0;
  }
  DecodedPush push;
  if (data[0] == 't') {
    push.streams.emplace_back().labels = body;
    skald::CheckPush(push);
  } else if (skald::DecodePushProto(body, &push).ok()) {
    skald::CheckPush(push);
  }
  return 0;
}
