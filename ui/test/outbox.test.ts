import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../src/api";
import { Outbox, stored } from "../src/outbox";
import type { Operation } from "../src/records";
import type { CorrectionRecord } from "../src/types";

/** Storage as the browser's: strings under keys, in the order in which they were put in. */
class MemoryStorage {
  private readonly rows = new Map<string, string>();
  get length(): number {
    return this.rows.size;
  }
  key = (i: number): string | null => [...this.rows.keys()][i] ?? null;
  getItem = (key: string): string | null => this.rows.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.rows.set(key, value);
  removeItem = (key: string): void => void this.rows.delete(key);
  clear = (): void => this.rows.clear();
}

function operation(id: string, order: number, patch: Partial<Operation> = {}): Operation {
  return {
    id,
    scene: "demo",
    order,
    action: "add",
    of: null,
    geometry: null,
    class: "water",
    tool: "brush",
    ...patch,
  };
}

function outbox(storage: Storage, answer: (path: string, body: unknown) => Promise<unknown>) {
  const told = { sent: [] as string[], refused: [] as string[], waiting: [] as number[] };
  const post = <T>(path: string, body?: unknown) => answer(path, body) as Promise<T>;
  const box = new Outbox({ post }, storage, {
    sent: (row) => told.sent.push(row.id),
    refused: (_, sentence) => told.refused.push(sentence),
    waiting: (count) => told.waiting.push(count),
  });
  return { box, told };
}

const record = (body: unknown) => Promise.resolve(body as CorrectionRecord);

test("what the server confirmed is gone from the storage", async () => {
  const storage = new MemoryStorage();
  const { box, told } = outbox(storage, (_, body) => record(body));
  box.add(operation("a", 1));
  await box.flush();
  await new Promise(setImmediate);
  assert.deepEqual(told.sent, ["a"]);
  assert.equal(storage.length, 0);
});

test("what a server that is away did not take stays, and is sent in order when it is back", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const storage = new MemoryStorage();
  let away = true;
  const paths: string[] = [];
  const { box, told } = outbox(storage, (path, body) => {
    if (away) return Promise.reject(new ApiError("away", 0));
    paths.push(path);
    return record(body);
  });
  box.add(operation("b", 2, { action: "undo", of: "a" }));
  box.add(operation("a", 1));
  await new Promise(setImmediate);
  assert.equal(stored(storage).length, 2);
  away = false;
  context.mock.timers.tick(1000);
  await new Promise(setImmediate);
  assert.deepEqual(paths, ["/api/scenes/demo/corrections", "/api/scenes/demo/corrections/a/undo"]);
  assert.deepEqual(told.sent, ["a", "b"]);
});

test("what the server refuses is told and does not block the rest", async () => {
  const storage = new MemoryStorage();
  const { box, told } = outbox(storage, (_, body) =>
    (body as { id: string }).id === "a"
      ? Promise.reject(new ApiError("too many vertices", 422))
      : record(body),
  );
  storage.setItem("urbanseg-unsent-a", JSON.stringify(operation("a", 1)));
  storage.setItem("urbanseg-unsent-b", JSON.stringify(operation("b", 2)));
  await box.flush();
  assert.deepEqual([told.refused, told.sent], [["too many vertices"], ["b"]]);
  assert.equal(storage.length, 0);
});

test("other keys of the storage are left alone, and what cannot be read is thrown away", () => {
  const storage = new MemoryStorage();
  storage.setItem("urbanseg-theme", "dark");
  storage.setItem("urbanseg-unsent-x", "{");
  assert.deepEqual(stored(storage), []);
  assert.equal(storage.length, 1);
});

test("a correction for which the storage has no room is sent all the same", async () => {
  const storage = new MemoryStorage();
  storage.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  const { box, told } = outbox(storage, (_, body) => record(body));
  box.add(operation("a", 1));
  await new Promise(setImmediate);
  assert.deepEqual([told.sent, box.waiting("demo")], [["a"], []]);
});
