#include "agent/promtail_flags.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

struct Renamed {
  std::string_view flag;
  std::string_view ours;
};
constexpr Renamed kRenamed[] = {
    {"config.file", "config"},
    {"target.sync-period", "rescan"},
    {"log.level", "log-level"},
};

// Keys of a client.
constexpr Renamed kClient[] = {
    {"client.url", "url"},
    {"client.batch-wait", "batchwait"},
    {"client.batch-size-bytes", "batchsize"},
    {"client.tenant-id", "tenant_id"},
    {"client.timeout", "timeout"},
    {"client.drop-rate-limited-batches", "drop_rate_limited_batches"},
    {"client.min-backoff", "backoff_config.min_period"},
    {"client.max-backoff", "backoff_config.max_period"},
    {"client.max-retries", "backoff_config.max_retries"},
};

struct Ignored {
  std::string_view prefix;
  std::string_view advice;
};
constexpr Ignored kIgnored[] = {
    {"positions.",
     "positions are saved with each acknowledgement, and a damaged file is taken as far as it is whole"},
    {"file-watch.", "files are watched by inotify, there is nothing to poll"},
    {"server.enable-runtime-reload", "reloading is always on: SIGHUP or POST /-/reload"},
    {"server.", "the page needs only its address: --http-listen"},
    {"log.format", "the log is logfmt"},
    {"log-config-reverse-order", "the configuration is printed as it is"},
    {"print-config-stderr", "skald-agent check prints it"},
    {"tracing.", "there is no tracing"},
};

constexpr std::string_view kSwitches[] = {"check-syntax",
                                          "print-config-stderr",
                                          "log-config-reverse-order",
                                          "client.drop-rate-limited-batches",
                                          "positions.ignore-invalid-yaml",
                                          "server.disable",
                                          "server.enable-runtime-reload",
                                          "server.register-instrumentation",
                                          "server.profiling_enabled",
                                          "server.log-source-ips-enabled",
                                          "tracing.enabled"};

template <typename List>
const auto* Find(const List& list, std::string_view flag) {
  const auto found =
      std::find_if(std::begin(list), std::end(list), [&](const auto& one) { return one.flag == flag; });
  return found == std::end(list) ? nullptr : &*found;
}

}  // namespace

absl::StatusOr<PromtailFlags> TakePromtailFlags(int argc, const char* const* argv) {
  PromtailFlags out;
  for (int i = 0; i < argc; ++i) {
    const std::string arg = argv[i];
    if (i == 0 || arg.size() < 3 || arg[0] != '-') {
      out.rest.push_back(arg);
      continue;
    }
    const size_t begin = arg[1] == '-' ? 2 : 1;
    const size_t equals = arg.find('=');
    const std::string flag = arg.substr(begin, equals == std::string::npos ? equals : equals - begin);
    const Renamed* const renamed = Find(kRenamed, flag);
    const Renamed* const client = Find(kClient, flag);
    const auto* const ignored =
        std::find_if(std::begin(kIgnored), std::end(kIgnored),
                     [&](const Ignored& one) { return flag.starts_with(one.prefix); });
    const bool labels = flag == "client.external-labels";
    const bool positions = flag == "positions.file";
    const bool address = flag == "server.http-listen-address";
    const bool port = flag == "server.http-listen-port";
    const bool check = flag == "check-syntax";
    if (renamed == nullptr && client == nullptr && ignored == std::end(kIgnored) && !labels && !positions &&
        !check) {
      out.rest.push_back(arg);
      continue;
    }
    std::string value = "true";
    if (equals != std::string::npos) {
      value = arg.substr(equals + 1);
    } else if (std::find(std::begin(kSwitches), std::end(kSwitches), flag) == std::end(kSwitches)) {
      if (i + 1 == argc) return InvalidArgument("-{}: a value is expected behind it", flag);
      value = argv[++i];
    }
    if (renamed != nullptr) {
      out.rest.push_back(fmt::format("--{}={}", renamed->ours, value));
    } else if (client != nullptr) {
      out.client.emplace_back(client->ours, value);
    } else if (labels) {
      for (size_t at = 0; at < value.size();) {
        const size_t end = std::min(value.find(',', at), value.size());
        const size_t sign = value.find('=', at);
        if (sign == std::string::npos || sign > end)
          return InvalidArgument("-{}: \"{}\" is not name=value,name=value", flag, value);
        out.external_labels.emplace_back(value.substr(at, sign - at), value.substr(sign + 1, end - sign - 1));
        at = end + 1;
      }
    } else if (positions) {
      out.positions = value;
    } else if (address) {
      out.http_address = value;
    } else if (port) {
      out.http_port = value;
    } else if (check) {
      out.check_syntax = value != "false";
    } else {
      out.print_config |= flag == "print-config-stderr" && value != "false";
      if (!out.print_config || flag != "print-config-stderr")
        out.warnings.push_back(fmt::format("-{} has no effect: {}", flag, ignored->advice));
    }
  }
  if (!out.external_labels.empty() || !out.client.empty()) {
    const bool has_url =
        std::any_of(out.client.begin(), out.client.end(), [](const auto& one) { return one.first == "url"; });
    if (!has_url) {
      out.warnings.emplace_back(
          "-client.* without -client.url has no effect: write it to the client in the file");
      out.client.clear();
      out.external_labels.clear();
    }
  }
  return out;
}

}  // namespace skald::agent
