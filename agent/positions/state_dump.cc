#include "agent/positions/state_dump.h"

#include <fmt/format.h>

#include <optional>

#include "agent/positions/state_journal.h"
#include "base/status_macros.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

// Of the file that still has the name and is the same; nullopt = there is none.
std::optional<uint64_t> SizeOf(const FilePosition& file) {
  const absl::StatusOr<FileStat> stat = StatPath(file.path);
  if (!stat.ok() || !(stat->key == file.key) || file.key.Recycled(stat->key)) return std::nullopt;
  return stat->size;
}

// Offsets of compressed files are of their text.
bool IsCompressed(const FilePosition& file, uint64_t size) { return file.complete || size < file.offset; }

std::string PathOf(const AgentState& state, uint64_t file_id) {
  const auto file = state.files.find(file_id);
  return file == state.files.end() ? fmt::format("file {}", file_id) : file->second.path;
}

std::string_view OutputName(Output output) {
  return output == Output::kStdout ? "stdout" : output == Output::kStderr ? "stderr" : "";
}

std::string Spans(const AgentState& state, const std::vector<Span>& spans) {
  std::string out;
  for (const Span& span : spans)
    out += fmt::format(" {}[{}, {})", PathOf(state, span.file_id), span.begin, span.end);
  return out;
}

template <typename Hash>
void WriteHash(std::string_view key, const Hash& hash, JsonWriter* json) {
  json->Key(key).BeginObject().Key("length").UInt(hash.length);
  json->Key("hash").String(fmt::format("{:016x}", hash.hash)).EndObject();
}

void WritePending(const std::vector<PendingMessage>& pending, JsonWriter* json) {
  json->BeginArray();
  for (const PendingMessage& message : pending) {
    json->BeginObject().Key("output").String(OutputName(message.output)).Key("held").Bool(message.held);
    json->Key("spans").BeginArray();
    for (const Span& span : message.spans) {
      json->BeginObject().Key("file_id").UInt(span.file_id);
      json->Key("begin").UInt(span.begin).Key("end").UInt(span.end).EndObject();
    }
    json->EndArray().EndObject();
  }
  json->EndArray();
}

void WriteManifest(const Manifest& manifest, JsonWriter* json) {
  json->BeginObject().Key("sequence").UInt(manifest.sequence).Key("logs").BeginArray();
  for (const ManifestChain& chain : manifest.chains) {
    json->BeginObject().Key("log").String(chain.chain).Key("ranges").BeginArray();
    for (const ManifestRange& range : chain.ranges) {
      json->BeginObject().Key("file_id").UInt(range.file_id);
      json->Key("begin").UInt(range.begin).Key("end").UInt(range.end);
      WriteHash("head", range.head, json);
      WriteHash("before_end", range.tail, json);
      json->EndObject();
    }
    json->EndArray().Key("flush_pending").Bool(chain.flush_pending).Key("pending");
    WritePending(chain.pending_end, json);
    json->EndObject();
  }
  json->EndArray().Key("cursors").BeginArray();
  for (const CursorRange& range : manifest.cursors) {
    json->BeginObject().Key("source").String(range.source);
    json->Key("first").String(range.first).Key("last").String(range.last).EndObject();
  }
  json->EndArray().EndObject();
}

}  // namespace

absl::StatusOr<std::string> StateText(const std::string& directory) {
  StateJournal::Loaded loaded;
  ASSIGN_OR_RETURN(const AgentState state, StateJournal::Read(directory, &loaded));
  std::string out =
      fmt::format("{}\n  agent {} on node {}, last look at directories {}\n",
                  loaded.salvaged ? directory + ": damaged, this is what is whole of it" : loaded.file,
                  state.agent_id.empty() ? "?" : state.agent_id, state.node,
                  state.alive_ns == 0 ? "never" : FormatRfc3339Nano(state.alive_ns));
  if (loaded.used_older) out += "  the generation before: the newest one is damaged\n";
  if (loaded.cut_bytes > 0)
    out += fmt::format("  its last {} bytes are damaged, or just written\n", loaded.cut_bytes);
  out += fmt::format("  {} files, {} batches under way, next sequence {}\n", state.files.size(),
                     state.in_flight.size(), state.next_sequence);
  if (!state.files.empty())
    out += fmt::format("\n  {:>12} {:>12} {:>12}  {:<6} {:>16}  {:<16}  file\n", "delivered", "size",
                       "behind", "format", "inode", "head");
  for (const auto& [id, file] : state.files) {
    const std::optional<uint64_t> size = SizeOf(file);
    const bool compressed = size && IsCompressed(file, *size);
    out += fmt::format("  {:>12} {:>12} {:>12}  {:<6} {:>16}  {:016x}  {}{}\n", file.offset,
                       size ? fmt::format("{}", *size) : "-",
                       size && !compressed ? fmt::format("{}", *size - file.offset) : "-",
                       LogFormatName(file.format), fmt::format("{}:{}", file.key.device, file.key.inode),
                       file.head.hash, file.path,
                       file.complete             ? " (compressed, read to its end)"
                       : !size                   ? " (gone, or another file)"
                       : file.path != file.chain ? " (of " + file.chain + ")"
                                                 : "");
  }
  for (const auto& [chain, pending] : state.pending) {
    for (const PendingMessage& message : pending)
      out += fmt::format("  {} of {}:{}\n", message.held ? "held by a stage" : "unfinished message", chain,
                         Spans(state, message.spans));
  }
  for (const auto& [source, cursor] : state.cursors) out += fmt::format("  cursor {}: {}\n", source, cursor);
  for (const Manifest& manifest : state.in_flight) {
    out += fmt::format("  batch {} under way:", manifest.sequence);
    for (const ManifestChain& chain : manifest.chains) {
      for (const ManifestRange& range : chain.ranges)
        out += fmt::format(" {}[{}, {})", PathOf(state, range.file_id), range.begin, range.end);
    }
    for (const CursorRange& range : manifest.cursors)
      out += fmt::format(" {}[{} to {}]", range.source, range.first, range.last);
    out += '\n';
  }
  return out;
}

absl::Status WriteState(const std::string& directory, JsonWriter* json) {
  StateJournal::Loaded loaded;
  ASSIGN_OR_RETURN(const AgentState state, StateJournal::Read(directory, &loaded));
  json->BeginObject().Key("directory").String(directory).Key("file").String(loaded.file);
  json->Key("salvaged").Bool(loaded.salvaged).Key("used_older").Bool(loaded.used_older);
  json->Key("damaged_bytes").UInt(loaded.cut_bytes);
  json->Key("agent_id").String(state.agent_id).Key("node").String(state.node);
  json->Key("next_sequence").UInt(state.next_sequence);
  json->Key("alive").String(FormatRfc3339Nano(state.alive_ns)).Key("files").BeginArray();
  for (const auto& [id, file] : state.files) {
    json->BeginObject().Key("file_id").UInt(id).Key("path").String(file.path).Key("log").String(file.chain);
    json->Key("device").UInt(file.key.device).Key("inode").UInt(file.key.inode);
    json->Key("birth_ns").UInt(file.key.birth_ns).Key("format").String(LogFormatName(file.format));
    json->Key("offset").UInt(file.offset).Key("complete").Bool(file.complete);
    const std::optional<uint64_t> size = SizeOf(file);
    if (size) json->Key("size").UInt(*size);
    if (size && !IsCompressed(file, *size)) json->Key("behind").UInt(*size - file.offset);
    WriteHash("head", file.head, json);
    WriteHash("before_offset", file.tail, json);
    json->EndObject();
  }
  json->EndArray().Key("pending").BeginObject();
  for (const auto& [chain, pending] : state.pending) {
    json->Key(chain);
    WritePending(pending, json);
  }
  json->EndObject().Key("cursors").BeginObject();
  for (const auto& [source, cursor] : state.cursors) json->Key(source).String(cursor);
  json->EndObject().Key("in_flight").BeginArray();
  for (const Manifest& manifest : state.in_flight) WriteManifest(manifest, json);
  json->EndArray().EndObject();
  return absl::OkStatus();
}

}  // namespace skald::agent
