"""What QGIS makes of files; run by the system's Python, which has PyQGIS, with a JSON order as its word.

It says as JSON which layers there are, how they are styled, and draws each into a PNG.
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsMapLayer,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsProviderRegistry,
    QgsProviderSublayerDetails,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def draw(layers, order, target, *, extent=None):
    """Draw layers onto white without antialiasing, a pixel for each of the grid."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(QgsCoordinateReferenceSystem(order["crs"]))
    settings.setExtent(QgsRectangle(*(extent or order["bounds"])))
    settings.setOutputSize(QSize(*order["size"]))
    settings.setOutputDpi(96)
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(target))


def legend(layer):
    """Label and colour of each entry."""
    if layer.type() == QgsMapLayer.RasterLayer:
        items = layer.renderer().legendSymbologyItems()
        return [[label, color.name()] for label, color in items]
    entries = layer.renderer().legendSymbolItems()
    return [[each.label(), each.symbol().color().name()] for each in entries if each.symbol()]


def hidden(layer):
    """Columns that the attribute table does not show, and fields that a form does not."""
    if layer.type() == QgsMapLayer.RasterLayer:
        return []
    columns = layer.attributeTableConfig().columns()
    return [column.name for column in columns if column.hidden]


def told(layer, order, name, folder):
    """What there is to know of a layer, and a picture of it."""
    target = folder / f"{name}.png"
    if layer.isSpatial():
        draw([layer], order, target)
        close = folder / f"{name}_close.png"
        draw([layer], order, close, extent=order["close"])
    return {
        "features": layer.featureCount() if layer.type() == QgsMapLayer.VectorLayer else None,
        "title": layer.name(),
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "legend": legend(layer) if layer.isSpatial() and layer.renderer() else [],
        "hidden": hidden(layer),
        "picture": str(target),
    }


def main():
    order = json.loads(sys.argv[1])
    folder = Path(order["folder"])
    application = QgsApplication([], False)
    application.initQgis()
    answer = {"files": {}, "project": []}
    registry, each_geometry = QgsProviderRegistry.instance(), Qgis.SublayerQueryFlag.ResolveGeometryType
    for number, path in enumerate(order["files"]):
        for index, found in enumerate(registry.querySublayers(path, each_geometry)):
            options = QgsProviderSublayerDetails.LayerOptions(QgsCoordinateTransformContext())
            options.loadDefaultStyle = True
            layer = found.toLayer(options)
            name = f"{path}|{found.name()}"
            name += "|lines" if name in answer["files"] else ""
            answer["files"][name] = told(layer, order, f"file_{number}_{index}", folder)
    project = QgsProject.instance()
    answer["read"] = project.read(order["project"])
    answer["title"], answer["crs"] = project.title(), project.crs().authid()
    answer["bookmarks"] = [each.name() for each in project.bookmarkManager().bookmarks()]
    for number, node in enumerate(project.layerTreeRoot().findLayers()):
        said = {"name": node.name(), "visible": node.isVisible(), "valid": False}
        if node.layer() is not None:
            said |= told(node.layer(), order, f"layer_{number}", folder)
        answer["project"].append(said)
    shown = [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible()]
    draw(shown, order, folder / "all.png")
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # QGIS crashes where layers that Python holds are older than its end


main()
