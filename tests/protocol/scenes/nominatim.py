"""A geocoder that knows one town, as an outline, and one shop, as a point."""

import json

from tests.protocol.scenes import world
from tests.protocol.scenes.server import Archive, Request, Response
from tests.protocol.scenes.world import Product

TOWN = Product(
    world.day(1, 1), 0, bounds=(world.LEFT, world.TOP - 600, world.LEFT + 800, world.TOP)
).footprint


def search(_: Archive, request: Request) -> Response:
    """Places by name."""
    west, south, east, north = TOWN.bounds
    box = [f"{edge}" for edge in (south, north, west, east)]
    known = {
        "Freiburg im Breisgau": {"type": "Polygon", "coordinates": [list(TOWN.exterior.coords)]},
        "Kiosk": {"type": "Point", "coordinates": [west, south]},
    }
    place = request.query["q"]
    assert request.query["format"] == "json"
    found = [{"display_name": place, "lat": f"{south}", "lon": f"{west}", "boundingbox": box}] * (
        place in known
    )
    for result in found:
        if "polygon_geojson" in request.query:
            result["geojson"] = known[place]
    return Response(json.dumps(found).encode())


ROUTES = [("/geocoder/search", search)]
