#include "cli/completion.h"

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>

namespace skald::cli {
namespace {

constexpr char kBash[] = R"sh(# bash completion of skaldctl: source <(skaldctl completion bash)
_skaldctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ":files" ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
      line=${line%%$'\t'*}
      [[ $line == *= ]] && compopt -o nospace 2>/dev/null
      COMPREPLY+=("$line")
    fi
  done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _skaldctl skaldctl
)sh";

constexpr char kZsh[] = R"sh(#compdef skaldctl
# zsh completion of skaldctl: in a directory of $fpath as _skaldctl, or source <(skaldctl completion zsh)
_skaldctl() {
  local line files=0
  local -a candidates
  while IFS= read -r line; do
    if [[ $line == ":files" ]]; then
      files=1
    else
      candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    fi
  done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( ${#candidates} )) && _describe -t skaldctl skaldctl candidates
  (( files )) && _files
}
if [[ $funcstack[1] == _skaldctl ]]; then
  _skaldctl "$@"
else
  compdef _skaldctl skaldctl
fi
)sh";

constexpr char kFish[] = R"sh(# fish completion of skaldctl: in ~/.config/fish/completions/skaldctl.fish
function __skaldctl_complete
    set -l tokens (commandline -opc)
    set -l current (commandline -ct)
    for line in ($tokens[1] __complete -- $tokens[2..-1] $current 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path $current
        else
            echo $line
        end
    end
end
complete -c skaldctl -f -a '(__skaldctl_complete)'
)sh";

// Values that a flag takes, and flags that take files.
const std::map<std::string, std::vector<std::string>>& ValuesOfFlags() {
  static const std::map<std::string, std::vector<std::string>> kValues = {
      {"output", {"default", "raw", "jsonl", "table"}},
      {"timezone", {"Local", "UTC"}},
      {"color", {"auto", "always", "never"}},
      {"progress", {"auto", "always", "never"}},
      {"output-timestamp-format",
       {"rfc3339", "rfc3339nano", "rfc822z", "rfc1123z", "stampmilli", "stampmicro", "stampnano",
        "unixdate"}},
      {"since", {"5m", "15m", "1h", "6h", "24h", "7d"}},
      {"step", {"15s", "1m", "5m", "1h"}},
      {"type", {"alert", "record"}},
      {"format", {"auto", "promtail", "alloy", "fluent-bit"}},
  };
  return kValues;
}

bool TakesFile(const std::string& flag) {
  return flag == "ca-cert" || flag == "cert" || flag == "key" || flag == "bearer-token-file" ||
         flag == "part-path-prefix";
}

bool IsFlagAlone(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// The option of this name as it is written (-o, --output) for a verb or those above it.
const CLI::Option* FindOption(const CLI::App* app, const std::string& written) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option :
         app->get_options([](const CLI::Option* o) { return !o->get_positional(); })) {
      if (option->check_name(written)) return option;
    }
  }
  return nullptr;
}

const CLI::App* FindVerb(const CLI::App* app, const std::string& name) {
  const auto verbs = app->get_subcommands([&](const CLI::App* verb) { return verb->get_name() == name; });
  return verbs.empty() ? nullptr : verbs.front();
}

std::string LongName(const CLI::Option& option) {
  return option.get_lnames().empty() ? "" : option.get_lnames().front();
}

void AddFlags(const CLI::App* app, const std::string& typed, std::vector<Candidate>* out) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option :
         app->get_options([](const CLI::Option* o) { return !o->get_positional(); })) {
      if (option->get_group().empty()) continue;
      for (const std::string& name : option->get_lnames()) {
        const std::string flag = "--" + name;
        const bool there =
            std::any_of(out->begin(), out->end(), [&](const Candidate& c) { return c.text == flag; });
        if (flag.starts_with(typed) && !there) out->push_back({flag, option->get_description()});
      }
    }
  }
}

void AddValues(const CLI::Option& option, const std::string& typed, const CompletionSources& sources,
               Completion* out) {
  const std::string name = LongName(option);
  std::vector<std::string> values;
  if (const auto at = ValuesOfFlags().find(name); at != ValuesOfFlags().end()) values = at->second;
  if (name == "include-label" || name == "exclude-label") values = sources.label_names();
  if (TakesFile(name)) out->files = true;
  for (std::string& value : values) {
    if (value.starts_with(typed)) out->candidates.push_back({std::move(value)});
  }
}

}  // namespace

Completion Complete(const CLI::App& root, std::vector<std::string> words, const CompletionSources& sources) {
  Completion out;
  if (words.empty()) words.emplace_back();
  std::string typed = words.back();
  words.pop_back();
  const CLI::App* app = &root;
  const CLI::Option* awaits = nullptr;  // its value comes next
  for (const std::string& word : words) {
    if (word == "=" && awaits != nullptr) continue;
    if (awaits != nullptr) {
      awaits = nullptr;
    } else if (word.starts_with('-') && word.size() > 1) {
      if (word.find('=') != std::string::npos) continue;
      const CLI::Option* option = FindOption(app, word);
      if (option != nullptr && !IsFlagAlone(*option)) awaits = option;
    } else if (const CLI::App* verb = FindVerb(app, word); verb != nullptr) {
      app = verb;
    }
  }
  if (typed == "=" && awaits != nullptr) typed.clear();
  if (awaits != nullptr) {
    AddValues(*awaits, typed, sources, &out);
    return out;
  }
  if (typed.starts_with('-')) {
    const size_t equals = typed.find('=');
    if (equals == std::string::npos) {
      AddFlags(app, typed, &out.candidates);
    } else if (const CLI::Option* option = FindOption(app, typed.substr(0, equals)); option != nullptr) {
      AddValues(*option, typed.substr(equals + 1), sources, &out);
      for (Candidate& candidate : out.candidates)
        candidate.text = typed.substr(0, equals + 1) + candidate.text;
    }
    return out;
  }
  for (const CLI::App* verb :
       app->get_subcommands([](const CLI::App* a) { return !a->get_group().empty(); })) {
    if (verb->get_name().starts_with(typed))
      out.candidates.push_back({verb->get_name(), verb->get_description()});
  }
  const std::string& verb = app->get_name();
  std::vector<std::string> values;
  if (verb == "labels") values = sources.label_names();
  if (verb == "completion") values = {"bash", "zsh", "fish"};
  if (verb == "check" || verb == "test" || verb == "agent-config" || verb == "fsck") out.files = true;
  for (std::string& value : values) {
    if (value.starts_with(typed)) out.candidates.push_back({std::move(value)});
  }
  return out;
}

std::string_view CompletionScript(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

}  // namespace skald::cli
