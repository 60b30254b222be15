#include "agent/delivery/batch.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "agent/stages/stage.h"
#include "agent/stages/tap.h"
#include "base/clock.h"
#include "proto/rows_codec.h"

namespace skald::agent {
namespace {

// Streams kept between batches for their buffers, and the largest buffer kept.
constexpr size_t kKeptStreams = 64;
constexpr size_t kKeptTextBytes = size_t{256} << 10;
// A column with more distinct values than this is not searched for equal ones: it is likely an id.
constexpr size_t kLookedUpValues = 16;

const std::string kLevelColumn = "detected_level";
const std::string kPartialColumn = "partial";
const std::string kCutColumn = "truncated_bytes";

Rows SortedByTime(const Rows& rows, std::vector<MetadataColumn>* columns) {
  std::vector<uint32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return rows.time_ns[a] < rows.time_ns[b]; });
  Rows sorted;
  sorted.text.reserve(rows.text.size());
  for (const uint32_t row : order) sorted.Append(rows.time_ns[row], rows.line(row));
  for (MetadataColumn& column : *columns) {
    std::vector<uint32_t> index(rows.size());
    for (size_t i = 0; i < order.size(); ++i) index[i] = column.index[order[i]];
    column.index = std::move(index);
  }
  return sorted;
}

// What the row brings, or its metadata, or the text; "" = none. levels: nullptr = nothing is looked for.
std::string_view LevelOf(const LevelDetector* levels, const BatchRow& row) {
  if (!row.level.empty()) return row.level;
  const bool bare = row.metadata == nullptr || row.metadata->empty();
  if (bare) return levels == nullptr ? std::string_view() : levels->OfLine(row.text);
  const auto lookup = [&row](std::string_view name) -> std::optional<std::string_view> {
    for (const auto& [key, value] : *row.metadata) {
      if (key == name) return value;
    }
    return std::nullopt;
  };
  if (const auto said = lookup(kLevelColumn)) return NormalizeLevel(*said);
  return levels == nullptr ? std::string_view() : levels->OfMetadataOrLine(lookup, row.text);
}

}  // namespace

void BatchStream::SetLabels(const Labels& of) {
  tenant = of.Get(kTenantLabel);
  if (tenant.empty()) {
    labels = of.ToString();
    return;
  }
  Labels sent = of;
  sent.Remove(kTenantLabel);
  labels = sent.ToString();
}

void Batch::SetSequence(uint64_t sequence) {
  manifest.sequence = sequence;
  request.mutable_batch()->set_sequence(sequence);
  for (auto& [tenant, part] : tenants) {
    part->manifest.sequence = sequence;
    part->request.mutable_batch()->set_sequence(sequence);
  }
}

void Batch::Merge(std::unique_ptr<Batch> other) {
  for (auto& stream : *other->request.mutable_batch()->mutable_streams())
    *request.mutable_batch()->add_streams() = std::move(stream);
  for (auto& [tenant, theirs] : other->tenants) {
    std::shared_ptr<Batch>& ours = tenants[tenant];
    if (ours == nullptr) {
      ours = theirs;
      continue;
    }
    for (auto& stream : *theirs->request.mutable_batch()->mutable_streams())
      *ours->request.mutable_batch()->add_streams() = std::move(stream);
    ours->lines += theirs->lines;
    ours->bytes += theirs->bytes;
  }
  lines += other->lines;
  bytes += other->bytes;
  encoded_bytes += other->encoded_bytes;
}

uint64_t BatchBuilder::NewEpoch() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

void BatchBuilder::SetColumn(Column* column, size_t row, std::string_view value, bool look_up) {
  MetadataColumn& c = column->column;
  column->used = true;
  c.index.resize(row, 0);
  uint32_t ordinal = 0;
  if (look_up) {
    for (size_t k = 0; k < c.value_count() && ordinal == 0; ++k) {
      if (c.value(k) == value) ordinal = static_cast<uint32_t>(k) + 1;
    }
  }
  if (ordinal == 0) {
    c.value_bytes += value;
    c.value_end.push_back(static_cast<uint32_t>(c.value_bytes.size()));
    ordinal = static_cast<uint32_t>(c.value_end.size());
  }
  c.index.push_back(ordinal);
}

void BatchBuilder::Add(BatchStream* stream, const BatchRow& row) {
  if (lines_ == 0) opened_ns_ = MonotonicNs();
  if (tap_ != nullptr && tap_->open().load(std::memory_order_relaxed))
    tap_->Out(stream->labels, stream->tenant, row.time_ns, row.text, row.metadata);
  if (stream->epoch != epoch_) {
    std::string key = stream->labels;
    if (!stream->tenant.empty()) key.append(1, '\0').append(stream->tenant);
    const auto [found, is_new] = by_labels_.try_emplace(std::move(key), used_streams_);
    if (is_new) {
      if (used_streams_ == streams_.size()) streams_.emplace_back();
      streams_[used_streams_].tenant = stream->tenant;
      streams_[used_streams_++].labels = stream->labels;
    }
    stream->epoch = epoch_;
    stream->index = found->second;
  }
  Built& built = streams_[stream->index];
  const size_t n = built.rows.size();
  if (n > 0 && built.rows.time_ns.back() > row.time_ns) built.sorted = false;
  built.rows.Append(row.time_ns, row.text);
  if (const std::string_view level = LevelOf(levels_, row); !level.empty())
    SetColumn(&built.level, n, level, true);
  if (row.partial) SetColumn(&built.partial, n, "true", true);
  if (row.cut_bytes > 0) SetColumn(&built.cut, n, std::to_string(row.cut_bytes), false);
  if (row.metadata != nullptr) {
    for (const auto& [name, value] : *row.metadata) {
      if (value.empty() || name == kLevelColumn || name == kPartialColumn || name == kCutColumn) continue;
      auto column = std::find_if(built.other.begin(), built.other.end(),
                                 [&](const Column& one) { return one.column.name == name; });
      if (column == built.other.end()) {
        column = built.other.emplace(built.other.end());
        column->column.name = name;
      }
      SetColumn(&*column, n, value, column->column.value_count() < kLookedUpValues);
      bytes_ += value.size();
    }
  }
  ++lines_;
  bytes_ += row.text.size();
}

ManifestChain* BatchBuilder::ChainOf(BatchOrigin* origin) {
  if (origin->epoch_ != epoch_) {
    origin->epoch_ = epoch_;
    origin->index_ = origins_.size();
    origins_.push_back(origin);
    manifest_.chains.emplace_back();
  }
  return &manifest_.chains[origin->index_];
}

void BatchBuilder::AddRange(BatchOrigin* origin, uint64_t file_id, uint64_t begin, uint64_t end) {
  ManifestChain* chain = ChainOf(origin);
  if (!chain->ranges.empty() && chain->ranges.back().file_id == file_id &&
      chain->ranges.back().end == begin) {
    chain->ranges.back().end = end;
    return;
  }
  ManifestRange range;
  range.file_id = file_id;
  range.begin = begin;
  range.end = end;
  chain->ranges.push_back(range);
}

void BatchBuilder::MarkFlushed(BatchOrigin* origin) { ChainOf(origin)->flush_pending = true; }

void BatchBuilder::MarkHeldFlushed(BatchOrigin* origin, const std::vector<uint64_t>& hashes) {
  ManifestChain* const chain = ChainOf(origin);
  chain->flushed_held.insert(chain->flushed_held.end(), hashes.begin(), hashes.end());
  wants_seal_ = true;
}

void BatchBuilder::AddCursor(std::string_view source, std::string_view cursor) {
  for (CursorRange& range : manifest_.cursors) {
    if (range.source == source) {
      range.last = cursor;
      return;
    }
  }
  manifest_.cursors.push_back({std::string(source), std::string(cursor), std::string(cursor)});
}

void BatchBuilder::Finish(Built* built) {
  const size_t n = built->rows.size();
  std::vector<MetadataColumn> columns;
  const auto take = [&](Column* column, const std::string& name) {
    if (!column->used) return;
    column->column.name = name;
    column->column.index.resize(n, 0);
    columns.push_back(std::move(column->column));
    *column = Column();
  };
  take(&built->level, kLevelColumn);
  take(&built->partial, kPartialColumn);
  take(&built->cut, kCutColumn);
  for (Column& column : built->other) take(&column, column.column.name);
  built->other.clear();
  std::sort(columns.begin(), columns.end(),
            [](const MetadataColumn& a, const MetadataColumn& b) { return a.name < b.name; });
  if (!built->sorted) built->rows = SortedByTime(built->rows, &columns);
  built->sorted = true;
  built->rows.metadata = std::move(columns);
}

std::unique_ptr<Batch> BatchBuilder::Seal() {
  auto batch = std::make_unique<Batch>();
  batch->request.mutable_batch();
  for (size_t i = 0; i < used_streams_; ++i) {
    Built& built = streams_[i];
    Finish(&built);
    skald::push::v1::PushRequest* request = &batch->request;
    if (!built.tenant.empty()) {
      std::shared_ptr<Batch>& part = batch->tenants[built.tenant];
      if (part == nullptr) part = std::make_shared<Batch>();
      part->lines += built.rows.size();
      part->bytes += built.rows.line_bytes(0, built.rows.size());
      request = &part->request;
    }
    auto* out = request->mutable_batch()->add_streams();
    out->set_labels(built.labels);
    EncodeRows(built.rows, out->mutable_rows());
    batch->encoded_bytes += out->labels().size() + out->rows().size() + 64;
    built.rows.clear();
    if (built.rows.text.capacity() > kKeptTextBytes) built.rows = Rows();
  }
  if (streams_.size() > kKeptStreams) streams_.resize(kKeptStreams);
  for (size_t i = 0; i < origins_.size(); ++i) origins_[i]->Describe(&manifest_.chains[i]);
  // Its share of memory until it is acknowledged.
  for (const ManifestChain& chain : manifest_.chains)
    batch->encoded_bytes += 192 + chain.ranges.size() * sizeof(ManifestRange);
  batch->manifest = std::move(manifest_);
  batch->lines = lines_;
  batch->bytes = bytes_;
  batch->opened_ns = opened_ns_;
  manifest_ = Manifest();
  origins_.clear();
  by_labels_.clear();
  used_streams_ = 0;
  wants_seal_ = false;
  lines_ = bytes_ = 0;
  epoch_ = NewEpoch();
  return batch;
}

}  // namespace skald::agent
