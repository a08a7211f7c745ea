"""Draw a QGIS project into a PNG: /usr/bin/python3 tests/qgis/picture.py PROJECT OUT.png [SCALE [X Y]].

Without a scale, all of it; without a place, its middle. QT_QPA_PLATFORM=offscreen where there is no screen.
"""

import os
import sys

from qgis.core import QgsApplication, QgsMapRendererSequentialJob, QgsMapSettings, QgsProject, QgsRectangle
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

WIDTH, HEIGHT, DPI = 1000, 720, 96
METRES_PER_PIXEL = 0.0254 / DPI


def main(source, target, scale=None, *place):
    """Draw the layers that are visible."""
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    if not project.read(source):
        sys.exit(f"{source} is no project that QGIS opens")
    nodes = project.layerTreeRoot().findLayers()
    whole = nodes[-1].layer().extent()
    settings = QgsMapSettings()
    settings.setLayers([node.layer() for node in nodes if node.isVisible()])
    settings.setDestinationCrs(project.crs())
    settings.setOutputSize(QSize(WIDTH, HEIGHT))
    settings.setOutputDpi(DPI)
    settings.setBackgroundColor(QColor("white"))
    settings.setExtent(whole)
    if scale:
        x, y = map(float, place or (whole.center().x(), whole.center().y()))
        half = [float(scale) * METRES_PER_PIXEL * side / 2 for side in (WIDTH, HEIGHT)]
        settings.setExtent(QgsRectangle(x - half[0], y - half[1], x + half[0], y + half[1]))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    saved = job.renderedImage().save(target)
    os._exit(0 if saved else 1)  # as in session.py


main(*sys.argv[1:])
