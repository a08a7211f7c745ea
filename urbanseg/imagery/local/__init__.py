"""Scenes from files on this machine: any raster that GDAL opens, and folders of images."""
