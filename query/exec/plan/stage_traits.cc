#include "query/exec/plan/stage_traits.h"

#include "query/exec/pipeline/label_template.h"

namespace skald::exec {
namespace {

using logql::Overloaded;

constexpr std::string_view kTimestamp = "__timestamp__";

// A number, duration or size that cannot be read is an error of the row.
bool CanFail(const logql::LabelFilter& filter) {
  return std::visit(Overloaded{
                        [](const logql::StringFilter&) { return false; },
                        [](const logql::IpFilter&) { return false; },
                        [](const logql::AndFilter& f) { return CanFail(*f.left) || CanFail(*f.right); },
                        [](const logql::OrFilter& f) { return CanFail(*f.left) || CanFail(*f.right); },
                        [](const auto&) { return true; },
                    },
                    filter.node);
}

StageTraits Of(const logql::LabelFormat& format) {
  StageTraits out;
  for (const logql::LabelFormatItem& item : format.items) {
    if (item.is_rename) continue;
    const std::string_view text = item.value;
    out.reads_times |= TemplateUses(text, kTimestamp);
    // now is no column, but differs from row to row.
    out.reads_line |=
        TemplateUses(text, "__line__") || TemplateUses(text, kTimestamp) || TemplateUses(text, "now");
    out.can_fail |= !TemplateIsPlain(text);
  }
  return out;
}

}  // namespace

StageTraits TraitsOf(const logql::Stage& stage) {
  return std::visit(
      Overloaded{
          [](const logql::LineFilter&) { return StageTraits{.reads_line = true}; },
          [](const logql::JsonParser&) { return StageTraits{.reads_line = true, .can_fail = true}; },
          [](const logql::LogfmtParser& s) { return StageTraits{.reads_line = true, .can_fail = s.strict}; },
          [](const logql::RegexpParser&) { return StageTraits{.reads_line = true}; },
          [](const logql::PatternParser&) { return StageTraits{.reads_line = true}; },
          [](const logql::Unpack&) { return StageTraits{.reads_line = true, .can_fail = true}; },
          [](const logql::LabelFilter& s) { return StageTraits{.can_fail = CanFail(s)}; },
          // A formatted line is another line, whether or not the old one is looked at.
          [](const logql::LineFormat& s) {
            return StageTraits{.reads_line = true,
                               .reads_times = TemplateUses(s.text, kTimestamp),
                               .can_fail = !TemplateIsPlain(s.text)};
          },
          [](const logql::LabelFormat& s) { return Of(s); },
          [](const logql::Decolorize&) { return StageTraits{.reads_line = true}; },
          [](const logql::Drop&) { return StageTraits{}; }, [](const logql::Keep&) { return StageTraits{}; },
          [](const logql::NamedStage&) { return StageTraits{}; },  // never in a row's pipeline
      },
      stage);
}

}  // namespace skald::exec
