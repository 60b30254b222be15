// Rows for tests and benchmarks: built by hand, at random, or looking like a service's JSON log.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/rows.h"

namespace skald {

using SampleMetadata = std::map<std::string, std::string>;

// Appends a row with metadata, keeping the invariants of proto/rows.h. Linear in the dictionaries: for tests.
inline void AppendRow(Rows* rows, int64_t t_ns, std::string_view line, const SampleMetadata& metadata) {
  rows->Append(t_ns, line);
  for (const auto& [name, value] : metadata) {
    auto at = rows->metadata.begin();
    while (at != rows->metadata.end() && at->name < name) ++at;
    if (at == rows->metadata.end() || at->name != name) {
      at = rows->metadata.emplace(at);
      at->name = name;
      at->index.assign(rows->size(), 0);
    }
    size_t k = 0;
    while (k < at->value_count() && at->value(k) != value) ++k;
    if (k == at->value_count()) {
      at->value_bytes += value;
      at->value_end.push_back(static_cast<uint32_t>(at->value_bytes.size()));
    }
    at->index.back() = static_cast<uint32_t>(k) + 1;
  }
}

// A row's metadata, whatever dictionaries hold it.
inline SampleMetadata MetadataOf(const Rows& rows, size_t row) {
  SampleMetadata out;
  for (const MetadataColumn& column : rows.metadata) {
    if (column.index[row] > 0) out[column.name] = column.value(column.index[row] - 1);
  }
  return out;
}

// count lines of some 240 bytes, one every few milliseconds, with detected_level.
inline Rows SampleRows(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  constexpr std::array<std::string_view, 10> kLevels = {"info", "info", "info",  "info", "info",
                                                        "info", "info", "debug", "warn", "error"};
  constexpr std::array<std::string_view, 6> kMessages = {"request completed",      "cache miss",
                                                         "retrying upstream call", "connection reset by peer",
                                                         "user session refreshed", "slow query"};
  constexpr std::array<std::string_view, 4> kMethods = {"GET", "GET", "POST", "PUT"};
  constexpr std::array<std::string_view, 5> kPaths = {"/api/v1/orders/{}/items", "/search?q={}",
                                                      "/static/app.{}.js", "/login?from={}", "/healthz?n={}"};
  constexpr std::array<std::string_view, 4> kCountries = {"US", "DE", "BR", "IN"};
  Rows rows;
  int64_t t_ns = 1'700'000'000'000'000'000;
  for (size_t i = 0; i < count; ++i) {
    t_ns += random() % 8'000'000;
    const std::string_view level = kLevels[random() % kLevels.size()];
    const std::string path = fmt::format(fmt::runtime(kPaths[random() % kPaths.size()]), random() % 10'000);
    const std::string line = fmt::format(
        R"({{"level":"{}","ts":{},"msg":"{}","method":"{}",)"
        R"("path":"{}","status":{},"duration_ms":{}.{:02},"bytes":{},)"
        R"("request_id":"req-{:08x}{:08x}","user":{{"id":{},"country":"{}"}},"host":"10.{}.{}.{}"}})",
        level, t_ns / 1'000'000, kMessages[random() % kMessages.size()], kMethods[random() % kMethods.size()],
        path, level == "error" ? 500 : 200, random() % 200, random() % 100, random() % 1'000'000, random(),
        random(), random() % 9'000, kCountries[random() % kCountries.size()], random() % 3, random() % 256,
        random() % 256);
    AppendRow(&rows, t_ns, line, {{"detected_level", std::string(level)}});
  }
  return rows;
}

}  // namespace skald
