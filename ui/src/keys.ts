// The keys of the page: one table, from which both the page's answers and the help sheet are made.

import type { App } from "./app";
import { scaled } from "./camera";
import { h } from "./dom";
import { answerPoint } from "./panels/check";
import { choices, TOOLS } from "./panels/correct";
import { stepBlock } from "./panels/find";
import { toggleClass } from "./panels/layers";
import { answerSuggestion, visitSuggestion } from "./panels/teach";
import { type Compare, editedClasses, isBlind, layerTitle } from "./state";
import { setTool, type Tools } from "./tools";

export interface Shortcut {
  keys: string[]; // as `combination` writes them
  shown: string; // as the help sheet shows them
  does: string;
  run: (app: App, key: string) => void;
}

export interface Desk {
  app: App;
  tools: Tools;
  openPanel: (id: string) => void;
  help: () => void;
  theme: () => void;
  panels: { id: string; title: string; key: string }[];
}

/** A key press as text: `ctrl+z`, `shift+1`, `?`. Shift is named for letters and digits only. */
export function combination(event: KeyboardEvent): string {
  const digit = /^Digit([0-9])$/.exec(event.code)?.[1];
  const named = event.shiftKey || event.altKey ? digit : undefined;
  const key = named ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  const shift = event.shiftKey && (named !== undefined || /^[a-z]$/.test(key) || key.length > 1);
  const control = event.ctrlKey || event.metaKey;
  return `${control ? "ctrl+" : ""}${event.altKey ? "alt+" : ""}${shift ? "shift+" : ""}${key}`;
}

const COMPARES: Compare[] = ["one", "swipe", "split"];
const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

function toggleLayer(app: App, position: number): void {
  const { scene, side, views } = app.store.state;
  const layer = scene?.layers[position];
  if (!layer) return;
  const visible = !views[side].visible[layer.name];
  app.store.setView(side, { visible: { ...views[side].visible, [layer.name]: visible } });
  app.say(`${layerTitle(layer)} ${visible ? "on" : "off"}`);
}

function toggleNth(app: App, position: number): void {
  const row = editedClasses(app.store.state)[position];
  if (row) toggleClass(app, row.name);
}

function draws(app: App, key: string): void {
  const names = choices(app);
  const name = key === "0" ? "ignore" : names[Number(key) - 1];
  if (!name) return;
  if (isBlind(app.store.state)) void answerPoint(app, name);
  else setTool(app, { class: name });
}

function compare(app: App): void {
  const at = COMPARES.indexOf(app.store.state.compare);
  app.store.set({ compare: COMPARES[(at + 1) % COMPARES.length]! });
}

/** Whether corrections can be drawn here: their keys do nothing elsewhere. */
function drawing(desk: Desk): boolean {
  return desk.panels.some(({ id }) => id === "correct");
}

function mapKeys(): Shortcut[] {
  return [
    {
      keys: [],
      shown: "Arrows, + −",
      does: "move and zoom, when the map has the focus",
      run: () => undefined,
    },
    {
      keys: ["o"],
      shown: "O",
      does: "the whole scene",
      run: (app) => app.panes.show(app.store.state.scene!.bounds),
    },
    {
      keys: ["z"],
      shown: "Z",
      does: "one pixel of the image on one of the screen",
      run: (app) => scaled(app),
    },
    { keys: ["w"], shown: "W", does: "one map, swipe, side by side", run: compare },
    {
      keys: ["s"],
      shown: "S",
      does: "the panel Layers sets the other map",
      run: (app) => app.store.set({ side: app.store.state.side === "left" ? "right" : "left" }),
    },
    {
      keys: ["h"],
      shown: "H",
      does: "the bare scene, and back",
      run: (app) => app.store.set({ peek: !app.store.state.peek }),
    },
  ];
}

function layerKeys(): Shortcut[] {
  return [
    {
      keys: DIGITS.map((digit) => `shift+${digit}`),
      shown: "Shift+1 … 9",
      does: "layer on or off",
      run: (app, key) => toggleLayer(app, Number(key.at(-1)) - 1),
    },
    {
      keys: DIGITS.map((digit) => `alt+${digit}`),
      shown: "Alt+1 … 9",
      does: "class on or off",
      run: (app, key) => toggleNth(app, Number(key.at(-1)) - 1),
    },
    { keys: ["."], shown: ".", does: "next block of the panel Find", run: (app) => stepBlock(app, 1) },
    { keys: [","], shown: ",", does: "previous block", run: (app) => stepBlock(app, -1) },
  ];
}

function correctionKeys(desk: Desk): Shortcut[] {
  if (!drawing(desk)) return [];
  const resize = (factor: number) => (app: App) =>
    setTool(app, { radius: app.store.state.tool.radius * factor });
  const tools = TOOLS.map(({ tool, title, key }) => ({
    keys: [key],
    shown: key.toUpperCase(),
    does: `tool: ${title.toLowerCase()}`,
    run: (app: App) => {
      desk.openPanel("correct");
      setTool(app, { tool });
    },
  }));
  return [
    ...tools,
    {
      keys: ["0", ...DIGITS],
      shown: "1 … 9, 0",
      does: "class that is drawn, or seen at a point that is checked; 0 is unknown",
      run: draws,
    },
    { keys: ["["], shown: "[", does: "smaller brush", run: resize(0.8) },
    { keys: ["]"], shown: "]", does: "larger brush", run: resize(1.25) },
    {
      keys: [],
      shown: "Space",
      does: "the tool at the cross in the middle of the map",
      run: () => undefined,
    },
    { keys: [], shown: "Enter", does: "close the polygon", run: () => undefined },
    {
      keys: ["Escape"],
      shown: "Esc",
      does: "give up the drawing, then the tool",
      run: () => desk.tools.cancel(),
    },
    { keys: ["ctrl+z"], shown: "Ctrl+Z", does: "undo", run: (app) => app.corrections.undo() },
    {
      keys: ["ctrl+shift+z", "ctrl+y"],
      shown: "Ctrl+Shift+Z",
      does: "redo",
      run: (app) => app.corrections.redo(),
    },
  ];
}

function teachingKeys(desk: Desk): Shortcut[] {
  if (!desk.panels.some(({ id }) => id === "teach")) return [];
  return [
    { keys: ["n"], shown: "N", does: "next suggestion", run: (app) => visitSuggestion(app, 1) },
    {
      keys: ["d"],
      shown: "D",
      does: "the suggestion is done",
      run: (app) => void answerSuggestion(app, "done"),
    },
    {
      keys: ["x"],
      shown: "X",
      does: "skip the suggestion",
      run: (app) => void answerSuggestion(app, "skipped"),
    },
  ];
}

/** All keys, in groups. */
export function shortcuts(desk: Desk): Record<string, Shortcut[]> {
  const panels = desk.panels.map(({ id, title, key }) => ({
    keys: [key],
    shown: key.toUpperCase(),
    does: title,
    run: () => desk.openPanel(id),
  }));
  return {
    Map: mapKeys(),
    "Layers and blocks": layerKeys(),
    Correct: correctionKeys(desk),
    Suggestions: teachingKeys(desk),
    Panels: panels,
    Page: [
      { keys: ["?"], shown: "?", does: "this sheet", run: desk.help },
      { keys: ["k"], shown: "K", does: "light, dark, or as the system", run: desk.theme },
    ],
  };
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !["checkbox", "range", "color", "file"].includes(target.type);
  return target.matches("select, textarea, [contenteditable]");
}

/** Answer key presses of the whole page, but none that goes into a field. */
export function listen(desk: () => Desk | null): void {
  document.addEventListener("keydown", (event) => {
    const now = desk();
    if (!now || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const onMap = event.target instanceof HTMLCanvasElement;
    if (onMap && event.key === " ") {
      event.preventDefault();
      now.tools.actAtCenter();
      return;
    }
    if (typing(event.target)) return;
    const key = combination(event);
    const found = Object.values(shortcuts(now))
      .flat()
      .find((shortcut) => shortcut.keys.includes(key));
    if (!found || (!now.app.store.state.scene && !["?", "k"].includes(key))) return;
    event.preventDefault();
    found.run(now.app, key);
  });
}

/** The help sheet's tables. */
export function sheet(desk: Desk): HTMLElement {
  const groups = Object.entries(shortcuts(desk)).filter(([, rows]) => rows.length);
  return h(
    "div",
    { class: "sheet" },
    ...groups.map(([title, rows]) =>
      h(
        "section",
        {},
        h("h3", {}, title),
        h("dl", {}, ...rows.flatMap((row) => [h("dt", {}, h("kbd", {}, row.shown)), h("dd", {}, row.does)])),
      ),
    ),
  );
}
