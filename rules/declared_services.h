// The services that declare alerts, whoever reports them: agents, each with all services of its node, and
// requests such as a swarm listener sends. Kept in RocksDB, so that their rules are there after a restart
// before anyone reports them again.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "rules/declared.h"
#include "rules/manager.h"
#include "rules/rule_db.h"

namespace skald::rules {

// What the name of an agent's source begins with.
inline constexpr std::string_view kAgentSource = "agent ";

struct DeclaredServicesOptions {
  // An agent that has not been heard for so long has no services any more, as soon as another one
  // of its tenant is heard: its node is gone. 0 = never.
  int64_t silence_ns = 0;
  const Clock* clock = &Clock::System();
};

// Thread-safe. Each change takes effect before the call returns; where it cannot be written it holds until a
// restart, and the error is returned.
class DeclaredServices {
 public:
  // Gives the manager the rules of what is kept. Both outlive it.
  DeclaredServices(Manager* manager, RuleDb* db, DeclaredServicesOptions options = {});

  // What `source` says of the service, in place of what it said before. InvalidArgument with what is wrong;
  // then everything stays as it was. A declaration without alerts is a removal.
  absl::Status Set(const std::string& tenant, const std::string& source,
                   const ServiceDeclaration& declaration);
  // The source has the service no more. When it was the last to have it, its rules go, what fires of them is
  // resolved, and only persistent alerts stay.
  absl::Status Remove(const std::string& tenant, const std::string& source, const std::string& service);
  // All that the source has: Set for each, Remove for those it had before. What is wrong is returned, the
  // rest done.
  std::vector<std::string> Replace(const std::string& tenant, const std::string& source,
                                   const std::vector<ServiceDeclaration>& declarations);

  // The rules that the service has now, by group name; for answers.
  std::vector<Rule> RulesOf(const std::string& tenant, const std::string& service) const;

 private:
  struct Key {
    std::string tenant;
    std::string service;
    std::string source;
    auto operator<=>(const Key&) const = default;
  };
  struct Declared {
    ServiceDeclaration declaration;
    bool is_removed = false;  // persistent alerts are left of it
    uint64_t number = 0;      // the highest of a service's is the one that counts
  };

  // What a call changes, on disk and in the manager.
  struct Change {
    RuleDbBatch batch;
    std::set<std::pair<std::string, std::string>> services;  // tenant and name
  };

  absl::Status SetLocked(const std::string& tenant, const std::string& source,
                         const ServiceDeclaration& declaration, Change* change);
  void RemoveSilent(const std::string& tenant, Change* change);
  void RemoveLocked(const std::string& tenant, const std::string& source, const std::string& service,
                    Change* change);
  absl::Status Finish(const Change& change);
  // The manager's groups of the service.
  std::vector<RuleGroup> GroupsOf(const std::string& tenant, const std::string& service) const;

  Manager* const manager_;
  RuleDb* const db_;
  const DeclaredServicesOptions options_;
  const int64_t began_ns_;
  mutable std::mutex mu_;
  std::map<Key, Declared> declared_;  // guarded by mu_
  uint64_t next_number_ = 1;          // guarded by mu_
  // Of the sources of Replace, by tenant and name; those from before a restart come with its time. Guarded by
  // mu_.
  std::map<std::pair<std::string, std::string>, int64_t> heard_ns_;
};

}  // namespace skald::rules
