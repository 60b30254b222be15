// The one way the three programs take their settings. A program registers its options, each with a place for
// the value, and calls Load: command line beats environment beats YAML file beats default. Nothing is
// required, everything has a text in --help.
//
//   Config config("skald", "Keeps logs and answers LogQL.");
//   config.Group("Listening");
//   config.Text({.flag = "http-listen", .yaml = "server.http_listen", .help = "address of the HTTP API"},
//   &http_listen); config.Yaml("server.http_listen_port", [&](const ConfigValue& v) { ... });   // YAML only,
//   e.g. another program's key config.Unused("schema_config", "not needed: ...");
//   ASSIGN_OR_RETURN(Config::Loaded loaded, config.Load(argc, argv));
//   if (loaded.exit_text) { puts it on stdout, exits 0 }                         // --help, --version
//
// An option without .env gets one from its flag (http-listen -> SKALD_HTTP_LISTEN) or, without a flag, from
// its YAML path (limits_config.max_line_size -> SKALD_LIMITS_CONFIG_MAX_LINE_SIZE). Errors are
// InvalidArgument and name the place (file:line:column, flag or variable), the value and what is allowed.
// Loading never throws. Not thread-safe; the registered places outlive the Config.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace YAML {
class Node;
}

namespace skald {

struct OptionSpec {
  std::string flag = {};     // without dashes; "" = not on the command line
  std::string yaml = {};     // dotted path; "" = not in the file
  std::string env = {};      // "" = derived, see above; "-" = none
  std::string help = {};     // one or two sentences, without the default
  std::string example = {};  // a value, shown in --help
};

// Where a value was found, for error texts.
struct ConfigPlace {
  std::string source;  // "--http-listen", "SKALD_HTTP_LISTEN", "/etc/skald.yaml:12:5: server.http_listen"
};

// A scalar as it was written.
struct ConfigValue {
  std::string text;
  ConfigPlace place;

  // InvalidArgument: `<place>: "<text>" is not <expected>`.
  absl::Status Wrong(std::string_view expected) const;
};

// Plain parsers, usable on their own. The error is for ConfigValue::Wrong: nullopt = not of the form.
std::optional<int64_t> ParseConfigDuration(std::string_view text);  // 10m, 1h30m, 1.5s, 7d, 1w, 0; ns
std::optional<uint64_t> ParseConfigBytes(
    std::string_view text);  // 262144, 256KB, 1MiB, 1.5GB (KB = KiB = 1024); any case
std::optional<bool> ParseConfigBool(std::string_view text);  // true false yes no on off 1 0
std::string FormatConfigDuration(int64_t ns);                // 1h30m, 250ms, 0s
std::string FormatConfigBytes(uint64_t bytes);               // 256KB, 1MB, 1000

// ${NAME} and ${NAME:default} (also ${NAME:-default}) in text; a $ before anything else stays. An unset name
// without default gives "" and is added to *unset. With escapes, as Loki and Promtail do it when they are
// told to expand (-config.expand-env): \\ is \, $$ is $, and ${1} is a name like any other.
std::string ExpandEnvironment(std::string_view text, std::vector<std::string>* unset, bool escapes = false);

class Config {
 public:
  Config(std::string program, std::string summary, std::string version);
  ~Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  // Options registered from here on stand under this title in --help.
  void Group(std::string title);

  // The place holds the default.
  void Text(OptionSpec spec, std::string* value);
  void Choice(OptionSpec spec, std::string* value, std::vector<std::string> allowed);
  void Int(OptionSpec spec, int64_t* value, int64_t min, int64_t max);
  void Double(OptionSpec spec, double* value, double min, double max);
  void Bool(OptionSpec spec, bool* value);
  void Bytes(OptionSpec spec, uint64_t* value);
  void Duration(OptionSpec spec, int64_t* ns);
  // YAML: a list; elsewhere: comma-separated.
  void List(OptionSpec spec, std::vector<std::string>* value);

  // A YAML scalar that sets something else, e.g. the port part of an address.
  void Yaml(std::string path, std::function<absl::Status(const ConfigValue&)> set);
  // A whole YAML subtree that the program reads itself. place.source has file, line, column and path.
  void Section(std::string path, std::function<absl::Status(const YAML::Node&, const ConfigPlace&)> read);
  // A YAML path (with all below it) that other programs know and this one does not need; the advice goes into
  // a warning.
  void Unused(std::string path, std::string advice);
  // Another spelling of a flag: Alias("config.file", "config").
  void Alias(std::string flag, std::string of);
  // Closing text of --help.
  void Epilogue(std::string text) { epilogue_ = std::move(text); }

  struct Loaded {
    std::optional<std::string> exit_text;  // print it and exit with 0
    std::vector<std::string> warnings;     // for the log, once it is set up
    std::string file;                      // the YAML file read, "" if none
  };
  // Reads argv, the environment and the file of --config (or SKALD_CONFIG, or default_file if that exists).
  absl::StatusOr<Loaded> Load(int argc, const char* const* argv, std::string_view default_file = {});

  // The file part alone, for tests and reloads. `file` names it in errors.
  absl::Status ApplyYaml(std::string_view text, std::string_view file, std::vector<std::string>* warnings);

  // Every option with a YAML path and its value now, as YAML. Secrets are not options: they come from files.
  std::string EffectiveYaml() const;
  std::string HelpText() const;

  // "file:line:column: path" of a node, 1-based, for programs that read a Section themselves.
  static ConfigPlace PlaceOf(const YAML::Node& node, std::string_view file, std::string_view path);

 private:
  struct Option;
  struct YamlHook;

  void Add(OptionSpec spec, std::string type, std::function<absl::Status(const ConfigValue&)> set,
           std::function<std::string()> print, bool is_list, bool is_bool);
  absl::Status Walk(const YAML::Node& node, const std::string& path, std::string_view file,
                    std::vector<std::string>* warnings);

  std::string program_;
  std::string summary_;
  std::string version_;
  std::string epilogue_;
  std::string group_ = "Options";
  std::vector<std::unique_ptr<Option>> options_;
  std::map<std::string, Option*> by_yaml_;
  std::map<std::string, std::unique_ptr<YamlHook>> hooks_;
  std::map<std::string, std::string> unused_;
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::string config_file_;
  bool expand_env_ = true;
  bool expand_escapes_ = false;  // --config.expand-env was given
};

}  // namespace skald
