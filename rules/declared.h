// Alerts that a service declares in its own labels: of Docker services and containers, annotations of pods,
// meta of Nomad jobs.
//
//   com.df.notify: "true"                          docker-flow-monitor's form; read where notify is true
//   com.df.alertName: errors                       com.df.alertName.1, com.df.alertName.2, ... for more of
//   them com.df.alertIf: sum(rate($selector |= "error" [5m])) > 1 com.df.alertFor: 2m com.df.alertLabels:
//   severity=page,team=core com.df.alertAnnotations: summary=Too many errors com.df.alertPersistent: "true"
//   stays when the service is removed
//
//   skald.io/alert.errors.expr: sum(rate($selector |= "error" [5m])) > 1
//   skald.io/alert.errors.for: 2m                  also keep_firing_for, severity, persistent
//   skald.io/alert.errors.summary: Too many errors also description, runbook_url
//   skald.io/alert.errors.labels.team: core
//   skald.io/alert.errors.annotations.dashboard: http://...
//   skald.io/selector: '{app="go-demo"}'           what $selector stands for, if not the declarer's own
//   choice
//
// $selector stands for the streams of the declaring service. An alert's name is the service's and its own,
// with nothing but letters and digits left: go-demo_main and mem make godemomainmem. Its label service_name
// is the service, unless it sets another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace skald::rules {

struct ServiceDeclaration {
  std::string service;
  // A stream selector in braces; "" = {service_name="SERVICE"}.
  std::string selector;
  TextMap labels;  // all of the service's; those that are not about alerts are passed over
};

struct DeclaredRules {
  std::vector<Rule> rules;       // those that go with the service
  std::vector<Rule> persistent;  // those that stay
  // What is wrong, with the label and what to write instead; then there are no rules at all.
  std::vector<std::string> problems;
};

DeclaredRules ReadDeclaration(const ServiceDeclaration& declaration);

// Whether a label has a say here.
bool IsDeclaring(std::string_view label);

std::string DeclaredAlertName(std::string_view service, std::string_view name);

}  // namespace skald::rules
