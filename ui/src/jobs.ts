// Jobs of the server, asked for once a second for as long as one of them is at work.

import type { Api } from "./api";
import { can, type Store } from "./state";
import type { Job } from "./types";

const POLL_MS = 1000;

/** Whether a job is not over yet. */
export function atWork(job: Job): boolean {
  return job.state === "queued" || job.state === "running";
}

/** What a job is doing, in a few words. */
export function progressText(job: Job): string {
  if (job.state === "queued") return job.place ? `waits, number ${job.place} in the queue` : "waits";
  if (job.state === "running") {
    const share = job.progress === null ? "" : ` ${Math.round(100 * job.progress)} %`;
    return `${job.step ?? "running"}${share}`;
  }
  if (job.state === "failed") return job.error ?? "failed";
  return job.state;
}

export class Jobs {
  private timer = 0;

  constructor(
    private readonly api: Api,
    private readonly store: Store,
    private readonly finished: (job: Job) => void,
  ) {}

  /** Ask now, and go on asking while a job is at work. */
  async refresh(): Promise<void> {
    clearTimeout(this.timer);
    if (!can(this.store.state, "upload") && !can(this.store.state, "retrain")) return;
    const before = new Map(this.store.state.jobs.map((job) => [job.id, job]));
    try {
      const { jobs } = await this.api.call<{ jobs: Job[] }>("/api/jobs");
      if (JSON.stringify(jobs) !== JSON.stringify(this.store.state.jobs)) this.store.set({ jobs });
      for (const job of jobs) {
        const known = before.get(job.id);
        if (known && atWork(known) && !atWork(job)) this.finished(job);
      }
    } catch {
      // The next round asks again; the corrections say that the server is away.
    }
    if (this.store.state.jobs.some(atWork))
      this.timer = window.setTimeout(() => void this.refresh(), POLL_MS);
  }
}
