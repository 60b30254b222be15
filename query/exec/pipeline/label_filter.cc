#include "query/exec/pipeline/label_filter.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "text/units.h"

namespace skald::exec {
namespace {

using logql::CompareOp;
using logql::Overloaded;
using logql::RegexTest;

template <class T>
bool Compare(CompareOp op, T value, T with) {
  switch (op) {
    case CompareOp::kEqual:
      return value == with;
    case CompareOp::kNotEqual:
      return value != with;
    case CompareOp::kGreater:
      return value > with;
    case CompareOp::kGreaterEqual:
      return value >= with;
    case CompareOp::kLess:
      return value < with;
    case CompareOp::kLessEqual:
      return value <= with;
  }
  return false;
}

struct Always {};
struct NonEmpty {};
struct Equals {
  std::string text;
};
struct EqualsFolded {
  FoldedFinder finder;
};
struct Contains {
  SubstringFinder finder;
};
struct ContainsFolded {
  FoldedFinder finder;
};
using ValueTest = std::variant<Always, NonEmpty, Equals, EqualsFolded, Contains, ContainsFolded, RegexMatch>;

void AddTests(const RegexTest& test, std::vector<ValueTest>* out) {
  switch (test.kind) {
    case RegexTest::Kind::kAlways:
      out->emplace_back(Always());
      return;
    case RegexTest::Kind::kNonEmpty:
      out->emplace_back(NonEmpty());
      return;
    case RegexTest::Kind::kLiteral:
      if (test.fold_case) {
        out->emplace_back(EqualsFolded{FoldedFinder(test.text)});
      } else {
        out->emplace_back(Equals{test.text});
      }
      return;
    case RegexTest::Kind::kContains:
      if (test.fold_case) {
        out->emplace_back(ContainsFolded{FoldedFinder(test.text)});
      } else {
        out->emplace_back(Contains{SubstringFinder(test.text)});
      }
      return;
    case RegexTest::Kind::kAnyOf:
      for (const RegexTest& leg : test.legs) AddTests(leg, out);
      return;
  }
}

bool Holds(const ValueTest& test, std::string_view value) {
  return std::visit(Overloaded{
                        [](const Always&) { return true; },
                        [&](const NonEmpty&) { return !value.empty(); },
                        [&](const Equals& t) { return value == t.text; },
                        [&](const EqualsFolded& t) { return t.finder.Equals(value); },
                        [&](const Contains& t) { return t.finder.FoundIn(value); },
                        [&](const ContainsFolded& t) { return t.finder.FoundIn(value); },
                        [&](const RegexMatch& regex) { return regex.Matches(value); },
                    },
                    test);
}

// A value that cannot be read keeps the row, marked if it is not yet.
bool KeepWithError(RowState* row, const absl::Status& status) {
  if (row->labels.has_error()) return true;
  row->labels.SetError("LabelFilterErr");
  row->labels.SetErrorDetails(row->labels.arena().Copy(MessageOf(status)));
  return true;
}

struct StringTest {
  std::string name;
  bool negated = false;
  std::vector<ValueTest> any;
};
struct NumberTest {
  std::string name;
  CompareOp op;
  double value;
};
struct DurationTest {
  std::string name;
  CompareOp op;
  int64_t ns;
};
struct BytesTest {
  std::string name;
  CompareOp op;
  uint64_t bytes;
};
struct IpTest {
  std::string name;
  bool negated = false;
  std::optional<IpMatcher> matcher;  // none: never true
};

}  // namespace

struct LabelTestNode {
  struct And {
    std::unique_ptr<const LabelTestNode> left;
    std::unique_ptr<const LabelTestNode> right;
  };
  struct Or {
    std::unique_ptr<const LabelTestNode> left;
    std::unique_ptr<const LabelTestNode> right;
  };
  std::variant<StringTest, NumberTest, DurationTest, BytesTest, IpTest, And, Or> test;
};

LabelTest::LabelTest(std::unique_ptr<const LabelTestNode> root) : root_(std::move(root)) {}
LabelTest::LabelTest(LabelTest&&) noexcept = default;
LabelTest& LabelTest::operator=(LabelTest&&) noexcept = default;
LabelTest::~LabelTest() = default;

absl::StatusOr<LabelTest> LabelTest::Make(const logql::LabelFilter& filter) {
  ASSIGN_OR_RETURN(std::unique_ptr<const LabelTestNode> root, Build(filter, false));
  return LabelTest(std::move(root));
}

absl::StatusOr<std::unique_ptr<const LabelTestNode>> LabelTest::Build(const logql::LabelFilter& filter,
                                                                      bool inside) {
  auto node = std::make_unique<LabelTestNode>();
  absl::Status status;
  const auto build = [&](const logql::LabelFilterPtr& part, std::unique_ptr<const LabelTestNode>* out) {
    absl::StatusOr<std::unique_ptr<const LabelTestNode>> built = Build(*part, true);
    if (built.ok()) {
      *out = std::move(*built);
    } else if (status.ok()) {
      status = built.status();
    }
  };
  std::visit(Overloaded{
                 [&](const logql::StringFilter& f) {
                   StringTest test;
                   test.name = f.matcher.name();
                   const MatchOp op = f.matcher.op();
                   test.negated = op == MatchOp::kNotEqual || op == MatchOp::kNotRegex;
                   if (op == MatchOp::kEqual || op == MatchOp::kNotEqual) {
                     test.any.emplace_back(Equals{f.matcher.value()});
                   } else if (const auto simple = logql::SimplifyRegex(f.matcher.value())) {
                     AddTests(*simple, &test.any);
                   } else if (absl::StatusOr<RegexMatch> regex = RegexMatch::MakeAnchored(f.matcher.value());
                              regex.ok()) {
                     test.any.emplace_back(std::move(*regex));
                   } else {
                     status = regex.status();
                   }
                   node->test = std::move(test);
                 },
                 [&](const logql::NumberFilter& f) {
                   node->test = NumberTest{f.name, f.op, f.value};
                 },
                 [&](const logql::DurationFilter& f) {
                   node->test = DurationTest{f.name, f.op, f.nanos};
                 },
                 [&](const logql::BytesFilter& f) {
                   node->test = BytesTest{f.name, f.op, f.threshold};
                 },
                 [&](const logql::IpFilter& f) {
                   IpTest test{f.name, f.negated, std::nullopt};
                   if (absl::StatusOr<IpMatcher> matcher = IpMatcher::Make(f.pattern); matcher.ok()) {
                     test.matcher = *matcher;
                   } else if (!inside) {
                     status = matcher.status();
                   }
                   node->test = std::move(test);
                 },
                 [&](const logql::AndFilter& f) {
                   LabelTestNode::And both;
                   build(f.left, &both.left);
                   build(f.right, &both.right);
                   node->test = std::move(both);
                 },
                 [&](const logql::OrFilter& f) {
                   LabelTestNode::Or either;
                   build(f.left, &either.left);
                   build(f.right, &either.right);
                   node->test = std::move(either);
                 },
             },
             filter.node);
  RETURN_IF_ERROR(status);
  return std::unique_ptr<const LabelTestNode>(std::move(node));
}

bool LabelTest::Keeps(RowState* row) const { return Run(*root_, row); }

bool LabelTest::Run(const LabelTestNode& node, RowState* row) {
  const LabelState& labels = row->labels;
  return std::visit(
      Overloaded{
          [&](const StringTest& test) {
            std::string_view value;
            if (test.name == kErrorLabel) {
              value = labels.error();
            } else {  // the details of an error are no label, but a line may have a field of that name
              value = labels.Get(test.name).value_or(std::string_view());
            }
            for (const ValueTest& leg : test.any) {
              if (Holds(leg, value)) return !test.negated;
            }
            return test.negated;
          },
          [&](const NumberTest& test) {
            const auto value = labels.Get(test.name);
            if (!value.has_value()) return false;
            double number = 0;
            if (TryParseGoFloat(*value, &number)) return Compare(test.op, number, test.value);
            return KeepWithError(row, ParseGoFloat(*value).status());
          },
          [&](const DurationTest& test) {
            const auto value = labels.Get(test.name);
            if (!value.has_value()) return false;
            const absl::StatusOr<int64_t> ns = ParseGoDuration(*value);
            return ns.ok() ? Compare(test.op, *ns, test.ns) : KeepWithError(row, ns.status());
          },
          [&](const BytesTest& test) {
            const auto value = labels.Get(test.name);
            if (!value.has_value()) return false;
            const absl::StatusOr<uint64_t> bytes = ParseHumanBytes(*value);
            return bytes.ok() ? Compare(test.op, *bytes, test.bytes) : KeepWithError(row, bytes.status());
          },
          [&](const IpTest& test) {
            if (labels.has_error()) return true;  // numbers do look at a row with an error, addresses do not
            const auto value = labels.Get(test.name);
            if (!value.has_value() || !test.matcher.has_value()) return false;
            return test.matcher->FoundIn(*value) != test.negated;
          },
          [&](const LabelTestNode::And& test) {
            const bool left = Run(*test.left, row);
            const bool right = Run(*test.right, row);  // also where left is false: it may set an error
            return left && right;
          },
          [&](const LabelTestNode::Or& test) { return Run(*test.left, row) || Run(*test.right, row); },
      },
      node.test);
}

std::optional<bool> LabelTest::Decide(std::span<const Named> values) const { return Decide(*root_, values); }

std::optional<bool> LabelTest::Decide(const LabelTestNode& node, std::span<const Named> values) {
  const auto value_of = [&](const std::string& name) -> std::optional<std::string_view> {
    for (const Named& named : values) {
      if (named.name == name) return named.value;
    }
    return std::nullopt;
  };
  const auto is_plain = [](std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  };
  using Answer = std::optional<bool>;
  return std::visit(Overloaded{
                        [&](const StringTest& test) -> Answer {
                          const auto value = value_of(test.name);
                          if (!value.has_value() || !is_plain(*value)) return std::nullopt;
                          for (const ValueTest& leg : test.any) {
                            if (Holds(leg, *value)) return !test.negated;
                          }
                          return test.negated;
                        },
                        [&](const NumberTest& test) -> Answer {
                          const auto value = value_of(test.name);
                          double number = 0;
                          if (!value.has_value() || !TryParseGoFloat(*value, &number)) return std::nullopt;
                          return Compare(test.op, number, test.value);
                        },
                        [&](const DurationTest& test) -> Answer {
                          const auto value = value_of(test.name);
                          if (!value.has_value()) return std::nullopt;
                          const absl::StatusOr<int64_t> ns = ParseGoDuration(*value);
                          if (!ns.ok()) return std::nullopt;
                          return Compare(test.op, *ns, test.ns);
                        },
                        [&](const BytesTest& test) -> Answer {
                          const auto value = value_of(test.name);
                          if (!value.has_value()) return std::nullopt;
                          const absl::StatusOr<uint64_t> bytes = ParseHumanBytes(*value);
                          if (!bytes.ok()) return std::nullopt;
                          return Compare(test.op, *bytes, test.bytes);
                        },
                        [&](const IpTest&) -> Answer { return std::nullopt; },
                        [&](const LabelTestNode::And& test) -> Answer {
                          const Answer left = Decide(*test.left, values);
                          const Answer right = Decide(*test.right, values);
                          if (!left.has_value() || !right.has_value()) return std::nullopt;
                          return *left && *right;
                        },
                        [&](const LabelTestNode::Or& test) -> Answer {
                          const Answer left = Decide(*test.left, values);
                          const Answer right = Decide(*test.right, values);
                          if (!left.has_value() || !right.has_value()) return std::nullopt;
                          return *left || *right;
                        },
                    },
                    node.test);
}

bool LabelTest::IsNumber() const { return std::holds_alternative<NumberTest>(root_->test); }

bool LabelTest::PassesNumber(double number) const {
  const NumberTest& test = *std::get_if<NumberTest>(&root_->test);
  return Compare(test.op, number, test.value);
}

std::vector<std::string> LabelTest::Labels() const {
  std::vector<std::string> out;
  AppendLabels(*root_, &out);
  return out;
}

void LabelTest::AppendLabels(const LabelTestNode& node, std::vector<std::string>* out) {
  std::visit(Overloaded{
                 [&](const LabelTestNode::And& test) {
                   AppendLabels(*test.left, out);
                   AppendLabels(*test.right, out);
                 },
                 [&](const LabelTestNode::Or& test) {
                   AppendLabels(*test.left, out);
                   AppendLabels(*test.right, out);
                 },
                 [&](const auto& test) { out->push_back(test.name); },
             },
             node.test);
}

void LabelTest::AppendWanted(std::vector<Wanted>* out) const { AppendWanted(*root_, out); }

void LabelTest::AppendWanted(const LabelTestNode& node, std::vector<Wanted>* out) {
  if (const auto* both = std::get_if<LabelTestNode::And>(&node.test)) {
    AppendWanted(*both->left, out);
    AppendWanted(*both->right, out);
    return;
  }
  const auto* test = std::get_if<StringTest>(&node.test);
  // Names of this kind hold what the pipeline itself says.
  if (test == nullptr || test->negated || test->name.starts_with("__")) return;
  Wanted wanted{test->name, {}};
  for (const ValueTest& leg : test->any) {
    if (const auto* equals = std::get_if<Equals>(&leg)) {
      wanted.any_of.push_back(equals->text);
    } else if (const auto* contains = std::get_if<Contains>(&leg)) {
      wanted.any_of.push_back(contains->finder.needle());
    } else {
      return;
    }
  }
  if (!wanted.any_of.empty()) out->push_back(std::move(wanted));
}

bool LabelTest::AlwaysKeeps() const {
  const auto* test = std::get_if<StringTest>(&root_->test);
  return test != nullptr && !test->negated && test->any.size() == 1 &&
         std::holds_alternative<Always>(test->any[0]);
}

std::string_view LabelTest::label() const {
  return std::visit(Overloaded{
                        [](const LabelTestNode::And&) { return std::string_view(); },
                        [](const LabelTestNode::Or&) { return std::string_view(); },
                        [](const auto& test) { return std::string_view(test.name); },
                    },
                    root_->test);
}

bool LabelTest::CanFail() const {
  const auto can_fail = [](const auto& self, const LabelTestNode& node) -> bool {
    return std::visit(
        Overloaded{
            [](const StringTest&) { return false; },
            [](const IpTest&) { return false; },
            [&](const LabelTestNode::And& test) { return self(self, *test.left) || self(self, *test.right); },
            [&](const LabelTestNode::Or& test) { return self(self, *test.left) || self(self, *test.right); },
            [](const auto&) { return true; },
        },
        node.test);
  };
  return can_fail(can_fail, *root_);
}

}  // namespace skald::exec
