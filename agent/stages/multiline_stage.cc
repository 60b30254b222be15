// multiline: {firstline, max_wait_time, max_lines} joins a line that matches firstline with those behind it
// that do not, per label set. A block goes on with the next first line, at max_lines (or the longest line
// allowed; what follows goes on under the same first line), or when nothing came for max_wait_time. Lines
// without a first line before them go out alone; so do those that come after max_wait_time.
#include <algorithm>

#include "agent/stages/held_entries.h"
#include "agent/stages/stage_config.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "text/duration.h"

namespace skald::agent {
namespace {

constexpr int64_t kMaxWaitNs = 3 * kNsPerSecond;
constexpr int64_t kMaxLines = 128;
// Label sets of one log that wait at a time; with more, the oldest block goes on.
constexpr size_t kMaxBlocks = 1000;

class MultilineStage : public Stage {
 public:
  MultilineStage(std::shared_ptr<const re2::RE2> firstline, int64_t max_wait_ns, uint64_t max_lines,
                 size_t max_bytes)
      : firstline_(std::move(firstline)),
        max_wait_ns_(max_wait_ns),
        max_lines_(max_lines),
        max_bytes_(max_bytes) {}

  bool Run(Entry*) override { return true; }
  bool joins() const override { return true; }

  void Join(Entry* entry, HeldEntries* held, EntrySink* next) override {
    HeldEntry* block = held->Find(this, entry->labels);
    if (re2::RE2::PartialMatch(entry->line, *firstline_)) {
      if (block != nullptr) {
        GiveOn(block, next);
      } else {
        if (held->all().size() >= kMaxBlocks) GiveOnOldest(held, next);
        block = held->Add(this, entry->labels);
      }
      block->entry = *entry;
      block->first = *entry;
      block->first.line.clear();
      block->lines = 1;
    } else if (block == nullptr) {
      next->Emit(entry);
      return;
    } else {
      if (block->lines > 0 && block->entry.line.size() + 1 + entry->line.size() > max_bytes_)
        GiveOn(block, next);
      if (block->lines == 0) {
        block->entry = block->first;
      } else {
        block->entry.line += '\n';
      }
      block->entry.line += entry->line;
      block->entry.cut_bytes += entry->cut_bytes;
      ++block->lines;
    }
    block->due_ns = MonotonicNs() + max_wait_ns_;
    if (block->lines >= max_lines_) GiveOn(block, next);
  }

  void Flush(HeldEntries* held, EntrySink* next) override {
    // Entries given on run through the stages behind, which may hold them in turn: not while walking.
    std::vector<HeldEntry*> due;
    for (const auto& one : held->all()) {
      if (one->stage == this && one->due) due.push_back(one.get());
    }
    for (HeldEntry* block : due) {
      GiveOn(block, next);
      held->Remove(block);
    }
  }

 private:
  void GiveOnOldest(HeldEntries* held, EntrySink* next) {
    for (const auto& one : held->all()) {
      if (one->stage != this) continue;
      HeldEntry* const block = one.get();
      GiveOn(block, next);
      held->Remove(block);
      return;
    }
  }
  static void GiveOn(HeldEntry* block, EntrySink* next) {
    if (block->lines == 0) return;
    block->lines = 0;
    Entry entry = std::move(block->entry);
    next->Emit(&entry);
  }

  const std::shared_ptr<const re2::RE2> firstline_;
  const int64_t max_wait_ns_;
  const uint64_t max_lines_;
  const size_t max_bytes_;
};

}  // namespace

StageOr MakeMultilineStage(const YAML::Node& config, const StageContext& context) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"firstline", "max_wait_time", "max_lines"}));
  const std::string firstline = StageText(config, "firstline");
  if (firstline.empty()) return InvalidArgument("firstline is required");
  ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> regex, CompileGoRegex(firstline));
  int64_t wait = kMaxWaitNs;
  if (const std::string text = StageText(config, "max_wait_time"); !text.empty()) {
    ASSIGN_OR_RETURN(wait, ParseGoDuration(text));
    if (wait <= 0) return InvalidArgument("max_wait_time {} is not above 0", text);
  }
  int64_t lines = kMaxLines;
  if (config["max_lines"].IsDefined()) lines = config["max_lines"].as<int64_t>();
  if (lines < 0) return InvalidArgument("max_lines {} is below 0", lines);
  if (lines == 0) lines = kMaxLines;
  return std::make_unique<MultilineStage>(std::move(regex), wait, static_cast<uint64_t>(lines),
                                          context.max_line_size);
}

}  // namespace skald::agent
