// The page's parts that are no pictures, as tables of input and wanted output: edits of queries, ranges of time, fields of lines,
// names of examples. Ends with 1 when a row differs.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const page = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "server", "page");
const { build } = createRequire(join(page, "package.json"))("esbuild");

async function load(file) {
  const out = await build({ entryPoints: [join(page, "src", file)], bundle: true, write: false, format: "esm", logLevel: "error", jsx: "automatic", jsxImportSource: "preact" });
  return import(`data:text/javascript;base64,${Buffer.from(out.outputFiles[0].contents).toString("base64")}`);
}

let rows = 0;
let faults = 0;
function same(what, got, want) {
  rows++;
  if (JSON.stringify(got) === JSON.stringify(want)) return;
  faults++;
  console.log(`${what}:\n  want ${JSON.stringify(want)}\n  got  ${JSON.stringify(got)}`);
}

globalThis.localStorage = { getItem: () => null, setItem: () => {} };
const edit = await load("logql/edit.ts");
const text = await load("logql/tokens.ts");
const range = await load("time/range.ts");
const fields = await load("lines/fields.ts");
const buckets = await load("ui/buckets.ts");

for (const [query, name, op, value, want] of [
  ["", "app", "=", "web", '{app="web"}'],
  ['{job="a"}', "app", "=", "web", '{job="a", app="web"}'],
  ['{job="a"} |= "x"', "app", "!=", "web", '{job="a", app!="web"} |= "x"'],
  ['{app="b"}', "app", "=", "web", '{app="web"}'],
  ['{app=~"b|c", job="j"}', "app", "=", "web", '{job="j", app="web"}'],
  ['{app="web"}', "app", "!=", "web", '{app!="web"}'],
  ['{service_name=~".+"}', "app", "=", "web", '{app="web"}'],
  ['{service_name=~".+"}', "app", "!=", "web", '{service_name=~".+", app!="web"}'],
  ['sum(rate({app="b"} |= "{" [1m]))', "app", "=", "web", 'sum(rate({app="web"} |= "{" [1m]))'],
  ['{a="}"}', "b", "=", 'say "hi"', '{a="}", b=`say "hi"`}'],
  ["{a=`}`}", "b", "=", "tick ` and \" both", '{a=`}`, b="tick ` and \\" both"}'],
])
  same(`withMatcher(${query}, ${name}${op}${value})`, edit.withMatcher(query, name, op, value), want);

for (const [query, name, op, value, parser, want] of [
  ['{a="b"}', "status", "=", "500", "json", '{a="b"} | json | status="500"'],
  ['{a="b"} | json', "status", "!=", "500", "json", '{a="b"} | json | status!="500"'],
  ['{a="b"} |= "json"', "status", "=", "500", "json", '{a="b"} |= "json" | json | status="500"'],
  ['sum(rate({a="b"}[1m]))', "level", "=", "error", null, 'sum(rate({a="b"} | level="error"[1m]))'],
])
  same(`withFieldFilter(${query})`, edit.withFieldFilter(query, name, op, value, parser), want);

for (const [query, want] of [
  ['{a="b"} |= "x" | json', '{a="b"} |= "x" | json'],
  ['sum by (a) (rate({a="b"} | json [5m])) / 2', '{a="b"} | json'],
  ['count_over_time({a="b"} | x=ip("1.2.3.4") [5m])', '{a="b"} | x=ip("1.2.3.4")'],
  ["vector(1)", ""],
])
  same(`logPartOf(${query})`, edit.logPartOf(query), want);

for (const [query, line, want] of [
  ['{a="b"} |= "err"', "an err, an err", ["err", "err"]],
  ['{a="b"} |~ "(?i)err"', "Err ERR", ["Err", "ERR"]],
  ['{a="b"} |= "a.b" or "c"', "a.b axb c", ["a.b", "c"]],
  ['{a="b"} != "err"', "err", []],
  ['{a="b"} |~ "[0-9]+ms"', "took 12ms", ["12ms"]],
])
  same(`markedBy(${query})`, line.match(edit.markedBy(query) ?? /$^/g) ?? [], want);

for (const [query, want] of [['{a="b"}', false], [' # first\n{a="b"}', false], ['rate({a="b"}[1m])', true], ["1+1", true], ["", false]])
  same(`isMetric(${query})`, edit.isMetric(query), want);

same("tokens join to the text", text.tokens('{a="b"} |~ `x\ny` | json | d > 1h30m').map((t) => t.text).join(""), '{a="b"} |~ `x\ny` | json | d > 1h30m');
for (const [value, want] of [["plain", '"plain"'], ["a\\b", "`a\\b`"], ["line\nbreak", '"line\\nbreak"'], ["`\\", '"`\\\\"']]) {
  same(`quote(${value})`, text.quote(value), want);
  same(`unquote(quote(${value}))`, text.unquote(text.quote(value)), value);
}

const now = 1793534400000;
for (const [moment, want] of [
  ["now", now], ["now-15m", now - 900e3], ["now - 2d", now - 2 * 86400e3], ["1793534400", now], ["1793534400000", now],
  ["1793534400000000000", now], ["2026-11-01T12:00:00Z", now], ["2026-11-01 12:00:00Z", now], ["yesterday", NaN], ["", NaN], ["now-5", NaN],
])
  same(`parseMoment(${moment})`, range.parseMoment(moment, now), want);
for (const [hours, most, want] of [[1, 110, 60], [24, 110, 900], [0.01, 110, 1], [24 * 365, 110, 604800]])
  same(`stepFor(${hours} h, ${most})`, range.stepFor({ start: 0, end: hours * 3600e3 }, most), want);

for (const [line, parser, want] of [
  ['{"level":"info","customer":{"id":7,"tags":["x"]},"a-b":true,"none":null}', "json", { level: "info", customer_id: "7", a_b: "true" }],
  ['ts=1 level=warn msg="two words" q="a \\"b\\""', "logfmt", { ts: "1", level: "warn", msg: "two words", q: 'a "b"' }],
  ["no fields here", null, {}],
  ["only=one", null, {}],
  ['{"broken": ', null, {}],
]) {
  const found = fields.fieldsOf(line);
  same(`fieldsOf(${line})`, [found.parser, Object.fromEntries(found.fields.map((f) => [f.name, f.value]))], [parser, want]);
}

const stacked = buckets.stack([{ metric: { l: "a" }, values: [[10, "1"], [20, "2"]] }, { metric: { l: "b" }, values: [[20, "5"]] }], 10e3, (m) => m.l, ["b", "a"]);
same("stack", [stacked.keys, stacked.ends, stacked.values, stacked.totals], [["b", "a"], [10e3, 20e3], { a: [1, 2], b: [0, 5] }, [1, 7]]);

console.log(`${rows} rows, ${faults} differ`);
process.exitCode = faults ? 1 : 0;
