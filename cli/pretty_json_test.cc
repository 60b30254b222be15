#include "cli/pretty_json.h"

#include <gtest/gtest.h>

namespace skald::cli {
namespace {

TEST(PrettyJson, Indents) {
  EXPECT_EQ(*PrettyJson(R"([{"metric":{"a":"<"},"value":[1.5,"2"]},{},[]])"),
            "[\n  {\n    \"metric\": {\n      \"a\": \"<\"\n    },\n    \"value\": [\n      1.5,\n      "
            "\"2\"\n    ]\n  },\n"
            "  {},\n  []\n]\n");
  EXPECT_FALSE(PrettyJson("{").ok());
}

TEST(JsonLines, OneElementALine) {
  EXPECT_EQ(*JsonLines(R"([ {"a": 1}, 2 ])"), "{\"a\":1}\n2\n");
  EXPECT_EQ(*JsonLines(R"({"a": 1})"), "{\"a\":1}\n");
  EXPECT_FALSE(JsonLines("[").ok());
}

}  // namespace
}  // namespace skald::cli
