"""A library of pure functions for land-cover maps of cities from satellite imagery.

Grids, rasters, labels, models, maps, scores. Nothing here knows params.yaml (except `config`)
or a fixed path (except `paths`); the commands that DVC runs are in `stages`.
"""
