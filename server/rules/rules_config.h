// The settings of rules: `ruler:` with Loki's keys, and where receivers are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/http_post.h"
#include "base/labels.h"
#include "base/relabel.h"

namespace skald::server {

struct RulesConfig {
  bool enabled = true;
  std::string directory;     // "" = <data_dir>/rules
  std::string external_url;  // "" = that of the HTTP door
  Labels external_labels;
  Relabelling alert_relabelling;
  std::string datasource_uid;
  int64_t evaluation_interval_ns = int64_t{60} * 1'000'000'000;
  int64_t poll_interval_ns = int64_t{10} * 1'000'000'000;
  int64_t outage_tolerance_ns = int64_t{3600} * 1'000'000'000;
  int64_t declared_silence_ns = int64_t{24} * 3600 * 1'000'000'000;
  int64_t resend_delay_ns = int64_t{60} * 1'000'000'000;
  int64_t query_offset_ns = 0;
  int64_t threads = 0;                       // 0 = one per core
  std::vector<std::string> enabled_tenants;  // none = all
  std::vector<std::string> disabled_tenants;

  std::vector<std::string> alertmanagers;  // URLs
  HttpTarget alertmanager;                 // all but the URL
  int64_t queue_capacity = 10'000;
  int64_t notification_timeout_ns = int64_t{10} * 1'000'000'000;

  struct RemoteWrite {
    std::string name;
    HttpTarget target;
    std::optional<Relabelling> relabelling;
  };
  bool remote_write_enabled = false;
  bool add_org_id_header = true;
  std::vector<RemoteWrite> remote_writes;
};

// Registers the options on `config`, which then writes into *out.
void RegisterRulesOptions(Config* config, RulesConfig* out);

}  // namespace skald::server
