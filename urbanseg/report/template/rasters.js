// Layers of pixels: what their colours mean, the same without some classes, and where two of them disagree.

const FOCUS = [208, 28, 139]; // of pixels that are pointed out

function rastersOf(images, data) {
  const canvasOf = () => Object.assign(document.createElement("canvas"), { width: data.width, height: data.height });
  const cache = new Map();

  function pixels(name) {
    const context = canvasOf().getContext("2d", { willReadFrequently: true });
    context.drawImage(images[name], 0, 0);
    return context.getImageData(0, 0, data.width, data.height);
  }

  const key = ([r, g, b]) => (r << 16) | (g << 8) | b;
  const keysOf = (name) => new Map(data.colors[name].map((color) => [key(color), color[3]]));

  function put(found) {
    const canvas = canvasOf();
    canvas.getContext("2d").putImageData(found, 0, 0);
    return canvas;
  }

  return {
    // The layer without the classes in `hidden`; made once for each choice.
    without(name, hidden) {
      if (!hidden.size || !["labels", "prediction"].includes(name)) return images[name];
      const choice = [...hidden].sort().join();
      if (cache.get(name)?.choice !== choice) {
        const found = pixels(name), meaning = keysOf(name), values = found.data;
        for (let i = 0; i < values.length; i += 4) {
          if (hidden.has(meaning.get(key([values[i], values[i + 1], values[i + 2]])))) values[i + 3] = 0;
        }
        cache.set(name, { choice, canvas: put(found) });
      }
      return cache.get(name).canvas;
    },

    // Where the labels say `actual` and the prediction `mapped`.
    confused(actual, mapped) {
      const labels = pixels("labels"), prediction = pixels("prediction").data;
      const [from, to] = [["labels", actual], ["prediction", mapped]].map(([name, text]) => key(data.colors[name].find((color) => color[3] === text) ?? [-1, 0, 0]));
      const values = labels.data;
      for (let i = 0; i < values.length; i += 4) {
        const both = values[i + 3] && key([values[i], values[i + 1], values[i + 2]]) === from
          && prediction[i + 3] && key([prediction[i], prediction[i + 1], prediction[i + 2]]) === to;
        values.set(both ? [...FOCUS, 255] : [0, 0, 0, 0], i);
      }
      return put(labels);
    },
  };
}
