// Tests of rules: promtool's format, with log lines as input beside series of numbers.
//
//   rule_files: [rules.yaml]
//   evaluation_interval: 1m
//   tests:
//     - interval: 1m
//       input_streams:
//         - labels: '{app="api"}'
//           lines: [{t: 30s, line: "an error", repeat: every 10s for 5m}]
//       alert_rule_test:
//         - {eval_time: 5m, alertname: Errors, exp_alerts: [{exp_labels: {app: api}}]}
//       logql_expr_test:
//         - {expr: 'count_over_time({app="api"}[1m])', eval_time: 5m, exp_samples: [{labels: '{app="api"}',
//         value: 6}]}
//
// input_series and promql_expr_test work with expressions that select series by name, operators and
// aggregations over them, and functions over their ranges: they are put into LogQL over lines that hold the
// numbers.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace skald::rules {

// Failures of a test file, one text each; none: it passed. Errors: the file cannot be read or is malformed.
absl::StatusOr<std::vector<std::string>> RunRuleTests(const std::string& path);

// A series notation such as `1+0x6 0 _x2 3`: values, where a missing one is a NaN.
absl::StatusOr<std::vector<double>> ExpandSeries(std::string_view text);

// An expression over series as LogQL over their lines: `up == 0` becomes
// `last_over_time({__name__="up"} | unwrap series_value [5m]) == 0`. Text without such selectors stays.
std::string SeriesToLogQL(std::string_view text);

}  // namespace skald::rules
