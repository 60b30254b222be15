#include "bench/load_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <snappy.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "proto/logproto.pb.h"

namespace skald::bench {
namespace {

std::string EncodeBody(const LoadBody& body) {
  logproto::PushRequest request;
  for (const LoadStream& stream : body.streams) {
    logproto::StreamAdapter* out = request.add_streams();
    out->set_labels(stream.labels);
    for (size_t i = 0; i < stream.lines.size(); ++i) {
      logproto::EntryAdapter* entry = out->add_entries();
      entry->mutable_timestamp()->set_seconds(stream.times_ns[i] / kNsPerSecond);
      entry->mutable_timestamp()->set_nanos(static_cast<int32_t>(stream.times_ns[i] % kNsPerSecond));
      entry->set_line(stream.lines[i]);
    }
  }
  const std::string plain = request.SerializeAsString();
  std::string packed;
  snappy::Compress(plain.data(), plain.size(), &packed);
  return packed;
}

absl::Status WriteFile(const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(const FileDescriptor file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  return WriteAll(file.get(), content, path);
}

}  // namespace

std::string BodyPath(const std::string& directory, uint64_t body) {
  return fmt::format("{}/body-{:05}.bin", directory, body);
}

absl::StatusOr<LoadSummary> WriteLoad(const LoadOptions& options, const std::string& directory) {
  RETURN_IF_ERROR(CreateDirectories(directory));
  const std::string raw_path = directory + "/raw.log";
  ASSIGN_OR_RETURN(const FileDescriptor raw, OpenFile(raw_path, O_WRONLY | O_CREAT | O_TRUNC));
  LoadSummary summary;
  summary.seed = options.seed;
  summary.start_ns = options.start_ns;
  LoadGenerator generator(options);
  LoadBody body;
  std::string plain;
  while (generator.Next(&body)) {
    RETURN_IF_ERROR(WriteFile(BodyPath(directory, summary.bodies), EncodeBody(body)));
    plain.clear();
    for (const LoadStream& stream : body.streams) {
      for (const std::string& line : stream.lines) plain.append(line).push_back('\n');
    }
    RETURN_IF_ERROR(WriteAll(raw.get(), plain, raw_path));
    summary.lines += body.lines;
    summary.raw_bytes += body.line_bytes;
    ++summary.bodies;
  }
  summary.end_ns = generator.end_ns();
  std::string json;
  JsonWriter(&json)
      .BeginObject()
      .Key("lines")
      .UInt(summary.lines)
      .Key("raw_bytes")
      .UInt(summary.raw_bytes)
      .Key("bodies")
      .UInt(summary.bodies)
      .Key("seed")
      .UInt(summary.seed)
      .Key("start")
      .Int(summary.start_ns)
      .Key("end")
      .Int(summary.end_ns)
      .EndObject();
  RETURN_IF_ERROR(WriteFileAtomically(directory + "/load.json", json));
  return summary;
}

absl::StatusOr<LoadSummary> ReadLoadSummary(const std::string& directory) {
  const std::string path = directory + "/load.json";
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  LoadSummary summary;
  if (parser.parse(text).get(document) || document["lines"].get(summary.lines) ||
      document["raw_bytes"].get(summary.raw_bytes) || document["bodies"].get(summary.bodies) ||
      document["start"].get(summary.start_ns) || document["end"].get(summary.end_ns)) {
    return InvalidArgument("{}: not the description of a load", path);
  }
  if (document["seed"].get(summary.seed)) summary.seed = 0;
  return summary;
}

}  // namespace skald::bench
