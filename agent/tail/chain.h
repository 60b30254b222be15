// One log with all of its generations: the file that has its name now and the rotated ones that are not read
// to their end yet. Messages that come in pieces are joined here, per output, so that a message may begin in
// one generation and end in the next.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/delivery/batch.h"
#include "agent/delivery/line_rules.h"
#include "agent/discovery/target.h"
#include "agent/files/file_identity.h"
#include "agent/files/log_file.h"
#include "agent/files/text_encoding.h"
#include "agent/positions/record.h"
#include "agent/positions/state.h"
#include "agent/stages/pipeline.h"
#include "agent/tail/line_reader.h"
#include "base/labels.h"

namespace skald::agent {

class Chain;

// One generation. A file that was truncated becomes two: the one whose bytes are gone (no descriptor; or it
// goes on in the copy that was made of it) and the new one.
struct TailedFile {
  uint64_t file_id = 0;
  Chain* chain = nullptr;
  LogFile log;
  InodeKey key;
  std::string path;       // its present name, or the last known one
  std::string real_path;  // where the link of that name leads, if it is one
  HeadHash head;
  LineReader reader;
  uint64_t committed = 0;   // delivered up to here
  uint64_t size = 0;        // of the text, as last seen
  uint64_t disk_size = 0;   // finished: of the file
  int64_t modified_ns = 0;  // as last seen
  int64_t grown_ns = 0;     // monotonic; when it was last seen to grow
  int64_t unlinked_ns = 0;  // monotonic; when its name was found gone, 0 = it has one
  uint64_t disk_bytes = 0;
  bool rotated = false;       // no longer under the chain's name
  bool ready = true;          // there may be something to read
  bool gone = false;          // truncated away: nothing more can be read under this id
  bool finished = false;      // read to its end and closed; remembered while its name is there
  bool at_end = false;        // the last read found the end
  bool torn_counted = false;  // its incomplete last record is in the counters
  int64_t behind_ns = 0;      // monotonic; since when not all of it is delivered, 0 = all is
  std::string last_error;

  bool acked() const { return committed >= reader.offset(); }
};

// Limits and counters of record parsing, shared by all chains.
struct ParseCounters {
  uint64_t invalid_records = 0;  // passed on as they were
  uint64_t torn_bytes = 0;       // incomplete records at the end of files that are no more
  uint64_t truncated_lines = 0;
  uint64_t truncated_bytes = 0;
  uint64_t replaced_characters = 0;  // that are nothing in their file's encoding
  struct Dropped {
    uint64_t lines = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Dropped, std::less<>> dropped;  // by stages, by reason
};

class Chain : public BatchOrigin {
 public:
  // key: the path of the newest generation. levels and rules outlive it.
  Chain(std::string key, LogLabels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
        size_t max_line_size, const LevelDetector& levels, LineRules* rules);

  const std::string& key() const { return key_; }
  const Labels& labels() const { return given_.labels.of[0]; }
  // Other labels or another pipeline from the next line on. What the old pipeline holds back goes into the
  // batch, which may want to be sealed then. kAuto: the format stays.
  void Redefine(LogLabels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
                BatchBuilder* batch, ParseCounters* counters);
  // Until when nothing should be read, because labels may come; monotonic, 0 = read, INT64_MAX = until
  // they are there.
  int64_t labels_due_ns() const { return labels_due_ns_; }
  void SetLabelsDue(int64_t due_ns) { labels_due_ns_ = due_ns; }
  // No target wants it any more: read to its present end, then let go.
  bool unwanted() const { return unwanted_; }
  void SetUnwanted(bool unwanted) { unwanted_ = unwanted; }
  // Of the files' text; nullptr = UTF-8.
  const TextEncoding* encoding() const { return encoding_.get(); }
  void SetEncoding(std::shared_ptr<const TextEncoding> encoding) { encoding_ = std::move(encoding); }
  LogFormat format() const { return format_; }
  // From the first line, where neither the target nor the saved state says.
  void DetectFormatFrom(std::string_view first_line);
  // Generations, the oldest first. The last one is current unless it is rotated.
  std::vector<std::unique_ptr<TailedFile>>& files() { return files_; }
  const std::vector<std::unique_ptr<TailedFile>>& files() const { return files_; }
  TailedFile* Find(uint64_t file_id) const;
  // A line may be longer than a message by what the record format puts around it.
  size_t max_raw_line() const;

  // Takes the next line of a file: adds a row to the batch, or keeps a piece. now_ns is the time of lines
  // that carry none.
  void Consume(const TailedFile& file, const RawLine& line, int64_t now_ns, BatchBuilder* batch,
               ParseCounters* counters);
  // Puts unfinished messages into the batch as they are.
  void FlushPending(BatchBuilder* batch);
  // For a restart: only keeps pieces of the given output from the line; what it would add to a batch is left
  // out.
  void Rebuild(const TailedFile& file, const RawLine& line, Output output);
  // The same for lines that stages held back. Called before Rebuild, for all of them; ForgetPieces between.
  void RebuildHeld(const TailedFile& file, const RawLine& line, int64_t now_ns);
  void ForgetPieces();
  // Unfinished messages and what stages hold back.
  bool HasPending() const;
  // What stages hold back and has waited long enough goes into the batch, which must be sealed then. False
  // if there is none.
  bool FlushDue(int64_t now_ns, BatchBuilder* batch, ParseCounters* counters);
  // The same as an earlier FlushDue, in a batch that is made again.
  void FlushHashes(const std::vector<uint64_t>& hashes, BatchBuilder* batch);
  // When FlushDue has work; monotonic, 0 = nothing is held.
  int64_t held_due_ns() const { return held_.due_ns(); }
  int64_t paused_until_ns() const {
    return std::max(labels_due_ns_, pipeline_ == nullptr ? 0 : pipeline_->paused_until_ns());
  }
  // Whether an unfinished message has a piece in the file.
  bool Pins(uint64_t file_id) const;
  size_t pending_bytes() const;

  void Describe(ManifestChain* chain) const override;

 private:
  struct Message {
    int64_t time_ns = 0;  // of the first piece
    std::string text;
    uint64_t cut_bytes = 0;
    std::vector<Span> spans;
    EntryOrigin origin;
  };
  class Sink;
  // Lines from the earliest one that is held on.
  struct Trail {
    uint64_t first_ordinal = 0;
    Span span;
  };
  void ConsumeLine(const TailedFile& file, const RawLine& line, int64_t now_ns, BatchBuilder* batch,
                   ParseCounters* counters);
  void FlushHeld(BatchBuilder* batch, ParseCounters* counters);
  void NoteLine(const TailedFile& file, const RawLine& line);
  void TrimTrail();
  std::vector<Span> TrailSpans() const;
  bool Parse(const RawLine& line, Record* record);
  void AddPiece(const TailedFile& file, const RawLine& line, const Record& record);
  void Emit(Output output, BatchRow row, const EntryOrigin& origin, BatchBuilder* batch,
            ParseCounters* counters);
  void AddRow(BatchStream* stream, const BatchRow& row, BatchBuilder* batch, ParseCounters* counters);
  static void CountDrop(std::string_view reason, uint64_t bytes, ParseCounters* counters);
  BatchStream* StreamFor(Output output, const Labels& labels);

  // What lines of one output need.
  struct Lane {
    Labels labels;  // for the pipeline, if there is one
    BatchStream stream;
  };
  // The labels of outputs that differ by `stream` alone are made where they are needed: most of many thousand
  // logs have lines of one output.
  struct GivenLabels {
    LogLabels labels;              // of[output] is empty where stream[output] is not
    std::string stream[kOutputs];  // "" = labels.of has it all
    friend bool operator==(const GivenLabels&, const GivenLabels&) = default;
  };
  static GivenLabels Shorten(LogLabels labels);
  void UseLabels(GivenLabels labels);
  Lane& LaneOf(Output output);

  const std::string key_;
  const LevelDetector& levels_;
  GivenLabels given_;
  std::unique_ptr<Lane> lanes_[kOutputs];  // made with the output's first line
  int64_t labels_due_ns_ = 0;
  bool unwanted_ = false;
  std::shared_ptr<const TextEncoding> encoding_;
  LogFormat format_;
  const size_t max_line_size_;
  std::string level_;  // given to all lines by a label; "" = look at the line
  std::shared_ptr<const Pipeline> pipeline_;
  std::unique_ptr<Entry> entry_;       // that goes through the pipeline
  std::unique_ptr<TokenBucket> rate_;  // nullptr = any number of lines
  LineRules* const rules_;
  HeldEntries held_;
  std::vector<Trail> trail_;
  uint64_t ordinal_ = 0;                                          // of the last line
  absl::flat_hash_map<std::string, BatchStream> staged_streams_;  // by label text
  std::unique_ptr<Message> messages_[kOutputs];                   // whose end has not come
  RecordParser parser_;
  int64_t last_plain_ns_ = 0;
  std::vector<std::unique_ptr<TailedFile>> files_;
};

}  // namespace skald::agent
