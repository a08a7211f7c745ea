// The frame around the map: the bar at the top, the panels, the line below, and the help sheet.

import type { App, Panel } from "./app";
import { button, h, replace } from "./dom";
import { type Desk, sheet } from "./keys";
import { checkPanel } from "./panels/check";
import { correctPanel } from "./panels/correct";
import { findPanel } from "./panels/find";
import { imagesPanel, sendFiles } from "./panels/images";
import { layersPanel } from "./panels/layers";
import { teachPanel } from "./panels/teach";
import { thresholdsPanel } from "./panels/thresholds";
import { scaleCorner } from "./readout";
import { can, type Compare, type Listener, type Store } from "./state";

const PANELS: Panel[] = [
  layersPanel,
  findPanel,
  thresholdsPanel,
  correctPanel,
  teachPanel,
  checkPanel,
  imagesPanel,
];
const COMPARES: [Compare, string][] = [
  ["one", "One map"],
  ["swipe", "Swipe"],
  ["split", "Side by side"],
];
const THEMES = ["system", "light", "dark"];
const THEME = "urbanseg-theme";
const TOLD_MS = 6000;

export class Frame {
  readonly maps = h("div", { class: "maps" });
  readonly values = h("div", { class: "values" }, "Point at the map to read its values.");
  private readonly told = h("div", { class: "told", role: "status" });
  private readonly scenes = h("select", { id: "scene" });
  private readonly tabs = h("div", {
    class: "tabs",
    role: "tablist",
    "aria-label": "Panels",
    "aria-orientation": "horizontal",
  });
  private readonly panel = h("section", { class: "panel", id: "panel", role: "tabpanel", tabindex: 0 });
  private readonly dialog = h("dialog", { "aria-labelledby": "help-title" });
  private bodies = new Map<string, HTMLElement>();
  private offered: Panel[] = [];
  private watched: (() => void)[] = [];
  private timer = 0;

  constructor(private readonly store: Store) {
    this.applyTheme(localStorage.getItem(THEME) ?? "system");
  }

  /** Put the frame on the page. */
  start(app: App, desk: Desk): void {
    const compare = h(
      "div",
      { class: "choice", role: "group", "aria-label": "Compare" },
      ...COMPARES.map(([name, title]) =>
        button(title, () => this.store.set({ compare: name }), { id: `compare-${name}`, title: "W" }),
      ),
    );
    this.scenes.addEventListener("change", () => void app.open(this.scenes.value));
    this.maps.append(h("div", { class: "cross", "aria-hidden": "true" }), scaleCorner(app));
    replace(
      document.body,
      h(
        "header",
        {},
        h("h1", {}, "Review desk"),
        h("label", { for: "scene", class: "hidden" }, "Scene"),
        this.scenes,
        compare,
        h("span", { class: "push" }),
        button("Theme", desk.theme, { id: "theme", title: "K" }),
        button("?", desk.help, { id: "help", "aria-label": "Help: keys" }),
      ),
      h("main", {}, this.maps, this.told),
      h("aside", { "aria-label": "Panels" }, this.tabs, this.panel),
      h("footer", {}, this.values),
      this.dialog,
    );
    this.listScenes();
    this.desk = desk;
    this.store.subscribe((state, before) => {
      if (state.compare !== before.compare) this.press();
      if (state.panel !== before.panel) this.show();
    });
    this.press();
    this.watchDrops(app);
    for (const { map } of app.panes.list()) map.resize();
  }

  private desk: Desk | null = null;

  /** What the keys of the page do with the frame. */
  actions(): Pick<Desk, "openPanel" | "help" | "theme"> {
    return {
      openPanel: (id) => this.store.set({ panel: id }),
      help: () => this.help(),
      theme: () => {
        const now = document.documentElement.dataset.theme ?? "system";
        this.applyTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]!);
        this.say(`Colours: ${document.documentElement.dataset.theme}`);
      },
    };
  }

  /** The panels of the scene that is open; what watched for the last one ends. */
  build(app: App): void {
    for (const end of this.watched) end();
    this.watched = [];
    this.offered = PANELS.filter(
      (panel) => (app.store.state.scene || panel.id === "images") && panel.offered(app),
    );
    this.bodies = new Map(this.offered.map((panel) => [panel.id, panel.make(app)]));
    replace(
      this.tabs,
      ...this.offered.map((panel) =>
        h(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${panel.id}`,
            title: panel.key.toUpperCase(),
            "aria-controls": "panel",
            onclick: () => this.store.set({ panel: panel.id }),
            onkeydown: (event: KeyboardEvent) => this.tabKey(event),
          },
          panel.title,
        ),
      ),
    );
    if (this.desk) this.desk.panels = this.offered;
    if (this.scenes.value !== app.store.state.scene?.id) this.listScenes();
    this.show();
  }

  watch(listener: Listener): void {
    this.watched.push(this.store.subscribe(listener));
  }

  say(text: string, kind: "info" | "error" = "info"): void {
    clearTimeout(this.timer);
    this.told.textContent = text;
    this.told.classList.toggle("error", kind === "error");
    if (kind === "info") this.timer = window.setTimeout(() => (this.told.textContent = ""), TOLD_MS);
  }

  listScenes(): void {
    const { project, scene } = this.store.state;
    replace(
      this.scenes,
      ...project.scenes.map((row) =>
        h("option", { value: row.id, selected: row.id === scene?.id }, row.title),
      ),
    );
  }

  private show(): void {
    const wanted = this.bodies.has(this.store.state.panel) ? this.store.state.panel : this.offered[0]?.id;
    for (const tab of this.tabs.querySelectorAll<HTMLElement>("[role=tab]")) {
      const selected = tab.id === `tab-${wanted}`;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    const body = wanted && this.bodies.get(wanted);
    this.panel.setAttribute("aria-labelledby", `tab-${wanted}`);
    this.panel.replaceChildren(...(body ? [body] : []));
    this.panel.scrollTop = 0;
  }

  private tabKey(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const ids = this.offered.map((panel) => panel.id);
    const now = ids.findIndex((id) => `tab-${id}` === (event.target as HTMLElement).id);
    const next = ids[(now + step + ids.length) % ids.length]!;
    this.store.set({ panel: next });
    document.getElementById(`tab-${next}`)?.focus();
  }

  private press(): void {
    for (const [name] of COMPARES) {
      const pressed = String(this.store.state.compare === name);
      document.getElementById(`compare-${name}`)?.setAttribute("aria-pressed", pressed);
    }
  }

  private help(): void {
    if (!this.desk) return;
    replace(
      this.dialog,
      h(
        "div",
        { class: "dialog-head" },
        h("h2", { id: "help-title" }, "Keys"),
        button("Close", () => this.dialog.close(), { class: "primary" }),
      ),
      sheet(this.desk),
    );
    this.dialog.showModal();
  }

  private applyTheme(name: string): void {
    document.documentElement.dataset.theme = THEMES.includes(name) ? name : "system";
    localStorage.setItem(THEME, document.documentElement.dataset.theme!);
  }

  /** An image that is dropped anywhere on the page is sent. */
  private watchDrops(app: App): void {
    const over = (on: boolean) => document.body.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(can(app.store.state, "upload"));
    });
    document.addEventListener("dragleave", (event) => !event.relatedTarget && over(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      if (!can(app.store.state, "upload") || !event.dataTransfer?.files.length) return;
      this.store.set({ panel: "images" });
      void sendFiles(app, [...event.dataTransfer.files]);
    });
  }
}
