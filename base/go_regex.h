// Regexes as Go's regexp package takes them, run by RE2. The two speak the same language but for
// (?<name>...), names that stand twice, \C, and the wording of errors. Pure and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

namespace skald {

// (?<name>...) as (?P<name>...); of groups with the same name all but the first lose it. Escapes, \Q...\E and
// character classes are left alone.
std::string GoRegexToRe2(std::string_view regex);

// The names of the named groups in order, repeated ones too. Meaningful for a valid regex only.
std::vector<std::string> GoRegexGroupNames(std::string_view regex);

// InvalidArgument with Go's text, "error parsing regexp: missing closing ): `(`". Of options, logging is
// switched off.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileGoRegex(std::string_view regex,
                                                               re2::RE2::Options options = {});

}  // namespace skald
