// What --help prints below the flags: an example or two of each verb.
#pragma once

namespace skald::cli {

inline constexpr char kExamples[] = R"help(Examples:
  skaldctl labels                                        which labels there are
  skaldctl labels app                                    and the values of one
  skaldctl series '{app="api"}'                          the streams a selector means
  skaldctl query '{app="api"} |= "timeout"'              the newest 30 lines of the last hour with that word
  skaldctl query --since 24h --limit 0 --forward -o raw '{app="api"} | json | status >= 500'
  skaldctl query --since 6h 'sum by (app) (rate({cluster="c1"} |= "error" [5m]))'
  skaldctl instant-query 'topk(5, sum by (app) (count_over_time({app=~".+"}[1h])))'
  skaldctl tail '{app="api"}'                            follow new lines
  skaldctl patterns '{app="api"}'                        what kinds of lines there are
  skaldctl explain --analyze 'rate({app="api"} [5m])'    how a query is run and what it costs
  source <(skaldctl completion bash)                     completion with the tab key; also zsh, fish

The server: --addr, else SKALD_ADDR, else LOKI_ADDR, else http://localhost:3100. All of logcli's variables count
(LOKI_ORG_ID, LOKI_USERNAME, LOKI_PASSWORD, LOKI_BEARER_TOKEN, LOKI_CA_CERT_PATH, ...), each also with SKALD_ in front.
Times: --since 30m, or --from and --to with 2026-11-01T12:00:00Z, 2026-11-01, a Unix time, now, or a span back such as 2h.)help";

inline constexpr char kQueryHelp[] = R"help(Examples:
  skaldctl query '{app="api"}'                           the newest 30 lines of the last hour
  skaldctl query --since 24h --limit 0 -o jsonl '{app="api"} |= "timeout"' > lines.jsonl
  skaldctl query -o table '{app="api"} | json | status >= 500'
  skaldctl query --stdin -o raw '| json | status >= 500 | line_format "{{.msg}}"' < api.log
  skaldctl query --step 1m -o table 'sum by (app) (rate({app=~".+"} |= "error" [5m]))'
  skaldctl query --from 2026-11-01 --to 2026-11-02 --parallel-max-workers 4 --parallel-duration 15m \
    --part-path-prefix /tmp/day --merge-parts -o raw '{app="api"}' > day.log

Selectors    {app="api", env!="dev", pod=~"web-.*"}
Line filters |= "text"   != "text"   |~ "regex"   !~ "regex"
Parsers      | json   | logfmt   | pattern "<ip> - <_>"   | regexp "(?P<x>..)"
Then         | status >= 500 and duration > 100ms      | line_format "{{.msg}}"
Metrics      sum by (app) (rate({...} |= "error" [5m]))   quantile_over_time(0.99, {...} | json | unwrap ms [5m]) by (app)

A log query prints lines, newest first, the oldest first with --forward; --limit 0 prints all of them.
A metric query prints its result as JSON, or as a table.

An export in parts (--parallel-max-workers above 1, or --part-path-prefix) takes all lines whatever --limit says, in
order. With a prefix each part is a file, PREFIX_BEGIN_END.part; a run that broke off, by Ctrl-C, kill or a lost server,
goes on with the same command: parts that are there are not asked for again.)help";

inline constexpr char kInstantQueryHelp[] = R"help(Examples:
  skaldctl instant-query 'sum by (app) (count_over_time({app=~".+"}[1h]))'
  skaldctl instant-query --now 2026-11-01T12:00:00Z -o table 'topk(5, sum by (app) (bytes_over_time({app=~".+"}[1h])))')help";

inline constexpr char kExplainHelp[] = R"help(Examples:
  skaldctl explain '{app="api"} |= "timeout"'
  skaldctl explain --analyze --since 24h 'sum(rate({app="api"} [5m]))'

-o jsonl prints the same as JSON.)help";

inline constexpr char kTailHelp[] = R"help(Examples:
  skaldctl tail '{app="api"}'
  skaldctl tail -o raw --since 10m '{app="api"} |= "error"' | grep -v healthz

A lost connection is made anew, without a line missing or coming twice.)help";

inline constexpr char kLabelsHelp[] = R"help(Examples:
  skaldctl labels
  skaldctl labels --since 7d app)help";

inline constexpr char kSeriesHelp[] = R"help(Examples:
  skaldctl series '{app="api"}'
  skaldctl series --since 24h --analyze-labels '{}'      how many values each label has, and in how many streams)help";

inline constexpr char kStatsHelp[] = R"help(Examples:
  skaldctl stats --since 24h '{app="api"}')help";

inline constexpr char kVolumeHelp[] = R"help(Examples:
  skaldctl volume --since 24h -o table '{app=~".+"}'
  skaldctl volume --targetLabels namespace,app '{app=~".+"}'
  skaldctl volume_range --since 24h --step 1h '{app="api"}')help";

inline constexpr char kDetectedFieldsHelp[] = R"help(Examples:
  skaldctl detected-fields '{app="api"}'
  skaldctl detected-fields '{app="api"}' status          the values of one field)help";

inline constexpr char kPatternsHelp[] = R"help(Examples:
  skaldctl patterns '{app="api"}'
  skaldctl patterns --since 24h -o jsonl '{app="api"}'   with a count for each step)help";

inline constexpr char kFormatHelp[] = R"help(Examples:
  skaldctl fmt '{app="api"}|json|status>=500'
  skaldctl fmt - < query.logql)help";

inline constexpr char kRulesHelp[] = R"help(Examples:
  skaldctl rules check rules.yaml                        every problem, with file, line and what to write instead
  skaldctl rules test rules.test.yaml                    promtool's unit tests, with log lines as input
  skaldctl rules list                                    what runs on the server, and what fires
  skaldctl rules show api.yaml                           the definitions of a namespace, as YAML)help";

inline constexpr char kDeleteHelp[] = R"help(Examples:
  skaldctl delete create --from 2026-11-01T12:00:00Z --to 2026-11-01T13:00:00Z '{app="api"} |= "password"'
  skaldctl delete list
  skaldctl delete cancel 1a2b3c4d)help";

inline constexpr char kFsckHelp[] = R"help(Examples:
  skaldctl fsck /var/lib/skald
  skaldctl fsck --repair /var/lib/skald

Runs `skald fsck`, on the server's machine, while the server is stopped. Exit code 0: nothing is wrong, or all is
repaired; 1: something is wrong; 2: it could not be looked at.)help";

inline constexpr char kMigrateHelp[] = R"help(Examples:
  skaldctl migrate agent-config /etc/promtail/config.yml > agent.yaml
  skaldctl migrate agent-config /etc/alloy/config.alloy > agent.yaml
  skaldctl migrate agent-config /etc/fluent-bit/fluent-bit.conf > agent.yaml
  skald-agent --config agent.yaml --dry-run | head

Prints skald-agent's YAML. Each thing that it cannot carry over is a comment in it, with the line of the old file and
what to do.)help";

inline constexpr char kCompletionHelp[] = R"help(Examples:
  source <(skaldctl completion bash)                                     this shell; or in ~/.bashrc
  skaldctl completion zsh > "${fpath[1]}/_skaldctl"                      zsh
  skaldctl completion fish > ~/.config/fish/completions/skaldctl.fish    fish)help";

}  // namespace skald::cli
