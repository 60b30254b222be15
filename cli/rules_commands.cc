#include "cli/rules_commands.h"

#include <simdjson.h>

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "cli/api.h"
#include "cli/table.h"
#include "rules/rule_file.h"
#include "rules/unit_test.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

std::string TextOf(dom::element object, const char* key) {
  std::string_view text;
  return object[key].get(text) ? "" : std::string(text);
}

// inactive, pending, firing; recordings have none.
int ColorOfState(const std::string& state) { return state == "firing" ? 31 : state == "pending" ? 33 : 0; }

}  // namespace

absl::Status RunRulesCheck(const Options& options, Streams streams) {
  int bad = 0;
  for (const std::string& path : options.files) {
    ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
    rules::RuleReadOptions read;
    read.lint = true;
    const rules::RuleFileResult result = rules::ReadRules(text, path, read);
    for (const rules::RuleProblem& problem : result.problems) streams.out << problem.Text() << '\n';
    if (!result.ok()) {
      ++bad;
      continue;
    }
    size_t count = 0;
    for (const rules::RuleGroup& group : result.file.groups) count += group.rules.size();
    streams.out << path << ": " << count << (count == 1 ? " rule" : " rules") << " found\n";
  }
  return bad == 0 ? absl::OkStatus()
                  : InvalidArgument("{} of {} files have problems", bad, options.files.size());
}

absl::Status RunRulesTest(const Options& options, Streams streams) {
  int bad = 0;
  for (const std::string& path : options.files) {
    streams.out << "Unit Testing:  " << path << '\n';
    ASSIGN_OR_RETURN(const std::vector<std::string> failures, rules::RunRuleTests(path));
    if (failures.empty()) {
      streams.out << "  SUCCESS\n\n";
      continue;
    }
    ++bad;
    streams.out << "  FAILED:\n";
    for (const std::string& failure : failures) streams.out << "    " << failure << '\n';
    streams.out << '\n';
  }
  return bad == 0 ? absl::OkStatus()
                  : InvalidArgument("{} of {} test files failed", bad, options.files.size());
}

absl::Status RunRulesList(const Options& options, Streams streams) {
  Api api(options.connection);
  Parameters parameters;
  if (!options.rule_type.empty()) parameters.emplace_back("type", options.rule_type);
  ASSIGN_OR_RETURN(const std::string body, api.Raw("/prometheus/api/v1/rules", parameters));
  dom::parser parser;
  dom::element document;
  dom::array groups;
  if (parser.parse(body).get(document) || document["data"]["groups"].get(groups))
    return InvalidArgument("not a list of rules: it begins with {}", body.substr(0, 120));
  Table table({"NAMESPACE", "GROUP", "RULE", "STATE", "ALERTS", "HEALTH", "EXPRESSION"});
  size_t count = 0;
  std::vector<std::string> problems;
  for (const dom::element group : groups) {
    dom::array rules;
    if (group["rules"].get(rules)) continue;
    for (const dom::element rule : rules) {
      if (options.printer.mode == OutputMode::kJsonl || options.printer.mode == OutputMode::kRaw) {
        streams.out << simdjson::minify(rule) << '\n';
        continue;
      }
      ++count;
      dom::array alerts;
      const std::string state = TextOf(rule, "state");
      const std::string type = TextOf(rule, "type");
      table.Add({TextOf(group, "file"), TextOf(group, "name"), TextOf(rule, "name"),
                 type == "recording" ? "(recording)" : state,
                 rule["alerts"].get(alerts) ? "" : std::to_string(alerts.size()), TextOf(rule, "health"),
                 TextOf(rule, "query")},
                options.printer.color ? ColorOfState(state) : 0);
      if (const std::string error = TextOf(rule, "lastError"); !error.empty())
        problems.push_back(TextOf(rule, "name") + ": " + error);
    }
  }
  table.Print(streams.out);
  for (const std::string& problem : problems) streams.notes << problem << '\n';
  if (count == 0 && !options.quiet && options.printer.mode != OutputMode::kJsonl &&
      options.printer.mode != OutputMode::kRaw)
    streams.notes << "no rules; docs/rules.md tells where they go\n";
  return absl::OkStatus();
}

absl::Status RunRulesShow(const Options& options, Streams streams) {
  std::string path = "/loki/api/v1/rules";
  if (!options.rule_namespace.empty()) path += "/" + EncodeSegment(options.rule_namespace);
  if (!options.rule_group.empty()) path += "/" + EncodeSegment(options.rule_group);
  Api api(options.connection);
  const auto body = api.Raw(path, {});
  if (absl::IsNotFound(body.status()))
    return NotFound("no rules there: {}\n  skaldctl rules list shows namespaces and groups",
                    MessageOf(body.status()));
  RETURN_IF_ERROR(body.status());
  streams.out << *body;
  if (!body->empty() && body->back() != '\n') streams.out << '\n';
  return absl::OkStatus();
}

}  // namespace skald::cli
