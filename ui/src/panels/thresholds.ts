// Confidence thresholds per class and clean-up, tried on the map at once, and written to params.yaml on "apply".

import type { App, Panel } from "../app";
import { scenePath } from "../app";
import { button, debounce, h, replace } from "../dom";
import { hectares, signed } from "../measure";
import { thresholdQuery } from "../plan";
import { can, editedClasses } from "../state";
import type { Areas, Thresholds } from "../types";

const CLEANS: [string, string][] = [
  ["none", "none"],
  ["median", "most frequent class around"],
  ["morphology", "opens each class"],
];

function current(app: App): Thresholds {
  const { live, scene } = app.store.state;
  return live ?? scene!.thresholds;
}

/** The thresholds with one changed; only what differs is copied. */
export function withMinimum(thresholds: Thresholds, name: string, value: number): Thresholds {
  const { min_confidence, clean, clean_px } = thresholds;
  return { min_confidence: { ...min_confidence, [name]: value }, clean, clean_px };
}

function slider(app: App, name: string, title: string, color: string): HTMLElement {
  const value = current(app).min_confidence[name] ?? 0;
  const id = `threshold-${name}`;
  // A slider that is dragged speaks many times a second, and each time asks for the whole view.
  const tell = debounce(50, (minimum: number) =>
    app.store.set({ live: withMinimum(current(app), name, minimum) }),
  );
  const output = h("output", { for: id, class: "number" }, value.toFixed(2));
  const input = h("input", {
    type: "range",
    id,
    min: 0,
    max: 1,
    step: 0.01,
    value,
    oninput: () => {
      output.textContent = Number(input.value).toFixed(2);
      tell(Number(input.value));
    },
  });
  const swatch = h("i", { class: "swatch", style: { background: color } });
  return h("li", { class: "threshold" }, h("label", { for: id }, swatch, title), input, output);
}

function areaTable(app: App, areas: Areas): HTMLElement {
  const rows = editedClasses(app.store.state).flatMap((row) => {
    const area = areas.classes[row.name];
    if (!area) return [];
    const iou = areas.scores?.iou[row.name];
    return [
      h(
        "tr",
        {},
        h("th", { scope: "row" }, row.title || row.name),
        h("td", { class: "number" }, hectares(area.hectares)),
        h("td", { class: "number" }, signed(area.hectares - area.before, 1)),
        areas.scores && h("td", { class: "number" }, typeof iou === "number" ? iou.toFixed(3) : "–"),
      ),
    ];
  });
  const heads = ["Class", "In view", "Change", ...(areas.scores ? ["IoU"] : [])];
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const { scores } = areas;
  return h(
    "div",
    {},
    h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
    scores &&
      h(
        "p",
        { id: "live-score" },
        `Mean IoU in view ${scores.miou.toFixed(3)}, as delivered ${scores.before.toFixed(3)}.`,
      ),
    scores && h("p", { class: "fine" }, "On labelled blocks that are not for testing."),
    areas.approximate &&
      h("p", { class: "fine" }, "Computed from a coarser copy of the map; zoom in for all pixels."),
  );
}

function cleanFields(app: App): HTMLElement {
  const thresholds = current(app);
  const change = () => {
    const { min_confidence } = current(app);
    const px = Math.max(1, Math.round(Number(size.value) || 1));
    app.store.set({ live: { min_confidence, clean: kind.value, clean_px: px } });
  };
  const kind = h(
    "select",
    { id: "clean", onchange: change },
    ...CLEANS.map(([name, title]) =>
      h("option", { value: name, selected: name === thresholds.clean }, title),
    ),
  );
  const size = h("input", {
    type: "number",
    id: "clean-px",
    min: 1,
    max: 20,
    value: thresholds.clean_px,
    onchange: change,
  });
  return h(
    "div",
    { class: "fields" },
    h("label", { for: "clean" }, "Clean-up"),
    kind,
    h("label", { for: "clean-px" }, "by pixels"),
    size,
  );
}

function watchAreas(app: App, table: HTMLElement): void {
  let running: AbortController | null = null;
  const ask = debounce(100, () => {
    const { panel, scene, camera } = app.store.state;
    if (panel !== "thresholds" || !scene) return;
    running?.abort();
    running = new AbortController();
    const bounds = camera.bounds.map((x) => x.toFixed(6)).join(",");
    const query = new URLSearchParams([...thresholdQuery(current(app)), ["bounds", bounds]]);
    app.api
      .call<Areas>(`${scenePath(app)}/areas?${query}`, { signal: running.signal })
      .then((areas) => replace(table, areaTable(app, areas)))
      .catch((error: Error) => {
        if (error.name !== "AbortError") replace(table, h("p", { class: "fine" }, error.message));
      });
  });
  app.watch((state, before) => {
    if (state.live !== before.live || state.camera !== before.camera || state.panel !== before.panel) ask();
  });
  ask();
}

function actions(app: App, redraw: () => void): HTMLElement {
  const apply = () =>
    app.attempt(async () => {
      const { min_confidence, clean, clean_px } = current(app);
      await app.api.post("/api/thresholds", { min_confidence, clean, clean_px });
      app.say("Written to predict.min_confidence in params.yaml; the next run of the pipeline uses it.");
    });
  const reset = () => {
    app.store.set({ live: null });
    redraw();
  };
  return h(
    "p",
    { class: "row" },
    button("Apply to params.yaml", () => void apply(), { class: "primary", id: "apply" }),
    button("As delivered", reset, { id: "reset" }),
  );
}

function make(app: App): HTMLElement {
  const unavailable = app.store.state.scene?.thresholds.unavailable;
  if (unavailable) return h("div", {}, h("p", {}, unavailable));
  const controls = h("div");
  const draw = () =>
    replace(
      controls,
      h(
        "p",
        { class: "fine" },
        "Below its threshold a class gives way to the next most likely one that reaches its own.",
      ),
      h(
        "ul",
        { class: "plain" },
        ...editedClasses(app.store.state).map((row) =>
          slider(app, row.name, row.title || row.name, row.color),
        ),
      ),
      cleanFields(app),
      actions(app, draw),
    );
  draw();
  const table = h("div", { class: "areas" });
  watchAreas(app, table);
  return h("div", {}, controls, table);
}

export const thresholdsPanel: Panel = {
  id: "thresholds",
  title: "Thresholds",
  key: "t",
  offered: (app) => can(app.store.state, "thresholds") && app.store.state.scene !== null,
  make,
};
