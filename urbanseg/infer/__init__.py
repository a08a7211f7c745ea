"""Applying a segmenter to a whole scene, by overlapping windows."""
