#include "server/tenant/multi_tenant_source.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/status_macros.h"
#include "server/api/query_handlers.h"

namespace skald::server {
namespace {

constexpr std::string_view kOriginalTenantLabel = "original___tenant_id__";

bool IsSeveral(std::string_view tenant) { return tenant.find('|') != std::string_view::npos; }

// A block of one tenant whose slices name streams of the joint selection.
class RenumberedBlock final : public Block {
 public:
  RenumberedBlock(std::shared_ptr<const Block> block, const std::vector<uint32_t>& number)
      : block_(std::move(block)) {
    slices_ = block_->slices();
    for (Slice& slice : slices_) slice.stream = number[slice.stream];
    min_ns_ = block_->min_ns();
    max_ns_ = block_->max_ns();
  }
  uint64_t text_bytes() const override { return block_->text_bytes(); }
  std::shared_ptr<const BlockSummary> Summary() const override { return block_->Summary(); }
  std::shared_ptr<const BlockPatterns> Patterns(ReadStats* stats) const override {
    return block_->Patterns(stats);
  }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    return block_->Read(want, scratch, stats);
  }

 private:
  const std::shared_ptr<const Block> block_;
};

// The tenants of `a|b` that the matchers on __tenant_id__ accept, and the other matchers.
struct Split {
  std::vector<std::string> tenants;
  std::vector<Matcher> matchers;
};

absl::StatusOr<Split> SplitQuestion(std::string_view tenant, const std::vector<Matcher>& matchers) {
  Split out;
  while (!tenant.empty()) {
    const size_t bar = std::min(tenant.find('|'), tenant.size());
    out.tenants.emplace_back(tenant.substr(0, bar));
    tenant.remove_prefix(std::min(bar + 1, tenant.size()));
  }
  for (const Matcher& matcher : matchers) {
    if (matcher.name() == kTenantLabel) {
      std::erase_if(out.tenants, [&](const std::string& id) { return !matcher.Matches(id); });
    } else if (matcher.name() == kOriginalTenantLabel) {
      ASSIGN_OR_RETURN(Matcher stored,
                       Matcher::Make(matcher.op(), std::string(kTenantLabel), matcher.value()));
      out.matchers.push_back(std::move(stored));
    } else {
      out.matchers.push_back(matcher);
    }
  }
  return out;
}

StreamRef WithTenant(const StreamRef& stream, const std::string& tenant) {
  auto labels = std::make_shared<Labels>(*stream.labels);
  if (labels->Has(kTenantLabel)) labels->Set(kOriginalTenantLabel, stream.labels->Get(kTenantLabel));
  labels->Set(kTenantLabel, tenant);
  return {stream.id, std::move(labels)};
}

using OfOne = std::function<absl::StatusOr<std::vector<StreamRef>>(const std::string& tenant,
                                                                   const std::vector<Matcher>& matchers)>;
absl::StatusOr<std::vector<StreamRef>> JoinSeries(std::string_view tenant,
                                                  const std::vector<Matcher>& matchers, const OfOne& of_one) {
  ASSIGN_OR_RETURN(const Split split, SplitQuestion(tenant, matchers));
  std::vector<StreamRef> out;
  for (const std::string& id : split.tenants) {
    ASSIGN_OR_RETURN(const std::vector<StreamRef> streams, of_one(id, split.matchers));
    for (const StreamRef& stream : streams) out.push_back(WithTenant(stream, id));
  }
  return out;
}

}  // namespace

absl::StatusOr<Selection> MultiTenantSource::Select(std::string_view tenant,
                                                    const std::vector<Matcher>& matchers,
                                                    TimeRange range) const {
  if (!IsSeveral(tenant)) return source_->Select(tenant, matchers, range);
  ASSIGN_OR_RETURN(const Split split, SplitQuestion(tenant, matchers));
  std::vector<Selection> parts;
  struct Place {
    std::string text;
    size_t part = 0;
    uint32_t index = 0;
    StreamRef stream;
  };
  std::vector<Place> places;
  for (const std::string& id : split.tenants) {
    ASSIGN_OR_RETURN(Selection part, source_->Select(id, split.matchers, range));
    for (uint32_t i = 0; i < part.streams.size(); ++i) {
      StreamRef stream = WithTenant(part.streams[i], id);
      std::string text = stream.labels->ToString();
      places.push_back({std::move(text), parts.size(), i, std::move(stream)});
    }
    parts.push_back(std::move(part));
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.text < b.text; });
  std::vector<std::vector<uint32_t>> number(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) number[i].resize(parts[i].streams.size());
  Selection out;
  for (Place& place : places) {
    number[place.part][place.index] = static_cast<uint32_t>(out.streams.size());
    out.streams.push_back(std::move(place.stream));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    for (auto& block : parts[i].blocks) {
      out.blocks.push_back(std::make_shared<RenumberedBlock>(std::move(block), number[i]));
    }
  }
  return out;
}

absl::StatusOr<std::vector<StreamRef>> MultiTenantSource::Series(std::string_view tenant,
                                                                 const std::vector<Matcher>& matchers,
                                                                 TimeRange range) const {
  if (!IsSeveral(tenant)) return source_->Series(tenant, matchers, range);
  return JoinSeries(tenant, matchers, [&](const std::string& id, const std::vector<Matcher>& own) {
    return source_->Series(id, own, range);
  });
}

absl::StatusOr<std::vector<StreamRef>> MultiTenantSource::StoredSeries(std::string_view tenant,
                                                                       const std::vector<Matcher>& matchers,
                                                                       TimeRange range,
                                                                       int64_t idle_ns) const {
  if (!IsSeveral(tenant)) return source_->StoredSeries(tenant, matchers, range, idle_ns);
  return JoinSeries(tenant, matchers, [&](const std::string& id, const std::vector<Matcher>& own) {
    return source_->StoredSeries(id, own, range, idle_ns);
  });
}

absl::StatusOr<std::vector<std::string>> MultiTenantSource::LabelNames(std::string_view tenant,
                                                                       const std::vector<Matcher>& matchers,
                                                                       TimeRange range) const {
  if (!IsSeveral(tenant)) return source_->LabelNames(tenant, matchers, range);
  ASSIGN_OR_RETURN(const Split split, SplitQuestion(tenant, matchers));
  std::set<std::string> names = {std::string(kTenantLabel)};
  for (const std::string& id : split.tenants) {
    ASSIGN_OR_RETURN(const std::vector<std::string> own, source_->LabelNames(id, split.matchers, range));
    for (const std::string& name : own)
      names.insert(name == kTenantLabel ? std::string(kOriginalTenantLabel) : name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<std::vector<std::string>> MultiTenantSource::LabelValues(std::string_view tenant,
                                                                        std::string_view name,
                                                                        const std::vector<Matcher>& matchers,
                                                                        TimeRange range) const {
  if (!IsSeveral(tenant)) return source_->LabelValues(tenant, name, matchers, range);
  ASSIGN_OR_RETURN(const Split split, SplitQuestion(tenant, matchers));
  if (name == kTenantLabel) return split.tenants;
  if (name == kOriginalTenantLabel) name = kTenantLabel;
  std::set<std::string> values;
  for (const std::string& id : split.tenants) {
    ASSIGN_OR_RETURN(const std::vector<std::string> own,
                     source_->LabelValues(id, name, split.matchers, range));
    values.insert(own.begin(), own.end());
  }
  return std::vector<std::string>(values.begin(), values.end());
}

}  // namespace skald::server
