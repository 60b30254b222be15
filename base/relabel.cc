#include "base/relabel.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "base/error.h"

namespace skald {
namespace {

constexpr std::array<std::string_view, 11> kActions = {"replace",   "keep",      "drop",      "keepequal",
                                                       "dropequal", "labelmap",  "labeldrop", "labelkeep",
                                                       "lowercase", "uppercase", "hashmod"};

// $1, ${1}, $name, ${name} and $$ as Go's regexp.Expand has them; what the match does not know is empty.
std::string Expand(std::string_view text, const RE2& regex, const std::vector<re2::StringPiece>& groups) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    if (text[i + 1] == '$') {
      out.push_back('$');
      ++i;
      continue;
    }
    const bool braces = text[i + 1] == '{';
    const size_t begin = i + (braces ? 2 : 1);
    size_t end = begin;
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == begin || (braces && (end == text.size() || text[end] != '}'))) {
      out.push_back('$');
      continue;
    }
    const std::string name(text.substr(begin, end - begin));
    int group = -1;
    if (name.find_first_not_of("0123456789") == std::string::npos && name.size() < 4) {
      group = std::stoi(name);
    } else if (const auto it = regex.NamedCapturingGroups().find(name);
               it != regex.NamedCapturingGroups().end()) {
      group = it->second;
    }
    if (group >= 0 && group < static_cast<int>(groups.size())) {
      const re2::StringPiece& piece = groups[static_cast<size_t>(group)];
      out.append(piece.data(), piece.size());
    }
    i = braces ? end : end - 1;
  }
  return out;
}

bool Match(const RE2& regex, const std::string& text, std::vector<re2::StringPiece>* groups) {
  groups->assign(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1, re2::StringPiece());
  return regex.Match(text, 0, text.size(), RE2::ANCHOR_BOTH, groups->data(),
                     static_cast<int>(groups->size()));
}

// The last eight bytes of the MD5 as a number, which is what hashmod takes the rest of.
uint64_t Md5Tail(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_md5(), nullptr);
  uint64_t tail = 0;
  for (unsigned int i = 8; i < 16; ++i) tail = tail << 8 | digest[i];
  return tail;
}

void SetOrRemove(Labels* labels, const std::string& name, const std::string& value) {
  if (value.empty()) {
    labels->Remove(name);
  } else {
    labels->Set(name, value);
  }
}

}  // namespace

absl::StatusOr<Relabelling> Relabelling::Make(std::vector<RelabelConfig> configs) {
  Relabelling out;
  for (size_t i = 0; i < configs.size(); ++i) {
    RelabelConfig& config = configs[i];
    std::transform(config.action.begin(), config.action.end(), config.action.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (std::find(kActions.begin(), kActions.end(), config.action) == kActions.end()) {
      return InvalidArgument(
          "relabelling {}: action {} is not known; write replace, keep, drop, keepequal, "
          "dropequal, labelmap, labeldrop, labelkeep, lowercase, uppercase or hashmod",
          i + 1, config.action);
    }
    const bool sets = config.action == "replace" || config.action.ends_with("case") ||
                      config.action.ends_with("equal") || config.action == "hashmod";
    if (sets && config.target_label.empty()) {
      return InvalidArgument("relabelling {}: {} needs a target_label", i + 1, config.action);
    }
    if (config.action == "hashmod" && config.modulus == 0)
      return InvalidArgument("relabelling {}: hashmod needs a modulus above 0", i + 1);
    auto regex = std::make_shared<const RE2>("(?s:" + config.regex + ")", RE2::Quiet);
    if (!regex->ok()) {
      return InvalidArgument("relabelling {}: regex {}: {}; write it in RE2 syntax", i + 1, config.regex,
                             regex->error());
    }
    out.steps_.push_back(Step{std::move(config), std::move(regex)});
  }
  return out;
}

bool Relabelling::Apply(Labels* labels) const {
  std::vector<re2::StringPiece> groups;
  for (const Step& step : steps_) {
    const RelabelConfig& config = step.config;
    std::string value;
    for (size_t i = 0; i < config.source_labels.size(); ++i) {
      if (i > 0) value += config.separator;
      value += labels->Get(config.source_labels[i]);
    }
    if (config.action == "keep" || config.action == "drop") {
      if (Match(*step.regex, value, &groups) != (config.action == "keep")) return false;
    } else if (config.action == "keepequal" || config.action == "dropequal") {
      if ((labels->Get(config.target_label) == value) != (config.action == "keepequal")) return false;
    } else if (config.action == "replace") {
      if (!Match(*step.regex, value, &groups)) continue;
      const std::string target = Expand(config.target_label, *step.regex, groups);
      if (IsLabelName(target)) SetOrRemove(labels, target, Expand(config.replacement, *step.regex, groups));
    } else if (config.action.ends_with("case")) {
      const bool lower = config.action == "lowercase";
      std::transform(value.begin(), value.end(), value.begin(), [lower](unsigned char c) {
        return static_cast<char>(lower ? std::tolower(c) : std::toupper(c));
      });
      SetOrRemove(labels, config.target_label, value);
    } else if (config.action == "hashmod") {
      labels->Set(config.target_label, std::to_string(Md5Tail(value) % config.modulus));
    } else {
      const Labels before = *labels;
      for (const auto& [name, of] : before) {
        const std::string text(name);
        const bool matches = Match(*step.regex, text, &groups);
        if (config.action == "labelmap") {
          if (matches) SetOrRemove(labels, Expand(config.replacement, *step.regex, groups), std::string(of));
        } else if (matches == (config.action == "labeldrop")) {
          labels->Remove(text);
        }
      }
    }
  }
  return !labels->empty();
}

}  // namespace skald
