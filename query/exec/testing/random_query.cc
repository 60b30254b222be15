// Random questions, as text: what people write, with every stage, operator and function of the language in
// it.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "query/exec/testing/random_data.h"

namespace skald::oracle {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

constexpr const char* kLabels[] = {"a",
                                   "b",
                                   "n",
                                   "d",
                                   "s",
                                   "level",
                                   "app",
                                   "msg",
                                   "env",
                                   "status",
                                   "path",
                                   "trace",
                                   "ip",
                                   "a_b",
                                   "app_extracted",
                                   "k_v",
                                   "_1k",
                                   "foo_bar",
                                   "pod",
                                   "x",
                                   "y",
                                   "__error__",
                                   "detected_level",
                                   "a_extracted",
                                   "n_extracted",
                                   "missing",
                                   "trace_extracted",
                                   "__error_details__"};
constexpr const char* kValues[] = {"",    "a",        "b",       "error", "warn",          "foobar",
                                   "foo", "1",        "2",       "7.5",   "200",           "prod",
                                   "x y", "10.1.2.3", "prewarn", "é",     "JSONParserErr", "LogfmtParserErr",
                                   "p1",  "404"};
constexpr const char* kRegexes[] = {"",         ".*",           ".+",          "foo",
                                    "foo|bar",  "warn|warning", "err.*",       ".*err",
                                    "(?i)ERR",  "^foo",         "o$",          "[0-9]+",
                                    "a.c",      "foo|",         "40[04]",      "fo+",
                                    "a.*b",     "prod|preprod", "(?i)foo|bar", "\\d+\\.\\d+",
                                    "x.y",      "(foo|bar)baz", "bar|baz",     "\\bfoo\\b",
                                    "é",        "[^a]",         "(?s).+",      "GET|POST",
                                    "f(oo|ar)", "\\w+=\\w+",    "foo.*bar",    "(?i)café"};
constexpr const char* kLineTexts[] = {"",  "error", "foo", "\"a\"", "=",  "a=",  "GET",  "200", "x y",
                                      "{", "é",     "1",   " ",     "n=", "10.", "warn", "Foo", "\xff"};
constexpr const char* kLinePatterns[] = {"",        "<_>",   "<_>foo<_>", "foo <_>",   "<_> bar", "<_>=<_>",
                                         "GET <_>", "a<_>b", "{<_>}",     "<_> - <_>", "foo",     "<_>\"<_>"};
constexpr const char* kIps[] = {"10.1.2.3",      "10.0.0.0/8", "192.168.4.5-192.168.4.20",
                                "2001:db8::/32", "fe80::1",    "192.168.0.0/16"};
constexpr const char* kPatterns[] = {"<ip> - <a> <_>",
                                     "<path>?<_>",
                                     "<a>=<b>",
                                     "<a> <b>",
                                     "GET <path> <_>",
                                     "<_>\"<msg>\"<_>",
                                     "<ip> - <_> [<d>] \"<a> <path> <_>\" <status> <n>",
                                     "{<a>}",
                                     "<level> <_>",
                                     "n=<n> <_>"};
constexpr const char* kRegexps[] = {"(?P<a>\\w+)=(?P<b>\\w+)",
                                    "(?P<ip>\\d+\\.\\d+\\.\\d+\\.\\d+)",
                                    "(?P<n>\\d+)$",
                                    "(?P<a>x)?(?P<b>y)",
                                    "^(?P<level>\\S+) (?P<msg>.*)$",
                                    "(?<a>.)(b)(?P<x>[^ ]*)",
                                    "n=(?P<n>[-.0-9]+)",
                                    "\"(?P<path>/[^ ]*)",
                                    "(?P<app>foo|bar)"};
constexpr const char* kJsonPaths[] = {"a",    "b",   "a.b",   "n",         "msg", "[\"k-v\"]",
                                      "a[0]", "app", "level", "a.n",       "b.a", "[0]",
                                      "a[1]", "pod", "a.b.n", "level.a[0]"};
constexpr const char* kLogfmtKeys[] = {"a",   "b",           "n",  "foo_bar", "level",
                                       "app", "\\\"k_v\\\"", "ip", "msg",     "d"};
constexpr const char* kTemplates[] = {"{{.a}}",
                                      "{{.a}} {{.b}}",
                                      "const",
                                      "",
                                      "{{.n | trunc 2}}",
                                      "{{.msg | ToUpper}}x{{.missing}}",
                                      "{{if .a}}{{.a}}{{else}}none{{end}}",
                                      "{{__line__}}",
                                      "{{.n}}{{.app}}",
                                      "{{ .level | lower | replace \"r\" \"R\" }}",
                                      "a={{.a}} n=7 b=\"{{.b}}\"",
                                      "{{div 4 .n}}",
                                      "{{index . \"a\"}}",
                                      "{{.__error__}}",
                                      "{{add .n 1}}",
                                      "{{__timestamp__ | unixEpoch}}",
                                      "{{.a | default \"none\"}} {{len .b}}",
                                      "{{range $k,$v := .}}{{$k}}={{$v}};{{end}}",
                                      "{{.s | bytes}}",
                                      "{{.d | duration}}",
                                      "{{ regexReplaceAll \"(o+)\" .a \"<$1>\" }}",
                                      "{{$.a}}"};
constexpr const char* kNumbers[] = {"0", "1", "2", "5", "7.5", "100", "0.125", "1e3", "12"};
constexpr const char* kDurations[] = {"1s", "250ms", "1m", "1h", "1d", "1.5s", "0s"};
constexpr const char* kSizes[] = {"1KB", "1KiB", "512B", "2.5KiB", "3MB", "10B"};
constexpr const char* kCompares[] = {"=", "==", "!=", ">", ">=", "<", "<="};
constexpr const char* kRanges[] = {"1s", "5s", "10s", "30s", "1m", "2m", "7s", "17s"};

class Writer {
 public:
  // Functions that only instant queries may have are written where instant is set.
  Writer(const Dataset& data, Random* random, bool instant) : data_(data), r_(*random), instant_(instant) {}

  std::string Selector() {
    static constexpr const char* kSelectors[] = {"{app=\"a\"}",
                                                 "{app=~\".+\"}",
                                                 "{app=~\"a|b\"}",
                                                 "{app=\"web\"}",
                                                 "{env=~\".+\"}",
                                                 "{app!=\"\"}",
                                                 "{app=~\".+\", env=\"prod\"}",
                                                 "{app=~\"foo.*\"}",
                                                 "{app=~\".+\", env!=\"prod\"}",
                                                 "{app=\"a\", level=\"\"}",
                                                 "{app=~\".+\", level!~\"err.*\"}",
                                                 "{app=\"none\"}"};
    return r_.OneIn(2) ? "{app=~\".+\"}" : r_.Of(kSelectors);
  }

  std::string Pipeline(size_t most) {
    std::string out;
    for (size_t i = r_.Below(most + 1); i > 0; --i) out += " " + Stage();
    return out;
  }

  std::string LogRange(bool unwrapped) {
    const std::string range = fmt::format("[{}]{}", r_.Of(kRanges), Offset());
    const std::string selector = Selector();
    std::string pipeline = Pipeline(4);
    if (unwrapped) {
      static constexpr const char* kConversions[] = {"", "", "", "bytes", "duration", "duration_seconds"};
      const std::string conversion = r_.Of(kConversions);
      static constexpr const char* kNumeric[] = {"n", "n", "n", "a", "status", "k_v"};
      const std::string label = r_.OneIn(8)             ? Label()
                                : conversion == "bytes" ? "s"
                                : !conversion.empty()   ? "d"
                                                        : r_.Of(kNumeric);
      if (r_.OneIn(2)) pipeline = std::string(r_.OneIn(2) ? " | json" : " | logfmt") + pipeline;
      pipeline +=
          conversion.empty() ? " | unwrap " + label : fmt::format(" | unwrap {}({})", conversion, label);
      if (!r_.OneIn(8)) pipeline += " | __error__=\"\"";
      if (r_.OneIn(8)) pipeline += " | " + LabelFilter(1);
    } else if (r_.OneIn(3)) {
      pipeline += " | __error__=\"\"";
    }
    if (r_.OneIn(10)) return selector + range.substr(0, range.find(']') + 1) + pipeline;
    return selector + pipeline + range;
  }

  std::string RangeAggregation() {
    static constexpr const char* kPlain[] = {"count_over_time", "rate", "bytes_over_time", "bytes_rate",
                                             "absent_over_time"};
    static constexpr const char* kUnwrapped[] = {
        "sum_over_time",    "avg_over_time",   "min_over_time",  "max_over_time", "stdvar_over_time",
        "stddev_over_time", "first_over_time", "last_over_time", "rate",          "rate_counter"};
    if (r_.OneIn(2)) return fmt::format("{}({})", r_.Of(kPlain), LogRange(false));
    if (r_.OneIn(8)) {
      return fmt::format("count_distinct_over_time({}, {}){}", Label(), LogRange(false),
                         r_.OneIn(2) ? Grouping() : "");
    }
    if (r_.OneIn(8)) {
      static constexpr const char* kQuantiles[] = {"0", "0.5", "0.75", "0.99", "1", "1.5"};
      return fmt::format("quantile_over_time({}, {}){}", r_.Of(kQuantiles), LogRange(true),
                         r_.OneIn(2) ? Grouping() : "");
    }
    const std::string op = r_.Of(kUnwrapped);
    const bool groups = op != "sum_over_time" && op != "rate" && op != "rate_counter";
    return fmt::format("{}({}){}", op, LogRange(true), groups && r_.OneIn(2) ? Grouping() : "");
  }

  std::string Metric(int depth) {
    const size_t choice = depth >= 3 ? 0 : r_.Below(10);
    if (choice < 3) return RangeAggregation();
    if (choice < 7) return VectorAggregation(depth);
    if (choice < 9) return Binary(depth);
    static constexpr const char* kReplaces[] = {
        "\"x\", \"${1}z\", \"app\", \"(.*)\"", "\"x\", \"$1\", \"env\", \"(.)(.*)\"",
        "\"app\", \"\", \"app\", \"a\"",       "\"a\", \"$2-$$\", \"level\", \"(.*)(r+).*\"",
        "\"env\", \"$1x\", \"app\", \"(.*)\"", "\"n\", \"c\", \"missing\", \"\""};
    return fmt::format("label_replace({}, {})", Metric(depth + 1), r_.Of(kReplaces));
  }

  std::string Log() { return Selector() + Pipeline(5); }

  // At the end of a log query, behind everything else.
  std::string WholeAnswerStage() {
    if (r_.OneIn(2)) {
      return " | distinct " + List(Names(3), [](const std::string& name) { return name; });
    }
    return fmt::format(" | context before={} after={}", r_.Below(4), r_.Below(4));
  }

 private:
  std::string Label() { return r_.Of(kLabels); }
  std::string Offset() {
    if (!r_.OneIn(6)) return "";
    static constexpr const char* kOffsets[] = {"5s", "10s", "-5s", "1m", "-17s"};
    return fmt::format(" offset {}", r_.Of(kOffsets));
  }

  std::string LineFilter() {
    static constexpr const char* kOps[] = {"|=", "|=", "!=", "|~", "!~", "|>", "!>"};
    const std::string op = r_.Of(kOps);
    const auto operand = [&]() -> std::string {
      if (op == "|=" || op == "!=") {
        const std::string text = r_.Of(kLineTexts);
        return Quoted(text);
      }
      return Quoted(op == "|~" || op == "!~" ? r_.Of(kRegexes) : r_.Of(kLinePatterns));
    };
    if ((op == "|=" || op == "!=") && r_.OneIn(12)) return fmt::format("{} ip(\"{}\")", op, r_.Of(kIps));
    std::string out = op + " " + operand();
    for (size_t i = r_.OneIn(4) ? 1 + r_.Below(2) : 0; i > 0; --i) out += " or " + operand();
    return out;
  }

  std::string LabelFilter(int depth) {
    switch (r_.Below(depth < 3 ? 9 : 7)) {
      case 0:
        return fmt::format("{}={}", Label(), Quoted(r_.Of(kValues)));
      case 1:
        return fmt::format("{}!={}", Label(), Quoted(r_.Of(kValues)));
      case 2:
        return fmt::format("{}{}{}", Label(), r_.OneIn(2) ? "=~" : "!~", Quoted(r_.Of(kRegexes)));
      case 3:
        return fmt::format("{}{}{}", r_.OneIn(2) ? "n" : Label(), r_.Of(kCompares), r_.Of(kNumbers));
      case 4:
        return fmt::format("{}{}{}", r_.OneIn(2) ? "d" : Label(), r_.Of(kCompares), r_.Of(kDurations));
      case 5:
        return fmt::format("{}{}{}", r_.OneIn(2) ? "s" : Label(), r_.Of(kCompares), r_.Of(kSizes));
      case 6:
        return fmt::format("{}{}ip(\"{}\")", r_.OneIn(2) ? "ip" : Label(),
                           r_.OneIn(2) ? "=" : "!=", r_.Of(kIps));
      case 7: {
        static constexpr const char* kJoins[] = {" and ", " or ", ", ", " "};
        return LabelFilter(depth + 1) + r_.Of(kJoins) + LabelFilter(depth + 1);
      }
      default:
        return "(" + LabelFilter(depth + 1) + (r_.OneIn(2) ? " or " : " and ") + LabelFilter(depth + 1) + ")";
    }
  }

  // Names that stand once each.
  std::vector<std::string> Names(size_t most) {
    std::vector<std::string> out;
    for (size_t i = 1 + r_.Below(most); i > 0; --i) {
      const std::string name = Label();
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    return out;
  }

  template <class Write>
  std::string List(const std::vector<std::string>& names, Write write) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + write(name);
    return out;
  }

  std::string NameOrMatcher(const std::string& name) {
    if (!r_.OneIn(3)) return name;
    static constexpr const char* kOps[] = {"=", "!=", "=~", "!~"};
    const std::string op = r_.Of(kOps);
    return name + op + Quoted(op.size() == 2 && op[1] == '~' ? r_.Of(kRegexes) : r_.Of(kValues));
  }

  std::string Stage() {
    switch (r_.Below(17)) {
      case 0:
      case 1:
      case 2:
        return LineFilter();
      case 3:
      case 4:
        return "| json";
      case 5:
        if (!data_.sound_json) return "| json";
        return "| json " + List(Names(3), [&](const std::string& name) {
                 return r_.OneIn(4) ? std::string("b")
                                    : fmt::format("{}={}", name, Quoted(r_.Of(kJsonPaths)));
               });
      case 6:
      case 7: {
        static constexpr const char* kFlags[] = {
            "", "", "", " --strict", " --keep-empty", " --strict --keep-empty"};
        return std::string("| logfmt") + r_.Of(kFlags);
      }
      case 8:
        return fmt::format("| logfmt{} ", r_.OneIn(5) ? " --strict" : "") + LogfmtPicks();
      case 9:
        return "| regexp " + Quoted(r_.Of(kRegexps));
      case 10:
        return "| pattern " + Quoted(r_.Of(kPatterns));
      case 11:
        return "| unpack";
      case 12:
      case 13:
        return "| " + LabelFilter(0);
      case 14:
        return r_.OneIn(4) ? "| decolorize" : "| line_format " + Quoted(r_.Of(kTemplates));
      case 15: {
        std::vector<std::string> names = Names(3);
        std::erase_if(names, [](const std::string& name) { return name.starts_with("__error"); });
        if (names.empty()) names.push_back("x");
        return "| label_format " + List(names, [&](const std::string& name) {
                 return name + "=" + (r_.OneIn(2) ? Label() : Quoted(r_.Of(kTemplates)));
               });
      }
      default:
        return std::string(r_.OneIn(2) ? "| drop " : "| keep ") +
               List(Names(3), [&](const std::string& name) { return NameOrMatcher(name); });
    }
  }

  // Keys that stand once each: two names for one key are settled at random per line.
  std::string LogfmtPicks() {
    std::string out;
    std::vector<std::string> keys;
    for (const std::string& name : Names(3)) {
      const std::string key = r_.OneIn(3) ? name : r_.Of(kLogfmtKeys);
      std::string bare = key;
      std::erase_if(bare, [](char c) { return c == '"' || c == '\\'; });
      if (std::find(keys.begin(), keys.end(), bare) != keys.end()) continue;
      keys.push_back(bare);
      out += (out.empty() ? "" : ", ") +
             (bare == name && r_.OneIn(2) ? name : fmt::format("{}=\"{}\"", name, key));
    }
    return out;
  }

  std::string Grouping() {
    if (r_.OneIn(10)) return r_.OneIn(2) ? " by ()" : " without ()";
    return fmt::format(" {} ({})", r_.OneIn(3) ? "without" : "by",
                       List(Names(3), [](const std::string& name) { return name; }));
  }

  std::string VectorAggregation(int depth) {
    static constexpr const char* kOps[] = {"sum", "sum",   "sum",    "avg",   "min",
                                           "max", "count", "stddev", "stdvar"};
    static constexpr const char* kRanked[] = {"topk", "bottomk", "sort", "sort_desc"};
    const std::string inner = r_.OneIn(3) ? Metric(depth + 1) : RangeAggregation();
    if (instant_ && r_.OneIn(12)) return fmt::format("approx_topk({}, {})", 1 + r_.Below(4), inner);
    if (r_.OneIn(6)) {
      const std::string op = r_.Of(kRanked);
      if (op.starts_with("sort")) return fmt::format("{}({})", op, inner);
      return fmt::format("{}{}({}, {})", op, r_.OneIn(2) ? Grouping() : "", 1 + r_.Below(4), inner);
    }
    if (r_.OneIn(3)) return fmt::format("{}({})", r_.Of(kOps), inner);
    if (r_.OneIn(4)) return fmt::format("{}({}){}", r_.Of(kOps), inner, Grouping());
    return fmt::format("{}{} ({})", r_.Of(kOps), Grouping(), inner);
  }

  std::string Binary(int depth) {
    static constexpr const char* kArithmetic[] = {"+", "-", "*", "/", "%", "^"};
    static constexpr const char* kComparisons[] = {"==", "!=", ">", ">=", "<", "<="};
    static constexpr const char* kSets[] = {"and", "or", "unless"};
    const size_t kind = r_.Below(5);
    std::string op = kind < 2 ? r_.Of(kArithmetic) : kind < 4 ? r_.Of(kComparisons) : r_.Of(kSets);
    if (kind == 2 || kind == 3) op += r_.OneIn(3) ? " bool" : "";
    if (kind < 4 && r_.OneIn(2)) {
      static constexpr const char* kLiterals[] = {"0", "1", "2", "0.5", "3", "100", "-1"};
      const std::string literal = r_.Of(kLiterals);
      const std::string vector = "(" + Metric(depth + 1) + ")";
      return r_.OneIn(3) ? fmt::format("{} {} {}", literal, op, vector)
                         : fmt::format("{} {} {}", vector, op, literal);
    }
    std::string matching;
    if (r_.OneIn(2)) {
      matching = fmt::format(" {} ({})", r_.OneIn(2) ? "on" : "ignoring",
                             List(Names(2), [](const std::string& name) { return name; }));
      if (r_.OneIn(8)) matching = " on ()";
      if (kind < 4 && r_.OneIn(2)) {
        matching += r_.OneIn(2) ? " group_left (" : " group_right (";
        matching += r_.OneIn(2) ? "" : Label();
        matching += ")";
      }
    }
    // The same series on both sides meet more often than any two do.
    const std::string left = Metric(depth + 1);
    std::string right = r_.OneIn(2) ? left : Metric(depth + 1);
    if (r_.OneIn(8)) right = "vector(" + std::string(r_.Of(kNumbers)) + ")";
    return fmt::format("({}) {}{} ({})", left, op, matching, right);
  }

  const Dataset& data_;
  Random& r_;
  const bool instant_;
};

}  // namespace

Question MakeQuestion(const Dataset& data, Random* random) {
  Question out;
  QueryParams& params = out.params;
  const size_t kind = random->Below(5);
  Writer writer(data, random, kind == 2);
  constexpr int64_t kSecond = 1'000'000'000;
  params.limit = random->OneIn(3) ? static_cast<uint32_t>(1 + random->Below(10)) : 1000;
  params.direction = random->OneIn(2) ? Direction::kForward : Direction::kBackward;
  params.start_ns = kBeginNs;
  params.end_ns = kBeginNs + kSpanNs;
  if (random->OneIn(3)) {
    params.start_ns += static_cast<int64_t>(random->Below(60)) * kSecond;
    params.end_ns -= static_cast<int64_t>(random->Below(60)) * kSecond;
  }
  if (kind < 2) {
    params.query = writer.Log();
    if (random->OneIn(8)) {
      params.query += writer.WholeAnswerStage();
      params.limit = 5000;  // which matches are looked at is another question
    } else if (random->OneIn(10)) {
      params.interval_ns = static_cast<int64_t>(1 + random->Below(20)) * kSecond;
    }
    return out;
  }
  params.query = random->OneIn(5) ? writer.RangeAggregation() : writer.Metric(0);
  params.instant = kind == 2;
  static constexpr int64_t kSteps[] = {5, 7, 10, 30, 60};
  params.step_ns = random->Of(kSteps) * kSecond;
  if (!params.instant && random->OneIn(2))
    params.start_ns = std::max(params.start_ns, params.end_ns - 6 * params.step_ns);
  return out;
}

}  // namespace skald::oracle
