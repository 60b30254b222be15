// What a parse may take beyond Loki's language.
#pragma once

namespace skald::logql {

struct ParseOptions {
  // Skald's own stages (stage_syntax.h) and functions (count_distinct_over_time). Without it their words are
  // label names as any other, and a query with them ends in Loki's parse error.
  bool extensions = false;
};

}  // namespace skald::logql
