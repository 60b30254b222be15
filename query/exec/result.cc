#include "query/exec/result.h"

#include <algorithm>
#include <map>
#include <utility>

namespace skald {

uint32_t Streams::AddLabelSet(CategorizedLabels labels) {
  label_sets_.push_back(std::move(labels));
  return static_cast<uint32_t>(label_sets_.size() - 1);
}

void Streams::AddEntry(int64_t time_ns, uint32_t label_set, std::string line) {
  entries_.push_back(Entry{time_ns, label_set, std::move(line)});
}

std::vector<Streams::Group> Streams::GroupBy(bool stream_only) const {
  // Two label sets can be one group: they may differ in categories alone, or in labels that are not asked
  // for.
  std::map<std::string, uint32_t> ordinal;  // by label text, which is also the order of the answer
  std::vector<Labels> labels_of_group;
  std::vector<uint32_t> group_of_set(label_sets_.size());
  for (size_t i = 0; i < label_sets_.size(); ++i) {
    std::vector<Labels::Pair> pairs;
    pairs.reserve(label_sets_[i].size());
    for (const CategorizedLabel& label : label_sets_[i]) {
      if (!stream_only || label.category == LabelCategory::kStream)
        pairs.emplace_back(label.name, label.value);
    }
    Labels labels(std::move(pairs));
    const auto [it, added] =
        ordinal.try_emplace(labels.ToString(), static_cast<uint32_t>(labels_of_group.size()));
    if (added) labels_of_group.push_back(std::move(labels));
    group_of_set[i] = it->second;
  }
  std::vector<uint32_t> position(labels_of_group.size());
  std::vector<Group> groups;
  groups.reserve(ordinal.size());
  for (const auto& [text, group] : ordinal) {
    position[group] = static_cast<uint32_t>(groups.size());
    groups.push_back(Group{std::move(labels_of_group[group]), {}});
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    groups[position[group_of_set[entries_[i].label_set]]].entries.push_back(static_cast<uint32_t>(i));
  }
  // A label set may have been interned for an entry that did not make it into the answer.
  std::erase_if(groups, [](const Group& group) { return group.entries.empty(); });
  return groups;
}

}  // namespace skald
