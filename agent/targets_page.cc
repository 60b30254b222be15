#include "agent/targets_page.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "agent/discovery/json_fields.h"
#include "text/html_escape.h"

namespace skald::agent {
namespace {

constexpr std::string_view kHead =
    R"(<!doctype html><html lang="en"><head><meta charset="utf-8"><title>skald-agent: targets</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="10"><style>
:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:1.5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8884;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-size:12px;overflow-wrap:anywhere}.bad{color:#c22}h2{margin:1.2rem 0 .4rem}</style></head><body><h1>Targets</h1>
<p><a href="metrics">metrics</a> <a href="ready">ready</a> <a href="healthy">healthy</a></p>
)";

std::string Number(simdjson::simdjson_result<simdjson::dom::element> value) {
  uint64_t number = 0;
  double real = 0;
  if (value.get(number) == simdjson::SUCCESS) return fmt::format("{}", number);
  return value.get(real) == simdjson::SUCCESS ? fmt::format("{:.1f}", real) : "";
}

void AppendEnd(const simdjson::dom::element& end, std::string* out) {
  bool connected = false;
  if (end["connected"].get(connected) != simdjson::SUCCESS) connected = false;
  *out += fmt::format("<h2>{}</h2><p{}>{} &middot; agent {}</p>\n", HtmlEscape(TextOf(end["server"])),
                      connected ? "" : " class=\"bad\"", connected ? "connected" : "not connected",
                      HtmlEscape(TextOf(end["agent_id"])));
  *out +=
      "<table><thead><tr><th>file</th><th>labels</th><th>state</th><th class=\"n\">size</th><th "
      "class=\"n\">read</th>"
      "<th class=\"n\">acknowledged</th><th class=\"n\">behind, bytes</th><th class=\"n\">behind, "
      "s</th><th>error</th></tr></thead>"
      "<tbody>\n";
  simdjson::dom::array files;
  if (end["files"].get(files) == simdjson::SUCCESS) {
    for (const simdjson::dom::element file : files) {
      *out += fmt::format("<tr><td><code>{}</code></td><td><code>{}</code></td><td>{}</td>",
                          HtmlEscape(TextOf(file["path"])), HtmlEscape(TextOf(file["labels"])),
                          HtmlEscape(TextOf(file["state"])));
      for (const char* key : {"size", "read", "acknowledged", "lag_bytes", "lag_seconds"})
        *out += fmt::format("<td class=\"n\">{}</td>", Number(file[key]));
      *out += fmt::format("<td class=\"bad\">{}</td></tr>\n", HtmlEscape(TextOf(file["error"])));
    }
  }
  *out += "</tbody></table>\n";
}

}  // namespace

std::string TargetsPage(std::string_view json) {
  std::string out(kHead);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array ends;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return out;
  if (root["ends"].get(ends) == simdjson::SUCCESS) {
    for (const simdjson::dom::element end : ends) {
      if (end.is_object()) AppendEnd(end, &out);
    }
  } else {
    AppendEnd(root, &out);
  }
  out += "</body></html>\n";
  return out;
}

}  // namespace skald::agent
