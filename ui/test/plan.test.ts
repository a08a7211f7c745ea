import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../src/plan";
import { state } from "./state";

const BASE = "http://127.0.0.1:1";

function tiles(changes: Parameters<typeof state>[0], layer: string): URL {
  const address = plan(BASE, state(changes), "left").sources[layer]!.tiles[0]!;
  return new URL(address.replace("{z}/{x}/{y}", "1/2/3"));
}

test("layers lie in the order of their kinds, roads above polygons above rasters", () => {
  const ids = plan(BASE, state(), "left").layers.map((layer) => layer.id);
  assert.deepEqual(ids, [
    "scene",
    "prediction",
    "confidence",
    "land_cover",
    "land_cover-outline",
    "road_edges",
  ]);
});

test("the bands of the chosen combination are asked for", () => {
  assert.equal(tiles({}, "scene").searchParams.get("bands"), "3,2,1");
});

test("thresholds, hidden classes and new colours are in the address of the prediction alone where they are thresholds", () => {
  const changes = {
    live: { min_confidence: { road: 0.5, water: 0 }, clean: "median", clean_px: 2 },
    hidden: ["other"],
    edits: { road: { color: "#ff0000" } },
  };
  const query = tiles(changes, "prediction").searchParams;
  assert.equal(query.get("min"), "road:0.5");
  assert.equal(query.get("clean"), "median");
  assert.equal(query.get("hide"), "other");
  assert.equal(query.get("colors"), "road:ff0000");
  assert.equal(tiles(changes, "confidence").search, "");
});

test("all but the scene is hidden while the bare scene is looked at", () => {
  const layers = plan(BASE, state({ peek: true }), "left").layers;
  const shown = layers.filter((layer) => layer.layout?.visibility === "visible").map((layer) => layer.id);
  assert.deepEqual(shown, ["scene"]);
});

test("all but the scene is hidden while somebody checks the map", () => {
  const project = { ...state().project, can: ["check"] };
  const layers = plan(BASE, state({ project, panel: "check" }), "left").layers;
  const shown = layers.filter((layer) => layer.layout?.visibility === "visible").map((layer) => layer.id);
  assert.deepEqual(shown, ["scene"]);
});

test("a class that is switched off is filtered from the polygons", () => {
  const layer = plan(BASE, state({ hidden: ["water"] }), "left").layers.find(
    (row) => row.id === "land_cover",
  );
  assert.ok(layer && "filter" in layer && JSON.stringify(layer.filter).includes('["literal",["water"]]'));
});

test("a hostile name of a scene stays one part of the path", () => {
  const scene = { ...state().scene!, id: "../../x?y#z" };
  const address = tiles({ scene }, "scene");
  assert.equal(address.pathname, "/api/scenes/..%2F..%2Fx%3Fy%23z/tiles/scene/1/2/3.png");
});
