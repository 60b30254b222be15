// Through every view of the page on demo data, as a person would: node walk.mjs ADDRESS PICTURES SPIKE_MS. SPIKE_MS is a moment at which
// checkout fails. Prints what it measured; ends with 1 and the reasons when something is not as it has to be.
import { readFileSync } from "node:fs";
import { check, Walk } from "./browser.mjs";

const [address, images, spikeText] = process.argv.slice(2);
const spike = Number(spikeText);
const walk = new Walk(address, images);
const hash = (view, query, more = {}) => `#/${view}?${new URLSearchParams({ ...(query ? { q: query } : {}), from: "now-1h", to: "now", ...more })}`;
const summary = () => walk.page.locator(".line-bar .summary b").first();
const queryText = () => walk.page.locator(".editor .cm-content").innerText();

async function lines(count) {
  await walk.page.waitForFunction((n) => {
    const text = document.querySelector(".line-bar .summary b")?.textContent ?? "";
    return /lines/.test(text) && Number(text.replace(/\D/g, "")) >= n;
  }, count);
}

async function push(app, line) {
  const body = JSON.stringify({ streams: [{ stream: { app, env: "demo" }, values: [[`${Date.now()}000000`, line]] }] });
  const answer = await fetch(`${address}/loki/api/v1/push`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  check(answer.status === 204, `push: ${answer.status}`);
}

async function firstVisit() {
  const { page } = walk;
  await walk.show("");
  await page.waitForSelector(".examples li");
  const [paint, data] = await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime, performance.now()]);
  console.log(`first paint of explore: ${paint?.toFixed(0)} ms; with what the server has: ${data.toFixed(0)} ms`);
  check((await page.locator(".volumes li").count()) >= 4, "the first visit names who writes");
  check((await page.locator(".recent .log-row").count()) > 5, "the first visit shows lines");
  await walk.look("home");
  // Each example is answered.
  const examples = await page.locator(".examples code").allInnerTexts();
  check(examples.length >= 5, `examples: ${examples.length}`);
  for (const query of examples) {
    const answer = await fetch(`${address}/loki/api/v1/query_range?${new URLSearchParams({ query, limit: "10" })}`);
    const found = answer.ok ? (await answer.json()).data.result.length : 0;
    check(found > 0, `the example ${query}: status ${answer.status}, ${found} results`);
  }
}

async function writing() {
  const { page } = walk;
  await page.keyboard.press("/");
  await page.keyboard.type("{");
  await page.waitForSelector(".editor .cm-tooltip-autocomplete >> text=app");
  await page.keyboard.type('app="che');
  await page.waitForSelector(".editor .cm-tooltip-autocomplete >> text=checkout");
  await page.screenshot({ path: `${images}/completion.png` });
  await page.keyboard.press("Escape");
  await walk.show(hash("explore", "")); // begins anew
  await page.waitForSelector(".examples li");
  await page.locator(".editor .cm-content").click();
  await page.keyboard.insertText('{app="checkout"} | jso | status >= 500 |');
  await page.waitForSelector(".editor .cm-lintRange-error");
  await page.screenshot({ path: `${images}/mark.png` });
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText('{app="checkout"} | json | status >= 500');
  await page.keyboard.press("Enter");
  await lines(10);
  check((await page.locator('.log-row[data-level="error"]').count()) > 0, "failures are errors");
  await walk.look("explore");
}

async function oneLine() {
  const { page } = walk;
  await walk.show(hash("explore", '{app=~"checkout|payments"}'));
  await lines(1000);
  await page.locator(".log-row").nth(3).click();
  await page.waitForSelector(".details .field");
  await walk.look("line");
  await page.getByRole("button", { name: /Only lines with app = / }).click();
  await page.waitForFunction(() => /app%3D%22/.test(location.hash));
  check(/app="(checkout|payments)"/.test(await queryText()), `a click filters: ${await queryText()}`);
  await lines(1);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("c");
  await page.waitForFunction(() => document.querySelectorAll(".context .log-row").length > 10);
  await walk.look("context");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".context", { state: "detached" });
  // A field that the query does not parse yet brings its parser.
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /Only lines with level = / }).first().click();
  await page.waitForFunction(() => /(json|logfmt)/.test(location.hash));
  await lines(1);
  // A trace leads to its lines in all services.
  await page.locator(".log-row").nth(0).click();
  check((await page.locator(".details .trace a").getAttribute("href")).startsWith("http://127.0.0.1:16686/trace/"), "a trace id leads to its trace");
  await page.getByRole("button", { name: "lines of this trace" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".log-list .log-row").length === 2);
}

async function browsing() {
  const { page } = walk;
  await walk.show(hash("explore", '{app="checkout"}'));
  await lines(100);
  await page.locator(".sidebar .name", { hasText: "app" }).first().click();
  await page.waitForSelector(".sidebar .values .amount");
  await page.locator(".sidebar .name", { hasText: "customer_country" }).click();
  await page.waitForSelector(".sidebar .values li >> text=NL");
  await walk.look("labels");
  await page.locator(".sidebar .values .value", { hasText: "NL" }).click();
  await page.waitForFunction(() => /customer_country/.test(location.hash));
  await lines(1);
  // The histogram is the zoom.
  const box = await page.locator(".histogram").boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 8 });
  await page.mouse.up();
  await page.waitForFunction(() => /from=\d{13}/.test(location.hash));
  await lines(1);
  await page.goBack();
  await page.waitForFunction(() => /from=now-1h/.test(location.hash));
}

async function scrolling() {
  const { page } = walk;
  await walk.show(hash("explore", '{app=~".+"}', { limit: "5000" }));
  await lines(5000);
  const { value: steps, longest, over } = await walk.busy(() =>
    page.evaluate(async () => {
      const list = document.querySelector(".log-list");
      const end = 5000 * 21 - list.clientHeight;
      let steps = 0;
      for (let top = 0; top < end; top += 420) {
        list.scrollTop = top;
        await new Promise(requestAnimationFrame);
        steps++;
      }
      list.scrollTop = end;
      await new Promise(requestAnimationFrame);
      return steps;
    }),
  );
  await page.waitForFunction(() => [...document.querySelectorAll(".log-row")].some((row) => Number(row.getAttribute("aria-posinset")) >= 5000));
  console.log(`5,000 lines scrolled in ${steps} steps: the longest task took ${longest.cpu.toFixed(0)} ms of CPU (${longest.wall.toFixed(0)} ms of time), ${over} took more than 50 ms of CPU`);
  check((await page.locator(".log-row").count()) < 200, "only lines in sight are on the page");
  await page.evaluate(() => (document.querySelector(".log-list").scrollTop += 30_000));
  await lines(5001);
}

async function odd() {
  const { page } = walk;
  await walk.show(hash("explore", '{app="oddities"}'));
  await lines(10);
  await page.keyboard.press("w");
  await page.waitForSelector('.log-list[data-wrap="true"]');
  await page.evaluate(() => (document.querySelector(".log-list").scrollTop = 400));
  const found = await page.evaluate(() => ({
    odd: [...document.querySelectorAll(".log-row .odd")].map((e) => e.textContent),
    scripts: document.querySelectorAll(".log-list script, .log-list b").length,
    isolated: [...document.querySelectorAll(".log-row .line-text")].every((e) => e.tagName === "BDI"),
  }));
  for (const want of ["U+202E", "�", "BEL", "NUL"]) check(found.odd.includes(want), `${want} is shown as itself; shown are ${found.odd.join(" ")}`);
  check(found.scripts === 0 && (await page.title()) !== "owned", "a line is text, not page");
  check(found.isolated, "lines are isolated in direction");
  await walk.look("odd");
  await page.keyboard.press("w");
}

async function live() {
  const { page } = walk;
  await walk.show(hash("explore", '{app="live-demo"}'));
  await page.waitForSelector(".empty");
  await page.keyboard.press("l");
  await page.waitForSelector('.pulse[data-state="live"]');
  await push("live-demo", "the first line that came while somebody looked");
  await page.waitForSelector(".log-row >> text=while somebody looked");
  await push("live-demo", "and another one");
  await page.waitForSelector(".log-row >> text=and another one");
  check(/another/.test(await page.locator(".log-row").first().innerText()), "the newest line is above");
  await walk.look("live");
  await page.keyboard.press("l");
}

async function keeping() {
  const { page } = walk;
  await walk.show(hash("explore", '{app="payments"} |= "declined"'));
  await lines(1);
  const shown = Number((await summary().innerText()).replace(/\D/g, ""));
  for (const [kind, ending] of [["text", ".log"], ["jsonl", ".jsonl"]]) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.locator("select.save").selectOption(kind)]);
    const saved = readFileSync(await file.path(), "utf8").trimEnd().split("\n");
    check(file.suggestedFilename().endsWith(ending) && saved.length >= shown, `${kind}: ${saved.length} lines saved, ${shown} shown`);
    if (kind === "jsonl") check(JSON.parse(saved[0]).labels.app === "payments", "JSON lines have labels");
  }
  // What an address shows here, it shows there.
  const other = await walk.open();
  await other.goto(page.url());
  await other.waitForFunction((n) => document.querySelector(".line-bar .summary b")?.textContent?.startsWith(String(n)), String(shown));
  await other.close();
}

async function charts() {
  const { page } = walk;
  await walk.show(hash("explore", 'sum by (app) (rate({app=~".+"}[1m]))'));
  await page.waitForSelector(".chart canvas");
  check((await page.locator(".legend tbody tr").count()) >= 4, "a series per app");
  await walk.look("chart");
}

async function correlate() {
  const { page } = walk;
  await walk.show(hash("correlate", "", { metric: "shop_failures", source: "prometheus" }));
  await page.waitForFunction(() => document.querySelectorAll(".legend tbody tr").length >= 2);
  await page.waitForSelector(".histogram");
  const box = await page.locator(".chart .u-over").boundingBox();
  const at = (ms) => box.x + box.width * (1 - (Date.now() - ms) / 3600e3);
  await page.mouse.move(at(spike - 40e3), box.y + 60);
  await page.mouse.down();
  await page.mouse.move(at(spike + 60e3), box.y + 60, { steps: 8 });
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelector(".about")?.textContent === '{app="checkout", host="shop-1"}');
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll(".log-list .log-row")];
    return rows.length > 5 && rows.every((row) => /"level"/.test(row.textContent));
  });
  await walk.look("correlate");
}

async function others() {
  const { page } = walk;
  await walk.show(hash("alerts"));
  await page.waitForSelector('.rule[data-state="firing"] .instance');
  await page.waitForSelector('.timeline li[data-state="firing"]');
  await walk.look("alerts");
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.waitForSelector(".agent tbody tr");
  check(/app\.log/.test(await page.locator(".agent tbody").innerText()), "a file of the agent");
  await walk.look("targets");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.waitForSelector(".tile >> text=ready");
  check(/data_dir/.test(await page.locator(".config").innerText()), "the settings in force");
  await walk.look("status");
  await page.keyboard.press("?");
  await page.waitForSelector(".help[open]");
  await walk.look("help");
  await page.keyboard.press("Escape");
}

async function light() {
  const { page } = walk;
  await page.emulateMedia({ colorScheme: "light" });
  await walk.show("");
  await page.waitForSelector(".examples li");
  check((await page.evaluate(() => document.documentElement.dataset.theme)) === "light", "light where the system is light");
  await walk.look("home-light");
  await walk.show(hash("explore", '{app=~"checkout|payments"} |= "error"'));
  await lines(10);
  check((await page.locator(".log-row mark").count()) > 0, "what is looked for is marked");
  await walk.look("explore-light");
  await page.keyboard.press("x");
  check((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "x turns the theme");
}

try {
  await walk.start();
  for (const part of [firstVisit, writing, oneLine, browsing, scrolling, odd, live, keeping, charts, correlate, others, light]) {
    try {
      await part();
    } catch (error) {
      await walk.page.screenshot({ path: `${images}/failed-${part.name}.png` }).catch(() => {});
      throw new Error(`${part.name}: ${error.stack ?? error}`);
    }
  }
} catch (error) {
  walk.faults.push(String(error.message ?? error));
}
await walk.stop();
for (const fault of walk.faults) console.log(`FAULT ${fault}`);
process.exitCode = walk.faults.length ? 1 : 0;
