// Builds the page into urbanseg/review/page, or with --test the tests into build/. The libraries are a file of their
// own, so that the page's own code stays readable and its changes small.

import { build } from "esbuild";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PAGE = join(HERE, "../urbanseg/review/page");
const MODULES = join(HERE, "node_modules");
const COMMON = { bundle: true, format: "esm", target: "es2022", charset: "utf8", logLevel: "warning" };

/** The libraries that end up in the page, each with the file that holds its licence, or the licence's name. */
const LIBRARIES = ["maplibre-gl", "terra-draw", "terra-draw-maplibre-gl-adapter"];

const MIT = (holder) => `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;

/** Names of the packages that a package needs, its own among them; types are no part of the page. */
async function needed(name, found = new Set()) {
  if (found.has(name) || name.startsWith("@types/")) return found;
  found.add(name);
  const { dependencies = {} } = JSON.parse(await readFile(join(MODULES, name, "package.json"), "utf8"));
  for (const other of Object.keys(dependencies)) await needed(other, found);
  return found;
}

async function licence(name) {
  const folder = join(MODULES, name);
  const { version, license, author } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const holder =
    typeof author === "string" ? author.replace(/ <.*/, "") : (author?.name ?? `the authors of ${name}`);
  if (!file && license !== "MIT") throw new Error(`${name} has neither a licence file nor the MIT licence`);
  const text = file ? await readFile(join(folder, file), "utf8") : MIT(holder);
  return `${name} ${version} (${license})\n\n${text.trim().replaceAll("\r\n", "\n")}\n`;
}

async function licences() {
  const names = new Set();
  for (const name of LIBRARIES) await needed(name, names);
  const texts = await Promise.all([...names].sort().map(licence));
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

/** The page's own code imports the libraries from the file beside it. */
const apart = {
  name: "libraries-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/libraries$/ }, () => ({ path: "./libraries.js", external: true })),
};

async function buildPage(folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const entry = (name) => join(HERE, "src", name);
  await build({
    ...COMMON,
    entryPoints: [entry("main.ts")],
    outfile: join(folder, "app.js"),
    plugins: [apart],
  });
  const minified = { ...COMMON, minify: true, legalComments: "none" };
  await build({ ...minified, entryPoints: [entry("libraries.ts")], outfile: join(folder, "libraries.js") });
  const worker = join(MODULES, "maplibre-gl/dist/maplibre-gl-worker.mjs");
  await build({ ...minified, entryPoints: [worker], outfile: join(folder, "map-worker.js") });
  for (const name of ["index.html", "app.css", "icon.svg"]) await copyFile(entry(name), join(folder, name));
  await copyFile(join(MODULES, "maplibre-gl/dist/maplibre-gl.css"), join(folder, "maplibre-gl.css"));
  await writeFile(join(folder, "LICENCES.txt"), await licences());
}

async function buildTests() {
  const out = join(HERE, "build");
  await rm(out, { recursive: true, force: true });
  const files = (await readdir(join(HERE, "test"))).filter((name) => name.endsWith(".test.ts"));
  const entryPoints = files.map((name) => join(HERE, "test", name));
  await build({
    ...COMMON,
    entryPoints,
    outdir: out,
    platform: "node",
    packages: "external",
    outExtension: { ".js": ".mjs" },
  });
}

const [mode, folder] = process.argv.slice(2);
await (mode === "--test" ? buildTests() : buildPage(mode === "--into" ? folder : PAGE));
