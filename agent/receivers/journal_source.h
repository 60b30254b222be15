// The systemd journal as a source. Entries are positioned by cursor; a cursor is committed when its batch is
// acknowledged.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/delivery/batch.h"
#include "agent/stages/pipeline.h"
#include "agent/tail/entry_feed.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/relabel.h"
#include "base/types.h"

struct sd_journal;

namespace skald::agent {

struct JournalSourceOptions {
  bool enabled = true;
  std::string path;                              // a directory of journal files; "" = the system's
  int64_t max_age_ns = 7 * 3600 * kNsPerSecond;  // without a cursor, how far back to begin
  std::vector<std::string> matches;              // FIELD=VALUE, all must hold
  Labels labels;                                 // win over derived ones
  std::string node_name;
  uint64_t max_line_size = uint64_t{256} << 10;
  bool json = false;                         // the line is all fields as a JSON object
  std::optional<Relabelling> relabelling;    // over __journal_<field> and labels, in place of derived labels
  std::shared_ptr<const Pipeline> pipeline;  // nullptr = entries go out as they are
};

// Labels: job="systemd-journal", unit (or the kernel's and syslog's identifier), node_name; level from
// PRIORITY. With relabelling: what it leaves of __journal_<field>, __journal_priority_keyword and the labels
// given. Entries run through the pipeline's stages as lines of files do. Not thread-safe.
class JournalSource {
 public:
  static constexpr std::string_view kName = "systemd-journal";

  // NotFound where there is no journal. rules outlive it.
  static absl::StatusOr<std::unique_ptr<JournalSource>> Open(JournalSourceOptions options, LineRules* rules,
                                                             const Clock& clock);
  ~JournalSource();

  // Behind the cursor; "" = max_age back. A cursor that is gone puts it at the nearest later entry.
  void Start(const std::string& cursor);
  // Readable (by poll with events()) when there is news; then call Process.
  int fd() const { return fd_; }
  short events() const;
  void Process();

  // Up to max_entries into the batch, with their cursor. Returns how many.
  uint64_t ReadSome(uint64_t max_entries, BatchBuilder* batch);
  bool ready() const { return ready_; }
  // The entries [first, last] once more. False if the journal does not have them any more.
  bool ReadAgain(const CursorRange& range, BatchBuilder* batch);
  uint64_t errors() const { return errors_; }

  // Stages, with what they hold back; counts no_message and empty_labels too.
  EntryFeed& feed() { return feed_; }
  const EntryFeed& feed() const { return feed_; }

 private:
  JournalSource(JournalSourceOptions options, LineRules* rules, const Clock& clock)
      : options_(std::move(options)), clock_(clock), feed_(options_.pipeline, rules) {}
  // Adds the entry the journal stands at. False if it has no message.
  bool AddEntry(BatchBuilder* batch, std::string* cursor);
  std::string Field(const char* name) const;
  const Labels& LabelsFor(const std::string& unit);
  Labels LabelsOfUnit(const std::string& unit) const;
  std::map<std::string, std::string> Fields() const;

  const JournalSourceOptions options_;
  const Clock& clock_;
  sd_journal* journal_ = nullptr;
  int fd_ = -1;
  bool ready_ = true;
  uint64_t errors_ = 0;
  std::map<std::string, Labels> units_;  // bounded, see LabelsFor
  EntryFeed feed_;
  bool counting_ = true;  // not for entries that are read again
};

}  // namespace skald::agent
