#include "agent/receivers/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr std::string_view kPrefix = "spool-";
constexpr size_t kReadBytes = size_t{256} << 10;
constexpr uint64_t kMaxWaitingBytes = uint64_t{8} << 20;
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr int64_t kRetryNs = kNsPerSecond;
// How long what only an end that has gone still needs is kept.
constexpr int64_t kDepartedNs = 60 * kNsPerSecond;

// 0 if the name is none of ours.
uint64_t NumberOf(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 20) return 0;
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [p, ec] = std::from_chars(name.data() + kPrefix.size(), end, number);
  return ec == std::errc() && p == end ? number : 0;
}

// Calls visit(frame) for each record; returns how many bytes are none.
template <class Visit>
uint64_t ForEachRecord(std::string_view bytes, Visit&& visit) {
  uint64_t damaged = 0;
  if (bytes.starts_with(kSpoolHeader)) bytes.remove_prefix(kSpoolHeader.size());
  while (!bytes.empty()) {
    const SpoolFrame frame = NextSpoolFrame(bytes);
    size_t step = frame.size;
    if (frame.kind == SpoolFrame::Kind::kRecord) {
      visit(frame);
    } else {
      step = BytesToNextSpoolFrame(bytes);
      damaged += step;
    }
    bytes.remove_prefix(step);
  }
  return damaged;
}

}  // namespace

Spool::Spool(SpoolOptions options)
    : options_(std::move(options)),
      segment_bytes_(std::max<uint64_t>(4096, std::min(options_.segment_bytes, options_.max_bytes / 4))) {}

std::unique_ptr<Spool> Spool::Open(SpoolOptions options) {
  std::unique_ptr<Spool> spool(new Spool(std::move(options)));
  spool->Load();
  spool->thread_ = std::thread([raw = spool.get()] { raw->Work(); });
  return spool;
}

Spool::~Spool() { Close(); }

void Spool::Close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  news_.notify_all();
  thread_.join();
}

std::string Spool::PathOf(uint64_t first) const {
  return fmt::format("{}/{}{:020}", options_.directory, kPrefix, first);
}

// Only the last segment is read: to know which numbers were given out.
void Spool::Load() {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(options_.directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const uint64_t first = NumberOf(name);
    if (first == 0) continue;
    const absl::StatusOr<uint64_t> size = FileSize(PathOf(first));
    segments_.push_back({first, size.ok() ? *size : 0});
  }
  if (segments_.empty()) return;
  std::sort(segments_.begin(), segments_.end(),
            [](const Segment& a, const Segment& b) { return a.first < b.first; });
  next_number_ = segments_.back().first;
  bool has_records = false;
  if (const absl::StatusOr<std::string> bytes = ReadWholeFile(PathOf(segments_.back().first)); bytes.ok()) {
    // Damaged bytes may have been records whose numbers ends remember.
    next_number_ += ForEachRecord(*bytes, [&](const SpoolFrame& frame) {
      has_records = true;
      next_number_ = std::max(next_number_, frame.number + 1);
    });
  }
  if (has_records) return;
  ++next_number_;
  Remove(segments_.back());
  segments_.pop_back();
}

std::unique_ptr<SpoolReader> Spool::AddReader(uint64_t committed, uint64_t known,
                                              std::function<void()> wake) {
  const std::lock_guard<std::mutex> lock(mu_);
  // The spool was thrown away, and the end's position was not.
  next_number_ = std::max(next_number_, std::max(committed, known) + 1);
  std::unique_ptr<SpoolReader> reader(new SpoolReader(this, committed, std::move(wake)));
  readers_.push_back(reader.get());
  return reader;
}

SpoolReader::~SpoolReader() {
  const std::lock_guard<std::mutex> waking(spool_->wake_mu_);
  const std::lock_guard<std::mutex> lock(spool_->mu_);
  std::erase(spool_->readers_, this);
  spool_->departed_.push_back({committed_, MonotonicNs() + kDepartedNs});
}

absl::Status Spool::Append(std::string_view source, const std::vector<SpoolStream>& streams, Done done) {
  Waiting one;
  uint64_t lines = 0;
  uint64_t line_bytes = 0;
  for (const SpoolStream& stream : streams) {
    lines += stream.entries.size();
    for (const SpoolEntry& entry : stream.entries) line_bytes += entry.line.size();
  }
  one.payloads = EncodeSpoolPayloads(source, streams);
  for (const std::string& payload : one.payloads) one.bytes += payload.size() + kSpoolFrameBytes;
  std::unique_lock<std::mutex> lock(mu_);
  if (stopping_) return Unavailable("the agent is stopping");
  uint64_t held = waiting_bytes_;
  for (const Segment& segment : segments_) held += segment.bytes;
  if (held + one.bytes > options_.max_bytes) {
    if (options_.when_full == SpoolOptions::WhenFull::kDropNewest) {
      counted_.full_lines += lines;
      counted_.full_bytes += line_bytes;
      lock.unlock();
      if (done) done(absl::OkStatus());
      return absl::OkStatus();
    }
    if (options_.when_full == SpoolOptions::WhenFull::kDropOldest) DropOldest(one.bytes);
    held = waiting_bytes_;
    for (const Segment& segment : segments_) held += segment.bytes;
    if (held + one.bytes > options_.max_bytes)
      return ResourceExhausted("the spool is full: {} of {} bytes", held, options_.max_bytes);
  }
  if (waiting_bytes_ > 0 && waiting_bytes_ + one.bytes > kMaxWaitingBytes)
    return ResourceExhausted("the spool's disk is busy");
  counted_.taken_lines += lines;
  counted_.taken_bytes += line_bytes;
  waiting_bytes_ += one.bytes;
  one.done = std::move(done);
  waiting_.push_back(std::move(one));
  lock.unlock();
  news_.notify_all();
  return absl::OkStatus();
}

void Spool::CountFull(uint64_t lines, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mu_);
  counted_.full_lines += lines;
  counted_.full_bytes += bytes;
}

void Spool::Work() {
  std::unique_lock<std::mutex> lock(mu_);
  while (true) {
    const auto due = [&] { return !waiting_.empty() || stopping_; };
    if (failing_) {
      // Nothing new helps before the disk is asked again.
      news_.wait_for(lock, std::chrono::nanoseconds(kRetryNs), [&] { return stopping_; });
    } else if (dirty_) {
      const int64_t wait = sync_at_ns_ - MonotonicNs();
      if (wait > 0) news_.wait_for(lock, std::chrono::nanoseconds(wait), due);
    } else {
      news_.wait(lock, due);
    }
    std::deque<Waiting> group;
    group.swap(waiting_);
    lock.unlock();
    std::vector<Done> written;
    absl::Status status = Write(&group, &written);
    if (dirty_ && (!written.empty() || MonotonicNs() >= sync_at_ns_)) {
      const absl::Status synced =
          options_.sync ? SyncData(file_.get(), options_.directory) : absl::OkStatus();
      dirty_ = !synced.ok();
      if (!synced.ok()) sync_at_ns_ = MonotonicNs() + kRetryNs;
      for (const Done& done : written) done(synced);
    }
    if (!status.ok()) {
      lock.lock();
      ++counted_.write_errors;
      lock.unlock();
      // Who waits is told; the rest stays.
      std::deque<Waiting> kept;
      uint64_t given_up = 0;
      for (Waiting& one : group) {
        if (one.done) {
          given_up += one.bytes;
          one.done(status);
        } else {
          kept.push_back(std::move(one));
        }
      }
      lock.lock();
      waiting_bytes_ -= given_up;
      waiting_.insert(waiting_.begin(), std::make_move_iterator(kept.begin()),
                      std::make_move_iterator(kept.end()));
      lock.unlock();
      if (!failing_) LogError("the spool cannot be written", "err=\"{}\"", MessageOf(status));
    } else if (failing_) {
      LogInfo("the spool is written again");
    }
    lock.lock();
    failing_ = !status.ok();
    if (stopping_ && (waiting_.empty() || failing_)) break;
  }
  std::deque<Waiting> left;
  left.swap(waiting_);
  lock.unlock();
  for (const Waiting& one : left) {
    if (one.done) one.done(Unavailable("the agent is stopping"));
  }
  if (dirty_ && options_.sync) (void)SyncData(file_.get(), options_.directory);
}

absl::Status Spool::OpenNext() {
  RETURN_IF_ERROR(CreateDirectories(options_.directory));
  uint64_t first = 0;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    first = next_number_;
  }
  const std::string path = PathOf(first);
  if (dirty_ && options_.sync) RETURN_IF_ERROR(SyncData(file_.get(), path));
  dirty_ = false;
  file_ = FileDescriptor();
  ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  if (absl::Status status = WriteAll(file.get(), kSpoolHeader, path); !status.ok()) {
    (void)RemoveFile(path);
    return status;
  }
  if (options_.sync) RETURN_IF_ERROR(SyncDirectory(options_.directory));
  file_ = std::move(file);
  file_bytes_ = kSpoolHeader.size();
  const std::lock_guard<std::mutex> lock(mu_);
  // One that got no record was given up.
  if (!segments_.empty() && segments_.back().first == first) segments_.pop_back();
  segments_.push_back({first, file_bytes_});
  return absl::OkStatus();
}

// Records at the end of the file, or nothing.
absl::Status Spool::WritePiece(const std::string& bytes) {
  const absl::Status status = WriteAll(file_.get(), bytes, options_.directory);
  if (status.ok()) {
    file_bytes_ += bytes.size();
    return status;
  }
  if (::ftruncate(file_.get(), static_cast<off_t>(file_bytes_)) != 0 ||
      ::lseek(file_.get(), static_cast<off_t>(file_bytes_), SEEK_SET) < 0) {
    file_ = FileDescriptor();  // what is torn stays at the end of this segment
  }
  return status;
}

absl::Status Spool::Write(std::deque<Waiting>* group, std::vector<Done>* written) {
  std::string bytes;
  while (!group->empty()) {
    if (!file_.valid() || file_bytes_ >= segment_bytes_) RETURN_IF_ERROR(OpenNext());
    uint64_t number = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      number = next_number_;
    }
    bytes.clear();
    size_t members = 0;
    uint64_t member_bytes = 0;
    for (const Waiting& one : *group) {
      for (const std::string& payload : one.payloads) AppendSpoolRecord(number++, payload, &bytes);
      ++members;
      member_bytes += one.bytes;
      if (bytes.size() >= kWriteBytes) break;
    }
    RETURN_IF_ERROR(WritePiece(bytes));
    if (!dirty_) sync_at_ns_ = MonotonicNs() + options_.sync_wait_ns;
    dirty_ = true;
    for (size_t i = 0; i < members; ++i) {
      if (group->front().done) written->push_back(std::move(group->front().done));
      group->pop_front();
    }
    const std::lock_guard<std::mutex> waking(wake_mu_);
    std::vector<const std::function<void()>*> wakes;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      next_number_ = number;
      segments_.back().bytes = file_bytes_;
      waiting_bytes_ -= member_bytes;
      for (const SpoolReader* reader : readers_) wakes.push_back(&reader->wake_);
      if (segments_.size() > 1) RemoveCommitted();
    }
    for (const auto* wake : wakes) (*wake)();
  }
  return absl::OkStatus();
}

uint64_t Spool::MinCommitted() const {
  uint64_t committed = UINT64_MAX;
  for (const SpoolReader* reader : readers_) committed = std::min(committed, reader->committed_);
  for (const Departed& one : departed_) {
    if (one.until_ns > MonotonicNs()) committed = std::min(committed, one.committed);
  }
  return readers_.empty() ? 0 : committed;
}

void Spool::Remove(const Segment& segment) {
  if (const absl::Status removed = RemoveFile(PathOf(segment.first));
      !removed.ok() && !absl::IsNotFound(removed))
    LogWarn("a segment of the spool stays", "err=\"{}\"", MessageOf(removed));
}

void Spool::RemoveCommitted() {
  const uint64_t committed = MinCommitted();
  while (segments_.size() > 1 && segments_[1].first <= committed + 1) {
    Remove(segments_.front());
    segments_.pop_front();
  }
}

void Spool::CountUnread(const Segment& segment, uint64_t committed, uint64_t* lines, uint64_t* bytes) const {
  const absl::StatusOr<std::string> text = ReadWholeFile(PathOf(segment.first));
  if (!text.ok()) return;
  ForEachRecord(*text, [&](const SpoolFrame& frame) {
    SpoolRecord record;
    if (frame.number <= committed || !DecodeSpoolPayload(frame.payload, &record)) return;
    *lines += record.lines();
    *bytes += record.bytes();
  });
}

void Spool::DropOldest(uint64_t room) {
  const auto held = [&] {
    uint64_t sum = waiting_bytes_ + room;
    for (const Segment& segment : segments_) sum += segment.bytes;
    return sum;
  };
  while (segments_.size() > 1 && held() > options_.max_bytes) {
    CountUnread(segments_.front(), MinCommitted(), &counted_.full_lines, &counted_.full_bytes);
    Remove(segments_.front());
    segments_.pop_front();
  }
}

bool Spool::AllCommitted() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return waiting_bytes_ == 0 && (segments_.empty() || MinCommitted() + 1 >= next_number_);
}

SpoolStats Spool::stats() const {
  const std::lock_guard<std::mutex> lock(mu_);
  SpoolStats stats = counted_;
  stats.bytes = waiting_bytes_;
  for (const Segment& segment : segments_) stats.bytes += segment.bytes;
  stats.segments = segments_.size();
  return stats;
}

bool SpoolReader::ready() const {
  const std::lock_guard<std::mutex> lock(spool_->mu_);
  return !spool_->segments_.empty() && spool_->next_number_ > std::max(position_ + 1, dry_at_);
}

void SpoolReader::Seek(uint64_t number) {
  position_ = number;
  segment_ = 0;
  dry_at_ = 0;
  file_ = FileDescriptor();
  buffer_.clear();
  used_ = 0;
}

void SpoolReader::Commit(uint64_t number) {
  const std::lock_guard<std::mutex> lock(spool_->mu_);
  committed_ = std::max(committed_, number);
  spool_->RemoveCommitted();
}

void SpoolReader::OpenSegment(uint64_t first) {
  absl::StatusOr<FileDescriptor> file = OpenFile(spool_->PathOf(first), O_RDONLY);
  buffer_.clear();
  used_ = 0;
  offset_ = kSpoolHeader.size();
  segment_ = first;
  file_ = file.ok() ? std::move(*file) : FileDescriptor();
}

// The buffer holds `need` bytes, or all up to limit. False if the file cannot be read.
bool SpoolReader::Fill(size_t need, uint64_t limit) {
  buffer_.erase(0, used_);
  used_ = 0;
  const uint64_t begin = offset_ + buffer_.size();
  if (begin >= limit) return true;
  const size_t have = buffer_.size();
  const size_t more = std::min<uint64_t>(limit - begin, std::max(need > have ? need - have : 0, kReadBytes));
  buffer_.resize(have + more);
  const absl::StatusOr<size_t> read = ReadAt(file_.get(), buffer_.data() + have, more, begin, "spool");
  buffer_.resize(have + (read.ok() ? *read : 0));
  return read.ok() && *read > 0;
}

bool SpoolReader::Next(SpoolRecord* record) {
  bool short_file = false;  // the open segment has less than was published, or cannot be read
  while (true) {
    uint64_t limit = 0;
    uint64_t later = 0;  // the next segment
    uint64_t next_number = 0;
    {
      const std::lock_guard<std::mutex> lock(spool_->mu_);
      const auto& segments = spool_->segments_;
      next_number = spool_->next_number_;
      auto at = segments.begin();
      if (segment_ == 0) {
        // The last one that may hold what is behind the position.
        at = std::upper_bound(segments.begin(), segments.end(), position_ + 1,
                              [](uint64_t n, const Spool::Segment& one) { return n < one.first; });
        if (at != segments.begin()) --at;
      } else {
        while (at != segments.end() && at->first < segment_) ++at;
        if (at != segments.end() && at->first == segment_) limit = (at++)->bytes;
      }
      if (at != segments.end()) later = at->first;
    }
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    SpoolFrame frame;
    frame.kind = SpoolFrame::Kind::kIncomplete;
    frame.need = 1;
    if (!rest.empty()) frame = NextSpoolFrame(rest);
    if (frame.kind == SpoolFrame::Kind::kIncomplete && !short_file && file_.valid() &&
        offset_ + rest.size() < limit) {
      short_file = !Fill(frame.need, limit);
      continue;
    }
    if (frame.kind == SpoolFrame::Kind::kRecord) {
      used_ += frame.size;
      offset_ += frame.size;
      if (frame.number <= position_) continue;
      position_ = frame.number;
      record->number = frame.number;
      if (DecodeSpoolPayload(frame.payload, record)) return true;
      frame.skip = frame.size;
    } else if (!rest.empty()) {
      // Published bytes end with a record, so what is incomplete is damaged.
      frame.skip = BytesToNextSpoolFrame(rest);
      used_ += frame.skip;
      offset_ += frame.skip;
    } else {
      if (later == 0) {
        dry_at_ = next_number;
        return false;
      }
      OpenSegment(later);
      short_file = false;
      continue;
    }
    const std::lock_guard<std::mutex> lock(spool_->mu_);
    spool_->counted_.corrupt_bytes += frame.skip;
  }
}

}  // namespace skald::agent
