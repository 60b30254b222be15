#include "server/page/page_config.h"

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::server {
namespace {

absl::Status CheckUrl(std::string_view option, std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme) && url.size() > scheme.size()) return absl::OkStatus();
  }
  return InvalidArgument("{}: \"{}\" is not an address that begins with http:// or https://", option, url);
}

}  // namespace

void RegisterPageOptions(Config* config, PageConfig* out) {
  config->Group("The page at /");
  config->Text({.flag = "page-prometheus",
                .yaml = "page.prometheus",
                .help = "Prometheus whose metrics the page shows above the lines; the server asks it.",
                .example = "http://127.0.0.1:9090"},
               &out->prometheus_url);
  config->Text({.flag = "page-trace-url",
                .yaml = "page.trace_url",
                .help = "Where a trace id on the page leads, with {trace_id} in it.",
                .example = "http://jaeger:16686/trace/{trace_id}"},
               &out->trace_url);
  config->List({.flag = "page-agents",
                .yaml = "page.agents",
                .help = "Agents' own addresses (their http.listen): the page lists the files they read. A "
                        "name with several addresses stands for all of them.",
                .example = "http://skald-agent.logging.svc:9080"},
               &out->agents);
}

absl::Status ValidatePageConfig(const PageConfig& config) {
  if (!config.prometheus_url.empty()) {
    RETURN_IF_ERROR(CheckUrl("page.prometheus", config.prometheus_url));
  }
  if (!config.trace_url.empty()) {
    RETURN_IF_ERROR(CheckUrl("page.trace_url", config.trace_url));
    if (config.trace_url.find("{trace_id}") == std::string::npos) {
      return InvalidArgument("page.trace_url: \"{}\" has no {{trace_id}}", config.trace_url);
    }
  }
  for (const std::string& url : config.agents) RETURN_IF_ERROR(CheckUrl("page.agents", url));
  return absl::OkStatus();
}

}  // namespace skald::server
