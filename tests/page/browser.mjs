// A browser and what every walk over the page watches: nothing on the console, no request to anybody but the server, no serious finding
// of axe-core, and how long the page kept the browser busy.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(join(root, "server", "page", "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export class Failure extends Error {}

export function check(condition, text) {
  if (!condition) throw new Failure(text);
}

export class Walk {
  constructor(address, images) {
    this.address = address;
    this.images = images;
    this.faults = [];
  }

  async start(options = {}) {
    const asRoot = process.getuid?.() === 0;
    this.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--disable-gpu", "--force-color-profile=srgb", ...(asRoot ? ["--no-sandbox"] : [])],
    });
    this.context = await this.browser.newContext({
      viewport: { width: 1280, height: 800 },
      colorScheme: "dark",
      timezoneId: "UTC",
      locale: "en-US",
      acceptDownloads: true,
      ...options,
    });
    await this.context.addInitScript({ content: axe });
    this.page = await this.open();
  }

  async open() {
    const page = await this.context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("console", (message) => {
      // A query with a fault is answered 400, and the browser says so: the walk asks such queries on purpose.
      if (message.type() === "error" && !/status of 400/.test(message.text())) this.faults.push(`console: ${message.text()} (${message.location().url}:${message.location().lineNumber}:${message.location().columnNumber})`);
    });
    page.on("pageerror", (error) => this.faults.push(`error: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:", "about:"].includes(url.protocol) && url.host !== new URL(this.address).host) this.faults.push(`a request to ${url.host}`);
    });
    return page;
  }

  // Shows a place of the page from nothing, as a link does.
  async show(hash) {
    await this.page.goto("about:blank");
    await this.page.goto(`${this.address}/${hash}`);
  }

  // Runs work and tells the main thread's longest task meanwhile, in milliseconds: CPU time too, since other programs on the machine
  // stretch the time.
  async busy(work) {
    const session = await this.context.newCDPSession(this.page);
    const tasks = [];
    session.on("Tracing.dataCollected", ({ value }) => {
      for (const event of value) if (event.name === "RunTask" || event.name === "ThreadControllerImpl::RunTask") tasks.push(event);
    });
    await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"] } });
    const value = await work();
    const ended = new Promise((done) => session.once("Tracing.tracingComplete", done));
    await session.send("Tracing.end");
    await ended;
    const took = tasks.filter((t) => t.dur).map((t) => ({ cpu: (t.tdur ?? t.dur) / 1000, wall: t.dur / 1000 }));
    const longest = took.reduce((a, b) => (b.cpu > a.cpu ? b : a), { cpu: 0, wall: 0 });
    return { value, longest, over: took.filter((t) => t.cpu > 50).length };
  }

  // Picture and examination of what is shown.
  async look(name) {
    await this.page.screenshot({ path: join(this.images, `${name}.png`) });
    const found = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"], preload: false }));
    const serious = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    for (const v of serious)
      this.faults.push(`axe, ${name}: ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`);
    console.log(`${name}: ${found.violations.length} findings of axe-core, ${serious.length} serious`);
  }

  async stop() {
    await this.browser?.close();
  }
}
