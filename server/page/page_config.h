// `page:` in the settings: what the page can show beside this server's own data.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "base/config.h"

namespace skald::server {

struct PageConfig {
  std::string prometheus_url;       // "" = none; may hold user:password@
  std::string trace_url;            // with {trace_id}; "" = none
  std::vector<std::string> agents;  // addresses of agents' pages; a name may stand for many
};

void RegisterPageOptions(Config* config, PageConfig* out);

// InvalidArgument names the option whose URL is none.
absl::Status ValidatePageConfig(const PageConfig& config);

}  // namespace skald::server
