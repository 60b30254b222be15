#include "agent/agent_config.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>

#include <yaml-cpp/yaml.h>

#include "agent/delivery/client_config.h"
#include "agent/inspector.h"
#include "agent/promtail_flags.h"
#include "agent/promtail_keys.h"
#include "agent/scrape_config.h"
#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr char kDefaultFile[] = "/etc/skald/agent.yaml";
constexpr char kEpilogue[] = R"(Without paths and without scrape_configs the agent tails what it finds of
  /var/log/pods/*/*/*.log                     containers of Kubernetes
  /var/lib/docker/containers/*/*-json.log     containers of Docker
  /var/log/*.log, syslog, messages, */*.log   system logs
and the systemd journal.

Examples
  skald-agent --server logs.example:9095
  skald-agent --server localhost:9095 '/srv/app/**/*.log' /var/log/syslog
  skald-agent --dry-run /var/log/syslog       print what would be sent, send nothing
  skald-agent --config promtail.yaml          its scrape_configs, clients and limits_config are understood
  skald-agent check agent.yaml                what the file amounts to, and what is risky about it
  skald-agent explain agent.yaml /var/log/x   which target takes a log, with which labels and stages
  skald-agent test pipelines_test.yaml        lines through the stages, against what is expected
  skald-agent state                           how far each file is delivered

A file is known by its content: renamed, rotated, copied and truncated files are told apart. Positions are saved when the
server has acknowledged the lines, so nothing is lost or doubled by a crash of either side. While the server is away,
the files are the buffer.
)";

std::string DefaultNodeName() {
  for (const char* name : {"NODE_NAME", "HOSTNAME"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  char host[256] = {};
  return ::gethostname(host, sizeof(host) - 1) == 0 ? host : "";
}

// Takes the arguments that are no options, nor the value of one, out of args.
std::vector<std::string> TakePaths(std::vector<const char*>* args) {
  std::vector<std::string> paths;
  std::vector<const char*> rest;
  bool value_follows = false;
  for (size_t i = 0; i < args->size(); ++i) {
    const std::string_view arg = (*args)[i];
    if (i == 0 || arg.starts_with('-')) {
      const bool flag_alone = arg == "--dry-run" || arg == "-dry-run" || arg == "--inspect" ||
                              arg == "-inspect" || arg == "--inspect-json" || arg == "--stdin" ||
                              arg == "-stdin" || arg == "--help" || arg == "-h" || arg == "--version" ||
                              arg == "-v";
      value_follows = i > 0 && !flag_alone && arg.find('=') == std::string_view::npos;
      rest.push_back((*args)[i]);
    } else if (value_follows) {
      value_follows = false;
      rest.push_back((*args)[i]);
    } else {
      paths.emplace_back(arg);
    }
  }
  *args = std::move(rest);
  return paths;
}

// Each end reads for itself, with pipelines of its own: a slow one stops no other. Only the first one counts
// into the metrics of pipelines.
absl::Status AddSources(const YAML::Node& scrape_configs, ScrapeContext context, bool first,
                        const AgentSettings* previous, AgentSettings* settings, AgentConfig* end,
                        bool* wants_journal) {
  ScrapeConfigs scrape;
  context.node_name = end->node_name;
  context.stages.max_line_size = end->tail.max_line_size;
  context.docker_directory = end->docker_directory;
  if (first) context.stages.metrics = settings->metrics;
  if (previous != nullptr) {
    const auto known = previous->pipelines.find(end->end);
    if (known != previous->pipelines.end()) context.pipelines = &known->second;
  }
  if (first && !context.observer) {
    context.observer = [tap = settings->tap](std::string_view stage, const Entry& entry, bool dropped) {
      tap->See(stage, entry, dropped);
    };
    context.observing = &settings->tap->open();
  }
  RETURN_IF_ERROR(ReadScrapeConfigs(scrape_configs, context, &scrape));
  if (first) {
    for (std::string& warning : scrape.warnings) settings->warnings.push_back(std::move(warning));
    settings->receivers = std::move(scrape.receivers);
    settings->receivers_definition = std::move(scrape.receivers_definition);
  }
  settings->pipelines[end->end] = std::move(scrape.pipelines);
  end->tail.targets = std::move(scrape.targets);
  end->file_targets = std::move(scrape.file_targets);
  end->journal = std::move(scrape.journal);
  end->journal_definition = std::move(scrape.journal_definition);
  end->journal_job = std::move(scrape.journal_job);
  end->spool_pipelines = std::move(scrape.spool_pipelines);
  end->spool_pipelines[std::string(kStdinSource)] = std::move(scrape.first_pipeline);
  *wants_journal = scrape.wants_journal;
  return absl::OkStatus();
}

// The default sources, where the API server may be asked about pods, and Nomad about its allocations.
std::vector<Target> DefaultSources(const ScrapeContext& context) {
  std::vector<Target> targets =
      DefaultTargets(context.pods_directory, context.docker_directory, context.nomad_directory);
  KubernetesOptions options;
  options.node_name = context.node_name;
  options.cache_file = context.pods_cache;
  const bool asks_kubernetes = context.asks_kubernetes && UseServiceAccount(&options);
  UseKubelet(context.kubelet, &options);
  NomadOptions nomad;
  nomad.node_name = context.node_name;
  nomad.server = context.nomad;
  for (Target& target : targets) {
    if (target.discovery == Discovery::kKubernetes && asks_kubernetes)
      target.metadata = context.discoveries->Kubernetes(options);
    if (target.discovery == Discovery::kNomad && !nomad.server.url.empty())
      target.metadata = context.discoveries->Nomad(nomad);
  }
  return targets;
}

// Pods and containers have a say about their own logs, and choose among the pipelines of the scrape configs.
absl::Status AddSwitches(const std::string& allowed, const PipelineCache& pipelines, AgentConfig* end) {
  LogSwitches::Pipelines by_job;
  for (const auto& [key, pipeline] : pipelines) by_job.emplace(key.substr(0, key.find('\n')), pipeline);
  absl::StatusOr<std::shared_ptr<LogSwitches>> switches = LogSwitches::Make(allowed, std::move(by_job));
  if (!switches.ok()) return InvalidArgument("discovery.log_switches: {}", MessageOf(switches.status()));
  for (Target& target : end->tail.targets) {
    if (target.discovery == Discovery::kKubernetes || target.discovery == Discovery::kDocker)
      target.switches = *switches;
  }
  return absl::OkStatus();
}

void UseClient(const ClientConfig& client, AgentConfig* end) {
  end->end = client.name;
  end->state.directory += "/ends/" + client.name;
  if (client.wait_ns) end->batch_wait_ns = *client.wait_ns;
  if (client.batch_bytes) end->batch_bytes = *client.batch_bytes;
  if (client.grpc_server.empty()) {
    end->loki = client.loki;
    return;
  }
  end->push.server = client.grpc_server;
  if (!client.loki.tenant.empty()) end->push.tenant = client.loki.tenant;
  end->push.proxy_url = client.loki.target.proxy_url;
}

// What -client.* says, as an element of clients.
absl::Status AddClientOfFlags(
    const PromtailFlags& flags,
    const std::function<absl::Status(const YAML::Node&, const ConfigPlace&)>& add_client) {
  if (flags.client.empty()) return absl::OkStatus();
  try {
    YAML::Node client;
    for (const auto& [key, value] : flags.client) {
      const size_t dot = key.find('.');
      if (dot == std::string::npos) {
        client[key] = value;
      } else {
        client[key.substr(0, dot)][key.substr(dot + 1)] = value;
      }
    }
    for (const auto& [name, value] : flags.external_labels) client["external_labels"][name] = value;
    return add_client(client, {"-client.url"});
  } catch (const YAML::Exception& e) {
    return InvalidArgument("-client.*: {}", e.what());
  }
}

// What a user of Promtail may trip over, said once at start. Only for what the configuration has.
void TellDifferences(bool has_clients, bool has_scrape, const AgentConfig& agent, AgentSettings* settings) {
  std::vector<std::string>& notes = settings->notes;
  if (!agent.promtail_positions.empty()) {
    notes.push_back(
        fmt::format("positions are kept in {}, and move when the server has the lines; {} is read once, at "
                    "the first start, "
                    "and not written: stop Promtail before",
                    agent.state.directory, agent.promtail_positions));
  }
  if (has_scrape) {
    notes.emplace_back(
        "a file belongs to the first scrape config that wants it, and is sent once; files are known by their "
        "content, "
        "so rotated, renamed and copied ones are read on and not again");
  }
  if (has_clients) {
    notes.emplace_back(
        "a batch is sent until it is taken: there is no max_retries; each client reads for itself, a slow "
        "one stops no "
        "other");
  }
}

}  // namespace

absl::StatusOr<AgentSettings> LoadAgentSettings(int argc, const char* const* argv,
                                                const AgentSettings* previous) {
  AgentSettings settings;
  AgentConfig& agent = settings.agent;
  agent.node_name = DefaultNodeName();
  agent.state.directory = "/var/lib/skald-agent";
  agent.push.version = kVersion;
  std::string server = agent.push.server;
  std::string start_at = "beginning";
  std::string on_state_lost = "beginning";
  std::string journal = "auto";
  std::string when_full = "block";
  std::vector<ClientConfig> clients;
  std::vector<std::string> client_warnings;
  YAML::Node scrape_configs;
  std::string scrape_file;
  bool has_scrape = false;
  int64_t max_streams = 0;
  int64_t max_label_values = 1000;
  bool truncate = true;
  LineRuleOptions& rules = agent.tail.rules;
  std::vector<std::string> client_texts;
  ScrapeContext context;
  std::string kubernetes = "auto";
  std::string nomad_address;
  std::string log_switches;
  bool inspect = false;
  bool inspect_json = false;
  settings.metrics = previous != nullptr ? previous->metrics : std::make_shared<StageMetrics>();
  settings.tap = previous != nullptr ? previous->tap : std::make_shared<Tap>();
  std::string tap = "local";
  settings.discoveries = previous != nullptr ? previous->discoveries : std::make_shared<Discoveries>();

  Config config("skald-agent", "Tails the logs of a node and hands them to a Skald server, each line once.",
                kVersion);
  config.Group("Server");
  config.Text({.flag = "server",
               .yaml = "server.address",
               .help = "Address of the server's gRPC, host:port.",
               .example = "logs.example:9095"},
              &server);
  config.Text({.flag = "tenant",
               .yaml = "server.tenant",
               .help = "Tenant the lines go to, where the server has several."},
              &agent.push.tenant);
  config.Bool({.flag = "tls", .yaml = "server.tls", .help = "Encrypt the connection."}, &agent.push.tls);
  config.Text({.flag = "tls-ca-file",
               .yaml = "server.tls_ca_file",
               .help = "Certificates to trust instead of the system's."},
              &agent.push.tls_ca_file);
  config.Text({.flag = "bearer-token-file",
               .yaml = "server.bearer_token_file",
               .help = "File with a token to send, read at each connection."},
              &agent.push.bearer_token_file);
  config.Group("This node");
  config.Text({.flag = "node-name",
               .yaml = "node_name",
               .help = "Goes into the label node_name. Default: NODE_NAME, HOSTNAME or the host's name."},
              &agent.node_name);
  config.Text({.flag = "state-dir",
               .yaml = "positions.directory",
               .help = "Where positions are kept. Give each agent a directory of its own."},
              &agent.state.directory);
  config.Bool({.flag = "state-sync",
               .yaml = "positions.sync",
               .help = "Sync the state before each batch, so that even a power cut doubles no line."},
              &agent.state.sync);
  config.Text({.flag = "http-listen",
               .yaml = "server.http_listen",
               .env = "SKALD_AGENT_HTTP_LISTEN",
               .help = "Address of /ready, /healthy, /metrics, /targets and /tap; empty: none."},
              &agent.http_listen);
  config.Choice({.flag = "tap",
                 .yaml = "server.tap",
                 .help = "Who may see lines go by at /tap of that address: this host, everybody who reaches "
                         "it, or nobody."},
                &tap, {"local", "all", "off"});
  config.Choice(
      {.flag = "log-level", .yaml = "server.log_level", .help = "How much the agent says about itself."},
      &settings.log_level, {"debug", "info", "warn", "error"});
  config.Bool({.flag = "dry-run",
               .help = "Print time, labels and line of all that is there now, tab-separated; send nothing, "
                       "save nothing."},
              &settings.dry_run);
  config.Bool(
      {.flag = "inspect", .help = "Show on stderr what each stage does to each line; with --dry-run."},
      &inspect);
  config.Bool({.flag = "inspect-json", .help = "The same, each stage of each line as an object of JSON."},
              &inspect_json);
  config.Group("Reading");
  config.Choice({.flag = "start-at",
                 .yaml = "tail.start_at",
                 .help = "Where to begin in the files the very first start finds."},
                &start_at, {"beginning", "end"});
  config.Choice({.flag = "on-state-lost",
                 .yaml = "tail.on_state_lost",
                 .help = "Where to begin if the saved state is damaged beyond use."},
                &on_state_lost, {"beginning", "end"});
  config.Bytes({.flag = "max-line-size",
                .yaml = "limits_config.max_line_size",
                .help = "Longer lines are cut and marked with truncated_bytes."},
               &agent.tail.max_line_size);
  config.Bool({.flag = "detect-level",
               .yaml = "tail.detect_level",
               .help = "Find each line's level and send it as detected_level."},
              &agent.detect_level);
  config.Choice({.flag = "journal",
                 .yaml = "journal",
                 .help = "Read the systemd journal; auto: if no paths and no scrape_configs are given."},
                &journal, {"auto", "on", "off"});
  config.Duration({.flag = "rotate-grace",
                   .yaml = "tail.rotate_grace",
                   .help = "How long a rotated file must be quiet before it is let go."},
                  &agent.tail.rotate_grace_ns);
  config.Duration({.flag = "rescan",
                   .yaml = "target_config.sync_period",
                   .help = "How often all directories are listed, should an event be missed."},
                  &agent.tail.rescan_ns);
  config.Duration({.flag = "partial-flush",
                   .yaml = "tail.partial_flush",
                   .help = "After that time a last line without newline counts as a line."},
                  &agent.tail.partial_flush_ns);
  config.Bytes(
      {.yaml = "tail.max_held_deleted_bytes", .help = "Disk space that deleted, unread files may keep."},
      &agent.tail.max_held_deleted_bytes);
  config.Duration({.yaml = "tail.max_held_deleted_age", .help = "How long a deleted, unread file is kept."},
                  &agent.tail.max_held_deleted_ns);
  config.Group("Discovery");
  config.Text(
      {.flag = "pods-dir", .yaml = "discovery.pods_directory", .help = "Where kubelet has the logs of pods."},
      &context.pods_directory);
  config.Text({.flag = "docker-dir",
               .yaml = "discovery.docker_directory",
               .help = "Where Docker has its containers."},
              &agent.docker_directory);
  config.Text(
      {.flag = "docker-socket",
       .yaml = "discovery.docker_socket",
       .help = "Docker's socket, where docker_sd_configs name none, and for the labels of Swarm's services. "
               "Default: /var/run/docker.sock."},
      &context.docker_socket);
  config.Text(
      {.flag = "nomad-dir", .yaml = "discovery.nomad_directory", .help = "Where Nomad has its allocations."},
      &context.nomad_directory);
  config.Text({.flag = "nomad-address",
               .yaml = "discovery.nomad_address",
               .help = "Nomad's API, http://127.0.0.1:4646 or unix:///path: jobs, groups and meta of tasks. "
                       "Default: NOMAD_ADDR; token and certificates from NOMAD_TOKEN, NOMAD_CACERT and the "
                       "like. Without an address the allocations' folders must do."},
              &nomad_address);
  config.Choice(
      {.flag = "kubernetes-api",
       .yaml = "discovery.kubernetes_api",
       .help = "Ask the API server about pods; auto: where there is one. off: their paths must do."},
      &kubernetes, {"auto", "off"});
  config.Text({.flag = "kubelet-url",
               .yaml = "discovery.kubelet_url",
               .help = "The node's kubelet, whose pods are asked for while the API server is away, with the "
                       "same token (its account needs nodes/proxy). Default: none.",
               .example = "https://10.0.0.7:10250"},
              &context.kubelet.url);
  config.Text({.yaml = "discovery.kubelet_ca_file", .help = "Certificates to trust for it."},
              &context.kubelet.ca_file);
  config.Bool({.yaml = "discovery.kubelet_insecure_skip_verify",
               .help = "Do not look at its certificate, which often is its own; the token goes to whoever "
                       "answers there."},
              &context.kubelet.insecure_skip_verify);
  config.Duration({.flag = "metadata-wait",
                   .yaml = "discovery.metadata_wait",
                   .help = "How long a new log waits for what is known of its pod or container."},
                  &agent.tail.metadata_wait_ns);
  config.Text(
      {.flag = "log-switches",
       .yaml = "discovery.log_switches",
       .help = "What pods (by annotations) and containers (by labels) logs.skald.io/... may say about "
               "their own logs: exclude, include-containers, pipeline, rate-limit, tenant, separated "
               "by commas, or all. Default: nothing."},
      &log_switches);
  config.Group("Sending");
  config.Bytes({.flag = "memory-limit",
                .yaml = "memory_limit",
                .help = "For all that is read and not delivered; beyond it reading waits."},
               &agent.memory_limit);
  config.Bytes(
      {.flag = "batch-bytes", .yaml = "batch.bytes", .help = "Lines of so many bytes go out at once."},
      &agent.batch_bytes);
  config.Duration({.flag = "batch-wait", .yaml = "batch.wait", .help = "Fewer go out after that time."},
                  &agent.batch_wait_ns);
  config.Int({.flag = "window", .yaml = "batch.window", .help = "Batches under way at once."}, &agent.window,
             1, 64);
  config.Duration({.flag = "stop-wait",
                   .yaml = "stop_wait",
                   .help = "How long to wait for acknowledgements when stopping."},
                  &agent.stop_wait_ns);

  config.Bool(
      {.flag = "stdin",
       .help = "Send the lines of standard input, through the stages of the first scrape config, and end "
               "when they are acknowledged."},
      &settings.from_stdin);
  config.Group("Spool");
  config.Text(
      {.flag = "spool-dir",
       .yaml = "spool.directory",
       .help =
           "Where what receivers took (syslog, pushes, OTLP, Kafka) is kept until it is delivered. Default: "
           "spool in the state directory."},
      &settings.spool.directory);
  config.Bytes({.flag = "spool-max-bytes", .yaml = "spool.max_bytes", .help = "How much of it is kept."},
               &settings.spool.max_bytes);
  config.Choice({.flag = "spool-when-full",
                 .yaml = "spool.when_full",
                 .help = "What happens then: senders wait, or lines are thrown away and counted."},
                &when_full, {"block", "drop_newest", "drop_oldest"});

  config.Group("Limits");
  config.Bool({.yaml = "limits_config.readline_rate_enabled",
               .help = "Let no more than readline_rate lines a second out."},
              &rules.readline_rate_enabled);
  config.Double({.yaml = "limits_config.readline_rate", .help = "Lines a second."}, &rules.readline_rate,
                0.001, 1e12);
  config.Double({.yaml = "limits_config.readline_burst", .help = "Lines at once."}, &rules.readline_burst, 1,
                1e12);
  config.Bool({.yaml = "limits_config.readline_rate_drop", .help = "Drop what is more; else reading waits."},
              &rules.readline_rate_drop);
  config.Int({.yaml = "limits_config.max_streams",
              .help = "Active streams; lines of further ones are dropped. 0: any number."},
             &max_streams, 0, INT64_MAX);
  config.Int({.yaml = "limits_config.max_label_values",
              .help = "A label that stages give more values than this becomes structured metadata. 0: any "
                      "number."},
             &max_label_values, 0, INT64_MAX);
  config.Bool({.yaml = "limits_config.max_line_size_truncate",
               .help = "Cut longer lines; if false, they are dropped."},
              &truncate);

  std::string page_host = "0.0.0.0";
  std::string page_port;
  config.Yaml("server.http_listen_port", [&](const ConfigValue& v) {
    page_port = v.text;
    return absl::OkStatus();
  });
  config.Yaml("server.http_listen_address", [&](const ConfigValue& v) {
    page_host = v.text;
    return absl::OkStatus();
  });
  config.Yaml("positions.filename", [&](const ConfigValue& v) {
    agent.promtail_positions = v.text;
    return absl::OkStatus();
  });
  RegisterPromtailKeys(&config);
  const auto file_of = [](const ConfigPlace& place) {
    return place.source.substr(0, place.source.find(':'));
  };
  const auto add_client = [&](const YAML::Node& node, const ConfigPlace& place) -> absl::Status {
    ASSIGN_OR_RETURN(ClientConfig client, ReadClientConfig(node, file_of(place), &client_warnings));
    for (const ClientConfig& other : clients) {
      if (other.name == client.name)
        return InvalidArgument("{}: two clients are named {}; give each a name", place.source, client.name);
    }
    clients.push_back(std::move(client));
    client_texts.push_back(YAML::Dump(node));
    return absl::OkStatus();
  };
  config.Section("client", add_client);
  config.Section("clients", [&](const YAML::Node& list, const ConfigPlace& place) {
    if (!list.IsSequence()) return InvalidArgument("{}: clients is not a list", place.source);
    for (const YAML::Node& client : list) RETURN_IF_ERROR(add_client(client, place));
    return absl::OkStatus();
  });
  config.Section("scrape_configs", [&](const YAML::Node& list, const ConfigPlace& place) {
    has_scrape = true;
    scrape_configs = list;
    scrape_file = file_of(place);
    return absl::OkStatus();
  });
  // For `skald-agent test`.
  config.Section("tests", [](const YAML::Node&, const ConfigPlace&) { return absl::OkStatus(); });
  config.Epilogue(kEpilogue);

  ASSIGN_OR_RETURN(PromtailFlags promtail, TakePromtailFlags(argc, argv));
  std::vector<const char*> args;
  for (const std::string& arg : promtail.rest) args.push_back(arg.c_str());
  const std::vector<std::string> paths = TakePaths(&args);
  ASSIGN_OR_RETURN(Config::Loaded loaded,
                   config.Load(static_cast<int>(args.size()), args.data(), kDefaultFile));
  if (loaded.exit_text) {
    settings.exit_text = *loaded.exit_text;
    return settings;
  }
  settings.warnings = std::move(loaded.warnings);
  settings.file = std::move(loaded.file);
  for (std::string& warning : promtail.warnings) settings.warnings.push_back(std::move(warning));
  settings.check = promtail.check_syntax;
  if (promtail.print_config) settings.effective_yaml = config.EffectiveYaml();
  RETURN_IF_ERROR(AddClientOfFlags(promtail, add_client));
  for (std::string& warning : client_warnings) settings.warnings.push_back(std::move(warning));
  if (promtail.positions) agent.promtail_positions = *promtail.positions;
  if (promtail.http_address) page_host = *promtail.http_address;
  if (promtail.http_port) page_port = *promtail.http_port;
  rules.max_streams = static_cast<uint64_t>(max_streams);
  rules.max_label_values = static_cast<uint64_t>(max_label_values);
  rules.drop_long_lines = !truncate;
  if (settings.spool.directory.empty()) settings.spool.directory = agent.state.directory + "/spool";
  settings.spool.when_full = when_full == "drop_newest"   ? SpoolOptions::WhenFull::kDropNewest
                             : when_full == "drop_oldest" ? SpoolOptions::WhenFull::kDropOldest
                                                          : SpoolOptions::WhenFull::kBlock;
  if (agent.tail.max_line_size == 0) agent.tail.max_line_size = TailerOptions().max_line_size;
  const bool names_page = agent.http_listen != AgentConfig().http_listen;
  if (!page_port.empty() && !names_page)
    agent.http_listen = page_port == "0" ? "" : page_host + ":" + page_port;
  const bool names_server = server != agent.push.server;
  agent.push.server = server;
  agent.tail.start_at_end = start_at == "end";
  agent.tail.lost_state_at_end = on_state_lost == "end";

  std::vector<Target> path_targets;
  for (const std::string& path : paths) {
    std::string absolute = path;
    if (!absolute.starts_with('/')) {
      std::error_code error;
      absolute = (std::filesystem::current_path(error) / path).lexically_normal().string();
    }
    absl::StatusOr<Target> target = MakeTarget("", {absolute}, {}, {}, LogFormat::kAuto);
    if (!target.ok()) return target.status();
    path_targets.push_back(std::move(*target));
  }
  // Ends: the server by gRPC, if it is named or there is no other, and each client.
  std::vector<AgentConfig> ends;
  if (names_server || clients.empty()) ends.push_back(agent);
  for (const ClientConfig& client : clients) {
    ends.push_back(agent);
    UseClient(client, &ends.back());
  }
  if (ends.size() > 1 && ends.front().end.empty()) ends.front().end = "skald";
  context.place = scrape_file;
  context.node_name = agent.node_name;
  context.docker_directory = agent.docker_directory;
  context.pods_cache = agent.state.directory + "/pods";
  context.discoveries = settings.discoveries.get();
  context.asks_kubernetes = kubernetes == "auto";
  UseNomadEnvironment(&context.nomad);
  if (!nomad_address.empty() && !UseNomadAddress(nomad_address, &context.nomad)) {
    return InvalidArgument("discovery.nomad_address \"{}\" is no address like http://127.0.0.1:4646",
                           nomad_address);
  }
  SwarmOptions swarm;
  if (!context.docker_socket.empty()) swarm.socket = context.docker_socket;
  if (inspect || inspect_json) {
    const auto inspector = std::make_shared<Inspector>(stderr, inspect_json);
    context.observer = [inspector](std::string_view stage, const Entry& entry, bool dropped) {
      inspector->See(stage, entry, dropped);
    };
  }
  const std::string all_settings = config.EffectiveYaml();
  for (size_t i = 0; i < ends.size(); ++i) {
    AgentConfig& end = ends[i];
    bool wants_journal = false;
    if (has_scrape) {
      RETURN_IF_ERROR(AddSources(scrape_configs, context, i == 0, previous, &settings, &end, &wants_journal));
    }
    if (!paths.empty()) end.tail.targets = path_targets;
    if (paths.empty() && !has_scrape) end.tail.targets = DefaultSources(context);
    if (!log_switches.empty()) RETURN_IF_ERROR(AddSwitches(log_switches, settings.pipelines[end.end], &end));
    const size_t client = i - (ends.size() - clients.size());
    end.definition = fmt::format("{} {} {}", all_settings, ends.size(),
                                 client < clients.size() ? client_texts[client] : "");
    end.journal.enabled =
        journal == "on" || (journal == "auto" && paths.empty() && (!has_scrape || wants_journal));
    end.memory_limit = agent.memory_limit / ends.size();
    end.swarm = settings.discoveries->Swarm(swarm);
  }
  if (!clients.empty() && !names_server) {
    settings.warnings.emplace_back(
        "clients: an end that is not Skald takes a line twice if it breaks off between taking it and saying "
        "so; a client with url: grpc://host:port (or server.address) takes each line once");
  }
  TellDifferences(!clients.empty(), has_scrape, agent, &settings);
  if (settings.from_stdin) {
    settings.receivers = ReceiverConfigs();
    for (AgentConfig& end : ends) {
      end.tail.targets.clear();
      end.journal.enabled = false;
    }
    if (agent.http_listen == AgentConfig().http_listen) ends.front().http_listen.clear();
  }
  settings.agent = std::move(ends.front());
  if (tap != "off") settings.agent.tap = settings.tap;
  settings.tap_to_others = tap == "all";
  settings.more.assign(std::make_move_iterator(ends.begin() + 1), std::make_move_iterator(ends.end()));
  return settings;
}

}  // namespace skald::agent
