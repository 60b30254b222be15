// Completion with the tab key: one answer for all shells, and the few lines of each shell that ask for it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace skald::cli {

struct Candidate {
  std::string text;
  std::string help = {};
  bool operator==(const Candidate&) const = default;
};

struct Completion {
  std::vector<Candidate> candidates;
  bool files = false;  // names of files will do as well
};

// What a server has, asked for only where it is needed.
struct CompletionSources {
  std::function<std::vector<std::string>()> label_names;
};

// words: those behind the program's name, the last one being typed and perhaps empty. A shell may have cut
// --flag=value at the =.
Completion Complete(const CLI::App& app, std::vector<std::string> words, const CompletionSources& sources);

// bash, zsh or fish; "" for another.
std::string_view CompletionScript(std::string_view shell);

}  // namespace skald::cli
