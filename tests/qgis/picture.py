"""Draw a QGIS project with its legend: /usr/bin/python3 tests/qgis/picture.py PROJECT OUT.png [SCALE [X Y]].

Without a scale, all of it; without a place, its middle. QT_QPA_PLATFORM=offscreen where there is no screen.
"""

import os
import sys

from qgis.core import (
    QgsApplication,
    QgsLayoutExporter,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsPrintLayout,
    QgsProject,
    QgsRectangle,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QRectF

WIDTH, HEIGHT, LEGEND, DPI = 1000, 720, 230, 96
"""Of the map and of the column beside it, in pixels."""
MM_PER_PIXEL = 25.4 / DPI
MM = QgsUnitTypes.LayoutMillimeters


def add_map(layout, layers, project, extent):
    """The map, which fills the page but for the legend."""
    shown = QgsLayoutItemMap(layout)
    shown.attemptSetSceneRect(QRectF(0, 0, WIDTH * MM_PER_PIXEL, HEIGHT * MM_PER_PIXEL))
    shown.setLayers(layers)
    shown.setCrs(project.crs())
    shown.zoomToExtent(extent)
    layout.addLayoutItem(shown)
    return shown


def add_legend(layout, shown, layers):
    """Legend of the layers that are visible, and a scale bar below it."""
    legend = QgsLayoutItemLegend(layout)
    layout.addLayoutItem(legend)
    legend.setLinkedMap(shown)
    legend.setAutoUpdateModel(False)
    group = legend.model().rootGroup()
    for node in group.findLayers():
        if node.layer() not in layers:
            node.parent().removeChildNode(node)
    legend.attemptMove(QgsLayoutPoint((WIDTH + 5) * MM_PER_PIXEL, 0, MM))
    legend.adjustBoxSize()
    bar = QgsLayoutItemScaleBar(layout)
    layout.addLayoutItem(bar)
    bar.setStyle("Line Ticks Up")
    bar.setLinkedMap(shown)
    bar.applyDefaultSize(QgsUnitTypes.DistanceMeters)
    bar.setNumberOfSegments(1)
    bar.setNumberOfSegmentsLeft(0)
    bar.attemptMove(QgsLayoutPoint((WIDTH + 10) * MM_PER_PIXEL, (HEIGHT - 60) * MM_PER_PIXEL, MM))


def main(source, target, scale=None, *place):
    """Draw the layers that are visible."""
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    if not project.read(source):
        sys.exit(f"{source} is no project that QGIS opens")
    nodes = project.layerTreeRoot().findLayers()
    layers = [node.layer() for node in nodes if node.isVisible()]
    extent = nodes[-1].layer().extent()
    if scale:
        x, y = map(float, place or (extent.center().x(), extent.center().y()))
        half = [float(scale) * MM_PER_PIXEL / 1000 * side / 2 for side in (WIDTH, HEIGHT)]
        extent = QgsRectangle(x - half[0], y - half[1], x + half[0], y + half[1])
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    size = QgsLayoutSize((WIDTH + LEGEND) * MM_PER_PIXEL, HEIGHT * MM_PER_PIXEL, MM)
    layout.pageCollection().page(0).setPageSize(size)
    shown = add_map(layout, layers, project, extent)
    add_legend(layout, shown, layers)
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = DPI
    done = QgsLayoutExporter(layout).exportToImage(target, settings)
    os._exit(0 if done == QgsLayoutExporter.Success else 1)  # as in session.py


main(*sys.argv[1:])
