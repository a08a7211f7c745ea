// Check the map: points drawn from it, at which people say what is there without seeing what the map says.

import { scenePath, type App, type Panel } from "../app";
import { button, h, replace } from "../dom";
import { hectares } from "../measure";
import { focusFeature } from "../overlays";
import { checkable, colorOf, titleOf } from "../state";
import type { Accuracy, Bounds, CheckPoint, Estimate } from "../types";
import { choices } from "./correct";

/** How many times as wide as its pixel the surroundings of a point are. */
const AROUND = 60;

let points: CheckPoint[] = [];
let at = 0;
let redraw: () => void = () => undefined;

/** The surroundings of a pixel. */
export function around([west, south, east, north]: Bounds): Bounds {
  const [x, y] = [((east - west) * AROUND) / 2, ((north - south) * AROUND) / 2];
  return [west - x, south - y, east + x, north + y];
}

/** The place of the next point without an answer after `from`, or else `from`. */
export function nextOpen(all: CheckPoint[], from: number): number {
  const order = all.map((_, i) => (from + 1 + i) % all.length);
  return order.find((i) => all[i]!.reference === null) ?? from;
}

function go(app: App, place: number): void {
  const point = points[place];
  if (!point) return;
  at = place;
  app.panes.show(around(point.bounds), false);
  app.panes.overlay("focus", focusFeature(point.bounds));
  redraw();
}

function step(app: App, by: number): void {
  if (points.length) go(app, (at + by + points.length) % points.length);
}

/** Say what is at the point, and go to the next one that is open. */
export async function answerPoint(app: App, reference: string): Promise<void> {
  const point = points[at];
  if (!point) return;
  await app.attempt(async () => {
    await app.api.post(`${scenePath(app)}/sample/${point.point}`, { reference });
    points = points.map((row) => (row.point === point.point ? { ...row, reference } : row));
    go(app, nextOpen(points, at));
  });
}

async function load(app: App, draw: boolean): Promise<void> {
  await app.attempt(async () => {
    const path = `${scenePath(app)}/sample`;
    const found = draw
      ? await app.api.post<{ points: CheckPoint[] }>(path)
      : await app.api.call<{ points: CheckPoint[] }>(path);
    points = found.points;
    go(app, nextOpen(points, -1));
  });
  redraw();
}

function within({ estimate, margin }: Estimate, show: (value: number) => string): string {
  if (estimate === null) return "–";
  return margin === null ? show(estimate) : `${show(estimate)} ± ${show(margin)}`;
}

function accuracyTable(app: App, found: Accuracy): HTMLElement {
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const rows = Object.entries(found.classes).map(([name, row]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, titleOf(app.store.state, name)),
      h("td", { class: "number" }, within(row.users_accuracy, share)),
      h("td", { class: "number" }, within(row.producers_accuracy, share)),
      h("td", { class: "number" }, within(row.adjusted_ha, hectares)),
    ),
  );
  const heads = ["Class", "User's", "Producer's", "Area"];
  return h(
    "table",
    { id: "accuracy" },
    h("caption", {}, `Accuracy ${within(found.overall_accuracy, share)}, 95 %, of ${found.points} points`),
    h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...rows),
  );
}

function answers(app: App, point: CheckPoint): HTMLElement {
  const named = choices(app).map((name, i) =>
    h(
      "button",
      {
        type: "button",
        id: `check-${name}`,
        onclick: () => void answerPoint(app, name),
        title: name === "ignore" ? "0" : String(i + 1),
        "aria-pressed": String(point.reference === name),
      },
      h("i", {
        class: `swatch${name === "ignore" ? " unknown" : ""}`,
        style: { background: colorOf(app.store.state, name) },
      }),
      name === "ignore" ? "cannot tell" : titleOf(app.store.state, name),
    ),
  );
  return h("div", { class: "palette", role: "group", "aria-label": "What is at the point" }, ...named);
}

function asked(app: App, result: HTMLElement): HTMLElement {
  const left = points.filter((row) => row.reference === null).length;
  const name = `${app.store.state.scene?.id ?? "points"}_check.gpkg`;
  const estimate = () =>
    void app.attempt(async () =>
      replace(result, accuracyTable(app, await app.api.call<Accuracy>(`${scenePath(app)}/accuracy`))),
    );
  return h(
    "div",
    {},
    h("p", { id: "check-place", role: "status" }, `Point ${at + 1} of ${points.length}, ${left} are open.`),
    answers(app, points[at]!),
    h(
      "p",
      { class: "row" },
      button("Previous", () => step(app, -1), { id: "check-previous" }),
      button("Next", () => step(app, 1), { id: "check-next" }),
    ),
    h(
      "p",
      { class: "row" },
      button("Estimate", estimate, { id: "estimate", class: "primary", disabled: left > 0 }),
      button(
        "Download",
        () => void app.attempt(() => app.api.download(`${scenePath(app)}/sample.gpkg`, name)),
        {
          id: "check-download",
        },
      ),
    ),
  );
}

function make(app: App): HTMLElement {
  [points, at] = [[], 0];
  const [view, result] = [h("div"), h("div")];
  const draw = button("Draw points", () => void load(app, true), { id: "draw-points", class: "primary" });
  redraw = () => replace(view, points.length ? asked(app, result) : h("p", { class: "row" }, draw));
  redraw();
  const opened = () => {
    if (app.store.state.panel === "check") void load(app, false);
  };
  app.watch((state, before) => {
    if (state.panel !== before.panel) opened();
    if (state.edits !== before.edits) redraw();
  });
  opened();
  return h(
    "div",
    {},
    h("h2", {}, "How right is the map?"),
    h(
      "p",
      { class: "fine" },
      "Say what is in the marked pixel. The map, its labels and corrections stay hidden meanwhile.",
    ),
    view,
    result,
  );
}

export const checkPanel: Panel = {
  id: "check",
  title: "Check",
  key: "q",
  offered: (app) => checkable(app.store.state),
  make,
};
