// Bundles the page: node build.mjs DIRECTORY. Writes app.js and app.css there, and page_assets.cc, which holds all files of the page
// compressed (page_assets.h), and prints their sizes. The target is what browsers of the last four years understand.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2]);
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome105", "firefox110", "safari16"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});
const assets = [
  ["/", join(here, "src", "index.html"), "text/html; charset=utf-8"],
  ["/page/app.js", join(out, "app.js"), "text/javascript; charset=utf-8"],
  ["/page/app.css", join(out, "app.css"), "text/css; charset=utf-8"],
  ["/page/icon.svg", join(here, "src", "icon.svg"), "image/svg+xml; charset=utf-8"],
];

// Bytes as a C++ string literal, in lines of a bearable length. Escapes have three digits: the next character cannot join them.
function literal(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 64) {
    let line = "";
    for (const b of bytes.subarray(at, at + 64))
      line += b >= 0x20 && b < 0x7f && b !== 0x22 && b !== 0x5c && b !== 0x3f ? String.fromCharCode(b) : `\\${b.toString(8).padStart(3, "0")}`;
    lines.push(`    "${line}"`);
  }
  return lines.join("\n");
}

let whole = 0;
let code = '// Made by server/page/build.mjs.\n#include "server/page/page_assets.h"\n\nnamespace skald::server {\nnamespace {\n\n';
let table = "";
assets.forEach(([path, file, type], i) => {
  const plain = readFileSync(file);
  const gzip = gzipSync(plain, { level: 9 });
  whole += gzip.length;
  console.log(`${path}: ${plain.length} bytes, ${gzip.length} gzipped`);
  code += `constexpr char kBytes${i}[] =\n${literal(gzip)};\n\n`;
  const etag = createHash("sha256").update(plain).digest("hex").slice(0, 20);
  table += `    {"${path}", "${type}", "\\"${etag}\\"", {kBytes${i}, sizeof(kBytes${i}) - 1}},\n`;
});
code += `constexpr PageAsset kAssets[] = {\n${table}};\n\n}  // namespace\n\nstd::span<const PageAsset> PageAssets() { return kAssets; }\n\n}  // namespace skald::server\n`;
writeFileSync(join(out, "page_assets.cc"), code);
console.log(`page: ${whole} bytes gzipped`);
