"""How files are shown in GIS programs: QGIS styles, colour ramps, stretches, projects."""
