#include "rules/rule.h"

#include <fmt/format.h>

#include "base/coding.h"

namespace skald::rules {
namespace {

void PutMap(std::string* out, const TextMap& map) {
  PutVarint(out, map.size());
  for (const auto& [key, value] : map) {
    PutText(out, key);
    PutText(out, value);
  }
}

}  // namespace

TextMap LabelsOf(const RuleGroup& group, const Rule& rule) {
  TextMap labels = rule.labels;
  labels.insert(group.labels.begin(), group.labels.end());
  return labels;
}

std::string Fingerprint(const RuleGroup& group) {
  std::string out;
  PutText(&out, group.name);
  PutSignedVarint(&out, group.interval_ns);
  PutSignedVarint(&out, group.query_offset_ns.value_or(-1));
  PutSignedVarint(&out, group.limit);
  PutMap(&out, group.labels);
  for (const Rule& rule : group.rules) {
    PutText(&out, rule.alert);
    PutText(&out, rule.record);
    PutText(&out, rule.expr);
    PutSignedVarint(&out, rule.for_ns);
    PutSignedVarint(&out, rule.keep_firing_for_ns);
    PutMap(&out, rule.labels);
    PutMap(&out, rule.annotations);
  }
  return out;
}

}  // namespace skald::rules
