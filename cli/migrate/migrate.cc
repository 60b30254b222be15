#include "cli/migrate/migrate.h"

#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::cli {
namespace {

constexpr char kHint[] =
    "# url: grpc://HOST:9095 in place of Loki's URL is Skald's own protocol: each line once, whatever "
    "crashes.\n";

}  // namespace

std::string GuessAgentFormat(std::string_view text, std::string_view name) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  if (name.ends_with(".alloy") || name.ends_with(".river")) return "alloy";
  if (has("scrape_configs:")) return "promtail";
  if (has("[INPUT]") || has("[OUTPUT]") || has("[SERVICE]") || has("[input]")) return "fluent-bit";
  if (has("loki.source.") || has("loki.write ")) return "alloy";
  if (has("pipeline:") && (has("inputs:") || has("outputs:"))) return "fluent-bit";
  if (has("clients:") || has("client:")) return "promtail";
  return "";
}

absl::Status RunMigrateAgentConfig(const Options& options, Streams streams) {
  const std::string& path = options.files.front();
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    ASSIGN_OR_RETURN(text, ReadWholeFile(path));
  }
  const std::string name = path == "-" ? "stdin" : path.substr(path.rfind('/') + 1);
  const std::string format = options.format == "auto" ? GuessAgentFormat(text, name) : options.format;
  if (format.empty())
    return InvalidArgument("{}: neither Promtail's, Alloy's nor Fluent Bit's; say which with --format", path);
  ASSIGN_OR_RETURN(const Migration migration, format == "promtail" ? MigratePromtail(text, name)
                                              : format == "alloy"  ? MigrateAlloy(text, name)
                                                                   : MigrateFluentBit(text, name));
  streams.out << "# skald-agent, from " << name << "\n" << kHint << migration.yaml;
  if (!options.quiet && migration.notes > 0)
    streams.notes << migration.notes << (migration.notes == 1 ? " thing is" : " things are")
                  << " not carried over: the comments with " << name << ":LINE tell what to do\n";
  return absl::OkStatus();
}

}  // namespace skald::cli
