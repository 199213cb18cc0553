"""A tiny survey of candidates with known answers, for the tests of their inspection."""

import numpy as np
import pandas as pd

from cemp.candidates.catalogue import COLUMNS, designation, write_fits
from cemp.constants import WAVE
from cemp.inspect.decisions import decisions_path
from cemp.inspect.pages import Pages
from cemp.paths import Paths
from cemp.vectors import write_part

OBSIDS = (700_000_001, 700_000_002, 700_000_003, 700_000_004)


class ToyLibrary:
    """Balmer lines, and a G band as deep as [C/H] is high."""

    wave = np.exp(np.linspace(np.log(3600.0), np.log(9200.0), 12_000))

    def emulate(self, labels):
        labels = np.asarray(labels, dtype=float)
        lines = sum(0.4 * np.exp(-0.5 * ((self.wave - centre) / 4) ** 2)
                    for centre in (4341.7, 4862.7, 6564.6))
        band = np.exp(-0.5 * ((self.wave - 4305) / 15) ** 2)
        depth = 0.2 * np.clip(labels[:, 2] + labels[:, 3] + 3.0, 0, 4)[:, None]
        norm = np.clip(1 - lines - depth * band, 0, None)
        return norm.astype(np.float32), np.ones_like(norm)


def candidate_table():
    """Four candidates; in the order of inspection OBSIDS[2], [1], [0], [3]."""
    n = len(OBSIDS)
    table = pd.DataFrame({name: np.zeros(n) for name in COLUMNS})
    table["obsid"], table["star_id"] = OBSIDS, [f"G{i}" for i in range(n)]
    table["ra"], table["dec"] = [10.0, 20.0, 30.0, 40.0], [1.0, -2.0, 3.0, -4.0]
    table["designation"] = designation(table["ra"], table["dec"])
    table["teff"], table["logg"], table["fe_h"] = [5000.0, 5200, 5400, 6000], 2.5, -2.5
    table["c_fe"] = [1.0, 1.5, 2.0, 3.4]
    table["c_h"] = table["fe_h"] + table["c_fe"]
    table["e_teff"], table["e_logg"], table["e_fe_h"], table["e_c_h"] = 100.0, 0.3, 0.2, 0.3
    table["e_c_fe"], table["p_cemp"] = np.hypot(0.2, 0.3), [0.9, 0.98, 0.99, 0.7]
    table["snrg"], table["gmag"], table["n_obs"] = [50.0, 60.0, 70.0, 6.0], 15.0, [1, 2, 1, 1]
    table["gaia_source_id"] = np.arange(n)
    table["gband"], table["e_gband"] = [8.0, 9.0, 10.0, np.nan], 0.1
    table["gband_grade"] = ["not confirmed", "confirmed", "confirmed", "untested"]
    flags = ["cemp", "emp", "vmp", "unclassified_mp", "aoki07_cemp", "missing",
             *(name for name in COLUMNS if name.startswith("bc05"))]
    return table.assign(**{name: name in ("cemp", "bc05_vmp") for name in flags})


def make_survey(root, mock=True):
    """Write what notebooks 01, 02 and 05 would have written; return the profile's paths."""
    profiles = root / "notebooks" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "toy.yaml").write_text("{}\n")
    paths, table = Paths("toy", root), candidate_table()
    write_fits(table, paths.stage("05") / "candidates.fits", {"MOCK": (mock, "T: a mock survey")})
    training = pd.DataFrame({"obsid": [1, 2, 3], "star_id": ["a", "b", "c"], "fold": "train",
                             "snrg": [80.0, 90.0, 20.0]})
    labels = pd.DataFrame({"star_id": ["a", "b", "c"], "teff": [5100.0, 6400, 5200], "logg": 2.5,
                           "fe_h": -2.5, "c_h": -1.0, "c_h_limit": False})
    training.to_parquet(paths.stage("01") / "observations.parquet")
    labels.to_parquet(paths.stage("01") / "labels.parquet")
    obsids = [*OBSIDS, 1, 2, 3]
    flux = np.random.default_rng(3).normal(1.0, 0.02, (len(obsids), WAVE.size))
    ivar = np.full(flux.shape, 2500.0)
    ivar[0, (WAVE > 4700) & (WAVE < 4710)] = 0.0
    ivar[3, (WAVE > 4000) & (WAVE < 5600)] = 0.0
    folder = paths.stage("02") / "vectors"
    folder.mkdir()
    write_part(folder, "part-0", obsids, flux, ivar)
    return paths


def made_pages(root, mock=True):
    """Pages of the tiny survey, and the file of decisions."""
    paths = make_survey(root, mock)
    return Pages(paths, ToyLibrary()), decisions_path(paths)
