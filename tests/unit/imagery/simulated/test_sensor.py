"""The sensor blurs as it says, keeps the light, and never writes nodata for data."""

import numpy as np
import pytest

from urbanseg.grid import Window
from urbanseg.imagery.simulated import sensor
from urbanseg.imagery.simulated.atmosphere import sky
from urbanseg.imagery.simulated.illumination import Sun

FACTOR = 5
CLEAR = sky((40, 60), 0.0, 0.0, Sun(150, 60), 10, 1)


def test_a_wave_at_the_nyquist_frequency_keeps_the_stated_contrast() -> None:
    x = np.arange(200 * FACTOR) / FACTOR  # in scene pixels
    wave = 0.5 + 0.4 * np.cos(np.pi * (x + 0.5 / FACTOR - 0.5))
    light = np.broadcast_to(wave.astype(np.float32), (1, 8 * FACTOR, len(x)))
    seen = sensor.sample(light, FACTOR)[0, 4, 10:-10]
    contrast = (seen.max() - seen.min()) / 2 / 0.4
    assert contrast == pytest.approx(sensor.MTF_AT_NYQUIST, abs=0.02)


def test_sampling_keeps_the_mean() -> None:
    light = np.zeros((4, 200, 300), np.float32)
    light[:, 90:110, 100:200] = 0.7
    assert sensor.sample(light, FACTOR).mean() == pytest.approx(light.mean(), rel=1e-5)


def test_noise_is_as_strong_as_asked_and_black_is_not_nodata() -> None:
    window = Window(0, 0, 200, 200)
    grey = sensor.digitise(np.full((4, 200, 200), 0.2, np.float32), 0.01, 3, window)
    expected = np.hypot(0.01, 0.2 * sensor.GAIN_NOISE) * sensor.SCALE
    assert grey.std() == pytest.approx(expected, rel=0.02)
    assert grey.mean() == pytest.approx(2000, abs=2)
    assert sensor.digitise(np.zeros((4, 200, 200), np.float32), 0.01, 3, window).min() == 1


def test_noise_does_not_depend_on_how_the_scene_is_cut() -> None:
    seen = np.random.default_rng(1).random((4, 40, 60), np.float32)
    whole = sensor.digitise(seen, 0.01, 3, Window(0, 0, 40, 60))
    lower = sensor.digitise(seen[:, 13:], 0.01, 3, Window(13, 0, 27, 60))
    np.testing.assert_array_equal(whole[:, 13:], lower)


def test_the_scene_classification_tells_vegetation_water_and_soil_apart() -> None:
    spectra = {
        4: (300, 600, 400, 4000),
        6: (300, 300, 200, 100),
        5: (1000, 1400, 1900, 2600),
        2: (300, 350, 400, 600),
    }
    for code, values in spectra.items():
        numbers = np.broadcast_to(np.array(values, np.uint16)[:, None, None], (4, 40, 60))
        assert (sensor.classify(numbers, CLEAR, Window(0, 0, 40, 60)) == code).all()


def test_clouds_and_their_shadows_are_marked_where_they_are() -> None:
    air = sky((200, 300), 0.3, 0.0, Sun(150, 60), 10, 5)
    window = Window(0, 0, 200, 300)
    codes = sensor.classify(np.full((4, 200, 300), 1500, np.uint16), air, window)
    cloud = air.opacity(window) > 0
    assert np.isin(codes, (8, 9)).mean() == pytest.approx(cloud.mean())
    assert (np.isin(codes, (8, 9)) == cloud).all()
    assert ((codes == 3) == (~cloud & (air.shade(window) > sensor.MARKED_SHADOW))).all()
    assert {3, 8, 9} <= set(np.unique(codes))
