// One live tail: first the newest lines of the past, then every line as it comes, without a gap or a
// repetition between the two.
//
// The feed is subscribed before the past is read, and the reading tells (Selection::shard_versions) which of
// the rows in the feed it has seen already. Rows are filtered on the tails' own threads. A client that reads
// slowly makes entries wait, up to a bound; beyond it they are dropped and reported in the next frame.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "query/exec/cancel_token.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/logql/ast.h"
#include "server/api/query_handlers.h"
#include "server/http/web_socket.h"
#include "server/tail/tail_frame.h"
#include "server/tail/tail_hub.h"

namespace skald::server {

struct TailQuestion {
  std::string tenant;
  logql::ExprPtr expr;
  int64_t start_ns = 0;
  uint32_t limit = 100;  // of the past
  int64_t delay_ns = 0;  // live lines wait until they are so old
  std::vector<std::string> flags;
};

// Thread-safe: each step runs under a lock, filtering on a pool of the tails.
class TailSession : public WebSocketSession, public std::enable_shared_from_this<TailSession> {
 public:
  TailSession(const QueryService* service, TailQuestion question);
  ~TailSession() override;

  void OnOpen(std::shared_ptr<WebSocket> socket) override;
  void OnWritten() override;
  void OnTick() override;
  void OnClosed() override;

 private:
  struct Waiting {
    int64_t time_ns = 0;
    std::string json;
    std::shared_ptr<const Labels> labels;
    std::unique_ptr<const Rows> row;  // of a line that is held back: a delete may name it meanwhile
  };
  // What the reading of the past saw.
  struct Seen {
    absl::flat_hash_set<uint32_t> streams;
    std::vector<uint64_t> versions;
    TimeRange range;
  };
  class SeenSource;

  void ReadPast();
  void Schedule();
  void Run();
  void Filter(const TailFeed::Part& part);
  bool IsSeen(const TailFeed::Part& part, int64_t time_ns) const;
  void StartPipeline();
  bool IsDeleted(const Waiting& entry) const;
  void SendNext();
  void Fail(std::string reason);

  const QueryService* const service_;
  const TailQuestion question_;
  const std::vector<logql::Stage>& stages_;
  bool categorize_ = false;
  TailForm live_form_ = TailForm::kMerged;
  std::shared_ptr<CancelToken> cancel_ = std::make_shared<CancelToken>();

  std::mutex mu_;  // guards all below
  std::shared_ptr<WebSocket> socket_;
  std::shared_ptr<TailFeed> feed_;
  bool entered_ = false;
  bool closed_ = false;
  bool scheduled_ = false;
  bool writing_ = false;
  int64_t opened_ns_ = 0;  // monotonic
  bool past_read_ = false;
  Seen seen_;
  Streams past_;
  std::vector<TailLabels> past_labels_;
  size_t past_left_ = 0;  // entries [0, past_left_) are still to be sent, the last first
  std::shared_ptr<const exec::Pipeline> pipeline_;
  std::unique_ptr<exec::LabelSetInterner> interner_;
  std::unique_ptr<exec::PipelineRunner> runner_;
  std::vector<TailLabels> live_labels_;  // by label set, "" stream = not made yet
  std::deque<Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  std::vector<DroppedEntry> dropped_;
};

}  // namespace skald::server
