#include "rules/declared_services.h"

#include <fmt/format.h>

#include <set>

#include "base/coding.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::rules {
namespace {

constexpr std::string_view kPrefix = "D";
constexpr std::string_view kGroup = "declared";
constexpr std::string_view kPersistentGroup = "declared, persistent";

std::string FileOf(const std::string& service) { return "service/" + service; }

std::string DbKey(const std::string& tenant, const std::string& service, const std::string& source) {
  std::string key(kPrefix);
  PutText(&key, tenant);
  PutText(&key, service);
  PutText(&key, source);
  return key;
}

std::string Encode(const ServiceDeclaration& declaration, bool is_removed, uint64_t number) {
  std::string out;
  PutVarint(&out, number);
  PutFixed(&out, static_cast<uint8_t>(is_removed ? 1 : 0));
  PutText(&out, declaration.selector);
  PutVarint(&out, declaration.labels.size());
  for (const auto& [name, value] : declaration.labels) {
    PutText(&out, name);
    PutText(&out, value);
  }
  return out;
}

// Labels that have no say are not kept.
ServiceDeclaration Shortened(const ServiceDeclaration& declaration) {
  ServiceDeclaration out = declaration;
  std::erase_if(out.labels, [](const auto& item) { return !IsDeclaring(item.first); });
  return out;
}

}  // namespace

DeclaredServices::DeclaredServices(Manager* manager, RuleDb* db, DeclaredServicesOptions options)
    : manager_(manager), db_(db), options_(options), began_ns_(options.clock->NowNs()) {
  db_->Scan(kPrefix, kPrefix, [this](std::string_view key_bytes, std::string_view bytes) {
    ByteReader key_in(key_bytes.substr(kPrefix.size()));
    Key key;
    key.tenant = key_in.Text();
    key.service = key_in.Text();
    key.source = key_in.Text();
    ByteReader in(bytes);
    Declared declared;
    declared.number = in.Varint();
    declared.is_removed = in.Fixed<uint8_t>() != 0;
    declared.declaration.service = key.service;
    declared.declaration.selector = in.Text();
    const uint64_t labels = in.Varint();
    for (uint64_t i = 0; in.ok() && i < labels; ++i) {
      const std::string name(in.Text());
      declared.declaration.labels[name] = std::string(in.Text());
    }
    if (!in.ok() || !key_in.ok()) {
      LogError("declared alerts of a service cannot be read", "service={}", key.service);
      return true;
    }
    next_number_ = std::max(next_number_, declared.number + 1);
    declared_[key] = std::move(declared);
    return true;
  });
  const std::lock_guard lock(mu_);
  Change all;
  for (const auto& [key, declared] : declared_) all.services.emplace(key.tenant, key.service);
  if (const absl::Status status = Finish(all); !status.ok())
    LogError("declared alerts", "error=\"{}\"", MessageOf(status));
}

absl::Status DeclaredServices::Set(const std::string& tenant, const std::string& source,
                                   const ServiceDeclaration& declaration) {
  const std::lock_guard lock(mu_);
  Change change;
  RETURN_IF_ERROR(SetLocked(tenant, source, declaration, &change));
  return Finish(change);
}

absl::Status DeclaredServices::SetLocked(const std::string& tenant, const std::string& source,
                                         const ServiceDeclaration& declaration, Change* change) {
  const DeclaredRules rules = ReadDeclaration(declaration);
  if (!rules.problems.empty()) return InvalidArgument("{}", fmt::join(rules.problems, "\n"));
  const Key key{tenant, declaration.service, source};
  const auto it = declared_.find(key);
  if (rules.rules.empty() && rules.persistent.empty()) {
    // Persistent alerts that the service had and has no more go too.
    if (it == declared_.end()) return absl::OkStatus();
    change->batch.Delete(DbKey(tenant, declaration.service, source));
    declared_.erase(it);
  } else {
    Declared declared{Shortened(declaration), false, next_number_};
    if (it != declared_.end() && !it->second.is_removed &&
        it->second.declaration.selector == declared.declaration.selector &&
        it->second.declaration.labels == declared.declaration.labels) {
      return absl::OkStatus();  // said again
    }
    ++next_number_;
    change->batch.Put(DbKey(tenant, declaration.service, source),
                      Encode(declared.declaration, false, declared.number));
    declared_[key] = std::move(declared);
  }
  change->services.emplace(tenant, declaration.service);
  return absl::OkStatus();
}

absl::Status DeclaredServices::Remove(const std::string& tenant, const std::string& source,
                                      const std::string& service) {
  const std::lock_guard lock(mu_);
  Change change;
  RemoveLocked(tenant, source, service, &change);
  return Finish(change);
}

void DeclaredServices::RemoveLocked(const std::string& tenant, const std::string& source,
                                    const std::string& service, Change* change) {
  const auto it = declared_.find(Key{tenant, service, source});
  if (it == declared_.end() || it->second.is_removed) return;
  const std::string db_key = DbKey(tenant, service, source);
  if (ReadDeclaration(it->second.declaration).persistent.empty()) {
    change->batch.Delete(db_key);
    declared_.erase(it);
  } else {
    it->second.is_removed = true;
    change->batch.Put(db_key, Encode(it->second.declaration, true, it->second.number));
  }
  change->services.emplace(tenant, service);
}

std::vector<std::string> DeclaredServices::Replace(const std::string& tenant, const std::string& source,
                                                   const std::vector<ServiceDeclaration>& declarations) {
  const std::lock_guard lock(mu_);
  std::vector<std::string> problems;
  std::set<std::string> named;
  Change change;
  for (const ServiceDeclaration& declaration : declarations) {
    named.insert(declaration.service);
    const absl::Status status = SetLocked(tenant, source, declaration, &change);
    if (!status.ok()) problems.emplace_back(MessageOf(status));
  }
  std::vector<std::string> gone;
  for (const auto& [key, declared] : declared_) {
    if (key.tenant == tenant && key.source == source && named.count(key.service) == 0)
      gone.push_back(key.service);
  }
  for (const std::string& service : gone) RemoveLocked(tenant, source, service, &change);
  heard_ns_[{tenant, source}] = options_.clock->NowNs();
  RemoveSilent(tenant, &change);
  if (const absl::Status status = Finish(change); !status.ok()) problems.emplace_back(MessageOf(status));
  return problems;
}

void DeclaredServices::RemoveSilent(const std::string& tenant, Change* change) {
  if (options_.silence_ns <= 0) return;
  const int64_t now_ns = options_.clock->NowNs();
  std::vector<Key> gone;
  for (const auto& [key, declared] : declared_) {
    if (key.tenant != tenant || declared.is_removed || !key.source.starts_with(kAgentSource)) continue;
    const auto heard = heard_ns_.find({tenant, key.source});
    const int64_t heard_ns = heard == heard_ns_.end() ? began_ns_ : heard->second;
    if (now_ns - heard_ns > options_.silence_ns) gone.push_back(key);
  }
  for (const Key& key : gone) {
    LogInfo("nobody tells of a service any more", "service={} source=\"{}\"", key.service, key.source);
    RemoveLocked(tenant, key.source, key.service, change);
  }
  std::erase_if(heard_ns_, [&](const auto& item) { return now_ns - item.second > options_.silence_ns; });
}

absl::Status DeclaredServices::Finish(const Change& change) {
  absl::Status status;
  if (!change.batch.empty()) status = db_->Commit(change.batch, true);
  if (change.services.empty()) return status;
  std::vector<Manager::DeclaredFile> files;
  for (const auto& [tenant, service] : change.services) {
    files.push_back(Manager::DeclaredFile{tenant, FileOf(service), GroupsOf(tenant, service)});
  }
  LogInfo("declared alerts", "services={}", files.size());
  manager_->SetDeclared(std::move(files));
  return status;
}

std::vector<Rule> DeclaredServices::RulesOf(const std::string& tenant, const std::string& service) const {
  std::vector<Rule> out;
  const std::map<std::string, std::vector<RuleGroup>> all = manager_->Namespaces(tenant);
  const auto it = all.find(FileOf(service));
  if (it == all.end()) return out;
  for (const RuleGroup& group : it->second) out.insert(out.end(), group.rules.begin(), group.rules.end());
  return out;
}

std::vector<RuleGroup> DeclaredServices::GroupsOf(const std::string& tenant,
                                                  const std::string& service) const {
  const Declared* newest = nullptr;
  for (auto it = declared_.lower_bound(Key{tenant, service, ""});
       it != declared_.end() && it->first.tenant == tenant && it->first.service == service; ++it) {
    const Declared& declared = it->second;
    const bool better = newest == nullptr || (newest->is_removed && !declared.is_removed) ||
                        (newest->is_removed == declared.is_removed && declared.number > newest->number);
    if (better) newest = &declared;
  }
  std::vector<RuleGroup> groups;
  if (newest != nullptr) {
    DeclaredRules rules = ReadDeclaration(newest->declaration);
    for (const std::string& problem : rules.problems)
      LogError("declared alert not taken", "problem=\"{}\"", problem);
    const auto add = [&](std::string_view name, std::vector<Rule> of) {
      if (of.empty()) return;
      RuleGroup group;
      group.name = name;
      group.rules = std::move(of);
      groups.push_back(std::move(group));
    };
    if (!newest->is_removed) add(kGroup, std::move(rules.rules));
    add(kPersistentGroup, std::move(rules.persistent));
  }
  return groups;
}

}  // namespace skald::rules
