// The two bundled libraries: a file of their own, which changes only with their versions.

export { MapLibreMap, setWorkerUrl } from "maplibre-gl";
export { TerraDraw, TerraDrawPolygonMode, ValidateNotSelfIntersecting } from "terra-draw";
export { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
