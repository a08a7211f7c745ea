// Correct the map: tools, classes, undo and redo, and what has been corrected; exchange with other programs.

import { scenePath, type App, type Panel } from "../app";
import { button, h, replace } from "../dom";
import { hectares } from "../measure";
import { active, steps } from "../records";
import { can, colorOf, editedClasses, type ToolChoice, titleOf } from "../state";
import { setTool } from "../tools";
import type { CorrectionRecord } from "../types";

export const TOOLS: { tool: ToolChoice; title: string; key: string; hint: string }[] = [
  { tool: "move", title: "Move", key: "v", hint: "Drag to move the map." },
  { tool: "brush", title: "Brush", key: "b", hint: "Paint over what is wrong; [ and ] change the size." },
  {
    tool: "polygon",
    title: "Polygon",
    key: "p",
    hint: "Click corner by corner; Enter or the first corner closes it.",
  },
  { tool: "region", title: "Region", key: "r", hint: "A click takes the whole region around it." },
  {
    tool: "reassign",
    title: "Reassign",
    key: "a",
    hint: "A click gives a polygon of the map another class.",
  },
];

const RECENT = 30;

/** The classes that a correction can name: those of the map, and unknown. */
export function choices(app: App): string[] {
  return [...editedClasses(app.store.state).map((row) => row.name), "ignore"];
}

function toolRow(app: App): HTMLElement {
  const polygons = app.store.state.scene?.layers.some((layer) => layer.kind === "polygons");
  const offered = TOOLS.filter(({ tool }) => tool !== "reassign" || polygons);
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "Tool" },
    ...offered.map(({ tool, title, key }) =>
      button(title, () => setTool(app, { tool }), {
        id: `tool-${tool}`,
        title: key.toUpperCase(),
        "aria-keyshortcuts": key,
        "aria-pressed": String(app.store.state.tool.tool === tool),
      }),
    ),
  );
}

function classChoice(app: App): HTMLElement {
  return h(
    "div",
    { class: "palette", role: "group", "aria-label": "Class that is drawn" },
    ...choices(app).map((name, i) =>
      h(
        "button",
        {
          type: "button",
          id: `draw-${name}`,
          onclick: () => setTool(app, { class: name }),
          title: name === "ignore" ? "0" : String(i + 1),
          "aria-pressed": String(app.store.state.tool.class === name),
        },
        h("i", {
          class: `swatch${name === "ignore" ? " unknown" : ""}`,
          style: { background: colorOf(app.store.state, name) },
        }),
        titleOf(app.store.state, name),
      ),
    ),
  );
}

function toolOptions(app: App): HTMLElement | null {
  const { tool, radius, of } = app.store.state.tool;
  if (tool === "brush") {
    const input = h("input", {
      type: "range",
      id: "radius",
      min: 3,
      max: 120,
      value: radius,
      oninput: () => setTool(app, { radius: Number(input.value) }),
    });
    return h("div", { class: "fields" }, h("label", { for: "radius" }, "Size"), input);
  }
  if (tool !== "region") return null;
  const input = h(
    "select",
    { id: "region-of", onchange: () => setTool(app, { of: input.value as "prediction" | "superpixel" }) },
    h("option", { value: "prediction", selected: of === "prediction" }, "of one class in the prediction"),
    h("option", { value: "superpixel", selected: of === "superpixel" }, "that looks alike in the scene"),
  );
  return h("div", { class: "fields" }, h("label", { for: "region-of" }, "Region"), input);
}

function history(app: App): HTMLElement {
  const next = steps(app.store.state.records, app.store.state.project.user);
  return h(
    "p",
    { class: "row" },
    button("Undo", () => app.corrections.undo(), { id: "undo", disabled: !next.undo, title: "Ctrl+Z" }),
    button("Redo", () => app.corrections.redo(), { id: "redo", disabled: !next.redo, title: "Ctrl+Shift+Z" }),
  );
}

function saving(app: App): HTMLElement {
  const { unsent, reason } = app.store.state.saving;
  const text = !unsent
    ? "All corrections are saved."
    : reason
      ? `${unsent} not saved yet, but kept in this browser: ${reason}`
      : `Saving ${unsent} …`;
  return h("p", { class: reason ? "warn" : "fine", id: "saving", role: "status" }, text);
}

/** Where a correction will be used; nothing to say for training ground. */
export function groundNote(split: string | null | undefined): string {
  if (split === "test")
    return "It lies on a test block: it goes to the evaluation's labels, not to training.";
  if (split === "mixed")
    return "It lies partly on a test block: that part goes to the evaluation's labels, not to training.";
  return "";
}

function row(app: App, record: CorrectionRecord): HTMLElement {
  const state = app.store.state;
  const area = typeof record.area_ha === "number" ? hectares(record.area_ha) : "";
  const before = record.class_before ? `${titleOf(state, record.class_before)} → ` : "";
  return h(
    "li",
    {},
    h("i", { class: "swatch", style: { background: colorOf(state, record.class) } }),
    h("span", {}, `${before}${titleOf(state, record.class)}`),
    h(
      "span",
      { class: `split ${record.split ?? ""}` },
      record.split === "test" || record.split === "mixed" ? "test" : "",
    ),
    h("span", { class: "fine" }, record.user),
    h("span", { class: "number" }, area),
  );
}

function exchange(app: App): HTMLElement {
  const path = `${scenePath(app)}/corrections.gpkg`;
  const scene = app.store.state.scene?.id ?? "corrections";
  const files = [
    { tool: "QGIS", id: "export", path, name: `${scene}.gpkg` },
    ...["labelme", "cvat"].map((tool) => ({
      tool: tool === "cvat" ? "CVAT" : "Labelme",
      id: `export-${tool}`,
      path: `${scenePath(app)}/corrections_${tool}.zip`,
      name: `${scene}_${tool}.zip`,
    })),
  ];
  const take = async () => {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    await app.attempt(async () => {
      const told = await app.api.call<{ added: number; undone: number }>(path, { method: "PUT", body: file });
      app.say(`${told.added} corrections were added, ${told.undone} taken back.`);
    });
  };
  const input = h("input", {
    type: "file",
    id: "import",
    accept: ".gpkg,.geojson,.json,.xml",
    onchange: () => void take(),
  });
  return h(
    "details",
    {},
    h("summary", {}, "QGIS, Labelme, CVAT"),
    h(
      "p",
      { class: "fine" },
      "Edit the corrections elsewhere and bring them back: a GeoPackage whose drop-down offers the classes, ",
      "or polygons on a picture of the scene, as JSON of Labelme or XML of CVAT.",
    ),
    h(
      "p",
      { class: "row" },
      ...files.map((file) =>
        button(file.tool, () => void app.attempt(() => app.api.download(file.path, file.name)), {
          id: file.id,
          "aria-label": `Download for ${file.tool}`,
        }),
      ),
    ),
    h("div", { class: "fields" }, h("label", { for: "import" }, "Bring back"), input),
  );
}

function make(app: App): HTMLElement {
  const controls = h("div");
  const progress = h("div");
  const drawControls = () => {
    const hint = TOOLS.find(({ tool }) => tool === app.store.state.tool.tool)?.hint ?? "";
    replace(controls, toolRow(app), h("p", { class: "fine" }, hint), classChoice(app), toolOptions(app));
  };
  const drawProgress = () => {
    const records = active(app.store.state.records);
    replace(
      progress,
      history(app),
      saving(app),
      h(
        "h2",
        { id: "corrected" },
        `${records.length} ${records.length === 1 ? "correction" : "corrections"}`,
      ),
      h(
        "ul",
        { class: "plain records" },
        ...records
          .slice(-RECENT)
          .reverse()
          .map((record) => row(app, record)),
      ),
    );
  };
  drawControls();
  drawProgress();
  app.watch((state, before) => {
    const renamed = state.edits !== before.edits || state.project !== before.project;
    const sliding = document.activeElement?.id === "radius" && state.tool.tool === before.tool.tool;
    if ((state.tool !== before.tool && !sliding) || renamed) drawControls();
    if (state.records !== before.records || state.saving !== before.saving || renamed) drawProgress();
  });
  return h("div", {}, controls, progress, exchange(app));
}

export const correctPanel: Panel = {
  id: "correct",
  title: "Correct",
  key: "c",
  offered: (app) => can(app.store.state, "correct") && (app.store.state.scene?.correctable ?? false),
  make,
};
