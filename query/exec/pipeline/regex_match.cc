#include "query/exec/pipeline/regex_match.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/go_regex.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/byte_scan.h"

namespace skald::exec {
namespace {

// text as Go's regexp sees it: itself where it is valid UTF-8, else a copy with U+FFFD for each invalid byte.
std::string_view AsRunes(std::string_view text, std::string* scratch) {
  const char* const end = text.data() + text.size();
  if (FindByte(text.data(), end, NonAscii()) == end || IsValidUtf8(text)) return text;
  scratch->clear();
  AppendValidUtf8(scratch, text, "\xef\xbf\xbd");
  return *scratch;
}

// The places in `text` of places in its AsRunes copy, asked for in any order.
class RawPlaces {
 public:
  explicit RawPlaces(std::string_view text) : text_(text) {}

  size_t Of(size_t place) {
    if (place < seen_) seen_ = raw_ = 0;
    while (seen_ < place) {
      const DecodedRune rune = DecodeRune(text_.substr(raw_));
      seen_ += rune.valid ? rune.size : 3;
      raw_ += rune.size;
    }
    return raw_;
  }

 private:
  std::string_view text_;
  size_t seen_ = 0;
  size_t raw_ = 0;
};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads the top level of a regex for runs of plain bytes. Whatever it does not know ends the run, or the
// search as a whole.
class LiteralSearch {
 public:
  explicit LiteralSearch(std::string_view regex) : regex_(regex) {}

  std::optional<RequiredLiteral> Run() {
    while (pos_ < regex_.size()) {
      if (!Step()) return std::nullopt;
    }
    EndRun();
    if (best_.size() < 2) return std::nullopt;
    return RequiredLiteral{best_, fold_};
  }

 private:
  bool Step() {
    const char c = regex_[pos_];
    switch (c) {
      case '|':
        return false;  // a leg of an alternation need not match
      case '(':
        return Group();
      case '[':
        EndRun();
        return Class() && Repetition(false);
      case '.':
      case '^':
      case '$':
        EndRun();
        ++pos_;
        return Repetition(false);
      case '\\':
        return Escape();
      case '*':
      case '?':
      case '+':
      case '{':
        EndRun();  // of what the run ended with; only a stray { comes here
        ++pos_;
        return true;
      default:
        run_ += c;
        ++pos_;
        return Repetition(true);
    }
  }

  // After an atom: takes the operator there, and the atom from the run where it need not occur.
  bool Repetition(bool is_literal) {
    if (pos_ == regex_.size()) return true;
    const char c = regex_[pos_];
    if (c != '*' && c != '?' && c != '+' && c != '{') return true;
    if (is_literal && c != '+') {
      // A rune of several bytes repeats as a whole.
      while (!run_.empty() && (static_cast<unsigned char>(run_.back()) & 0xC0) == 0x80) run_.pop_back();
      if (!run_.empty()) run_.pop_back();
    }
    EndRun();
    if (c == '{') {
      const size_t close = regex_.find('}', pos_);
      if (close == std::string_view::npos) return false;
      pos_ = close + 1;
    } else {
      ++pos_;
    }
    if (pos_ < regex_.size() && regex_[pos_] == '?') ++pos_;
    return true;
  }

  bool Escape() {
    if (pos_ + 1 >= regex_.size()) return false;
    const char c = regex_[pos_ + 1];
    if (!IsLetter(c) && !IsDigit(c)) {
      run_ += c;
      pos_ += 2;
      return Repetition(true);
    }
    if (std::string_view("dDsSwWbBAz").find(c) == std::string_view::npos) return false;
    EndRun();
    pos_ += 2;
    return Repetition(false);
  }

  bool Class() {
    ++pos_;
    if (pos_ < regex_.size() && regex_[pos_] == '^') ++pos_;
    if (pos_ < regex_.size() && regex_[pos_] == ']') ++pos_;
    while (pos_ < regex_.size() && regex_[pos_] != ']') {
      if (regex_.substr(pos_, 2) == "[:") {
        const size_t close = regex_.find(":]", pos_ + 2);
        if (close == std::string_view::npos) return false;
        pos_ = close + 2;
      } else {
        pos_ += regex_[pos_] == '\\' ? 2 : 1;
      }
    }
    if (pos_ >= regex_.size()) return false;
    ++pos_;
    return true;
  }

  bool Group() {
    if (pos_ == 0 && regex_.starts_with("(?i)")) {
      fold_ = true;
      pos_ = 4;
      return true;
    }
    if (regex_.substr(pos_, 2) == "(?") {
      // Flags for the rest of the pattern could change what a literal means.
      const size_t end = regex_.find_first_of(":)<P", pos_ + 2);
      if (end == std::string_view::npos || regex_[end] == ')') return false;
    }
    EndRun();
    int depth = 0;
    do {
      if (regex_[pos_] == '\\') {
        if (regex_.substr(pos_, 2) == "\\Q") return false;
        pos_ += 2;
        continue;
      }
      if (regex_[pos_] == '[') {
        if (!Class()) return false;
        continue;
      }
      if (regex_[pos_] == '(') ++depth;
      if (regex_[pos_] == ')') --depth;
      ++pos_;
    } while (depth > 0 && pos_ < regex_.size());
    return depth == 0 && Repetition(false);
  }

  void EndRun() {
    if (fold_) {
      // Beyond ASCII a letter's cases differ in more than a bit; k and s have such relatives.
      size_t begin = 0;
      for (size_t i = 0; i <= run_.size(); ++i) {
        const bool cut = i == run_.size() || static_cast<signed char>(run_[i]) < 0 ||
                         std::string_view("kKsS").find(run_[i]) != std::string_view::npos;
        if (!cut) continue;
        if (i - begin > best_.size()) best_ = run_.substr(begin, i - begin);
        begin = i + 1;
      }
    } else if (run_.size() > best_.size()) {
      best_ = run_;
    }
    run_.clear();
  }

  std::string_view regex_;
  size_t pos_ = 0;
  bool fold_ = false;
  std::string run_;
  std::string best_;
};

}  // namespace

std::optional<RequiredLiteral> FindRequiredLiteral(std::string_view regex) {
  return LiteralSearch(regex).Run();
}

absl::StatusOr<RegexMatch> RegexMatch::Make(std::string_view regex) {
  RegexMatch out;
  ASSIGN_OR_RETURN(out.regex_, CompileGoRegex(regex));
  // U+FFFD in the regex stands for invalid bytes too, which a search for its bytes would miss.
  const auto literal = FindRequiredLiteral(regex);
  if (literal.has_value() && literal->text.find("\xef\xbf\xbd") == std::string::npos) {
    out.required_.emplace(literal->text, literal->fold_ascii);
  }
  out.needed_ = logql::FindNeededLiterals(regex);
  out.searched_ = out.needed_;
  if (out.required_.has_value()) {
    const logql::NeededLiteral required{out.required_->needle(), literal->fold_ascii};
    const bool longer = !out.needed_.empty() &&
                        std::all_of(out.needed_.begin(), out.needed_.end(),
                                    [&](const auto& n) { return n.text.size() > required.text.size(); });
    if (!longer) out.needed_ = {required};
    // One text is found faster than several, unless it is so short that it stands everywhere.
    constexpr size_t kRare = 6;
    if (!longer || required.text.size() >= kRare) out.searched_ = {required};
  }
  return out;
}

absl::StatusOr<RegexMatch> RegexMatch::MakeAnchored(std::string_view regex) {
  RETURN_IF_ERROR(CompileGoRegex(regex).status());  // errors name the regex as it was written
  RegexMatch out;
  ASSIGN_OR_RETURN(out.regex_, CompileGoRegex(fmt::format("^(?:{})$", regex)));
  return out;
}

bool RegexMatch::Matches(std::string_view text) const {
  if (required_.has_value() && !required_->FoundIn(text)) return false;
  std::string scratch;
  const std::string_view runes = AsRunes(text, &scratch);
  return re2::RE2::PartialMatch(re2::StringPiece(runes.data(), runes.size()), *regex_);
}

bool RegexMatch::Capture(std::string_view text, std::vector<std::string_view>* groups,
                         std::string* scratch) const {
  if (required_.has_value() && !required_->FoundIn(text)) return false;
  const std::string_view runes = AsRunes(text, scratch);
  const int count = regex_->NumberOfCapturingGroups() + 1;
  constexpr int kInline = 16;
  re2::StringPiece few[kInline];
  std::vector<re2::StringPiece> many;
  re2::StringPiece* pieces = few;
  if (count > kInline) {
    many.resize(static_cast<size_t>(count));
    pieces = many.data();
  }
  if (!regex_->Match(re2::StringPiece(runes.data(), runes.size()), 0, runes.size(), re2::RE2::UNANCHORED,
                     pieces, count)) {
    return false;
  }
  groups->resize(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    (*groups)[static_cast<size_t>(i)] = std::string_view(pieces[i].data(), pieces[i].size());
  }
  if (runes.data() == text.data()) return true;
  // What a group took are the bytes of the text, also those that the search saw as U+FFFD.
  RawPlaces places(text);
  for (std::string_view& group : *groups) {
    if (group.data() == nullptr) continue;
    const auto begin = static_cast<size_t>(group.data() - runes.data());
    const size_t raw_begin = places.Of(begin);
    group = text.substr(raw_begin, places.Of(begin + group.size()) - raw_begin);
  }
  return true;
}

}  // namespace skald::exec
