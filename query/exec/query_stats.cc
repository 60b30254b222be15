#include "query/exec/query_stats.h"

namespace skald {

void QueryStats::Add(const QueryStats& o) {
  streams_matched += o.streams_matched;
  blocks_total += o.blocks_total;
  blocks_skipped_time += o.blocks_skipped_time;
  blocks_skipped_filter += o.blocks_skipped_filter;
  blocks_without_match += o.blocks_without_match;
  blocks_from_header += o.blocks_from_header;
  blocks_decoded += o.blocks_decoded;
  slices_from_header += o.slices_from_header;
  lines_from_header += o.lines_from_header;
  bytes_from_header += o.bytes_from_header;
  lines_processed += o.lines_processed;
  bytes_processed += o.bytes_processed;
  lines_after_leading_filters += o.lines_after_leading_filters;
  post_filter_lines += o.post_filter_lines;
  duplicate_lines += o.duplicate_lines;
  metadata_bytes += o.metadata_bytes;
  damaged_blocks += o.damaged_blocks;
  entries_returned += o.entries_returned;
  read.blocks += o.read.blocks;
  read.stored_bytes += o.read.stored_bytes;
  read.decoded_bytes += o.read.decoded_bytes;
  read.decoded_rows += o.read.decoded_rows;
  read.head_blocks += o.read.head_blocks;
  read.head_bytes += o.read.head_bytes;
  read.head_rows += o.read.head_rows;
  kept_requests += o.kept_requests;
  kept_steps_asked += o.kept_steps_asked;
  kept_steps_found += o.kept_steps_found;
  kept_steps_stored += o.kept_steps_stored;
  kept_length_ns += o.kept_length_ns;
  select_ns += o.select_ns;
  decode_ns += o.decode_ns;
  filter_ns += o.filter_ns;
  stage_ns += o.stage_ns;
  exec_ns += o.exec_ns;
}

}  // namespace skald
