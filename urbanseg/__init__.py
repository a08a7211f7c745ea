"""A library of pure functions for land-cover maps of cities from satellite imagery.

The nouns of the pipeline: grids, rasters, labels, models, maps, scores. Nothing here
knows params.yaml (except `params`) or a fixed path (except `paths`); the verbs that
tie them together are in `stages`.
"""

import os

# OpenMP's threads spin while they wait, which makes a step of training take many times as long where
# other programs want the cores; asleep, they cost nothing where none does. Read once, when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
