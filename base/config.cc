#include "base/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest_word.h"
#include "base/status_macros.h"

namespace skald {
namespace {

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (c == '-' || c == '.') c = '_';
  }
  return text;
}

// A scalar that YAML reads back as the same text.
std::string YamlScalar(const std::string& text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string::npos && text[0] != '-';
  if (plain) return text;
  YAML::Emitter emitter;
  emitter << YAML::DoubleQuoted << text;
  return emitter.c_str();
}

std::string Joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

// Breaks text into lines of at most `width` characters, each after the first indented.
std::string Wrap(const std::string& text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  size_t i = 0;
  while (i < text.size()) {
    size_t end = text.find(' ', i);
    if (end == std::string::npos) end = text.size();
    const size_t length = end - i;
    if (column + length + 1 > width && column > indent) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(i, length);
    column += length;
    i = end + 1;
  }
  return out;
}

}  // namespace

struct Config::Option {
  OptionSpec spec;
  std::string group;
  std::string type;      // "<duration>", "a|b|c"
  std::string fallback;  // the default, printed
  std::function<absl::Status(const ConfigValue&)> set;
  std::function<std::string()> print;
  bool is_list = false;
  bool is_bool = false;
};

struct Config::YamlHook {
  std::function<absl::Status(const ConfigValue&)> scalar;
  std::function<absl::Status(const YAML::Node&, const ConfigPlace&)> section;
};

absl::Status ConfigValue::Wrong(std::string_view expected) const {
  return InvalidArgument("{}: \"{}\" is not {}", place.source, text, expected);
}

Config::Config(std::string program, std::string summary, std::string version)
    : program_(std::move(program)), summary_(std::move(summary)), version_(std::move(version)) {}

Config::~Config() = default;

void Config::Group(std::string title) { group_ = std::move(title); }

void Config::Add(OptionSpec spec, std::string type, std::function<absl::Status(const ConfigValue&)> set,
                 std::function<std::string()> print, bool is_list, bool is_bool) {
  auto option = std::make_unique<Option>();
  if (spec.env.empty()) spec.env = "SKALD_" + Upper(spec.flag.empty() ? spec.yaml : spec.flag);
  if (spec.env == "-") spec.env.clear();
  option->group = group_;
  option->type = std::move(type);
  option->fallback = print();
  option->set = std::move(set);
  option->print = std::move(print);
  option->is_list = is_list;
  option->is_bool = is_bool;
  option->spec = std::move(spec);
  if (!option->spec.yaml.empty()) by_yaml_[option->spec.yaml] = option.get();
  options_.push_back(std::move(option));
}

void Config::Text(OptionSpec spec, std::string* value) {
  Add(
      std::move(spec), "<text>",
      [value](const ConfigValue& v) {
        *value = v.text;
        return absl::OkStatus();
      },
      [value] { return *value; }, false, false);
}

void Config::Choice(OptionSpec spec, std::string* value, std::vector<std::string> allowed) {
  std::string type = Joined(allowed, "|");
  std::string expected = "one of " + Joined(allowed, ", ");
  Add(
      std::move(spec), std::move(type),
      [value, allowed = std::move(allowed), expected = std::move(expected)](const ConfigValue& v) {
        if (std::find(allowed.begin(), allowed.end(), v.text) == allowed.end()) return v.Wrong(expected);
        *value = v.text;
        return absl::OkStatus();
      },
      [value] { return *value; }, false, false);
}

void Config::Int(OptionSpec spec, int64_t* value, int64_t min, int64_t max) {
  Add(
      std::move(spec), "<number>",
      [value, min, max](const ConfigValue& v) {
        int64_t n = 0;
        const char* end = v.text.data() + v.text.size();
        const auto [p, ec] = std::from_chars(v.text.data(), end, n);
        if (ec != std::errc() || p != end || n < min || n > max) {
          return v.Wrong(fmt::format("a whole number from {} to {}", min, max));
        }
        *value = n;
        return absl::OkStatus();
      },
      [value] { return fmt::format("{}", *value); }, false, false);
}

void Config::Double(OptionSpec spec, double* value, double min, double max) {
  Add(
      std::move(spec), "<number>",
      [value, min, max](const ConfigValue& v) {
        double n = 0;
        const char* end = v.text.data() + v.text.size();
        const auto [p, ec] = std::from_chars(v.text.data(), end, n);
        if (ec != std::errc() || p != end || !(n >= min && n <= max)) {
          return v.Wrong(fmt::format("a number from {} to {}", min, max));
        }
        *value = n;
        return absl::OkStatus();
      },
      [value] { return fmt::format("{}", *value); }, false, false);
}

void Config::Bool(OptionSpec spec, bool* value) {
  Add(
      std::move(spec), "true|false",
      [value](const ConfigValue& v) {
        const std::optional<bool> b = ParseConfigBool(v.text);
        if (!b) return v.Wrong("true or false");
        *value = *b;
        return absl::OkStatus();
      },
      [value] { return std::string(*value ? "true" : "false"); }, false, true);
}

void Config::Bytes(OptionSpec spec, uint64_t* value) {
  Add(
      std::move(spec), "<size>",
      [value](const ConfigValue& v) {
        const std::optional<uint64_t> n = ParseConfigBytes(v.text);
        if (!n) return v.Wrong("a size: bytes, or a number with KB, MB, GB or TB");
        *value = *n;
        return absl::OkStatus();
      },
      [value] { return FormatConfigBytes(*value); }, false, false);
}

void Config::Duration(OptionSpec spec, int64_t* ns) {
  Add(
      std::move(spec), "<duration>",
      [ns](const ConfigValue& v) {
        const std::optional<int64_t> n = ParseConfigDuration(v.text);
        if (!n) return v.Wrong("a duration such as 250ms, 10s, 5m, 1h30m or 7d");
        *ns = *n;
        return absl::OkStatus();
      },
      [ns] { return FormatConfigDuration(*ns); }, false, false);
}

void Config::List(OptionSpec spec, std::vector<std::string>* value) {
  Add(
      std::move(spec), "<a,b,...>",
      [value](const ConfigValue& v) {
        value->clear();
        size_t begin = 0;
        while (begin < v.text.size()) {
          const size_t end = std::min(v.text.find(',', begin), v.text.size());
          if (end > begin) value->push_back(v.text.substr(begin, end - begin));
          begin = end + 1;
        }
        return absl::OkStatus();
      },
      [value] { return Joined(*value, ","); }, true, false);
}

void Config::Yaml(std::string path, std::function<absl::Status(const ConfigValue&)> set) {
  auto& hook = hooks_[std::move(path)];
  hook = std::make_unique<YamlHook>();
  hook->scalar = std::move(set);
}

void Config::Section(std::string path,
                     std::function<absl::Status(const YAML::Node&, const ConfigPlace&)> read) {
  auto& hook = hooks_[std::move(path)];
  hook = std::make_unique<YamlHook>();
  hook->section = std::move(read);
}

void Config::Unused(std::string path, std::string advice) { unused_[std::move(path)] = std::move(advice); }

void Config::Alias(std::string flag, std::string of) {
  aliases_.emplace_back(std::move(flag), std::move(of));
}

ConfigPlace Config::PlaceOf(const YAML::Node& node, std::string_view file, std::string_view path) {
  const YAML::Mark mark = node.Mark();
  return {fmt::format("{}:{}:{}: {}", file, mark.line + 1, mark.column + 1, path)};
}

absl::Status Config::Walk(const YAML::Node& node, const std::string& path, std::string_view file,
                          std::vector<std::string>* warnings) {
  for (const auto& item : node) {
    const std::string key = item.first.IsScalar() ? item.first.Scalar() : "?";
    const std::string here = path.empty() ? key : fmt::format("{}.{}", path, key);
    const YAML::Node& value = item.second;
    const ConfigPlace place = PlaceOf(value.IsNull() ? item.first : value, file, here);
    if (const auto hook = hooks_.find(here); hook != hooks_.end()) {
      if (value.IsNull()) continue;
      if (hook->second->section) {
        RETURN_IF_ERROR(hook->second->section(value, place));
        continue;
      }
      if (!value.IsScalar()) return InvalidArgument("{}: a single value is expected here", place.source);
      RETURN_IF_ERROR(hook->second->scalar({value.Scalar(), place}));
      continue;
    }
    if (const auto option = by_yaml_.find(here); option != by_yaml_.end()) {
      if (value.IsNull()) continue;
      ConfigValue v{"", place};
      if (value.IsSequence() && option->second->is_list) {
        std::vector<std::string> parts;
        for (const auto& element : value) {
          if (!element.IsScalar())
            return InvalidArgument("{}: a list of texts is expected here", place.source);
          parts.push_back(element.Scalar());
        }
        v.text = Joined(parts, ",");
      } else if (value.IsScalar()) {
        v.text = value.Scalar();
      } else {
        return InvalidArgument("{}: a single value is expected here, not a {}", place.source,
                               value.IsMap() ? "mapping" : "list");
      }
      RETURN_IF_ERROR(option->second->set(v));
      continue;
    }
    if (const auto advice = unused_.find(here); advice != unused_.end()) {
      warnings->push_back(fmt::format("{} is ignored; {}", place.source, advice->second));
      continue;
    }
    // A mapping on the way to something known.
    const std::string prefix = here + ".";
    const auto leads = [&prefix](const auto& map) {
      const auto it = map.lower_bound(prefix);
      return it != map.end() && it->first.starts_with(prefix);
    };
    if (leads(by_yaml_) || leads(hooks_) || leads(unused_)) {
      if (value.IsNull()) continue;
      if (!value.IsMap()) return InvalidArgument("{}: a mapping is expected here", place.source);
      RETURN_IF_ERROR(Walk(value, here, file, warnings));
      continue;
    }
    std::vector<std::string> known;
    for (const auto& [name, option] : by_yaml_) known.push_back(name);
    for (const auto& [name, hook] : hooks_) known.push_back(name);
    const std::string nearest = NearestWord(here, known);
    warnings->push_back(fmt::format("{} is not a setting of {} and is ignored{}", place.source, program_,
                                    nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  }
  return absl::OkStatus();
}

absl::Status Config::ApplyYaml(std::string_view text, std::string_view file,
                               std::vector<std::string>* warnings) {
  std::string expanded(text);
  if (expand_env_) {
    std::vector<std::string> unset;
    expanded = ExpandEnvironment(text, &unset, expand_escapes_);
    for (const std::string& name : unset) {
      warnings->push_back(
          fmt::format("{}: the environment variable {} is not set and has no default", file, name));
    }
  }
  try {
    const YAML::Node root = YAML::Load(expanded);
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return InvalidArgument("{}: a YAML mapping of settings is expected", file);
    return Walk(root, "", file, warnings);
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}:{}:{}: {}", file, e.mark.line + 1, e.mark.column + 1, e.msg);
  }
}

absl::StatusOr<Config::Loaded> Config::Load(int argc, const char* const* argv,
                                            std::string_view default_file) {
  Loaded loaded;
  // -config.file=x and -target=all, as Go's flag package takes them, become long options.
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    if (arg.size() > 2 && arg[0] == '-' && arg[1] != '-' && !(arg[1] >= '0' && arg[1] <= '9'))
      arg.insert(0, "-");
    if (arg.starts_with("--")) {
      for (const auto& [flag, of] : aliases_) {
        if (arg == "--" + flag || arg.starts_with("--" + flag + "=")) arg.replace(2, flag.size(), of);
      }
    }
    args.push_back(std::move(arg));
  }

  CLI::App app;
  app.set_help_flag();
  bool help = false;
  bool version = false;
  app.add_flag("--help,-h", help);
  app.add_flag("--version,-v", version);
  std::string config_flag;
  app.add_option("--config,-c", config_flag);
  std::string expand_flag;
  const CLI::Option* const expand = app.add_option("--config.expand-env", expand_flag)->expected(0, 1);
  std::map<const Option*, std::string> given;
  std::vector<std::pair<const Option*, CLI::Option*>> flags;
  std::vector<std::string> known = {"--help", "--version", "--config"};
  for (const auto& option : options_) {
    if (option->spec.flag.empty()) continue;
    const std::string name = "--" + option->spec.flag;
    known.push_back(name);
    CLI::Option* flag = app.add_option(name, given[option.get()]);
    if (option->is_bool) flag->expected(0, 1);
    flags.emplace_back(option.get(), flag);
  }
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend());
    app.parse(reversed);
  } catch (const CLI::ExtrasError&) {
    for (const std::string& extra : app.remaining()) {
      const std::string name = extra.substr(0, extra.find('='));
      const std::string nearest = NearestWord(name, known);
      return InvalidArgument("unknown argument {}{}; {} --help lists all of them", extra,
                             nearest.empty() ? "" : "; did you mean " + nearest + "?", program_);
    }
    return InvalidArgument("unknown argument; {} --help lists all of them", program_);
  } catch (const CLI::Error& e) {
    return InvalidArgument("{}; {} --help tells more", e.what(), program_);
  }
  if (help) {
    loaded.exit_text = HelpText();
    return loaded;
  }
  if (version) {
    loaded.exit_text = fmt::format("{} {}\n", program_, version_);
    return loaded;
  }

  if (expand->count() > 0) {
    expand_env_ = ParseConfigBool(expand_flag).value_or(true);
    expand_escapes_ = expand_env_;
  }
  loaded.file = config_flag;
  if (const char* env = std::getenv("SKALD_CONFIG"); loaded.file.empty() && env != nullptr) loaded.file = env;
  if (loaded.file.empty() && !default_file.empty() && FileExists(std::string(default_file)))
    loaded.file = default_file;
  if (!loaded.file.empty()) {
    absl::StatusOr<std::string> text = ReadWholeFile(loaded.file);
    if (!text.ok()) return Annotate(text.status(), "the configuration file cannot be read");
    RETURN_IF_ERROR(ApplyYaml(*text, loaded.file, &loaded.warnings));
  }
  for (const auto& option : options_) {
    if (option->spec.env.empty()) continue;
    const char* value = std::getenv(option->spec.env.c_str());
    if (value != nullptr && *value != '\0') RETURN_IF_ERROR(option->set({value, {option->spec.env}}));
  }
  for (const auto& [option, flag] : flags) {
    if (flag->count() == 0) continue;
    std::string value = given[option];
    if (option->is_bool && value.empty()) value = "true";
    RETURN_IF_ERROR(option->set({value, {"--" + option->spec.flag}}));
  }
  return loaded;
}

std::string Config::HelpText() const {
  constexpr size_t kIndent = 6;
  constexpr size_t kWidth = 100;
  std::string out = fmt::format("{} {}\n{}\n\nUsage: {} [options]\n", program_, version_, summary_, program_);
  out +=
      "\nEvery option can be given on the command line, in the environment or in a YAML file; in this order "
      "they win.\n";
  std::string group;
  for (const auto& option : options_) {
    if (option->group != group) {
      group = option->group;
      out += "\n" + group + "\n";
    }
    const OptionSpec& spec = option->spec;
    if (!spec.flag.empty()) {
      out += fmt::format("  --{} {}\n", spec.flag, option->type);
    } else {
      out += fmt::format("  {}: {}\n", spec.yaml, option->type);
    }
    std::string text = spec.help;
    text += fmt::format(" (default: {}", option->fallback.empty() ? "none" : option->fallback);
    if (!spec.example.empty()) text += ", example: " + spec.example;
    text += ")";
    out += std::string(kIndent, ' ') + Wrap(text, kIndent, kWidth) + "\n";
    std::vector<std::string> also;
    if (!spec.flag.empty() && !spec.yaml.empty()) also.push_back("YAML " + spec.yaml);
    if (!spec.env.empty() && !spec.flag.empty()) also.push_back("env " + spec.env);
    if (!also.empty()) out += std::string(kIndent, ' ') + Joined(also, ", ") + "\n";
  }
  out +=
      "\nGeneral\n  --config <file>, -c\n      the YAML file; ${NAME} and ${NAME:default} in it are taken "
      "from the environment\n";
  out += "      env SKALD_CONFIG\n  --help, -h\n  --version, -v\n";
  if (!epilogue_.empty()) out += "\n" + epilogue_ + "\n";
  return out;
}

std::string Config::EffectiveYaml() const {
  // Options of one mapping stand together, in order of their first registration.
  struct Tree {
    std::vector<std::pair<std::string, std::unique_ptr<Tree>>> children;
    const Option* option = nullptr;
  };
  Tree root;
  for (const auto& option : options_) {
    if (option->spec.yaml.empty()) continue;
    Tree* at = &root;
    std::string_view rest = option->spec.yaml;
    while (!rest.empty()) {
      const size_t dot = std::min(rest.find('.'), rest.size());
      const std::string key(rest.substr(0, dot));
      rest.remove_prefix(std::min(dot + 1, rest.size()));
      auto it = std::find_if(at->children.begin(), at->children.end(),
                             [&key](const auto& child) { return child.first == key; });
      if (it == at->children.end()) {
        at->children.emplace_back(key, std::make_unique<Tree>());
        it = std::prev(at->children.end());
      }
      at = it->second.get();
    }
    at->option = option.get();
  }
  std::string out;
  const std::function<void(const Tree&, size_t)> print = [&](const Tree& tree, size_t depth) {
    for (const auto& [key, child] : tree.children) {
      out += std::string(depth * 2, ' ') + key + ":";
      if (child->option == nullptr) {
        out += "\n";
        print(*child, depth + 1);
        continue;
      }
      const std::string value = child->option->print();
      if (!child->option->is_list) {
        out += " " + YamlScalar(value) + "\n";
        continue;
      }
      if (value.empty()) out += " []";
      out += "\n";
      size_t begin = 0;
      while (begin < value.size()) {
        const size_t end = std::min(value.find(',', begin), value.size());
        out += std::string(depth * 2 + 2, ' ') + "- " + YamlScalar(value.substr(begin, end - begin)) + "\n";
        begin = end + 1;
      }
    }
  };
  print(root, 0);
  return out;
}

}  // namespace skald
