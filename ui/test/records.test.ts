import assert from "node:assert/strict";
import { test } from "node:test";
import { active, merged, steps } from "../src/records";
import type { CorrectionRecord } from "../src/types";

let seq = 0;

function record(
  action: CorrectionRecord["action"],
  id: string,
  of: string | null = null,
  user = "anna",
): CorrectionRecord {
  return { seq: ++seq, id, action, of, geometry: null, class: "water", user };
}

test("a correction that was taken back does not count, and counts again when it was brought back", () => {
  const records = [record("add", "a"), record("add", "b"), record("undo", "u", "a")];
  assert.deepEqual(
    active(records).map((row) => row.id),
    ["b"],
  );
  assert.deepEqual(
    active([...records, record("redo", "r", "a")]).map((row) => row.id),
    ["a", "b"],
  );
});

test("undo takes the user's last correction that counts, and no one else's", () => {
  const records = [record("add", "a"), record("add", "b", null, "ben")];
  assert.deepEqual(steps(records, "anna"), { undo: "a", redo: null });
  assert.deepEqual(steps([...records, record("undo", "u", "a")], "anna"), { undo: null, redo: "a" });
});

test("undo twice and redo twice come back in reverse order", () => {
  const records = [
    record("add", "a"),
    record("add", "b"),
    record("undo", "1", "b"),
    record("undo", "2", "a"),
  ];
  assert.deepEqual(steps(records, "anna"), { undo: null, redo: "a" });
  records.push(record("redo", "3", "a"));
  assert.deepEqual(steps(records, "anna"), { undo: "a", redo: "b" });
});

test("a new correction forgets what could be brought back", () => {
  const records = [record("add", "a"), record("undo", "u", "a"), record("add", "b")];
  assert.deepEqual(steps(records, "anna"), { undo: "b", redo: null });
});

test("records that come twice are kept once, in the server's order", () => {
  const [a, b] = [record("add", "a"), record("add", "b")];
  assert.deepEqual(
    merged([b], [a, { ...b }]).map((row) => row.id),
    ["a", "b"],
  );
});
