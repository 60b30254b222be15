// The engine's answers in the oracle's form, and what two answers differ in.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "base/error.h"
#include "query/exec/testing/oracle.h"

namespace skald::oracle {
namespace {

StringMap MapOf(const Labels& labels) {
  StringMap out;
  for (const auto& [name, value] : labels) out[name] = value;
  return out;
}

std::string Show(const StringMap& labels) {
  std::vector<Labels::Pair> pairs(labels.begin(), labels.end());
  return Labels(std::move(pairs)).ToString();
}

std::string Show(const Answer::Line& line) {
  std::string quoted;
  AppendGoQuoted(&quoted, line.line);
  return fmt::format("{} {} {}", line.time_ns, Show(line.labels), quoted);
}

std::string Show(const Answer::Sample& sample) {
  return fmt::format("{} {} {}", Show(sample.labels), sample.t_ms, sample.value);
}

bool Same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-7 + 1e-9 * std::max(std::fabs(a), std::fabs(b));
}

// want holds all lines, got those within the limit.
std::string CompareLines(const Answer& want, const Answer& got, const QueryParams& params) {
  const size_t size = std::min<size_t>(want.lines.size(), params.limit);
  if (got.lines.size() != size) return fmt::format("{} lines, not {}", got.lines.size(), size);
  if (size == 0) return "";
  // The last time may be cut through: what comes of it is any of its entries.
  const int64_t last = want.lines[size - 1].time_ns;
  std::multiset<Answer::Line> allowed;
  for (const Answer::Line& line : want.lines) {
    const bool behind = params.direction == Direction::kForward ? line.time_ns > last : line.time_ns < last;
    if (!behind) allowed.insert(line);
  }
  for (size_t i = 0; i < size; ++i) {
    if (got.lines[i].time_ns != want.lines[i].time_ns)
      return fmt::format("line {}: {}\n  not {}", i, Show(got.lines[i]), Show(want.lines[i]));
    const auto it = allowed.find(got.lines[i]);
    if (it == allowed.end())
      return fmt::format("line {}: {}\n  not {}", i, Show(got.lines[i]), Show(want.lines[i]));
    allowed.erase(it);
  }
  return "";
}

std::string CompareSamples(const Answer& want, const Answer& got) {
  const auto sorted = [](const Answer& answer) {
    std::vector<const Answer::Sample*> out;
    for (const Answer::Sample& sample : answer.samples) out.push_back(&sample);
    std::sort(out.begin(), out.end(), [](const Answer::Sample* a, const Answer::Sample* b) {
      if (a->labels != b->labels) return a->labels < b->labels;
      if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms;
      return std::isnan(a->value) ? !std::isnan(b->value) : a->value < b->value;
    });
    return out;
  };
  const auto w = sorted(want);
  const auto g = sorted(got);
  for (size_t i = 0; i < std::max(w.size(), g.size()); ++i) {
    if (i == g.size()) return fmt::format("no {}", Show(*w[i]));
    if (i == w.size()) return fmt::format("{} too many", Show(*g[i]));
    if (w[i]->labels != g[i]->labels || w[i]->t_ms != g[i]->t_ms || !Same(w[i]->value, g[i]->value))
      return fmt::format("{}\n  not {}", Show(*g[i]), Show(*w[i]));
  }
  return "";
}

}  // namespace

Answer AnswerOf(const QueryResult& result) {
  Answer out;
  if (const auto* streams = std::get_if<Streams>(&result.data)) {
    for (const Streams::Entry& entry : streams->entries()) {
      Answer::Line line{entry.time_ns, {}, entry.line};
      for (const CategorizedLabel& label : streams->labels(entry)) line.labels[label.name] = label.value;
      out.lines.push_back(std::move(line));
    }
  } else if (const auto* matrix = std::get_if<Matrix>(&result.data)) {
    out.kind = Answer::Kind::kMatrix;
    for (const Series& series : matrix->series) {
      for (const Point& point : series.points)
        out.samples.push_back({MapOf(series.labels), point.t_ms, point.value});
    }
  } else if (const auto* vector = std::get_if<skald::Vector>(&result.data)) {
    out.kind = Answer::Kind::kVector;
    for (const VectorSample& sample : vector->samples)
      out.samples.push_back({MapOf(sample.labels), vector->t_ms, sample.value});
  } else {
    const Scalar& scalar = std::get<Scalar>(result.data);
    out.kind = Answer::Kind::kScalar;
    out.samples.push_back({{}, scalar.t_ms, scalar.value});
  }
  return out;
}

std::string Difference(const absl::StatusOr<Answer>& want, const absl::StatusOr<Answer>& got,
                       const QueryParams& params) {
  if (!want.ok() || !got.ok()) {
    if (want.ok()) return want->ambiguous ? "" : fmt::format("failed: {}", MessageOf(got.status()));
    if (got.ok()) return fmt::format("did not fail: {}", MessageOf(want.status()));
    // Of several errors any may come first.
    return "";
  }
  if (want->kind != got->kind) return "another kind of answer";
  if (want->ambiguous) return "";
  return want->kind == Answer::Kind::kLog ? CompareLines(*want, *got, params) : CompareSamples(*want, *got);
}

}  // namespace skald::oracle
