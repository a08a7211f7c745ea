"""A library of pure functions for land-cover maps of cities from satellite imagery.

The nouns of the pipeline: grids, rasters, labels, models, maps, scores. Nothing here
knows params.yaml (except `config`) or a fixed path (except `paths`); the verbs that
tie them together are in `stages`.
"""
