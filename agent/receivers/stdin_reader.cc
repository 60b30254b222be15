#include "agent/receivers/stdin_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace skald::agent {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;
// How long to wait for room in the spool, and for acknowledgements at the end.
constexpr int kRoomWaitMs = 20;

}  // namespace

StdinReader::StdinReader(int fd, ReceiverJob job, size_t max_line_size, Spool* spool,
                         std::function<void()> on_end, const Clock& clock)
    : fd_(fd),
      job_(std::move(job)),
      max_line_size_(max_line_size),
      spool_(spool),
      on_end_(std::move(on_end)),
      clock_(clock),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

StdinReader::~StdinReader() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof(one));
  thread_.join();
}

bool StdinReader::Wait(bool for_input, int wait_ms) const {
  pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {for_input ? fd_ : -1, POLLIN, 0}};
  ::poll(fds, 2, wait_ms);
  return fds[0].revents == 0;
}

bool StdinReader::HandOver() {
  while (!received_.empty() && !spool_->Append(job_.source, received_.streams()).ok()) {
    if (!Wait(false, kRoomWaitMs)) return false;
  }
  received_.Clear();
  return true;
}

void StdinReader::Run() {
  std::string buffer(kReadBytes, '\0');
  std::string line;
  uint64_t cut_bytes = 0;
  int64_t last_ns = 0;
  const auto end_line = [&] {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) {
      SpoolEntry entry;
      last_ns = std::max(clock_.NowNs(), last_ns + 1);
      entry.time_ns = last_ns;
      entry.cut_bytes = cut_bytes;
      entry.line = std::move(line);
      received_.Add(job_.labels, std::move(entry));
    }
    line.clear();
    cut_bytes = 0;
  };
  while (true) {
    if (!Wait(true, -1)) return;
    const ssize_t size = ::read(fd_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    std::string_view rest(buffer.data(), static_cast<size_t>(size));
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      const std::string_view piece = rest.substr(0, end);
      const size_t room = max_line_size_ - std::min(max_line_size_, line.size());
      line.append(piece.substr(0, room));
      cut_bytes += piece.size() - std::min(piece.size(), room);
      if (end == std::string_view::npos) break;
      end_line();
      rest.remove_prefix(end + 1);
    }
    if (!HandOver()) return;
  }
  end_line();
  if (!HandOver()) return;
  while (!spool_->AllCommitted()) {
    if (!Wait(false, kRoomWaitMs)) return;
  }
  finished_ = true;
  on_end_();
}

}  // namespace skald::agent
