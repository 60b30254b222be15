#include "storage/recovery.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/filenames.h"
#include "storage/flush.h"
#include "storage/segment/segment_group.h"
#include "storage/segment/segment_reader.h"

namespace skald {
namespace {

constexpr std::string_view kMetaFirstLine = "skald store 1\n";
constexpr std::string_view kMetaCrc = "crc ";

absl::Status Advise(const absl::Status& status, const std::string& directory) {
  if (status.code() == absl::StatusCode::kPermissionDenied) {
    return PermissionDenied(
        "data directory {} cannot be written by this process ({}); make it writable for user id {}, or name "
        "another one",
        directory, MessageOf(status), ::geteuid());
  }
  return Annotate(status, fmt::format("data directory {}", directory));
}

struct Segment {
  SegmentId id{0};
  uint64_t bytes = 0;
  SegmentFooter footer;
  bool head_ok = true;
  bool footer_ok = false;
  uint64_t lost_bytes = 0;
};

// Footer as stored, or one of the blocks that can be saved.
absl::StatusOr<Segment> ReadSegment(const BlobStore& blobs, SegmentId id) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentReader> reader,
                   SegmentReader::Open(blobs, SegmentFileName(id)));
  Segment segment;
  segment.id = id;
  segment.bytes = reader->size();
  absl::StatusOr<SegmentFooter> footer = reader->ReadFooter();
  if (footer.ok()) {
    segment.footer = *std::move(footer);
    segment.footer_ok = true;
    return segment;
  }
  if (footer.status().code() != absl::StatusCode::kDataLoss) return footer.status();
  ASSIGN_OR_RETURN(SegmentReader::Salvaged salvaged, reader->Salvage());
  LogError("segment footer is damaged; its sound blocks were saved",
           "segment={} blocks={} rows={} lost_bytes={} error=\"{}\"", SegmentFileName(id),
           salvaged.footer.blocks.size(), salvaged.footer.rows, salvaged.lost_bytes,
           MessageOf(footer.status()));
  segment.footer = std::move(salvaged.footer);
  segment.head_ok = salvaged.head_ok;
  segment.lost_bytes = salvaged.lost_bytes;
  return segment;
}

// The days on which a stream has rows in the segment. Only of slices over midnight the times have to be read.
absl::Status AddDays(const SegmentReader& reader, const BlockHeader& block, const BlockSlice& slice,
                     std::set<Day>* days) {
  const Day first = DayOf(slice.min_ns);
  const Day last = DayOf(slice.max_ns);
  days->insert(first);
  days->insert(last);
  if (last - first < 2) return absl::OkStatus();
  Rows rows;
  const absl::Status status = reader.ReadBlock(block, ColumnSet{.times = true}, &rows, nullptr);
  if (status.code() == absl::StatusCode::kDataLoss)
    return absl::OkStatus();  // nothing to be found there anyway
  RETURN_IF_ERROR(status);
  for (uint32_t i = slice.row_begin; i < slice.row_end; ++i) days->insert(DayOf(rows.time_ns[i]));
  return absl::OkStatus();
}

absl::Status AddToCommit(const BlobStore& blobs, const Segment& segment, LabelIndex* index,
                         SegmentCommit* commit) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentReader> reader,
                   SegmentReader::Open(blobs, SegmentFileName(segment.id)));
  std::vector<StreamId> ids;
  std::vector<Labels> labels;
  for (const SegmentStream& stream : segment.footer.streams) {
    ASSIGN_OR_RETURN(Labels parsed, ParseLabels(stream.labels));
    ASSIGN_OR_RETURN(const StreamId id, index->GetOrCreate(stream.tenant, parsed));
    ids.push_back(id);
    labels.push_back(std::move(parsed));
  }
  std::vector<std::set<Day>> days(ids.size());
  for (const BlockHeader& block : segment.footer.blocks) {
    for (const BlockSlice& slice : block.slices)
      RETURN_IF_ERROR(AddDays(*reader, block, slice, &days[slice.stream]));
  }
  std::vector<Registration> registrations;
  for (size_t i = 0; i < ids.size(); ++i) {
    for (const Day day : days[i])
      registrations.push_back({ids[i], day, segment.footer.streams[i].tenant, &labels[i]});
  }
  RETURN_IF_ERROR(index->Register(registrations));
  commit->segments.push_back(InfoOfSegment(segment.id, segment.footer, segment.bytes));
  for (StreamBlocks& blocks : EntriesOfSegment(segment.id, segment.footer, ids))
    commit->streams.push_back(std::move(blocks));
  return absl::OkStatus();
}

bool IsDamage(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
      return false;
    default:
      return true;
  }
}

absl::Status SetAside(const std::string& directory) {
  for (int n = 1;; ++n) {
    const std::string to = BadIndexDirectory(directory, n);
    if (FileExists(to)) continue;
    std::error_code error;
    std::filesystem::rename(IndexDirectory(directory), to, error);
    if (error) return ErrnoStatus("rename", IndexDirectory(directory), error.value());
    LogWarn("damaged label index was set aside; it can be deleted", "directory={}", to);
    return SyncDirectory(directory);
  }
}

using Groups = std::map<uint64_t, std::vector<SegmentId>>;

// Into an index that knows nothing.
absl::Status Rebuild(const BlobStore& blobs, const Groups& groups, LabelIndex* index, uint64_t* lost_bytes) {
  std::map<uint32_t, Lsn> flushed;
  uint64_t segments = 0;
  uint64_t rows = 0;
  for (const auto& [group, ids] : groups) {
    // A group without its part 0 was cut short by a crash, or compaction took the part; either way its rows
    // count, and what the log brings back of them is an exact repetition.
    const bool whole = PartOf(ids.front()) == 0;
    for (const SegmentId id : ids) {
      absl::StatusOr<Segment> segment = ReadSegment(blobs, id);
      if (!segment.ok()) {
        if (segment.status().code() == absl::StatusCode::kFailedPrecondition) return segment.status();
        LogError("segment cannot be read; it stays where it is", "error=\"{}\"", MessageOf(segment.status()));
        continue;
      }
      *lost_bytes += segment->lost_bytes;
      SegmentCommit commit;
      commit.shard = segment->footer.properties.shard;
      RETURN_IF_ERROR(AddToCommit(blobs, *segment, index, &commit));
      RETURN_IF_ERROR(index->Commit(commit));
      ++segments;
      rows += segment->footer.rows;
      if (whole && segment->head_ok) {
        Lsn& lsn = flushed[segment->footer.properties.shard];
        lsn = std::max(lsn, segment->footer.properties.covered);
      }
    }
  }
  for (const auto& [shard, lsn] : flushed) {
    SegmentCommit commit;
    commit.shard = shard;
    commit.flushed = lsn;
    RETURN_IF_ERROR(index->Commit(commit));
  }
  LogWarn("label index was made anew from the segments", "segments={} rows={}", segments, rows);
  return absl::OkStatus();
}

// DataLoss for an index that opens but cannot be relied on.
absl::Status CheckIndex(const std::string& directory, const Groups& groups, const LabelIndex& index) {
  if (FileExists(IndexDamagedFileName(directory))) return DataLoss("damage was met when it was read");
  ASSIGN_OR_RETURN(const bool rebuilding, index.Rebuilding());
  if (rebuilding) return absl::OkStatus();
  RETURN_IF_ERROR(index.VerifyChecksums(kMaxIndexVerifiedBytes));
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, index.Segments());
  std::set<SegmentId> known;
  for (const SegmentInfo& info : segments) known.insert(info.id);
  bool unknown = false;
  for (const auto& [group, ids] : groups) {
    for (const SegmentId id : ids) unknown = known.erase(id) == 0 || unknown;
  }
  // A compaction deletes its inputs only when the index has its output for sure: the index lost what it had.
  if (unknown && !known.empty()) {
    return DataLoss("it names segment {}, which is gone, and does not know one that is there",
                    SegmentFileName(*known.begin()));
  }
  return absl::OkStatus();
}

// One flush that the index knows nothing of.
absl::Status AdoptOrDelete(BlobStore* blobs, const std::vector<SegmentId>& ids, LabelIndex* index) {
  SegmentCommit commit;
  bool adopt = PartOf(ids.front()) == 0;
  for (const SegmentId id : ids) {
    if (!adopt) break;
    ASSIGN_OR_RETURN(const Segment segment, ReadSegment(*blobs, id));
    commit.shard = segment.footer.properties.shard;
    commit.flushed = segment.footer.properties.covered;
    ASSIGN_OR_RETURN(const Lsn flushed, index->Flushed(commit.shard));
    adopt =
        segment.footer_ok && commit.flushed > flushed;  // a damaged one is not needed: the log has its rows
    if (adopt) RETURN_IF_ERROR(AddToCommit(*blobs, segment, index, &commit));
  }
  if (adopt) {
    LogInfo("segments of a finished flush were adopted", "group={} segments={} shard={} covered_lsn={}",
            GroupOf(ids.front()), ids.size(), commit.shard, Raw(commit.flushed));
    return index->Commit(commit);
  }
  for (const SegmentId id : ids) {
    LogInfo("segment that does not count was deleted", "segment={}", SegmentFileName(id));
    RETURN_IF_ERROR(blobs->Delete(SegmentFileName(id)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareDirectory(const std::string& directory) {
  if (directory.empty()) return InvalidArgument("the data directory has no name");
  if (FileExists(directory) && !std::filesystem::is_directory(directory)) {
    return FailedPrecondition("data directory {} is a file", directory);
  }
  RETURN_IF_ERROR(Advise(CreateDirectories(directory), directory));
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
    return Advise(ErrnoStatus("access", directory, errno), directory);
  return absl::OkStatus();
}

absl::StatusOr<StoreMeta> ParseMeta(std::string_view text) {
  // Directories made by older builds have no checksum.
  if (const size_t at = text.find(kMetaCrc); at != std::string_view::npos) {
    uint32_t crc = 0;
    const std::string line(text.substr(at + kMetaCrc.size()));
    if (std::sscanf(line.c_str(), "%8x", &crc) != 1 || crc != Crc32c(text.substr(0, at)))
      return DataLoss("checksum mismatch");
  }
  if (!text.starts_with(kMetaFirstLine)) {
    if (text.starts_with("skald store ")) {
      return FailedPrecondition("the data directory is of another version of the format than this build's");
    }
    return DataLoss("it does not begin as it has to");
  }
  StoreMeta meta;
  const std::string rest(text.substr(kMetaFirstLine.size()));
  if (std::sscanf(rest.c_str(), "shards %u", &meta.shards) == 1 && meta.shards >= 1 && meta.shards <= 1024)
    return meta;
  return DataLoss("it tells no number of shards");
}

absl::StatusOr<StoreMeta> LoadMeta(const std::string& directory, uint32_t wanted_shards,
                                   const BlobStore& blobs) {
  const std::string path = MetaFileName(directory);
  const absl::StatusOr<std::string> text = ReadWholeFile(path);
  if (text.ok()) {
    const absl::StatusOr<StoreMeta> parsed = ParseMeta(*text);
    if (parsed.ok()) return *parsed;
    if (parsed.status().code() != absl::StatusCode::kDataLoss) return Annotate(parsed.status(), path);
    LogError("file does not describe a data directory; it is made anew", "file={} error=\"{}\"", path,
             MessageOf(parsed.status()));
  } else if (text.status().code() != absl::StatusCode::kNotFound) {
    return Advise(text.status(), directory);
  }
  StoreMeta meta;
  meta.shards = wanted_shards;
  // A lost meta file must not change which shard a stream belongs to.
  ASSIGN_OR_RETURN(const std::vector<std::string> names, blobs.List());
  for (const std::string& name : names) {
    if (!ParseNumberedName(name, kSegmentSuffix)) continue;
    absl::StatusOr<std::shared_ptr<const SegmentReader>> reader = SegmentReader::Open(blobs, name);
    if (!reader.ok()) continue;
    if (const auto footer = (*reader)->ReadFooter(); footer.ok() && footer->properties.shard_count > 0) {
      meta.shards = footer->properties.shard_count;
      break;
    }
  }
  std::string lines = fmt::format("{}shards {}\n", kMetaFirstLine, meta.shards);
  lines += fmt::format("{}{:08x}\n", kMetaCrc, Crc32c(lines));
  RETURN_IF_ERROR(Advise(WriteFileAtomically(path, lines), directory));
  return meta;
}

absl::StatusOr<OpenedIndex> OpenIndex(const std::string& directory, BlobStore* blobs) {
  OpenedIndex out;
  Groups groups;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, blobs->List());
  for (const std::string& name : names) {
    const auto number = ParseNumberedName(name, kSegmentSuffix);
    if (!number) continue;
    groups[GroupOf(SegmentId{*number})].push_back(SegmentId{*number});
    out.next_group = std::max(out.next_group, GroupOf(SegmentId{*number}) + 1);
  }
  for (auto& [group, ids] : groups) std::sort(ids.begin(), ids.end());

  absl::StatusOr<std::unique_ptr<LabelIndex>> index = LabelIndex::Open(IndexDirectory(directory));
  absl::Status damage = index.status();
  if (!damage.ok() && !IsDamage(damage)) return damage;
  if (damage.ok()) {
    damage = CheckIndex(directory, groups, **index);
    if (!damage.ok() && !IsDamage(damage)) return damage;
  }
  if (!damage.ok()) {
    LogError("label index is damaged; making it anew from the segments", "error=\"{}\"", MessageOf(damage));
    index = absl::UnknownError("closed");
    RETURN_IF_ERROR(SetAside(directory));
    if (FileExists(IndexDamagedFileName(directory)))
      RETURN_IF_ERROR(RemoveFile(IndexDamagedFileName(directory)));
    index = LabelIndex::Open(IndexDirectory(directory));
    if (!index.ok()) return index.status();
  }
  out.index = *std::move(index);
  // New, or a rebuild was cut short.
  ASSIGN_OR_RETURN(const bool rebuild, out.index->Rebuilding());
  if (rebuild) {
    if (!groups.empty()) RETURN_IF_ERROR(Rebuild(*blobs, groups, out.index.get(), &out.lost_bytes));
    RETURN_IF_ERROR(out.index->SetRebuilding(false));
  }

  ASSIGN_OR_RETURN(out.segments, out.index->Segments());
  std::set<SegmentId> known;
  std::set<SegmentId> there;
  for (const SegmentInfo& info : out.segments) {
    known.insert(info.id);
    out.next_group = std::max(out.next_group, GroupOf(info.id) + 1);
  }
  bool changed = false;
  for (const auto& [group, ids] : groups) {
    std::vector<SegmentId> unknown;
    for (const SegmentId id : ids) {
      there.insert(id);
      if (!known.contains(id)) unknown.push_back(id);
    }
    if (unknown.empty() || rebuild) continue;  // a rebuild left out only what cannot be read
    RETURN_IF_ERROR(AdoptOrDelete(blobs, unknown, out.index.get()));
    changed = true;
  }
  for (const SegmentInfo& info : out.segments) {
    if (!there.contains(info.id)) {
      LogError("segment file is missing; its lines are lost", "segment={} min_ns={} max_ns={}",
               SegmentFileName(info.id), info.min_ns, info.max_ns);
    }
  }
  if (changed) {
    ASSIGN_OR_RETURN(out.segments, out.index->Segments());
  }
  return out;
}

}  // namespace skald
