// Puts the page's libraries into node_modules, when what is there is not what package-lock.json says: node install.mjs NPM. Needs the
// network then, and only then.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const mark = join(here, "node_modules", ".installed");
const wanted = createHash("sha256").update(readFileSync(join(here, "package-lock.json"))).digest("hex");
if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
  execFileSync(process.argv[2] ?? "npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(mark, wanted);
}
