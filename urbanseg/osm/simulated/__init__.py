"""The embedded city: a procedural town plan from a seed, with OpenStreetMap tags.

`lay_out` generates the plan: waters, a hierarchy of roads that divides the land into
districts, streets that divide districts into blocks, and the land use of each block.
`write` stores it as an OpenStreetMap file, so that the pipeline reads it like a real
extract. The sequence of arterials, districts and parcels follows
Parish & Müller 2001, "Procedural Modeling of Cities".
"""

from urbanseg.osm.simulated.city import lay_out
from urbanseg.osm.simulated.writer import write

__all__ = ["lay_out", "write"]
