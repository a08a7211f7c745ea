// The review desk: see, correct, teach. Starts the page and opens scenes.

import { Api, ApiError } from "./api";
import type { App } from "./app";
import { readAddress, watchCamera } from "./camera";
import { Corrections } from "./corrections";
import { h } from "./dom";
import { drawBlocks, loadBlocks } from "./blocks";
import { Jobs } from "./jobs";
import { listen, type Desk } from "./keys";
import { Frame } from "./frame";
import { correctionFeatures, focusFeature } from "./overlays";
import { groundNote } from "./panels/correct";
import { Panes } from "./panes";
import { watchPointer } from "./readout";
import { active } from "./records";
import { can, colorOf, firstView, isBlind, type State, Store } from "./state";
import { setTool, Tools } from "./tools";
import type { Project, Scene } from "./types";

const TOKEN = "urbanseg-token";

/** The token of the address, or of this window's session; it is taken out of the address bar. */
function findToken(): string | null {
  const given = readAddress(location.hash).token;
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    const rest = new URLSearchParams(location.hash.slice(1));
    rest.delete("token");
    history.replaceState(null, "", `#${rest}`);
  }
  return given ?? sessionStorage.getItem(TOKEN);
}

function firstState(project: Project): State {
  const view = { visible: {}, opacity: {}, composite: "", stretch: "2-98" as const };
  return {
    project,
    scene: null,
    views: { left: view, right: view },
    side: "left",
    compare: "one",
    hidden: [],
    edits: {},
    live: null,
    blocks: true,
    forecast: false,
    peek: false,
    tool: { tool: "move", class: project.classes[0]?.name ?? "ignore", radius: 14, of: "prediction" },
    records: [],
    saving: { unsent: 0, reason: null },
    jobs: [],
    sending: [],
    panel: readAddress(location.hash).panel ?? "layers",
    camera: { center: [0, 0], zoom: 0, bounds: [0, 0, 0, 0] },
    version: 0,
  };
}

function stop(sentence: string): void {
  document.body.replaceChildren(
    h("main", { class: "stopped" }, h("h1", {}, "Review desk"), h("p", {}, sentence)),
  );
}

function makeApp(api: Api, store: Store, frame: Frame): App {
  const panes = new Panes(frame.maps, api, store, () =>
    frame.say("A part of the map could not be loaded.", "error"),
  );
  const app: App = {
    api,
    store,
    panes,
    blocks: [],
    jobs: new Jobs(api, store, (job) => {
      app.say(`${job.title}: ${job.state}`, job.state === "failed" ? "error" : "info");
      void app.refresh();
    }),
    corrections: new Corrections(api, store, {
      refused: (sentence) => app.say(sentence, "error"),
      kept: (record) => app.say(groundNote(record.split) || "Saved."),
    }),
    watch: (listener) => frame.watch(listener),
    say: (text, kind) => frame.say(text, kind),
    attempt: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DOMException))
          app.say(error instanceof Error ? error.message : String(error), "error");
        return undefined;
      }
    },
    open: (id) => openScene(app, frame, id),
    refresh: async () => {
      store.set({ project: await api.call<Project>("/api/project") });
      frame.listScenes();
    },
    visit: (bounds) => {
      if (bounds) panes.show(bounds);
      panes.overlay("focus", focusFeature(bounds));
    },
  };
  return app;
}

async function openScene(app: App, frame: Frame, id: string): Promise<void> {
  const scene = await app.attempt(() => app.api.call<Scene>(`/api/scenes/${encodeURIComponent(id)}`));
  if (!scene) return;
  const views = { left: firstView(scene, "left"), right: firstView(scene, "right") };
  app.visit(null);
  app.store.set({ scene, views, live: null, hidden: [], edits: {} });
  setTool(app, { tool: "move", class: scene.classes[0]?.name ?? "ignore" });
  const asked = readAddress(location.hash);
  const { map } = app.panes.panes.left;
  if (asked.scene === id && asked.camera) {
    map.jumpTo({ center: [asked.camera.lon, asked.camera.lat], zoom: asked.camera.zoom });
  } else {
    app.panes.show(scene.bounds, false);
  }
  map.fire("moveend");
  await Promise.all([
    app.corrections.open(scene.correctable && can(app.store.state, "correct") ? id : null),
    loadBlocks(app, id),
  ]);
  frame.build(app);
}

function drawOverlays(app: App): void {
  const draw = (state: State) =>
    app.panes.overlay(
      "corrections",
      correctionFeatures(isBlind(state) ? [] : active(state.records), (name) => colorOf(state, name)),
    );
  app.store.subscribe((state, before) => {
    const changed = state.records !== before.records || state.edits !== before.edits;
    if (changed || isBlind(state) !== isBlind(before)) draw(state);
    const hidden = isBlind(state) !== isBlind(before) || state.peek !== before.peek;
    if (state.blocks !== before.blocks || state.forecast !== before.forecast || hidden) drawBlocks(app);
  });
}

async function start(): Promise<void> {
  const token = findToken();
  if (!token) {
    stop(
      "Open the address that `urbanseg review` printed: it ends with a token, without which nothing is shown.",
    );
    return;
  }
  const api = new Api(token, location.origin);
  const project = await api.call<Project>("/api/project");
  const store = new Store(firstState(project));
  const frame = new Frame(store);
  const app = makeApp(api, store, frame);
  const tools = new Tools(app);
  const desk: Desk = { app, tools, panels: [], ...frame.actions() };
  frame.start(app, desk);
  listen(() => desk);
  drawOverlays(app);
  watchCamera(store, app.panes);
  watchPointer(app, frame.values);
  const wanted = readAddress(location.hash).scene;
  const first = project.scenes.find((row) => row.id === wanted)?.id ?? project.open ?? project.scenes[0]?.id;
  await app.jobs.refresh();
  if (first) await app.open(first);
  else frame.build(app);
}

start().catch((error: unknown) => {
  stop(error instanceof ApiError ? error.message : `The page could not start: ${String(error)}`);
});
