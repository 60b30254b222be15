#include "rules/alert.h"

#include "base/coding.h"

namespace skald::rules {
namespace {

constexpr char kVersion = 1;

}  // namespace

std::string_view Name(AlertState state) {
  switch (state) {
    case AlertState::kInactive:
      return "inactive";
    case AlertState::kPending:
      return "pending";
    case AlertState::kFiring:
      return "firing";
  }
  return "inactive";
}

std::string EncodeInstances(const std::vector<AlertInstance>& instances) {
  std::string out(1, kVersion);
  PutVarint(&out, instances.size());
  for (const AlertInstance& instance : instances) {
    PutVarint(&out, instance.labels.size());
    for (const auto& [name, value] : instance.labels) {
      PutText(&out, name);
      PutText(&out, value);
    }
    PutVarint(&out, instance.annotations.size());
    for (const auto& [name, value] : instance.annotations) {
      PutText(&out, name);
      PutText(&out, value);
    }
    PutFixed(&out, instance.value);
    PutFixed(&out, static_cast<uint8_t>(instance.state));
    for (const int64_t time :
         {instance.active_at_ns, instance.fired_at_ns, instance.resolved_at_ns, instance.keep_firing_since_ns,
          instance.last_sent_at_ns, instance.valid_until_ns}) {
      PutSignedVarint(&out, time);
    }
  }
  return out;
}

bool DecodeInstances(std::string_view bytes, std::vector<AlertInstance>* instances) {
  ByteReader in(bytes);
  if (in.Fixed<char>() != kVersion) return false;
  const uint64_t count = in.Varint();
  // An instance takes eleven bytes at least.
  if (!in.ok() || count > in.remaining() / 11 + 1) return false;
  for (uint64_t i = 0; i < count; ++i) {
    AlertInstance instance;
    const uint64_t labels = in.Varint();
    if (!in.ok() || labels > in.remaining()) return false;
    std::vector<Labels::Pair> pairs;
    for (uint64_t k = 0; k < labels; ++k) {
      const std::string_view name = in.Text();
      pairs.emplace_back(name, in.Text());
    }
    instance.labels = Labels(std::move(pairs));
    const uint64_t annotations = in.Varint();
    if (!in.ok() || annotations > in.remaining()) return false;
    for (uint64_t k = 0; k < annotations; ++k) {
      const std::string name(in.Text());
      instance.annotations[name] = std::string(in.Text());
    }
    instance.value = in.Fixed<double>();
    const auto state = in.Fixed<uint8_t>();
    if (state > static_cast<uint8_t>(AlertState::kFiring)) return false;
    instance.state = static_cast<AlertState>(state);
    for (int64_t* time :
         {&instance.active_at_ns, &instance.fired_at_ns, &instance.resolved_at_ns,
          &instance.keep_firing_since_ns, &instance.last_sent_at_ns, &instance.valid_until_ns}) {
      *time = in.SignedVarint();
    }
    if (!in.ok()) return false;
    instances->push_back(std::move(instance));
  }
  return in.ok() && in.remaining() == 0;
}

}  // namespace skald::rules
