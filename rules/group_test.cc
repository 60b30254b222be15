// The alert state machine and its group, held to Prometheus' semantics with times that the test gives.
#include "rules/group.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "rules/rule_file.h"

namespace skald::rules {
namespace {

constexpr int64_t kMinute = 60 * kNsPerSecond;
constexpr int64_t kStart = int64_t{1'700'000'040} * kNsPerSecond;  // a whole minute

class GroupTest : public testing::Test {
 protected:
  GroupTest() {
    options_.external_url = "http://skald";
    options_.evaluate = [this](const std::string&, const logql::ExprPtr&, int64_t at_ns,
                               int64_t interval_ns) -> absl::StatusOr<Vector> {
      asked_ns_ = at_ns;
      intervals_.push_back(interval_ns);
      if (!error_.ok()) return error_;
      Vector vector;
      vector.samples = samples_;
      return vector;
    };
  }

  RuleGroup Rules(const std::string& body, const std::string& head = "") {
    RuleFileResult result =
        ReadRules("groups:\n- name: g\n  interval: 1m\n" + head + "  rules:\n" + body, "f");
    EXPECT_TRUE(result.ok()) << result.Errors();
    return result.file.groups[0];
  }
  void Make(const std::string& body, const std::string& head = "") {
    group_ = std::make_unique<Group>("t", "f", Rules(body, head), &options_);
  }
  static int64_t At(double minutes) { return kStart + static_cast<int64_t>(minutes * 60) * kNsPerSecond; }
  // Evaluates with one sample {app="a"} of this value, or none.
  GroupOutcome Eval(double minutes, bool present = true, double value = 1) {
    samples_.clear();
    if (present) samples_.push_back({Labels{{"app", "a"}}, value});
    return group_->Evaluate(At(minutes), 0);
  }
  AlertState State() { return group_->Status().rules[0].state; }
  std::string Transitions(const GroupOutcome& outcome) {
    std::string out;
    for (const Transition& t : outcome.transitions) out += fmt::format("{}>{} ", Name(t.from), Name(t.to));
    return out;
  }
  // name{labels}=value of all samples, "stale" for markers.
  std::map<std::string, std::string> Samples(const GroupOutcome& outcome) {
    std::map<std::string, std::string> out;
    for (const OutSample& sample : outcome.samples) {
      Labels labels = sample.labels;
      const std::string name(labels.Get("__name__"));
      labels.Remove("__name__");
      out[name + labels.ToString()] = IsStaleNan(sample.value) ? "stale" : fmt::format("{}", sample.value);
    }
    return out;
  }

  GroupOptions options_;
  std::vector<VectorSample> samples_;
  absl::Status error_;
  int64_t asked_ns_ = 0;
  std::vector<int64_t> intervals_;
  std::unique_ptr<Group> group_;
};

TEST_F(GroupTest, ForZeroFiresAtOnce) {
  Make("  - {alert: A, expr: vector(1)}\n");
  const GroupOutcome outcome = Eval(0);
  EXPECT_EQ(Transitions(outcome), "inactive>firing ");
  ASSERT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.messages[0].starts_at_ns, At(0));
}

TEST_F(GroupTest, ForIsReachedExactly) {
  Make("  - {alert: A, expr: vector(1), for: 2m}\n");
  EXPECT_EQ(Transitions(Eval(0)), "inactive>pending ");
  const GroupOutcome pending = Eval(1);
  EXPECT_EQ(Transitions(pending), "");
  EXPECT_TRUE(pending.messages.empty());
  const GroupOutcome firing = Eval(2);
  EXPECT_EQ(Transitions(firing), "pending>firing ");
  ASSERT_EQ(firing.messages.size(), 1u);
  EXPECT_EQ(firing.messages[0].starts_at_ns, At(2)) << "startsAt is when it fired, not when it became active";
}

TEST_F(GroupTest, AFlapInsideForStartsAgain) {
  Make("  - {alert: A, expr: vector(1), for: 2m}\n");
  Eval(0);
  EXPECT_EQ(Transitions(Eval(1, false)), "pending>inactive ");
  EXPECT_TRUE(group_->Status().rules[0].alerts.empty()) << "a pending alert is forgotten at once";
  Eval(2);
  Eval(3);
  EXPECT_EQ(State(), AlertState::kPending);
  EXPECT_EQ(Transitions(Eval(4)), "pending>firing ");
}

TEST_F(GroupTest, KeepFiringForBridgesAShorterGap) {
  Make("  - {alert: A, expr: vector(1), keep_firing_for: 3m}\n");
  Eval(0);
  for (double m : {1, 2, 3}) {
    EXPECT_EQ(Transitions(Eval(m, false)), "") << m;
    EXPECT_EQ(State(), AlertState::kFiring);
  }
  EXPECT_EQ(Transitions(Eval(3.5)), "") << "back in time";
  EXPECT_EQ(Transitions(Eval(4, false)), "");
  EXPECT_EQ(Transitions(Eval(6.5, false)), "") << "the span began anew";
  EXPECT_EQ(Transitions(Eval(7, false)), "firing>inactive ");
}

TEST_F(GroupTest, KeepFiringForEndsAfterALongerGap) {
  Make("  - {alert: A, expr: vector(1), keep_firing_for: 2m}\n");
  Eval(0);
  Eval(1, false);
  Eval(2, false);
  const GroupOutcome outcome = Eval(3, false);
  EXPECT_EQ(Transitions(outcome), "firing>inactive ");
  ASSERT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.messages[0].ends_at_ns, At(3));
}

TEST_F(GroupTest, ALimitThatIsPassedDropsAllInstances) {
  Make("  - {alert: A, expr: vector(1)}\n", "  limit: 1\n");
  Eval(0);
  EXPECT_EQ(State(), AlertState::kFiring);
  samples_ = {{Labels{{"app", "a"}}, 1}, {Labels{{"app", "b"}}, 1}};
  const GroupOutcome outcome = group_->Evaluate(At(1), 0);
  EXPECT_EQ(outcome.failures, 1);
  EXPECT_TRUE(outcome.messages.empty());
  const RuleStatus status = group_->Status().rules[0];
  EXPECT_EQ(status.error, "exceeded limit of 1 with 2 alerts");
  EXPECT_EQ(status.health, RuleHealth::kError);
  EXPECT_TRUE(status.alerts.empty());
  EXPECT_EQ(Transitions(outcome), "firing>inactive ");
}

TEST_F(GroupTest, ALimitOfRecordings) {
  Make("  - {record: a, expr: vector(1)}\n", "  limit: 1\n");
  samples_ = {{Labels{{"app", "a"}}, 1}, {Labels{{"app", "b"}}, 1}};
  EXPECT_TRUE(group_->Evaluate(At(0), 0).samples.empty());
  EXPECT_EQ(group_->Status().rules[0].error, "exceeded limit of 1 with 2 series");
}

TEST_F(GroupTest, EqualLabelSetsFailAndLeaveTheStateAlone) {
  Make("  - {alert: A, expr: vector(1), for: 5m, labels: {app: same}}\n");
  Eval(0);
  samples_ = {{Labels{{"app", "a"}}, 1}, {Labels{{"app", "b"}}, 1}};
  group_->Evaluate(At(1), 0);
  EXPECT_EQ(group_->Status().rules[0].error,
            "vector contains metrics with the same labelset after applying alert labels");
  ASSERT_EQ(group_->Status().rules[0].alerts.size(), 1u);
  EXPECT_EQ(group_->Status().rules[0].alerts[0].active_at_ns, At(0));
}

TEST_F(GroupTest, AQueryErrorChangesNothingAndSendsNothing) {
  Make("  - {alert: A, expr: vector(1)}\n");
  const int64_t ends_at = Eval(0).messages[0].ends_at_ns;
  error_ = Internal("no");
  for (double m : {1, 2, 3, 4, 5}) EXPECT_TRUE(Eval(m).messages.empty());
  EXPECT_EQ(State(), AlertState::kFiring);
  EXPECT_EQ(group_->Status().rules[0].health, RuleHealth::kError);
  EXPECT_EQ(ends_at, At(4)) << "so the receiver lets it end by itself";
  error_ = absl::OkStatus();
  const GroupOutcome again = Eval(6);
  ASSERT_EQ(again.messages.size(), 1u);
  EXPECT_EQ(again.messages[0].starts_at_ns, At(0));
}

TEST_F(GroupTest, RuleLabelsOverrideAndAreTemplates) {
  Make(
      "  - alert: A\n    expr: vector(1)\n    labels: {app: \"x-{{ $labels.app }}\", none: \"\", alert_v: "
      "\"{{ $value }}\"}\n"
      "    annotations: {s: \"{{ $labels.app }} {{ $value | humanizePercentage }}\", bad: \"{{ humanize "
      "$labels.app }}\"}\n");
  const GroupOutcome outcome = Eval(0, true, 0.25);
  ASSERT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.messages[0].labels.ToString(), R"({alert_v="0.25", alertname="A", app="x-a"})");
  EXPECT_EQ(outcome.messages[0].annotations.at("s"), "a 25%");
  EXPECT_TRUE(outcome.messages[0].annotations.at("bad").starts_with("<error expanding template: "));
}

TEST_F(GroupTest, ResendCadenceAndEndsAt) {
  Make("  - {alert: A, expr: vector(1)}\n");
  EXPECT_EQ(Eval(0).messages[0].ends_at_ns, At(4)) << "four times the longer of interval and resend delay";
  EXPECT_TRUE(Eval(0.5).messages.empty());
  EXPECT_TRUE(Eval(1).messages.empty()) << "not before the delay is over";
  const GroupOutcome again = Eval(2);
  ASSERT_EQ(again.messages.size(), 1u);
  EXPECT_FALSE(again.messages[0].changed);
  EXPECT_EQ(again.messages[0].starts_at_ns, At(0));
  EXPECT_EQ(again.messages[0].ends_at_ns, At(6));
  options_.resend_delay_ns = 10 * kMinute;
  EXPECT_TRUE(Eval(12).messages.empty());
  EXPECT_EQ(Eval(12.5).messages[0].ends_at_ns, At(52.5));
}

TEST_F(GroupTest, AResolvedAlertIsRepeatedForFifteenMinutes) {
  Make("  - {alert: A, expr: vector(1)}\n");
  Eval(0);
  const GroupOutcome resolved = Eval(1, false);
  ASSERT_EQ(resolved.messages.size(), 1u) << "at once, whatever the delay";
  EXPECT_TRUE(resolved.messages[0].resolved);
  EXPECT_TRUE(resolved.messages[0].changed);
  int sent = 0;
  for (double m = 2; m <= 30; ++m) {
    for (const AlertMessage& message : Eval(m, false).messages) {
      EXPECT_EQ(message.ends_at_ns, At(1));
      EXPECT_LE(m, 16);
      ++sent;
    }
  }
  EXPECT_EQ(sent, 7) << "every second minute: the delay has to be over, not just reached";
}

TEST_F(GroupTest, AResolvedAlertThatComesBackIsANewOne) {
  Make("  - {alert: A, expr: vector(1), for: 1m}\n");
  Eval(0);
  Eval(1);
  Eval(2, false);
  EXPECT_EQ(Transitions(Eval(3)), "inactive>pending ");
  EXPECT_EQ(Eval(4).messages[0].starts_at_ns, At(4));
}

TEST_F(GroupTest, AReloadKeepsActiveAt) {
  Make("  - {alert: A, expr: vector(1), for: 5m}\n  - {record: r, expr: vector(1)}\n");
  Eval(0);
  Group changed("t", "f",
                Rules("  - {record: q, expr: vector(1)}\n  - {alert: A, expr: vector(2), for: 5m}\n"),
                &options_);
  changed.CopyStateFrom(group_.get());
  samples_ = {{Labels{{"app", "a"}}, 1}};
  const GroupOutcome outcome = changed.Evaluate(At(1), 0);
  ASSERT_EQ(changed.Status().rules[1].alerts.size(), 1u);
  EXPECT_EQ(changed.Status().rules[1].alerts[0].active_at_ns, At(0));
  EXPECT_EQ(Samples(outcome).at("r{app=\"a\"}"), "stale") << "the recording that is gone ends";
  EXPECT_EQ(Samples(outcome).at("q{app=\"a\"}"), "1");
}

TEST_F(GroupTest, AReloadWithoutTheRuleResolvesWhatFires) {
  Make("  - {alert: A, expr: vector(1)}\n  - {alert: B, expr: vector(1)}\n");
  Eval(0);
  Group changed("t", "f", Rules("  - {alert: B, expr: vector(1)}\n"), &options_);
  changed.CopyStateFrom(group_.get());
  const GroupOutcome outcome = changed.Evaluate(At(1), 0);
  ASSERT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.messages[0].labels.Get("alertname"), "A");
  EXPECT_TRUE(outcome.messages[0].resolved);
  EXPECT_EQ(outcome.transitions[0].reason, "rule removed");
}

TEST_F(GroupTest, ALongerForMakesAFiringAlertPending) {
  Make("  - {alert: A, expr: vector(1), for: 1m}\n");
  Eval(0);
  Eval(1);
  Group longer("t", "f", Rules("  - {alert: A, expr: vector(1), for: 10m}\n"), &options_);
  longer.CopyStateFrom(group_.get());
  EXPECT_EQ(Transitions(longer.Evaluate(At(2), 0)), "firing>pending ");
  EXPECT_EQ(Transitions(longer.Evaluate(At(10), 0)), "pending>firing ");
}

TEST_F(GroupTest, StateSurvivesARestart) {
  Make("  - {alert: A, expr: vector(1), for: 3m}\n");
  std::map<std::string, std::string> kept;
  const auto keep = [&](const GroupOutcome& outcome) {
    for (const auto& [key, state] : outcome.states) kept[key] = state;
  };
  keep(Eval(0));
  keep(Eval(1));
  const auto restart = [&] {
    group_ = std::make_unique<Group>("t", "f", group_->rules(), &options_);
    group_->Restore([&](const std::string& key) -> std::optional<std::string> {
      return kept[key].empty() ? std::nullopt : std::optional(kept[key]);
    });
  };
  restart();
  EXPECT_EQ(State(), AlertState::kPending);
  const GroupOutcome fired = Eval(3);
  keep(fired);
  EXPECT_EQ(Transitions(fired), "pending>firing ") << "on time, as if nothing had happened";
  restart();
  EXPECT_TRUE(Eval(4).messages.empty()) << "it is known when it was sent";
  restart();
  const GroupOutcome gone = Eval(5, false);
  keep(gone);
  EXPECT_TRUE(gone.messages[0].resolved);
  EXPECT_EQ(gone.messages[0].starts_at_ns, At(3));
  EXPECT_EQ(Samples(gone).at(R"(ALERTS{alertname="A", alertstate="firing", app="a"})"), "stale");
}

TEST_F(GroupTest, SeriesOfStatesAndStaleMarkers) {
  Make("  - {alert: A, expr: vector(1), for: 1m}\n");
  std::map<std::string, std::string> samples = Samples(Eval(0));
  EXPECT_EQ(samples.at(R"(ALERTS{alertname="A", alertstate="pending", app="a"})"), "1");
  EXPECT_EQ(samples.at(R"(ALERTS_FOR_STATE{alertname="A", app="a"})"), "1700000040");
  samples = Samples(Eval(1));
  EXPECT_EQ(samples.at(R"(ALERTS{alertname="A", alertstate="firing", app="a"})"), "1");
  EXPECT_EQ(samples.at(R"(ALERTS{alertname="A", alertstate="pending", app="a"})"), "stale");
  EXPECT_EQ(samples.size(), 3u);
  samples = Samples(Eval(2, false));
  EXPECT_EQ(samples.at(R"(ALERTS{alertname="A", alertstate="firing", app="a"})"), "stale");
  EXPECT_EQ(samples.at(R"(ALERTS_FOR_STATE{alertname="A", app="a"})"), "stale");
  EXPECT_TRUE(Eval(3, false).samples.empty()) << "once is enough";
}

TEST_F(GroupTest, RecordingsEndWithStaleMarkers) {
  Make("  - {record: a:b, expr: vector(1), labels: {kind: log, app: \"\"}}\n", "  labels: {team: core}\n");
  EXPECT_EQ(Samples(Eval(0, true, 2.5)).at(R"(a:b{kind="log", team="core"})"), "2.5");
  error_ = Internal("no");
  EXPECT_TRUE(Eval(1).samples.empty()) << "a failed evaluation says nothing about the series";
  error_ = absl::OkStatus();
  EXPECT_EQ(Samples(Eval(2, false)).at(R"(a:b{kind="log", team="core"})"), "stale");
  EXPECT_TRUE(Eval(3, false).samples.empty());
  Eval(4);
  EXPECT_EQ(Samples(group_->End(At(5), "group removed")).at(R"(a:b{kind="log", team="core"})"), "stale");
}

TEST_F(GroupTest, QueryOffsetShiftsQueriesAndSamples) {
  Make("  - {record: a, expr: vector(1)}\n", "  query_offset: 30s\n");
  const GroupOutcome outcome = Eval(1);
  EXPECT_EQ(asked_ns_, At(0.5));
  EXPECT_EQ(outcome.samples[0].t_ms, At(0.5) / kNsPerMs);
  EXPECT_EQ(group_->Status().last_evaluation_ns, At(1));
}

// So that what is kept between evaluations is of use to them, too.
TEST_F(GroupTest, QueriesInTemplatesAreAskedWithTheInterval) {
  Make(
      "  - {alert: A, expr: vector(1), annotations: {all: "
      "'{{ query \"count_over_time({app=\\\"a\\\"}[1d])\" | first | value }}'}}\n");
  Eval(1);
  EXPECT_EQ(group_->Status().rules[0].alerts[0].annotations.at("all"), "1");
  EXPECT_EQ(intervals_, (std::vector<int64_t>{At(1) - At(0), At(1) - At(0)}));
}

TEST_F(GroupTest, SlotsAreStableMultiples) {
  Make("  - {record: a, expr: vector(1)}\n");
  const int64_t slot = group_->SlotBefore(At(3));
  EXPECT_LE(slot, At(3));
  EXPECT_GT(slot + kMinute, At(3));
  EXPECT_EQ(group_->SlotBefore(slot), slot);
  EXPECT_EQ(group_->SlotAfter(slot), slot + kMinute);
  Group same("other tenant", "f", group_->rules(), &options_);
  EXPECT_EQ(same.SlotBefore(At(3)), slot);
  Group other("t", "another file", group_->rules(), &options_);
  EXPECT_NE(other.SlotBefore(At(3)), slot);
}

TEST_F(GroupTest, TheLinkOpensTheExpression) {
  options_.datasource_uid = "x1";
  EXPECT_EQ(
      GeneratorUrl(options_, "vector(1) > 0"),
      "http://skald/explore?left=%7B%22queries%22%3A%5B%7B%22expr%22%3A%22vector%281%29+%5Cu003e+0%22%2C"
      "%22queryType%22%3A%22range%22%2C%22datasource%22%3A%7B%22type%22%3A%22loki%22%2C%22uid%22%3A%22x1%22%"
      "7D"
      "%7D%5D%7D");
}

TEST(AlertCoding, MalformedBytesAreRefused) {
  AlertInstance instance;
  instance.labels = Labels{{"a", "b"}};
  instance.annotations = {{"s", "t"}};
  instance.active_at_ns = kStart;
  const std::string bytes = EncodeInstances({instance});
  std::vector<AlertInstance> out;
  ASSERT_TRUE(DecodeInstances(bytes, &out));
  EXPECT_EQ(out[0].labels, instance.labels);
  EXPECT_EQ(out[0].active_at_ns, kStart);
  for (size_t n = 0; n < bytes.size(); ++n) {
    out.clear();
    EXPECT_FALSE(DecodeInstances(std::string_view(bytes).substr(0, n), &out)) << n;
  }
}

}  // namespace
}  // namespace skald::rules
