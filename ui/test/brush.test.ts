import assert from "node:assert/strict";
import { test } from "node:test";
import { brushOutline, type Point, signedArea } from "../src/brush";

const area = (ring: Point[]) => Math.abs(signedArea(ring.slice(0, -1))) / 2;

function crossings(ring: Point[]): number {
  const side = (a: Point, b: Point, c: Point) =>
    Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  let found = 0;
  for (let i = 0; i < ring.length - 1; i++) {
    for (let j = i + 2; j < ring.length - 1; j++) {
      if (i === 0 && j === ring.length - 2) continue;
      const [a, b, c, d] = [ring[i]!, ring[i + 1]!, ring[j]!, ring[j + 1]!];
      if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) found++;
    }
  }
  return found;
}

test("a dab of the brush is a disc of its radius", () => {
  const [ring] = brushOutline([[100, 50]], 20);
  assert.ok(Math.abs(area(ring!) - Math.PI * 400) < 0.03 * Math.PI * 400);
  for (const [x, y] of ring!) assert.ok(Math.abs(Math.hypot(x - 100, y - 50) - 20) < 0.6);
});

test("a straight stroke covers its length times its width and two half discs", () => {
  const rings = brushOutline(
    [
      [0, 0],
      [100, 0],
    ],
    10,
  );
  assert.equal(rings.length, 1);
  const expected = 100 * 20 + Math.PI * 100;
  assert.ok(Math.abs(area(rings[0]!) - expected) < 0.02 * expected);
});

test("a closed loop leaves a hole, and rings are closed", () => {
  const loop = Array.from({ length: 41 }, (_, i): Point => {
    const angle = (i / 40) * 2 * Math.PI;
    return [60 * Math.cos(angle), 60 * Math.sin(angle)];
  });
  const rings = brushOutline(loop, 10);
  assert.equal(rings.length, 2);
  for (const ring of rings) assert.deepEqual(ring[0], ring.at(-1));
  assert.ok(Math.abs(area(rings[1]!) - Math.PI * 2500) < 0.03 * Math.PI * 2500);
});

test("a hole that is smaller than a quarter of the brush is filled", () => {
  const loop = Array.from({ length: 41 }, (_, i): Point => {
    const angle = (i / 40) * 2 * Math.PI;
    return [13 * Math.cos(angle), 13 * Math.sin(angle)];
  });
  assert.equal(brushOutline(loop, 10).length, 1);
});

test("no outline of a wild stroke crosses itself", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 20; round++) {
    const stroke: Point[] = [[0, 0]];
    for (let i = 0; i < 60; i++) {
      const [x, y] = stroke.at(-1)!;
      stroke.push([x + 40 * (random() - 0.5), y + 40 * (random() - 0.5)]);
    }
    for (const ring of brushOutline(stroke, 4 + 10 * random())) assert.equal(crossings(ring), 0);
  }
});

test("a stroke across the whole screen stays within 20,000 vertices", () => {
  const stroke = Array.from({ length: 4000 }, (_, i): Point => [(i * 37) % 2000, Math.floor(i / 54) * 20]);
  const count = brushOutline(stroke, 3).reduce((sum, ring) => sum + ring.length, 0);
  assert.ok(count < 20_000, `${count}`);
});
