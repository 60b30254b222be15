#include "proto/push/otlp_decode.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/escaping.h>

#include <algorithm>
#include <map>

#include "base/content_encoding.h"
#include "base/error.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "proto/push/metadata_name.h"
#include "proto/push/otlp_value.h"
#include "proto/push/proto_wire.h"

namespace skald {
namespace {

using proto_wire::Delimited;
using proto_wire::Skip;
using proto_wire::Tag;

using TextPair = std::pair<std::string_view, std::string_view>;
using LabelMap = std::map<std::string_view, std::string_view>;

// A record before it is known which stream it belongs to.
struct Record {
  uint64_t time_ns = 0;
  uint64_t observed_ns = 0;
  int32_t severity_number = 0;
  std::string_view severity_text;
  OtlpValue body;
  uint32_t dropped_attributes = 0;
  uint32_t flags = 0;
  std::string_view trace_id;
  std::string_view span_id;
};

class Mapper {
 public:
  Mapper(const OtlpMapping& mapping, DecodedPush* out) : mapping_(mapping), out_(out) {}

  absl::Status ReadRequest(std::string_view bytes) {
    ByteReader reader(bytes);
    while (reader.remaining() > 0) {
      ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
      if (tag >> 3 == 1) {
        ASSIGN_OR_RETURN(const std::string_view resource, Delimited(&reader, tag, "ResourceLogs"));
        RETURN_IF_ERROR(ReadResourceLogs(resource));
      } else {
        RETURN_IF_ERROR(Skip(&reader, tag));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadResourceLogs(std::string_view bytes) {
    labels_.clear();
    shared_.clear();
    has_service_ = false;
    // A field may stand behind the records it is about.
    RETURN_IF_ERROR(
        ForEachField(bytes, 1, "Resource", [this](std::string_view b) { return ReadResource(b); }));
    if (!has_service_ && !mapping_.discover_service_name->empty())
      labels_["service_name"] = "unknown_service";
    const size_t of_resource = shared_.size();
    return ForEachField(bytes, 2, "ScopeLogs", [this, of_resource](std::string_view b) {
      shared_.resize(of_resource);
      return ReadScopeLogs(b);
    });
  }

  absl::Status ReadResource(std::string_view bytes) {
    std::vector<OtlpPair> attributes;
    RETURN_IF_ERROR(ForEachField(bytes, 1, "Attributes", [&](std::string_view b) -> absl::Status {
      ASSIGN_OR_RETURN(const OtlpPair pair, ReadOtlpPair(b));
      attributes.push_back(pair);
      if (pair.key == "service.name") {
        ASSIGN_OR_RETURN(const std::string_view text, OtlpText(pair.value, &scratch_));
        has_service_ |= !text.empty();
      }
      return absl::OkStatus();
    }));
    for (const OtlpPair& pair : attributes) {
      const OtlpAction action = ActionFor(mapping_.config->resource, pair.key);
      if (action == OtlpAction::kDrop) continue;
      const size_t begin = shared_.size();
      RETURN_IF_ERROR(Flatten(pair, &shared_));
      if (action == OtlpAction::kStructuredMetadata) continue;
      for (size_t i = begin; i < shared_.size(); ++i) {
        labels_[shared_[i].first] = shared_[i].second;
        if (has_service_) continue;
        const auto& names = *mapping_.discover_service_name;
        if (std::find(names.begin(), names.end(), shared_[i].first) == names.end()) continue;
        labels_["service_name"] = shared_[i].second;
        has_service_ = true;
      }
      shared_.resize(begin);
    }
    return absl::OkStatus();
  }

  absl::Status ReadScopeLogs(std::string_view bytes) {
    RETURN_IF_ERROR(ForEachField(bytes, 1, "Scope", [this](std::string_view b) { return ReadScope(b); }));
    const auto shared_begin = static_cast<uint32_t>(out_->metadata.size());
    for (const TextPair& pair : shared_) {
      RETURN_IF_ERROR(out_->CheckRoom());
      out_->metadata.push_back(pair);
    }
    const auto shared_end = static_cast<uint32_t>(out_->metadata.size());
    by_labels_.clear();
    RETURN_IF_ERROR(
        ForEachField(bytes, 2, "LogRecords", [this](std::string_view b) { return ReadRecord(b); }));
    // The entries of one stream stand together.
    for (auto& [labels, entries] : by_labels_) {
      PushStream stream;
      stream.labels = labels;
      stream.metadata_begin = shared_begin;
      stream.metadata_end = shared_end;
      stream.entry_begin = static_cast<uint32_t>(out_->entries.size());
      out_->entries.insert(out_->entries.end(), entries.begin(), entries.end());
      stream.entry_end = static_cast<uint32_t>(out_->entries.size());
      out_->streams.push_back(stream);
    }
    return absl::OkStatus();
  }

  absl::Status ReadScope(std::string_view bytes) {
    ByteReader reader(bytes);
    std::string_view name;
    std::string_view version;
    uint64_t dropped = 0;
    while (reader.remaining() > 0) {
      ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
      switch (tag >> 3) {
        case 1: {
          ASSIGN_OR_RETURN(name, Delimited(&reader, tag, "Name"));
          break;
        }
        case 2: {
          ASSIGN_OR_RETURN(version, Delimited(&reader, tag, "Version"));
          break;
        }
        case 3: {
          ASSIGN_OR_RETURN(const std::string_view b, Delimited(&reader, tag, "Attributes"));
          ASSIGN_OR_RETURN(const OtlpPair pair, ReadOtlpPair(b));
          if (ActionFor(mapping_.config->scope, pair.key) != OtlpAction::kDrop)
            RETURN_IF_ERROR(Flatten(pair, &shared_));
          break;
        }
        case 4: {
          ASSIGN_OR_RETURN(dropped, proto_wire::Varint(&reader, tag, "DroppedAttributesCount"));
          break;
        }
        default:
          RETURN_IF_ERROR(Skip(&reader, tag));
      }
    }
    if (!name.empty()) shared_.emplace_back("scope_name", name);
    if (!version.empty()) shared_.emplace_back("scope_version", version);
    if (static_cast<uint32_t>(dropped) != 0) {
      ASSIGN_OR_RETURN(const std::string_view text, Keep(std::to_string(static_cast<uint32_t>(dropped))));
      shared_.emplace_back("scope_dropped_attributes_count", text);
    }
    return absl::OkStatus();
  }

  absl::Status ReadRecord(std::string_view bytes) {
    RETURN_IF_ERROR(out_->CheckRoom());
    Record record;
    own_labels_.clear();
    own_.clear();
    ByteReader reader(bytes);
    while (reader.remaining() > 0) {
      ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
      switch (tag >> 3) {
        case 1: {
          ASSIGN_OR_RETURN(record.time_ns, proto_wire::Fixed64(&reader, tag, "TimeUnixNano"));
          break;
        }
        case 2: {
          ASSIGN_OR_RETURN(const uint64_t v, proto_wire::Varint(&reader, tag, "SeverityNumber"));
          record.severity_number = static_cast<int32_t>(v);
          break;
        }
        case 3: {
          ASSIGN_OR_RETURN(record.severity_text, Delimited(&reader, tag, "SeverityText"));
          break;
        }
        case 5: {
          ASSIGN_OR_RETURN(const std::string_view b, Delimited(&reader, tag, "Body"));
          ASSIGN_OR_RETURN(record.body, ReadOtlpValue(b));
          break;
        }
        case 6: {
          ASSIGN_OR_RETURN(const std::string_view b, Delimited(&reader, tag, "Attributes"));
          RETURN_IF_ERROR(ReadAttribute(b));
          break;
        }
        case 7: {
          ASSIGN_OR_RETURN(const uint64_t v, proto_wire::Varint(&reader, tag, "DroppedAttributesCount"));
          record.dropped_attributes = static_cast<uint32_t>(v);
          break;
        }
        case 8: {
          ASSIGN_OR_RETURN(record.flags, proto_wire::Fixed32(&reader, tag, "Flags"));
          break;
        }
        case 9: {
          ASSIGN_OR_RETURN(record.trace_id, Delimited(&reader, tag, "TraceId"));
          if (!record.trace_id.empty() && record.trace_id.size() != 16)
            return InvalidArgument("unmarshal: invalid TraceID length");
          break;
        }
        case 10: {
          ASSIGN_OR_RETURN(record.span_id, Delimited(&reader, tag, "SpanId"));
          if (!record.span_id.empty() && record.span_id.size() != 8)
            return InvalidArgument("unmarshal: invalid SpanID length");
          break;
        }
        case 11: {
          ASSIGN_OR_RETURN(record.observed_ns, proto_wire::Fixed64(&reader, tag, "ObservedTimeUnixNano"));
          break;
        }
        default:
          RETURN_IF_ERROR(Skip(&reader, tag));
      }
    }
    return AddRecord(record);
  }

  absl::Status ReadAttribute(std::string_view bytes) {
    ASSIGN_OR_RETURN(const OtlpPair pair, ReadOtlpPair(bytes));
    const OtlpAction action = ActionFor(mapping_.config->log, pair.key);
    if (action == OtlpAction::kDrop) return absl::OkStatus();
    return Flatten(pair, action == OtlpAction::kIndexLabel ? &own_labels_ : &own_);
  }

  absl::Status AddRecord(const Record& record) {
    PushEntry entry;
    entry.time_ns = static_cast<int64_t>(record.time_ns != 0 ? record.time_ns : record.observed_ns);
    // Records that came without a time must not look like one record repeated.
    if (entry.time_ns == 0) entry.time_ns = mapping_.now_ns + untimed_++;
    ASSIGN_OR_RETURN(entry.line, KeptText(record.body));
    if (record.observed_ns != 0 && record.time_ns != 0) {
      ASSIGN_OR_RETURN(const auto text, Keep(std::to_string(record.observed_ns)));
      own_.emplace_back("observed_timestamp", text);
    }
    if (record.severity_number != 0) {
      ASSIGN_OR_RETURN(const auto text, Keep(std::to_string(record.severity_number)));
      own_.emplace_back("severity_number", text);
    }
    if (!record.severity_text.empty()) {
      if (mapping_.config->severity_text_as_label)
        own_labels_.emplace_back("severity_text", record.severity_text);
      own_.emplace_back("severity_text", record.severity_text);
    }
    if (record.dropped_attributes != 0) {
      ASSIGN_OR_RETURN(const auto text, Keep(std::to_string(record.dropped_attributes)));
      own_.emplace_back("dropped_attributes_count", text);
    }
    if (record.flags != 0) {
      ASSIGN_OR_RETURN(const auto text, Keep(std::to_string(record.flags)));
      own_.emplace_back("flags", text);
    }
    for (const auto& [name, id] :
         {TextPair{"trace_id", record.trace_id}, TextPair{"span_id", record.span_id}}) {
      if (id.find_first_not_of('\0') == std::string_view::npos) continue;
      ASSIGN_OR_RETURN(const auto text, Keep(absl::BytesToHexString({id.data(), id.size()})));
      own_.emplace_back(name, text);
    }
    entry.metadata_begin = static_cast<uint32_t>(out_->metadata.size());
    out_->metadata.insert(out_->metadata.end(), own_.begin(), own_.end());
    entry.metadata_end = static_cast<uint32_t>(out_->metadata.size());
    RETURN_IF_ERROR(out_->CheckRoom());
    ASSIGN_OR_RETURN(std::vector<PushEntry>* const entries, EntriesOf());
    entries->push_back(entry);
    return absl::OkStatus();
  }

  // The entries of the stream that the labels of resource and record make.
  absl::StatusOr<std::vector<PushEntry>*> EntriesOf() {
    LabelMap labels = labels_;
    for (const auto& [name, value] : own_labels_) labels[name] = value;
    std::string text = "{";
    for (const auto& [name, value] : labels) {
      if (text.size() > 1) text += ", ";
      text += name;
      text += '=';
      AppendGoQuoted(&text, value);
    }
    text += '}';
    for (auto& [known, entries] : by_labels_) {
      if (known == text) return &entries;
      if (by_labels_.size() > kFewStreams) break;
    }
    if (const auto it = stream_by_text_.find(text);
        by_labels_.size() > kFewStreams && it != stream_by_text_.end())
      return &by_labels_[it->second].second;
    ASSIGN_OR_RETURN(const std::string_view kept, Keep(std::move(text)));
    if (by_labels_.empty()) stream_by_text_.clear();
    stream_by_text_[kept] = by_labels_.size();
    return &by_labels_.emplace_back(kept, std::vector<PushEntry>()).second;
  }

  // Appends the attribute under its stored name; a map as one pair for each of its leaves.
  absl::Status Flatten(const OtlpPair& pair, std::vector<TextPair>* to) {
    ASSIGN_OR_RETURN(const std::string_view name, StoredName(pair.key));
    return FlattenValue(name, pair.value, 0, to);
  }

  absl::Status FlattenValue(std::string_view name, const OtlpValue& value, int depth,
                            std::vector<TextPair>* to) {
    if (value.kind != OtlpValue::Kind::kMap) {
      ASSIGN_OR_RETURN(const std::string_view text, KeptText(value));
      to->emplace_back(name, text);
      return absl::OkStatus();
    }
    if (depth >= kMaxOtlpDepth)
      return InvalidArgument("an attribute is nested deeper than {} levels", kMaxOtlpDepth);
    return ForEachOtlpElement(value.bytes, [&](std::string_view element) -> absl::Status {
      ASSIGN_OR_RETURN(const OtlpPair pair, ReadOtlpPair(element));
      std::string joined = fmt::format("{}_{}", name, pair.key);
      if (!IsNormalMetadataName(joined)) {
        absl::StatusOr<std::string> normal = NormalizeMetadataName(joined);
        if (!normal.ok()) return BadName(normal.status());
        joined = *std::move(normal);
      }
      ASSIGN_OR_RETURN(const std::string_view kept, Keep(std::move(joined)));
      return FlattenValue(kept, pair.value, depth + 1, to);
    });
  }

  absl::StatusOr<std::string_view> StoredName(std::string_view key) {
    if (IsNormalMetadataName(key)) return key;
    if (const auto it = names_.find(key); it != names_.end()) return it->second;
    absl::StatusOr<std::string> normal = NormalizeMetadataName(key);
    if (!normal.ok()) return BadName(normal.status());
    ASSIGN_OR_RETURN(const std::string_view kept, Keep(*std::move(normal)));
    names_.emplace(key, kept);
    return kept;
  }

  static absl::Status BadName(const absl::Status& status) {
    return InvalidArgument("symbolizer lookup: {}", MessageOf(status));
  }

  absl::StatusOr<std::string_view> KeptText(const OtlpValue& value) {
    ASSIGN_OR_RETURN(const std::string_view text, OtlpText(value, &scratch_));
    if (text.data() != scratch_.data()) return text;
    return Keep(scratch_);
  }

  // A text made here, for as long as the push lives.
  absl::StatusOr<std::string_view> Keep(std::string text) {
    made_bytes_ += text.size();
    if (made_bytes_ > mapping_.max_made_bytes)
      return InvalidArgument("attributes are larger than {} bytes once they are flattened",
                             mapping_.max_made_bytes);
    return std::string_view(out_->texts.emplace_back(std::move(text)));
  }

  template <class Visit>
  static absl::Status ForEachField(std::string_view bytes, uint64_t number, std::string_view name,
                                   Visit&& visit) {
    ByteReader reader(bytes);
    while (reader.remaining() > 0) {
      ASSIGN_OR_RETURN(const uint64_t tag, Tag(&reader));
      if (tag >> 3 != number) {
        RETURN_IF_ERROR(Skip(&reader, tag));
        continue;
      }
      ASSIGN_OR_RETURN(const std::string_view message, Delimited(&reader, tag, name));
      RETURN_IF_ERROR(visit(message));
    }
    return absl::OkStatus();
  }

  // Up to here the stream of a record is found by comparing.
  static constexpr size_t kFewStreams = 4;

  const OtlpMapping& mapping_;
  DecodedPush* const out_;
  uint64_t made_bytes_ = 0;
  int64_t untimed_ = 0;
  std::string scratch_;
  // Attribute names that had to be rewritten, of the whole request.
  absl::flat_hash_map<std::string_view, std::string_view, std::hash<std::string_view>, std::equal_to<>>
      names_;
  // Of the resource.
  LabelMap labels_;
  bool has_service_ = false;
  std::vector<TextPair> shared_;  // metadata of each entry; of the resource, then of the scope
  // Of the scope: its streams in order of appearance.
  std::vector<std::pair<std::string_view, std::vector<PushEntry>>> by_labels_;
  absl::flat_hash_map<std::string_view, size_t, std::hash<std::string_view>, std::equal_to<>> stream_by_text_;
  // Of the record.
  std::vector<TextPair> own_labels_;
  std::vector<TextPair> own_;
};

}  // namespace

absl::Status DecodeOtlpProto(std::string_view bytes, const OtlpMapping& mapping, DecodedPush* out) {
  out->service_name_settled = true;
  return Mapper(mapping, out).ReadRequest(bytes);
}

PushDecodeResult DecodeOtlp(const PushFormat& format, const OtlpMapping& mapping, std::string body) {
  PushDecodeResult result;
  const auto fail = [&result](std::string_view message) {
    result.error = {400, std::string(message)};
    return std::move(result);
  };
  result.json = format.content_type == "application/json";
  if (!result.json && format.content_type != "application/x-protobuf")
    return fail(fmt::format("content type: {} is not supported", format.content_type));
  const std::string& encoding = format.content_encoding;
  if (!encoding.empty()) {
    if (encoding != "gzip" && encoding != "zstd" && encoding != "lz4") {
      return fail(
          fmt::format("unsupported content encoding {}: only gzip, lz4 and zstd are supported", encoding));
    }
    absl::StatusOr<std::string> plain = DecodeContent(encoding == "gzip"   ? ContentEncoding::kGzip
                                                      : encoding == "zstd" ? ContentEncoding::kZstd
                                                                           : ContentEncoding::kLz4,
                                                      body, format.max_decompressed);
    if (absl::IsResourceExhausted(plain.status())) {
      return fail(fmt::format("decompressed message size too large than max ({} vs {})",
                              format.max_decompressed + 1, format.max_decompressed));
    }
    if (!plain.ok()) return fail(MessageOf(plain.status()));
    body = *std::move(plain);
  }
  if (result.json) {
    absl::StatusOr<std::string> proto = OtlpJsonToProto(std::move(body));
    if (!proto.ok()) return fail(MessageOf(proto.status()));
    body = *std::move(proto);
  }
  const std::string& kept = result.push.texts.emplace_back(std::move(body));
  if (absl::Status status = DecodeOtlpProto(kept, mapping, &result.push); !status.ok())
    return fail(MessageOf(status));
  result.ok = true;
  return result;
}

}  // namespace skald
