// The curve of a training as a small picture.

import { svg } from "./dom";

export interface CurvePoint {
  x: number;
  y: number;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [300, 110, 36, 18];

/** Points on the picture, as an SVG path; nothing for fewer than two. */
export function path(points: CurvePoint[], low: number, high: number): string {
  if (points.length < 2) return "";
  const [first, last] = [points[0]!.x, points.at(-1)!.x];
  return points
    .map(({ x, y }, i) => {
      const across = LEFT + ((x - first) / (last - first || 1)) * (WIDTH - LEFT - 6);
      const down = HEIGHT - BOTTOM - ((y - low) / (high - low || 1)) * (HEIGHT - BOTTOM - 8);
      return `${i ? "L" : "M"}${across.toFixed(1)} ${down.toFixed(1)}`;
    })
    .join("");
}

/** A line chart with its least and most value, and the first and last epoch. */
export function curve(title: string, points: CurvePoint[]): SVGElement | null {
  if (points.length < 2) return null;
  const [low, high] = [Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y))];
  const last = points.at(-1)!;
  const said = `${title}: from ${points[0]!.y.toFixed(3)} to ${last.y.toFixed(3)} in ${points.length} epochs`;
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": said },
    svg("path", { d: `M${LEFT} 8V${HEIGHT - BOTTOM}H${WIDTH - 6}`, class: "axis" }),
    svg("path", { d: path(points, low, high), class: "line" }),
    svg("text", { x: LEFT - 4, y: 14, "text-anchor": "end" }, high.toFixed(2)),
    svg("text", { x: LEFT - 4, y: HEIGHT - BOTTOM, "text-anchor": "end" }, low.toFixed(2)),
    svg("text", { x: LEFT, y: HEIGHT - 4 }, `${title}, epoch ${points[0]!.x}`),
    svg("text", { x: WIDTH - 6, y: HEIGHT - 4, "text-anchor": "end" }, last.x),
  );
}
