// Promtail's scrape_configs: what of them says which files to tail and how.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/discoveries.h"
#include "agent/discovery/target.h"
#include "agent/receivers/journal_source.h"
#include "agent/receivers/receivers.h"
#include "agent/receivers/spool_source.h"
#include "agent/tail/file_targets.h"

namespace YAML {
class Node;
}

namespace skald::agent {

// Pipelines by job and stages: what a reload finds here goes on with what it holds.
using PipelineCache = std::map<std::string, std::shared_ptr<const Pipeline>>;

struct ScrapeContext {
  std::string place;  // "agent.yaml": stands in front of warnings and errors
  std::string node_name;
  StageContext stages;                 // what the stages are made with
  Discoveries* discoveries = nullptr;  // nullptr = nobody is asked, paths must do
  std::string pods_directory = std::string(kPodsDirectory);
  std::string docker_directory = std::string(kDockerDirectory);
  std::string nomad_directory = std::string(kNomadDirectory);
  std::string docker_socket;  // where a config names none
  HttpTarget nomad;           // likewise; without a URL nobody is asked
  bool asks_kubernetes = true;
  HttpTarget kubelet;  // asked while the API server is away, with its credentials; without a URL it is not
  std::string pods_cache;                        // begin of the name of KubernetesOptions::cache_file
  Pipeline::Observer observer;                   // of all pipelines
  const std::atomic<bool>* observing = nullptr;  // whether it wants to see anything; nullptr = always
  const PipelineCache* pipelines = nullptr;      // of the configuration before this one
};

struct ScrapeConfigs {
  std::vector<Target> targets;
  std::vector<FileTargetsOptions> file_targets;
  bool wants_journal = false;
  std::string journal_job;
  JournalSourceOptions journal;      // what a journal section says
  std::string journal_definition;    // its job as text
  std::string receivers_definition;  // of all jobs that receive
  ReceiverConfigs receivers;
  SpoolPipelines spool_pipelines;                  // the stages of what receivers take
  std::shared_ptr<const Pipeline> first_pipeline;  // of the first scrape config; nullptr = it has no stages
  PipelineCache pipelines;                         // all of them
  std::vector<std::string> warnings;
};

// static_configs, file_sd_configs, kubernetes_sd_configs, docker_sd_configs, nomad_sd_configs, journal and
// what receives; pipeline_stages, of which cri and docker are the choice of a format; relabel_configs.
// Everything else is named in a warning that says what to do. Does not throw.
absl::Status ReadScrapeConfigs(const YAML::Node& list, const ScrapeContext& context, ScrapeConfigs* out);

}  // namespace skald::agent
