"""Materials of surfaces: reflectance spectra, and mixtures of them.

Tables only. Reflectances are bottom-of-atmosphere means for the Sentinel-2 bands B02,
B03, B04 and B08, rounded from the classes of the ECOSTRESS spectral library (Meerdink et
al. 2019), the USGS library version 7 (Kokaly et al. 2017) and, for urban materials,
Herold et al. 2004, "Spectrometry for urban area remote sensing". Roofs, roads, yards and
bare soils overlap in these bands, and so do lawns, pitches and parks, as in nature, which
is why a land-cover map needs shape and context.
"""

from dataclasses import dataclass

BANDS = ("B02", "B03", "B04", "B08")

SPECTRA: dict[str, tuple[float, float, float, float]] = {
    "asphalt new": (0.060, 0.068, 0.074, 0.090),
    "asphalt": (0.095, 0.108, 0.120, 0.150),
    "asphalt old": (0.125, 0.145, 0.160, 0.200),
    "concrete": (0.200, 0.225, 0.245, 0.285),
    "paving": (0.150, 0.170, 0.190, 0.230),
    "gravel": (0.140, 0.165, 0.185, 0.225),
    "ballast": (0.105, 0.118, 0.132, 0.165),
    "bitumen": (0.070, 0.078, 0.085, 0.105),
    "tile red": (0.075, 0.100, 0.180, 0.260),
    "tile brown": (0.065, 0.082, 0.115, 0.175),
    "metal": (0.270, 0.290, 0.305, 0.330),
    "white coat": (0.400, 0.430, 0.450, 0.480),
    "mud brick": (0.180, 0.230, 0.280, 0.340),
    "soil": (0.085, 0.115, 0.155, 0.235),
    "soil dry": (0.130, 0.170, 0.220, 0.300),
    "clay": (0.075, 0.110, 0.190, 0.275),
    "sand": (0.190, 0.250, 0.310, 0.390),
    "desert sand": (0.170, 0.240, 0.330, 0.430),
    "rock": (0.150, 0.170, 0.185, 0.220),
    "lawn": (0.036, 0.070, 0.046, 0.370),
    "lawn dry": (0.070, 0.098, 0.100, 0.290),
    "broadleaf": (0.022, 0.046, 0.026, 0.400),
    "conifer": (0.016, 0.030, 0.020, 0.240),
    "understorey": (0.014, 0.024, 0.016, 0.160),
    "palm": (0.035, 0.055, 0.045, 0.300),
    "crop green": (0.030, 0.064, 0.036, 0.460),
    "crop ripe": (0.085, 0.130, 0.165, 0.310),
    "stubble": (0.110, 0.145, 0.190, 0.290),
    "reed": (0.040, 0.062, 0.050, 0.260),
    "water clear": (0.030, 0.030, 0.020, 0.012),
    "water turbid": (0.065, 0.085, 0.075, 0.040),
    "water green": (0.036, 0.056, 0.038, 0.055),
    "silt": (0.085, 0.110, 0.125, 0.105),
    "algae": (0.034, 0.064, 0.040, 0.170),
    "pit water": (0.090, 0.125, 0.095, 0.050),
    "solar": (0.055, 0.048, 0.046, 0.052),
}


PATCH_SIZES_PX: dict[str, float] = {"fine": 3.0, "coarse": 9.0, "wide": 60.0}
"""Size of the patches of a mixture, in pixels of the fine grid."""


@dataclass(frozen=True)
class Material:
    """A surface as a mixture of two spectra.

    `share` of it is `other`, in patches whose size `patch_size` names; objects differ from
    each other by the relative deviation `vary`, points within one by `texture`. Where
    `crown` is above 0, `main` are tree crowns of that height in metres.
    """

    main: str
    other: str
    share: float = 0.3
    patch_size: str = "fine"
    vary: float = 0.12
    texture: float = 0.06
    crown: float = 0.0


MATERIALS: dict[str, Material] = {
    "asphalt": Material("asphalt", "asphalt old", 0.45, "coarse", 0.22, 0.08),
    "asphalt new": Material("asphalt new", "asphalt", 0.25, "coarse", 0.18, 0.08),
    "concrete road": Material("asphalt old", "concrete", 0.4, "coarse", 0.18, 0.08),
    "sett": Material("paving", "asphalt old", 0.45, "coarse", 0.21, 0.08),
    "gravel track": Material("gravel", "soil dry", 0.4, "fine", 0.15, 0.08),
    "square": Material("paving", "concrete", 0.35, "coarse", 0.21, 0.08),
    "parking": Material("asphalt", "metal", 0.14, "fine", 0.18, 0.10),
    "ballast": Material("ballast", "asphalt old", 0.3, "fine", 0.10, 0.08),
    "garden ground": Material("lawn", "paving", 0.33, "coarse", 0.16, 0.12),
    "leafy ground": Material("lawn", "broadleaf", 0.35, "coarse", 0.14, 0.12, 0.0),
    "paved ground": Material("asphalt old", "lawn dry", 0.30, "coarse", 0.22, 0.12),
    "yard": Material("asphalt old", "soil dry", 0.38, "coarse", 0.25, 0.12),
    "gravel yard": Material("gravel", "concrete", 0.40, "coarse", 0.25, 0.12),
    "sandy ground": Material("desert sand", "paving", 0.48, "coarse", 0.15, 0.10),
    "dusty yard": Material("soil dry", "concrete", 0.45, "coarse", 0.19, 0.12),
    "waste grass": Material("lawn dry", "soil dry", 0.35, "coarse", 0.22, 0.12),
    "turf": Material("lawn", "lawn dry", 0.25, "coarse", 0.14, 0.08),
    "artificial turf": Material("lawn dry", "broadleaf", 0.35, "fine", 0.10, 0.05),
    "park": Material("lawn", "broadleaf", 0.35, "coarse", 0.14, 0.10),
    "dry park": Material("lawn dry", "broadleaf", 0.35, "coarse", 0.16, 0.10),
    "grass": Material("lawn", "lawn dry", 0.35, "coarse", 0.18, 0.10),
    "meadow": Material("lawn", "lawn dry", 0.50, "coarse", 0.18, 0.10),
    "dry meadow": Material("lawn dry", "stubble", 0.40, "coarse", 0.16, 0.10),
    "garden": Material("broadleaf", "lawn", 0.45, "coarse", 0.14, 0.10),
    "allotments": Material("lawn", "soil", 0.35, "fine", 0.12, 0.12),
    "cemetery": Material("broadleaf", "gravel", 0.35, "fine", 0.12, 0.10),
    "broadleaved wood": Material("broadleaf", "understorey", 0.30, "fine", 0.12, 0.08, 16),
    "coniferous wood": Material("conifer", "understorey", 0.30, "fine", 0.12, 0.08, 18),
    "scrub": Material("broadleaf", "lawn dry", 0.45, "fine", 0.16, 0.12, 4),
    "wetland": Material("reed", "water green", 0.30, "coarse", 0.14, 0.10),
    "orchard": Material("broadleaf", "lawn", 0.50, "fine", 0.12, 0.10, 5),
    "vineyard": Material("broadleaf", "soil dry", 0.40, "fine", 0.12, 0.10, 2),
    "palm grove": Material("palm", "soil dry", 0.35, "fine", 0.14, 0.10, 9),
    "green crop": Material("crop green", "lawn", 0.20, "coarse", 0.16, 0.06),
    "young crop": Material("crop green", "soil", 0.40, "coarse", 0.16, 0.06),
    "ripe crop": Material("crop ripe", "lawn dry", 0.30, "coarse", 0.14, 0.06),
    "stubble": Material("stubble", "soil dry", 0.35, "coarse", 0.14, 0.07),
    "building site": Material("soil dry", "concrete", 0.35, "coarse", 0.25, 0.16),
    "clay site": Material("clay", "soil", 0.35, "coarse", 0.25, 0.14),
    "rubble": Material("gravel", "soil", 0.45, "coarse", 0.25, 0.16),
    "fallow": Material("soil", "soil dry", 0.40, "coarse", 0.22, 0.08),
    "weedy soil": Material("soil", "lawn dry", 0.28, "coarse", 0.22, 0.12),
    "quarry": Material("rock", "sand", 0.40, "coarse", 0.25, 0.16),
    "sand": Material("sand", "soil dry", 0.30, "coarse", 0.18, 0.10),
    "dunes": Material("desert sand", "sand", 0.40, "coarse", 0.12, 0.08),
    "gravel plain": Material("soil dry", "rock", 0.40, "coarse", 0.15, 0.10),
    "clear water": Material("water clear", "water turbid", 0.20, "wide", 0.20, 0.04),
    "turbid water": Material("water turbid", "water clear", 0.35, "wide", 0.16, 0.04),
    "green water": Material("water green", "algae", 0.35, "wide", 0.20, 0.06),
    "brown water": Material("silt", "water turbid", 0.50, "wide", 0.10, 0.04),
    "silty water": Material("silt", "water turbid", 0.35, "wide", 0.18, 0.05),
    "algal water": Material("algae", "water green", 0.35, "wide", 0.20, 0.06),
    "pit water": Material("pit water", "silt", 0.30, "wide", 0.16, 0.04),
    "bitumen roof": Material("bitumen", "asphalt", 0.30, "fine", 0.29, 0.08),
    "solar roof": Material("solar", "bitumen", 0.35, "fine", 0.23, 0.06),
    "green roof": Material("lawn dry", "gravel", 0.45, "fine", 0.23, 0.10),
    "gravel roof": Material("gravel", "asphalt old", 0.35, "fine", 0.23, 0.08),
    "concrete roof": Material("concrete", "gravel", 0.35, "fine", 0.23, 0.08),
    "red roof": Material("tile red", "tile brown", 0.35, "fine", 0.23, 0.10),
    "brown roof": Material("tile brown", "tile red", 0.25, "fine", 0.23, 0.10),
    "metal roof": Material("metal", "concrete", 0.30, "fine", 0.29, 0.08),
    "white roof": Material("white coat", "concrete", 0.40, "fine", 0.23, 0.08),
    "mud roof": Material("mud brick", "desert sand", 0.30, "fine", 0.18, 0.08),
    "tree row": Material("broadleaf", "understorey", 0.35, "fine", 0.12, 0.08, 9),
}
