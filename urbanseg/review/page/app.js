// src/api.ts
var ApiError = class extends Error {
  constructor(sentence2, status) {
    super(sentence2);
    this.status = status;
  }
  status;
};
var GONE = "The server does not answer. Is `urbanseg review` still running?";
async function sentence(response) {
  try {
    const body = await response.json();
    if (body.error) return body.error;
  } catch {
  }
  return `The server answered with ${response.status}.`;
}
var Api = class {
  constructor(token, base) {
    this.token = token;
    this.base = base;
  }
  token;
  base;
  /** Headers for a call to our server, and for no other address. */
  headers(url) {
    return url.startsWith(`${this.base}/api/`) ? { Authorization: `Bearer ${this.token}` } : {};
  }
  /** The JSON that the server answers. */
  async call(path2, init = {}) {
    const url = this.base + path2;
    let response;
    try {
      response = await fetch(url, { ...init, headers: { ...this.headers(url), ...init.headers } });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError(GONE, 0);
    }
    if (!response.ok) throw new ApiError(await sentence(response), response.status);
    return response.status === 204 ? null : await response.json();
  }
  post(path2, body = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.call(path2, { method: "POST", body: JSON.stringify(body), headers });
  }
  remove(path2) {
    return this.call(path2, { method: "DELETE" });
  }
  /** Send a file as it is; `told` gets the share that is sent, 0–1. */
  upload(path2, file, told) {
    const request = new XMLHttpRequest();
    const done = new Promise((resolve, reject) => {
      request.upload.onprogress = (event) => told(event.total ? event.loaded / event.total : 0);
      request.onload = () => {
        const body = request.response;
        if (request.status < 300 && body) resolve(body);
        else
          reject(new ApiError(body?.error ?? `The server answered with ${request.status}.`, request.status));
      };
      request.onerror = () => reject(new ApiError(GONE, 0));
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    });
    request.open("POST", this.base + path2);
    request.responseType = "json";
    for (const [name, value] of Object.entries(this.headers(this.base + path2)))
      request.setRequestHeader(name, value);
    request.send(file);
    return { done, cancel: () => request.abort() };
  }
  /** Let the browser download what lies at `path`. */
  async download(path2, name) {
    const { url } = await this.post("/api/tickets", { path: path2 });
    const link = document.createElement("a");
    link.href = this.base + url;
    link.download = name;
    link.click();
  }
};

// src/camera.ts
function readAddress(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const numbers = (query.get("at") ?? "").split(",").map(Number);
  const [lon, lat, zoom] = numbers;
  const whole = numbers.length === 3 && numbers.every(Number.isFinite);
  return {
    token: query.get("token"),
    scene: query.get("scene"),
    camera: whole ? { lon, lat, zoom } : null,
    panel: query.get("panel")
  };
}
function writeAddress(scene, camera, panel) {
  const [lon, lat] = camera.center;
  const query = new URLSearchParams({
    scene,
    at: `${lon.toFixed(6)},${lat.toFixed(6)},${camera.zoom.toFixed(2)}`,
    panel
  });
  return `#${query.toString().replaceAll("%2C", ",")}`;
}
function watchCamera(store, panes) {
  const { map } = panes.panes.left;
  map.on("moveend", () => {
    const { lng, lat } = map.getCenter();
    const box = map.getBounds();
    store.set({
      camera: {
        center: [lng, lat],
        zoom: map.getZoom(),
        bounds: [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()]
      }
    });
  });
  store.subscribe((state, before) => {
    if (!state.scene || state.camera === before.camera && state.panel === before.panel) return;
    history.replaceState(null, "", writeAddress(state.scene.id, state.camera, state.panel));
  });
}
function scaled(app) {
  const { scene } = app.store.state;
  if (scene) app.panes.panes.left.map.easeTo({ zoom: scene.maxzoom - 1, duration: 300 });
}

// src/outbox.ts
var PREFIX = "urbanseg-unsent-";
var LONGEST_PAUSE_MS = 1e4;
function stored(storage) {
  const found = [];
  for (let i = 0; i < storage.length; i++) {
    const key = storage.key(i);
    if (!key?.startsWith(PREFIX)) continue;
    try {
      found.push(JSON.parse(storage.getItem(key) ?? ""));
    } catch {
      storage.removeItem(key);
    }
  }
  return found.sort((a, b) => a.order - b.order);
}
var Outbox = class {
  constructor(api, storage, events) {
    this.api = api;
    this.storage = storage;
    this.events = events;
  }
  api;
  storage;
  events;
  unstored = [];
  // what the browser's storage had no room for
  busy = false;
  pause = 0;
  /** What is not confirmed yet, of one scene. */
  waiting(scene) {
    return this.pending().filter((operation) => operation.scene === scene);
  }
  /** Keep the operation, and send it as soon as what is before it is sent. */
  add(operation) {
    try {
      this.storage.setItem(PREFIX + operation.id, JSON.stringify(operation));
    } catch {
      this.unstored.push(operation);
    }
    this.events.waiting(this.pending().length, null);
    void this.flush();
  }
  /** Send all that waits, one after the other, and try again later where the server does not answer. */
  async flush() {
    if (this.busy) return;
    this.busy = true;
    let reason = null;
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
  pending() {
    return [...stored(this.storage), ...this.unstored].sort((a, b) => a.order - b.order);
  }
  forget(id) {
    this.storage.removeItem(PREFIX + id);
    this.unstored = this.unstored.filter((operation) => operation.id !== id);
  }
  /** Null when the operation is done with, or else why it waits. */
  async send(operation) {
    const { id, geometry, tool } = operation;
    const path2 = `/api/scenes/${encodeURIComponent(operation.scene)}/corrections`;
    try {
      const record = operation.action === "add" ? await this.api.post(path2, { id, geometry, class: operation.class, tool }) : await this.api.post(`${path2}/${operation.of}/${operation.action}`, { id });
      this.forget(id);
      this.events.sent(operation, record);
    } catch (error) {
      if (!(error instanceof ApiError)) return String(error);
      if (error.status === 0 || error.status === 401 || error.status >= 500) return error.message;
      this.forget(id);
      this.events.refused(operation, error.message);
    }
    return null;
  }
};

// src/records.ts
function asRecord(operation, user) {
  const { id, action, of, geometry, tool } = operation;
  return { seq: Number.MAX_SAFE_INTEGER, id, action, of, geometry, class: operation.class, tool, user };
}
function merged(known, later) {
  const byId = new Map([...known, ...later].map((record) => [record.id, record]));
  return [...byId.values()].sort((a, b) => a.seq - b.seq);
}
function active(records) {
  const undone = /* @__PURE__ */ new Set();
  for (const record of records) {
    if (record.action === "undo" && record.of) undone.add(record.of);
    if (record.action === "redo" && record.of) undone.delete(record.of);
  }
  return records.filter((record) => record.action === "add" && !undone.has(record.id));
}
function steps(records, user) {
  const past = [];
  let future = [];
  for (const record of records.filter((row2) => row2.user === user)) {
    if (record.action === "add") {
      past.push(record.id);
      future = [];
    } else if (record.of && record.action === "undo") {
      const at3 = past.lastIndexOf(record.of);
      if (at3 >= 0) past.splice(at3, 1);
      future.push(record.of);
    } else if (record.of) {
      future = future.filter((id) => id !== record.of);
      past.push(record.of);
    }
  }
  return { undo: past.at(-1) ?? null, redo: future.at(-1) ?? null };
}

// src/corrections.ts
var POLL_MS = 2e3;
var Corrections = class {
  constructor(api, store, told) {
    this.api = api;
    this.store = store;
    this.told = told;
    this.outbox = new Outbox(api, localStorage, {
      sent: (operation, record) => {
        if (operation.scene === this.scene) this.take([record]);
        if (operation.action === "add") this.told.kept(record);
      },
      refused: (_, sentence2) => {
        this.told.refused(sentence2);
        this.changed();
      },
      waiting: (unsent, reason) => {
        this.store.set({ saving: { unsent, reason } });
        this.changed();
      }
    });
    setInterval(() => void this.poll(), POLL_MS);
    void this.outbox.flush();
  }
  api;
  store;
  told;
  scene = null;
  records = [];
  since = 0;
  order = 0;
  outbox;
  /** Show the corrections of another scene, or of none. */
  async open(scene) {
    [this.scene, this.records, this.since] = [scene, [], 0];
    this.changed();
    await this.poll();
  }
  /** All records, and at the end what is not confirmed yet. */
  all() {
    if (!this.scene) return [];
    const known = new Set(this.records.map((record) => record.id));
    const unsent = this.outbox.waiting(this.scene).filter((operation) => !known.has(operation.id));
    return [
      ...this.records,
      ...unsent.map((operation) => asRecord(operation, this.store.state.project.user))
    ];
  }
  add(geometry, name, tool) {
    this.put({ action: "add", of: null, geometry, class: name, tool });
  }
  undo() {
    return this.step("undo");
  }
  redo() {
    return this.step("redo");
  }
  step(action) {
    const records = this.all();
    const of = steps(records, this.store.state.project.user)[action];
    const record = records.find((row2) => row2.id === of);
    if (!of || !record) return false;
    this.put({ action, of, geometry: null, class: record.class, tool: record.tool ?? "brush" });
    return true;
  }
  put(part2) {
    if (!this.scene) return;
    this.order = Math.max(this.order + 1, Date.now());
    this.outbox.add({ ...part2, id: crypto.randomUUID(), scene: this.scene, order: this.order });
    this.changed();
  }
  async poll() {
    const scene = this.scene;
    if (!scene) return;
    const path2 = `/api/scenes/${encodeURIComponent(scene)}/corrections?since=${this.since}`;
    try {
      const answer = await this.api.call(path2);
      if (scene !== this.scene) return;
      this.since = Math.max(this.since, answer.seq);
      if (answer.records.length) this.take(answer.records);
    } catch {
    }
  }
  take(records) {
    this.records = merged(this.records, records);
    this.changed();
  }
  changed() {
    this.store.set({ records: this.all() });
  }
};

// src/dom.ts
function set(element, name, value) {
  if (value === void 0 || value === null || value === false) return;
  if (name.startsWith("on") && typeof value === "function") {
    element.addEventListener(name.slice(2), value);
  } else if (name === "style") {
    for (const [key, text] of Object.entries(value))
      element.style.setProperty(key, text);
  } else if (value === true) {
    element.setAttribute(name, "");
  } else {
    element.setAttribute(name, String(value));
  }
}
function fill(element, children) {
  for (const child of children) {
    if (child === null || child === void 0 || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
}
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  fill(element, children);
  return element;
}
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  fill(element, children);
  return element;
}
function replace(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement?.id : "";
  element.replaceChildren();
  fill(element, children);
  if (focused) document.getElementById(focused)?.focus();
}
function button(text, press, attributes = {}) {
  return h("button", { type: "button", onclick: press, ...attributes }, text);
}
function debounce(ms, run) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => run(...args), ms);
  };
}
function markCurrent(elements, current2) {
  [...elements].forEach((element, i) => {
    if (i === current2) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
  });
}

// src/overlays.ts
var OVERLAYS = [
  "forecast",
  "blocks",
  "corrections",
  "corrections-edge",
  "corrections-unknown",
  "focus"
];
var RAMP = [
  [0, "#440154"],
  [0.25, "#3b528b"],
  [0.5, "#21918c"],
  [0.75, "#5ec962"],
  [1, "#fde725"]
];
function overlayLayers() {
  const shade = RAMP.flatMap(([share, color]) => [share, color]);
  return [
    {
      id: "forecast",
      type: "fill",
      source: "forecast",
      paint: {
        "fill-color": ["interpolate", ["linear"], ["get", "forecast"], ...shade],
        "fill-opacity": 0.65
      }
    },
    {
      id: "blocks",
      type: "line",
      source: "blocks",
      paint: {
        "line-color": ["match", ["get", "split"], "test", "#ffb000", "val", "#00a5e0", "#9aa5b1"],
        "line-width": ["match", ["get", "split"], "test", 2, 1],
        "line-dasharray": [3, 2]
      }
    },
    {
      id: "corrections",
      type: "fill",
      source: "corrections",
      paint: { "fill-color": ["get", "color"], "fill-opacity": ["case", ["get", "unknown"], 0.35, 0.75] }
    },
    {
      id: "corrections-edge",
      type: "line",
      source: "corrections",
      filter: ["!", ["get", "unknown"]],
      paint: { "line-color": "#ffffff", "line-width": 1.5 }
    },
    {
      id: "corrections-unknown",
      type: "line",
      source: "corrections",
      filter: ["get", "unknown"],
      paint: { "line-color": "#ffffff", "line-width": 1.5, "line-dasharray": [2, 2] }
    },
    { id: "focus", type: "line", source: "focus", paint: { "line-color": "#ff2bd6", "line-width": 3 } }
  ];
}
function rectangle([west, south, east, north]) {
  return {
    type: "Polygon",
    coordinates: [
      [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south]
      ]
    ]
  };
}
function feature(geometry, properties) {
  return { type: "Feature", geometry, properties };
}
function blockFeatures(blocks) {
  const features = blocks.filter((block) => block.split !== null).map((block) => feature(rectangle(block.bounds), { id: block.id, split: block.split }));
  return { type: "FeatureCollection", features };
}
function forecastFeatures(blocks) {
  const features = blocks.flatMap(
    ({ bounds, forecast }) => forecast === null ? [] : [feature(rectangle(bounds), { forecast })]
  );
  return { type: "FeatureCollection", features };
}
function focusFeature(bounds) {
  return { type: "FeatureCollection", features: bounds ? [feature(rectangle(bounds), {})] : [] };
}
function correctionFeatures(records, color) {
  const features = records.flatMap(
    (record) => record.geometry ? [
      feature(record.geometry, {
        id: record.id,
        color: color(record.class),
        unknown: record.class === "ignore"
      })
    ] : []
  );
  return { type: "FeatureCollection", features };
}

// src/state.ts
var SIDES = ["left", "right"];
var Store = class {
  constructor(current2) {
    this.current = current2;
  }
  current;
  listeners = [];
  get state() {
    return this.current;
  }
  set(patch) {
    const before = this.current;
    this.current = { ...before, ...patch };
    for (const listener of [...this.listeners]) listener(this.current, before);
  }
  /** Change how a side shows its layers. */
  setView(side, patch) {
    const views = this.current.views;
    this.set({ views: { ...views, [side]: { ...views[side], ...patch } } });
  }
  /** Be told of changes, until the returned function is called. */
  subscribe(listener) {
    this.listeners.push(listener);
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }
};
var FIRST = {
  left: ["scene", "prediction"],
  right: ["scene", "labels", "confidence"]
};
var OPACITY = { scene: 1, labels: 0.7, prediction: 0.6, land_cover: 0.6 };
function firstView(scene, side) {
  const names = scene.layers.map((layer) => layer.name);
  const wanted = FIRST[side].filter((name) => names.includes(name)).slice(0, 2);
  return {
    visible: Object.fromEntries(names.map((name) => [name, wanted.includes(name)])),
    opacity: Object.fromEntries(names.map((name) => [name, OPACITY[name] ?? 0.8])),
    composite: scene.composites[0]?.name ?? "",
    stretch: "2-98"
  };
}
var TITLES = {
  scene: "Scene",
  labels: "Labels",
  prediction: "Prediction",
  confidence: "Confidence",
  entropy: "Entropy",
  errors: "Errors",
  split: "Split",
  land_cover: "Polygons",
  road_edges: "Roads"
};
function layerTitle(layer) {
  return layer.title ?? TITLES[layer.name] ?? layer.name;
}
function sideTitle(state, side) {
  const shown = isBlind(state) || state.peek ? [] : state.scene?.layers ?? [];
  const above = shown.filter((layer) => layer.kind !== "raster" && state.views[side].visible[layer.name]);
  return above.map(layerTitle).join(", ") || "Scene";
}
function editedClasses(state) {
  return (state.scene ?? state.project).classes.map((row2) => ({ ...row2, ...state.edits[row2.name] }));
}
function titleOf(state, name) {
  if (name === "ignore") return "unknown";
  return editedClasses(state).find((row2) => row2.name === name)?.title || name;
}
function colorOf(state, name) {
  return editedClasses(state).find((row2) => row2.name === name)?.color ?? "#8a8a8a";
}
function can(state, name) {
  return state.project.can.includes(name);
}
function checkable(state) {
  const { scene } = state;
  const mapped = scene?.layers.some((layer) => layer.name === "prediction") ?? false;
  return can(state, "check") && scene?.kind === "city" && mapped;
}
function isBlind(state) {
  return state.panel === "check" && checkable(state);
}

// src/blocks.ts
function boundsOf(ring) {
  const xs = ring.map((point) => point[0]);
  const ys = ring.map((point) => point[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}
function drawBlocks(app) {
  const { state } = app.store;
  const forecast = state.forecast && !state.peek && !isBlind(state);
  app.panes.overlay("blocks", blockFeatures(state.blocks ? app.blocks : []));
  app.panes.overlay("forecast", forecastFeatures(forecast ? app.blocks : []));
}
async function loadBlocks(app, id) {
  app.blocks = [];
  const path2 = `/api/scenes/${encodeURIComponent(id)}/blocks`;
  const answer = await app.attempt(() => app.api.call(path2));
  app.blocks = (answer?.features ?? []).map(({ properties, geometry }) => ({
    ...properties,
    bounds: boundsOf(geometry.coordinates[0])
  }));
  drawBlocks(app);
}

// src/jobs.ts
var POLL_MS2 = 1e3;
function atWork(job) {
  return job.state === "queued" || job.state === "running";
}
function progressText(job) {
  if (job.state === "queued") return job.place ? `waits, number ${job.place} in the queue` : "waits";
  if (job.state === "running") {
    const share = job.progress === null ? "" : ` ${Math.round(100 * job.progress)} %`;
    return `${job.step ?? "running"}${share}`;
  }
  if (job.state === "failed") return job.error ?? "failed";
  return job.state;
}
var Jobs = class {
  constructor(api, store, finished) {
    this.api = api;
    this.store = store;
    this.finished = finished;
  }
  api;
  store;
  finished;
  timer = 0;
  /** Ask now, and go on asking while a job is at work. */
  async refresh() {
    clearTimeout(this.timer);
    if (!can(this.store.state, "upload") && !can(this.store.state, "retrain")) return;
    const before = new Map(this.store.state.jobs.map((job) => [job.id, job]));
    try {
      const { jobs } = await this.api.call("/api/jobs");
      if (JSON.stringify(jobs) !== JSON.stringify(this.store.state.jobs)) this.store.set({ jobs });
      for (const job of jobs) {
        const known = before.get(job.id);
        if (known && atWork(known) && !atWork(job)) this.finished(job);
      }
    } catch {
    }
    if (this.store.state.jobs.some(atWork))
      this.timer = window.setTimeout(() => void this.refresh(), POLL_MS2);
  }
};

// src/app.ts
function scenePath(app) {
  return `/api/scenes/${encodeURIComponent(app.store.state.scene?.id ?? "")}`;
}

// src/measure.ts
var EARTH_M = 40075016686e-3;
function metresPerPixel(latitude, zoom) {
  return EARTH_M * Math.cos(latitude * Math.PI / 180) / (512 * 2 ** zoom);
}
function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return [5, 2, 1].map((factor) => factor * power).find((length) => length <= longest * (1 + 1e-9)) ?? power;
}
function scaleBar(metres, most, pixel) {
  const inPixels = !pixel.placed && pixel.metres === null;
  const length = roundLength(most * metres);
  const unit = inPixels ? "px" : length >= 1e3 ? "km" : length >= 1 ? "m" : "cm";
  const value = unit === "km" ? length / 1e3 : unit === "cm" ? length * 100 : length;
  return { text: `${Number(value.toPrecision(3))} ${unit}`, pixels: length / metres };
}
function percent(share) {
  return `${Math.round(100 * share)} %`;
}
function hectares(value) {
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })} ha`;
}
function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return value > 0 ? `+${text}` : `−${text}`;
}
function fileSize(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1e3 ** power).toFixed(1)} ${units[power - 1]}`;
}
function degrees(lon, lat) {
  return `${Math.abs(lat).toFixed(5)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(5)}° ${lon < 0 ? "W" : "E"}`;
}

// src/brush.ts
var CELLS_PER_RADIUS = 5;
var MOST_CELLS = 1e6;
function distance(x, y, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
  return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}
function distances(stroke, radius) {
  const xs = stroke.map((point) => point[0]);
  const ys = stroke.map((point) => point[1]);
  const width = Math.max(...xs) - Math.min(...xs) + 2 * radius;
  const height = Math.max(...ys) - Math.min(...ys) + 2 * radius;
  const step2 = Math.max(radius / CELLS_PER_RADIUS, Math.sqrt(width * height / MOST_CELLS));
  const [left, top] = [Math.min(...xs) - radius - 2 * step2, Math.min(...ys) - radius - 2 * step2];
  const [columns, rows] = [Math.ceil(width / step2) + 5, Math.ceil(height / step2) + 5];
  const values = new Float64Array(columns * rows).fill(2 * step2);
  const reach = radius + 2 * step2;
  stroke.forEach((b, i) => {
    const a = stroke[i - 1] ?? b;
    const first = Math.max(0, Math.floor((Math.min(a[0], b[0]) - reach - left) / step2));
    const last = Math.min(columns - 1, Math.ceil((Math.max(a[0], b[0]) + reach - left) / step2));
    const upper = Math.max(0, Math.floor((Math.min(a[1], b[1]) - reach - top) / step2));
    const lower = Math.min(rows - 1, Math.ceil((Math.max(a[1], b[1]) + reach - top) / step2));
    for (let row2 = upper; row2 <= lower; row2++) {
      for (let column = first; column <= last; column++) {
        const at3 = row2 * columns + column;
        const d = distance(left + column * step2, top + row2 * step2, a, b) - radius;
        if (d < values[at3]) values[at3] = d === 0 ? -1e-9 : d;
      }
    }
  });
  return { values, columns, rows, left, top, step: step2 };
}
var STEPS = {
  1: [[3, 0]],
  2: [[0, 1]],
  3: [[3, 1]],
  4: [[1, 2]],
  5: [
    [3, 0],
    [1, 2]
  ],
  6: [[0, 2]],
  7: [[3, 2]],
  8: [[2, 3]],
  9: [[2, 0]],
  10: [
    [0, 1],
    [2, 3]
  ],
  11: [[2, 1]],
  12: [[1, 3]],
  13: [[1, 0]],
  14: [[0, 3]]
};
function edgeOf(field, at3, side) {
  if (side === 0) return 2 * at3;
  if (side === 2) return 2 * (at3 + field.columns);
  return side === 3 ? 2 * at3 + 1 : 2 * (at3 + 1) + 1;
}
function crossing({ values, columns, left, top, step: step2 }, edge) {
  const at3 = edge >> 1;
  const [row2, column] = [Math.floor(at3 / columns), at3 % columns];
  const a = values[at3];
  const t = a / (a - values[edge & 1 ? at3 + columns : at3 + 1]);
  return edge & 1 ? [left + column * step2, top + (row2 + t) * step2] : [left + (column + t) * step2, top + row2 * step2];
}
function linked(field) {
  const { values, columns, rows } = field;
  const next = /* @__PURE__ */ new Map();
  for (let row2 = 0; row2 < rows - 1; row2++) {
    for (let column = 0; column < columns - 1; column++) {
      const at3 = row2 * columns + column;
      const corners = [at3, at3 + 1, at3 + columns + 1, at3 + columns];
      const kind = corners.reduce((sum, corner, bit) => sum + (values[corner] < 0 ? 1 << bit : 0), 0);
      for (const [from, to] of STEPS[kind] ?? []) next.set(edgeOf(field, at3, from), edgeOf(field, at3, to));
    }
  }
  return next;
}
function trace(field) {
  const next = linked(field);
  const rings = [];
  while (next.size) {
    const ring = [];
    let edge = next.keys().next().value;
    while (edge !== void 0 && next.has(edge)) {
      ring.push(crossing(field, edge));
      const following = next.get(edge);
      next.delete(edge);
      edge = following;
    }
    rings.push(ring);
  }
  return rings;
}
function signedArea(ring) {
  return ring.reduce((sum, [x, y], i) => {
    const [u, v] = ring[(i + 1) % ring.length];
    return sum + (x * v - u * y);
  }, 0);
}
function thinned(ring, tolerance) {
  const kept = [];
  ring.forEach((point, i) => {
    const before = kept.at(-1);
    const after = ring[(i + 1) % ring.length];
    if (!before || distance(point[0], point[1], before, after) > tolerance) kept.push(point);
  });
  return kept.length >= 4 ? kept : ring;
}
function brushOutline(stroke, radius) {
  if (!stroke.length) return [];
  const rings = trace(distances(stroke, radius)).map((ring) => thinned(ring, radius / 100));
  const sizes = rings.map((ring) => Math.abs(signedArea(ring)) / 2);
  const outer = sizes.indexOf(Math.max(...sizes));
  const kept = rings.filter((_, i) => i === outer || sizes[i] > Math.PI * radius * radius / 4);
  kept.sort((a, b) => Math.abs(signedArea(b)) - Math.abs(signedArea(a)));
  return kept.map((ring) => [...ring, ring[0]]);
}

// src/tools.ts
import {
  TerraDraw,
  TerraDrawMapLibreGLAdapter,
  TerraDrawPolygonMode,
  ValidateNotSelfIntersecting
} from "./libraries.js";
var SMALLEST = 3;
var LARGEST = 120;
function setTool(app, patch) {
  const tool = { ...app.store.state.tool, ...patch };
  tool.radius = Math.min(LARGEST, Math.max(SMALLEST, Math.round(tool.radius)));
  app.store.set({ tool });
}
var Tools = class {
  constructor(app) {
    this.app = app;
    for (const pane of app.panes.list()) this.attach(pane);
    app.store.subscribe((state, before) => {
      if (state.tool.tool !== before.tool.tool) this.switched();
      if (state.tool === before.tool) return;
      for (const { draw } of this.drawings) draw.updateModeOptions("polygon", { styles: this.styles() });
    });
  }
  app;
  drawings = [];
  stroke = null;
  get state() {
    return this.app.store.state.tool;
  }
  /** Do at the middle of the map what a click there would do: for the keyboard. */
  actAtCenter() {
    const pane = this.app.panes.focused();
    const canvas = pane.map.getCanvas();
    const box = canvas.getBoundingClientRect();
    const at3 = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    if (this.state.tool === "region" || this.state.tool === "reassign") {
      const { lng, lat } = pane.map.getCenter();
      void this.take([lng, lat]);
      return;
    }
    for (const type of ["pointermove", "pointerdown", "pointerup"]) {
      canvas.dispatchEvent(
        new PointerEvent(type, { ...at3, bubbles: true, isPrimary: true, button: 0, pointerId: 1 })
      );
    }
  }
  /** Give up what is being drawn, or else the tool. */
  cancel() {
    const drawing2 = this.stroke !== null || this.drawings.some(({ draw }) => draw.getModeState() === "drawing");
    if (drawing2) {
      this.drop();
      for (const { pane } of this.drawings) {
        pane.map.getCanvas().dispatchEvent(new KeyboardEvent("keyup", { key: "Escape" }));
      }
    } else if (this.state.tool !== "move") {
      setTool(this.app, { tool: "move" });
    }
  }
  switched() {
    const { tool } = this.state;
    this.drop();
    for (const { draw } of this.drawings) draw.stop();
    this.drawings = [];
    for (const pane of this.app.panes.list()) {
      pane.box.dataset.tool = tool;
      const fixed = tool === "brush";
      pane.map.dragPan[fixed ? "disable" : "enable"]();
      pane.map.boxZoom[fixed ? "disable" : "enable"]();
      pane.map.doubleClickZoom[tool === "move" ? "enable" : "disable"]();
      if (tool === "polygon") this.drawings.push({ pane, draw: this.polygons(pane) });
    }
  }
  styles() {
    const color = colorOf(this.app.store.state, this.state.class);
    return { fillColor: color, fillOpacity: 0.5, outlineColor: "#ffffff", outlineWidth: 2 };
  }
  polygons(pane) {
    const mode = new TerraDrawPolygonMode({
      styles: this.styles(),
      validation: (feature2, { updateType }) => updateType === "finish" || updateType === "commit" ? ValidateNotSelfIntersecting(feature2) : { valid: true }
    });
    const adapter = new TerraDrawMapLibreGLAdapter({ map: pane.map, coordinatePrecision: 9 });
    const draw = new TerraDraw({ adapter, modes: [mode] });
    draw.start();
    draw.setMode("polygon");
    draw.on("finish", (id) => {
      const geometry = draw.getSnapshotFeature(id)?.geometry;
      setTimeout(() => draw.enabled && draw.clear());
      if (geometry?.type === "Polygon") this.keep(geometry, "polygon");
    });
    return draw;
  }
  attach(pane) {
    const canvas = pane.map.getCanvas();
    const sketch = h("canvas", { class: "sketch", "aria-hidden": "true" });
    pane.box.append(sketch);
    canvas.addEventListener("pointerdown", (event) => this.begin(pane, event));
    canvas.addEventListener("pointermove", (event) => this.extend(pane, event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointercancel", () => this.drop());
    canvas.addEventListener("pointerleave", () => !this.stroke && this.paint(pane, null));
    pane.map.on("click", (event) => {
      const { tool } = this.state;
      if (tool === "region" || tool === "reassign") void this.take([event.lngLat.lng, event.lngLat.lat]);
    });
  }
  begin(pane, event) {
    if (this.state.tool !== "brush" || event.button !== 0) return;
    if (this.stroke) {
      this.drop();
      return;
    }
    if (!event.isPrimary) return;
    if (event.isTrusted) event.target.setPointerCapture(event.pointerId);
    this.stroke = { pane, points: [this.place(pane, event)], pointer: event.pointerId };
    this.paint(pane, this.stroke.points.at(-1) ?? null);
  }
  extend(pane, event) {
    if (this.state.tool !== "brush") return;
    const point = this.place(pane, event);
    if (this.stroke?.pointer === event.pointerId) {
      const last = this.stroke.points.at(-1);
      const far = Math.hypot(point[0] - last[0], point[1] - last[1]) > this.state.radius / 8;
      if (far) this.stroke.points.push(point);
    }
    this.paint(pane, point);
  }
  end(event) {
    if (this.stroke?.pointer !== event.pointerId) return;
    const { pane, points: points2 } = this.stroke;
    this.drop();
    const rings = brushOutline(points2, this.state.radius).map(
      (ring) => ring.map((point) => {
        const { lng, lat } = pane.map.unproject(point);
        return [lng, lat];
      })
    );
    this.keep({ type: "Polygon", coordinates: rings }, "brush");
  }
  drop() {
    const pane = this.stroke?.pane;
    this.stroke = null;
    if (pane) this.paint(pane, null);
  }
  place(pane, event) {
    const box = pane.map.getCanvas().getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  /** Show the stroke so far, and the brush where the pointer is. */
  paint(pane, pointer) {
    const sketch = pane.box.querySelector("canvas.sketch");
    const context = sketch?.getContext("2d");
    if (!sketch || !context) return;
    const scale = window.devicePixelRatio || 1;
    sketch.width = sketch.clientWidth * scale;
    sketch.height = sketch.clientHeight * scale;
    context.scale(scale, scale);
    const { radius } = this.state;
    if (this.stroke?.pane === pane) {
      context.globalAlpha = 0.6;
      context.strokeStyle = colorOf(this.app.store.state, this.state.class);
      context.lineWidth = 2 * radius;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      this.stroke.points.forEach(([x2, y2], i) => i ? context.lineTo(x2, y2) : context.moveTo(x2, y2));
      const [x, y] = this.stroke.points[0];
      if (this.stroke.points.length === 1) context.lineTo(x + 0.01, y);
      context.stroke();
      context.globalAlpha = 1;
    }
    if (!pointer || this.state.tool !== "brush") return;
    for (const [color, width] of [
      ["#000000", 3],
      ["#ffffff", 1.5]
    ]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.arc(pointer[0], pointer[1], radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  /** Take the region, or the polygon, that the server finds at a place. */
  async take([lon, lat]) {
    const { tool, of, class: name } = this.state;
    const source2 = tool === "reassign" ? "polygon" : of;
    await this.app.attempt(async () => {
      const region = await this.app.api.post(`${scenePath(this.app)}/region`, {
        lon,
        lat,
        of: source2
      });
      this.keep(region.geometry, tool === "reassign" ? "reassign" : "region", name);
    });
  }
  keep(geometry, tool, name = this.state.class) {
    this.app.corrections.add(geometry, name, name === "ignore" ? "unknown" : tool);
  }
};

// src/panels/correct.ts
var TOOLS = [
  { tool: "move", title: "Move", key: "v", hint: "Drag to move the map." },
  { tool: "brush", title: "Brush", key: "b", hint: "Paint over what is wrong; [ and ] change the size." },
  {
    tool: "polygon",
    title: "Polygon",
    key: "p",
    hint: "Click corner by corner; Enter or the first corner closes it."
  },
  { tool: "region", title: "Region", key: "r", hint: "A click takes the whole region around it." },
  {
    tool: "reassign",
    title: "Reassign",
    key: "a",
    hint: "A click gives a polygon of the map another class."
  }
];
var RECENT = 30;
function choices(app) {
  return [...editedClasses(app.store.state).map((row2) => row2.name), "ignore"];
}
function toolRow(app) {
  const polygons = app.store.state.scene?.layers.some((layer) => layer.kind === "polygons");
  const offered = TOOLS.filter(({ tool }) => tool !== "reassign" || polygons);
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "Tool" },
    ...offered.map(
      ({ tool, title, key }) => button(title, () => setTool(app, { tool }), {
        id: `tool-${tool}`,
        title: key.toUpperCase(),
        "aria-keyshortcuts": key,
        "aria-pressed": String(app.store.state.tool.tool === tool)
      })
    )
  );
}
function classChoice(app) {
  return h(
    "div",
    { class: "palette", role: "group", "aria-label": "Class that is drawn" },
    ...choices(app).map(
      (name, i) => h(
        "button",
        {
          type: "button",
          id: `draw-${name}`,
          onclick: () => setTool(app, { class: name }),
          title: name === "ignore" ? "0" : String(i + 1),
          "aria-pressed": String(app.store.state.tool.class === name)
        },
        h("i", {
          class: `swatch${name === "ignore" ? " unknown" : ""}`,
          style: { background: colorOf(app.store.state, name) }
        }),
        titleOf(app.store.state, name)
      )
    )
  );
}
function toolOptions(app) {
  const { tool, radius, of } = app.store.state.tool;
  if (tool === "brush") {
    const input2 = h("input", {
      type: "range",
      id: "radius",
      min: 3,
      max: 120,
      value: radius,
      oninput: () => setTool(app, { radius: Number(input2.value) })
    });
    return h("div", { class: "fields" }, h("label", { for: "radius" }, "Size"), input2);
  }
  if (tool !== "region") return null;
  const input = h(
    "select",
    { id: "region-of", onchange: () => setTool(app, { of: input.value }) },
    h("option", { value: "prediction", selected: of === "prediction" }, "of one class in the prediction"),
    h("option", { value: "superpixel", selected: of === "superpixel" }, "that looks alike in the scene")
  );
  return h("div", { class: "fields" }, h("label", { for: "region-of" }, "Region"), input);
}
function history2(app) {
  const next = steps(app.store.state.records, app.store.state.project.user);
  return h(
    "p",
    { class: "row" },
    button("Undo", () => app.corrections.undo(), { id: "undo", disabled: !next.undo, title: "Ctrl+Z" }),
    button("Redo", () => app.corrections.redo(), { id: "redo", disabled: !next.redo, title: "Ctrl+Shift+Z" })
  );
}
function saving(app) {
  const { unsent, reason } = app.store.state.saving;
  const text = !unsent ? "All corrections are saved." : reason ? `${unsent} not saved yet, but kept in this browser: ${reason}` : `Saving ${unsent} …`;
  return h("p", { class: reason ? "warn" : "fine", id: "saving", role: "status" }, text);
}
function groundNote(split) {
  if (split === "test")
    return "It lies on a test block: it goes to the evaluation's labels, not to training.";
  if (split === "mixed")
    return "It lies partly on a test block: that part goes to the evaluation's labels, not to training.";
  return "";
}
function row(app, record) {
  const state = app.store.state;
  const area = typeof record.area_ha === "number" ? hectares(record.area_ha) : "";
  const before = record.class_before ? `${titleOf(state, record.class_before)} → ` : "";
  return h(
    "li",
    {},
    h("i", { class: "swatch", style: { background: colorOf(state, record.class) } }),
    h("span", {}, `${before}${titleOf(state, record.class)}`),
    h(
      "span",
      { class: `split ${record.split ?? ""}` },
      record.split === "test" || record.split === "mixed" ? "test" : ""
    ),
    h("span", { class: "fine" }, record.user),
    h("span", { class: "number" }, area)
  );
}
function exchange(app) {
  const path2 = `${scenePath(app)}/corrections.gpkg`;
  const scene = app.store.state.scene?.id ?? "corrections";
  const files = [
    { tool: "QGIS", id: "export", path: path2, name: `${scene}.gpkg` },
    ...["labelme", "cvat"].map((tool) => ({
      tool: tool === "cvat" ? "CVAT" : "Labelme",
      id: `export-${tool}`,
      path: `${scenePath(app)}/corrections_${tool}.zip`,
      name: `${scene}_${tool}.zip`
    }))
  ];
  const take = async () => {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    await app.attempt(async () => {
      const told = await app.api.call(path2, { method: "PUT", body: file });
      app.say(`${told.added} corrections were added, ${told.undone} taken back.`);
    });
  };
  const input = h("input", {
    type: "file",
    id: "import",
    accept: ".gpkg,.geojson,.json,.xml",
    onchange: () => void take()
  });
  return h(
    "details",
    {},
    h("summary", {}, "QGIS, Labelme, CVAT"),
    h(
      "p",
      { class: "fine" },
      "Edit the corrections elsewhere and bring them back: a GeoPackage whose drop-down offers the classes, ",
      "or polygons on a picture of the scene, as JSON of Labelme or XML of CVAT."
    ),
    h(
      "p",
      { class: "row" },
      ...files.map(
        (file) => button(file.tool, () => void app.attempt(() => app.api.download(file.path, file.name)), {
          id: file.id,
          "aria-label": `Download for ${file.tool}`
        })
      )
    ),
    h("div", { class: "fields" }, h("label", { for: "import" }, "Bring back"), input)
  );
}
function make(app) {
  const controls = h("div");
  const progress = h("div");
  const drawControls = () => {
    const hint = TOOLS.find(({ tool }) => tool === app.store.state.tool.tool)?.hint ?? "";
    replace(controls, toolRow(app), h("p", { class: "fine" }, hint), classChoice(app), toolOptions(app));
  };
  const drawProgress = () => {
    const records = active(app.store.state.records);
    replace(
      progress,
      history2(app),
      saving(app),
      h(
        "h2",
        { id: "corrected" },
        `${records.length} ${records.length === 1 ? "correction" : "corrections"}`
      ),
      h(
        "ul",
        { class: "plain records" },
        ...records.slice(-RECENT).reverse().map((record) => row(app, record))
      )
    );
  };
  drawControls();
  drawProgress();
  app.watch((state, before) => {
    const renamed = state.edits !== before.edits || state.project !== before.project;
    const sliding = document.activeElement?.id === "radius" && state.tool.tool === before.tool.tool;
    if (state.tool !== before.tool && !sliding || renamed) drawControls();
    if (state.records !== before.records || state.saving !== before.saving || renamed) drawProgress();
  });
  return h("div", {}, controls, progress, exchange(app));
}
var correctPanel = {
  id: "correct",
  title: "Correct",
  key: "c",
  offered: (app) => can(app.store.state, "correct") && (app.store.state.scene?.correctable ?? false),
  make
};

// src/panels/check.ts
var AROUND = 60;
var points = [];
var at = 0;
var redraw = () => void 0;
function around([west, south, east, north]) {
  const [x, y] = [(east - west) * AROUND / 2, (north - south) * AROUND / 2];
  return [west - x, south - y, east + x, north + y];
}
function nextOpen(all, from) {
  const order = all.map((_, i) => (from + 1 + i) % all.length);
  return order.find((i) => all[i].reference === null) ?? from;
}
function go(app, place2) {
  const point = points[place2];
  if (!point) return;
  at = place2;
  app.panes.show(around(point.bounds), false);
  app.panes.overlay("focus", focusFeature(point.bounds));
  redraw();
}
function step(app, by) {
  if (points.length) go(app, (at + by + points.length) % points.length);
}
async function answerPoint(app, reference) {
  const point = points[at];
  if (!point) return;
  await app.attempt(async () => {
    await app.api.post(`${scenePath(app)}/sample/${point.point}`, { reference });
    points = points.map((row2) => row2.point === point.point ? { ...row2, reference } : row2);
    go(app, nextOpen(points, at));
  });
}
async function load(app, draw) {
  await app.attempt(async () => {
    const path2 = `${scenePath(app)}/sample`;
    const found = draw ? await app.api.post(path2) : await app.api.call(path2);
    points = found.points;
    go(app, nextOpen(points, -1));
  });
  redraw();
}
function within({ estimate, margin }, show) {
  if (estimate === null) return "–";
  return margin === null ? show(estimate) : `${show(estimate)} ± ${show(margin)}`;
}
function accuracyTable(app, found) {
  const share = (value) => `${(100 * value).toFixed(1)} %`;
  const rows = Object.entries(found.classes).map(
    ([name, row2]) => h(
      "tr",
      {},
      h("th", { scope: "row" }, titleOf(app.store.state, name)),
      h("td", { class: "number" }, within(row2.users_accuracy, share)),
      h("td", { class: "number" }, within(row2.producers_accuracy, share)),
      h("td", { class: "number" }, within(row2.adjusted_ha, hectares))
    )
  );
  const heads = ["Class", "User's", "Producer's", "Area"];
  return h(
    "table",
    { id: "accuracy" },
    h("caption", {}, `Accuracy ${within(found.overall_accuracy, share)}, 95 %, of ${found.points} points`),
    h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...rows)
  );
}
function answers(app, point) {
  const named = choices(app).map(
    (name, i) => h(
      "button",
      {
        type: "button",
        id: `check-${name}`,
        onclick: () => void answerPoint(app, name),
        title: name === "ignore" ? "0" : String(i + 1),
        "aria-pressed": String(point.reference === name)
      },
      h("i", {
        class: `swatch${name === "ignore" ? " unknown" : ""}`,
        style: { background: colorOf(app.store.state, name) }
      }),
      name === "ignore" ? "cannot tell" : titleOf(app.store.state, name)
    )
  );
  return h("div", { class: "palette", role: "group", "aria-label": "What is at the point" }, ...named);
}
function asked(app, result) {
  const left = points.filter((row2) => row2.reference === null).length;
  const name = `${app.store.state.scene?.id ?? "points"}_check.gpkg`;
  const estimate = () => void app.attempt(
    async () => replace(result, accuracyTable(app, await app.api.call(`${scenePath(app)}/accuracy`)))
  );
  return h(
    "div",
    {},
    h("p", { id: "check-place", role: "status" }, `Point ${at + 1} of ${points.length}, ${left} are open.`),
    answers(app, points[at]),
    h(
      "p",
      { class: "row" },
      button("Previous", () => step(app, -1), { id: "check-previous" }),
      button("Next", () => step(app, 1), { id: "check-next" })
    ),
    h(
      "p",
      { class: "row" },
      button("Estimate", estimate, { id: "estimate", class: "primary", disabled: left > 0 }),
      button(
        "Download",
        () => void app.attempt(() => app.api.download(`${scenePath(app)}/sample.gpkg`, name)),
        {
          id: "check-download"
        }
      )
    )
  );
}
function make2(app) {
  [points, at] = [[], 0];
  const [view, result] = [h("div"), h("div")];
  const draw = button("Draw points", () => void load(app, true), { id: "draw-points", class: "primary" });
  redraw = () => replace(view, points.length ? asked(app, result) : h("p", { class: "row" }, draw));
  redraw();
  const opened = () => {
    if (app.store.state.panel === "check") void load(app, false);
  };
  app.watch((state, before) => {
    if (state.panel !== before.panel) opened();
    if (state.edits !== before.edits) redraw();
  });
  opened();
  return h(
    "div",
    {},
    h("h2", {}, "How right is the map?"),
    h(
      "p",
      { class: "fine" },
      "Say what is in the marked pixel. The map, its labels and corrections stay hidden meanwhile."
    ),
    view,
    result
  );
}
var checkPanel = {
  id: "check",
  title: "Check",
  key: "q",
  offered: (app) => checkable(app.store.state),
  make: make2
};

// src/panels/find.ts
var MOST = 50;
function rank(blocks, ranking2) {
  const share = (block) => {
    if (ranking2.by === "wrong") return block.wrong;
    if (ranking2.by !== "class") return block[ranking2.by] === null ? null : 1 - block[ranking2.by];
    return block.classes[ranking2.name] || null;
  };
  return blocks.flatMap((block) => {
    const value = share(block);
    return value === null ? [] : [{ block, share: value }];
  }).sort((a, b) => b.share - a.share || a.block.id.localeCompare(b.block.id, "en", { numeric: true }));
}
function findClass(state, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const rows = editedClasses(state).map((row2) => ({
    name: row2.name,
    words: [row2.name, row2.title ?? row2.name]
  }));
  const by = (matches) => rows.find((row2) => row2.words.some((word) => matches(word.toLowerCase())))?.name ?? null;
  return by((word) => word.startsWith(wanted)) ?? by((word) => word.includes(wanted));
}
var SPLITS = { test: "test", val: "validation", train: "training", gap: "gap" };
var list = [];
var at2 = -1;
function stepBlock(app, step2) {
  if (!list.length) {
    app.say("There are no blocks in the list of the panel Find.");
    return;
  }
  at2 = (at2 + step2 + list.length) % list.length;
  const row2 = list[at2];
  app.visit(row2.block.bounds);
  app.say(`Block ${row2.block.id}, ${at2 + 1} of ${list.length}: ${percent(row2.share)}`);
  markCurrent(document.querySelectorAll(".blocks:not(.queue) button"), at2);
}
function blockRow(app, row2, i, what) {
  const go2 = () => {
    at2 = i - 1;
    stepBlock(app, 1);
  };
  const split = row2.block.split ? SPLITS[row2.block.split] ?? row2.block.split : "";
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", onclick: go2, id: `block-${row2.block.id}` },
      h("span", {}, row2.block.id),
      h("span", { class: `split ${row2.block.split ?? ""}` }, split),
      h("span", { class: "number" }, `${percent(row2.share)} ${what}`)
    )
  );
}
function ranking(state, by, text) {
  if (by === "wrong") return { ranking: { by }, what: "wrong" };
  if (by === "confidence") return { ranking: { by }, what: "unsure" };
  if (by === "forecast") return { ranking: { by }, what: "of the IoU missing, as expected" };
  const name = findClass(state, text);
  return name ? { ranking: { by: "class", name }, what: titleOf(state, name) } : null;
}
function orderPicker(app) {
  const labelled = app.blocks.some((block) => block.wrong !== null);
  const forecast = app.blocks.some((block) => block.forecast !== null);
  return h(
    "select",
    { id: "order" },
    labelled && h("option", { value: "wrong" }, "most wrong first"),
    h("option", { value: "confidence" }, "least certain first"),
    forecast && h("option", { value: "forecast" }, "lowest expected IoU first"),
    h("option", { value: "class" }, "most of a class first")
  );
}
function classNames(app) {
  const rows = editedClasses(app.store.state).map((row2) => h("option", { value: row2.title || row2.name }));
  return h("datalist", { id: "class-names" }, ...rows);
}
function drawList(app, results, by, text) {
  const chosen = ranking(app.store.state, by, text);
  list = chosen ? rank(app.blocks, chosen.ranking).slice(0, MOST) : [];
  at2 = -1;
  const color = chosen?.ranking.by === "class" ? colorOf(app.store.state, chosen.ranking.name) : null;
  const none = chosen ? "No block matches." : "Type the name of a class.";
  replace(
    results,
    h(
      "p",
      { class: "fine", role: "status" },
      color ? h("i", { class: "swatch", style: { background: color } }) : null,
      list.length ? `${list.length} blocks; comma and full stop step through them.` : none
    ),
    h("ol", { class: "plain blocks" }, ...list.map((row2, i) => blockRow(app, row2, i, chosen?.what ?? "")))
  );
}
function make3(app) {
  const order = orderPicker(app);
  const names = { list: "class-names", placeholder: "a class, as water", autocomplete: "off" };
  const search = h("input", { type: "search", id: "search", ...names });
  const results = h("div");
  const draw = () => drawList(app, results, order.value, search.value);
  order.addEventListener("change", draw);
  search.addEventListener("input", () => {
    if (search.value.trim()) order.value = "class";
    draw();
  });
  draw();
  return h(
    "div",
    {},
    h("div", { class: "fields" }, h("label", { for: "search" }, "Search"), search, classNames(app)),
    h("div", { class: "fields" }, h("label", { for: "order" }, "Order"), order),
    results
  );
}
var findPanel = {
  id: "find",
  title: "Find",
  key: "f",
  offered: (app) => app.blocks.length > 0,
  make: make3
};

// src/panels/layers.ts
function layerRow(app, layer, side, position) {
  const view = app.store.state.views[side];
  const title = layerTitle(layer);
  const id = `layer-${layer.name}`;
  const change = (event) => {
    const visible = {
      ...app.store.state.views[side].visible,
      [layer.name]: event.target.checked
    };
    app.store.setView(side, { visible });
  };
  const fade = (event) => {
    const value = Number(event.target.value) / 100;
    app.store.setView(side, { opacity: { ...app.store.state.views[side].opacity, [layer.name]: value } });
  };
  return h(
    "li",
    { class: "layer" },
    h("input", { type: "checkbox", id, checked: view.visible[layer.name] ?? false, onchange: change }),
    h("label", { for: id, title: position < 9 ? `Shift+${position + 1}` : null }, title),
    h("input", {
      type: "range",
      min: 0,
      max: 100,
      id: `${id}-opacity`,
      value: Math.round(100 * (view.opacity[layer.name] ?? 1)),
      "aria-label": `Opacity of ${title}`,
      oninput: fade
    })
  );
}
function sidePicker(app) {
  const { compare: compare2, side } = app.store.state;
  if (compare2 === "one") return null;
  const choices2 = SIDES.map(
    (name) => button(name === "left" ? "Left map" : "Right map", () => app.store.set({ side: name }), {
      "aria-pressed": String(name === side),
      id: `side-${name}`
    })
  );
  return h(
    "div",
    { class: "choice", role: "group", "aria-label": "The map whose layers are shown here" },
    ...choices2
  );
}
function bandPicker(app, side) {
  const { scene, views } = app.store.state;
  if (!scene?.composites.length) return null;
  const view = views[side];
  const composite = h(
    "select",
    {
      id: "composite",
      onchange: (event) => app.store.setView(side, { composite: event.target.value })
    },
    ...scene.composites.map(
      (row2) => h("option", { value: row2.name, selected: row2.name === view.composite }, row2.title || row2.name)
    )
  );
  const stretch = h(
    "select",
    {
      id: "stretch",
      onchange: (event) => app.store.setView(side, { stretch: event.target.value })
    },
    h("option", { value: "2-98", selected: view.stretch === "2-98" }, "2nd to 98th percentile"),
    h("option", { value: "min-max", selected: view.stretch === "min-max" }, "least to most")
  );
  return h(
    "div",
    { class: "fields" },
    h("label", { for: "composite" }, "Bands"),
    composite,
    h("label", { for: "stretch" }, "Stretch"),
    stretch
  );
}
function toggleClass(app, name) {
  const hidden = app.store.state.hidden;
  app.store.set({
    hidden: hidden.includes(name) ? hidden.filter((other) => other !== name) : [...hidden, name]
  });
}
function classRow(app, row2) {
  const title = row2.title || row2.name;
  const edit = (patch) => app.store.set({
    edits: { ...app.store.state.edits, [row2.name]: { ...app.store.state.edits[row2.name], ...patch } }
  });
  const id = `class-${row2.name}`;
  const editable = can(app.store.state, "classes") && app.store.state.scene?.kind === "city";
  return h(
    "li",
    { class: "land-class" },
    h("input", {
      type: "checkbox",
      id,
      checked: !app.store.state.hidden.includes(row2.name),
      onchange: () => toggleClass(app, row2.name)
    }),
    editable ? h("input", {
      type: "color",
      id: `${id}-color`,
      value: row2.color,
      "aria-label": `Colour of ${title}`,
      oninput: (event) => edit({ color: event.target.value })
    }) : h("i", { class: "swatch", style: { background: row2.color } }),
    h("label", { for: id, class: editable ? "hidden" : null }, title),
    editable && h("input", {
      class: "rename",
      id: `${id}-title`,
      value: title,
      maxlength: 60,
      "aria-label": `Name of ${title} in legends`,
      onchange: (event) => edit({ title: event.target.value.trim() || row2.name })
    })
  );
}
function saveRow(app) {
  const edits = app.store.state.edits;
  if (!Object.keys(edits).length) return null;
  const save = () => app.attempt(async () => {
    const { classes } = await app.api.post("/api/classes", edits);
    const { project, scene } = app.store.state;
    app.store.set({ project: { ...project, classes }, scene: scene && { ...scene, classes }, edits: {} });
    app.store.set({ version: app.store.state.version + 1 });
    app.say("Colours and names are saved in params.yaml.");
  });
  return h(
    "p",
    { class: "row" },
    button("Save in params.yaml", () => void save(), { class: "primary", id: "save-classes" }),
    button("Discard", () => app.store.set({ edits: {} }), { id: "discard-classes" })
  );
}
function legend(layer) {
  if (!layer.legend?.length) return null;
  const first = layer.legend[0];
  const title = h("h3", {}, layerTitle(layer));
  if (Array.isArray(first)) {
    const stops = layer.legend.map(([value, color]) => `${color} ${100 * value}%`);
    const ramp = h("i", {
      class: "ramp",
      style: { background: `linear-gradient(90deg, ${stops.join(", ")})` }
    });
    return h("div", {}, title, h("p", { class: "scale-of" }, "0 %", ramp, "100 %"));
  }
  const entries = layer.legend.map(
    (entry) => h("li", {}, h("i", { class: "swatch", style: { background: entry.color } }), entry.label)
  );
  return h("div", {}, title, h("ul", { class: "legend" }, ...entries));
}
function make4(app) {
  const layers = h("div");
  const classes = h("div");
  const legends = h("div");
  const draw = () => {
    const { scene, side } = app.store.state;
    if (!scene) return;
    replace(
      layers,
      sidePicker(app),
      h("ul", { class: "plain" }, ...scene.layers.map((layer, i) => layerRow(app, layer, side, i))),
      bandPicker(app, side)
    );
  };
  const drawClasses = () => {
    const state = app.store.state;
    replace(
      classes,
      h("h2", {}, "Classes"),
      h("ul", { class: "plain" }, ...editedClasses(state).map((row2) => classRow(app, row2))),
      saveRow(app)
    );
  };
  const drawLegends = () => {
    const { scene, views, side } = app.store.state;
    const shown = scene?.layers.filter((layer) => views[side].visible[layer.name]) ?? [];
    replace(legends, ...shown.map(legend));
  };
  [draw, drawClasses, drawLegends].forEach((run) => run());
  app.watch((state, before) => {
    if (state.side !== before.side || state.compare !== before.compare) draw();
    else if (state.views !== before.views) tick(layers, state.views[state.side].visible);
    const picking = document.activeElement?.matches("input[type=color]") && state.hidden === before.hidden;
    if (state.edits !== before.edits && picking) replaceSave(classes, saveRow(app));
    else if (state.edits !== before.edits || state.hidden !== before.hidden) drawClasses();
    drawLegends();
  });
  return h("div", {}, layers, classes, legends, blockRow2(app), forecastRow(app));
}
var BLOCK_COLORS = [
  ["test", "#ffb000", "for testing: no training sees them"],
  ["val", "#00a5e0", "for validation"],
  ["train", "#9aa5b1", "for training"]
];
function blockRow2(app) {
  const splits = new Set(app.blocks.map((block) => block.split));
  const known = BLOCK_COLORS.filter(([split]) => splits.has(split));
  if (!known.length) return null;
  const entries = known.map(
    ([, color, text]) => h("li", {}, h("i", { class: "swatch", style: { background: color } }), text)
  );
  const change = (event) => app.store.set({ blocks: event.target.checked });
  return h(
    "div",
    {},
    h("h2", {}, "Blocks"),
    h(
      "p",
      { class: "layer" },
      h("input", { type: "checkbox", id: "blocks", checked: app.store.state.blocks, onchange: change }),
      h("label", { for: "blocks" }, "Outlines of blocks")
    ),
    h("ul", { class: "legend" }, ...entries)
  );
}
function forecastRow(app) {
  if (!app.blocks.some((block) => block.forecast !== null)) return null;
  const change = (event) => app.store.set({ forecast: event.target.checked });
  const steps2 = RAMP.map(
    ([share, color]) => h("li", {}, h("i", { class: "swatch", style: { background: color } }), share.toFixed(2))
  );
  return h(
    "div",
    {},
    h("h2", {}, "Forecast"),
    h(
      "p",
      { class: "layer" },
      h("input", { type: "checkbox", id: "forecast", checked: app.store.state.forecast, onchange: change }),
      h("label", { for: "forecast" }, "Mean IoU that is expected in each block")
    ),
    h("ul", { class: "legend" }, ...steps2)
  );
}
function tick(list2, visible) {
  for (const box of list2.querySelectorAll("input[type=checkbox]")) {
    box.checked = visible[box.id.slice("layer-".length)] ?? false;
  }
}
function replaceSave(classes, row2) {
  classes.querySelector("p.row")?.remove();
  if (row2) classes.append(row2);
}
var layersPanel = { id: "layers", title: "Layers", key: "l", offered: () => true, make: make4 };

// src/curve.ts
var [WIDTH, HEIGHT, LEFT, BOTTOM] = [300, 110, 36, 18];
function path(points2, low, high) {
  if (points2.length < 2) return "";
  const [first, last] = [points2[0].x, points2.at(-1).x];
  return points2.map(({ x, y }, i) => {
    const across = LEFT + (x - first) / (last - first || 1) * (WIDTH - LEFT - 6);
    const down = HEIGHT - BOTTOM - (y - low) / (high - low || 1) * (HEIGHT - BOTTOM - 8);
    return `${i ? "L" : "M"}${across.toFixed(1)} ${down.toFixed(1)}`;
  }).join("");
}
function curve(title, points2) {
  if (points2.length < 2) return null;
  const [low, high] = [Math.min(...points2.map((p) => p.y)), Math.max(...points2.map((p) => p.y))];
  const last = points2.at(-1);
  const said = `${title}: from ${points2[0].y.toFixed(3)} to ${last.y.toFixed(3)} in ${points2.length} epochs`;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": said },
    svg("path", { d: `M${LEFT} 8V${HEIGHT - BOTTOM}H${WIDTH - 6}`, class: "axis" }),
    svg("path", { d: path(points2, low, high), class: "line" }),
    svg("text", { x: LEFT - 4, y: 14, "text-anchor": "end" }, high.toFixed(2)),
    svg("text", { x: LEFT - 4, y: HEIGHT - BOTTOM, "text-anchor": "end" }, low.toFixed(2)),
    svg("text", { x: LEFT, y: HEIGHT - 4 }, `${title}, epoch ${points2[0].x}`),
    svg("text", { x: WIDTH - 6, y: HEIGHT - 4, "text-anchor": "end" }, last.x)
  );
}

// src/panels/teach.ts
var WANTED = 20;
var LOG_LINES = 200;
var VERDICTS = { better: "better", worse: "worse", noise: "no clear change", unknown: "too few blocks" };
function interval({ low, high }) {
  return low === null || high === null ? "–" : `${signed(low, 3)} to ${signed(high, 3)}`;
}
function comparison(result) {
  const rows = Object.entries(result.cities).flatMap(
    ([city, { miou }]) => miou ? h(
      "tr",
      { class: miou.verdict },
      h("th", { scope: "row" }, city),
      h("td", { class: "number" }, miou.before.toFixed(3)),
      h("td", { class: "number" }, miou.after.toFixed(3)),
      h("td", { class: "number" }, interval(miou)),
      h("td", {}, VERDICTS[miou.verdict])
    ) : []
  );
  const heads = ["City", "Before", "After", "Change, 95 %", ""];
  return h(
    "table",
    { id: "comparison" },
    h("caption", {}, "Mean IoU on the test blocks"),
    h(
      "thead",
      {},
      h("tr", {}, ...heads.map((text) => h(text ? "th" : "td", text ? { scope: "col" } : {}, text)))
    ),
    h("tbody", {}, ...rows)
  );
}
function curves(result) {
  const points2 = (key) => result.curves.flatMap(({ epoch, [key]: y }) => y === void 0 ? [] : [{ x: epoch, y }]);
  return [curve("mIoU", points2("miou")), curve("loss", points2("loss"))];
}
function decision(app, job, result) {
  if (result.decision) return h("p", {}, `The experiment ${result.experiment} was ${result.decision}.`);
  const decide = (keep) => void app.attempt(() => app.api.post(`/api/jobs/${encodeURIComponent(job.id)}/decision`, { keep })).then(() => app.jobs.refresh());
  return h(
    "p",
    { class: "row" },
    button("Keep the experiment", () => decide(true), { class: "primary", id: "keep" }),
    button("Drop it", () => decide(false), { id: "drop" })
  );
}
function lastLines(text, most) {
  return text.split("\n").slice(-most).join("\n");
}
var logs = /* @__PURE__ */ new Map();
async function readLog(app, job) {
  const known = logs.get(job.id) ?? { text: "", next: 0 };
  const path2 = `/api/jobs/${encodeURIComponent(job.id)}/log?from=${known.next}`;
  const more = await app.api.call(path2);
  logs.set(job.id, { text: lastLines(known.text + more.text, LOG_LINES), next: more.next });
  const box = document.getElementById("log");
  if (!box) return;
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  box.textContent = logs.get(job.id)?.text ?? "";
  if (atEnd) box.scrollTop = box.scrollHeight;
}
function jobView(app, job) {
  const stop2 = () => void app.attempt(() => app.api.post(`/api/jobs/${encodeURIComponent(job.id)}/cancel`)).then(() => app.jobs.refresh());
  const { result } = job;
  return h(
    "div",
    { class: `job ${job.state}` },
    h("h3", {}, job.title),
    h("p", { class: job.state === "failed" ? "warn" : "fine", role: "status" }, progressText(job)),
    atWork(job) && h("progress", { max: 1, value: job.progress, "aria-label": "Progress of the retraining" }),
    atWork(job) && h("p", { class: "row" }, button("Cancel", stop2, { id: "cancel-retrain" })),
    result && comparison(result),
    ...result ? curves(result) : [],
    result && decision(app, job, result),
    h(
      "details",
      { open: atWork(job) },
      h("summary", {}, "Log"),
      h("pre", { id: "log", tabindex: 0 }, logs.get(job.id)?.text ?? "")
    )
  );
}
function newestTraining(app) {
  return app.store.state.jobs.filter((job) => job.kind === "retrain").at(-1);
}
function retrainForm(app) {
  const title = h("input", { id: "retrain-title", maxlength: 60, placeholder: "after the harbour" });
  const from = h(
    "select",
    { id: "retrain-start" },
    h("option", { value: "current" }, "the current model: minutes"),
    h("option", { value: "anew" }, "anew, as params.yaml says")
  );
  const start2 = async () => {
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
      from
    ),
    h(
      "p",
      { class: "row" },
      button("Retrain", () => void start2(), { class: "primary", id: "retrain" })
    )
  );
}
var queue = [];
var place = 0;
function visitSuggestion(app, step2) {
  if (!queue.length) {
    app.say("There are no suggestions; open the panel Teach.");
    return;
  }
  place = (place + step2 + queue.length) % queue.length;
  const block = queue[place];
  app.visit(block.bounds);
  app.say(`Suggestion ${block.id}, ${queue.length} in the queue. D: done, X: skip.`);
  markCurrent(document.querySelectorAll(".queue button"), place);
}
async function answerSuggestion(app, answer) {
  const block = queue[place];
  if (!block) return;
  await app.attempt(async () => {
    await app.api.post(`${scenePath(app)}/suggestions/${encodeURIComponent(block.id)}`, { answer });
    queue = queue.filter((row2) => row2.id !== block.id);
    place = Math.min(place, Math.max(0, queue.length - 1));
    drawQueue(app);
    if (queue.length) visitSuggestion(app, 0);
    else app.visit(null);
  });
}
function drawQueue(app) {
  const list2 = document.getElementById("queue");
  if (!list2) return;
  const go2 = (i) => {
    place = i;
    visitSuggestion(app, 0);
  };
  const rows = queue.map(
    (block, i) => h(
      "li",
      {},
      h(
        "button",
        { type: "button", onclick: () => go2(i), id: `suggestion-${block.id}` },
        h("span", {}, block.id),
        h("span", { class: `split ${block.split ?? ""}` }, block.split ?? ""),
        h("span", { class: "number" }, `score ${block.score.toFixed(2)}`)
      )
    )
  );
  replace(list2, ...rows);
  document.getElementById("queue-left").textContent = queue.length ? `${queue.length} blocks: the model is unsure of them, and they differ from each other.` : "Nothing is left to ask.";
}
async function loadQueue(app) {
  await app.attempt(async () => {
    const { blocks } = await app.api.call(
      `${scenePath(app)}/suggestions?n=${WANTED}`
    );
    [queue, place] = [blocks, 0];
    drawQueue(app);
  });
}
function suggestions(app) {
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
      button("Skip", () => void answerSuggestion(app, "skipped"), { id: "skip", title: "X" })
    ),
    h("ol", { class: "plain blocks queue", id: "queue" })
  );
}
function retraining(app) {
  const view = h("div");
  const form = retrainForm(app);
  const allow = () => {
    const newest = newestTraining(app);
    const reason = app.store.state.project.retrain;
    form.querySelector("#no-retrain").textContent = reason;
    form.querySelector("#retrain").disabled = reason !== null || newest !== void 0 && atWork(newest);
  };
  const draw = () => {
    const newest = newestTraining(app);
    replace(view, newest ? jobView(app, newest) : null);
    if (newest) void readLog(app, newest).catch(() => void 0);
    allow();
  };
  draw();
  app.watch((state, before) => {
    if (state.jobs !== before.jobs) draw();
    if (state.project !== before.project) allow();
    if (state.panel === "teach" && before.panel !== "teach") void app.attempt(() => app.refresh());
  });
  return h("section", {}, form, view);
}
function make5(app) {
  [queue, place] = [[], 0];
  return h(
    "div",
    {},
    can(app.store.state, "suggest") ? suggestions(app) : null,
    can(app.store.state, "retrain") ? retraining(app) : null
  );
}
var teachPanel = {
  id: "teach",
  title: "Teach",
  key: "e",
  offered: (app) => app.store.state.scene !== null && (can(app.store.state, "retrain") || can(app.store.state, "suggest")),
  make: make5
};

// src/keys.ts
function combination(event) {
  const digit = /^Digit([0-9])$/.exec(event.code)?.[1];
  const named = event.shiftKey || event.altKey ? digit : void 0;
  const key = named ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  const shift = event.shiftKey && (named !== void 0 || /^[a-z]$/.test(key) || key.length > 1);
  const control = event.ctrlKey || event.metaKey;
  return `${control ? "ctrl+" : ""}${event.altKey ? "alt+" : ""}${shift ? "shift+" : ""}${key}`;
}
var COMPARES = ["one", "swipe", "split"];
var DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
function toggleLayer(app, position) {
  const { scene, side, views } = app.store.state;
  const layer = scene?.layers[position];
  if (!layer) return;
  const visible = !views[side].visible[layer.name];
  app.store.setView(side, { visible: { ...views[side].visible, [layer.name]: visible } });
  app.say(`${layerTitle(layer)} ${visible ? "on" : "off"}`);
}
function toggleNth(app, position) {
  const row2 = editedClasses(app.store.state)[position];
  if (row2) toggleClass(app, row2.name);
}
function draws(app, key) {
  const names = choices(app);
  const name = key === "0" ? "ignore" : names[Number(key) - 1];
  if (!name) return;
  if (isBlind(app.store.state)) void answerPoint(app, name);
  else setTool(app, { class: name });
}
function compare(app) {
  const at3 = COMPARES.indexOf(app.store.state.compare);
  app.store.set({ compare: COMPARES[(at3 + 1) % COMPARES.length] });
}
function drawing(desk) {
  return desk.panels.some(({ id }) => id === "correct");
}
function mapKeys() {
  return [
    {
      keys: [],
      shown: "Arrows, + −",
      does: "move and zoom, when the map has the focus",
      run: () => void 0
    },
    {
      keys: ["o"],
      shown: "O",
      does: "the whole scene",
      run: (app) => app.panes.show(app.store.state.scene.bounds)
    },
    {
      keys: ["z"],
      shown: "Z",
      does: "one pixel of the image on one of the screen",
      run: (app) => scaled(app)
    },
    { keys: ["w"], shown: "W", does: "one map, swipe, side by side", run: compare },
    {
      keys: ["s"],
      shown: "S",
      does: "the panel Layers sets the other map",
      run: (app) => app.store.set({ side: app.store.state.side === "left" ? "right" : "left" })
    },
    {
      keys: ["h"],
      shown: "H",
      does: "the bare scene, and back",
      run: (app) => app.store.set({ peek: !app.store.state.peek })
    }
  ];
}
function layerKeys() {
  return [
    {
      keys: DIGITS.map((digit) => `shift+${digit}`),
      shown: "Shift+1 … 9",
      does: "layer on or off",
      run: (app, key) => toggleLayer(app, Number(key.at(-1)) - 1)
    },
    {
      keys: DIGITS.map((digit) => `alt+${digit}`),
      shown: "Alt+1 … 9",
      does: "class on or off",
      run: (app, key) => toggleNth(app, Number(key.at(-1)) - 1)
    },
    { keys: ["."], shown: ".", does: "next block of the panel Find", run: (app) => stepBlock(app, 1) },
    { keys: [","], shown: ",", does: "previous block", run: (app) => stepBlock(app, -1) }
  ];
}
function correctionKeys(desk) {
  if (!drawing(desk)) return [];
  const resize = (factor) => (app) => setTool(app, { radius: app.store.state.tool.radius * factor });
  const tools = TOOLS.map(({ tool, title, key }) => ({
    keys: [key],
    shown: key.toUpperCase(),
    does: `tool: ${title.toLowerCase()}`,
    run: (app) => {
      desk.openPanel("correct");
      setTool(app, { tool });
    }
  }));
  return [
    ...tools,
    {
      keys: ["0", ...DIGITS],
      shown: "1 … 9, 0",
      does: "class that is drawn, or seen at a point that is checked; 0 is unknown",
      run: draws
    },
    { keys: ["["], shown: "[", does: "smaller brush", run: resize(0.8) },
    { keys: ["]"], shown: "]", does: "larger brush", run: resize(1.25) },
    {
      keys: [],
      shown: "Space",
      does: "the tool at the cross in the middle of the map",
      run: () => void 0
    },
    { keys: [], shown: "Enter", does: "close the polygon", run: () => void 0 },
    {
      keys: ["Escape"],
      shown: "Esc",
      does: "give up the drawing, then the tool",
      run: () => desk.tools.cancel()
    },
    { keys: ["ctrl+z"], shown: "Ctrl+Z", does: "undo", run: (app) => app.corrections.undo() },
    {
      keys: ["ctrl+shift+z", "ctrl+y"],
      shown: "Ctrl+Shift+Z",
      does: "redo",
      run: (app) => app.corrections.redo()
    }
  ];
}
function teachingKeys(desk) {
  if (!desk.panels.some(({ id }) => id === "teach")) return [];
  return [
    { keys: ["n"], shown: "N", does: "next suggestion", run: (app) => visitSuggestion(app, 1) },
    {
      keys: ["d"],
      shown: "D",
      does: "the suggestion is done",
      run: (app) => void answerSuggestion(app, "done")
    },
    {
      keys: ["x"],
      shown: "X",
      does: "skip the suggestion",
      run: (app) => void answerSuggestion(app, "skipped")
    }
  ];
}
function shortcuts(desk) {
  const panels = desk.panels.map(({ id, title, key }) => ({
    keys: [key],
    shown: key.toUpperCase(),
    does: title,
    run: () => desk.openPanel(id)
  }));
  return {
    Map: mapKeys(),
    "Layers and blocks": layerKeys(),
    Correct: correctionKeys(desk),
    Suggestions: teachingKeys(desk),
    Panels: panels,
    Page: [
      { keys: ["?"], shown: "?", does: "this sheet", run: desk.help },
      { keys: ["k"], shown: "K", does: "light, dark, or as the system", run: desk.theme }
    ]
  };
}
function typing(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !["checkbox", "range", "color", "file"].includes(target.type);
  return target.matches("select, textarea, [contenteditable]");
}
function listen(desk) {
  document.addEventListener("keydown", (event) => {
    const now = desk();
    if (!now || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const onMap = event.target instanceof HTMLCanvasElement;
    if (onMap && event.key === " ") {
      event.preventDefault();
      now.tools.actAtCenter();
      return;
    }
    if (typing(event.target)) return;
    const key = combination(event);
    const found = Object.values(shortcuts(now)).flat().find((shortcut) => shortcut.keys.includes(key));
    if (!found || !now.app.store.state.scene && !["?", "k"].includes(key)) return;
    event.preventDefault();
    found.run(now.app, key);
  });
}
function sheet(desk) {
  const groups = Object.entries(shortcuts(desk)).filter(([, rows]) => rows.length);
  return h(
    "div",
    { class: "sheet" },
    ...groups.map(
      ([title, rows]) => h(
        "section",
        {},
        h("h3", {}, title),
        h("dl", {}, ...rows.flatMap((row2) => [h("dt", {}, h("kbd", {}, row2.shown)), h("dd", {}, row2.does)]))
      )
    )
  );
}

// src/panels/images.ts
var LARGEST_BYTES = 2 * 1024 ** 3;
function fileProblem(name, bytes) {
  if (!/\.(tiff?|jpe?g|png)$/i.test(name)) return `${name} is no GeoTIFF, JPEG or PNG.`;
  if (bytes > LARGEST_BYTES) return `${name} has ${fileSize(bytes)}; 2 GB is the most.`;
  if (!bytes) return `${name} is empty.`;
  return null;
}
var sent = /* @__PURE__ */ new Map();
async function send(app, file, force = false) {
  const problem = fileProblem(file.name, file.size);
  if (problem) {
    app.say(problem, "error");
    return;
  }
  const query = new URLSearchParams({ name: file.name });
  const pixel = document.querySelector("#pixel")?.value;
  if (pixel) query.set("pixel_m", pixel);
  if (force) query.set("force", "true");
  const show = (share) => {
    const others = app.store.state.sending.filter((entry2) => entry2.cancel !== upload.cancel);
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
async function sendFiles(app, files) {
  for (const file of files) await send(app, file);
}
function bar(label, share) {
  return h("progress", { max: 1, value: share, "aria-label": label });
}
function jobActions(app, job) {
  const path2 = `/api/jobs/${encodeURIComponent(job.id)}`;
  const ask = (work) => void app.attempt(work).then(() => app.jobs.refresh());
  const remove = () => app.api.remove(path2).then(() => app.refresh());
  const { scene } = job;
  const file = job.state === "failed" ? sent.get(job.id) : void 0;
  const anyway = async (again) => {
    await app.attempt(remove);
    await send(app, again, true);
  };
  return h(
    "p",
    { class: "row" },
    scene && button("Open", () => void app.open(scene), { id: `open-${job.id}`, class: "primary" }),
    file && button("Map it anyway", () => void anyway(file), { id: `anyway-${job.id}` }),
    atWork(job) ? button("Cancel", () => ask(() => app.api.post(`${path2}/cancel`)), { id: `cancel-${job.id}` }) : button("Remove", () => ask(remove), { id: `remove-${job.id}` })
  );
}
function jobFiles(app, job) {
  if (!job.files.length) return null;
  const folder = `/api/jobs/${encodeURIComponent(job.id)}/files`;
  const links = job.files.map(({ name, bytes }) => {
    const fetch2 = () => void app.attempt(() => app.api.download(`${folder}/${encodeURIComponent(name)}`, name));
    return button(`${name} (${fileSize(bytes)})`, fetch2, { class: "link", id: `file-${job.id}-${name}` });
  });
  return h("p", { class: "files" }, "Download: ", ...links);
}
function jobRow(app, job) {
  return h(
    "li",
    { class: `job ${job.state}` },
    h("strong", {}, job.title),
    h("span", { class: job.state === "failed" ? "warn" : "fine" }, progressText(job)),
    atWork(job) && bar(`Progress of ${job.title}`, job.progress),
    jobActions(app, job),
    jobFiles(app, job)
  );
}
function chooser(app) {
  const input = h("input", {
    type: "file",
    id: "files",
    multiple: true,
    accept: ".tif,.tiff,.jpg,.jpeg,.png",
    onchange: () => {
      const files = [...input.files ?? []];
      input.value = "";
      void sendFiles(app, files);
    }
  });
  const pixel = {
    type: "number",
    id: "pixel",
    min: 0.01,
    max: 1e3,
    step: "any",
    placeholder: "if the file does not say"
  };
  return h(
    "div",
    {},
    h(
      "div",
      { class: "drop" },
      h("label", { for: "files" }, "Drop an image on the page, or choose one"),
      input,
      h("p", { class: "fine" }, "GeoTIFF, JPEG or PNG, up to 2 GB. It stays on this machine.")
    ),
    h("div", { class: "fields" }, h("label", { for: "pixel" }, "Pixel in metres"), h("input", pixel))
  );
}
function sendingRow(entry) {
  return h(
    "li",
    { class: "job" },
    h("strong", {}, entry.name),
    h("span", { class: "fine" }, `sending ${percent(entry.share)}`),
    bar(`Sending ${entry.name}`, entry.share),
    button("Cancel", entry.cancel, { id: `cancel-sending-${entry.name}` })
  );
}
function make6(app) {
  const list2 = h("ul", { class: "plain" });
  const draw = () => {
    const { jobs, sending } = app.store.state;
    const maps = jobs.filter((job) => job.kind === "map").reverse();
    replace(list2, ...sending.map(sendingRow), ...maps.map((job) => jobRow(app, job)));
  };
  draw();
  app.watch((state, before) => {
    if (state.jobs !== before.jobs || state.sending !== before.sending) draw();
  });
  return h("div", {}, chooser(app), list2);
}
var imagesPanel = {
  id: "images",
  title: "Images",
  key: "i",
  offered: (app) => can(app.store.state, "upload"),
  make: make6
};

// src/plan.ts
var ORDER = ["raster", "classes", "share", "errors", "split", "polygons", "lines"];
function thresholdQuery(live) {
  const minima = Object.entries(live.min_confidence).filter(([, value]) => value > 0);
  const query = [["min", minima.map(([name, value]) => `${name}:${value}`).join(",")]];
  query.push(["clean", live.clean], ["clean_px", String(live.clean_px)]);
  return query.filter(([, value]) => value !== "");
}
function rasterQuery(layer, state, scene, side) {
  const view = state.views[side];
  const query = [];
  if (layer.kind === "raster") {
    const composite = scene.composites.find((row2) => row2.name === view.composite);
    if (composite) query.push(["bands", composite.bands.join(",")]);
    query.push(["stretch", view.stretch]);
  }
  if (layer.kind === "classes") {
    const colors = Object.entries(state.edits).filter(([, edit]) => edit.color);
    if (state.hidden.length) query.push(["hide", state.hidden.join(",")]);
    if (colors.length)
      query.push(["colors", colors.map(([name, edit]) => `${name}:${edit.color?.slice(1)}`).join(",")]);
  }
  if (layer.name === "prediction" && state.live) query.push(...thresholdQuery(state.live));
  if (state.version) query.push(["v", String(state.version)]);
  return query;
}
function tileAddress(base, scene, layer, query) {
  const vectors = layer.kind === "polygons" || layer.kind === "lines";
  const path2 = `${base}/api/scenes/${encodeURIComponent(scene.id)}/${vectors ? "vectors" : "tiles"}/${encodeURIComponent(layer.name)}`;
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return `${path2}/{z}/{x}/{y}.${vectors ? "pbf" : "png"}${text ? `?${text}` : ""}`;
}
function colorExpression(classes) {
  if (!classes.length) return "#8a8a8a";
  const pairs = classes.flatMap((row2) => [row2.name, row2.color]);
  return ["match", ["get", "class"], ...pairs, "#8a8a8a"];
}
function source(base, scene, layer, query) {
  const tiles = [tileAddress(base, scene, layer, query)];
  const bounds = scene.bounds;
  if (layer.kind === "polygons" || layer.kind === "lines") {
    return { type: "vector", tiles, bounds, minzoom: layer.minzoom ?? scene.minzoom, maxzoom: scene.maxzoom };
  }
  return { type: "raster", tiles, bounds, tileSize: 256, minzoom: scene.minzoom, maxzoom: scene.maxzoom };
}
function vectorLayers(layer, state, side, shown) {
  const opacity = state.views[side].opacity[layer.name] ?? 1;
  const common = { source: layer.name, "source-layer": layer.name };
  const layout = { visibility: shown ? "visible" : "none" };
  if (layer.kind === "lines") {
    const width = ["interpolate", ["linear"], ["zoom"], 12, 1, 18, 4];
    const paint = { "line-color": "#d7263d", "line-width": width, "line-opacity": opacity };
    return [{ id: layer.name, type: "line", ...common, layout, paint }];
  }
  const filter = ["!", ["in", ["get", "class"], ["literal", state.hidden]]];
  const color = colorExpression(editedClasses(state));
  return [
    {
      id: layer.name,
      type: "fill",
      ...common,
      layout,
      filter,
      paint: { "fill-color": color, "fill-opacity": opacity }
    },
    {
      id: `${layer.name}-outline`,
      type: "line",
      ...common,
      layout,
      filter,
      paint: { "line-color": "#222222", "line-width": 0.6, "line-opacity": opacity }
    }
  ];
}
function plan(base, state, side) {
  const scene = state.scene;
  const made = { sources: {}, layers: [] };
  if (!scene) return made;
  const view = state.views[side];
  const ordered = [...scene.layers].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  for (const layer of ordered) {
    const bare = state.peek || isBlind(state);
    const shown = (view.visible[layer.name] ?? false) && !(bare && layer.kind !== "raster");
    made.sources[layer.name] = source(base, scene, layer, rasterQuery(layer, state, scene, side));
    if (layer.kind === "polygons" || layer.kind === "lines") {
      made.layers.push(...vectorLayers(layer, state, side, shown));
      continue;
    }
    made.layers.push({
      id: layer.name,
      type: "raster",
      source: layer.name,
      layout: { visibility: shown ? "visible" : "none" },
      paint: {
        "raster-opacity": view.opacity[layer.name] ?? 1,
        "raster-resampling": "nearest",
        "raster-fade-duration": 0
      }
    });
  }
  return made;
}

// src/panels/thresholds.ts
var CLEANS = [
  ["none", "none"],
  ["median", "most frequent class around"],
  ["morphology", "opens each class"]
];
function current(app) {
  const { live, scene } = app.store.state;
  return live ?? scene.thresholds;
}
function withMinimum(thresholds, name, value) {
  const { min_confidence, clean, clean_px } = thresholds;
  return { min_confidence: { ...min_confidence, [name]: value }, clean, clean_px };
}
function slider(app, name, title, color) {
  const value = current(app).min_confidence[name] ?? 0;
  const id = `threshold-${name}`;
  const tell = debounce(
    50,
    (minimum) => app.store.set({ live: withMinimum(current(app), name, minimum) })
  );
  const output = h("output", { for: id, class: "number" }, value.toFixed(2));
  const input = h("input", {
    type: "range",
    id,
    min: 0,
    max: 1,
    step: 0.01,
    value,
    oninput: () => {
      output.textContent = Number(input.value).toFixed(2);
      tell(Number(input.value));
    }
  });
  const swatch = h("i", { class: "swatch", style: { background: color } });
  return h("li", { class: "threshold" }, h("label", { for: id }, swatch, title), input, output);
}
function areaTable(app, areas) {
  const rows = editedClasses(app.store.state).flatMap((row2) => {
    const area = areas.classes[row2.name];
    if (!area) return [];
    const iou = areas.scores?.iou[row2.name];
    return [
      h(
        "tr",
        {},
        h("th", { scope: "row" }, row2.title || row2.name),
        h("td", { class: "number" }, hectares(area.hectares)),
        h("td", { class: "number" }, signed(area.hectares - area.before, 1)),
        areas.scores && h("td", { class: "number" }, typeof iou === "number" ? iou.toFixed(3) : "–")
      )
    ];
  });
  const heads = ["Class", "In view", "Change", ...areas.scores ? ["IoU"] : []];
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const { scores } = areas;
  return h(
    "div",
    {},
    h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
    scores && h(
      "p",
      { id: "live-score" },
      `Mean IoU in view ${scores.miou.toFixed(3)}, as delivered ${scores.before.toFixed(3)}.`
    ),
    scores && h("p", { class: "fine" }, "On labelled blocks that are not for testing."),
    areas.approximate && h("p", { class: "fine" }, "Computed from a coarser copy of the map; zoom in for all pixels.")
  );
}
function cleanFields(app) {
  const thresholds = current(app);
  const change = () => {
    const { min_confidence } = current(app);
    const px = Math.max(1, Math.round(Number(size.value) || 1));
    app.store.set({ live: { min_confidence, clean: kind.value, clean_px: px } });
  };
  const kind = h(
    "select",
    { id: "clean", onchange: change },
    ...CLEANS.map(
      ([name, title]) => h("option", { value: name, selected: name === thresholds.clean }, title)
    )
  );
  const size = h("input", {
    type: "number",
    id: "clean-px",
    min: 1,
    max: 20,
    value: thresholds.clean_px,
    onchange: change
  });
  return h(
    "div",
    { class: "fields" },
    h("label", { for: "clean" }, "Clean-up"),
    kind,
    h("label", { for: "clean-px" }, "by pixels"),
    size
  );
}
function watchAreas(app, table) {
  let running = null;
  const ask = debounce(100, () => {
    const { panel, scene, camera } = app.store.state;
    if (panel !== "thresholds" || !scene) return;
    running?.abort();
    running = new AbortController();
    const bounds = camera.bounds.map((x) => x.toFixed(6)).join(",");
    const query = new URLSearchParams([...thresholdQuery(current(app)), ["bounds", bounds]]);
    app.api.call(`${scenePath(app)}/areas?${query}`, { signal: running.signal }).then((areas) => replace(table, areaTable(app, areas))).catch((error) => {
      if (error.name !== "AbortError") replace(table, h("p", { class: "fine" }, error.message));
    });
  });
  app.watch((state, before) => {
    if (state.live !== before.live || state.camera !== before.camera || state.panel !== before.panel) ask();
  });
  ask();
}
function actions(app, redraw2) {
  const apply2 = () => app.attempt(async () => {
    const { min_confidence, clean, clean_px } = current(app);
    await app.api.post("/api/thresholds", { min_confidence, clean, clean_px });
    app.say("Written to predict.min_confidence in params.yaml; the next run of the pipeline uses it.");
  });
  const reset = () => {
    app.store.set({ live: null });
    redraw2();
  };
  return h(
    "p",
    { class: "row" },
    button("Apply to params.yaml", () => void apply2(), { class: "primary", id: "apply" }),
    button("As delivered", reset, { id: "reset" })
  );
}
function make7(app) {
  const unavailable = app.store.state.scene?.thresholds.unavailable;
  if (unavailable) return h("div", {}, h("p", {}, unavailable));
  const controls = h("div");
  const draw = () => replace(
    controls,
    h(
      "p",
      { class: "fine" },
      "Below its threshold a class gives way to the next most likely one that reaches its own."
    ),
    h(
      "ul",
      { class: "plain" },
      ...editedClasses(app.store.state).map(
        (row2) => slider(app, row2.name, row2.title || row2.name, row2.color)
      )
    ),
    cleanFields(app),
    actions(app, draw)
  );
  draw();
  const table = h("div", { class: "areas" });
  watchAreas(app, table);
  return h("div", {}, controls, table);
}
var thresholdsPanel = {
  id: "thresholds",
  title: "Thresholds",
  key: "t",
  offered: (app) => can(app.store.state, "thresholds") && app.store.state.scene !== null,
  make: make7
};

// src/readout.ts
var BAR_PX = 110;
function describe(values, state, place2) {
  const parts = [["at", place2]];
  if (!values.inside) return [...parts, ["", "outside of the scene"]];
  parts.push(["pixel", `${values.col}, ${values.row}`]);
  if (isBlind(state)) return parts;
  if (values.prediction) parts.push(["map", titleOf(state, values.prediction)]);
  if (typeof values.confidence === "number") parts.push(["confidence", percent(values.confidence)]);
  if (values.labels) parts.push(["labels", titleOf(state, values.labels)]);
  if (typeof values.entropy === "number") parts.push(["entropy", percent(values.entropy)]);
  if (values.split) parts.push(["split", values.split]);
  if (values.scene)
    parts.push(["bands", values.scene.map((value) => Number(value.toPrecision(4))).join(" ")]);
  return parts;
}
function placeText(placed, lon, lat, values) {
  if (!placed) return "";
  const own = values ? ` (${values.x.toFixed(1)}, ${values.y.toFixed(1)})` : "";
  return degrees(lon, lat) + own;
}
function part(state, values, [name, text]) {
  if (!text) return null;
  const named = name === "map" ? values.prediction : name === "labels" ? values.labels : null;
  const swatch = named ? h("i", { class: "swatch", style: { background: colorOf(state, named) } }) : null;
  return h("span", { class: `value ${name}` }, name ? h("b", {}, name) : null, swatch, text);
}
function watchPointer(app, line) {
  let running = null;
  const ask = debounce(60, (lon, lat) => {
    const { scene } = app.store.state;
    if (!scene) return;
    running?.abort();
    running = new AbortController();
    const path2 = `${scenePath(app)}/values?lon=${lon.toFixed(8)}&lat=${lat.toFixed(8)}`;
    app.api.call(path2, { signal: running.signal }).then((values) => {
      const state = app.store.state;
      const parts = describe(values, state, placeText(scene.placed, lon, lat, values));
      replace(line, ...parts.map((row2) => part(state, values, row2)));
    }).catch((error) => {
      if (error.name !== "AbortError") replace(line, error.message);
    });
  });
  for (const { map, box } of app.panes.list()) {
    map.on("mousemove", (event) => ask(event.lngLat.lng, event.lngLat.lat));
    map.on("click", (event) => ask(event.lngLat.lng, event.lngLat.lat));
    map.on("moveend", () => {
      if (!box.querySelector("canvas:focus-visible")) return;
      const { lng, lat } = map.getCenter();
      ask(lng, lat);
    });
  }
}
function scaleCorner(app) {
  const bar2 = h("span", { class: "bar" });
  const license = h("span", { class: "license" });
  const draw = () => {
    const { scene, camera } = app.store.state;
    if (!scene) return;
    const metres = metresPerPixel(camera.center[1], camera.zoom);
    const { text, pixels } = scaleBar(metres, BAR_PX, { placed: scene.placed, metres: scene.pixel_m });
    bar2.textContent = text;
    bar2.style.width = `${pixels}px`;
    license.textContent = scene.license ?? "";
  };
  app.store.subscribe((state, before) => {
    if (state.camera !== before.camera || state.scene !== before.scene) draw();
  });
  return h("div", { class: "corner" }, bar2, license);
}

// src/frame.ts
var PANELS = [
  layersPanel,
  findPanel,
  thresholdsPanel,
  correctPanel,
  teachPanel,
  checkPanel,
  imagesPanel
];
var COMPARES2 = [
  ["one", "One map"],
  ["swipe", "Swipe"],
  ["split", "Side by side"]
];
var THEMES = ["system", "light", "dark"];
var THEME = "urbanseg-theme";
var TOLD_MS = 6e3;
var Frame = class {
  constructor(store) {
    this.store = store;
    this.applyTheme(localStorage.getItem(THEME) ?? "system");
  }
  store;
  maps = h("div", { class: "maps" });
  values = h("div", { class: "values" }, "Point at the map to read its values.");
  told = h("div", { class: "told", role: "status" });
  scenes = h("select", { id: "scene" });
  tabs = h("div", {
    class: "tabs",
    role: "tablist",
    "aria-label": "Panels",
    "aria-orientation": "horizontal"
  });
  panel = h("section", { class: "panel", id: "panel", role: "tabpanel", tabindex: 0 });
  dialog = h("dialog", { "aria-labelledby": "help-title" });
  bodies = /* @__PURE__ */ new Map();
  offered = [];
  watched = [];
  timer = 0;
  /** Put the frame on the page. */
  start(app, desk) {
    const compare2 = h(
      "div",
      { class: "choice", role: "group", "aria-label": "Compare" },
      ...COMPARES2.map(
        ([name, title]) => button(title, () => this.store.set({ compare: name }), { id: `compare-${name}`, title: "W" })
      )
    );
    this.scenes.addEventListener("change", () => void app.open(this.scenes.value));
    this.maps.append(h("div", { class: "cross", "aria-hidden": "true" }), scaleCorner(app));
    replace(
      document.body,
      h(
        "header",
        {},
        h("h1", {}, "Review desk"),
        h("label", { for: "scene", class: "hidden" }, "Scene"),
        this.scenes,
        compare2,
        h("span", { class: "push" }),
        button("Theme", desk.theme, { id: "theme", title: "K" }),
        button("?", desk.help, { id: "help", "aria-label": "Help: keys" })
      ),
      h("main", {}, this.maps, this.told),
      h("aside", { "aria-label": "Panels" }, this.tabs, this.panel),
      h("footer", {}, this.values),
      this.dialog
    );
    this.listScenes();
    this.desk = desk;
    this.store.subscribe((state, before) => {
      if (state.compare !== before.compare) this.press();
      if (state.panel !== before.panel) this.show();
    });
    this.press();
    this.watchDrops(app);
    for (const { map } of app.panes.list()) map.resize();
  }
  desk = null;
  /** What the keys of the page do with the frame. */
  actions() {
    return {
      openPanel: (id) => this.store.set({ panel: id }),
      help: () => this.help(),
      theme: () => {
        const now = document.documentElement.dataset.theme ?? "system";
        this.applyTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
        this.say(`Colours: ${document.documentElement.dataset.theme}`);
      }
    };
  }
  /** The panels of the scene that is open; what watched for the last one ends. */
  build(app) {
    for (const end of this.watched) end();
    this.watched = [];
    this.offered = PANELS.filter(
      (panel) => (app.store.state.scene || panel.id === "images") && panel.offered(app)
    );
    this.bodies = new Map(this.offered.map((panel) => [panel.id, panel.make(app)]));
    replace(
      this.tabs,
      ...this.offered.map(
        (panel) => h(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${panel.id}`,
            title: panel.key.toUpperCase(),
            "aria-controls": "panel",
            onclick: () => this.store.set({ panel: panel.id }),
            onkeydown: (event) => this.tabKey(event)
          },
          panel.title
        )
      )
    );
    if (this.desk) this.desk.panels = this.offered;
    if (this.scenes.value !== app.store.state.scene?.id) this.listScenes();
    this.show();
  }
  watch(listener) {
    this.watched.push(this.store.subscribe(listener));
  }
  say(text, kind = "info") {
    clearTimeout(this.timer);
    this.told.textContent = text;
    this.told.classList.toggle("error", kind === "error");
    if (kind === "info") this.timer = window.setTimeout(() => this.told.textContent = "", TOLD_MS);
  }
  listScenes() {
    const { project, scene } = this.store.state;
    replace(
      this.scenes,
      ...project.scenes.map(
        (row2) => h("option", { value: row2.id, selected: row2.id === scene?.id }, row2.title)
      )
    );
  }
  show() {
    const wanted = this.bodies.has(this.store.state.panel) ? this.store.state.panel : this.offered[0]?.id;
    for (const tab of this.tabs.querySelectorAll("[role=tab]")) {
      const selected = tab.id === `tab-${wanted}`;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    const body = wanted && this.bodies.get(wanted);
    this.panel.setAttribute("aria-labelledby", `tab-${wanted}`);
    this.panel.replaceChildren(...body ? [body] : []);
    this.panel.scrollTop = 0;
  }
  tabKey(event) {
    const step2 = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step2) return;
    event.preventDefault();
    const ids = this.offered.map((panel) => panel.id);
    const now = ids.findIndex((id) => `tab-${id}` === event.target.id);
    const next = ids[(now + step2 + ids.length) % ids.length];
    this.store.set({ panel: next });
    document.getElementById(`tab-${next}`)?.focus();
  }
  press() {
    for (const [name] of COMPARES2) {
      const pressed = String(this.store.state.compare === name);
      document.getElementById(`compare-${name}`)?.setAttribute("aria-pressed", pressed);
    }
  }
  help() {
    if (!this.desk) return;
    replace(
      this.dialog,
      h(
        "div",
        { class: "dialog-head" },
        h("h2", { id: "help-title" }, "Keys"),
        button("Close", () => this.dialog.close(), { class: "primary" })
      ),
      sheet(this.desk)
    );
    this.dialog.showModal();
  }
  applyTheme(name) {
    document.documentElement.dataset.theme = THEMES.includes(name) ? name : "system";
    localStorage.setItem(THEME, document.documentElement.dataset.theme);
  }
  /** An image that is dropped anywhere on the page is sent. */
  watchDrops(app) {
    const over = (on) => document.body.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(can(app.store.state, "upload"));
    });
    document.addEventListener("dragleave", (event) => !event.relatedTarget && over(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      if (!can(app.store.state, "upload") || !event.dataTransfer?.files.length) return;
      this.store.set({ panel: "images" });
      void sendFiles(app, [...event.dataTransfer.files]);
    });
  }
};

// src/panes.ts
import { MapLibreMap, setWorkerUrl } from "./libraries.js";
var EMPTY = { type: "FeatureCollection", features: [] };
var HOME_PADDING = 24;
function makePane(side, api) {
  const box = h("div", { class: `pane ${side}` });
  const map = new MapLibreMap({
    container: box,
    style: { version: 8, sources: {}, layers: [] },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxPitch: 0,
    maxZoom: 24,
    renderWorldCopies: false,
    fadeDuration: 0,
    transformRequest: (url) => ({ url, headers: api.headers(url) }),
    locale: { "Map.Title": side === "left" ? "Map" : "Map, right side" }
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  const caption = h("div", { class: "caption" });
  box.append(caption);
  return { side, map, box, caption };
}
function apply(map, wanted, shown) {
  for (const layer of wanted.layers) {
    const source2 = "source" in layer ? layer.source : "";
    const tiles = wanted.sources[source2]?.tiles[0] ?? "";
    if (!map.getSource(source2)) map.addSource(source2, wanted.sources[source2]);
    else if (shown.get(source2) !== tiles) {
      map.getSource(source2).setTiles([tiles]);
    }
    shown.set(source2, tiles);
    const said = JSON.stringify(layer);
    const same = shown.get(`layer ${layer.id}`) === said;
    shown.set(`layer ${layer.id}`, said);
    if (!map.getLayer(layer.id)) map.addLayer(layer, OVERLAYS[0]);
    if (same) continue;
    const { paint = {}, layout = {} } = layer;
    for (const [name, value] of Object.entries(paint))
      map.setPaintProperty(layer.id, name, value);
    for (const [name, value] of Object.entries(layout))
      map.setLayoutProperty(layer.id, name, value);
    if ("filter" in layer && layer.filter) map.setFilter(layer.id, layer.filter);
  }
}
var Panes = class {
  constructor(box, api, store, failed) {
    this.box = box;
    this.api = api;
    this.store = store;
    this.failed = failed;
    setWorkerUrl(new URL("map-worker.js", document.baseURI).href);
    this.panes = { left: makePane("left", api), right: makePane("right", api) };
    this.overlays = { forecast: EMPTY, blocks: EMPTY, corrections: EMPTY, focus: EMPTY };
    this.divider = this.makeDivider();
    box.append(this.panes.left.box, this.panes.right.box, this.divider);
    for (const pane of this.list()) {
      pane.map.on("load", () => this.loaded(pane.side));
      pane.map.on("error", () => this.failed());
      pane.map.on("move", () => this.follow(pane.side));
    }
    store.subscribe((state, before) => this.changed(state, before));
    this.arrange(store.state);
  }
  box;
  api;
  store;
  failed;
  panes;
  shown = { left: /* @__PURE__ */ new Map(), right: /* @__PURE__ */ new Map() };
  overlays;
  divider;
  share = 0.5;
  moving = false;
  ready = [];
  list() {
    return SIDES.map((side) => this.panes[side]);
  }
  /** The map that has the keyboard, or else the left one. */
  focused() {
    return this.list().find((pane) => pane.box.contains(document.activeElement)) ?? this.panes.left;
  }
  show(bounds, animate = true) {
    const [west, south, east, north] = bounds;
    const box = [
      [west, south],
      [east, north]
    ];
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.panes.left.map.fitBounds(box, { padding: HOME_PADDING, animate: animate && !calm, duration: 500 });
  }
  /** Put features above the layers of the scene, on both sides. */
  overlay(name, data) {
    this.overlays[name] = data;
    for (const side of this.ready) this.panes[side].map.getSource(name).setData(data);
  }
  loaded(side) {
    const { map } = this.panes[side];
    for (const layer of overlayLayers()) {
      const name = layer.source;
      if (!map.getSource(name)) map.addSource(name, { type: "geojson", data: this.overlays[name] });
      map.addLayer(layer);
    }
    this.ready.push(side);
    this.sync(this.store.state, side);
  }
  changed(state, before) {
    if (state.scene?.id !== before.scene?.id) this.forget();
    for (const side of this.ready) this.sync(state, side);
    for (const { side, caption } of this.list()) caption.textContent = sideTitle(state, side);
    if (state.compare !== before.compare) this.arrange(state);
  }
  sync(state, side) {
    if (side === "right" && state.compare === "one") return;
    apply(this.panes[side].map, plan(this.api.base, state, side), this.shown[side]);
  }
  /** Take the layers of the scene away, but not what lies above them. */
  forget() {
    for (const side of this.ready) {
      const { map } = this.panes[side];
      const own = new Set(Object.keys(this.overlays));
      for (const layer of map.getStyle().layers) {
        if ("source" in layer && !own.has(layer.source)) map.removeLayer(layer.id);
      }
      for (const name of Object.keys(map.getStyle().sources)) if (!own.has(name)) map.removeSource(name);
      this.shown[side].clear();
    }
  }
  follow(side) {
    if (this.moving || this.store.state.compare === "one") return;
    this.moving = true;
    const { map } = this.panes[side];
    const other = this.panes[side === "left" ? "right" : "left"].map;
    other.jumpTo({ center: map.getCenter(), zoom: map.getZoom() });
    this.moving = false;
  }
  arrange(state) {
    this.box.dataset.compare = state.compare;
    this.panes.right.box.inert = state.compare === "one";
    this.divider.hidden = state.compare !== "swipe";
    this.divide(this.share);
    for (const pane of this.list()) pane.map.resize();
    const { left, right } = this.panes;
    right.map.jumpTo({ center: left.map.getCenter(), zoom: left.map.getZoom() });
    if (this.ready.includes("right")) this.sync(state, "right");
  }
  /** The divider of the swipe: it is dragged, or moved by the arrow keys. */
  makeDivider() {
    const divider = h("div", {
      class: "divider",
      role: "slider",
      tabindex: 0,
      "aria-label": "Divider between the left and the right map",
      "aria-valuemin": 0,
      "aria-valuemax": 100
    });
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.focus();
      event.preventDefault();
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.box.getBoundingClientRect();
      this.divide((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", (event) => {
      const step2 = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (step2 === void 0) return;
      event.preventDefault();
      event.stopPropagation();
      this.divide(this.share + step2);
    });
    return divider;
  }
  divide(share) {
    this.share = Math.min(1, Math.max(0, share));
    const text = `${100 * this.share}%`;
    this.divider.style.left = text;
    this.divider.setAttribute("aria-valuenow", String(Math.round(100 * this.share)));
    const clip = this.store.state.compare === "swipe" ? `inset(0 0 0 ${text})` : "none";
    this.panes.right.box.style.clipPath = clip;
  }
};

// src/main.ts
var TOKEN = "urbanseg-token";
function findToken() {
  const given = readAddress(location.hash).token;
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    const rest = new URLSearchParams(location.hash.slice(1));
    rest.delete("token");
    history.replaceState(null, "", `#${rest}`);
  }
  return given ?? sessionStorage.getItem(TOKEN);
}
function firstState(project) {
  const view = { visible: {}, opacity: {}, composite: "", stretch: "2-98" };
  return {
    project,
    scene: null,
    views: { left: view, right: view },
    side: "left",
    compare: "one",
    hidden: [],
    edits: {},
    live: null,
    blocks: true,
    forecast: false,
    peek: false,
    tool: { tool: "move", class: project.classes[0]?.name ?? "ignore", radius: 14, of: "prediction" },
    records: [],
    saving: { unsent: 0, reason: null },
    jobs: [],
    sending: [],
    panel: readAddress(location.hash).panel ?? "layers",
    camera: { center: [0, 0], zoom: 0, bounds: [0, 0, 0, 0] },
    version: 0
  };
}
function stop(sentence2) {
  document.body.replaceChildren(
    h("main", { class: "stopped" }, h("h1", {}, "Review desk"), h("p", {}, sentence2))
  );
}
function makeApp(api, store, frame) {
  const panes = new Panes(
    frame.maps,
    api,
    store,
    () => frame.say("A part of the map could not be loaded.", "error")
  );
  const app = {
    api,
    store,
    panes,
    blocks: [],
    jobs: new Jobs(api, store, (job) => {
      app.say(`${job.title}: ${job.state}`, job.state === "failed" ? "error" : "info");
      void app.refresh();
    }),
    corrections: new Corrections(api, store, {
      refused: (sentence2) => app.say(sentence2, "error"),
      kept: (record) => app.say(groundNote(record.split) || "Saved.")
    }),
    watch: (listener) => frame.watch(listener),
    say: (text, kind) => frame.say(text, kind),
    attempt: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DOMException))
          app.say(error instanceof Error ? error.message : String(error), "error");
        return void 0;
      }
    },
    open: (id) => openScene(app, frame, id),
    refresh: async () => {
      store.set({ project: await api.call("/api/project") });
      frame.listScenes();
    },
    visit: (bounds) => {
      if (bounds) panes.show(bounds);
      panes.overlay("focus", focusFeature(bounds));
    }
  };
  return app;
}
async function openScene(app, frame, id) {
  const scene = await app.attempt(() => app.api.call(`/api/scenes/${encodeURIComponent(id)}`));
  if (!scene) return;
  const views = { left: firstView(scene, "left"), right: firstView(scene, "right") };
  app.visit(null);
  app.store.set({ scene, views, live: null, hidden: [], edits: {} });
  setTool(app, { tool: "move", class: scene.classes[0]?.name ?? "ignore" });
  const asked2 = readAddress(location.hash);
  const { map } = app.panes.panes.left;
  if (asked2.scene === id && asked2.camera) {
    map.jumpTo({ center: [asked2.camera.lon, asked2.camera.lat], zoom: asked2.camera.zoom });
  } else {
    app.panes.show(scene.bounds, false);
  }
  map.fire("moveend");
  await Promise.all([
    app.corrections.open(scene.correctable && can(app.store.state, "correct") ? id : null),
    loadBlocks(app, id)
  ]);
  frame.build(app);
}
function drawOverlays(app) {
  const draw = (state) => app.panes.overlay(
    "corrections",
    correctionFeatures(isBlind(state) ? [] : active(state.records), (name) => colorOf(state, name))
  );
  app.store.subscribe((state, before) => {
    const changed = state.records !== before.records || state.edits !== before.edits;
    if (changed || isBlind(state) !== isBlind(before)) draw(state);
    const hidden = isBlind(state) !== isBlind(before) || state.peek !== before.peek;
    if (state.blocks !== before.blocks || state.forecast !== before.forecast || hidden) drawBlocks(app);
  });
}
async function start() {
  const token = findToken();
  if (!token) {
    stop(
      "Open the address that `urbanseg review` printed: it ends with a token, without which nothing is shown."
    );
    return;
  }
  const api = new Api(token, location.origin);
  const project = await api.call("/api/project");
  const store = new Store(firstState(project));
  const frame = new Frame(store);
  const app = makeApp(api, store, frame);
  const tools = new Tools(app);
  const desk = { app, tools, panels: [], ...frame.actions() };
  frame.start(app, desk);
  listen(() => desk);
  drawOverlays(app);
  watchCamera(store, app.panes);
  watchPointer(app, frame.values);
  const wanted = readAddress(location.hash).scene;
  const first = project.scenes.find((row2) => row2.id === wanted)?.id ?? project.open ?? project.scenes[0]?.id;
  await app.jobs.refresh();
  if (first) await app.open(first);
  else frame.build(app);
}
start().catch((error) => {
  stop(error instanceof ApiError ? error.message : `The page could not start: ${String(error)}`);
});
