// Teach: where to look next, and a retraining with the corrections, its log and what it changed.

import { scenePath, type App, type Panel } from "../app";
import { curve } from "../curve";
import { button, h, markCurrent, replace } from "../dom";
import { atWork, progressText } from "../jobs";
import { signed } from "../measure";
import { can } from "../state";
import type { Comparison, Job, RetrainResult, Suggestion } from "../types";

const WANTED = 20;
const LOG_LINES = 200;
const VERDICTS = { better: "better", worse: "worse", noise: "no clear change", unknown: "too few blocks" };

/** The interval of a change; a dash where there is none. */
export function interval({ low, high }: Pick<Comparison, "low" | "high">): string {
  return low === null || high === null ? "–" : `${signed(low, 3)} to ${signed(high, 3)}`;
}

function comparison(result: RetrainResult): HTMLElement {
  const rows = Object.entries(result.cities).flatMap(([city, { miou }]) =>
    miou
      ? h(
          "tr",
          { class: miou.verdict },
          h("th", { scope: "row" }, city),
          h("td", { class: "number" }, miou.before.toFixed(3)),
          h("td", { class: "number" }, miou.after.toFixed(3)),
          h("td", { class: "number" }, interval(miou)),
          h("td", {}, VERDICTS[miou.verdict]),
        )
      : [],
  );
  const heads = ["City", "Before", "After", "Change, 95 %", ""];
  return h(
    "table",
    { id: "comparison" },
    h("caption", {}, "Mean IoU on the test blocks"),
    h(
      "thead",
      {},
      h("tr", {}, ...heads.map((text) => h(text ? "th" : "td", text ? { scope: "col" } : {}, text))),
    ),
    h("tbody", {}, ...rows),
  );
}

function curves(result: RetrainResult): (SVGElement | null)[] {
  const points = (key: "loss" | "miou") =>
    result.curves.flatMap(({ epoch, [key]: y }) => (y === undefined ? [] : [{ x: epoch, y }]));
  return [curve("mIoU", points("miou")), curve("loss", points("loss"))];
}

function decision(app: App, job: Job, result: RetrainResult): HTMLElement {
  if (result.decision) return h("p", {}, `The experiment ${result.experiment} was ${result.decision}.`);
  const decide = (keep: boolean) =>
    void app
      .attempt(() => app.api.post(`/api/jobs/${encodeURIComponent(job.id)}/decision`, { keep }))
      .then(() => app.jobs.refresh());
  return h(
    "p",
    { class: "row" },
    button("Keep the experiment", () => decide(true), { class: "primary", id: "keep" }),
    button("Drop it", () => decide(false), { id: "drop" }),
  );
}

/** The last lines of a text. */
export function lastLines(text: string, most: number): string {
  return text.split("\n").slice(-most).join("\n");
}

const logs = new Map<string, { text: string; next: number }>();

async function readLog(app: App, job: Job): Promise<void> {
  const known = logs.get(job.id) ?? { text: "", next: 0 };
  const path = `/api/jobs/${encodeURIComponent(job.id)}/log?from=${known.next}`;
  const more = await app.api.call<{ text: string; next: number }>(path);
  logs.set(job.id, { text: lastLines(known.text + more.text, LOG_LINES), next: more.next });
  const box = document.getElementById("log");
  if (!box) return;
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  box.textContent = logs.get(job.id)?.text ?? "";
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function jobView(app: App, job: Job): HTMLElement {
  const stop = () =>
    void app
      .attempt(() => app.api.post(`/api/jobs/${encodeURIComponent(job.id)}/cancel`))
      .then(() => app.jobs.refresh());
  const { result } = job;
  return h(
    "div",
    { class: `job ${job.state}` },
    h("h3", {}, job.title),
    h("p", { class: job.state === "failed" ? "warn" : "fine", role: "status" }, progressText(job)),
    atWork(job) && h("progress", { max: 1, value: job.progress, "aria-label": "Progress of the retraining" }),
    atWork(job) && h("p", { class: "row" }, button("Cancel", stop, { id: "cancel-retrain" })),
    result && comparison(result),
    ...(result ? curves(result) : []),
    result && decision(app, job, result),
    h(
      "details",
      { open: atWork(job) },
      h("summary", {}, "Log"),
      h("pre", { id: "log", tabindex: 0 }, logs.get(job.id)?.text ?? ""),
    ),
  );
}

function newestTraining(app: App): Job | undefined {
  return app.store.state.jobs.filter((job) => job.kind === "retrain").at(-1);
}

function retrainForm(app: App): HTMLElement {
  const title = h("input", { id: "retrain-title", maxlength: 60, placeholder: "after the harbour" });
  const from = h(
    "select",
    { id: "retrain-start" },
    h("option", { value: "current" }, "the current model: minutes"),
    h("option", { value: "anew" }, "anew, as params.yaml says"),
  );
  const start = async () => {
    const named = title.value.trim() || "corrections";
    await app.attempt(() => app.api.post("/api/retrain", { title: named, start: from.value }));
    await app.jobs.refresh();
  };
  return h(
    "div",
    {},
    h("h2", {}, "Retrain"),
    h("p", { class: "fine" }, "Trains with the corrections in a copy of the project; yours stays as it is."),
    h("p", { class: "warn", id: "no-retrain" }),
    h(
      "div",
      { class: "fields" },
      h("label", { for: "retrain-title" }, "Name"),
      title,
      h("label", { for: "retrain-start" }, "Start from"),
      from,
    ),
    h(
      "p",
      { class: "row" },
      button("Retrain", () => void start(), { class: "primary", id: "retrain" }),
    ),
  );
}

let queue: Suggestion[] = [];
let place = 0;

/** Go to the suggestion that is next, or that a step leads to. */
export function visitSuggestion(app: App, step: number): void {
  if (!queue.length) {
    app.say("There are no suggestions; open the panel Teach.");
    return;
  }
  place = (place + step + queue.length) % queue.length;
  const block = queue[place]!;
  app.visit(block.bounds);
  app.say(`Suggestion ${block.id}, ${queue.length} in the queue. D: done, X: skip.`);
  markCurrent(document.querySelectorAll(".queue button"), place);
}

/** Say of the suggestion that is looked at that it is done, or skipped, and go to the next. */
export async function answerSuggestion(app: App, answer: "done" | "skipped"): Promise<void> {
  const block = queue[place];
  if (!block) return;
  await app.attempt(async () => {
    await app.api.post(`${scenePath(app)}/suggestions/${encodeURIComponent(block.id)}`, { answer });
    queue = queue.filter((row) => row.id !== block.id);
    place = Math.min(place, Math.max(0, queue.length - 1));
    drawQueue(app);
    if (queue.length) visitSuggestion(app, 0);
    else app.visit(null);
  });
}

function drawQueue(app: App): void {
  const list = document.getElementById("queue");
  if (!list) return;
  const go = (i: number) => {
    place = i;
    visitSuggestion(app, 0);
  };
  const rows = queue.map((block, i) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", onclick: () => go(i), id: `suggestion-${block.id}` },
        h("span", {}, block.id),
        h("span", { class: `split ${block.split ?? ""}` }, block.split ?? ""),
        h("span", { class: "number" }, `score ${block.score.toFixed(2)}`),
      ),
    ),
  );
  replace(list, ...rows);
  document.getElementById("queue-left")!.textContent = queue.length
    ? `${queue.length} blocks: the model is unsure of them, and they differ from each other.`
    : "Nothing is left to ask.";
}

async function loadQueue(app: App): Promise<void> {
  await app.attempt(async () => {
    const { blocks } = await app.api.call<{ blocks: Suggestion[] }>(
      `${scenePath(app)}/suggestions?n=${WANTED}`,
    );
    [queue, place] = [blocks, 0];
    drawQueue(app);
  });
}

function suggestions(app: App): HTMLElement {
  return h(
    "section",
    {},
    h("h2", {}, "What to look at next"),
    h("p", { class: "fine", id: "queue-left" }, "The blocks that would teach the model most."),
    h(
      "p",
      { class: "row" },
      button("Suggest", () => void loadQueue(app), { id: "suggest" }),
      button("Next", () => visitSuggestion(app, 1), { id: "next", title: "N" }),
      button("Done", () => void answerSuggestion(app, "done"), { id: "done", title: "D" }),
      button("Skip", () => void answerSuggestion(app, "skipped"), { id: "skip", title: "X" }),
    ),
    h("ol", { class: "plain blocks queue", id: "queue" }),
  );
}

function retraining(app: App): HTMLElement {
  const view = h("div");
  const form = retrainForm(app);
  const allow = () => {
    const newest = newestTraining(app);
    const reason = app.store.state.project.retrain;
    form.querySelector("#no-retrain")!.textContent = reason;
    form.querySelector<HTMLButtonElement>("#retrain")!.disabled =
      reason !== null || (newest !== undefined && atWork(newest));
  };
  const draw = () => {
    const newest = newestTraining(app);
    replace(view, newest ? jobView(app, newest) : null);
    if (newest) void readLog(app, newest).catch(() => undefined);
    allow();
  };
  draw();
  app.watch((state, before) => {
    if (state.jobs !== before.jobs) draw();
    if (state.project !== before.project) allow();
    // The first correction makes a training possible.
    if (state.panel === "teach" && before.panel !== "teach") void app.attempt(() => app.refresh());
  });
  return h("section", {}, form, view);
}

function make(app: App): HTMLElement {
  [queue, place] = [[], 0];
  return h(
    "div",
    {},
    can(app.store.state, "suggest") ? suggestions(app) : null,
    can(app.store.state, "retrain") ? retraining(app) : null,
  );
}

export const teachPanel: Panel = {
  id: "teach",
  title: "Teach",
  key: "e",
  offered: (app) =>
    app.store.state.scene !== null && (can(app.store.state, "retrain") || can(app.store.state, "suggest")),
  make,
};
