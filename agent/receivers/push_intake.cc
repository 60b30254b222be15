#include "agent/receivers/push_intake.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "proto/push/label_text.h"

namespace skald::agent {
namespace {

// Of a name that stands twice the first counts.
Labels Unique(std::vector<Labels::Pair> pairs) {
  std::reverse(pairs.begin(), pairs.end());
  return Labels(std::move(pairs));
}

}  // namespace

void PushIntake::Add(const Labels& labels, SpoolEntry entry, int64_t now_ns, Taking* taking) {
  std::string_view reason;
  const Labels* const sent = labels_.Of(labels, &reason);
  if (sent == nullptr) return ReceiverCounters::Count(reason, 1, entry.line.size(), &taking->dropped);
  if (!use_incoming_timestamp_) {
    // In the order they came, also where one push has many.
    last_ns_ = std::max(now_ns, last_ns_ + 1);
    entry.time_ns = last_ns_;
  }
  taking->entries.Add(*sent, std::move(entry));
}

void PushIntake::Take(const DecodedPush& push, Spool::Done done) {
  Taking taking;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    const int64_t now_ns = clock_->NowNs();
    for (const PushStream& stream : push.streams) {
      absl::StatusOr<std::vector<Labels::Pair>> pairs = ParseLabelText(stream.labels);
      Labels labels;
      if (pairs.ok()) {
        labels = Unique(*std::move(pairs));
        for (const auto& [name, value] : job_->labels) labels.Set(name, value);
      } else {
        taking.complaint = InvalidArgument("couldn't parse labels: {}", MessageOf(pairs.status()));
      }
      for (uint32_t i = stream.entry_begin; i < stream.entry_end; ++i) {
        const PushEntry& sent = push.entries[i];
        if (!pairs.ok()) {
          ReceiverCounters::Count("invalid_labels", 1, sent.line.size(), &taking.dropped);
          continue;
        }
        SpoolEntry entry;
        entry.time_ns = sent.time_ns == kNoTimeNs ? now_ns : sent.time_ns;
        entry.line = sent.line;
        const auto add = [&](uint32_t begin, uint32_t end) {
          for (uint32_t m = begin; m < end; ++m)
            entry.SetMetadata(push.metadata[m].first, std::string(push.metadata[m].second));
        };
        add(sent.metadata_begin, sent.metadata_end);
        add(stream.metadata_begin, stream.metadata_end);
        Add(labels, std::move(entry), now_ns, &taking);
      }
    }
  }
  Finish(std::move(taking), std::move(done));
}

void PushIntake::TakeText(std::string_view text, Spool::Done done) {
  Taking taking;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    const int64_t now_ns = clock_->NowNs();
    for (int64_t line_ns = now_ns; !text.empty();) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      SpoolEntry entry;
      entry.time_ns = line_ns++;
      entry.line = line;
      Add(job_->labels, std::move(entry), now_ns, &taking);
    }
  }
  Finish(std::move(taking), std::move(done));
}

void PushIntake::Finish(Taking taking, Spool::Done done) {
  const ReceiverCounters::Counts kept{taking.entries.lines(), taking.entries.bytes()};
  // Counted when the sender is told: what it has to send again is counted then.
  auto told = [this, kept, dropped = std::move(taking.dropped), complaint = std::move(taking.complaint),
               done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) return done(status);
    counters_->CountKept(job_->source, kept.lines, kept.bytes);
    for (const auto& [reason, counts] : dropped)
      counters_->CountDropped(job_->source, reason, counts.lines, counts.bytes);
    done(complaint);
  };
  if (taking.entries.empty()) return told(absl::OkStatus());
  const auto shared = std::make_shared<decltype(told)>(std::move(told));
  const absl::Status taken = spool_->Append(job_->source, taking.entries.streams(),
                                            [shared](const absl::Status& status) { (*shared)(status); });
  if (!taken.ok()) (*shared)(taken);
}

}  // namespace skald::agent
