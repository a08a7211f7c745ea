// The tools of correction on the maps: brush, polygon, region and reassignment. Each ends in one geometry.

import type { App } from "./app";
import { scenePath } from "./app";
import { brushOutline, type Point } from "./brush";
import { h } from "./dom";
import {
  TerraDraw,
  TerraDrawMapLibreGLAdapter,
  TerraDrawPolygonMode,
  ValidateNotSelfIntersecting,
} from "./libraries";
import type { Pane } from "./panes";
import { colorOf, type ToolState } from "./state";
import type { Geometry, Position, Region, Tool } from "./types";

const SMALLEST = 3;
const LARGEST = 120;

/** Change the tool, its class or its size. */
export function setTool(app: App, patch: Partial<ToolState>): void {
  const tool = { ...app.store.state.tool, ...patch };
  tool.radius = Math.min(LARGEST, Math.max(SMALLEST, Math.round(tool.radius)));
  app.store.set({ tool });
}

interface Drawing {
  pane: Pane;
  draw: TerraDraw;
}

export class Tools {
  private drawings: Drawing[] = [];
  private stroke: { pane: Pane; points: Point[]; pointer: number } | null = null;

  constructor(private readonly app: App) {
    for (const pane of app.panes.list()) this.attach(pane);
    app.store.subscribe((state, before) => {
      if (state.tool.tool !== before.tool.tool) this.switched();
      if (state.tool === before.tool) return;
      for (const { draw } of this.drawings) draw.updateModeOptions("polygon", { styles: this.styles() });
    });
  }

  private get state(): ToolState {
    return this.app.store.state.tool;
  }

  /** Do at the middle of the map what a click there would do: for the keyboard. */
  actAtCenter(): void {
    const pane = this.app.panes.focused();
    const canvas = pane.map.getCanvas();
    const box = canvas.getBoundingClientRect();
    const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    if (this.state.tool === "region" || this.state.tool === "reassign") {
      const { lng, lat } = pane.map.getCenter();
      void this.take([lng, lat]);
      return;
    }
    for (const type of ["pointermove", "pointerdown", "pointerup"]) {
      canvas.dispatchEvent(
        new PointerEvent(type, { ...at, bubbles: true, isPrimary: true, button: 0, pointerId: 1 }),
      );
    }
  }

  /** Give up what is being drawn, or else the tool. */
  cancel(): void {
    const drawing =
      this.stroke !== null || this.drawings.some(({ draw }) => draw.getModeState() === "drawing");
    if (drawing) {
      this.drop();
      for (const { pane } of this.drawings) {
        pane.map.getCanvas().dispatchEvent(new KeyboardEvent("keyup", { key: "Escape" }));
      }
    } else if (this.state.tool !== "move") {
      setTool(this.app, { tool: "move" });
    }
  }

  private switched(): void {
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

  private styles() {
    const color = colorOf(this.app.store.state, this.state.class) as `#${string}`;
    return { fillColor: color, fillOpacity: 0.5, outlineColor: "#ffffff" as const, outlineWidth: 2 };
  }

  private polygons(pane: Pane): TerraDraw {
    const mode = new TerraDrawPolygonMode({
      styles: this.styles(),
      validation: (feature, { updateType }) =>
        updateType === "finish" || updateType === "commit"
          ? ValidateNotSelfIntersecting(feature)
          : { valid: true },
    });
    const adapter = new TerraDrawMapLibreGLAdapter({ map: pane.map, coordinatePrecision: 9 });
    const draw = new TerraDraw({ adapter, modes: [mode] });
    draw.start();
    draw.setMode("polygon");
    draw.on("finish", (id) => {
      const geometry = draw.getSnapshotFeature(id)?.geometry;
      // Not within terra-draw's own event: it still works on the feature there.
      setTimeout(() => draw.enabled && draw.clear());
      if (geometry?.type === "Polygon") this.keep(geometry as Geometry, "polygon");
    });
    return draw;
  }

  private attach(pane: Pane): void {
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

  private begin(pane: Pane, event: PointerEvent): void {
    if (this.state.tool !== "brush" || event.button !== 0) return;
    if (this.stroke) {
      // A second finger: the user wants to zoom, not to paint.
      this.drop();
      return;
    }
    if (!event.isPrimary) return;
    if (event.isTrusted) (event.target as Element).setPointerCapture(event.pointerId);
    this.stroke = { pane, points: [this.place(pane, event)], pointer: event.pointerId };
    this.paint(pane, this.stroke.points.at(-1) ?? null);
  }

  private extend(pane: Pane, event: PointerEvent): void {
    if (this.state.tool !== "brush") return;
    const point = this.place(pane, event);
    if (this.stroke?.pointer === event.pointerId) {
      const last = this.stroke.points.at(-1)!;
      const far = Math.hypot(point[0] - last[0], point[1] - last[1]) > this.state.radius / 8;
      if (far) this.stroke.points.push(point);
    }
    this.paint(pane, point);
  }

  private end(event: PointerEvent): void {
    if (this.stroke?.pointer !== event.pointerId) return;
    const { pane, points } = this.stroke;
    this.drop();
    const rings = brushOutline(points, this.state.radius).map((ring) =>
      ring.map((point): Position => {
        const { lng, lat } = pane.map.unproject(point);
        return [lng, lat];
      }),
    );
    this.keep({ type: "Polygon", coordinates: rings }, "brush");
  }

  private drop(): void {
    const pane = this.stroke?.pane;
    this.stroke = null;
    if (pane) this.paint(pane, null);
  }

  private place(pane: Pane, event: PointerEvent): Point {
    const box = pane.map.getCanvas().getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Show the stroke so far, and the brush where the pointer is. */
  private paint(pane: Pane, pointer: Point | null): void {
    const sketch = pane.box.querySelector<HTMLCanvasElement>("canvas.sketch");
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
      this.stroke.points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      const [x, y] = this.stroke.points[0]!;
      if (this.stroke.points.length === 1) context.lineTo(x + 0.01, y);
      context.stroke();
      context.globalAlpha = 1;
    }
    if (!pointer || this.state.tool !== "brush") return;
    for (const [color, width] of [
      ["#000000", 3],
      ["#ffffff", 1.5],
    ] as const) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.arc(pointer[0], pointer[1], radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** Take the region, or the polygon, that the server finds at a place. */
  private async take([lon, lat]: Position): Promise<void> {
    // The class is that of the click, whatever is chosen before the answer comes.
    const { tool, of, class: name } = this.state;
    const source = tool === "reassign" ? "polygon" : of;
    await this.app.attempt(async () => {
      const region = await this.app.api.post<Region>(`${scenePath(this.app)}/region`, {
        lon,
        lat,
        of: source,
      });
      this.keep(region.geometry, tool === "reassign" ? "reassign" : "region", name);
    });
  }

  private keep(geometry: Geometry, tool: Tool, name = this.state.class): void {
    this.app.corrections.add(geometry, name, name === "ignore" ? "unknown" : tool);
  }
}
