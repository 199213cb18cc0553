"""The selection: its recipe, its simulation and its rates have known answers."""

import numpy as np
import pandas as pd
import pytest

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.selection import recipe as recipes
from cemp.selection.recipe import Recipe, carbon_coverage, select, threshold_for_purity


def table_of(**columns):
    """Table of good candidates but for what is given."""
    good = {"p_cemp": 0.9, "snrg": 30.0, "carbon_good": 1.0, "gband_good": 1.0,
            "outside_reconstruction": False}
    n = max((len(np.atleast_1d(v)) for v in columns.values()), default=1)
    return pd.DataFrame({k: np.broadcast_to(v, n) for k, v in (good | columns).items()})


def test_spectrum_without_light_in_the_blue_is_refused_for_each_reason():
    """A LAMOST spectrum of S/N(g) = 0 without a good pixel at 4050-5580 A got P(CEMP) = 0.85."""
    good = (WAVE < 4050) | (WAVE > 5580)
    cover = carbon_coverage(good[None])
    assert cover["carbon_good"][0] == pytest.approx(120 / 1651)
    assert cover["gband_good"][0] == 0
    dark = table_of(p_cemp=0.85, snrg=0.0, **cover.iloc[0])
    chosen = select(dark).iloc[0]
    reasons = {name.removeprefix("refused_") for name in chosen.index if chosen[name]}
    assert reasons == {"snr", "carbon", "gband"}


def test_each_reason_alone_refuses():
    rows = {"probability": {"p_cemp": 0.5}, "snr": {"snrg": 4.9}, "carbon": {"carbon_good": 0.49},
            "gband": {"gband_good": 0.4}, "outside": {"outside_reconstruction": True}}
    assert select(table_of())["selected"].all()
    for reason, columns in rows.items():
        chosen = select(table_of(**columns)).iloc[0]
        assert not chosen["selected"]
        assert [n for n in chosen.index if chosen[n]] == [f"refused_{reason}"]
    missing = select(table_of(p_cemp=[np.nan, 0.9], snrg=[30.0, np.nan]))
    assert missing["refused_unknown"].all() and not missing["selected"].any()


def test_refusals_are_counted_once_where_they_act_alone():
    table = table_of(p_cemp=[0.9, 0.9, 0.9, 0.1], snrg=[30, 1, 1, 1], gband_good=[1, 1, 0, 1])
    counts = recipes.count_refusals(select(table), table["p_cemp"] > 0.5)
    assert counts.loc["snr", ["stars", "above threshold", "alone"]].tolist() == [3, 2, 1]
    assert counts.loc["gband", ["stars", "above threshold", "alone"]].tolist() == [1, 1, 0]


def test_signs_outside_refuse_only_where_the_recipe_asks():
    table = table_of(outside_reconstruction=True, outside_error=[True, False])
    assert select(table, Recipe(exclude=()))["selected"].tolist() == [True, True]
    assert select(table, Recipe(exclude=("error",)))["selected"].tolist() == [False, True]


def test_recipe_survives_a_file_and_refuses_nonsense(tmp_path):
    recipe = Recipe(p_threshold=0.73, min_snr_g=8.0, exclude=("reconstruction", "error"))
    recipe.to_json(tmp_path / "recipe.json")
    assert Recipe.from_json(tmp_path / "recipe.json") == recipe
    (tmp_path / "other.json").write_text('{"p_threshold": 0.5, "colour": 1}')
    with pytest.raises(BadInputError, match="other.json: entries colour"):
        Recipe.from_json(tmp_path / "other.json")
    with pytest.raises(BadInputError, match="none.json"):
        Recipe.from_json(tmp_path / "none.json")
    with pytest.raises(BadInputError, match="excludes by 'colour'"):
        Recipe(exclude=("colour",))
    with pytest.raises(BadInputError, match="probability lie in 0-1"):
        Recipe(p_threshold=1.5)
    with pytest.raises(BadInputError, match="lacks p_cemp"):
        select(table_of().drop(columns="p_cemp"))
    with pytest.raises(BadInputError, match=str(N_PIX)):
        carbon_coverage(np.ones((2, 10)))


def test_threshold_reaches_the_purity_and_no_lower_one_does():
    p = np.linspace(0.001, 0.999, 999)
    random = np.random.default_rng(1)
    true = random.random(999) < p
    found = threshold_for_purity(p, true, 0.9)
    above = p > found.value
    assert found.selected == above.sum() and true[above].mean() >= 0.9
    assert all(true[p > t].mean() < 0.9 for t in p[p < found.value])
    # P is honest: above t the purity is (1 + t) / 2
    assert found.value == pytest.approx(0.8, abs=0.06)
    assert 0.85 < found.low < found.purity


def test_threshold_with_weights_ties_and_none():
    p = np.repeat([0.2, 0.6, 0.9], 20)
    true = np.r_[np.zeros(20), np.tile([1, 0], 10), np.ones(20)] > 0
    assert threshold_for_purity(p, true, 0.75).value == 0.2
    # false ones ten times as common: the middle group's purity falls to (10+20)/(30+100)
    weight = np.where(true, 1.0, 10.0)
    found = threshold_for_purity(p, true, 0.75, weight)
    assert (found.value, found.purity, found.selected) == (0.6, 1.0, 20)
    # one-sided 95% bound of 20 of 20: 0.05^(1/20)
    assert found.low == pytest.approx(0.05 ** (1 / 20))
    with pytest.raises(BadInputError, match="no threshold"):
        threshold_for_purity(p, np.zeros(60, bool), 0.5)
    with pytest.raises(BadInputError, match="no threshold"):
        threshold_for_purity([np.nan], [True], 0.5)
