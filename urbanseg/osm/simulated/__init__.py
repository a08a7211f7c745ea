"""The embedded city: a town plan drawn from a seed, as OpenStreetMap would hold it.

`lay_out` draws the plan: waters, a hierarchy of roads that cuts the land into districts,
streets that cut districts into blocks, and what stands on each block. `write` stores it
as an OpenStreetMap file, so that it reaches the rest of the pipeline through the same
reader as a real extract. The way from arterials over districts to parcels follows
Parish & Müller 2001, "Procedural Modeling of Cities".
"""

from urbanseg.osm.simulated.city import lay_out
from urbanseg.osm.simulated.writer import write

__all__ = ["lay_out", "write"]
