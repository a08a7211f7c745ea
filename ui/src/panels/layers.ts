// Layers with their opacity, band combinations, the classes with their colours, and the legends.

import type { App, Panel } from "../app";
import { button, h, replace } from "../dom";
import { RAMP } from "../overlays";
import { can, editedClasses, layerTitle, SIDES, type Side } from "../state";
import type { LandClass, LegendEntry, SceneLayer } from "../types";

function layerRow(app: App, layer: SceneLayer, side: Side, position: number): HTMLElement {
  const view = app.store.state.views[side];
  const title = layerTitle(layer);
  const id = `layer-${layer.name}`;
  const change = (event: Event) => {
    const visible = {
      ...app.store.state.views[side].visible,
      [layer.name]: (event.target as HTMLInputElement).checked,
    };
    app.store.setView(side, { visible });
  };
  const fade = (event: Event) => {
    const value = Number((event.target as HTMLInputElement).value) / 100;
    app.store.setView(side, { opacity: { ...app.store.state.views[side].opacity, [layer.name]: value } });
  };
  return h(
    "li",
    { class: "layer" },
    h("input", { type: "checkbox", id, checked: view.visible[layer.name] ?? false, onchange: change }),
    h("label", { for: id, title: position < 9 ? `Shift+${position + 1}` : null }, title),
    h("input", {
      type: "range",
      min: 0,
      max: 100,
      id: `${id}-opacity`,
      value: Math.round(100 * (view.opacity[layer.name] ?? 1)),
      "aria-label": `Opacity of ${title}`,
      oninput: fade,
    }),
  );
}

function sidePicker(app: App): HTMLElement | null {
  const { compare, side } = app.store.state;
  if (compare === "one") return null;
  const choices = SIDES.map((name) =>
    button(name === "left" ? "Left map" : "Right map", () => app.store.set({ side: name }), {
      "aria-pressed": String(name === side),
      id: `side-${name}`,
    }),
  );
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "The map whose layers are shown here" },
    ...choices,
  );
}

function bandPicker(app: App, side: Side): HTMLElement | null {
  const { scene, views } = app.store.state;
  if (!scene?.composites.length) return null;
  const view = views[side];
  const composite = h(
    "select",
    {
      id: "composite",
      onchange: (event: Event) =>
        app.store.setView(side, { composite: (event.target as HTMLSelectElement).value }),
    },
    ...scene.composites.map((row) =>
      h("option", { value: row.name, selected: row.name === view.composite }, row.title || row.name),
    ),
  );
  const stretch = h(
    "select",
    {
      id: "stretch",
      onchange: (event: Event) =>
        app.store.setView(side, { stretch: (event.target as HTMLSelectElement).value as "2-98" | "min-max" }),
    },
    h("option", { value: "2-98", selected: view.stretch === "2-98" }, "2nd to 98th percentile"),
    h("option", { value: "min-max", selected: view.stretch === "min-max" }, "least to most"),
  );
  return h(
    "div",
    { class: "fields" },
    h("label", { for: "composite" }, "Bands"),
    composite,
    h("label", { for: "stretch" }, "Stretch"),
    stretch,
  );
}

/** Switch a class on or off, in all layers of classes. */
export function toggleClass(app: App, name: string): void {
  const hidden = app.store.state.hidden;
  app.store.set({
    hidden: hidden.includes(name) ? hidden.filter((other) => other !== name) : [...hidden, name],
  });
}

function classRow(app: App, row: LandClass): HTMLElement {
  const title = row.title || row.name;
  const edit = (patch: { color?: string; title?: string }) =>
    app.store.set({
      edits: { ...app.store.state.edits, [row.name]: { ...app.store.state.edits[row.name], ...patch } },
    });
  const id = `class-${row.name}`;
  const editable = can(app.store.state, "classes") && app.store.state.scene?.kind === "city";
  return h(
    "li",
    { class: "land-class" },
    h("input", {
      type: "checkbox",
      id,
      checked: !app.store.state.hidden.includes(row.name),
      onchange: () => toggleClass(app, row.name),
    }),
    editable
      ? h("input", {
          type: "color",
          id: `${id}-color`,
          value: row.color,
          "aria-label": `Colour of ${title}`,
          oninput: (event: Event) => edit({ color: (event.target as HTMLInputElement).value }),
        })
      : h("i", { class: "swatch", style: { background: row.color } }),
    h("label", { for: id, class: editable ? "hidden" : null }, title),
    editable &&
      h("input", {
        class: "rename",
        id: `${id}-title`,
        value: title,
        maxlength: 60,
        "aria-label": `Name of ${title} in legends`,
        onchange: (event: Event) =>
          edit({ title: (event.target as HTMLInputElement).value.trim() || row.name }),
      }),
  );
}

function saveRow(app: App): HTMLElement | null {
  const edits = app.store.state.edits;
  if (!Object.keys(edits).length) return null;
  const save = () =>
    app.attempt(async () => {
      const { classes } = await app.api.post<{ classes: LandClass[] }>("/api/classes", edits);
      const { project, scene } = app.store.state;
      app.store.set({ project: { ...project, classes }, scene: scene && { ...scene, classes }, edits: {} });
      app.store.set({ version: app.store.state.version + 1 });
      app.say("Colours and names are saved in params.yaml.");
    });
  return h(
    "p",
    { class: "row" },
    button("Save in params.yaml", () => void save(), { class: "primary", id: "save-classes" }),
    button("Discard", () => app.store.set({ edits: {} }), { id: "discard-classes" }),
  );
}

function legend(layer: SceneLayer): HTMLElement | null {
  if (!layer.legend?.length) return null;
  const first = layer.legend[0];
  const title = h("h3", {}, layerTitle(layer));
  if (Array.isArray(first)) {
    const stops = (layer.legend as [number, string][]).map(([value, color]) => `${color} ${100 * value}%`);
    const ramp = h("i", {
      class: "ramp",
      style: { background: `linear-gradient(90deg, ${stops.join(", ")})` },
    });
    return h("div", {}, title, h("p", { class: "scale-of" }, "0 %", ramp, "100 %"));
  }
  const entries = (layer.legend as LegendEntry[]).map((entry) =>
    h("li", {}, h("i", { class: "swatch", style: { background: entry.color } }), entry.label),
  );
  return h("div", {}, title, h("ul", { class: "legend" }, ...entries));
}

function make(app: App): HTMLElement {
  const layers = h("div");
  const classes = h("div");
  const legends = h("div");
  const draw = () => {
    const { scene, side } = app.store.state;
    if (!scene) return;
    replace(
      layers,
      sidePicker(app),
      h("ul", { class: "plain" }, ...scene.layers.map((layer, i) => layerRow(app, layer, side, i))),
      bandPicker(app, side),
    );
  };
  const drawClasses = () => {
    const state = app.store.state;
    replace(
      classes,
      h("h2", {}, "Classes"),
      h("ul", { class: "plain" }, ...editedClasses(state).map((row) => classRow(app, row))),
      saveRow(app),
    );
  };
  const drawLegends = () => {
    const { scene, views, side } = app.store.state;
    const shown = scene?.layers.filter((layer) => views[side].visible[layer.name]) ?? [];
    replace(legends, ...shown.map(legend));
  };
  [draw, drawClasses, drawLegends].forEach((run) => run());
  app.watch((state, before) => {
    if (state.side !== before.side || state.compare !== before.compare) draw();
    else if (state.views !== before.views) tick(layers, state.views[state.side].visible);
    // While a colour is being picked, its input must stay where it is.
    const picking = document.activeElement?.matches("input[type=color]") && state.hidden === before.hidden;
    if (state.edits !== before.edits && picking) replaceSave(classes, saveRow(app));
    else if (state.edits !== before.edits || state.hidden !== before.hidden) drawClasses();
    drawLegends();
  });
  return h("div", {}, layers, classes, legends, blockRow(app), forecastRow(app));
}

const BLOCK_COLORS: [string, string, string][] = [
  ["test", "#ffb000", "for testing: no training sees them"],
  ["val", "#00a5e0", "for validation"],
  ["train", "#9aa5b1", "for training"],
];

function blockRow(app: App): HTMLElement | null {
  const splits = new Set(app.blocks.map((block) => block.split));
  const known = BLOCK_COLORS.filter(([split]) => splits.has(split));
  if (!known.length) return null;
  const entries = known.map(([, color, text]) =>
    h("li", {}, h("i", { class: "swatch", style: { background: color } }), text),
  );
  const change = (event: Event) => app.store.set({ blocks: (event.target as HTMLInputElement).checked });
  return h(
    "div",
    {},
    h("h2", {}, "Blocks"),
    h(
      "p",
      { class: "layer" },
      h("input", { type: "checkbox", id: "blocks", checked: app.store.state.blocks, onchange: change }),
      h("label", { for: "blocks" }, "Outlines of blocks"),
    ),
    h("ul", { class: "legend" }, ...entries),
  );
}

/** The mean IoU that is expected in each block, without labels. */
function forecastRow(app: App): HTMLElement | null {
  if (!app.blocks.some((block) => block.forecast !== null)) return null;
  const change = (event: Event) => app.store.set({ forecast: (event.target as HTMLInputElement).checked });
  const steps = RAMP.map(([share, color]) =>
    h("li", {}, h("i", { class: "swatch", style: { background: color } }), share.toFixed(2)),
  );
  return h(
    "div",
    {},
    h("h2", {}, "Forecast"),
    h(
      "p",
      { class: "layer" },
      h("input", { type: "checkbox", id: "forecast", checked: app.store.state.forecast, onchange: change }),
      h("label", { for: "forecast" }, "Mean IoU that is expected in each block"),
    ),
    h("ul", { class: "legend" }, ...steps),
  );
}

function tick(list: HTMLElement, visible: Record<string, boolean>): void {
  for (const box of list.querySelectorAll<HTMLInputElement>("input[type=checkbox]")) {
    box.checked = visible[box.id.slice("layer-".length)] ?? false;
  }
}

function replaceSave(classes: HTMLElement, row: HTMLElement | null): void {
  classes.querySelector("p.row")?.remove();
  if (row) classes.append(row);
}

export const layersPanel: Panel = { id: "layers", title: "Layers", key: "l", offered: () => true, make };
