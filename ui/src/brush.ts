// The outline of a brush stroke: the line where the distance to the stroke is the brush's radius, by marching
// squares over a grid of distances (Lorensen and Cline 1987, in two dimensions). All numbers are screen pixels.

export type Point = [number, number];

interface Field {
  values: Float64Array; // distance to the stroke minus the radius; below 0 is inside
  columns: number;
  rows: number;
  left: number;
  top: number;
  step: number;
}

const CELLS_PER_RADIUS = 5;
const MOST_CELLS = 1_000_000;

function distance(x: number, y: number, a: Point, b: Point): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
  return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

function distances(stroke: Point[], radius: number): Field {
  const xs = stroke.map((point) => point[0]);
  const ys = stroke.map((point) => point[1]);
  const width = Math.max(...xs) - Math.min(...xs) + 2 * radius;
  const height = Math.max(...ys) - Math.min(...ys) + 2 * radius;
  const step = Math.max(radius / CELLS_PER_RADIUS, Math.sqrt((width * height) / MOST_CELLS));
  const [left, top] = [Math.min(...xs) - radius - 2 * step, Math.min(...ys) - radius - 2 * step];
  const [columns, rows] = [Math.ceil(width / step) + 5, Math.ceil(height / step) + 5];
  const values = new Float64Array(columns * rows).fill(2 * step);
  const reach = radius + 2 * step;
  stroke.forEach((b, i) => {
    const a = stroke[i - 1] ?? b;
    const first = Math.max(0, Math.floor((Math.min(a[0], b[0]) - reach - left) / step));
    const last = Math.min(columns - 1, Math.ceil((Math.max(a[0], b[0]) + reach - left) / step));
    const upper = Math.max(0, Math.floor((Math.min(a[1], b[1]) - reach - top) / step));
    const lower = Math.min(rows - 1, Math.ceil((Math.max(a[1], b[1]) + reach - top) / step));
    for (let row = upper; row <= lower; row++) {
      for (let column = first; column <= last; column++) {
        const at = row * columns + column;
        const d = distance(left + column * step, top + row * step, a, b) - radius;
        // Never exactly 0, so that an outline crosses each edge once and touches no corner.
        if (d < values[at]!) values[at] = d === 0 ? -1e-9 : d;
      }
    }
  });
  return { values, columns, rows, left, top, step };
}

/** Edges of a cell: 0 top, 1 right, 2 bottom, 3 left. The inside lies on the right of each step from one to another. */
const STEPS: Record<number, [number, number][]> = {
  1: [[3, 0]],
  2: [[0, 1]],
  3: [[3, 1]],
  4: [[1, 2]],
  5: [
    [3, 0],
    [1, 2],
  ],
  6: [[0, 2]],
  7: [[3, 2]],
  8: [[2, 3]],
  9: [[2, 0]],
  10: [
    [0, 1],
    [2, 3],
  ],
  11: [[2, 1]],
  12: [[1, 3]],
  13: [[1, 0]],
  14: [[0, 3]],
};

/** An edge of a cell by number; horizontal ones are even, vertical ones odd, and neighbours number theirs alike. */
function edgeOf(field: Field, at: number, side: number): number {
  if (side === 0) return 2 * at;
  if (side === 2) return 2 * (at + field.columns);
  return side === 3 ? 2 * at + 1 : 2 * (at + 1) + 1;
}

/** Where the outline crosses an edge. */
function crossing({ values, columns, left, top, step }: Field, edge: number): Point {
  const at = edge >> 1;
  const [row, column] = [Math.floor(at / columns), at % columns];
  const a = values[at]!;
  const t = a / (a - values[edge & 1 ? at + columns : at + 1]!);
  return edge & 1
    ? [left + column * step, top + (row + t) * step]
    : [left + (column + t) * step, top + row * step];
}

/** From each edge that the outline crosses, the edge that it crosses next. */
function linked(field: Field): Map<number, number> {
  const { values, columns, rows } = field;
  const next = new Map<number, number>();
  for (let row = 0; row < rows - 1; row++) {
    for (let column = 0; column < columns - 1; column++) {
      const at = row * columns + column;
      const corners = [at, at + 1, at + columns + 1, at + columns];
      const kind = corners.reduce((sum, corner, bit) => sum + (values[corner]! < 0 ? 1 << bit : 0), 0);
      for (const [from, to] of STEPS[kind] ?? []) next.set(edgeOf(field, at, from), edgeOf(field, at, to));
    }
  }
  return next;
}

function trace(field: Field): Point[][] {
  const next = linked(field);
  const rings: Point[][] = [];
  while (next.size) {
    const ring: Point[] = [];
    let edge: number | undefined = next.keys().next().value;
    while (edge !== undefined && next.has(edge)) {
      ring.push(crossing(field, edge));
      const following: number = next.get(edge)!;
      next.delete(edge);
      edge = following;
    }
    rings.push(ring);
  }
  return rings;
}

/** Twice the signed area of a ring. */
export function signedArea(ring: Point[]): number {
  return ring.reduce((sum, [x, y], i) => {
    const [u, v] = ring[(i + 1) % ring.length]!;
    return sum + (x * v - u * y);
  }, 0);
}

/** The ring without the points that lie within `tolerance` of the line between their neighbours. */
export function thinned(ring: Point[], tolerance: number): Point[] {
  const kept: Point[] = [];
  ring.forEach((point, i) => {
    const before = kept.at(-1);
    const after = ring[(i + 1) % ring.length]!;
    if (!before || distance(point[0], point[1], before, after) > tolerance) kept.push(point);
  });
  return kept.length >= 4 ? kept : ring;
}

/**
 * The polygon that a round brush of `radius` covers along `stroke`: one outer ring and its holes, each closed.
 *
 * A stroke is connected, so the ring of the largest area is the outer one and all others are holes. Holes that are
 * smaller than a quarter of the brush are filled: nobody means them.
 */
export function brushOutline(stroke: Point[], radius: number): Point[][] {
  if (!stroke.length) return [];
  const rings = trace(distances(stroke, radius)).map((ring) => thinned(ring, radius / 100));
  const sizes = rings.map((ring) => Math.abs(signedArea(ring)) / 2);
  const outer = sizes.indexOf(Math.max(...sizes));
  const kept = rings.filter((_, i) => i === outer || sizes[i]! > (Math.PI * radius * radius) / 4);
  kept.sort((a, b) => Math.abs(signedArea(b)) - Math.abs(signedArea(a)));
  return kept.map((ring) => [...ring, ring[0]!]);
}
