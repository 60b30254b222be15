// libFuzzer target: the parameters of questions. The bytes are a query string, a form body and, as they are,
// a time, a duration and a path.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/http/params.h"
#include "server/http/url.h"

namespace {

using skald::server::HttpRequest;
using skald::server::Params;

constexpr int64_t kNowNs = 1'793'534'400'000'000'000;

void Require(bool holds) {
  if (!holds) std::abort();
}

void Ask(const HttpRequest& request) {
  const auto params = Params::Of(request);
  if (!params.ok()) return;
  if (const auto range = skald::server::ParseRangeQuery(*params, kNowNs); range.ok()) {
    Require(range->start_ns <= range->end_ns && range->step_ns > 0 && range->limit > 0);
    Require(range->interval_ns >= 0);
  }
  if (const auto instant = skald::server::ParseInstantQuery(*params, kNowNs); instant.ok())
    Require(instant->start_ns == instant->end_ns && instant->limit > 0);
  if (const auto bounds = skald::server::ParseBounds(*params, kNowNs); bounds.ok()) {
    if (const auto step = skald::server::ParseStep(*params, *bounds); step.ok()) Require(*step > 0);
  }
  if (const auto number = skald::server::ParseIntParam(*params, "line_limit", 7); number.ok())
    Require(!params->Get("line_limit").empty() || *number == 7);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  HttpRequest request;
  request.method = "GET";
  request.raw_query = text;
  request.headers = {{"X-Query-Tags", text}, {"X-Loki-Response-Encoding-Flags", text}};
  Ask(request);
  skald::server::IsDrilldown(request);
  skald::server::EncodingFlags(request);
  HttpRequest form;
  form.method = "POST";
  form.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  form.body = text;
  Ask(form);

  skald::server::ParseTimeParam(text, 0).status().IgnoreError();
  skald::server::ParseSecondsOrDuration(text).status().IgnoreError();
  const auto decoded = skald::server::UrlDecode(skald::server::UrlEncode(text), true);
  Require(decoded.ok() && *decoded == text);
  const std::string clean = skald::server::CleanPath(text);
  Require(skald::server::CleanPath(clean) == clean);
  return 0;
}
