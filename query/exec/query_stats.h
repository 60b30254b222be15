// What a query has cost: true counts of what was read and what was left unread, for the answer's stats object
// and explain.
#pragma once

#include <cstdint>

#include "storage/log_source.h"

namespace skald {

// Summed over the log selectors of the query; a selector that stands twice is read and counted once.
struct QueryStats {
  uint64_t streams_matched = 0;
  uint64_t blocks_total = 0;  // that reach into the selectors' time ranges
  uint64_t blocks_skipped_time =
      0;  // never read: outside of every window, or beyond the last entry a log query wants
  uint64_t blocks_skipped_filter = 0;  // never read: their summaries say that no line can match
  uint64_t blocks_without_match = 0;   // decoded, but the leading line filters left no row
  uint64_t blocks_from_header = 0;     // answered by counts in their headers, without decoding
  uint64_t blocks_decoded = 0;
  uint64_t slices_from_header = 0;
  uint64_t lines_from_header = 0;
  uint64_t bytes_from_header = 0;
  uint64_t lines_processed = 0;              // lines looked at, header counts included
  uint64_t bytes_processed = 0;              // line bytes looked at, header counts included
  uint64_t lines_after_leading_filters = 0;  // that reached the stages after the leading line filters
  uint64_t post_filter_lines = 0;            // that came through the whole pipeline
  uint64_t duplicate_lines = 0;              // repetitions dropped
  uint64_t metadata_bytes = 0;               // structured metadata decoded
  uint64_t damaged_blocks = 0;               // failed their checksum and are missing from the answer
  uint64_t entries_returned = 0;             // entries of a log query, series of a metric query
  ReadStats read;
  // Of kept results (result_cache.h): range aggregations that asked for them, evaluation times they asked
  // for, found there, and left there; the time that the found ones cover.
  uint64_t kept_requests = 0;
  uint64_t kept_steps_asked = 0;
  uint64_t kept_steps_found = 0;
  uint64_t kept_steps_stored = 0;
  int64_t kept_length_ns = 0;
  int64_t select_ns = 0;  // finding streams and blocks
  // Of blocks, summed over all threads: reading and decompressing, line filters over whole blocks, the stages
  // behind them with what is made of their rows.
  int64_t decode_ns = 0;
  int64_t filter_ns = 0;
  int64_t stage_ns = 0;
  int64_t exec_ns = 0;  // the whole run

  void Add(const QueryStats& other);
};

}  // namespace skald
