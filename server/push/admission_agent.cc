// The columns of an agent's batch, judged as entries of a push are.
#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/error.h"
#include "proto/push/metadata_name.h"
#include "server/push/admission_batch.h"
#include "server/push/rows_builder.h"

namespace skald::server {
namespace {

std::optional<std::string_view> MetadataValue(const Rows& rows, size_t row, std::string_view name) {
  const MetadataColumn* column = rows.FindMetadata(name);
  if (column == nullptr || column->index[row] == 0) return std::nullopt;
  return column->value(column->index[row] - 1);
}

// Puts the columns in, in place of those of the same names.
void ReplaceColumns(std::vector<MetadataColumn> columns, Rows* rows) {
  for (MetadataColumn& column : columns) {
    const auto place =
        std::lower_bound(rows->metadata.begin(), rows->metadata.end(), column.name,
                         [](const MetadataColumn& c, const std::string& name) { return c.name < name; });
    if (place != rows->metadata.end() && place->name == column.name) {
      *place = std::move(column);
    } else {
      rows->metadata.insert(place, std::move(column));
    }
  }
}

// Gives each row its detected_level. True if rows had to be changed for that.
bool AddLevels(const LevelDetector& detector, const std::optional<std::string>& of_stream, Rows* rows) {
  const MetadataColumn* const given = rows->FindMetadata(kDetectedLevel);
  if (given != nullptr) {
    bool complete = std::find(given->index.begin(), given->index.end(), 0u) == given->index.end();
    for (size_t k = 0; complete && k < given->value_count(); ++k)
      complete = NormalizeLevel(given->value(k)) == given->value(k);
    if (complete) return false;
  }
  const bool bare = rows->metadata.empty();
  RowsBuilder levels;  // rows without text: only its column is wanted
  for (size_t i = 0; i < rows->size(); ++i) {
    levels.Add(0, {});
    const auto lookup = [rows, i](std::string_view name) { return MetadataValue(*rows, i, name); };
    std::string_view level;
    if (const auto own = lookup(kDetectedLevel)) {
      level = NormalizeLevel(*own);
    } else if (of_stream.has_value()) {
      level = *of_stream;
    } else {
      level = bare ? detector.OfLine(rows->line(i)) : detector.OfMetadataOrLine(lookup, rows->line(i));
    }
    if (!level.empty()) levels.Set(kDetectedLevel, level);
  }
  std::erase_if(rows->metadata, [](const MetadataColumn& c) { return c.name == kDetectedLevel; });
  ReplaceColumns(levels.Take().metadata, rows);
  return true;
}

// True if there were any.
bool AddGenericFields(const GenericFields& fields, const Labels& stream, Rows* rows) {
  struct Found {
    size_t row;
    std::string name;
    std::string value;
  };
  std::vector<Found> found;
  std::set<std::string, std::less<>> names;
  GenericFieldFinder finder(&fields);
  for (size_t i = 0; i < rows->size(); ++i) {
    const auto lookup = [rows, i](std::string_view name) { return MetadataValue(*rows, i, name); };
    finder.Find(stream, lookup, rows->line(i), [&](std::string_view name, std::string_view value) {
      found.push_back({i, std::string(name), std::string(value)});
      names.emplace(name);
    });
  }
  if (found.empty()) return false;
  RowsBuilder made;  // rows without text: only their columns are wanted
  size_t next = 0;
  for (size_t i = 0; i < rows->size(); ++i) {
    made.Add(0, {});
    for (const std::string& name : names) {
      if (const auto own = MetadataValue(*rows, i, name)) made.Set(name, *own);
    }
    for (; next < found.size() && found[next].row == i; ++next) made.Set(found[next].name, found[next].value);
  }
  ReplaceColumns(made.Take().metadata, rows);
  return true;
}

}  // namespace

AdmissionResult Admission::AdmitAgent(const std::string& tenant, std::vector<AgentStream> streams) {
  const std::shared_ptr<Rules> own = RulesOf(tenant);
  const Limits& limits = *own->limits;
  const PushOrigin origin{"agent", ""};
  Batch batch(this, &limits, tenant, origin);
  const EntryRules& rules = batch.rules();
  const bool add_level = limits.discover_log_levels && limits.allow_structured_metadata;
  uint64_t lines_received = 0;
  uint64_t bytes_received = 0;
  uint64_t metadata_received = 0;
  for (AgentStream& stream : streams) {
    if (stream.rows == nullptr || stream.rows->size() == 0) continue;
    Rows& rows = *stream.rows;
    const uint64_t all_bytes = rows.line_bytes(0, rows.size());
    lines_received += rows.size();
    bytes_received += all_bytes;
    auto resolved = own->cache.Resolve(stream.labels, true);
    if (!resolved.ok()) {
      // One bad stream must not hold up an agent's whole batch for ever.
      batch.Refuse(nullptr, stream.labels, "invalid_labels", MessageOf(resolved.status()), rows.size(),
                   all_bytes);
      continue;
    }
    const ResolvedStream& identity = **resolved;
    const std::vector<RowMetadata> metadata = MetadataOfRows(rows);
    uint64_t sent_bytes = all_bytes;
    for (const RowMetadata& of_row : metadata) sent_bytes += of_row.bytes;
    if (!batch.Passes(identity, rows.size(), sent_bytes)) continue;
    // What is to be dropped or cut, and which names change.
    std::vector<bool> dropped;
    bool rebuild = false;
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t line_bytes = rows.line_end[i] - rows.line_begin(i);
      const RowMetadata of_row = metadata.empty() ? RowMetadata{} : metadata[i];
      if (limits.max_line_size_truncate && limits.max_line_size > 0 && line_bytes > limits.max_line_size)
        rebuild = true;
      const char* reason = rules.Broken(rows.time_ns[i], line_bytes, of_row.bytes, of_row.count);
      if (reason == nullptr) continue;
      batch.RefuseEntry(identity, reason, rows.time_ns[i], line_bytes, of_row.bytes, of_row.count);
      dropped.resize(rows.size());
      dropped[i] = true;
      rebuild = true;
    }
    std::vector<std::string> names;
    bool bad_name = false;
    for (const MetadataColumn& column : rows.metadata) {
      if (IsNormalMetadataName(column.name)) {
        names.push_back(column.name);
        continue;
      }
      auto normal = NormalizeMetadataName(column.name);
      if (!normal.ok()) {
        batch.Refuse(&identity, identity.text, "invalid_structured_metadata", MessageOf(normal.status()),
                     rows.size(), all_bytes);
        bad_name = true;
        break;
      }
      rebuild |= *normal != column.name;
      names.push_back(*std::move(normal));
    }
    if (bad_name) continue;

    std::shared_ptr<Rows> kept = stream.rows;
    if (rebuild) {
      RowsBuilder builder;
      std::string cut;
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!dropped.empty() && dropped[i]) continue;
        std::string_view line = rows.line(i);
        if (limits.max_line_size_truncate && limits.max_line_size > 0 && line.size() > limits.max_line_size) {
          cut.assign(line.substr(0, limits.max_line_size - limits.max_line_size_truncate_identifier.size()));
          cut += limits.max_line_size_truncate_identifier;
          line = cut;
        }
        builder.Add(rows.time_ns[i], line);
        for (size_t c = 0; c < rows.metadata.size(); ++c) {
          const MetadataColumn& column = rows.metadata[c];
          if (column.index[i] != 0) builder.Set(names[c], column.value(column.index[i] - 1));
        }
      }
      kept = std::make_shared<Rows>(builder.Take());
      stream.encoded.clear();
      if (kept->size() == 0) continue;
    }
    if (add_level && AddLevels(own->detector, identity.level, kept.get())) stream.encoded.clear();
    if (!own->generic_fields.empty() && AddGenericFields(own->generic_fields, identity.labels, kept.get()))
      stream.encoded.clear();
    uint64_t metadata_bytes = 0;
    for (const RowMetadata& of_row : metadata) metadata_bytes += of_row.bytes;
    metadata_received += metadata_bytes;
    const uint64_t bytes = kept->line_bytes(0, kept->size()) + metadata_bytes;
    batch.Offer(*resolved, std::move(kept), std::move(stream.encoded), bytes);
  }
  CountReceived(tenant, lines_received, bytes_received, metadata_received);
  return batch.Close();
}

}  // namespace skald::server
