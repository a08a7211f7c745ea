// Corrections on their way to the server. Each is kept in the browser's storage, under a key of its own so that two
// windows do not overwrite each other, until the server has confirmed it. Ids are made here: sending twice is harmless.

import { ApiError, type Api } from "./api";
import type { Operation } from "./records";
import type { CorrectionRecord } from "./types";

const PREFIX = "urbanseg-unsent-";
const LONGEST_PAUSE_MS = 10_000;

export interface OutboxEvents {
  sent: (operation: Operation, record: CorrectionRecord) => void;
  refused: (operation: Operation, sentence: string) => void;
  waiting: (count: number, reason: string | null) => void;
}

/** Operations in storage, oldest first; what cannot be read is no operation. */
export function stored(storage: Storage): Operation[] {
  const found: Operation[] = [];
  for (let i = 0; i < storage.length; i++) {
    const key = storage.key(i);
    if (!key?.startsWith(PREFIX)) continue;
    try {
      found.push(JSON.parse(storage.getItem(key) ?? "") as Operation);
    } catch {
      storage.removeItem(key);
    }
  }
  return found.sort((a, b) => a.order - b.order);
}

export class Outbox {
  private unstored: Operation[] = []; // what the browser's storage had no room for
  private busy = false;
  private pause = 0;

  constructor(
    private readonly api: Pick<Api, "post">,
    private readonly storage: Storage,
    private readonly events: OutboxEvents,
  ) {}

  /** What is not confirmed yet, of one scene. */
  waiting(scene: string): Operation[] {
    return this.pending().filter((operation) => operation.scene === scene);
  }

  /** Keep the operation, and send it as soon as what is before it is sent. */
  add(operation: Operation): void {
    try {
      this.storage.setItem(PREFIX + operation.id, JSON.stringify(operation));
    } catch {
      this.unstored.push(operation);
    }
    this.events.waiting(this.pending().length, null);
    void this.flush();
  }

  /** Send all that waits, one after the other, and try again later where the server does not answer. */
  async flush(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    let reason: string | null = null;
    for (let first = this.pending()[0]; first && !reason; first = this.pending()[0]) {
      reason = await this.send(first);
    }
    this.busy = false;
    this.events.waiting(this.pending().length, reason);
    if (!reason) {
      this.pause = 0;
      return;
    }
    this.pause = Math.min(LONGEST_PAUSE_MS, Math.max(500, 2 * this.pause));
    setTimeout(() => void this.flush(), this.pause);
  }

  private pending(): Operation[] {
    return [...stored(this.storage), ...this.unstored].sort((a, b) => a.order - b.order);
  }

  private forget(id: string): void {
    this.storage.removeItem(PREFIX + id);
    this.unstored = this.unstored.filter((operation) => operation.id !== id);
  }

  /** Null when the operation is done with, or else why it waits. */
  private async send(operation: Operation): Promise<string | null> {
    const { id, geometry, tool } = operation;
    const path = `/api/scenes/${encodeURIComponent(operation.scene)}/corrections`;
    try {
      const record =
        operation.action === "add"
          ? await this.api.post<CorrectionRecord>(path, { id, geometry, class: operation.class, tool })
          : await this.api.post<CorrectionRecord>(`${path}/${operation.of}/${operation.action}`, { id });
      this.forget(id);
      this.events.sent(operation, record);
    } catch (error) {
      // The server is away, or asks for a new token: the correction stays here.
      if (!(error instanceof ApiError)) return String(error);
      if (error.status === 0 || error.status === 401 || error.status >= 500) return error.message;
      this.forget(id);
      this.events.refused(operation, error.message);
    }
    return null;
  }
}
