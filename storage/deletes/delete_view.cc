#include "storage/deletes/delete_view.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/status_macros.h"
#include "storage/block/level_count.h"

namespace skald {
namespace {

// The deletes that may mean lines of a stream.
using StreamDeletes = std::vector<const ActiveDelete*>;

bool Means(const ActiveDelete& d, const Labels& stream) {
  return std::all_of(d.matchers.begin(), d.matchers.end(),
                     [&](const Matcher& m) { return m.Matches(stream.Get(m.name())); });
}
bool Touches(const ActiveDelete& d, const Slice& slice) {
  return slice.min_ns <= d.end_ns && slice.max_ns >= d.start_ns;
}
bool Swallows(const ActiveDelete& d, const Slice& slice) {
  return !d.filter && slice.min_ns >= d.start_ns && slice.max_ns <= d.end_ns;
}

// The rows of `kept`, in order, with the columns that `from` has.
void CopyRows(const Rows& from, const std::vector<uint32_t>& kept, Rows* out) {
  out->clear();
  if (!from.time_ns.empty()) {
    out->time_ns.reserve(kept.size());
    for (const uint32_t row : kept) out->time_ns.push_back(from.time_ns[row]);
  }
  if (!from.line_end.empty()) {
    out->line_end.reserve(kept.size());
    for (const uint32_t row : kept) {
      const uint32_t begin = from.line_begin(row);
      // With the newline behind it.
      out->text.append({from.text.data() + begin, from.line_end[row] + 1 - begin});
      out->line_end.push_back(static_cast<uint32_t>(out->text.size() - 1));
    }
  }
  for (const MetadataColumn& column : from.metadata) {
    MetadataColumn& copy = out->metadata.emplace_back();
    copy.name = column.name;
    copy.value_bytes = column.value_bytes;
    copy.value_end = column.value_end;
    copy.index.reserve(kept.size());
    for (const uint32_t row : kept) copy.index.push_back(column.index[row]);
  }
}

// Bytes of a budget, given back with it. Null: nobody counts.
class Held {
 public:
  explicit Held(MemoryBudget* budget) : budget_(budget) {}
  Held(Held&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  Held& operator=(Held&&) = delete;
  ~Held() {
    if (bytes_ > 0) budget_->Release(bytes_);
  }
  absl::Status Hold(uint64_t bytes) {
    if (budget_ == nullptr) return absl::OkStatus();
    RETURN_IF_ERROR(budget_->Reserve(static_cast<int64_t>(bytes)));
    bytes_ += static_cast<int64_t>(bytes);
    return absl::OkStatus();
  }

 private:
  MemoryBudget* budget_;
  int64_t bytes_ = 0;
};

// What is left of a block: whole slices, or single rows.
class RestOfBlock final : public Block {
 public:
  // kept empty: the slices' rows are those of inner.
  RestOfBlock(std::shared_ptr<const Block> inner, std::vector<Slice> slices, std::vector<uint32_t> kept,
              Held held)
      : inner_(std::move(inner)), kept_(std::move(kept)), held_(std::move(held)) {
    slices_ = std::move(slices);
    min_ns_ = slices_[0].min_ns;
    max_ns_ = slices_[0].max_ns;
    for (const Slice& slice : slices_) {
      min_ns_ = std::min(min_ns_, slice.min_ns);
      max_ns_ = std::max(max_ns_, slice.max_ns);
    }
  }

  // The rows are held twice while they are copied.
  uint64_t text_bytes() const override { return inner_->text_bytes() * (kept_.empty() ? 1 : 2); }

  // Counts over time and of patterns would be of rows that are hidden.
  std::shared_ptr<const BlockSummary> Summary() const override {
    std::shared_ptr<const BlockSummary> all = inner_->Summary();
    if (all == nullptr || kept_.empty()) return all;
    auto rest = std::make_shared<BlockSummary>(*all);
    rest->times = TimeCounts();
    return rest;
  }
  std::shared_ptr<const BlockPatterns> Patterns(ReadStats* stats) const override {
    return kept_.empty() ? inner_->Patterns(stats) : nullptr;
  }

  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    if (kept_.empty()) return inner_->Read(want, scratch, stats);
    Rows decoded;
    ASSIGN_OR_RETURN(const Rows* rows, inner_->Read(want, &decoded, stats));
    CopyRows(*rows, kept_, scratch);
    return scratch;
  }

 private:
  const std::shared_ptr<const Block> inner_;
  const std::vector<uint32_t> kept_;
  const Held held_;  // for kept_
};

// The rows of a slice that no delete means, appended to *kept.
void KeepRows(const Rows& rows, const Slice& slice, const Labels& labels, const StreamDeletes& deletes,
              std::vector<uint32_t>* kept) {
  std::vector<bool> hidden(slice.rows());
  std::vector<uint32_t> matched;
  const auto first = rows.time_ns.begin() + slice.row_begin;
  const auto last = rows.time_ns.begin() + slice.row_end;
  for (const ActiveDelete* d : deletes) {
    if (!Touches(*d, slice)) continue;
    const auto begin =
        static_cast<uint32_t>(std::lower_bound(first, last, d->start_ns) - rows.time_ns.begin());
    const auto end = static_cast<uint32_t>(std::upper_bound(first, last, d->end_ns) - rows.time_ns.begin());
    if (begin >= end) continue;
    if (!d->filter) {
      std::fill(hidden.begin() + (begin - slice.row_begin), hidden.begin() + (end - slice.row_begin), true);
      continue;
    }
    matched.clear();
    d->filter(labels, rows, begin, end, &matched);
    for (const uint32_t row : matched) hidden[row - slice.row_begin] = true;
  }
  for (uint32_t row = slice.row_begin; row < slice.row_end; ++row) {
    if (!hidden[row - slice.row_begin]) kept->push_back(row);
  }
}

// The block without what the deletes (by stream of the selection) hide; itself where they hide nothing, null
// where nothing is left.
absl::StatusOr<std::shared_ptr<const Block>> WithoutDeleted(std::shared_ptr<const Block> block,
                                                            const Selection& selection,
                                                            const std::vector<StreamDeletes>& deletes,
                                                            MemoryBudget* budget) {
  std::vector<Slice> left;
  bool in_part = false;
  for (const Slice& slice : block->slices()) {
    const StreamDeletes& of_stream = deletes[slice.stream];
    if (std::any_of(of_stream.begin(), of_stream.end(),
                    [&](const ActiveDelete* d) { return Swallows(*d, slice); }))
      continue;
    left.push_back(slice);
    in_part |= std::any_of(of_stream.begin(), of_stream.end(),
                           [&](const ActiveDelete* d) { return Touches(*d, slice); });
  }
  if (left.empty()) return std::shared_ptr<const Block>();
  if (!in_part) {
    if (left.size() == block->slices().size()) return block;
    return std::make_shared<const RestOfBlock>(std::move(block), std::move(left), std::vector<uint32_t>(),
                                               Held(nullptr));
  }
  // The rows, and a copy of them.
  Held decoded(budget);
  RETURN_IF_ERROR(decoded.Hold(3 * block->text_bytes()));
  Rows scratch;
  ReadStats stats;
  absl::StatusOr<const Rows*> rows =
      block->Read({.times = true, .lines = true, .metadata = true}, &scratch, &stats);
  if (!rows.ok()) {
    if (absl::IsDataLoss(rows.status())) return block;
    return rows.status();
  }
  std::vector<uint32_t> kept;
  uint64_t before = 0;
  std::vector<Slice> rest;
  for (const Slice& slice : left) {
    const size_t begin = kept.size();
    KeepRows(**rows, slice, *selection.streams[slice.stream].labels, deletes[slice.stream], &kept);
    before += slice.rows();
    if (kept.size() == begin) continue;
    Slice& now = rest.emplace_back(slice);
    now.row_begin = static_cast<uint32_t>(begin);
    now.row_end = static_cast<uint32_t>(kept.size());
    now.min_ns = (*rows)->time_ns[kept[begin]];
    now.max_ns = (*rows)->time_ns[kept.back()];
  }
  if (rest.empty()) return std::shared_ptr<const Block>();
  if (kept.size() == before && left.size() == block->slices().size()) return block;
  if (kept.size() == before)
    return std::make_shared<const RestOfBlock>(std::move(block), std::move(left), std::vector<uint32_t>(),
                                               Held(nullptr));
  Rows copy;
  CopyRows(**rows, kept, &copy);
  for (Slice& slice : rest) {
    slice.line_bytes = copy.line_bytes(slice.row_begin, slice.row_end);
    slice.levels.clear();
    AddLevels(copy, slice.row_begin, slice.row_end, &slice.levels);
  }
  kept.shrink_to_fit();
  Held held(budget);
  RETURN_IF_ERROR(held.Hold(kept.size() * sizeof(uint32_t)));
  return std::make_shared<const RestOfBlock>(std::move(block), std::move(rest), std::move(kept),
                                             std::move(held));
}

}  // namespace

void DeleteView::Set(std::string_view tenant, std::vector<ActiveDelete> deletes, const std::string& name) {
  auto made = std::make_shared<const std::vector<ActiveDelete>>(std::move(deletes));
  {
    const std::lock_guard lock(mu_);
    if (made->empty()) {
      by_tenant_.erase(std::string(tenant));
    } else {
      by_tenant_[std::string(tenant)] = std::move(made);
    }
  }
  if (on_set_) on_set_(tenant, name);
}

DeleteView::Deletes DeleteView::Of(std::string_view tenant) const {
  const std::lock_guard lock(mu_);
  const auto it = by_tenant_.find(std::string(tenant));
  return it == by_tenant_.end() ? nullptr : it->second;
}

std::vector<bool> DeleteView::Hidden(std::string_view tenant, const Labels& stream, const Rows& rows) const {
  std::vector<bool> hidden;
  const Deletes deletes = Of(tenant);
  if (deletes == nullptr) return hidden;
  const auto size = static_cast<uint32_t>(rows.size());
  std::vector<uint32_t> matched;
  for (const ActiveDelete& d : *deletes) {
    const auto in_time = [&](uint32_t row) {
      return rows.time_ns[row] >= d.start_ns && rows.time_ns[row] <= d.end_ns;
    };
    if (!Means(d, stream)) continue;
    matched.clear();
    for (uint32_t row = 0; row < size; ++row) {
      if (in_time(row)) matched.push_back(row);
    }
    if (matched.empty()) continue;
    if (d.filter) {
      const uint32_t begin = matched.front();
      const uint32_t end = matched.back() + 1;
      matched.clear();
      d.filter(stream, rows, begin, end, &matched);
    }
    hidden.resize(size);
    for (const uint32_t row : matched) {
      if (in_time(row)) hidden[row] = true;
    }
  }
  return hidden;
}

absl::StatusOr<Selection> DeleteView::Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                             TimeRange range) const {
  const Deletes deletes = Of(tenant);
  ASSIGN_OR_RETURN(Selection selection, inner_->Select(tenant, matchers, range));
  if (deletes == nullptr) return selection;
  std::vector<StreamDeletes> by_stream(selection.streams.size());
  bool any = false;
  for (const ActiveDelete& d : *deletes) {
    if (!range.Overlaps(d.start_ns, d.end_ns)) continue;
    for (size_t s = 0; s < selection.streams.size(); ++s) {
      const Labels& labels = *selection.streams[s].labels;
      if (!Means(d, labels)) continue;
      by_stream[s].push_back(&d);
      any = true;
    }
  }
  if (!any) return selection;
  std::vector<absl::StatusOr<std::shared_ptr<const Block>>> rests(selection.blocks.size());
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&](int) {
    for (size_t i = next++; i < rests.size() && !failed; i = next++) {
      rests[i] = WithoutDeleted(std::move(selection.blocks[i]), selection, by_stream, budget_);
      if (!rests[i].ok()) failed = true;
    }
  };
  if (pool_ == nullptr) {
    work(0);
  } else {
    pool_->ParallelFor(pool_->size(), work);
  }
  if (failed) {
    for (const auto& rest : rests) {
      // Those that nobody came to have no status of their own.
      if (!rest.ok() && !absl::IsUnknown(rest.status())) return rest.status();
    }
  }
  std::vector<std::shared_ptr<const Block>> left;
  left.reserve(rests.size());
  for (auto& rest : rests) {
    RETURN_IF_ERROR(rest.status());
    // Rows may be left of which none is in the range.
    if (*rest != nullptr && range.Overlaps((*rest)->min_ns(), (*rest)->max_ns()))
      left.push_back(*std::move(rest));
  }
  std::stable_sort(left.begin(), left.end(),
                   [](const auto& a, const auto& b) { return a->min_ns() < b->min_ns(); });
  selection.blocks = std::move(left);
  return selection;
}

absl::StatusOr<std::vector<StreamRef>> DeleteView::Series(std::string_view tenant,
                                                          const std::vector<Matcher>& matchers,
                                                          TimeRange range) const {
  return inner_->Series(tenant, matchers, range);
}

absl::StatusOr<std::vector<StreamRef>> DeleteView::StoredSeries(std::string_view tenant,
                                                                const std::vector<Matcher>& matchers,
                                                                TimeRange range, int64_t idle_ns) const {
  return inner_->StoredSeries(tenant, matchers, range, idle_ns);
}

absl::StatusOr<std::vector<std::string>> DeleteView::LabelNames(std::string_view tenant,
                                                                const std::vector<Matcher>& matchers,
                                                                TimeRange range) const {
  return inner_->LabelNames(tenant, matchers, range);
}

absl::StatusOr<std::vector<std::string>> DeleteView::LabelValues(std::string_view tenant,
                                                                 std::string_view name,
                                                                 const std::vector<Matcher>& matchers,
                                                                 TimeRange range) const {
  return inner_->LabelValues(tenant, name, matchers, range);
}

}  // namespace skald
