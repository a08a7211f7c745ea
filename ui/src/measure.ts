// Numbers for people: the scale bar, coordinates, areas, sizes of files.

const EARTH_M = 40_075_016.686;

/** Metres of a screen pixel on the ground, at a latitude and a zoom of MapLibre (a world of 512 px at zoom 0). */
export function metresPerPixel(latitude: number, zoom: number): number {
  return (EARTH_M * Math.cos((latitude * Math.PI) / 180)) / (512 * 2 ** zoom);
}

/** The longest of 1, 2 and 5 times a power of ten that is at most `longest`. */
export function roundLength(longest: number): number {
  const power = 10 ** Math.floor(Math.log10(longest));
  return [5, 2, 1].map((factor) => factor * power).find((length) => length <= longest * (1 + 1e-9)) ?? power;
}

export interface ScaleBar {
  text: string;
  pixels: number;
}

/** A scale bar of at most `most` screen pixels; in pixels of the image where metres are not known. */
export function scaleBar(
  metres: number,
  most: number,
  pixel: { placed: boolean; metres: number | null },
): ScaleBar {
  const inPixels = !pixel.placed && pixel.metres === null;
  const length = roundLength(most * metres);
  const unit = inPixels ? "px" : length >= 1000 ? "km" : length >= 1 ? "m" : "cm";
  const value = unit === "km" ? length / 1000 : unit === "cm" ? length * 100 : length;
  return { text: `${Number(value.toPrecision(3))} ${unit}`, pixels: length / metres };
}

/** A share of 1 as whole per cent. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Hectares with as many digits as matter. */
export function hectares(value: number): string {
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })} ha`;
}

/** A number with its sign. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return value > 0 ? `+${text}` : `−${text}`;
}

/** Bytes in the unit in which they are above 1. */
export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** A place in degrees, east and north positive. */
export function degrees(lon: number, lat: number): string {
  return `${Math.abs(lat).toFixed(5)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(5)}° ${lon < 0 ? "W" : "E"}`;
}
