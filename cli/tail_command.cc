// skaldctl tail: the live tail of the API, kept alive.
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/entry_pager.h"
#include "cli/time_flags.h"
#include "cli/web_socket.h"
#include "query/logql/parser.h"

namespace skald::cli {
namespace {

// How far behind the newest line a new connection looks for lines that arrived while there was none.
constexpr int64_t kWindowNs = 10 * kNsPerSecond;
constexpr int kWaitMs = 60'000;
constexpr auto kFirstPause = std::chrono::milliseconds(250);
constexpr auto kLongestPause = std::chrono::milliseconds(8'000);

class Tail {
 public:
  Tail(const Options& options, Streams streams)
      : options_(options), streams_(streams), printer_(options.printer, &streams.out), seen_(kWindowNs) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const TimeRange range,
                     ResolveRange(options_.from, options_.to, options_.since, Clock::System().NowNs()));
    begin_ns_ = range.begin_ns;
    auto pause = kFirstPause;
    while (true) {
      const bool first = !connected_;
      const absl::Status ended = Follow(&pause);
      // What the server refuses at once it will refuse again.
      const bool refused = !absl::IsUnavailable(ended) && !absl::IsDeadlineExceeded(ended) &&
                           !absl::IsAborted(ended) && !absl::IsInternal(ended) &&
                           !absl::IsResourceExhausted(ended);
      const bool never = first && !connected_;
      if (refused || never || (absl::IsAborted(ended) && !any_line_since_connect_ && first))
        return absl::IsAborted(ended) ? InvalidArgument("the server ended the tail: {}", MessageOf(ended))
                                      : ended;
      if (!options_.quiet) streams_.notes << MessageOf(ended) << "; trying again" << std::endl;
      std::this_thread::sleep_for(pause);
      pause = std::min<std::chrono::milliseconds>(pause * 2, kLongestPause);
    }
  }

 private:
  void Print(std::vector<Entry> entries) {
    std::vector<Entry> fresh = seen_.TakeNew(std::move(entries));
    if (fresh.empty()) return;
    printer_.Print(fresh, Labels());
    streams_.out.flush();
  }

  // One connection, until it ends.
  absl::Status Follow(std::chrono::milliseconds* pause) {
    uint64_t limit = options_.limit == 0 ? kMaxBatch : options_.limit;
    if (connected_) {
      RETURN_IF_ERROR(CatchUp());
      limit = kMaxBatch;
    }
    Parameters parameters = {{"query", options_.query},
                             {"limit", std::to_string(limit)},
                             {"start", std::to_string(std::max(begin_ns_, seen_.begin_ns()))}};
    if (options_.delay_for > 0) parameters.emplace_back("delay_for", std::to_string(options_.delay_for));
    // Labels of a line the same in history and live: a plain live line has those of the index alone.
    ASSIGN_OR_RETURN(const std::unique_ptr<WebSocket> socket,
                     WebSocket::Open(options_.connection, "/loki/api/v1/tail", parameters,
                                     "X-Loki-Response-Encoding-Flags: categorize-labels"));
    if (!connected_ && seen_.begin_ns() == kMinTimeNs) begin_live_ns_ = Clock::System().NowNs();
    connected_ = true;
    any_line_since_connect_ = false;
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<std::string> message, socket->Next(kWaitMs));
      if (!message.has_value()) continue;
      ASSIGN_OR_RETURN(TailFrame frame, ParseTailFrame(*message));
      any_line_since_connect_ = true;
      *pause = kFirstPause;
      Print(std::move(frame.entries));
      if (frame.dropped > 0)
        streams_.notes << frame.dropped << " lines came too fast to be followed; query shows them"
                       << std::endl;
    }
  }

  // The lines since the last connection ended, however many.
  absl::Status CatchUp() {
    Api api(options_.connection);
    const FetchPage fetch = [&](const PageRequest& page) -> absl::StatusOr<std::vector<Entry>> {
      ASSIGN_OR_RETURN(QueryAnswer answer,
                       api.QueryRange({options_.query, page.range, page.limit, page.forward, "", ""}));
      return std::move(answer.entries);
    };
    const int64_t from_ns = seen_.begin_ns() == kMinTimeNs ? begin_live_ns_ - kWindowNs : seen_.begin_ns();
    // Lines may carry a time a little ahead of this machine's clock.
    const TimeRange range{std::max(begin_ns_, from_ns), Clock::System().NowNs() + kWindowNs};
    return PageEntries(range, 0, kMaxBatch, true, fetch,
                       [this](const std::vector<Entry>& entries) { Print(entries); });
  }

  const Options& options_;
  Streams streams_;
  EntryPrinter printer_;
  SeenWindow seen_;
  int64_t begin_ns_ = kMinTimeNs;       // of what was asked for
  int64_t begin_live_ns_ = kMinTimeNs;  // of the first connection
  bool connected_ = false;              // ever
  bool any_line_since_connect_ = false;
};

}  // namespace

absl::Status RunTail(const Options& options, Streams streams) {
  const absl::StatusOr<logql::ExprPtr> expr = logql::ParseExpr(options.query);
  if (expr.ok() && !logql::IsLogQuery(**expr))
    return InvalidArgument("only log queries can be followed: {}", options.query);
  return Tail(options, streams).Run();
}

}  // namespace skald::cli
