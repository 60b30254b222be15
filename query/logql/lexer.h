// Splits a query into tokens. Pure and thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "query/logql/token.h"

namespace skald::logql {

// All tokens up to and with kEnd. Where the text cannot be read on, the last token carries the error (and its
// place) and nothing follows it; the parser reports it when it gets there, unless something was wrong before.
std::vector<Token> Lex(std::string_view query);

}  // namespace skald::logql
