// Promtail's file_sd_configs: targets out of JSON and YAML files, which may change at any time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/target.h"
#include "base/relabel.h"
#include "base/types.h"

namespace skald::agent {

struct FileTargetsOptions {
  std::string job;
  std::vector<std::string> files;  // patterns, absolute
  int64_t refresh_ns = 300 * kNsPerSecond;
  std::shared_ptr<const Relabelling> relabelling;
  std::shared_ptr<const Pipeline> pipeline;
  LogFormat format = LogFormat::kAuto;
  std::shared_ptr<const TextEncoding> encoding;
  std::string node_name;
};

// Not thread-safe.
class FileTargets {
 public:
  explicit FileTargets(FileTargetsOptions options) : options_(std::move(options)) {}

  // Looks at the files (by time, size and inode), and reads those that changed. True if the targets did. A
  // file that cannot be understood keeps the targets it gave before, with a warning. now_ns: monotonic.
  bool Poll(int64_t now_ns);
  const std::vector<Target>& targets() const { return targets_; }
  // Of the last Poll, for checks.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct File {
    std::string signature;
    std::string text;
    std::vector<Target> targets;
  };
  std::vector<std::string> Names() const;
  absl::Status Read(const std::string& path, const std::string& text, std::vector<Target>* targets);

  const FileTargetsOptions options_;
  std::map<std::string, File> files_;
  std::vector<Target> targets_;
  std::vector<std::string> problems_;
  int64_t refresh_at_ns_ = 0;
};

}  // namespace skald::agent
