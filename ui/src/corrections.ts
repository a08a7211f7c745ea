// The corrections of the open scene: those of the server, those of other windows, and those still on their way.

import type { Api } from "./api";
import { Outbox } from "./outbox";
import { asRecord, merged, type Operation, steps } from "./records";
import type { Store } from "./state";
import type { CorrectionRecord, Geometry, Tool } from "./types";

const POLL_MS = 2000;

export class Corrections {
  private scene: string | null = null;
  private records: CorrectionRecord[] = [];
  private since = 0;
  private order = 0;
  private readonly outbox: Outbox;

  constructor(
    private readonly api: Api,
    private readonly store: Store,
    private readonly told: { refused: (sentence: string) => void; kept: (record: CorrectionRecord) => void },
  ) {
    this.outbox = new Outbox(api, localStorage, {
      sent: (operation, record) => {
        if (operation.scene === this.scene) this.take([record]);
        if (operation.action === "add") this.told.kept(record);
      },
      refused: (_, sentence) => {
        this.told.refused(sentence);
        this.changed();
      },
      waiting: (unsent, reason) => {
        this.store.set({ saving: { unsent, reason } });
        this.changed();
      },
    });
    setInterval(() => void this.poll(), POLL_MS);
    void this.outbox.flush();
  }

  /** Show the corrections of another scene, or of none. */
  async open(scene: string | null): Promise<void> {
    [this.scene, this.records, this.since] = [scene, [], 0];
    this.changed();
    await this.poll();
  }

  /** All records, and at the end what is not confirmed yet. */
  private all(): CorrectionRecord[] {
    if (!this.scene) return [];
    const known = new Set(this.records.map((record) => record.id));
    const unsent = this.outbox.waiting(this.scene).filter((operation) => !known.has(operation.id));
    return [
      ...this.records,
      ...unsent.map((operation) => asRecord(operation, this.store.state.project.user)),
    ];
  }

  add(geometry: Geometry, name: string, tool: Tool): void {
    this.put({ action: "add", of: null, geometry, class: name, tool });
  }

  undo(): boolean {
    return this.step("undo");
  }

  redo(): boolean {
    return this.step("redo");
  }

  private step(action: "undo" | "redo"): boolean {
    const records = this.all();
    const of = steps(records, this.store.state.project.user)[action];
    const record = records.find((row) => row.id === of);
    if (!of || !record) return false;
    this.put({ action, of, geometry: null, class: record.class, tool: record.tool ?? "brush" });
    return true;
  }

  private put(part: Omit<Operation, "id" | "scene" | "order">): void {
    if (!this.scene) return;
    this.order = Math.max(this.order + 1, Date.now());
    this.outbox.add({ ...part, id: crypto.randomUUID(), scene: this.scene, order: this.order });
    this.changed();
  }

  private async poll(): Promise<void> {
    const scene = this.scene;
    if (!scene) return;
    const path = `/api/scenes/${encodeURIComponent(scene)}/corrections?since=${this.since}`;
    try {
      const answer = await this.api.call<{ seq: number; records: CorrectionRecord[] }>(path);
      if (scene !== this.scene) return;
      this.since = Math.max(this.since, answer.seq);
      if (answer.records.length) this.take(answer.records);
    } catch {
      // The next poll asks again; what is unsent says that the server is away.
    }
  }

  private take(records: CorrectionRecord[]): void {
    this.records = merged(this.records, records);
    this.changed();
  }

  private changed(): void {
    this.store.set({ records: this.all() });
  }
}
