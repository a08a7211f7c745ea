import assert from "node:assert/strict";
import { test } from "node:test";
import { readAddress, writeAddress } from "../src/camera";
import { path } from "../src/curve";
import { progressText } from "../src/jobs";
import { degrees, fileSize, hectares, metresPerPixel, roundLength, scaleBar, signed } from "../src/measure";
import { groundNote } from "../src/panels/correct";
import { findClass, rank } from "../src/panels/find";
import { fileProblem } from "../src/panels/images";
import { interval, lastLines } from "../src/panels/teach";
import { withMinimum } from "../src/panels/thresholds";
import { describe } from "../src/readout";
import { sideTitle } from "../src/state";
import type { Block, Job } from "../src/types";
import { state } from "./state";

test("a length is the longest of 1, 2 and 5 times a power of ten", () => {
  assert.deepEqual([0.9, 1, 2.1, 7, 99, 1000].map(roundLength), [0.5, 1, 2, 5, 50, 1000]);
});

test("a scale bar fits its room and names its unit", () => {
  const map = { placed: true, metres: 10 };
  assert.deepEqual(scaleBar(30, 100, map), { text: "2 km", pixels: 2000 / 30 });
  assert.equal(scaleBar(0.003, 100, map).text, "20 cm");
  assert.equal(scaleBar(2, 100, { placed: false, metres: null }).text, "200 px");
});

test("a screen pixel at the equator and zoom 0 is the Earth in 512 parts", () => {
  assert.ok(Math.abs(metresPerPixel(0, 0) - 78271.517) < 0.01);
});

test("numbers are written for people", () => {
  assert.deepEqual([signed(0.02, 3), signed(-0.02, 3), signed(-0.0001, 3)], ["+0.020", "−0.020", "±0.000"]);
  assert.deepEqual([hectares(1234.6), hectares(1.236)], ["1,235 ha", "1.24 ha"]);
  assert.deepEqual([fileSize(999), fileSize(123456), fileSize(2.5e9)], ["999 B", "123.5 kB", "2.5 GB"]);
  assert.equal(degrees(-9.18, 48.7), "48.70000° N, 9.18000° W");
});

test("the place in the address comes back as it was written, without the token", () => {
  const camera = {
    center: [9.123456, -48.5] as [number, number],
    zoom: 12.25,
    bounds: [0, 0, 0, 0] as [number, number, number, number],
  };
  const written = writeAddress("a b&c", camera, "find");
  assert.deepEqual(readAddress(written), {
    token: null,
    scene: "a b&c",
    camera: { lon: 9.123456, lat: -48.5, zoom: 12.25 },
    panel: "find",
  });
  assert.equal(readAddress("#at=1,x,3").camera, null);
});

function block(id: string, patch: Partial<Block>): Block {
  return {
    id,
    split: "train",
    pixels: 1,
    wrong: null,
    confidence: null,
    forecast: null,
    classes: {},
    bounds: [0, 0, 1, 1],
    ...patch,
  };
}

test("blocks are ranked by what is wrong, unsure, or of a class, and those without a figure are left out", () => {
  const blocks = [
    block("r1", { wrong: 0.1, confidence: 0.9, classes: { water: 0.3 } }),
    block("r2", { wrong: 0.4, confidence: 0.5 }),
    block("r10", { wrong: 0.1 }),
  ];
  const ids = (ranking: Parameters<typeof rank>[1]) => rank(blocks, ranking).map((row) => row.block.id);
  assert.deepEqual(ids({ by: "wrong" }), ["r2", "r1", "r10"]);
  assert.deepEqual(ids({ by: "confidence" }), ["r2", "r1"]);
  assert.deepEqual(ids({ by: "class", name: "water" }), ["r1"]);
});

test("a class is found by the start of its name or title, or else by a part", () => {
  const titled = state({ edits: { road: { title: "Streets" } } });
  assert.deepEqual(
    ["wa", "STREET", "ther", "", "xyz"].map((text) => findClass(titled, text)),
    ["water", "road", "other", null, null],
  );
});

test("a file is refused before it is sent if it is no image, empty or too large", () => {
  assert.equal(fileProblem("scene.TIF", 10), null);
  assert.match(fileProblem("notes.txt", 10)!, /no GeoTIFF/);
  assert.match(fileProblem("a.png", 3 * 1024 ** 3)!, /2 GB is the most/);
  assert.match(fileProblem("a.png", 0)!, /empty/);
});

test("a threshold is changed without touching what was delivered", () => {
  const delivered = { min_confidence: { road: 0.2 }, clean: "none", clean_px: 1, unavailable: null };
  assert.deepEqual(withMinimum(delivered, "water", 0.5), {
    min_confidence: { road: 0.2, water: 0.5 },
    clean: "none",
    clean_px: 1,
  });
  assert.deepEqual(delivered.min_confidence, { road: 0.2 });
});

test("a correction on a test block says where it goes", () => {
  assert.match(groundNote("test"), /not to training/);
  assert.equal(groundNote("train"), "");
});

test("what a job does is said in a few words", () => {
  const job = { state: "running", progress: 0.42, step: "predict" } as Job;
  assert.equal(progressText(job), "predict 42 %");
  assert.equal(progressText({ ...job, state: "queued", place: 2 }), "waits, number 2 in the queue");
  assert.equal(progressText({ ...job, state: "failed", error: "no bands" }), "no bands");
});

test("values at a place are named, and a place outside of the scene says so", () => {
  const values = {
    row: 3,
    col: 4,
    x: 1,
    y: 2,
    inside: true,
    prediction: "road",
    confidence: 0.914,
    scene: [1, 0.12345],
  };
  assert.deepEqual(describe(values, state(), "here"), [
    ["at", "here"],
    ["pixel", "4, 3"],
    ["map", "road"],
    ["confidence", "91 %"],
    ["bands", "1 0.1235"],
  ]);
  assert.match(describe({ ...values, inside: false }, state(), "")[1]![1], /outside/);
});

test("a curve runs from the left to the right edge of the picture", () => {
  const drawn = path(
    [
      { x: 0, y: 0 },
      { x: 4, y: 1 },
    ],
    0,
    1,
  );
  assert.equal(drawn, "M36.0 92.0L294.0 8.0");
  assert.equal(path([{ x: 0, y: 0 }], 0, 1), "");
});

test("only the last lines of a log are kept", () => {
  assert.equal(lastLines("a\nb\nc\n", 2), "c\n");
});

test("a side is named by its layers above the scene, and by the scene while they are hidden", () => {
  const first = state();
  assert.equal(sideTitle(first, "left"), "Prediction");
  assert.equal(sideTitle(first, "right"), "Confidence");
  assert.equal(sideTitle({ ...first, peek: true }, "left"), "Scene");
});

test("a change without an interval is not said to be certain", () => {
  assert.equal(interval({ low: null, high: null }), "–");
  assert.equal(interval({ low: -0.008, high: 0.0315 }), "−0.008 to +0.032");
});
