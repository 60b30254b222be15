// Runs a pipeline on lines, for tests of stages: what comes out as texts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "agent/stages/pipeline.h"
#include "base/types.h"
#include "text/rfc3339.h"

namespace skald::agent {

inline constexpr int64_t kTestReadNs = 1'700'000'000 * kNsPerSecond;

inline absl::StatusOr<std::unique_ptr<Pipeline>> MakePipeline(const std::string& yaml,
                                                              StageContext context = {}) {
  auto pipeline = std::make_unique<Pipeline>(std::move(context));
  for (const YAML::Node& stage : YAML::Load(yaml)) {
    const absl::Status added = pipeline->Add(stage.begin()->first.Scalar(), stage.begin()->second);
    if (!added.ok()) return added;
  }
  return pipeline;
}

// Keeps each entry as {labels}|line|name=value metadata, and "dropped: reason".
class ShownEntries : public EntrySink {
 public:
  void Emit(Entry* entry) override {
    std::string text = entry->time_ns == kTestReadNs ? "" : FormatRfc3339Nano(entry->time_ns) + "|";
    entry->labels.Remove("job");
    text += entry->labels.ToString() + "|" + entry->line;
    for (const auto& [name, value] : entry->metadata) text += "|" + name + "=" + value;
    shown.push_back(std::move(text));
  }
  void Drop(const Entry& entry) override { shown.push_back("dropped: " + std::string(entry.drop_reason)); }

  std::vector<std::string> shown;
};

// The lines of one log, read at kTestReadNs with the labels job="x" and stream="stdout". What is held at the
// end is flushed.
inline std::vector<std::string> RunLines(const Pipeline& pipeline, const std::vector<std::string>& lines) {
  HeldEntries held;
  ShownEntries out;
  uint64_t ordinal = 0;
  for (const std::string& line : lines) {
    Entry entry;
    entry.labels = Labels{{"job", "x"}, {"stream", "stdout"}};
    entry.time_ns = kTestReadNs;
    entry.line = line;
    entry.origin.ordinal = ++ordinal;
    pipeline.Run(&entry, &held, &out);
  }
  held.MarkAll();
  pipeline.Flush(&held, &out);
  return out.shown;
}

}  // namespace skald::agent
