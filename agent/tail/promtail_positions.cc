#include "agent/tail/promtail_positions.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "agent/files/log_file.h"
#include "agent/files/rotation_name.h"
#include "agent/positions/record.h"
#include "agent/tail/line_reader.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/types.h"

namespace skald::agent {
namespace {

constexpr std::string_view kMarker = "promtail-positions";
constexpr std::string_view kBegun = "begun";
constexpr std::string_view kDone = "done";
constexpr std::string_view kJournalSource = "systemd-journal";
constexpr std::string_view kCursor = "cursor-";
// Promtail saves its positions that often by default; what it read later is not in them.
constexpr int64_t kSyncSlackNs = 30 * kNsPerSecond;
constexpr uint64_t kMaxLineBack = uint64_t{1} << 20;
constexpr size_t kChunk = size_t{64} << 10;

bool IsContainerId(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view Unquote(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
    text = text.substr(1, text.size() - 2);
  return text;
}

// The begin of the line that holds the byte in front of offset, or offset if that byte ends a line.
uint64_t LineBegin(LogFile* log, uint64_t offset, const std::string& path) {
  std::vector<char> buffer(kChunk);
  uint64_t end = offset;
  const uint64_t limit = offset > kMaxLineBack ? offset - kMaxLineBack : 0;
  while (end > limit) {
    const uint64_t begin = end - std::min<uint64_t>(end - limit, buffer.size());
    const absl::StatusOr<size_t> read = log->ReadAt(buffer.data(), end - begin, begin, path);
    if (!read.ok() || *read != end - begin) return offset;
    const void* const newline = ::memrchr(buffer.data(), '\n', *read);
    if (newline != nullptr)
      return begin + static_cast<uint64_t>(static_cast<const char*>(newline) - buffer.data()) + 1;
    end = begin;
  }
  return limit == 0 ? 0 : offset;
}

// Calls take(line, begin, end) for each whole line until it answers false; where it stopped, or the end of
// the last whole line.
template <typename Take>
uint64_t EachLine(LogFile* log, const std::string& path, const Take& take) {
  std::vector<char> buffer(kChunk);
  std::string line;
  uint64_t begin = 0;
  for (uint64_t offset = 0;;) {
    const absl::StatusOr<size_t> read = log->ReadAt(buffer.data(), buffer.size(), offset, path);
    if (!read.ok() || *read == 0) return begin;
    std::string_view text(buffer.data(), *read);
    while (!text.empty()) {
      const size_t newline = text.find('\n');
      if (newline == std::string_view::npos) break;
      line.append(text.substr(0, newline));
      if (!take(line)) return begin;
      begin += line.size() + 1;
      line.clear();
      text.remove_prefix(newline + 1);
    }
    line.append(text);
    offset += *read;
  }
}

class Importer {
 public:
  Importer(int64_t saved_ns, StateJournal* journal, ImportedPositions* out)
      : saved_ns_(saved_ns), journal_(journal), out_(out) {}

  void File(const std::string& path, std::string_view value) {
    uint64_t offset = 0;
    if (!ParseNumber(value, &offset)) {
      out_->damaged = true;
      return;
    }
    const absl::StatusOr<FileStat> stat = StatPath(path);
    if (!stat.ok()) {
      ++out_->gone;
      return;
    }
    absl::StatusOr<LogFile> log = LogFile::Open(path);
    if (log.ok() && log->compressed()) {
      uint64_t lines = 0;
      const uint64_t end = EachLine(&*log, path, [&](const std::string&) { return lines++ < offset; });
      Put(path, path, std::move(*log), end);
    } else if (log.ok() && stat->size >= offset) {
      Put(path, path, std::move(*log), offset);
    } else {
      ++out_->from_start;
      if (log.ok()) Rotated(path, offset);
    }
  }

  // A container that was followed over Docker's API.
  void Container(const std::string& path, std::string_view value) {
    int64_t seconds = 0;
    absl::StatusOr<LogFile> log = LogFile::Open(path);
    if (!ParseNumber(value, &seconds) || !log.ok()) {
      ++out_->gone;
      return;
    }
    RecordParser parser;
    const uint64_t offset = EachLine(&*log, path, [&](const std::string& line) {
      Record record;
      return !parser.ParseDocker(line, &record) || record.time_ns < seconds * kNsPerSecond;
    });
    Put(path, path, std::move(*log), offset);
  }

 private:
  void Put(const std::string& path, const std::string& chain, LogFile log, uint64_t offset) {
    offset = LineBegin(&log, offset, path);
    LineReader reader;
    const absl::StatusOr<FileStat> stat = StatDescriptor(log.descriptor(), path);
    const absl::StatusOr<HeadHash> head = ReadHead(log, path);
    if (!stat.ok() || !head.ok() || !reader.Seek(log, offset, path).ok()) {
      ++out_->from_start;
      return;
    }
    FilePosition position;
    position.file_id = journal_->NewFileId();
    position.key = stat->key;
    position.head = *head;
    position.offset = offset;
    position.tail = reader.tail_hash();
    position.path = path;
    position.chain = chain;
    journal_->PutFile(std::move(position));
    ++out_->files;
  }

  // The generation that had the name when Promtail stopped: of those that are long enough and changed after
  // its last save, the oldest.
  void Rotated(const std::string& path, uint64_t offset) {
    const size_t slash = path.rfind('/');
    const std::string directory = path.substr(0, slash);
    const std::string base = path.substr(slash + 1);
    std::string best;
    int64_t best_ns = 0;
    for (const std::string& name : ListDirectory(directory).value_or(std::vector<std::string>())) {
      if (!name.starts_with(base) || IsCompressedName(name) ||
          !IsRotationSuffix(std::string_view(name).substr(base.size()))) {
        continue;
      }
      const std::string sibling = directory + "/" + name;
      const absl::StatusOr<FileStat> stat = StatPath(sibling);
      if (!stat.ok() || !stat->regular || stat->size < offset) continue;
      if (stat->modified_ns < saved_ns_ - kSyncSlackNs) continue;
      if (best.empty() || IsOlder(stat->modified_ns, sibling, best_ns, best)) {
        best = sibling;
        best_ns = stat->modified_ns;
      }
    }
    absl::StatusOr<LogFile> log = best.empty() ? NotFound("no rotated file") : LogFile::Open(best);
    if (log.ok()) Put(best, path, std::move(*log), offset);
  }

  const int64_t saved_ns_;
  StateJournal* const journal_;
  ImportedPositions* const out_;
};

}  // namespace

std::map<std::string, std::string> ParsePromtailPositions(std::string_view text, bool* damaged) {
  std::map<std::string, std::string> entries;
  *damaged = false;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (root.IsMap() && root["positions"].IsMap()) {
      for (const auto& item : root["positions"]) {
        if (item.first.IsScalar() && item.second.IsScalar())
          entries[item.first.Scalar()] = item.second.Scalar();
      }
      return entries;
    }
    if (root.IsNull()) return entries;
    if (root.IsMap() && root["positions"].IsNull()) return entries;
  } catch (const YAML::Exception&) {
    // Line by line then.
  }
  *damaged = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;  // a line without its end may be cut
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = line.rfind(": ");
    if (colon == std::string_view::npos || line.find('\0') != std::string_view::npos) continue;
    const std::string_view key = Unquote(line.substr(0, colon));
    const std::string_view value = Unquote(line.substr(colon + 2));
    if (!key.empty() && !value.empty()) entries[std::string(key)] = std::string(value);
  }
  return entries;
}

ImportedPositions ImportPromtailPositions(const std::string& file, const std::string& docker_directory,
                                          const std::string& journal_job, StateJournal* journal) {
  ImportedPositions out;
  const std::string marker(kMarker);
  const auto found = journal->state().cursors.find(marker);
  const bool begun = found != journal->state().cursors.end() && found->second == kBegun;
  if (!begun && (journal->loaded().had_state || journal->loaded().lost)) return out;
  const absl::StatusOr<std::string> text = ReadWholeFile(file);
  const absl::StatusOr<FileStat> stat = StatPath(file);
  if (!text.ok() || !stat.ok()) {
    if (!absl::IsNotFound(text.status()))
      LogWarn("Promtail's positions are not read", "err=\"{}\"", MessageOf(text.status()));
    return out;
  }
  out.tried = true;
  const std::map<std::string, std::string> entries = ParsePromtailPositions(*text, &out.damaged);
  if (begun) {
    std::vector<uint64_t> ids;
    for (const auto& [id, position] : journal->state().files) ids.push_back(id);
    for (const uint64_t id : ids) journal->ForgetFile(id);
  }
  journal->PutCursor(marker, kBegun);
  Importer importer(stat->modified_ns, journal, &out);
  std::vector<std::pair<std::string, std::string>> cursors;  // of the journal, by job
  for (const auto& [key, value] : entries) {
    if (key.starts_with('/')) {
      importer.File(key, value);
    } else if (const std::string_view name = std::string_view(key).substr(0, kCursor.size());
               name == kCursor) {
      const std::string job = key.substr(kCursor.size());
      if (IsContainerId(job)) {
        importer.Container(docker_directory + "/" + job + "/" + job + "-json.log", value);
      } else {
        cursors.emplace_back(job, value);
      }
    }
  }
  for (const auto& [job, cursor] : cursors) {
    if (job != journal_job && cursors.size() > 1) continue;
    journal->PutCursor(std::string(kJournalSource), cursor);
    out.journal = true;
  }
  journal->PutCursor(marker, kDone);
  return out;
}

}  // namespace skald::agent
