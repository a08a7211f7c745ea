"""The vector map of a city: land-cover polygons, roads, their styles, and the files GIS users open."""
