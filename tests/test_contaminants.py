"""Kinds of objects, their flags, and how errors answer to what is hidden: known answers."""

import numpy as np
import pandas as pd
import pytest

from cemp.constants import N_PIX
from cemp.errors import BadInputError
from cemp.spectrum import Spectrum
from cemp.transfer.contaminants import as_star, count, kind_of, widening
from cemp.transfer.coverage import feature_pixels


@pytest.mark.parametrize(("cls", "subclass", "kind"), [
    ("STAR", "F0", "FGK"), ("STAR", "K7", "FGK"), ("STAR", "A7V", "A"), ("STAR", "gM1", "M"),
    ("QSO", "Non", "galaxy"), ("UNKNOWN", "G5", "unknown"), ("STAR", "WD", "unknown"),
])  # fmt: skip
def test_kinds_follow_the_pipelines_classes(cls, subclass, kind):
    assert kind_of(cls, subclass) == kind


@pytest.mark.parametrize(("z", "taken"), [(0.12, 0.0), (np.nan, 0.0), (-0.0005, -0.0005)])
def test_a_galaxy_taken_for_a_star_loses_its_redshift(z, taken):
    ones = np.ones(3)
    galaxy = Spectrum(1, ones, ones, ones, ones > 0, z, cls="GALAXY")
    assert (as_star(galaxy).cls, as_star(galaxy).z) == ("STAR", taken)


def test_flags_are_counted_by_kind():
    flags = pd.DataFrame({"labels": [0, 1, 0], "reconstruction": [1, 1, 0], "error": [0, 0, 0],
                          "outside": [1, 1, 0]}).astype(bool)
    table = count(["M", "M", "FGK"], flags)
    assert table.loc["M"].tolist() == [2, 1, 2, 0, 2]
    assert table.loc["FGK"].tolist() == [1, 0, 0, 0, 0]
    with pytest.raises(BadInputError, match="2 kinds"):
        count(["M", "M"], flags)


class Reader:
    """Its error of [C/H] doubles where the whole G band is lost; the others never change."""

    def predict(self, flux, good):
        seen = np.asarray(good)[:, feature_pixels("g_band")].any(axis=1)
        covariance = np.tile(np.eye(4), (len(flux), 1, 1))
        covariance[:, 3, 3] = np.where(seen, 1.0, 4.0)
        return None, covariance, None


def test_widening_is_the_ratio_of_errors():
    flux, good = np.ones((3, N_PIX)), np.ones((3, N_PIX), bool)
    table = widening(Reader(), flux, good, {"CH": ("g_band",), "C2": ("c2",)})
    assert table.loc["CH"].tolist() == [1, 1, 1, 2]
    assert table.loc["C2"].tolist() == [1, 1, 1, 1]
