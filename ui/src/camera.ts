// Where the map is: kept in the address, so that a reload and a link show the same place.

import type { App } from "./app";
import type { Panes } from "./panes";
import type { Camera, Store } from "./state";

export interface Address {
  token: string | null;
  scene: string | null;
  camera: { lon: number; lat: number; zoom: number } | null;
  panel: string | null;
}

/** What the part of an address after # says. */
export function readAddress(hash: string): Address {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const numbers = (query.get("at") ?? "").split(",").map(Number);
  const [lon, lat, zoom] = numbers;
  const whole = numbers.length === 3 && numbers.every(Number.isFinite);
  return {
    token: query.get("token"),
    scene: query.get("scene"),
    camera: whole ? { lon: lon!, lat: lat!, zoom: zoom! } : null,
    panel: query.get("panel"),
  };
}

/** The part of an address after # for a place; the token is not in it. */
export function writeAddress(scene: string, camera: Camera, panel: string): string {
  const [lon, lat] = camera.center;
  const query = new URLSearchParams({
    scene,
    at: `${lon.toFixed(6)},${lat.toFixed(6)},${camera.zoom.toFixed(2)}`,
    panel,
  });
  return `#${query.toString().replaceAll("%2C", ",")}`;
}

/** Keep the camera in the store, and in the address. */
export function watchCamera(store: Store, panes: Panes): void {
  const { map } = panes.panes.left;
  map.on("moveend", () => {
    const { lng, lat } = map.getCenter();
    const box = map.getBounds();
    store.set({
      camera: {
        center: [lng, lat],
        zoom: map.getZoom(),
        bounds: [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()],
      },
    });
  });
  store.subscribe((state, before) => {
    if (!state.scene || (state.camera === before.camera && state.panel === before.panel)) return;
    history.replaceState(null, "", writeAddress(state.scene.id, state.camera, state.panel));
  });
}

/** Zoom so that a pixel of the image is a pixel of the screen, or nearly. */
export function scaled(app: App): void {
  const { scene } = app.store.state;
  // Tiles of 256 px at the scene's largest zoom are MapLibre's zoom less one, whose world has tiles of 512 px.
  if (scene) app.panes.panes.left.map.easeTo({ zoom: scene.maxzoom - 1, duration: 300 });
}
