// Tests of a configuration: lines in, entries out.
//
//   config: agent.yaml          # beside this file; without it, the tests stand in the configuration itself
//   tests:
//     - name: errors of pods
//       path: /var/log/pods/shop_web_1/main/0.log     # the log: its target is found as the agent would
//       discovered: {__meta_kubernetes_pod_label_app: web}   # what a discovery tells beside the path
//       input: |
//         2026-01-01T00:00:00Z stdout F level=error no
//       expect:
//         - {line: level=error no, labels: {app: web, level: error}, time: 2026-01-01T00:00:00Z}
//       dropped: {drop_stage: 0}
//     - job: syslog             # in place of path: only the stages of that scrape config
//       labels: {host: a}       # that the entries come with
//       time: 2026-01-01T00:00:00Z   # of lines without one
//       input: [one, two]
//       expect: [one, two]
//
// An expected entry is its line, or a map: `line`; `labels` and `metadata`, which are among the entry's ("" =
// there is none of that name); `stream`, all labels as text; `time`; `tenant`. Order does not count.
// `dropped` are lines by reason. `taken: false`: no target wants the log.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace skald::agent {

// Failures of a file of tests, one text each; none: it passed. options: further ones of the command line, as
// --inspect. Each test has a configuration that is read anew. Errors: a file cannot be read or is malformed.
absl::StatusOr<std::vector<std::string>> RunConfigTests(const std::string& path,
                                                        const std::vector<std::string>& options);

}  // namespace skald::agent
