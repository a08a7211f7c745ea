// Polygons and roads of a map: unpacked from variable-length integers, and drawn on a canvas.

const CASING = "#20282c"; // around roads
const WHITE = "#ffffff"; // of roads
const THINNEST = 0.8; // screen pixels: narrower roads come as one zooms in

// Whole numbers of a packed text, one a call; see report/vectors.py.
function numbersOf(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  let at = 0;
  return () => {
    let value = 0, factor = 1, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte & 128);
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
}

// Shapes with `fields` numbers before each: their values, path and bounds, in pixels of the pictures.
function unpack(text, fields, step, closed) {
  if (!text) return [];
  const next = numbersOf(text);
  let x = 0, y = 0;
  return Array.from({ length: next() }, () => {
    const shape = { values: Array.from({ length: fields }, next), path: new Path2D(), left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (let parts = next(); parts > 0; parts--) {
      for (let i = 0, points = next(); i < points; i++) {
        x += next();
        y += next();
        const px = x * step, py = y * step;
        if (i) shape.path.lineTo(px, py);
        else shape.path.moveTo(px, py);
        shape.left = Math.min(shape.left, px);
        shape.right = Math.max(shape.right, px);
        shape.top = Math.min(shape.top, py);
        shape.bottom = Math.max(shape.bottom, py);
      }
      if (closed) shape.path.closePath();
    }
    return shape;
  });
}

// What draws the polygons and roads of a map; `colors` are those of its classes in the order of their numbers.
function vectorsOf(data, colors) {
  const polygons = unpack(data.polygons, 3, data.step, true);
  const roads = unpack(data.roads, 1, data.step, false);
  const inside = (shape, box) => shape.left <= box.right && shape.right >= box.left && shape.top <= box.bottom && shape.bottom >= box.top;

  return {
    roads: roads.length > 0,

    // `scale` is screen pixels per picture pixel; `context` is in picture pixels.
    drawPolygons(context, box, scale, hidden) {
      context.lineWidth = 0.7 / scale; // hides the seams between neighbours
      context.lineJoin = "round";
      for (const { values: [number], path, ...bounds } of polygons) {
        if (hidden.has(number) || !inside(bounds, box)) continue;
        context.fillStyle = context.strokeStyle = colors[number];
        context.fill(path, "evenodd");
        context.stroke(path);
      }
    },

    drawRoads(context, box, scale, metresPerPixel) {
      context.lineCap = context.lineJoin = "round";
      const width = (road) => road.values[0] / 10 / metresPerPixel;
      const seen = roads.filter((road) => width(road) * scale >= THINNEST && inside(road, box));
      for (const [color, edge] of [[CASING, 1.4 / scale], [WHITE, 0]]) {
        context.strokeStyle = color;
        for (const road of seen) {
          context.lineWidth = Math.max(width(road) * 0.6, 0.9 / scale) + edge;
          context.stroke(road.path);
        }
      }
    },

    // Class, area (m²) and confidence (%) of the polygon at a pixel; undefined where there is none.
    at(context, x, y) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      return polygons.find((shape) => inside(shape, { left: x, right: x, top: y, bottom: y }) && context.isPointInPath(shape.path, x, y, "evenodd"))?.values;
    },
  };
}
