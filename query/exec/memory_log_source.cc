#include "query/exec/memory_log_source.h"

#include <algorithm>
#include <set>

namespace skald::exec {
namespace {

class MemoryBlock : public Block {
 public:
  MemoryBlock(std::shared_ptr<const Rows> rows, std::vector<Slice> slices, bool decodes,
              std::shared_ptr<std::atomic<uint64_t>> reads)
      : rows_(std::move(rows)), decodes_(decodes), reads_(std::move(reads)) {
    slices_ = std::move(slices);
    min_ns_ = slices_.front().min_ns;
    max_ns_ = slices_.front().max_ns;
    for (const Slice& slice : slices_) {
      min_ns_ = std::min(min_ns_, slice.min_ns);
      max_ns_ = std::max(max_ns_, slice.max_ns);
    }
  }
  uint64_t text_bytes() const override { return rows_->text.size(); }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    reads_->fetch_add(1);
    ++stats->blocks;
    stats->decoded_bytes += rows_->text.size();
    stats->decoded_rows += rows_->size();
    if (!decodes_) return rows_.get();
    scratch->clear();
    if (want.times) scratch->time_ns = rows_->time_ns;
    if (want.lines) {
      scratch->line_end = rows_->line_end;
      scratch->text = rows_->text;
    }
    if (want.metadata) scratch->metadata = rows_->metadata;
    return scratch;
  }
  std::vector<Slice>* mutable_slices() { return &slices_; }

 private:
  std::shared_ptr<const Rows> rows_;
  const bool decodes_;
  std::shared_ptr<std::atomic<uint64_t>> reads_;
};

void AddRow(Rows* rows, const MemoryEntry& entry) {
  rows->Append(entry.time_ns, entry.line);
  for (const auto& [name, value] : entry.metadata) {
    auto column = std::find_if(rows->metadata.begin(), rows->metadata.end(),
                               [&](const MetadataColumn& c) { return c.name >= name; });
    if (column == rows->metadata.end() || column->name != name) {
      column = rows->metadata.insert(column, MetadataColumn{});
      column->name = name;
      column->index.assign(rows->size(), 0);
    }
    size_t k = 0;
    while (k < column->value_count() && column->value(k) != value) ++k;
    if (k == column->value_count()) {
      column->value_bytes += value;
      column->value_end.push_back(static_cast<uint32_t>(column->value_bytes.size()));
    }
    column->index.back() = static_cast<uint32_t>(k + 1);
  }
}

}  // namespace

std::shared_ptr<const Rows> RowsOf(const std::vector<MemoryEntry>& entries) {
  auto rows = std::make_shared<Rows>();
  for (const MemoryEntry& entry : entries) AddRow(rows.get(), entry);
  return rows;
}

void MemoryLogSource::AddBlock(const std::string& tenant_name, StreamEntries streams) {
  Tenant& tenant = tenants_[tenant_name];
  StoredBlock block;
  Rows rows;
  for (auto& [labels, entries] : streams) {
    if (entries.empty()) continue;
    const auto [it, added] =
        tenant.stream_of_text.try_emplace(labels.ToString(), static_cast<uint32_t>(tenant.streams.size()));
    if (added)
      tenant.streams.push_back(StreamRef{StreamId{it->second + 1}, std::make_shared<Labels>(labels)});
    std::stable_sort(entries.begin(), entries.end(),
                     [](const MemoryEntry& x, const MemoryEntry& y) { return x.time_ns < y.time_ns; });
    Slice slice;
    slice.stream = it->second;
    slice.row_begin = static_cast<uint32_t>(rows.size());
    slice.min_ns = entries.front().time_ns;
    slice.max_ns = entries.back().time_ns;
    std::map<std::string, LevelCount> levels;
    std::set<std::tuple<int64_t, std::string, std::vector<std::pair<std::string, std::string>>>> seen;
    for (MemoryEntry& entry : entries) {
      std::sort(entry.metadata.begin(), entry.metadata.end());
      if (!seen.emplace(entry.time_ns, entry.line, entry.metadata).second) continue;
      AddRow(&rows, entry);
      slice.line_bytes += entry.line.size();
      std::string level;
      for (const auto& [name, value] : entry.metadata) {
        if (name == kErrorLevel) {
          level = name;
          break;
        }
        if (name == "detected_level") level = value;
      }
      LevelCount& count = levels[level];
      count.level = level;
      ++count.rows;
      count.line_bytes += entry.line.size();
    }
    slice.row_end = static_cast<uint32_t>(rows.size());
    for (auto& [level, count] : levels) slice.levels.push_back(count);
    block.slices.push_back(std::move(slice));
  }
  if (block.slices.empty()) return;
  block.rows = std::make_shared<const Rows>(std::move(rows));
  block.decodes = tenant.blocks.size() % 2 == 1;
  tenant.blocks.push_back(std::move(block));
}

absl::StatusOr<Selection> MemoryLogSource::Select(std::string_view tenant_name,
                                                  const std::vector<Matcher>& matchers,
                                                  TimeRange range) const {
  Selection selection;
  const auto found = tenants_.find(tenant_name);
  if (found == tenants_.end()) return selection;
  const Tenant& tenant = found->second;
  std::vector<std::pair<std::string, uint32_t>> matching;
  for (uint32_t i = 0; i < tenant.streams.size(); ++i) {
    const Labels& labels = *tenant.streams[i].labels;
    if (std::all_of(matchers.begin(), matchers.end(),
                    [&](const Matcher& matcher) { return matcher.Matches(labels.Get(matcher.name())); })) {
      matching.emplace_back(labels.ToString(), i);
    }
  }
  std::sort(matching.begin(), matching.end());
  std::map<uint32_t, uint32_t> position;
  for (const auto& [text, i] : matching) {
    position[i] = static_cast<uint32_t>(selection.streams.size());
    selection.streams.push_back(tenant.streams[i]);
  }
  std::vector<std::shared_ptr<MemoryBlock>> blocks;
  std::vector<bool> has_rows(selection.streams.size());
  for (const StoredBlock& stored : tenant.blocks) {
    std::vector<Slice> slices;
    for (const Slice& slice : stored.slices) {
      const auto it = position.find(slice.stream);
      if (it == position.end() || !range.Overlaps(slice.min_ns, slice.max_ns)) continue;
      slices.push_back(slice);
      slices.back().stream = it->second;
      has_rows[it->second] = true;
    }
    if (!slices.empty())
      blocks.push_back(std::make_shared<MemoryBlock>(stored.rows, std::move(slices), stored.decodes, reads_));
  }
  std::vector<std::vector<Slice*>> of_stream(selection.streams.size());
  for (const auto& block : blocks) {
    for (Slice& slice : *block->mutable_slices()) of_stream[slice.stream].push_back(&slice);
  }
  for (const std::vector<Slice*>& slices : of_stream) {
    for (Slice* x : slices) {
      for (Slice* y : slices) {
        if (x != y && x->min_ns <= y->max_ns && y->min_ns <= x->max_ns) x->overlaps = true;
      }
    }
  }
  // A stream without rows in range is not part of the selection.
  std::vector<uint32_t> kept(selection.streams.size());
  std::vector<StreamRef> streams;
  for (uint32_t i = 0; i < selection.streams.size(); ++i) {
    kept[i] = static_cast<uint32_t>(streams.size());
    if (has_rows[i]) streams.push_back(selection.streams[i]);
  }
  selection.streams = std::move(streams);
  for (const auto& block : blocks) {
    for (Slice& slice : *block->mutable_slices()) slice.stream = kept[slice.stream];
  }
  selection.blocks.assign(blocks.begin(), blocks.end());
  return selection;
}

absl::StatusOr<std::vector<StreamRef>> MemoryLogSource::Series(std::string_view tenant,
                                                               const std::vector<Matcher>& matchers,
                                                               TimeRange range) const {
  auto selection = Select(tenant, matchers, range);
  if (!selection.ok()) return selection.status();
  return std::move(selection->streams);
}

absl::StatusOr<std::vector<std::string>> MemoryLogSource::LabelNames(std::string_view tenant,
                                                                     const std::vector<Matcher>& matchers,
                                                                     TimeRange range) const {
  auto selection = Select(tenant, matchers, range);
  if (!selection.ok()) return selection.status();
  std::set<std::string> names;
  for (const StreamRef& stream : selection->streams) {
    for (const auto& [name, value] : *stream.labels) names.insert(name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<std::string>> MemoryLogSource::LabelValues(std::string_view tenant,
                                                                      std::string_view name,
                                                                      const std::vector<Matcher>& matchers,
                                                                      TimeRange range) const {
  auto selection = Select(tenant, matchers, range);
  if (!selection.ok()) return selection.status();
  std::set<std::string> values;
  for (const StreamRef& stream : selection->streams) {
    if (stream.labels->Has(name)) values.insert(std::string(stream.labels->Get(name)));
  }
  return std::vector<std::string>(values.begin(), values.end());
}

}  // namespace skald::exec
