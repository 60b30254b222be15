#include "server/api/patterns.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "base/json_writer.h"
#include "base/status_macros.h"
#include "query/exec/pipeline/duplicate_filter.h"
#include "query/exec/scan.h"
#include "storage/block/block_patterns.h"
#include "text/pattern_miner.h"

namespace skald::server {
namespace {

// Patterns of one answer before the rare ones are put together.
constexpr size_t kMaxPatternsPerAnswer = 4096;
// What a text and a sample cost with the nodes they stand in.
constexpr int64_t kTextOverhead = 200;
constexpr int64_t kSampleBytes = 64;

int64_t FloorTo(int64_t t_ns, int64_t step_ns) {
  const int64_t rest = t_ns % step_ns;
  return t_ns - rest - (rest < 0 ? step_ns : 0);
}

using Samples = std::map<int64_t, uint64_t>;

class Collector {
 public:
  Collector(const Selection& selection, const PatternQuestion& question, const CancelToken& cancel,
            MemoryBudget* budget, PatternCost* cost)
      : selection_(selection),
        question_(question),
        cancel_(cancel),
        memory_(budget),
        cost_(cost),
        duplicates_(selection) {}

  absl::Status Collect() {
    for (uint32_t b = 0; b < selection_.blocks.size(); ++b) {
      RETURN_IF_ERROR(cancel_.Check());
      RETURN_IF_ERROR(AddBlock(b));
      RETURN_IF_ERROR(memory_.Hold(bytes_ + duplicates_.bytes() + reader_.bytes()));
    }
    return absl::OkStatus();
  }

  std::vector<PatternSeries> Finish() {
    // The most frequent first: what is rare is put to them.
    std::vector<uint32_t> order(texts_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
      return totals_[a] != totals_[b] ? totals_[a] > totals_[b] : *texts_[a] < *texts_[b];
    });
    PatternMiner miner(kMaxPatternsPerAnswer);
    std::vector<uint32_t> joint(texts_.size());
    TextBuffer padded;
    for (const uint32_t text : order) {
      padded.clear();
      padded.append(*texts_[text]);
      joint[text] = miner.Add(padded.view());
    }
    // By the text at the end: two patterns that became more general may be one now.
    std::map<std::pair<std::string, std::string>, Samples> merged;
    for (const auto& [key, samples] : samples_) {
      Samples& into = merged[{miner.Text(joint[key.first]), *levels_[key.second]}];
      for (const auto& [t_ns, count] : samples) into[t_ns] += count;
    }
    std::vector<PatternSeries> out = Sorted(merged);
    if (out.size() <= question_.max_series) return out;
    std::map<std::pair<std::string, std::string>, Samples> kept;
    const size_t room = question_.max_series - std::min(question_.max_series, levels_.size());
    for (size_t i = 0; i < out.size(); ++i) {
      Samples& into = kept[{i < room ? out[i].pattern : std::string(kPatternPlaceholder), out[i].level}];
      for (const auto& [t_ns, count] : out[i].samples) into[t_ns] += count;
    }
    return Sorted(kept);
  }

 private:
  static std::vector<PatternSeries> Sorted(
      const std::map<std::pair<std::string, std::string>, Samples>& merged) {
    std::vector<PatternSeries> out;
    for (const auto& [key, samples] : merged) {
      PatternSeries& series = out.emplace_back();
      series.pattern = key.first;
      series.level = key.second;
      series.samples.assign(samples.begin(), samples.end());
      for (const auto& [t_ns, count] : samples) series.total += count;
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const PatternSeries& a, const PatternSeries& b) { return a.total > b.total; });
    return out;
  }

  bool Reaches(const Slice& slice) const {
    return slice.max_ns >= question_.start_ns && slice.min_ns < RangeOf(question_).end_ns;
  }

  absl::Status AddBlock(uint32_t number) {
    const Block& block = *selection_.blocks[number];
    const std::vector<Slice>& slices = block.slices();
    bool read = false;
    bool tell = false;
    for (const Slice& slice : slices) {
      if (!Reaches(slice)) continue;
      read |= slice.overlaps;
      tell |= !slice.overlaps;
    }
    const std::shared_ptr<const BlockPatterns> told = tell ? block.Patterns(nullptr) : nullptr;
    read |= tell && told == nullptr;
    if (told != nullptr) {
      ++cost_->blocks_told;
      StartBlock(*told);
      for (const Slice& slice : slices) {
        if (slice.overlaps || !Reaches(slice)) continue;
        const BlockPatterns::Slice* counts = told->Find(slice.row_begin);
        if (counts == nullptr || counts->rows != slice.rows()) {
          read = true;
          continue;
        }
        AddCounts(*told, *counts);
      }
    }
    if (!read) return absl::OkStatus();
    ++cost_->blocks_read;
    RETURN_IF_ERROR(memory_.Hold(bytes_ + static_cast<int64_t>(block.text_bytes()) * 3 / 2));
    const absl::StatusOr<const Rows*> rows =
        reader_.Read(block, {.times = true, .lines = true, .metadata = true}, &stats_);
    if (!rows.ok()) return absl::IsDataLoss(rows.status()) ? absl::OkStatus() : rows.status();
    for (uint32_t s = 0; s < slices.size(); ++s) {
      const Slice& slice = slices[s];
      if (!Reaches(slice)) continue;
      const BlockPatterns::Slice* counts = told == nullptr ? nullptr : told->Find(slice.row_begin);
      if (!slice.overlaps && counts != nullptr && counts->rows == slice.rows()) continue;
      builder_.Clear();
      builder_.BeginSlice();
      if (slice.overlaps) {
        const exec::DuplicateFilter::Region region = duplicates_.RegionOf(number, s);
        for (uint32_t row = slice.row_begin; row < slice.row_end; ++row) {
          if (!region.Contains((*rows)->time_ns[row]) || duplicates_.IsFirst(slice.stream, **rows, row))
            builder_.Add(**rows, row, row + 1);
        }
      } else {
        builder_.Add(**rows, slice.row_begin, slice.row_end);
      }
      const BlockPatterns mined = builder_.Take();
      StartBlock(mined);
      AddCounts(mined, mined.slices[0]);
    }
    return absl::OkStatus();
  }

  // Numbers of this block's texts and levels among all.
  void StartBlock(const BlockPatterns& patterns) {
    block_texts_.assign(patterns.texts.size(), kNone);
    block_levels_.assign(patterns.levels.size(), kNone);
  }

  void AddCounts(const BlockPatterns& patterns, const BlockPatterns::Slice& slice) {
    for (const BlockPatterns::Count& count : slice.counts) {
      const int64_t t_ns = count.bucket * kPatternBucketNs;
      if (t_ns < question_.start_ns || t_ns >= question_.end_ns) continue;
      const BlockPatterns::Series& series = patterns.series[count.series];
      uint32_t& text = block_texts_[series.pattern];
      if (text == kNone) text = NumberOf(patterns.texts[series.pattern], &text_numbers_, &texts_);
      uint32_t& level = block_levels_[series.level];
      if (level == kNone) {
        const std::string& name = patterns.levels[series.level];
        level = NumberOf(name.empty() ? "unknown" : name, &level_numbers_, &levels_);
      }
      if (text >= totals_.size()) totals_.resize(text + 1);
      totals_[text] += count.rows;
      uint64_t& sample = samples_[{text, level}][FloorTo(t_ns, question_.step_ns)];
      if (sample == 0) bytes_ += kSampleBytes;
      sample += count.rows;
    }
  }

  uint32_t NumberOf(const std::string& text, std::map<std::string, uint32_t>* numbers,
                    std::vector<const std::string*>* all) {
    const auto [at, added] = numbers->try_emplace(text, static_cast<uint32_t>(all->size()));
    if (added) {
      all->push_back(&at->first);
      bytes_ += static_cast<int64_t>(text.size()) + kTextOverhead;
    }
    return at->second;
  }

  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  const Selection& selection_;
  const PatternQuestion& question_;
  const CancelToken& cancel_;
  exec::MemoryAccount memory_;
  PatternCost* const cost_;
  exec::DuplicateFilter duplicates_;
  exec::BlockReader reader_;
  BlockPatternsBuilder builder_;
  ReadStats stats_;
  std::map<std::string, uint32_t> text_numbers_;
  std::vector<const std::string*> texts_;
  std::vector<uint64_t> totals_;  // of texts
  std::map<std::string, uint32_t> level_numbers_;
  std::vector<const std::string*> levels_;
  std::vector<uint32_t> block_texts_;
  std::vector<uint32_t> block_levels_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, Samples> samples_;  // by text and level
  int64_t bytes_ = 0;
};

}  // namespace

TimeRange RangeOf(const PatternQuestion& question) {
  int64_t end_ns = 0;
  if (__builtin_add_overflow(question.end_ns, kPatternBucketNs, &end_ns)) end_ns = kMaxTimeNs;
  return {question.start_ns, end_ns};
}

absl::StatusOr<std::vector<PatternSeries>> PatternsOf(const Selection& selection,
                                                      const PatternQuestion& question,
                                                      const CancelToken& cancel, MemoryBudget* budget,
                                                      PatternCost* cost) {
  Collector collector(selection, question, cancel, budget, cost);
  RETURN_IF_ERROR(collector.Collect());
  return collector.Finish();
}

std::string PatternsJson(const std::vector<PatternSeries>& all) {
  std::string out;
  JsonWriter w(&out, JsonEscape::kHtml);
  w.BeginObject().Key("status").String("success").Key("data").BeginArray();
  for (const PatternSeries& series : all) {
    w.BeginObject().Key("pattern").String(series.pattern).Key("level").String(series.level);
    w.Key("samples").BeginArray();
    for (const auto& [t_ns, count] : series.samples) {
      w.BeginArray().Int(FloorTo(t_ns, 1'000'000'000) / 1'000'000'000).UInt(count).EndArray();
    }
    w.EndArray().EndObject();
  }
  w.EndArray().EndObject();
  return out + "\n";
}

}  // namespace skald::server
