#include "query/exec/testing/random_data.h"

#include <fmt/format.h>

#include <algorithm>

namespace skald::oracle {
namespace {

constexpr const char* kWords[] = {"error",    "warn",    "info",    "GET",    "POST", "ok",
                                  "timeout",  "a",       "b",       "foobar", "foo",  "bar",
                                  "baz",      "prewarn", "warning", "x y",    "café", "Ünicode",
                                  "10.1.2.3", "fe80::1", "κόσμε",   "200",    "404",  "500"};
// Halves and eighths, so that sums are exact in any order.
constexpr const char* kNumbers[] = {"0",    "1",   "2",    "3",     "5",   "7.5", "-2.25",
                                    "10",   "100", "1000", "0.125", "1e3", "010", "0x1p2",
                                    "4096", "12",  "99",   "250.5", "-1",  "64",  "17"};
constexpr const char* kDurations[] = {"1s", "250ms", "1m30s", "5s", "1h",  "1d",
                                      "0",  "1.5s",  "-3s",   "10", "abc", "2m"};
constexpr const char* kSizes[] = {"1KB", "2.5KiB", "512", "3MB", "1 kb", "10B", "2qb", "1GB", "64KiB", "0"};
constexpr const char* kOddValues[] = {"",      "NaN",   "+Inf", "-Inf", "1_000", "\xff\xfe", "\xef\xbf\xbd",
                                      "x\xc3", "a,b",   "{",    "\t",   "null",  "true",     "[1]",
                                      "é",     "1e400", ".5",   "0b1"};
constexpr const char* kKeys[] = {"a",   "b",   "n",      "d",    "s",     "level", "app",
                                 "msg", "env", "status", "path", "trace", "ip"};
constexpr const char* kOddKeys[] = {"k-v",
                                    "1k",
                                    "foo.bar",
                                    "",
                                    " ",
                                    "é",
                                    "a b",
                                    "__error__",
                                    "app_extracted",
                                    "_entry",
                                    "a_b",
                                    "trace_extracted",
                                    "detected_level",
                                    "__error_details__"};

std::string Value(Random* random) {
  switch (random->Below(8)) {
    case 0:
    case 1:
    case 2:
      return random->Of(kWords);
    case 3:
    case 4:
      return random->Of(kNumbers);
    case 5:
      return random->Of(kDurations);
    case 6:
      return random->Of(kSizes);
    default:
      return random->OneIn(2) ? random->Of(kOddValues) : random->Of(kWords);
  }
}

// The value that a key usually has, so that numbers meet numbers.
std::string ValueFor(const std::string& key, Random* random) {
  if (random->OneIn(12)) return Value(random);
  if (key == "n" || key == "status" || key == "k-v") return random->Of(kNumbers);
  if (key == "d") return random->Of(kDurations);
  if (key == "s") return random->Of(kSizes);
  if (key == "ip") return random->OneIn(3) ? "192.168.4.5" : random->OneIn(2) ? "10.0.0.7" : "2001:db8::1";
  return Value(random);
}

std::string Key(Random* random) { return random->OneIn(8) ? random->Of(kOddKeys) : random->Of(kKeys); }

std::string JsonString(const std::string& text, Random* random) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  if (random->OneIn(20)) {
    static constexpr const char* kEscapes[] = {"\\n",     "\\u00e9", "\\ud83d\\ude00", "\\/", "\\u0000",
                                               "\\u2028", "\\b"};
    out += random->Of(kEscapes);
  }
  return out + "\"";
}

std::string JsonObject(int depth, Random* random);

std::string JsonValue(const std::string& key, int depth, Random* random) {
  switch (random->Below(12)) {
    case 0:
      return "null";
    case 1:
      return random->OneIn(2) ? "true" : "false";
    case 2:
      if (depth < 3) return JsonObject(depth + 1, random);
      return "{}";
    case 3: {
      std::string out = "[";
      for (size_t i = random->Below(4); i > 0; --i) {
        out += JsonValue(key, depth + 1, random);
        if (i > 1) out += random->OneIn(3) ? " , " : ",";
      }
      return out + "]";
    }
    case 4:
    case 5:
    case 6: {
      static constexpr const char* kJsonNumbers[] = {"0",    "1",   "2",   "-3",  "10", "1.50",
                                                     "2.25", "1e3", "200", "404", "1E2"};
      return random->Of(kJsonNumbers);
    }
    default:
      return JsonString(ValueFor(key, random), random);
  }
}

std::string JsonObject(int depth, Random* random) {
  const char* space = random->OneIn(6) ? " " : "";
  std::string out = fmt::format("{{{}", space);
  for (size_t i = random->Below(6); i > 0; --i) {
    const std::string key = Key(random);
    out += JsonString(key, random) + space + ":" + space + JsonValue(key, depth, random);
    if (i > 1) out += std::string(space) + ",";
  }
  return out + space + "}";
}

// Damaged in one place.
std::string Broken(std::string text, Random* random) {
  if (text.empty()) return text;
  const size_t at = random->Below(text.size());
  switch (random->Below(4)) {
    case 0:
      return text.substr(0, at);
    case 1:
      return text.erase(at, 1);
    case 2: {
      static constexpr char kBytes[] = {'"', '\\', '{', '}',    '[',  ']',  ',',
                                        ':', '=',  ' ', '\xff', '\0', '\n', 'x'};
      text[at] = random->Of(kBytes);
      return text;
    }
    default:
      return text + (random->OneIn(2) ? "," : "}");
  }
}

std::string Logfmt(Random* random) {
  std::string out;
  for (size_t i = 1 + random->Below(6); i > 0; --i) {
    const std::string key = Key(random);
    const std::string value = ValueFor(key, random);
    out += key;
    switch (random->Below(8)) {
      case 0:
        break;
      case 1:
        out += "=";
        break;
      case 2:
      case 3: {
        out += "=\"";
        for (const char c : value) {
          if (c == '"' || c == '\\') out += '\\';
          out += c;
        }
        static constexpr const char* kEnds[] = {"", "", "", "", " x", "\\n", "\\u00e9", "\\q", "="};
        out += random->Of(kEnds);
        if (!random->OneIn(30)) out += '"';
        break;
      }
      default:
        out += "=" + value;
    }
    if (i > 1) out += random->OneIn(20) ? "\t" : " ";
  }
  return out;
}

std::string AccessLine(Random* random) {
  static constexpr const char* kPaths[] = {"/", "/status", "/api/v1/x?y=1", "/a b"};
  return fmt::format("{} - {} [{}] \"{} {} HTTP/1.1\" {} {}", ValueFor("ip", random), random->Of(kWords),
                     random->Of(kDurations), random->OneIn(2) ? "GET" : "POST", random->Of(kPaths),
                     random->OneIn(3) ? "404" : "200", random->Of(kNumbers));
}

std::string Words(Random* random) {
  std::string out;
  for (size_t i = random->Below(6); i > 0; --i) {
    out += random->OneIn(10) ? random->Of(kOddValues) : random->Of(kWords);
    if (i > 1) out += ' ';
  }
  if (random->OneIn(8)) out = "\x1b[31m" + out + "\x1b[0m";
  return out;
}

std::string Line(bool sound_json, Random* random) {
  switch (random->Below(8)) {
    case 0:
    case 1: {
      const std::string text = JsonObject(0, random);
      return !sound_json && random->OneIn(5) ? Broken(text, random) : text;
    }
    case 2:
    case 3:
    case 4: {
      const std::string text = Logfmt(random);
      return random->OneIn(10) ? Broken(text, random) : text;
    }
    case 5:
      return AccessLine(random);
    case 6: {
      const std::string entry = JsonString(Words(random), random);
      return fmt::format("{{\"pod\":\"{}\",\"_entry\":{},\"n\":1,\"app\":\"{}\"}}",
                         random->OneIn(2) ? "p1" : "p2", entry, random->OneIn(2) ? "a" : "z");
    }
    default:
      return Words(random);
  }
}

}  // namespace

Dataset MakeDataset(Random* random) {
  Dataset data;
  data.sound_json = random->OneIn(2);
  static constexpr const char* kApps[] = {"a", "b", "web", "foobar"};
  static constexpr const char* kEnvs[] = {"prod", "dev", "x y"};
  std::vector<StringMap> streams;
  for (size_t i = 1 + random->Below(5); i > 0; --i) {
    StringMap labels = {{"app", random->Of(kApps)}};
    if (!random->OneIn(3)) labels["env"] = random->Of(kEnvs);
    if (random->OneIn(3)) labels["level"] = random->Of(kWords);
    if (random->OneIn(4)) labels["n"] = random->Of(kNumbers);
    if (std::find(streams.begin(), streams.end(), labels) == streams.end()) streams.push_back(labels);
  }
  const bool ties = random->OneIn(2);
  const bool metadata = random->OneIn(2);
  const size_t count = random->Below(40) + (random->OneIn(4) ? 60 : 3);
  std::vector<int64_t> times;
  for (size_t i = 0; i < count; ++i) {
    int64_t time = static_cast<int64_t>(random->Below(120)) * 1'000'000'000;
    if (!ties) time += static_cast<int64_t>(i) * 1'000 + 1;
    if (ties && random->OneIn(3)) time += static_cast<int64_t>(random->Below(1000)) * 1'000'000;
    times.push_back(kBeginNs + time);
  }
  if (!random->OneIn(3)) std::sort(times.begin(), times.end());
  for (size_t i = 0; i < count; ++i) {
    if (ties && random->OneIn(15) && !data.entries.empty()) {
      data.entries.push_back(random->Of(data.entries));  // a sender repeats itself
      continue;
    }
    StoredEntry entry;
    entry.stream = random->Of(streams);
    entry.time_ns = times[i];
    entry.line = Line(data.sound_json, random);
    if (data.sound_json &&
        (entry.line.starts_with('{') || entry.line.starts_with('[') || entry.line.starts_with('"')) &&
        !entry.line.ends_with('}')) {
      entry.line = "x" + entry.line;
    }
    if (metadata && random->OneIn(2)) {
      static constexpr const char* kNames[] = {"trace", "detected_level", "app", "a", "n", "k_v",
                                               "pod",   "__error__"};
      for (size_t m = 1 + random->Below(3); m > 0; --m) {
        const std::string name = random->Of(kNames);
        std::string value = ValueFor(name, random);
        if (!value.empty()) entry.metadata[name] = value;
      }
    }
    data.entries.push_back(std::move(entry));
  }
  return data;
}

}  // namespace skald::oracle
