#include "agent/unit_test.h"

#include <algorithm>
#include <map>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "agent/agent_config.h"
#include "agent/config_tools.h"
#include "agent/tail/chain.h"
#include "agent/tail/entry_feed.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "proto/rows_codec.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

using Values = std::map<std::string, std::string>;
using Dropped = std::map<std::string, uint64_t>;

struct Got {
  Labels labels;
  std::string tenant;
  std::string line;
  Values metadata;
  int64_t time_ns = 0;
};

struct Wanted {
  std::string line;
  Values labels;
  Values metadata;
  std::string stream;                 // "" = any
  std::optional<std::string> tenant;  // "" = the end's own
  std::optional<int64_t> time_ns;
};

struct Outcome {
  bool taken = true;
  std::vector<Got> entries;
  Dropped dropped;
};

std::string Show(const Values& values) {
  std::string out;
  for (const auto& [name, value] : values)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", name, value);
  return "{" + out + "}";
}

std::string Show(const Got& got) {
  std::string out = fmt::format("{} {} {}", FormatRfc3339Nano(got.time_ns), got.labels.ToString(), got.line);
  if (!got.metadata.empty()) out += " metadata " + Show(got.metadata);
  if (!got.tenant.empty()) out += " tenant " + got.tenant;
  return out;
}

std::string Show(const Wanted& wanted) {
  std::string out = wanted.line;
  if (!wanted.stream.empty()) out += " stream " + wanted.stream;
  if (!wanted.labels.empty()) out += " labels " + Show(wanted.labels);
  if (!wanted.metadata.empty()) out += " metadata " + Show(wanted.metadata);
  if (wanted.tenant) out += " tenant " + *wanted.tenant;
  if (wanted.time_ns) out += " time " + FormatRfc3339Nano(*wanted.time_ns);
  return out;
}

bool Fits(const Wanted& wanted, const Got& got) {
  const auto label = [&](const auto& pair) { return got.labels.Get(pair.first) == pair.second; };
  const auto metadata = [&](const auto& pair) {
    const auto found = got.metadata.find(pair.first);
    return found == got.metadata.end() ? pair.second.empty() : found->second == pair.second;
  };
  return wanted.line == got.line && (wanted.stream.empty() || wanted.stream == got.labels.ToString()) &&
         std::all_of(wanted.labels.begin(), wanted.labels.end(), label) &&
         std::all_of(wanted.metadata.begin(), wanted.metadata.end(), metadata) &&
         (!wanted.tenant || *wanted.tenant == got.tenant) &&
         (!wanted.time_ns || *wanted.time_ns == got.time_ns);
}

Values ValuesOf(const YAML::Node& map) {
  Values values;
  for (const auto& item : map) values[item.first.Scalar()] = item.second.IsNull() ? "" : item.second.Scalar();
  return values;
}

absl::Status AddEntries(const Batch& batch, const std::string& tenant, std::vector<Got>* out) {
  Rows rows;
  for (const auto& stream : batch.request.batch().streams()) {
    RETURN_IF_ERROR(DecodeRows(stream.rows(), RowsLimits(), &rows));
    ASSIGN_OR_RETURN(const Labels labels, ParseLabels(stream.labels()));
    for (size_t i = 0; i < rows.size(); ++i) {
      Got& got = out->emplace_back();
      got.labels = labels;
      got.tenant = tenant;
      got.line = rows.line(i);
      got.time_ns = rows.time_ns[i];
      for (const MetadataColumn& column : rows.metadata) {
        if (column.index[i] != 0) got.metadata[column.name] = column.value(column.index[i] - 1);
      }
    }
  }
  for (const auto& [name, part] : batch.tenants) RETURN_IF_ERROR(AddEntries(*part, name, out));
  return absl::OkStatus();
}

// One test of a file.
class Test {
 public:
  Test(std::string place, const AgentSettings& settings, int64_t now_ns)
      : place_(std::move(place)), settings_(settings), time_ns_(now_ns) {}

  absl::Status Run(const YAML::Node& test, std::vector<std::string>* failures) {
    RETURN_IF_ERROR(Read(test));
    Outcome outcome;
    RETURN_IF_ERROR(path_.empty() ? RunJob(&outcome) : RunPath(&outcome));
    Compare(outcome, failures);
    return absl::OkStatus();
  }

 private:
  template <typename... Args>
  absl::Status Bad(fmt::format_string<Args...> text, Args&&... args) const {
    return InvalidArgument("{}: {}", place_, fmt::format(text, std::forward<Args>(args)...));
  }

  absl::Status ReadTime(const YAML::Node& node, int64_t* ns) const {
    const absl::StatusOr<int64_t> time = ParseRfc3339(node.Scalar());
    if (!time.ok()) return Bad("\"{}\" is not a time like 2026-01-01T00:00:00Z", node.Scalar());
    *ns = *time;
    return absl::OkStatus();
  }

  absl::Status ReadWanted(const YAML::Node& node) {
    Wanted& wanted = wanted_.emplace_back();
    if (!node.IsMap()) {
      wanted.line = node.Scalar();
      return absl::OkStatus();
    }
    for (const auto& item : node) {
      const std::string key = item.first.Scalar();
      if (key == "line") {
        wanted.line = item.second.Scalar();
      } else if (key == "labels") {
        wanted.labels = ValuesOf(item.second);
      } else if (key == "metadata") {
        wanted.metadata = ValuesOf(item.second);
      } else if (key == "stream") {
        ASSIGN_OR_RETURN(const Labels labels, ParseLabels(item.second.Scalar()));
        wanted.stream = labels.ToString();
      } else if (key == "tenant") {
        wanted.tenant = item.second.Scalar();
      } else if (key == "time") {
        wanted.time_ns.emplace();
        RETURN_IF_ERROR(ReadTime(item.second, &*wanted.time_ns));
      } else {
        return Bad("{} is not known in expect", key);
      }
    }
    return absl::OkStatus();
  }

  void ReadInput(const YAML::Node& node) {
    if (node.IsSequence()) {
      for (const YAML::Node& line : node) lines_.push_back(line.Scalar());
      return;
    }
    const std::string text = node.Scalar();
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      lines_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  absl::Status Read(const YAML::Node& test) {
    if (!test.IsMap()) return Bad("a test is not a map");
    for (const auto& item : test) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (key == "name") continue;
      if (key == "path") {
        path_ = value.Scalar();
      } else if (key == "job") {
        job_ = value.Scalar();
      } else if (key == "discovered") {
        for (const auto& [name, text] : ValuesOf(value)) discovered_.Set(name, text);
      } else if (key == "labels") {
        for (const auto& [name, text] : ValuesOf(value)) labels_.Set(name, text);
      } else if (key == "time") {
        RETURN_IF_ERROR(ReadTime(value, &time_ns_));
      } else if (key == "input") {
        ReadInput(value);
      } else if (key == "expect") {
        for (const YAML::Node& one : value) RETURN_IF_ERROR(ReadWanted(one));
      } else if (key == "dropped") {
        for (const auto& [reason, lines] : ValuesOf(value)) dropped_[reason] = std::stoull(lines);
      } else if (key == "taken") {
        taken_ = value.as<bool>();
      } else {
        return Bad("{} is not known in a test", key);
      }
    }
    if (path_.empty() == job_.empty()) return Bad("a test needs either path or job");
    if (!labels_.empty() && job_.empty())
      return Bad("labels are for a test of a job; a log's are those of its target");
    return absl::OkStatus();
  }

  static void AddDropped(const EntryFeed::Dropped& counted, Outcome* out) {
    for (const auto& [reason, dropped] : counted) out->dropped[reason] += dropped.lines;
  }

  // As the tailer has it: the first target that has a pattern for the log and does not drop it.
  absl::Status RunPath(Outcome* out) {
    std::vector<std::string> problems;
    out->taken = false;
    for (Target& target : AllTargets(settings_.agent, &problems)) {
      const auto matches = [&](const GlobPattern& glob) { return glob.Matches(path_); };
      if (std::none_of(target.include.begin(), target.include.end(), matches) ||
          std::any_of(target.exclude.begin(), target.exclude.end(), matches))
        continue;
      target.metadata =
          discovered_.empty() ? nullptr : TellOf(target, path_, settings_.agent.node_name, discovered_);
      LogLabels labels = DescribeLog(target, path_, settings_.agent.node_name);
      if (labels.kind == LogLabels::Kind::kUnwanted) continue;
      out->taken = true;
      LineRules rules(settings_.agent.tail.rules);
      BatchBuilder batch(nullptr);
      ParseCounters counters;
      const LevelDetector levels;
      std::shared_ptr<const Pipeline> pipeline = labels.pipeline;
      Chain chain(path_, std::move(labels), target.format, std::move(pipeline),
                  settings_.agent.tail.max_line_size, levels, &rules);
      TailedFile file;
      file.file_id = 1;
      file.chain = &chain;
      RawLine raw;
      for (const std::string& line : lines_) {
        chain.DetectFormatFrom(line);
        raw.text = line;
        raw.begin = raw.end;
        raw.end += line.size() + 1;
        chain.Consume(file, raw, time_ns_, &batch, &counters);
      }
      if (chain.HasPending()) chain.FlushPending(&batch);
      AddDropped(counters.dropped, out);
      return AddEntries(*batch.Seal(), "", &out->entries);
    }
    return absl::OkStatus();
  }

  absl::Status RunJob(Outcome* out) {
    std::shared_ptr<const Pipeline> pipeline;
    const auto cache = settings_.pipelines.find(settings_.agent.end);
    if (cache != settings_.pipelines.end()) {
      for (const auto& [key, one] : cache->second) {
        if (key.substr(0, key.find('\n')) == job_) pipeline = one;
      }
    }
    if (pipeline == nullptr) return Bad("no scrape config has the name {} and stages", job_);
    LineRules rules(settings_.agent.tail.rules);
    BatchBuilder batch(nullptr);
    EntryFeed feed(pipeline, &rules);
    int64_t time_ns = time_ns_;
    for (const std::string& line : lines_) {
      BatchRow row;
      row.time_ns = time_ns++;
      row.text = line;
      feed.Add(labels_, row, true, &batch);
    }
    feed.FlushHeld(&batch);
    EntryFeed::Dropped dropped;
    feed.AddDropped(&dropped);
    AddDropped(dropped, out);
    return AddEntries(*batch.Seal(), "", &out->entries);
  }

  void Compare(const Outcome& outcome, std::vector<std::string>* failures) const {
    if (outcome.taken != taken_) {
      failures->push_back(
          fmt::format("{}: {} {}", place_, taken_ ? "no target takes" : "a target takes", path_));
      return;
    }
    std::vector<bool> used(outcome.entries.size());
    std::string missing;
    for (const Wanted& wanted : wanted_) {
      size_t i = 0;
      while (i < used.size() && (used[i] || !Fits(wanted, outcome.entries[i]))) ++i;
      if (i < used.size()) {
        used[i] = true;
      } else {
        missing += "\n    exp: " + Show(wanted);
      }
    }
    std::string more;
    for (size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) more += "\n    got: " + Show(outcome.entries[i]);
    }
    if (!missing.empty() || !more.empty()) failures->push_back(fmt::format("{}:{}{}", place_, missing, more));
    for (const auto& [reason, lines] : dropped_) {
      const auto found = outcome.dropped.find(reason);
      const uint64_t got = found == outcome.dropped.end() ? 0 : found->second;
      if (got != lines)
        failures->push_back(fmt::format("{}: {} lines dropped for {}, not {}", place_, got, reason, lines));
    }
  }

  const std::string place_;
  const AgentSettings& settings_;
  std::string path_;
  std::string job_;
  Labels discovered_;
  Labels labels_;
  int64_t time_ns_;
  std::vector<std::string> lines_;
  std::vector<Wanted> wanted_;
  Dropped dropped_;
  bool taken_ = true;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> RunConfigTests(const std::string& path,
                                                        const std::vector<std::string>& options) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  std::vector<std::string> failures;
  try {
    const YAML::Node file = YAML::Load(text);
    std::string config = path;
    if (file["config"].IsDefined()) {
      config = file["config"].Scalar();
      const size_t slash = path.rfind('/');
      if (!config.starts_with('/') && slash != std::string::npos) config = path.substr(0, slash + 1) + config;
    }
    const YAML::Node tests = file["tests"];
    if (!tests.IsDefined() || !tests.IsSequence() || tests.size() == 0)
      return InvalidArgument("{}: there are no tests", path);
    for (const YAML::Node& test : tests) {
      std::vector<std::string> texts = {"skald-agent", "--config=" + config};
      texts.insert(texts.end(), options.begin(), options.end());
      std::vector<const char*> arguments;
      for (const std::string& one : texts) arguments.push_back(one.c_str());
      ASSIGN_OR_RETURN(const AgentSettings settings,
                       LoadAgentSettings(static_cast<int>(arguments.size()), arguments.data()));
      std::string place = fmt::format("{}:{}", path, test.Mark().line + 1);
      if (test.IsMap() && test["name"].IsDefined()) place += ": " + test["name"].Scalar();
      RETURN_IF_ERROR(Test(std::move(place), settings, Clock::System().NowNs()).Run(test, &failures));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}:{}:{}: {}", path, e.mark.line + 1, e.mark.column + 1, e.msg);
  } catch (const std::exception& e) {
    return InvalidArgument("{}: {}", path, e.what());
  }
  return failures;
}

}  // namespace skald::agent
