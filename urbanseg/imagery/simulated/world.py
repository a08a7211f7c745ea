"""A simulated world drawn from a seed: its climate, palette, light, relief and sensor.

Domain randomisation (Tobin et al. 2017, arXiv:1703.06907): a model that has seen enough
worlds takes the real one for another of them. Everything comes from the seed, so a world is
the same wherever it is drawn. `landscape` lays its objects out, `climates` has its tables.
"""

from dataclasses import dataclass, field

import numpy as np
from pyproj import Transformer

from urbanseg.config.base import parse_time
from urbanseg.config.scene import SimulatedScene
from urbanseg.grid import Grid
from urbanseg.imagery.simulated.climates import (
    CLIMATES,
    FADED,
    FALLEN,
    GRASSES,
    LEAVES,
    MADE,
    SEASONS,
    SOILS,
    WATER_SPECTRA,
    WATERS,
    Climate,
    Season,
)
from urbanseg.imagery.simulated.illumination import Sun
from urbanseg.imagery.simulated.look import Look, Spectrum, plain
from urbanseg.imagery.simulated.materials import BANDS, SPECTRA
from urbanseg.imagery.simulated.surfaces import SURFACES, Weights

OWN = 0.16
"""Relative deviation of a spectrum from its table, in a world."""

WATERS_OWN = 0.3
"""Share of that deviation which each spectrum of water has of its own: waters of a place are alike."""
GLINTING = 0.4
"""Share of the worlds whose waters mirror the sun a little."""


@dataclass(frozen=True)
class World:
    """Everything about a scene but the map: how it looks, how it is lit, how it is seen.

    Attributes:
        look: its materials.
        climate: its name.
        sun: position of the sun.
        noise: standard deviation of the sensor noise, reflectance.
        haze: path radiance in the blue band, reflectance.
        blur: of the optics, relative to the nominal one.
        gains: by band.
        slope: root mean square of the slope of the relief; 0 for none.
        land: weights of the surfaces of unmapped countryside; empty to leave it as it is.
        parcel_m: side of a field.
        hedges: share of field borders with a hedge.
        shift: metres east and north by which the image is off the map.
        shift_own: standard deviation of what a building is off besides, in metres.
        unmapped: share of the houses missing along mapped streets that the image has.
        vanished: share of mapped buildings that the image lacks.
        seed: of everything that is drawn in it.
    """

    look: Look
    climate: str
    sun: Sun
    noise: float
    haze: float
    blur: float = 1.0
    gains: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    slope: float = 0.0
    land: Weights = field(default_factory=dict)
    parcel_m: float = 200.0
    hedges: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    shift_own: float = 0.0
    unmapped: float = 0.0
    vanished: float = 0.0
    seed: int = 0


def of_scene(params: SimulatedScene, grid: Grid) -> World:
    """The world of a scene: drawn, or the plain one that its parameters describe.

    Args:
        params: of the scene.
        grid: of the scene, whose hemisphere tells the season by the date.
    """
    if params.world is None:
        assert params.sun_azimuth is not None and params.sun_elevation is not None  # noqa: S101, PT018
        assert params.noise is not None and params.haze is not None  # noqa: S101, PT018, validated
        return World(
            look=plain(params.climate),
            climate=params.climate,
            sun=Sun(params.sun_azimuth, params.sun_elevation),
            noise=params.noise,
            haze=params.haze,
            seed=params.layout.seed if params.layout else 0,
        )
    _, latitude = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*grid.centre)
    return _drawn(params, latitude)


def _drawn(params: SimulatedScene, latitude: float) -> World:
    limits = params.world
    assert limits is not None  # noqa: S101, of_scene
    rng = np.random.default_rng([limits.seed, 41])
    name = str(rng.choice(limits.climates))
    climate = CLIMATES[name]
    month = (parse_time(params.datetime).month + (0 if latitude >= 0 else 6) - 1) % 12 + 1
    # Morning orbits: the sun stands south-east of what is north of it, north-east of the rest.
    azimuth = rng.uniform(115, 170) if latitude >= 0 else rng.uniform(10, 65)
    bearing, far = rng.uniform(0, 2 * np.pi), limits.shift_m * np.sqrt(rng.random())
    lowest, highest = limits.parcel_m
    return World(
        look=_look(climate, month, rng),
        climate=name,
        sun=Sun(float(azimuth), float(rng.uniform(*limits.sun_elevation))),
        noise=float(rng.uniform(*limits.noise)),
        haze=float(rng.uniform(*limits.haze)),
        blur=float(rng.uniform(*limits.blur)),
        gains=tuple(float(gain) for gain in rng.uniform(1 - limits.gain, 1 + limits.gain, len(BANDS))),
        slope=float(
            limits.slope[0] + (limits.slope[1] - limits.slope[0]) * rng.random() ** 2
        ),  # few are steep
        land=_around(climate.land, rng),
        parcel_m=float(np.exp(rng.uniform(np.log(lowest), np.log(highest)))),
        hedges=float(rng.uniform(*climate.hedges)),
        shift=(float(far * np.cos(bearing)), float(far * np.sin(bearing))),
        shift_own=limits.shift_m / 4,
        unmapped=limits.unmapped,
        vanished=limits.vanished,
        seed=limits.seed,
    )


def _look(climate: Climate, month: int, rng: np.random.Generator) -> Look:
    season: Season = SEASONS[month % 12 // 3]
    weights = {name: surface.materials for name, surface in SURFACES.items()}
    if climate is CLIMATES["arid"]:
        weights |= {name: surface.arid for name, surface in SURFACES.items() if surface.arid}
    weights |= WATERS | dict(climate.materials)
    weights |= {"farmland": climate.crops[season], "building": climate.flat}
    weights = {name: _around(some, rng) for name, some in weights.items()}
    return Look(
        spectra=_spectra(climate, season, month, rng),
        weights=weights,
        pitched=_around(climate.pitched, rng),
        background=climate.background,
    )


def _spectra(climate: Climate, season: Season, month: int, rng: np.random.Generator) -> dict[str, Spectrum]:
    """The table's spectra in this world's season, on its soil, with its own deviations."""
    values = {name: np.array(spectrum) for name, spectrum in SPECTRA.items()}
    lush = rng.uniform(*climate.lush[season])
    for name in GRASSES:
        values[name] = lush * values[name] + (1 - lush) * values[FADED[name]]
    if month in climate.bare:
        fallen = rng.uniform(0.6, 1)
        for name, bare in zip(LEAVES, FALLEN, strict=True):
            values[name] = fallen * values[bare] + (1 - fallen) * values[name]
    local = np.array(SPECTRA[str(rng.choice(climate.soils))])
    for name in SOILS:
        light = np.mean(SPECTRA[name]) / local.mean()
        values[name] = 0.3 * values[name] + 0.7 * local * light ** rng.uniform(0.3, 1)
    grey = rng.uniform(0, 0.9)
    for name in MADE:
        values[name] = grey * values[name].mean() + (1 - grey) * values[name]
    light_of_water = np.exp(OWN * rng.standard_normal())
    for name in sorted(values):
        own = np.exp(OWN * rng.standard_normal() + OWN / 4 * rng.standard_normal(len(BANDS)))
        own = light_of_water * own**WATERS_OWN if name in WATER_SPECTRA else own
        values[name] = np.clip(values[name] * own, 0.002, 0.9)
    if rng.random() < GLINTING:
        glint = min(rng.exponential(0.012), 0.05)
        for name in WATER_SPECTRA:
            values[name] = values[name] + glint
    return {name: tuple(float(v) for v in spectrum) for name, spectrum in values.items()}


def _around(weights: Weights, rng: np.random.Generator) -> Weights:
    """Weights drawn around others (gamma variates of shape 1): some prevail, some are nearly absent."""
    draws = rng.standard_gamma(1.0, len(weights)) + 1e-3
    return {name: float(weight * draw) for (name, weight), draw in zip(weights.items(), draws, strict=True)}
