// The store's fixed limits with their reasons. What a user may set is in StoreOptions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skald {

// A batch in the log is one record and is held in memory as a whole; senders cut theirs at a few MiB.
inline constexpr uint64_t kMaxWalRecordBytes = uint64_t{256} << 20;

// Batches accepted and not yet in heads, counted by their rows and their log records. Append waits while this
// much is on its way...
inline constexpr uint64_t kMaxBytesOnTheWay = uint64_t{32} << 20;
// ... for so long, then answers Unavailable, so that a stuck disk does not hold a sender's thread for ever.
inline constexpr int64_t kMaxAppendWaitMs = 5000;
// Heads may grow to this many times head_memory_bytes while flushes are slow or fail; then appends wait or
// are refused.
inline constexpr uint64_t kMaxHeadOvershoot = 2;

// Free disk is looked at this often, and so much of it is reserved at most (StoreOptions::reserved_disk).
inline constexpr int64_t kDiskLookMs = 200;
inline constexpr uint64_t kMaxReservedDisk = uint64_t{256} << 20;

// A batch that failed bars later ones of its agent until it is sent again (write_log.h), or for this long: a
// sender that has not sent it by then never will.
inline constexpr int64_t kFailedBatchBarsMs = 5 * 60 * 1000;
// An agent's last sequence is forgotten when nothing came for this many days.
inline constexpr uint32_t kAgentForgottenAfterDays = 180;

// Chunks of a head below this many text bytes are merged with their neighbours, so that one-line pushes cost
// neither 200 bytes each nor long lists.
inline constexpr uint64_t kMergeChunksBelowBytes = 16 << 10;

// Segments one flush of a shard writes at most: the days with the most data get one each, the rest share one.
// Lines of a whole year arriving at random would otherwise make a file a day at each flush.
inline constexpr size_t kMaxSegmentsPerFlush = 16;
// A stream's lines of more days than this in one block's worth of text are not cut at midnight but make one
// block that spans them.
inline constexpr size_t kMaxDaysCutPerBlock = 4;

// What Flush may leave in the log of lines that are in segments.
inline constexpr uint64_t kLogKeptByFlush = uint64_t{1} << 20;
// Older log files than this many make the store flush the shards that keep them.
inline constexpr size_t kMaxClosedWalFiles = 8;

// Streams whose labels, and what is known to be registered of them, are kept in memory beyond those with
// lines in memory.
inline constexpr size_t kMaxCachedStreams = 100'000;
// An index of at most this size is read through at each start, so that damage in it is found before it is
// asked.
inline constexpr uint64_t kMaxIndexVerifiedBytes = uint64_t{64} << 20;
inline constexpr size_t kMaxOpenSegments = 256;
// Summaries of blocks kept in memory: those of a GiB of lines or more, at some 5 KiB a block of 256 KiB.
inline constexpr size_t kMaxSummaryBytes = size_t{32} << 20;

}  // namespace skald
