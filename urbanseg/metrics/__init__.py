"""Scores of a map: segmentation, boundaries, areas, roads, and their grades against targets."""
