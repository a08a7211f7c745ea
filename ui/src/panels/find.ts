// Where to look: the worst blocks, the least certain ones, and those that hold most of a class.

import type { App, Panel } from "../app";
import { h, markCurrent, replace } from "../dom";
import { percent } from "../measure";
import { colorOf, editedClasses, titleOf, type State } from "../state";
import type { Block } from "../types";

const MOST = 50;

export type Ranking =
  { by: "wrong" } | { by: "confidence" } | { by: "forecast" } | { by: "class"; name: string };

export interface Ranked {
  block: Block;
  share: number;
}

/** The blocks that a ranking can say something of, the highest share first; equal ones by their id. */
export function rank(blocks: Block[], ranking: Ranking): Ranked[] {
  const share = (block: Block): number | null => {
    if (ranking.by === "wrong") return block.wrong;
    if (ranking.by !== "class") return block[ranking.by] === null ? null : 1 - block[ranking.by]!;
    return block.classes[ranking.name] || null;
  };
  return blocks
    .flatMap((block) => {
      const value = share(block);
      return value === null ? [] : [{ block, share: value }];
    })
    .sort((a, b) => b.share - a.share || a.block.id.localeCompare(b.block.id, "en", { numeric: true }));
}

/** The class whose name or title starts with, or else holds, the text. */
export function findClass(state: State, text: string): string | null {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const rows = editedClasses(state).map((row) => ({
    name: row.name,
    words: [row.name, row.title ?? row.name],
  }));
  const by = (matches: (word: string) => boolean) =>
    rows.find((row) => row.words.some((word) => matches(word.toLowerCase())))?.name ?? null;
  return by((word) => word.startsWith(wanted)) ?? by((word) => word.includes(wanted));
}

const SPLITS: Record<string, string> = { test: "test", val: "validation", train: "training", gap: "gap" };

let list: Ranked[] = [];
let at = -1;

/** Go to the next (1) or the previous (-1) block of the list. */
export function stepBlock(app: App, step: number): void {
  if (!list.length) {
    app.say("There are no blocks in the list of the panel Find.");
    return;
  }
  at = (at + step + list.length) % list.length;
  const row = list[at]!;
  app.visit(row.block.bounds);
  app.say(`Block ${row.block.id}, ${at + 1} of ${list.length}: ${percent(row.share)}`);
  markCurrent(document.querySelectorAll(".blocks:not(.queue) button"), at);
}

function blockRow(app: App, row: Ranked, i: number, what: string): HTMLElement {
  const go = () => {
    at = i - 1;
    stepBlock(app, 1);
  };
  const split = row.block.split ? (SPLITS[row.block.split] ?? row.block.split) : "";
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", onclick: go, id: `block-${row.block.id}` },
      h("span", {}, row.block.id),
      h("span", { class: `split ${row.block.split ?? ""}` }, split),
      h("span", { class: "number" }, `${percent(row.share)} ${what}`),
    ),
  );
}

function ranking(state: State, by: string, text: string): { ranking: Ranking; what: string } | null {
  if (by === "wrong") return { ranking: { by }, what: "wrong" };
  if (by === "confidence") return { ranking: { by }, what: "unsure" };
  if (by === "forecast") return { ranking: { by }, what: "of the IoU missing, as expected" };
  const name = findClass(state, text);
  return name ? { ranking: { by: "class", name }, what: titleOf(state, name) } : null;
}

function orderPicker(app: App): HTMLSelectElement {
  const labelled = app.blocks.some((block) => block.wrong !== null);
  const forecast = app.blocks.some((block) => block.forecast !== null);
  return h(
    "select",
    { id: "order" },
    labelled && h("option", { value: "wrong" }, "most wrong first"),
    h("option", { value: "confidence" }, "least certain first"),
    forecast && h("option", { value: "forecast" }, "lowest expected IoU first"),
    h("option", { value: "class" }, "most of a class first"),
  );
}

function classNames(app: App): HTMLElement {
  const rows = editedClasses(app.store.state).map((row) => h("option", { value: row.title || row.name }));
  return h("datalist", { id: "class-names" }, ...rows);
}

function drawList(app: App, results: HTMLElement, by: string, text: string): void {
  const chosen = ranking(app.store.state, by, text);
  list = chosen ? rank(app.blocks, chosen.ranking).slice(0, MOST) : [];
  at = -1;
  const color = chosen?.ranking.by === "class" ? colorOf(app.store.state, chosen.ranking.name) : null;
  const none = chosen ? "No block matches." : "Type the name of a class.";
  replace(
    results,
    h(
      "p",
      { class: "fine", role: "status" },
      color ? h("i", { class: "swatch", style: { background: color } }) : null,
      list.length ? `${list.length} blocks; comma and full stop step through them.` : none,
    ),
    h("ol", { class: "plain blocks" }, ...list.map((row, i) => blockRow(app, row, i, chosen?.what ?? ""))),
  );
}

function make(app: App): HTMLElement {
  const order = orderPicker(app);
  const names = { list: "class-names", placeholder: "a class, as water", autocomplete: "off" };
  const search = h("input", { type: "search", id: "search", ...names });
  const results = h("div");
  const draw = () => drawList(app, results, order.value, search.value);
  order.addEventListener("change", draw);
  search.addEventListener("input", () => {
    if (search.value.trim()) order.value = "class";
    draw();
  });
  draw();
  return h(
    "div",
    {},
    h("div", { class: "fields" }, h("label", { for: "search" }, "Search"), search, classNames(app)),
    h("div", { class: "fields" }, h("label", { for: "order" }, "Order"), order),
    results,
  );
}

export const findPanel: Panel = {
  id: "find",
  title: "Find",
  key: "f",
  offered: (app) => app.blocks.length > 0,
  make,
};
