"""The mock's stars and their observations: known answers, and no leak of labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from scipy.stats import f_oneway, spearmanr

from cemp.mock import astrometry, carbon, tracks
from cemp.mock.contaminants import add_contaminants
from cemp.mock.observations import observe
from cemp.mock.population import PopulationSettings, apportion, draw_population
from cemp.synthesis.grid import load_grid

SEED = 20261122


@pytest.fixture(scope="module")
def population():
    return draw_population(PopulationSettings(4000), SEED)


@pytest.fixture(scope="module")
def observed(population):
    return observe(add_contaminants(population, seed=SEED), seed=SEED)


@pytest.fixture(scope="module")
def joined(observed):
    stars, observations = observed
    stars = stars[stars["kind"] == "star"].drop(columns=["ra", "dec", "rv", "cls"])
    return observations.merge(stars, on="star_key")


def test_every_star_lies_inside_the_grid_of_spectra(population):
    p = population
    assert tracks.in_grid(p["teff"], p["logg"], 0.0).all()
    assert p["fe_h"].between(-4.0, 0.5).all()
    assert (p["c_fe"] >= -0.8).all()
    assert (p["c_fe"] <= np.minimum(3.5, 0.3 - p["fe_h"])).all()
    assert p["alpha_fe"].between(-0.2, 0.6).all() and p["n_fe"].between(-0.3, 1.2).all()


def test_sizes_are_the_survey_like_ones(population):
    seen = population[population["in_lamost"]]
    assert seen["group"].value_counts().to_dict() == {
        "apogee": 1900, "search": 1600, "saga": 330, "subaru": 170}
    cemp = seen.groupby("group")["is_cemp"].sum()
    assert 95 <= cemp["saga"] + cemp["subaru"] <= 135
    assert cemp["search"] >= 400 and cemp["apogee"] == 0
    assert (seen[["in_apogee", "in_subaru", "in_saga"]].sum(axis=1) > 1).sum() > 80


def test_a_small_mock_keeps_the_proportions():
    small = draw_population(PopulationSettings(380), SEED)
    small = small[small["in_lamost"]]
    labelled = small["in_apogee"] | small["in_subaru"] | small["in_saga"]
    assert len(small) == 380
    assert small.loc[~labelled, "is_cemp"].sum() >= 40
    assert (small.loc[labelled, "fe_h"] < -1.8).sum() >= 40


def test_cemp_follows_the_exact_inequalities(population):
    expected = (population["fe_h"] < -2.0) & (population["c_fe"] > 0.7)
    pd.testing.assert_series_equal(population["is_cemp"], expected, check_names=False)
    np.testing.assert_allclose(population["c_h"] - population["fe_h"], population["c_fe"])


def test_no_two_stars_share_a_label_or_a_name(population):
    for name in ("teff", "logg", "fe_h", "c_fe", "n_fe", "star_key", "gaia_source_id"):
        assert population[name].is_unique, name


def test_seed_decides_everything(population):
    again = draw_population(PopulationSettings(4000), SEED)
    pd.testing.assert_frame_equal(population, again)
    other = draw_population(PopulationSettings(4000), SEED + 1)
    assert not np.intersect1d(other["teff"], population["teff"]).size


def test_carbon_of_cemp_stars_has_the_two_published_peaks():
    fe_h = np.full(4000, -3.2)
    a_c = carbon.draw_enhanced(fe_h, np.random.default_rng(1)) + fe_h + 8.43
    counts, edges = np.histogram(a_c, np.arange(5.7, 8.81, 0.2))
    middle = 0.5 * (edges[1:] + edges[:-1])
    low, high = middle < 7.1, middle > 7.1
    assert middle[low][counts[low].argmax()] == pytest.approx(6.28, abs=0.21)
    assert middle[high][counts[high].argmax()] == pytest.approx(7.96, abs=0.21)
    valley = counts[np.abs(middle - 7.2) < 0.15].mean()
    assert valley < 0.75 * min(counts[low].max(), counts[high].max())


def test_natural_fraction_gives_the_published_cumulative_fractions():
    # Lee et al. (2013), Placco et al. (2014), in a halo that thins out by ten a dex
    assert carbon.cumulative_fraction(-2.0) == pytest.approx(0.20, abs=0.05)
    assert carbon.cumulative_fraction(-3.0) == pytest.approx(0.43, abs=0.05)


def test_bright_giants_have_lost_carbon():
    generator = np.random.default_rng(2)
    fe_h = np.full(3000, -2.5)
    dwarf, tip = (carbon.draw_normal(fe_h, np.full(3000, g), generator) for g in (4.3, 0.6))
    assert np.median(dwarf) - np.median(tip) == pytest.approx(0.68, abs=0.05)


def test_gband_depth_describes_the_synthetic_spectra():
    grid = load_grid()
    band = (grid.wave > 4291) & (grid.wave < 4317)
    depth = 1 - grid.norm[:, band].mean(axis=1)
    teff, fe_h, c_fe = grid.labels[:, 0], grid.labels[:, 2], grid.labels[:, 3]
    poor = (fe_h < -1.8) & (teff > 4300)
    model = carbon.gband_depth(teff, 8.43 + fe_h + c_fe)
    assert np.median(np.abs(model - depth)[poor]) < 0.05
    assert spearmanr(model[poor], depth[poor]).statistic > 0.95


def test_carbon_is_seen_where_the_band_is_and_limited_elsewhere():
    # [Fe/H] = -2.8: a normal turn-off star, an enhanced one, a normal cool giant
    teff, a_c = np.array([6300, 6300, 4800]), np.array([5.7, 7.6, 5.7])
    assert carbon.carbon_detected(teff, a_c, 60).tolist() == [False, True, True]
    limit = carbon.carbon_limit(6300.0, 60.0)
    assert carbon.gband_depth(6300.0, limit) == pytest.approx(carbon.least_depth(60.0))
    assert carbon.carbon_limit(6300.0, 200.0) < limit < carbon.carbon_limit(6300.0, 20.0)


def test_metal_poor_sequences_are_hotter_and_turn_off_where_isochrones_do():
    logg = np.array([1.0, 2.5, 4.3])
    assert (tracks.ridge_teff(logg, -2.5) > tracks.ridge_teff(logg, 0.0) + 300).all()
    assert tracks.ridge_teff(4.44, 0.0) == pytest.approx(5790, abs=60)  # the Sun's gravity
    turnoff = tracks.ridge_teff(np.linspace(3.5, 4.8, 200), -2.5).max()
    assert turnoff == pytest.approx(6560, abs=30)


def test_apportion_adds_up():
    parts = apportion(101, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert sum(parts.values()) == 101 and max(parts.values()) - min(parts.values()) == 1


def test_proper_motion_of_one_arcsec_a_year_moves_sixteen_arcsec():
    star = pd.DataFrame({"ra": [150.0], "dec": [60.0], "pmra": [1000.0], "pmdec": [0.0]})
    ra, dec = astrometry.at_epoch(star, 2000.0)
    assert (150.0 - ra[0]) * 3600 * np.cos(np.radians(60)) == pytest.approx(16.0)
    assert dec[0] == pytest.approx(60.0)


def test_designation_is_that_of_a_real_file():
    # RA, DEC and DESIG of spec-55877-B7708_sp03-110
    name = astrometry.sexagesimal(138.080956, 27.893459, "LAMOST ")
    assert name == "LAMOST J091219.42+275336.4"
    assert astrometry.sexagesimal(0.0, -0.5) == "J000000.00-003000.0"


def test_observations_look_like_the_survey(observed):
    stars, o = observed
    assert o["obsid"].is_unique
    assert not o.duplicated(["lmjd", "planid", "spid", "fiberid"]).any()
    assert o["spid"].between(1, 16).all() and o["fiberid"].between(1, 250).all()
    times = o.groupby("star_key").size()
    assert (times > 1).mean() == pytest.approx(0.25, abs=0.03) and times.max() <= 4
    assert not o.duplicated(["star_key", "planid"]).any()
    assert (o["snr_g"] >= 50).mean() == pytest.approx(0.55, abs=0.03)
    assert o["snr_g"].between(5, 300).all()
    assert set(o["star_key"]) == set(stars.loc[stars["in_lamost"], "star_key"])


def test_repeats_share_a_uid_unless_the_survey_lost_them(observed):
    _, o = observed
    ids = o.groupby("star_key")["uid"].nunique()
    repeated = o.groupby("star_key").size() > 1
    assert (ids[~repeated] == 1).all()
    assert 0.01 < (ids[repeated] > 1).mean() < 0.12
    assert (o.groupby("uid")["star_key"].nunique() == 1).all()


HARMLESS = ("obsid", "lmjd", "spid", "fiberid", "ra", "dec", "snr_g", "gmag", "ebv", "order")


@pytest.mark.parametrize("what", HARMLESS)
def test_no_housekeeping_column_ranks_with_a_label(joined, what):
    one = joined.assign(order=np.arange(len(joined))).drop_duplicates("star_key")
    bound = 4.5 / np.sqrt(len(one))
    for label in ("teff", "fe_h", "c_fe", "is_cemp"):
        assert abs(spearmanr(one[what], one[label]).statistic) < bound, label


def test_plates_do_not_tell_labels(joined):
    one = joined.drop_duplicates("star_key")
    plates = [group["fe_h"].to_numpy() for _, group in one.groupby("planid") if len(group) > 5]
    assert f_oneway(*plates).pvalue > 1e-4


def test_neighbours_in_housekeeping_do_not_classify_cemp(joined):
    one = joined.drop_duplicates("star_key")
    columns = ["obsid", "ra", "dec", "snr_g", "fiberid", "spid"]
    ranks = one[columns].rank(pct=True).to_numpy()
    _, near = cKDTree(ranks).query(ranks, k=11)
    score = one["is_cemp"].to_numpy()[near[:, 1:]].mean(axis=1)
    truth = one["is_cemp"].to_numpy()
    rank = pd.Series(score).rank().to_numpy()
    n1, n0 = truth.sum(), (~truth).sum()
    auc = (rank[truth].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
    assert auc == pytest.approx(0.5, abs=0.06)


def test_names_do_not_order_stars(population):
    order = population["star_key"].rank()
    assert abs(spearmanr(order, population["fe_h"]).statistic) < 0.07
    assert abs(spearmanr(population["gaia_source_id"], population["fe_h"]).statistic) < 0.07
