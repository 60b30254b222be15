#include "text/line_shape.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "text/json_flatten.h"
#include "text/logfmt.h"

namespace skald {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Collect {
  Fields* out;
  bool WantPrefix(std::string_view) const { return true; }
  bool OnField(std::string_view name, const JsonValue& value) {
    out->emplace_back(name, value.text);
    return true;
  }
};

// What the parsers say; false for an error.
bool Parse(bool json, std::string_view line, Fields* out) {
  out->clear();
  if (json) {
    JsonFlattener flattener;
    return flattener.Run(line, Collect{out}) == JsonError::kNone;
  }
  LogfmtScanner scanner(line);
  std::string scratch;
  for (auto result = scanner.Next(); result != LogfmtScanner::kEnd; result = scanner.Next()) {
    if (result == LogfmtScanner::kPair)
      out->emplace_back(SanitizedKey(scanner.key(), &scratch), scanner.value());
  }
  return true;
}

// The line with the padding behind it that Match asks for.
class Padded {
 public:
  explicit Padded(std::string_view line) : text_(line), size_(line.size()) {
    text_ += '\n';
    text_.append(LineShape::kPadding, '"');
  }
  std::string_view line() const { return std::string_view(text_).substr(0, size_); }

 private:
  std::string text_;
  size_t size_;
};

struct ShapeCase {
  std::string learned;
  std::string line;
  bool match;
};

TEST(LineShape, Json) {
  const ShapeCase cases[] = {
      {R"({"a":"x","b":1})", R"({"a":"yy","b":-2.5e3})", true},
      {R"({"a":"x","b":1})", R"({"a":"","b":7})", true},
      {R"({"a":"x","b":1})", R"({"a":"y\"","b":7})", false},
      {R"({"a":"x","b":1})", R"({"a":"y","c":7})", false},
      {R"({"a":"x","b":1})", R"({"a":"y","b":"7"})", false},
      {R"({"a":"x","b":1})", R"({"a":"y","b":true})", false},
      {R"({"a":"x","b":1})", R"({"a":"y","b":7)", false},
      {R"({"a":"x","b":1})", R"({"a":"y","b":7]})", false},
      {R"({"a":"x","b":1})", R"({"a":"y","b":7} trailing)", true},
      {R"({"a":"x"})", R"({"a":"long text of more than sixteen bytes, and then some more"})", true},
      {R"({"a":"x"})", R"({"a":"not closed)", false},
      {R"({"a":true,"n":null})", R"({"a":false,"n":null})", true},
      {R"({"a":true,"n":null})", R"({"a":false,"n":1})", false},
      {R"({"a":true})", R"({"a":truex})", false},
      {R"({"u":{"id":1,"c":"x"},"z":2})", R"({"u":{"id":22,"c":"yy"},"z":3})", true},
      {R"({"u":{"id":1,"c":"x"},"z":2})", R"({"u":{"id":22,"c":"yy"}},"z":3})", false},
      {R"( { "a" : 1 , "b" : "x" } )", R"( { "a" : 12 , "b" : "y" } )", true},
  };
  for (const ShapeCase& c : cases) {
    LineShape shape;
    ASSERT_TRUE(shape.LearnJson(c.learned)) << c.learned;
    std::vector<std::string_view> values(shape.size());
    EXPECT_EQ(shape.Match(Padded(c.line).line(), values.data()), c.match) << c.line;
  }
  for (const char* line : {"", "x", "[]", "{}", R"({"a":[1]})", R"({"a":"\n"})", R"({"a\n":1})", R"({"a":1)",
                           R"({"":1})", R"({"a":1,})", R"({"a":nul})"}) {
    EXPECT_FALSE(LineShape().LearnJson(line)) << line;
  }
}

TEST(LineShape, Logfmt) {
  const ShapeCase cases[] = {
      {R"(a=1 b="x y" c=3)", R"(a=22 b="" c=4)", true},
      {R"(a=1 b="x y" c=3)", R"(a=22 b="z" c=4 d=5)", true},
      {R"(a=1 b="x y" c=3)", R"(a=22 b=z c=4)", false},
      {R"(a=1 b="x y" c=3)", R"(a= b="z" c=4)", false},
      {R"(a=1 b="x y" c=3)", R"(a=1 b="z\"" c=4)", false},
      {R"(a=1 b="x y" c=3)", R"(a=1 b="z" c=4=5)", false},
      {R"(a=1 b)", R"(a=2)", true},
      {R"(a=1 b)", R"(a=2"x")", false},
      {R"(a=1)", R"(a=)", false},
  };
  for (const ShapeCase& c : cases) {
    LineShape shape;
    ASSERT_TRUE(shape.LearnLogfmt(c.learned)) << c.learned;
    std::vector<std::string_view> values(shape.size());
    EXPECT_EQ(shape.Match(Padded(c.line).line(), values.data()), c.match) << c.line;
  }
}

TEST(LineShape, CutLooksNoFurther) {
  LineShape json;
  ASSERT_TRUE(json.LearnJson(R"({"a":1,"b":2,"c":3})"));
  json.CutAfter(1);
  ASSERT_EQ(json.size(), 2u);
  std::string_view values[2];
  const Padded line(R"({"a":5,"b":66,"zzz)");
  EXPECT_TRUE(json.Match(line.line(), values));
  EXPECT_EQ(values[1], "66");
  EXPECT_FALSE(json.Match(Padded(R"({"a":5,"b":66)").line(), values));
}

// Whatever matches has the values that the parser finds, and no error.
TEST(LineShape, AgreesWithTheParserOnDamagedLines) {
  const std::string json[] = {
      R"({"level":"info","ts":12,"msg":"request completed","user":{"id":9,"country":"NL"},"ok":true,"host":"10.0.0.1"})",
      R"({"a":1,"a":"x","b":null,"c":{"d":{"e":-1.5}},"f.g":"y"})"};
  const std::string logfmt[] = {R"(level=info caller=main.go:3 msg="order stored" duration=1.5ms size=3KB)",
                                R"(a=1 b="" c d="e f" =x g=h)"};
  constexpr std::string_view kBytes = "\"\\{}[]:,= .0-9etrufalsn\t\x01\x80";
  std::mt19937 random(11);
  int matched = 0;
  for (int round = 0; round < 200'000; ++round) {
    const bool is_json = round % 2 == 0;
    const std::string& learned = (is_json ? json : logfmt)[random() % 2];
    LineShape shape;
    ASSERT_TRUE(is_json ? shape.LearnJson(learned) : shape.LearnLogfmt(learned));
    std::string line = learned;
    for (uint32_t edits = random() % 4; edits > 0; --edits) {
      const size_t at = random() % line.size();
      switch (random() % 3) {
        case 0:
          line[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          line.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        default:
          line.erase(at, 1 + random() % 3);
      }
      if (line.empty()) line = "x";
    }
    std::vector<std::string_view> values(shape.size());
    const Padded padded(line);
    if (!shape.Match(padded.line(), values.data())) continue;
    ++matched;
    Fields fields;
    ASSERT_TRUE(Parse(is_json, line, &fields)) << line;
    if (is_json) {
      ASSERT_EQ(fields.size(), shape.size()) << line;
    } else {
      ASSERT_GE(fields.size(), shape.size()) << line;
    }
    for (size_t i = 0; i < shape.size(); ++i) {
      ASSERT_EQ(fields[i].first, shape.name(i)) << line;
      ASSERT_EQ(fields[i].second, values[i]) << line;
    }
  }
  EXPECT_GT(matched, 50'000);
}

}  // namespace
}  // namespace skald
