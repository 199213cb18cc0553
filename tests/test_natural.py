"""The natural population and the weights that lead to it."""

import numpy as np
import pytest

from cemp.mock import carbon, natural
from cemp.mock.components import COMPONENTS
from cemp.mock.population import PopulationSettings, draw_population
from cemp.paths import ROOT

REAL = ROOT.parent / "shared" / "real" / "catalogues"


@pytest.fixture(scope="module")
def drawn():
    return natural.natural_population(60_000, seed=3)


@pytest.fixture(scope="module")
def enriched():
    stars = draw_population(PopulationSettings(n_stars=12_000), seed=5)
    stars = stars[stars["in_lamost"]]
    return stars, natural.weights(stars)


def share(values, weight=None):
    return float(np.average(values, weights=weight))


def test_halo_has_the_published_peak_and_slope():
    grid = np.linspace(-3.98, -0.5, 5000)
    density = natural.halo_density(grid)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    assert grid[np.argmax(density)] == pytest.approx(-1.6, abs=0.01)
    tail = (grid > -3.4) & (grid < -2.5)
    assert np.polyfit(grid[tail], np.log10(density[tail]), 1)[0] == pytest.approx(1.0, abs=0.01)


def test_densities_of_the_components_add_up_to_one():
    grid = np.linspace(-4.2, 0.7, 8001)
    assert np.trapezoid(natural.natural_density(grid), grid) == pytest.approx(1, abs=2e-3)
    mixture = natural.survey_mixture()
    assert sum(mixture.values()) == pytest.approx(1)
    total = sum(np.trapezoid(natural.enriched_density(grid, k, mixture), grid)
                for k in natural.KINDS)  # fmt: skip
    assert total == pytest.approx(1, abs=2e-3)


def test_natural_stars_have_the_literature_fraction(drawn):
    for limit in (-2.0, -2.5, -3.0):
        rich = drawn["c_fe"][drawn["fe_h"] < limit] > 0.7
        error = 0.5 / np.sqrt(len(rich))
        assert rich.mean() == pytest.approx(carbon.cumulative_fraction(limit), abs=3 * error)
    assert carbon.cumulative_fraction(-2.0) == pytest.approx(natural.PLACCO[-2.0], abs=0.02)
    assert carbon.cumulative_fraction(-3.0) == pytest.approx(natural.PLACCO[-3.0], abs=0.04)


def test_natural_sample_is_mostly_disc_and_draws_again(drawn):
    assert (drawn["fe_h"] < -2).mean() == pytest.approx(0.014, abs=0.003)
    assert drawn["is_cemp"].mean() < 0.005
    again = natural.natural_population(60_000, seed=3)
    assert again.equals(drawn)
    assert not natural.natural_population(100, seed=4).equals(drawn[:100])


def test_carbon_is_bimodal(drawn):
    a_c = (drawn["c_h"] + 8.43)[drawn["kind"] == "enhanced"]
    counts, edges = np.histogram(a_c, np.arange(5.0, 9.1, 0.3))
    middle = 0.5 * (edges[1:] + edges[:-1])
    valley = counts[(middle > 6.9) & (middle < 7.4)].min()
    assert counts[middle < 6.9].max() > 1.3 * valley
    assert counts[middle > 7.4].max() > 1.3 * valley


def test_weighted_mock_has_the_natural_metallicities(enriched, drawn):
    stars, weight = enriched
    assert weight.mean() == pytest.approx(1, abs=0.03)
    edges = [-4.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5]
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        there, here = (t["fe_h"].between(low, high) for t in (drawn, stars))
        effective = natural.effective_number(weight[here])
        error = np.hypot(np.sqrt(there.mean() / len(drawn)), share(here, weight) / effective**0.5)
        assert share(here, weight) == pytest.approx(there.mean(), abs=4 * error)


def test_weighted_mock_has_the_natural_cemp_fraction(enriched):
    stars, weight = enriched
    poor = (stars["fe_h"] < -2).to_numpy()
    assert stars["is_cemp"][poor].mean() > 0.4
    assert share(stars["is_cemp"][poor], weight[poor]) == pytest.approx(0.20, abs=0.03)
    for low, high in ((-3.98, -3.0), (-3.0, -2.5), (-2.5, -2.0)):
        here = stars["fe_h"].between(low, high).to_numpy()
        expected = np.average(carbon.natural_fraction(stars["fe_h"][here]), weights=weight[here])
        rich = stars["c_fe"][here] > 0.7
        assert share(rich, weight[here]) == pytest.approx(expected, abs=0.05)


def test_weights_of_one_group_use_its_own_mixture(enriched):
    stars, _ = enriched
    search = stars[stars["group"] == "search"]
    weight = natural.weights(search, natural.survey_mixture(groups=["search"]))
    assert weight.mean() == pytest.approx(1, abs=0.06)
    poor = (search["fe_h"] < -2).to_numpy()
    assert share(search["is_cemp"][poor], weight[poor]) == pytest.approx(0.20, abs=0.04)


def test_objects_without_labels_have_no_weight(enriched):
    stars = enriched[0].iloc[:3].assign(fe_h=[np.nan, -1.0, -2.5])
    assert np.isnan(natural.weights(stars)[0])
    assert set(natural.KINDS) == {c.carbon for c in COMPONENTS.values()}


def test_effective_number_of_equal_weights_is_their_count():
    assert natural.effective_number(np.full(7, 3.0)) == pytest.approx(7)
    assert natural.effective_number([1.0, np.nan]) == pytest.approx(1)


def test_published_fractions_follow_from_the_published_table():
    table = REAL / "placco2014_J_ApJ_797_21" / "table3.dat"
    if not table.is_file():
        pytest.skip(f"{table} is not there: real tables are kept beside the repository")
    rows = [line for line in table.read_text().splitlines() if line[100:101] == "1"]
    fe_h, c_fe = (np.array([float(row[a:b]) for row in rows]) for a, b in ((30, 35), (60, 65)))
    for limit, fraction in natural.PLACCO.items():
        assert (c_fe[fe_h <= limit] >= 0.7).mean() == pytest.approx(fraction, abs=0.01)


def test_counts_of_carbon_follow_from_the_compilation():
    path = REAL / "cemp_master_257.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there: real tables are kept beside the repository")
    import pandas as pd

    table = pd.read_csv(path, dtype=str)
    values = table[["[Fe/H]", "c[C/Fe]"]].apply(pd.to_numeric, errors="coerce")
    known = values.notna().all(axis=1) & table["ul[Fe/H]"].isna() & table["ulc[C/Fe]"].isna()
    known &= values["[Fe/H]"].between(-4.0, -2.5)
    counts, _ = np.histogram(values[known].sum(axis=1) + 8.43, natural.LITERATURE_AC[0])
    assert np.array_equal(counts, natural.LITERATURE_AC[1])
