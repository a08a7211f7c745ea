"""Scenes rendered from a map: materials, light, atmosphere, sensor, noise."""
