// Images of one's own: dropped here or chosen, mapped by a job of the server, opened and downloaded.

import type { App, Panel } from "../app";
import { button, h, replace } from "../dom";
import { atWork, progressText } from "../jobs";
import { fileSize, percent } from "../measure";
import { can, type Sending } from "../state";
import type { Job } from "../types";

const LARGEST_BYTES = 2 * 1024 ** 3;

/** What is wrong with a file before it is sent, or null. */
export function fileProblem(name: string, bytes: number): string | null {
  if (!/\.(tiff?|jpe?g|png)$/i.test(name)) return `${name} is no GeoTIFF, JPEG or PNG.`;
  if (bytes > LARGEST_BYTES) return `${name} has ${fileSize(bytes)}; 2 GB is the most.`;
  if (!bytes) return `${name} is empty.`;
  return null;
}

/** Files that were sent, by the ids of their jobs, so that one that the model does not know can be sent again. */
const sent = new Map<string, File>();

async function send(app: App, file: File, force = false): Promise<void> {
  const problem = fileProblem(file.name, file.size);
  if (problem) {
    app.say(problem, "error");
    return;
  }
  const query = new URLSearchParams({ name: file.name });
  const pixel = document.querySelector<HTMLInputElement>("#pixel")?.value;
  if (pixel) query.set("pixel_m", pixel);
  if (force) query.set("force", "true");
  const show = (share: number | null) => {
    const others = app.store.state.sending.filter((entry) => entry.cancel !== upload.cancel);
    const entry = { name: file.name, share: share ?? 0, cancel: upload.cancel };
    app.store.set({ sending: share === null ? others : [...others, entry] });
  };
  const upload = app.api.upload(`/api/uploads?${query}`, file, show);
  show(0);
  const job = await app.attempt(() => upload.done);
  if (job) sent.set(job.id, file);
  show(null);
  await app.jobs.refresh();
}

/** Send files one after the other, from wherever they were dropped. */
export async function sendFiles(app: App, files: File[]): Promise<void> {
  for (const file of files) await send(app, file);
}

function bar(label: string, share: number | null): HTMLElement {
  return h("progress", { max: 1, value: share, "aria-label": label });
}

function jobActions(app: App, job: Job): HTMLElement {
  const path = `/api/jobs/${encodeURIComponent(job.id)}`;
  const ask = (work: () => Promise<unknown>) => void app.attempt(work).then(() => app.jobs.refresh());
  const remove = () => app.api.remove(path).then(() => app.refresh());
  const { scene } = job;
  const file = job.state === "failed" ? sent.get(job.id) : undefined;
  const anyway = async (again: File) => {
    await app.attempt(remove);
    await send(app, again, true);
  };
  return h(
    "p",
    { class: "row" },
    scene && button("Open", () => void app.open(scene), { id: `open-${job.id}`, class: "primary" }),
    file && button("Map it anyway", () => void anyway(file), { id: `anyway-${job.id}` }),
    atWork(job)
      ? button("Cancel", () => ask(() => app.api.post(`${path}/cancel`)), { id: `cancel-${job.id}` })
      : button("Remove", () => ask(remove), { id: `remove-${job.id}` }),
  );
}

function jobFiles(app: App, job: Job): HTMLElement | null {
  if (!job.files.length) return null;
  const folder = `/api/jobs/${encodeURIComponent(job.id)}/files`;
  const links = job.files.map(({ name, bytes }) => {
    const fetch = () =>
      void app.attempt(() => app.api.download(`${folder}/${encodeURIComponent(name)}`, name));
    return button(`${name} (${fileSize(bytes)})`, fetch, { class: "link", id: `file-${job.id}-${name}` });
  });
  return h("p", { class: "files" }, "Download: ", ...links);
}

function jobRow(app: App, job: Job): HTMLElement {
  return h(
    "li",
    { class: `job ${job.state}` },
    h("strong", {}, job.title),
    h("span", { class: job.state === "failed" ? "warn" : "fine" }, progressText(job)),
    atWork(job) && bar(`Progress of ${job.title}`, job.progress),
    jobActions(app, job),
    jobFiles(app, job),
  );
}

function chooser(app: App): HTMLElement {
  const input = h("input", {
    type: "file",
    id: "files",
    multiple: true,
    accept: ".tif,.tiff,.jpg,.jpeg,.png",
    onchange: () => {
      const files = [...(input.files ?? [])];
      input.value = "";
      void sendFiles(app, files);
    },
  });
  const pixel = {
    type: "number",
    id: "pixel",
    min: 0.01,
    max: 1000,
    step: "any",
    placeholder: "if the file does not say",
  };
  return h(
    "div",
    {},
    h(
      "div",
      { class: "drop" },
      h("label", { for: "files" }, "Drop an image on the page, or choose one"),
      input,
      h("p", { class: "fine" }, "GeoTIFF, JPEG or PNG, up to 2 GB. It stays on this machine."),
    ),
    h("div", { class: "fields" }, h("label", { for: "pixel" }, "Pixel in metres"), h("input", pixel)),
  );
}

function sendingRow(entry: Sending): HTMLElement {
  return h(
    "li",
    { class: "job" },
    h("strong", {}, entry.name),
    h("span", { class: "fine" }, `sending ${percent(entry.share)}`),
    bar(`Sending ${entry.name}`, entry.share),
    button("Cancel", entry.cancel, { id: `cancel-sending-${entry.name}` }),
  );
}

function make(app: App): HTMLElement {
  const list = h("ul", { class: "plain" });
  const draw = () => {
    const { jobs, sending } = app.store.state;
    const maps = jobs.filter((job) => job.kind === "map").reverse();
    replace(list, ...sending.map(sendingRow), ...maps.map((job) => jobRow(app, job)));
  };
  draw();
  app.watch((state, before) => {
    if (state.jobs !== before.jobs || state.sending !== before.sending) draw();
  });
  return h("div", {}, chooser(app), list);
}

export const imagesPanel: Panel = {
  id: "images",
  title: "Images",
  key: "i",
  offered: (app) => can(app.store.state, "upload"),
  make,
};
