#include "agent/push_body.h"

#include <simdjson.h>
#include <snappy.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "base/utf8.h"
#include "proto/logproto.pb.h"

namespace skald::agent {
namespace {

namespace dom = simdjson::dom;

absl::Status BadJson(std::string_view what) { return InvalidArgument("push: {}", what); }

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadMap(dom::element element) {
  std::vector<std::pair<std::string, std::string>> pairs;
  dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS)
    return BadJson("labels and metadata are objects");
  for (const auto& [name, value] : object) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS)
      return BadJson(fmt::format("the value of \"{}\" is not a string", name));
    pairs.emplace_back(name, text);
  }
  return pairs;
}

absl::StatusOr<SpoolEntry> ReadValue(dom::element element, int64_t now_ns) {
  dom::array parts;
  if (element.get_array().get(parts) != simdjson::SUCCESS || parts.size() < 2)
    return BadJson("an entry is an array of time and line");
  SpoolEntry entry;
  std::string_view text;
  if (parts.at(0).get_string().get(text) != simdjson::SUCCESS)
    return BadJson("the time of an entry is a string of nanoseconds");
  entry.time_ns = now_ns;
  if (!text.empty()) {
    const auto [p, ec] = std::from_chars(text.data(), text.data() + text.size(), entry.time_ns);
    if (ec != std::errc() || p != text.data() + text.size())
      return BadJson(fmt::format("\"{}\" is not a time in nanoseconds", text));
  }
  if (parts.at(1).get_string().get(text) != simdjson::SUCCESS)
    return BadJson("the line of an entry is a string");
  entry.line = text;
  dom::element metadata;
  if (parts.at(2).get(metadata) == simdjson::SUCCESS) {
    ASSIGN_OR_RETURN(auto pairs, ReadMap(metadata));
    for (auto& [name, value] : pairs) entry.SetMetadata(name, std::move(value));
  }
  return entry;
}

struct Inflating {
  z_stream stream{};
  ~Inflating() { ::inflateEnd(&stream); }
};

}  // namespace

absl::StatusOr<std::vector<SpoolStream>> ReadPushJson(const std::string& body, int64_t now_ns) {
  std::string valid;
  if (!IsValidUtf8(body)) AppendValidUtf8(&valid, body, "\xEF\xBF\xBD");
  dom::parser parser;
  dom::element root;
  if (const simdjson::error_code code = parser.parse(valid.empty() ? body : valid).get(root);
      code != simdjson::SUCCESS) {
    return BadJson(simdjson::error_message(code));
  }
  dom::array streams;
  if (root["streams"].get_array().get(streams) != simdjson::SUCCESS)
    return BadJson("there is no array \"streams\"");
  std::vector<SpoolStream> out;
  for (const dom::element element : streams) {
    SpoolStream& stream = out.emplace_back();
    dom::element labels;
    if (element["stream"].get(labels) == simdjson::SUCCESS) {
      ASSIGN_OR_RETURN(auto pairs, ReadMap(labels));
      stream.labels = Labels(std::move(pairs));
    }
    dom::array values;
    if (element["values"].get_array().get(values) != simdjson::SUCCESS)
      return BadJson("a stream has no array \"values\"");
    for (const dom::element value : values) {
      ASSIGN_OR_RETURN(SpoolEntry entry, ReadValue(value, now_ns));
      stream.entries.push_back(std::move(entry));
    }
  }
  return out;
}

absl::StatusOr<std::vector<SpoolStream>> ReadPushProto(const std::string& body, uint64_t max_bytes,
                                                       int64_t now_ns) {
  size_t size = 0;
  std::string plain;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
    return InvalidArgument("push: not snappy");
  if (size > max_bytes)
    return InvalidArgument("push: {} bytes decompressed are more than {}", size, max_bytes);
  if (!snappy::Uncompress(body.data(), body.size(), &plain)) return InvalidArgument("push: not snappy");
  logproto::PushRequest request;
  if (!request.ParseFromString(plain)) return InvalidArgument("push: not a push request");
  std::vector<SpoolStream> out;
  for (const auto& sent : request.streams()) {
    SpoolStream& stream = out.emplace_back();
    ASSIGN_OR_RETURN(stream.labels, ParseLabels(sent.labels()));
    for (const auto& entry : sent.entries()) {
      SpoolEntry& kept = stream.entries.emplace_back();
      kept.time_ns = entry.has_timestamp()
                         ? entry.timestamp().seconds() * kNsPerSecond + entry.timestamp().nanos()
                         : now_ns;
      kept.line = entry.line();
      for (const auto& pair : entry.structuredmetadata()) kept.SetMetadata(pair.name(), pair.value());
    }
  }
  return out;
}

std::vector<SpoolStream> ReadPushText(std::string_view body, int64_t now_ns) {
  std::vector<SpoolStream> out(1);
  while (!body.empty()) {
    const size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    SpoolEntry& entry = out[0].entries.emplace_back();
    entry.time_ns = now_ns++;
    entry.line = line;
  }
  return out;
}

absl::StatusOr<std::string> ReadGzip(std::string_view body, uint64_t max_bytes) {
  Inflating inflating;
  z_stream& stream = inflating.stream;
  if (::inflateInit2(&stream, 15 + 16) != Z_OK) return Internal("zlib cannot begin");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  std::string out;
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    const size_t have = out.size();
    if (have > max_bytes) return InvalidArgument("push: more than {} bytes decompressed", max_bytes);
    out.resize(have + (size_t{64} << 10));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    stream.avail_out = static_cast<uInt>(out.size() - have);
    result = ::inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (result != Z_OK && result != Z_STREAM_END) return InvalidArgument("push: not gzip");
    if (result == Z_OK && stream.avail_in == 0 && out.size() == have)
      return InvalidArgument("push: gzip ends early");
  }
  return out;
}

}  // namespace skald::agent
