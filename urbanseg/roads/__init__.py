"""Road networks: from a raster of roads to a graph, and the repair of its gaps."""
