// libFuzzer target: any bytes go through every decoder of foreign bytes that the doors have, without a crash,
// and what they give lies within bounds. The first byte says which.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/labels.h"
#include "server/http/content_encoding.h"
#include "server/http/params.h"
#include "server/http/router.h"
#include "server/http/url.h"
#include "server/push/metadata_name.h"
#include "server/push/otlp_decode.h"
#include "server/push/push_decode.h"

namespace {

using skald::server::DecodedPush;

constexpr uint64_t kMaxBytes = 1 << 20;

void CheckPush(const DecodedPush& push) {
  uint64_t bytes = 0;
  for (const skald::server::PushStream& stream : push.streams) {
    if (stream.entry_begin > stream.entry_end || stream.entry_end > push.entries.size()) std::abort();
    if (stream.metadata_begin > stream.metadata_end || stream.metadata_end > push.metadata.size())
      std::abort();
    for (const char c : stream.labels) bytes += static_cast<unsigned char>(c);
    skald::ParseLabels(stream.labels).status().IgnoreError();
  }
  for (const skald::server::PushEntry& entry : push.entries) {
    if (entry.metadata_begin > entry.metadata_end || entry.metadata_end > push.metadata.size()) std::abort();
    for (const char c : entry.line) bytes += static_cast<unsigned char>(c);
  }
  for (const auto& [name, value] : push.metadata) {
    for (const char c : name) bytes += static_cast<unsigned char>(c);
    for (const char c : value) bytes += static_cast<unsigned char>(c);
    const auto normal = skald::server::NormalizeMetadataName(name);
    if (normal.ok() && skald::server::IsNormalMetadataName(name) && *normal != name) std::abort();
  }
  volatile uint64_t sink = bytes;  // every byte was read
  (void)sink;
}

void Otlp(const char* type, const std::string& body) {
  static const skald::server::OtlpConfig config;
  static const std::vector<std::string> names = {"service", "container_name"};
  const skald::server::OtlpMapping mapping{&config, &names, 1, kMaxBytes};
  const auto result = skald::server::DecodeOtlp({type, "", false, kMaxBytes}, mapping, body);
  if (result.ok) CheckPush(result.push);
}

void Http(const std::string& text) {
  skald::server::HttpRequest request;
  request.method = "GET";
  request.target = "/loki/api/v1/query_range?" + text;
  request.raw_query = text;
  skald::server::CleanPath(text);
  const auto params = skald::server::Params::Of(request);
  if (!params.ok()) return;
  skald::server::ParseRangeQuery(*params, 1'793'534'400'000'000'000).status().IgnoreError();
  skald::server::ParseInstantQuery(*params, 1'793'534'400'000'000'000).status().IgnoreError();
}

void LabelText(std::string_view text) {
  const auto labels = skald::ParseLabels(text);
  if (!labels.ok()) return;
  const auto again = skald::ParseLabels(labels->ToString());
  // Names of the quoted kind do not exist here, so what was printed must read the same.
  if (!again.ok() || *again != *labels) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'j': {
      DecodedPush push;
      if (skald::server::DecodePushJson(body, false, &push).ok()) CheckPush(push);
      break;
    }
    case 'l': {
      DecodedPush push;
      if (skald::server::DecodePushJson(body, true, &push).ok()) CheckPush(push);
      break;
    }
    case 'p': {
      DecodedPush push;
      if (skald::server::DecodePushProto(body, &push).ok()) CheckPush(push);
      break;
    }
    case 'o':
      Otlp("application/x-protobuf", body);
      break;
    case 'O':
      Otlp("application/json", body);
      break;
    case 'h':
      Http(body);
      break;
    case 't':
      LabelText(body);
      break;
    case 'z':
      for (const auto form : {skald::server::Encoding::kGzip, skald::server::Encoding::kDeflate,
                              skald::server::Encoding::kZstd, skald::server::Encoding::kLz4}) {
        skald::server::Decode(form, body, kMaxBytes).status().IgnoreError();
      }
      break;
    default:
      break;
  }
  return 0;
}
