// Images of one's own: dropped here or chosen, mapped by a job of the server, opened and downloaded.

import type { App, Panel } from "../app";
import { button, h, replace } from "../dom";
import { atWork, progressText } from "../jobs";
import { fileSize, percent } from "../measure";
import { can } from "../state";
import type { Job } from "../types";

const LARGEST_BYTES = 2 * 1024 ** 3;

/** What is wrong with a file before it is sent, or null. */
export function fileProblem(name: string, bytes: number): string | null {
  if (!/\.(tiff?|jpe?g|png)$/i.test(name)) return `${name} is no GeoTIFF, JPEG or PNG.`;
  if (bytes > LARGEST_BYTES) return `${name} has ${fileSize(bytes)}; 2 GB is the most.`;
  if (!bytes) return `${name} is empty.`;
  return null;
}

async function send(app: App, file: File): Promise<void> {
  const problem = fileProblem(file.name, file.size);
  if (problem) {
    app.say(problem, "error");
    return;
  }
  const query = new URLSearchParams({ name: file.name });
  const pixel = document.querySelector<HTMLInputElement>("#pixel")?.value;
  if (pixel) query.set("pixel_m", pixel);
  const show = (share: number | null) => {
    const others = app.store.state.sending.filter((entry) => entry.cancel !== upload.cancel);
    const entry = { name: file.name, share: share ?? 0, cancel: upload.cancel };
    app.store.set({ sending: share === null ? others : [...others, entry] });
  };
  const upload = app.api.upload(`/api/uploads?${query}`, file, show);
  show(0);
  await app.attempt(() => upload.done);
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

function jobRow(app: App, job: Job): HTMLElement {
  const ask = (work: () => Promise<unknown>) => void app.attempt(work).then(() => app.jobs.refresh());
  const path = `/api/jobs/${encodeURIComponent(job.id)}`;
  const scene = job.scene;
  const files = job.files.map((file) =>
    button(
      `${file.name} (${fileSize(file.bytes)})`,
      () =>
        void app.attempt(() => app.api.download(`${path}/files/${encodeURIComponent(file.name)}`, file.name)),
      { class: "link", id: `file-${job.id}-${file.name}` },
    ),
  );
  return h(
    "li",
    { class: `job ${job.state}` },
    h("strong", {}, job.title),
    h("span", { class: job.state === "failed" ? "warn" : "fine" }, progressText(job)),
    atWork(job) && bar(`Progress of ${job.title}`, job.progress),
    h(
      "p",
      { class: "row" },
      scene && button("Open", () => void app.open(scene), { id: `open-${job.id}`, class: "primary" }),
      atWork(job)
        ? button("Cancel", () => ask(() => app.api.post(`${path}/cancel`)), { id: `cancel-${job.id}` })
        : button("Remove", () => ask(() => app.api.remove(path).then(() => app.refresh())), {
            id: `remove-${job.id}`,
          }),
    ),
    files.length > 0 && h("p", { class: "files" }, "Download: ", ...files),
  );
}

function make(app: App): HTMLElement {
  const list = h("ul", { class: "plain" });
  const draw = () => {
    const jobs = app.store.state.jobs.filter((job) => job.kind === "map");
    replace(
      list,
      ...app.store.state.sending.map((entry) =>
        h(
          "li",
          { class: "job" },
          h("strong", {}, entry.name),
          h("span", { class: "fine" }, `sending ${percent(entry.share)}`),
          bar(`Sending ${entry.name}`, entry.share),
          button("Cancel", entry.cancel, { id: `cancel-sending-${entry.name}` }),
        ),
      ),
      ...[...jobs].reverse().map((job) => jobRow(app, job)),
    );
  };
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
  draw();
  app.watch((state, before) => {
    if (state.jobs !== before.jobs || state.sending !== before.sending) draw();
  });
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
    h(
      "div",
      { class: "fields" },
      h("label", { for: "pixel" }, "Pixel in metres"),
      h("input", {
        type: "number",
        id: "pixel",
        min: 0.01,
        max: 1000,
        step: "any",
        placeholder: "if the file does not say",
      }),
    ),
    list,
  );
}

export const imagesPanel: Panel = {
  id: "images",
  title: "Images",
  key: "i",
  offered: (app) => can(app.store.state, "upload"),
  make,
};
