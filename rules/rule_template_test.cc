#include "rules/rule_template.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace skald::rules {
namespace {

struct Row {
  const char* text;
  const char* want;
};

class RuleTemplate : public testing::Test {
 protected:
  RuleTemplate() {
    context_.labels = &labels_;
    context_.value = 0.0512;
    context_.external_labels = &external_;
    context_.external_url = "http://logs.example:3100/skald";
    context_.time_ns = int64_t{1'700'000'000} * 1'000'000'000;
    context_.query = [](const std::string& expr) -> absl::StatusOr<Vector> {
      if (expr == "bad") return absl::InvalidArgumentError("parse error");
      Vector vector;
      vector.samples.push_back({Labels{{"app", "b"}}, 2});
      vector.samples.push_back({Labels{{"app", "a"}}, 1});
      if (expr == "none") vector.samples.clear();
      return vector;
    };
  }
  std::string Expand(const std::string& text) {
    bool failed = false;
    return ExpandTemplate("__alert_A", text, context_, &failed);
  }

  const Labels labels_{{"app", "api"}, {"instance", "h.example.com:9090"}};
  const Labels external_{{"cluster", "one"}};
  TemplateContext context_;
};

TEST_F(RuleTemplate, Expands) {
  const Row kRows[] = {
      {"plain", "plain"},
      {"{{ $labels.app }}", "api"},
      {"{{ .Labels.app }}/{{ $labels.none }}.", "api/."},
      {"{{ $value }} {{ .Value }}", "0.0512 0.0512"},
      {"{{ $value | humanizePercentage }}", "5.12%"},
      {"{{ printf \"%.1f\" $value }}", "0.1"},
      {"{{ $externalLabels.cluster }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
       "one http://logs.example:3100/skald http://logs.example:3100/skald /skald"},
      {"{{ range query \"q\" }}{{ .Labels.app }}={{ .Value }} {{ end }}", "b=2 a=1 "},
      {"{{ range sortByLabel \"app\" (query \"q\") }}{{ label \"app\" . }}{{ end }}", "ab"},
      {"{{ query \"q\" | first | value }}", "2"},
      {"{{ with query \"none\" }}x{{ else }}nothing{{ end }}", "nothing"},
      {"{{ query \"q\" | first | label \"app\" }}", "b"},
      {"{{ if gt $value 0.01 }}high{{ end }}", "high"},
      {"{{ reReplaceAll \"(a)(p)\" \"$2-${1}\" $labels.app }}", "p-ai"},
      {"{{ match \"^ap\" $labels.app }}", "true"},
      {"{{ toUpper $labels.app }} {{ title \"hello world\" }}", "API Hello World"},
      {"{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:1\" }}",
       "h.example.com h:9090 10.0.0.1:1"},
      {"{{ urlQueryEscape \"a b&c\" }}", "a+b%26c"},
      {"{{ graphLink \"up\" }}", "/graph?g0.expr=up&g0.tab=0"},
      {"{{ parseDuration \"1h30m\" }}", "5400"},
      {"{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{ humanize \"1234567\" }}", "1.235M"},
      {"{{ $labels.app | len }}", "3"},
  };
  for (const Row& row : kRows) EXPECT_EQ(Expand(row.text), row.want) << row.text;
}

TEST_F(RuleTemplate, FailsVisibly) {
  for (const char* text : {"{{ query \"bad\" }}", "{{ query \"none\" | first }}", "{{ humanize \"x\" }}",
                           "{{ parseDuration \"x\" }}", "{{ reReplaceAll \"(\" \"\" \"\" }}"}) {
    bool failed = false;
    const std::string out = ExpandTemplate("__alert_A", text, context_, &failed);
    EXPECT_TRUE(failed) << text;
    EXPECT_TRUE(out.starts_with("<error expanding template: ")) << out;
  }
}

TEST(Humanize, AsPrometheus) {
  const double kNan = std::numeric_limits<double>::quiet_NaN();
  const double kInf = std::numeric_limits<double>::infinity();
  struct Number {
    double value;
    const char* plain;
    const char* binary;
    const char* duration;
    const char* percentage;
  };
  const Number kRows[] = {
      {0, "0", "0", "0s", "0%"},
      {1, "1", "1", "1s", "100%"},
      {-1, "-1", "-1", "-1s", "-100%"},
      {1234567, "1.235M", "1.177Mi", "14d 6h 56m 7s", "1.235e+08%"},
      {1048576, "1.049M", "1Mi", "12d 3h 16m 16s", "1.049e+08%"},
      {0.12, "120m", "0.12", "120ms", "12%"},
      {0.001, "1m", "0.001", "1ms", "0.1%"},
      {60, "60", "60", "1m 0s", "6000%"},
      {899.99, "900", "900", "14m 59s", "9e+04%"},
      {3661, "3.661k", "3.575ki", "1h 1m 1s", "3.661e+05%"},
      {86400, "86.4k", "84.38ki", "1d 0h 0m 0s", "8.64e+06%"},
      {-86400, "-86.4k", "-84.38ki", "-1d 0h 0m 0s", "-8.64e+06%"},
      {59.99, "59.99", "59.99", "59.99s", "5999%"},
      {1e-7, "100n", "1e-07", "100ns", "1e-05%"},
      {kNan, "NaN", "NaN", "NaN", "NaN%"},
      {kInf, "+Inf", "+Inf", "+Inf", "+Inf%"},
      {-kInf, "-Inf", "-Inf", "-Inf", "-Inf%"},
  };
  for (const Number& row : kRows) {
    EXPECT_EQ(Humanize(row.value), row.plain);
    EXPECT_EQ(Humanize1024(row.value), row.binary);
    EXPECT_EQ(HumanizeDuration(row.value), row.duration);
    EXPECT_EQ(HumanizePercentage(row.value), row.percentage);
  }
}

}  // namespace
}  // namespace skald::rules
