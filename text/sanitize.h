// Label names from the keys of parsed lines. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// True where sanitising changes nothing but, with a digit in front, the `_` prefix: only [A-Za-z0-9_], not
// empty.
bool IsCleanKey(std::string_view key);

// Appends key without Unicode space at its ends, each rune outside of [A-Za-z0-9_] as one `_`; with `first`,
// a `_` stands before a leading digit. A blank key appends nothing.
void AppendSanitizedKey(std::string* out, std::string_view key, bool first);

// The same as one call: the key itself where it is clean, else *scratch. "" for a blank key.
std::string_view SanitizedKey(std::string_view key, std::string* scratch);

// text itself, or, where it holds U+FFFD or invalid UTF-8, a copy in *scratch with a space for each such
// rune.
std::string_view WithoutInvalidRunes(std::string_view text, std::string* scratch);

}  // namespace skald
