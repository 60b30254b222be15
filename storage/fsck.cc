#include "storage/fsck.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "storage/deletes/delete_log.h"
#include "storage/filenames.h"
#include "storage/index/label_index.h"
#include "storage/log/wal_record.h"
#include "storage/recovery.h"
#include "storage/segment/segment_group.h"
#include "storage/segment/segment_reader.h"
#include "storage/segment/segment_writer.h"

namespace skald {
namespace {

class Checker {
 public:
  Checker(std::string directory, bool repair, std::function<void(const std::string&)> tell)
      : directory_(std::move(directory)), repair_(repair), tell_(std::move(tell)) {}

  absl::StatusOr<FsckReport> Run() {
    if (!FileExists(MetaFileName(directory_)) && !FileExists(SegmentDirectory(directory_)))
      return NotFound("{} is no data directory", directory_);
    ASSIGN_OR_RETURN(const FileDescriptor lock, LockFile(LockFileName(directory_)));
    RETURN_IF_ERROR(CheckMeta());
    RETURN_IF_ERROR(CheckSegments());
    RETURN_IF_ERROR(CheckIndex());
    RETURN_IF_ERROR(CheckLog());
    RETURN_IF_ERROR(CheckDeletes());
    return report_;
  }

 private:
  void Problem(const std::string& text) {
    ++report_.problems;
    tell_(text);
  }
  void Repaired(const std::string& text) {
    ++report_.repaired;
    tell_("repaired: " + text);
  }

  absl::Status CheckMeta() {
    absl::StatusOr<std::string> text = ReadWholeFile(MetaFileName(directory_));
    absl::Status status = text.status();
    if (status.ok()) status = ParseMeta(*text).status();
    if (status.ok() || status.code() == absl::StatusCode::kFailedPrecondition) return status;
    Problem(fmt::format("meta: {}", MessageOf(status)));
    if (!repair_) return absl::OkStatus();
    if (text.ok()) RETURN_IF_ERROR(SetAside(MetaFileName(directory_)));
    ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs,
                     OpenLocalBlobStore(SegmentDirectory(directory_)));
    RETURN_IF_ERROR(LoadMeta(directory_, 1, *blobs).status());
    Repaired("meta was made anew from the segments");
    return absl::OkStatus();
  }

  absl::Status SetAside(const std::string& path) {
    const std::string to = DamagedDirectory(directory_);
    RETURN_IF_ERROR(CreateDirectories(to));
    std::string name = std::filesystem::path(path).filename().string();
    for (int n = 1; FileExists(to + "/" + name); ++n)
      name = std::filesystem::path(path).filename().string() + "." + std::to_string(n);
    std::error_code error;
    std::filesystem::rename(path, to + "/" + name, error);
    if (error) return ErrnoStatus("rename", path, error.value());
    RETURN_IF_ERROR(SyncDirectory(to));
    return SyncDirectory(std::filesystem::path(path).parent_path().string());
  }

  absl::Status CheckSegments() {
    if (!FileExists(SegmentDirectory(directory_))) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(SegmentDirectory(directory_)));
    std::vector<std::string> segments;
    uint64_t next_group = 1;
    for (const std::string& name : names) {
      if (name.ends_with(kTemporarySuffix)) continue;
      if (const auto number = ParseNumberedName(name, kSegmentSuffix)) {
        next_group = std::max(next_group, GroupOf(SegmentId{*number}) + 1);
        segments.push_back(name);
      } else {
        Problem(fmt::format("segments/{}: it does not belong here", name));
      }
    }
    for (const std::string& name : segments) RETURN_IF_ERROR(CheckSegment(name, &next_group));
    return absl::OkStatus();
  }

  absl::Status CheckSegment(const std::string& name, uint64_t* next_group) {
    ++report_.segments;
    ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs, Blobs());
    ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentReader> reader, SegmentReader::Open(*blobs, name));
    absl::StatusOr<SegmentFooter> footer = reader->ReadFooter();
    bool sound = footer.ok();
    bool head_ok = true;
    if (!sound) {
      if (footer.status().code() != absl::StatusCode::kDataLoss) return footer.status();
      ASSIGN_OR_RETURN(SegmentReader::Salvaged saved, reader->Salvage());
      Problem(fmt::format("{}; {} blocks with {} rows can be saved, {} bytes are lost",
                          MessageOf(footer.status()), saved.footer.blocks.size(), saved.footer.rows,
                          saved.lost_bytes));
      head_ok = saved.head_ok;
      footer = std::move(saved.footer);
    }
    std::vector<BlockHeader> good;
    Rows rows;
    for (BlockHeader& block : footer->blocks) {
      const absl::Status status = reader->ReadBlock(block, {true, true, true}, &rows, nullptr);
      if (status.ok()) {
        ++report_.blocks;
        report_.rows += block.rows;
        good.push_back(std::move(block));
        continue;
      }
      if (status.code() != absl::StatusCode::kDataLoss) return status;
      sound = false;
      Problem(fmt::format("{}; {} rows from {} to {} are lost", MessageOf(status), block.rows, block.min_ns,
                          block.max_ns));
    }
    if (sound) {
      uint64_t& slices = slices_[SegmentId{*ParseNumberedName(name, kSegmentSuffix)}];
      for (const BlockHeader& block : good) slices += block.slices.size();
      return absl::OkStatus();
    }
    if (!repair_) return absl::OkStatus();
    // Under a new number, so that a crash leaves the one, the other, or both, which read the same.
    const std::string written = SegmentFileName(SegmentOfGroup((*next_group)++, 0));
    SegmentProperties properties = footer->properties;
    if (!head_ok) properties = SegmentProperties{0, 1, Lsn{0}};
    if (!good.empty() || head_ok) {
      ASSIGN_OR_RETURN(const std::unique_ptr<SegmentWriter> writer,
                       SegmentWriter::Create(blobs.get(), written, properties));
      for (const SegmentStream& stream : footer->streams)
        writer->AddStream(stream.id, stream.tenant, stream.labels);
      std::string bytes;
      for (const BlockHeader& block : good) {
        RETURN_IF_ERROR(reader->ReadEncoded(block.location, &bytes));
        RETURN_IF_ERROR(writer->AddEncodedBlock(block, bytes));
      }
      RETURN_IF_ERROR(writer->Finish().status());
    }
    RETURN_IF_ERROR(SetAside(SegmentDirectory(directory_) + "/" + name));
    changed_ = true;
    Repaired(fmt::format("segment {}: {} sound blocks went to {}, the file to damaged/", name, good.size(),
                         written));
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<BlobStore>> Blobs() {
    return OpenLocalBlobStore(SegmentDirectory(directory_));
  }

  // Whether the index says of each segment what its footer says, and of no other.
  absl::Status CompareIndex(const LabelIndex& index) {
    RETURN_IF_ERROR(index.VerifyChecksums(~uint64_t{0}));
    ASSIGN_OR_RETURN(const bool rebuilding, index.Rebuilding());
    if (rebuilding) return DataLoss("it is not complete");
    ASSIGN_OR_RETURN(const std::vector<SegmentInfo> known, index.Segments());
    std::set<SegmentId> names;
    for (const SegmentInfo& info : known) {
      names.insert(info.id);
      if (!FileExists(SegmentDirectory(directory_) + "/" + SegmentFileName(info.id)))
        return DataLoss("segment {} is missing", SegmentFileName(info.id));
    }
    std::map<SegmentId, uint64_t> entries;
    RETURN_IF_ERROR(
        index.VisitBlocks([&](StreamId, SegmentId segment, const BlockEntry&) { ++entries[segment]; }));
    for (const auto& [id, slices] : slices_) {
      // One that it does not know is adopted or deleted by the next start.
      if (names.contains(id) && entries[id] != slices) {
        return DataLoss("it has {} entries for segment {}, which has {}", entries[id], SegmentFileName(id),
                        slices);
      }
    }
    for (const auto& [id, count] : entries) {
      if (!names.contains(id))
        return DataLoss("it has entries for an unknown segment {}", SegmentFileName(id));
    }
    return absl::OkStatus();
  }

  absl::Status CheckIndex() {
    const std::string path = IndexDirectory(directory_);
    if (!FileExists(path)) {
      if (report_.segments == 0) return absl::OkStatus();
      Problem("index: it is missing");
    } else {
      // Opening it would change it: without repair a copy is looked at.
      std::string looked_at = path;
      if (!repair_) {
        looked_at = directory_ + "/index.fsck";
        std::error_code error;
        std::filesystem::remove_all(looked_at, error);
        std::filesystem::copy(path, looked_at, std::filesystem::copy_options::recursive, error);
        if (error) return ErrnoStatus("copy", path, error.value());
      }
      absl::Status status;
      {
        const absl::StatusOr<std::unique_ptr<LabelIndex>> index = LabelIndex::Open(looked_at);
        status = index.ok() ? CompareIndex(**index) : index.status();
      }
      if (!repair_) {
        std::error_code error;
        std::filesystem::remove_all(looked_at, error);
      }
      if (status.ok() && FileExists(IndexDamagedFileName(directory_)))
        status = DataLoss("damage was met when it was read");
      if (status.ok() && !changed_) return absl::OkStatus();
      if (!status.ok()) Problem(fmt::format("index: {}", MessageOf(status)));
    }
    if (!repair_) return absl::OkStatus();
    RETURN_IF_ERROR(WriteFileAtomically(IndexDamagedFileName(directory_), ""));
    ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs, Blobs());
    RETURN_IF_ERROR(OpenIndex(directory_, blobs.get()).status());
    Repaired("index was made anew from the segments");
    return absl::OkStatus();
  }

  absl::Status CheckLog() {
    if (!FileExists(WalDirectory(directory_))) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(WalDirectory(directory_)));
    for (const std::string& name : names) {
      if (!ParseNumberedName(name, kWalSuffix)) continue;
      ++report_.log_files;
      ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(WalDirectory(directory_) + "/" + name));
      if (const absl::Status header = CheckWalFileHeader(bytes); !header.ok()) {
        if (header.code() == absl::StatusCode::kFailedPrecondition) return header;
        Problem(fmt::format("wal/{}: {}", name, MessageOf(header)));
      }
      WalScanner scanner(bytes);
      uint64_t end = kWalFileHeaderBytes;
      for (WalRecord record; scanner.Next(&record);) {
        ++report_.log_records;
        if (record.after_damage)
          Problem(fmt::format("wal/{}: {} damaged bytes at {}", name, record.offset - end, end));
        end = record.end;
      }
      if (end < bytes.size()) {
        // In the newest file that is how a stop in the middle of a write looks.
        if (name != names.back()) {
          Problem(fmt::format("wal/{}: {} damaged bytes at its end", name, bytes.size() - end));
        } else {
          tell_(fmt::format("note: wal/{}: {} bytes at its end are of a write that was cut short", name,
                            bytes.size() - end));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckDeletes() {
    const std::string path = DeletesFileName(directory_);
    if (!FileExists(path)) return absl::OkStatus();
    const absl::Status status = DeleteLog::Open(path).status();
    if (status.ok()) return status;
    Problem(fmt::format("{}; lines that delete requests hide are seen again without it", MessageOf(status)));
    if (!repair_) return absl::OkStatus();
    RETURN_IF_ERROR(SetAside(path));
    Repaired("deletes went to damaged/: there are no delete requests now");
    return absl::OkStatus();
  }

  const std::string directory_;
  const bool repair_;
  const std::function<void(const std::string&)> tell_;
  FsckReport report_;
  std::map<SegmentId, uint64_t> slices_;  // of the sound segments
  bool changed_ = false;                  // segments were
};

}  // namespace

absl::StatusOr<FsckReport> Fsck(const std::string& directory, bool repair,
                                const std::function<void(const std::string&)>& tell) {
  return Checker(directory, repair, tell).Run();
}

}  // namespace skald
