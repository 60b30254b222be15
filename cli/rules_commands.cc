#include "cli/rules_commands.h"

#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "rules/rule_file.h"
#include "rules/unit_test.h"

namespace skald::cli {

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

}  // namespace skald::cli
