#include "text/template.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/exact_decimal.h"

namespace skald {
namespace {

using Labels = std::map<std::string, std::string, std::less<>>;

class MapData : public TemplateData {
 public:
  explicit MapData(const Labels& labels) : labels_(labels) {}
  std::optional<std::string_view> Lookup(std::string_view name) const override {
    const auto it = labels_.find(name);
    return it == labels_.end() ? std::nullopt : std::optional<std::string_view>(it->second);
  }
  void ForEach(absl::FunctionRef<void(std::string_view, std::string_view)> visit) const override {
    for (const auto& [name, value] : labels_) visit(name, value);
  }
  std::string_view line() const override { return "the line"; }
  int64_t time_ns() const override { return 1'793'537'737'124'846'859; }

 private:
  const Labels& labels_;
};

std::string Render(std::string_view text, const Labels& labels) {
  const auto parsed = Template::Parse("line", text, LogTemplateFunctions());
  if (!parsed.ok()) return std::string(MessageOf(parsed.status()));
  std::string out;
  const absl::Status status = (*parsed)->Execute(MapData(labels), &out);
  return status.ok() ? out : std::string(MessageOf(status));
}

struct Row {
  const char* text;
  Labels labels;
  const char* want;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(Render(row.text, row.labels), row.want) << row.text;
}

TEST(Template, Language) {
  Check({
      {"", {}, ""},
      {"plain", {}, "plain"},
      {"{{.no}}x{{.a}}", {{"a", "1"}}, "x1"},
      {"a {{- .a -}} \n b", {{"a", "1"}}, "a1b"},
      {"{{/* c */}}x{{- /* d */ -}} y", {}, "xy"},
      {"{{ .a | ToUpper | printf \"%s-%s\" .b }}", {{"a", "x"}, {"b", "y"}}, "y-X"},
      {"{{if .a}}yes{{else}}no{{end}}", {{"a", ""}}, "no"},
      {"{{if eq .a \"1\"}}one{{else if eq .a \"2\"}}two{{else}}many{{end}}", {{"a", "2"}}, "two"},
      {"{{with .a}}[{{.}}]{{else}}none{{end}}", {{"a", "v"}}, "[v]"},
      {"{{with .x}}x{{else with .a}}{{.}}{{end}}", {{"a", "v"}}, "v"},
      {"{{$x := .a}}{{if true}}{{$x = \"new\"}}{{end}}{{$x}} {{$.a}}", {{"a", "v"}}, "new v"},
      {"{{range $k, $v := .}}{{$k}}={{$v}};{{end}}", {{"b", "2"}, {"a", "1"}}, "a=1;b=2;"},
      {"{{range 3}}{{.}}{{end}}", {}, "012"},
      {"{{range $i,$q := fromJson .j}}{{$i}}={{$q.k}};{{end}}",
       {{"j", R"([{"k":1},{"k":"b"}])"}},
       "0=1;1=b;"},
      {"{{range $i, $x := fromJson .j}}{{if eq $x 2.0}}{{continue}}{{end}}{{if gt $i "
       "2}}{{break}}{{end}}{{$x}}{{end}}",
       {{"j", "[1,2,3,4]"}},
       "13"},
      {"{{range fromJson \"[]\"}}x{{else}}empty{{end}}", {}, "empty"},
      {"{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .a}}", {{"a", "v"}}, "<v>"},
      {"{{block \"t\" .a}}({{.}}){{end}}", {{"a", "v"}}, "(v)"},
      {"{{and .a .b}}|{{or .a .b}}|{{not .a}}", {{"a", ""}, {"b", "x"}}, "|x|true"},
      {"{{or .a (div 1 0)}}", {{"a", "x"}}, "x"},
      {"{{lt 1 2}} {{le 2 2}} {{gt \"a\" \"b\"}} {{ge 1.5 1.0}} {{ne 1 2}} {{eq 1 2 1}}",
       {},
       "true true false true true true"},
      {"{{index . \"a\"}}{{len .a}} {{slice .a 1 3}}", {{"a", "hello"}}, "hello5 el"},
      {"{{.}}", {{"b", "2"}, {"a", "1"}}, "map[a:1 b:2]"},
      {"{{fromJson .j}}",
       {{"j", R"({"z":[1,"x",null],"a":{"b":true}})"}},
       "map[a:map[b:true] z:[1 x <nil>]]"},
      {"{{fromJson .j}}",
       {{"j", R"({"a":[-0,-0.0,1E400],"b":123456789012345678901234567890,"c":"-0\"-0"})"}},
       "map[a:[-0 -0 <nil>] b:1.2345678901234568e+29 c:-0\"-0]"},
      {"{{fromJson .j}}", {{"j", "[-01]"}}, "<no value>"},
      {"{{fromJson \"{\"}} {{(fromJson \"{}\").x}}", {}, "<no value> <no value>"},
      {"{{fromJson .j}}", {{"j", R"({"a":"\ud83d\ude00 \ud83d \ude00x \\ud83d"})"}}, "map[a:😀 � �x \\ud83d]"},
      {"{{printf \"%[2]d %[1]d\" 1 2}} {{printf \"%[3]*.[2]*[1]f|\" 12.0 2 6}} {{printf \"%[5]d %[x]d %d\" 1 "
       "2}}",
       {},
       "2 1  12.00| %!d(BADINDEX) %!d(BADINDEX) 1"},
      {"{{printf \"%x|%X|%.2x|%b|%G|%E\" 2.0 3.0 3.1 0.5 1e21 2.5}}",
       {},
       "0x1p+01|0X1.8P+01|0x1.8dp+01|4503599627370496p-53|1E+21|2.500000E+00"},
      {"{{printf \"%5z|%-6d|%+t|%05b|%.1q|%08s\" 7 \"x\" 5 true 1.25 \"é\"}}",
       {},
       "%!z(int=    7)|%!d(string=x     )|%!t(int=+5)|%!b(bool=0true)|%!q(float64=1)|0000000é"},
      {"{{printf \"%#v|%#g|%#x|% x|%#06x|%+v|%U|%#U|%q\" (fromJson .j) 1.5 \"hi\" \"hi\" 255 5 8364 8364 "
       "10}}",
       {{"j", R"({"k":[1,null,"s"]})"}},
       "map[string]interface {}{\"k\":[]interface {}{1, interface {}(nil), \"s\"}}|1.50000|0x6869|68 "
       "69|0x0000ff|5|U+20AC|U+20AC '€'|'\\n'"},
      {"{{printf \"%*d|%.*f|%*d\" 4 7 1 2.55 \"x\" 3}}", {}, "   7|2.5|%!(BADWIDTH)3"},
      {"{{html nil}} {{urlquery nil 0}} {{title \"ǆa\"}}", {}, "&lt;no value&gt; %3Cno+value%3E0 ǅa"},
      {"{{1}} {{'a'}} {{1.5}} {{1e6}} {{0x10}} {{true}}", {}, "1 97 1.5 1e+06 16 true"},
      {"{{print 1 2 \"a\" 3}}|{{println \"a\" 1}}", {}, "1 2a3|a 1\n"},
      {"{{html \"<a&'>\"}} {{js \"it's\"}} {{urlquery \"a b&\"}}", {}, "&lt;a&amp;&#39;&gt; it\\'s a+b%26"},
      {"{{__line__}}|{{__timestamp__ | unixEpoch}}|{{__timestamp__.Unix}}",
       {},
       "the line|1793537737|1793537737"},
  });
}

TEST(Template, Printf) {
  Check({
      {"{{printf \"%-8s|%5.1f|%05d|%+d\" \"GET\" 2.25 42 7}}", {}, "GET     |  2.2|00042|+7"},
      {"{{printf \"%q %x %X %v %t %%\" \"hi\" \"hi\" 255 1.5 true}}", {}, "\"hi\" 6869 FF 1.5 true %"},
      {"{{printf \"%d\" \"x\"}} {{printf \"%s\"}} {{printf \"a\" 1}}",
       {},
       "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)"},
      {"{{printf \"%v %g %6.2f|%-6v|\" 1000000.0 0.00001 1.005 1.5}}", {}, "1e+06 1e-05   1.00|1.5   |"},
      {"{{printf \"%T %T %5t|%*d\" 1 \"x\" true 4 2}}", {}, "int string  true|   2"},
  });
}

TEST(Template, Functions) {
  Check({
      {"{{div 7 2}} {{divf 7 2}} {{round 2.567 1}} {{trunc 2 .a}}", {{"a", "hello"}}, "3 3.5 2.6 he"},
      {"[{{alignLeft 4 .a}}][{{alignRight 4 .a}}]", {{"a", "hi"}}, "[hi  ][  hi]"},
      {"[{{alignLeft 4 .a}}][{{alignRight 4 .a}}]", {{"a", "hello"}}, "[hell][ello]"},
      {"{{trunc 1 .a}}|{{trunc -2 .a}}|{{substr 1 3 .a}}|{{substr -1 2 .a}}|{{substr 1 99 .a}}|{{substr 2 -1 "
       ".a}}|{{trunc 9 .a}}",
       {{"a", "hello"}},
       "h|lo|el|he|ello|llo|hello"},
      {"{{.s | bytes}} {{bytes \"3 kB\"}} {{duration \"1m30.5s\"}}", {{"s", "3MB"}}, "3e+06 3000 90.5"},
      {"{{addf 0.1 0.2}} {{subf 1 0.9}} {{mulf 1.1 1.1}} {{divf 1 3}} {{divf 2 3}}",
       {},
       "0.3 0.1 1.21 0.3333333333333333 0.6666666666666667"},
      {"{{add 1 \"2\" 3.9}} {{sub 5 7}} {{mul 2 3 4}} {{mod 7 4}} {{max 1 5 2}} {{minf 1.5 0.5}}",
       {},
       "6 -2 24 3 5 0.5"},
      {"{{int \"0x1f\"}} {{int \"010\"}} {{int \"2.9\"}} {{int \"-.5\"}} {{int \"x\"}} {{float64 \"1e3\"}}",
       {},
       "31 8 2 0 0 1000"},
      {"{{ceil 1.2}} {{floor -1.2}} {{round -2.5 0}}", {}, "2 -2 -3"},
      {"{{regexReplaceAll \"(a)(?P<n>b)\" \"xabab\" \"${n}$1-\"}} {{regexReplaceAllLiteral \"b\" \"abb\" "
       "\"$1\"}}",
       {},
       "xba-ba- a$1$1"},
      {"{{regexReplaceAll \"x*\" \"abc\" \"-\"}} {{count \"a|b\" \"abcab\"}}", {}, "-a-b-c- 4"},
      {"{{Replace \"aaa\" \"a\" \"b\" 2}} {{replace \"a\" \"b\" \"aaa\"}}", {}, "bba bbb"},
      {"{{Trim \"xxaxx\" \"x\"}} {{TrimLeft \"xxa\" \"x\"}} {{trimAll \"x\" \"xax\"}} {{trimPrefix \"a\" "
       "\"ab\"}} {{TrimSuffix \"ab\" \"b\"}} {{trim \" a \"}}",
       {},
       "a a a b a a"},
      {"{{title \"hello wor_ld 1a\"}} {{lower \"ÄB\"}} {{repeat 3 \"ab\"}}", {}, "Hello Wor_ld 1a äb ababab"},
      {"{{indent 2 \"a\\nb\"}}|{{nindent 1 \"a\"}}", {}, "  a\n  b|\n a"},
      {"{{b64enc \"hi\"}} {{b64dec \"aGk=\"}} {{b64dec \"!\"}}",
       {},
       "aGk= hi illegal base64 data at input byte 0"},
      {"{{urlencode \"a b/\"}} {{urldecode \"a+b%2F\"}}", {}, "a+b%2F a b/"},
      {"{{default \"d\" .a}} {{default \"d\" .b}} {{contains \"el\" .b}} {{hasPrefix \"h\" .b}} {{hasSuffix "
       "\"x\" .b}}",
       {{"b", "hel"}},
       "d hel true true false"},
      {"{{ .ts | toDate \"2006-01-02T15:04:05Z\" | date \"Jan _2 15:04\" }}",
       {{"ts", "2026-11-01T12:00:00Z"}},
       "Nov  1 12:00"},
      {"{{unixToTime \"1793537737\" | unixEpochMillis}} {{toDate \"x\" \"y\"}}",
       {},
       "1793537737000 0001-01-01 00:00:00 +0000 UTC"},
      {"{{(toDateInZone \"2006-01-02 15:04\" \"Europe/Berlin\" \"2026-07-01 12:00\").Unix}}",
       {},
       "1782900000"},
      {"{{__timestamp__ | unixEpochNanos}} {{date \"Mon, 02 Jan 06 3:04:05.000 PM -07:00\" "
       "(__timestamp__.UTC)}}",
       {},
       "1793537737124846859 Sun, 01 Nov 26 12:55:37.124 PM +00:00"},
  });
}

TEST(Template, ParseErrors) {
  Check({
      {"{{.a", {}, "template: line:1: unclosed action"},
      {"{{ .amount | bogus }}", {}, "template: line:1: function \"bogus\" not defined"},
      {"{{if .a}}", {}, "template: line:1: unexpected EOF"},
      {"{{end}}", {}, "template: line:1: unexpected {{end}}"},
      {"{{}}", {}, "template: line:1: missing value for command"},
      {"x\n{{$y}}", {}, "template: line:2: undefined variable \"$y\""},
      {"{{break}}", {}, "template: line:1: {{break}} outside {{range}}"},
      {"{{.a | 1}}", {}, "template: line:1: non executable command in pipeline stage 2"},
      {"{{\"a}}", {}, "template: line:1: unterminated quoted string"},
      {"{{(.a}}", {}, "template: line:1: unclosed left paren"},
      {"{{.a !}}", {}, "template: line:1: unexpected \"!\" in operand"},
      {"{{/* a", {}, "template: line:1: unclosed comment"},
  });
}

TEST(Template, ExecutionErrors) {
  Check({
      {"{{.a | now}}",
       {},
       "template: line:1:7: executing \"line\" at <now>: wrong number of args for now: want 0 got 1"},
      {"{{substr 9 12 .a}}",
       {{"a", "hello"}},
       "template: line:1:2: executing \"line\" at <substr 9 12 .a>: error calling substr: runtime error: "
       "slice bounds out of range [9:5]"},
      {"{{div 1 0}}",
       {},
       "template: line:1:2: executing \"line\" at <div 1 0>: error calling div: runtime error: integer "
       "divide by zero"},
      {"{{divf 1 0}}",
       {},
       "template: line:1:2: executing \"line\" at <divf 1 0>: error calling divf: decimal division by 0"},
      {"{{.a.b}}",
       {},
       "template: line:1:4: executing \"line\" at <.a.b>: can't evaluate field b in type string"},
      {"{{.a 1}}", {}, "template: line:1:2: executing \"line\" at <.a>: a is not a method but has arguments"},
      {"{{range .a}}{{end}}",
       {{"a", "v"}},
       "template: line:1:8: executing \"line\" at <.a>: range can't iterate over v"},
      {"{{trunc .a \"x\"}}",
       {},
       "template: line:1:8: executing \"line\" at <.a>: wrong type for value; expected int; got string"},
      {"{{template \"t\"}}",
       {},
       "template: line:1:11: executing \"line\" at <{{template \"t\"}}>: template \"t\" not defined"},
      {"{{eq .a 1}}",
       {},
       "template: line:1:2: executing \"line\" at <eq .a 1>: error calling eq: incompatible types for "
       "comparison: string and int"},
      {"{{unixToTime \"12\"}}",
       {},
       "template: line:1:2: executing \"line\" at <unixToTime \"12\">: error calling unixToTime: unable to "
       "parse time '12': %!w(<nil>)"},
  });
}

TEST(Template, BoundsWhatItCosts) {
  // Long text counts by its length.
  EXPECT_NE(Render("{{$x := repeat 1000000 \"aaaa\"}}{{range 1000000}}{{$y := count \"a*\" $x}}{{end}}", {})
                .find("too many steps"),
            std::string::npos);
  EXPECT_NE(Render("{{range 100000000}}{{end}}", {}).find("too many steps"), std::string::npos);
  EXPECT_NE(Render("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}", {})
                .find("maximum template depth"),
            std::string::npos);
  EXPECT_NE(Render("{{repeat 1000000000 \"abc\"}}", {}).find("overflow"), std::string::npos);
}

TEST(Template, Fields) {
  const auto t = Template::Parse(
      "line", "{{.a}}{{if .b}}{{.c | ToUpper}}{{end}}{{index . \"d\"}}{{$.e}}{{add .f (int .g)}}",
      LogTemplateFunctions());
  ASSERT_TRUE(t.ok());
  EXPECT_EQ((*t)->Fields(), (std::vector<std::string>{"a", "b", "c", "f", "g"}));
  EXPECT_FALSE((*t)->IsPlain());
  const auto plain = Template::Parse("line", "{{ .a }}", LogTemplateFunctions());
  ASSERT_TRUE(plain.ok());
  EXPECT_TRUE((*plain)->IsPlain());
  EXPECT_EQ((*plain)->OnlyField(), "a");
}

}  // namespace
}  // namespace skald
