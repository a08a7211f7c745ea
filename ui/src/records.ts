// What a list of correction records means: which corrections count, and what undo and redo would do next.

import type { CorrectionRecord, Geometry, Tool } from "./types";

/** A change that this page has made and the server may not have yet; it is sent again until it has. */
export interface Operation {
  id: string;
  scene: string;
  order: number;
  action: "add" | "undo" | "redo";
  of: string | null;
  geometry: Geometry | null;
  class: string;
  tool: Tool;
}

/** An operation as a record after all others, until the server's own record comes. */
export function asRecord(operation: Operation, user: string): CorrectionRecord {
  const { id, action, of, geometry, tool } = operation;
  return { seq: Number.MAX_SAFE_INTEGER, id, action, of, geometry, class: operation.class, tool, user };
}

/** The records with those of a later answer: each once, in the server's order, and what is unsent at the end. */
export function merged(known: CorrectionRecord[], later: CorrectionRecord[]): CorrectionRecord[] {
  const byId = new Map([...known, ...later].map((record) => [record.id, record]));
  return [...byId.values()].sort((a, b) => a.seq - b.seq);
}

/** The corrections that count, the later ones last, for they lie on top. */
export function active(records: CorrectionRecord[]): CorrectionRecord[] {
  const undone = new Set<string>();
  for (const record of records) {
    if (record.action === "undo" && record.of) undone.add(record.of);
    if (record.action === "redo" && record.of) undone.delete(record.of);
  }
  return records.filter((record) => record.action === "add" && !undone.has(record.id));
}

/** Ids of the user's corrections that undo and redo would take next; it needs no memory but the records. */
export function steps(
  records: CorrectionRecord[],
  user: string,
): { undo: string | null; redo: string | null } {
  const past: string[] = [];
  let future: string[] = [];
  for (const record of records.filter((row) => row.user === user)) {
    if (record.action === "add") {
      past.push(record.id);
      future = [];
    } else if (record.of && record.action === "undo") {
      const at = past.lastIndexOf(record.of);
      if (at >= 0) past.splice(at, 1);
      future.push(record.of);
    } else if (record.of) {
      future = future.filter((id) => id !== record.of);
      past.push(record.of);
    }
  }
  return { undo: past.at(-1) ?? null, redo: future.at(-1) ?? null };
}
