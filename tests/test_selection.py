"""The selection: its recipe, its simulation and its rates have known answers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cemp.candidates.assess import binomial_interval
from cemp.candidates.gband import NATIVE
from cemp.constants import LABELS, N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.mock.instrument import InstrumentSettings
from cemp.selection import agree, bench, depth, origin, product, rates, sets, yields
from cemp.selection import recipe as recipes
from cemp.selection.domain import draw_training
from cemp.selection.function import SelectionFunction, halves, selection
from cemp.selection.recipe import (
    Recipe,
    carbon_coverage,
    select,
    threshold_at,
    threshold_for_purity,
)
from cemp.selection.simulate import Nights, realise
from cemp.transfer.reconstruct import every


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


def test_limit_of_temperature_refuses_warm_stars_only():
    table = table_of(teff=[5900.0, 6100.0, np.nan])
    assert select(table, Recipe(max_teff=6000.0))["selected"].tolist() == [True, False, False]
    assert select(table)["selected"].all()
    with pytest.raises(BadInputError, match="lacks teff"):
        select(table_of(), Recipe(max_teff=6000.0))


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


def test_a_threshold_is_never_rounded_down():
    """A star just above the rounded value would come in that the purity was not found with."""
    for value, up in ((0.6744, 0.675), (0.6746, 0.675), (0.67501, 0.676), (0.675, 0.675), (0, 0)):
        assert recipes.Threshold(value, 0.8, 0.5, (0.6, 0.9), 17).rounded(3) == up
    values = np.random.default_rng(8).random(1000)
    up = np.array([recipes.Threshold(v, 1, 0, (0, 1), 1).rounded(3) for v in values])
    assert np.all(up >= values) and np.all(up - values < 0.001)


def test_purity_at_a_threshold_and_how_little_it_rests_on():
    p, true = np.r_[np.full(17, 0.9), np.full(50, 0.1), np.nan], np.arange(68) < 15
    found = threshold_at(p, true, 0.5)
    assert (found.selected, found.purity) == (17, pytest.approx(15 / 17))
    low, high = binomial_interval(15, 17, 0.68)
    assert found.interval == pytest.approx((float(low), float(high)))
    assert found.low == pytest.approx(float(binomial_interval(15, 17, 0.9)[0]))
    nobody = threshold_at(p, true, 0.95)
    assert nobody.selected == 0 and np.isnan(nobody.purity) and nobody.interval == (0.0, 1.0)
    whole = threshold_for_purity(p, true, 0.8)
    assert whole == threshold_at(p, true, whole.value)


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


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_stars_without_a_weight_are_refused_and_counted(wrong):
    """Contaminants have none: without them the others would look pure."""
    p, true = np.r_[np.full(20, 0.9), np.nan], np.arange(21) < 15
    weight = np.where(true, 1.0, wrong)
    with pytest.raises(BadInputError, match="5 of 21 stars .* NaN, infinite or negative"):
        threshold_for_purity(p, true, 0.5, weight)
    with pytest.raises(BadInputError, match="5 of 21 stars"):
        threshold_at(p, true, 0.5, weight)
    weight = np.r_[np.ones(20), wrong]  # of a star without P(CEMP), which is asked nothing
    assert threshold_at(p, true, 0.5, weight).purity == pytest.approx(0.75)


# ---- what the training covers -------------------------------------------------------------------


def test_training_spectra_are_drawn_evenly_in_kind_and_star_by_star():
    """1000 ordinary stars of two spectra, 20 metal-poor ones, 10 of them rich in carbon."""
    name = np.array([f"s{i:04d}" for i in range(1030)])
    labels = pd.DataFrame({"star_id": name, "teff": 5000.0, "fe_h": np.where(name < "s1000", 0, -3),
                           "c_h": np.where(name < "s1010", np.nan, -1.0)})  # fmt: skip
    rows = pd.DataFrame({"star_id": np.repeat(name, 2), "obsid": np.arange(2060)})
    drawn = draw_training(rows, labels.iloc[:-10], most=200)  # the last ten have no labels
    assert len(drawn) == 200 and (drawn["star_id"].value_counts() == 2).all()
    number = drawn["star_id"].str[1:].astype(int)
    counts = [number.between(*ends).sum() for ends in ((0, 999), (1000, 1009), (1010, 1019),
                                                       (1020, 1029))]  # fmt: skip
    assert counts == [140, 20, 20, 20]
    pd.testing.assert_frame_equal(drawn, draw_training(rows, labels.iloc[:-10], most=200))
    assert draw_training(rows, labels, most=2060) is rows
    # no [Fe/H] is no label, and not that of the Sun: the same ten are a kind of their own
    for name in ("fe_h", "teff"):
        without = labels.assign(**{name: labels[name].where(labels.index < 1020)})
        pd.testing.assert_frame_equal(drawn, draw_training(rows, without, most=200))


def test_spectra_of_a_star_stay_together():
    assert every(3, 6, ["a", "a", "b", "c", "d", "a"]).tolist() == [1, 1, 0, 0, 1, 1]
    assert every(3, 6).tolist() == [1, 0, 0, 1, 0, 0]


# ---- simulated vectors --------------------------------------------------------------------------

QUIET = InstrumentSettings(noise_share=1.0, noise_share_rms=0.0, pixel_error=0.0, telluric=0.0,
                           noise_link=0.0, rv_floor=0.0)  # fmt: skip
AWAY = (WAVE > 4000) & (WAVE < 6200)  # from the band that nobody corrects


def made_nights(n=40, ivar=400.0):
    """Observations of constant error; the last 100 pixels of each are bad."""
    table = np.full((n, N_PIX), ivar, dtype=np.float32)
    table[:, -100:] = 0
    return Nights(np.arange(n), np.full(n, 1e6), np.linspace(4000, 7000, n), table)


def test_noise_has_the_size_of_ivar_and_the_link_of_resampling():
    nights, random = made_nights(), np.random.default_rng(2)
    native = np.ones((40, NATIVE.size))
    flux, ivar, good = realise(native, nights, np.arange(40), random, QUIET)
    noise = (flux - 1)[:, AWAY] * 20
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert abs(noise.mean()) < 0.01
    # at 4000-6200 A a native pixel is 0.92-1.43 A wide: neighbours share one, distant ones none
    assert 0.3 < np.mean(noise[:, 1:] * noise[:, :-1]) < 0.6
    assert abs(np.mean(noise[:, 5:] * noise[:, :-5])) < 0.02
    assert not good[:, -100:].any() and good[:, :-100].all()
    assert np.all(flux[:, -100:] == 1) and np.all(ivar[~good] == 0) and np.all(ivar[good] == 400)


def test_noise_is_less_where_the_survey_overstates_it_and_velocities_scatter():
    random, nights = np.random.default_rng(3), made_nights()
    line = 1 - 0.8 * np.exp(-0.5 * ((NATIVE - 5000) / 4) ** 2)
    settings = replace(QUIET, noise_share=0.5, rv_floor=60.0)
    flux, *_ = realise(np.tile(line, (40, 1)), nights, np.arange(40), random, settings)
    clear = AWAY & (np.abs(WAVE - 5000) > 40)
    assert ((flux - 1)[:, clear] * 20).std() == pytest.approx(0.5, abs=0.01)
    near = np.abs(WAVE - 5000) < 15
    depth = np.clip(1 - flux[:, near], 0, None)
    centre = (depth * WAVE[near]).sum(axis=1) / depth.sum(axis=1)
    assert 30 < np.std((centre - 5000) / 5000 * 299792) < 100


def test_observations_are_drawn_from_stars_of_similar_temperature():
    nights, random = made_nights(400), np.random.default_rng(4)
    rows = nights.draw(np.full(500, 5500.0), random, near=40)
    assert nights.teff[rows].min() > 5300 and nights.teff[rows].max() < 5700
    assert len(set(rows)) > 30
    assert np.ptp(nights.teff[nights.draw(np.full(500, np.nan), random)]) > 2900
    assert nights.draw([3000.0, 9000.0], random, near=1).tolist() == [0, 399]


def test_sets_hold_what_they_say():
    rich = sets.draw_set("carbon_rich", 500)
    assert rich["fe_h"].min() >= -2 and rich["c_fe"].min() >= 0.7
    assert (rich["fe_h"] + rich["c_fe"]).max() < 0.3 and rich["c_fe"].max() > 1.8
    natural = sets.draw_set("natural", 4000)
    assert not ((natural["fe_h"] < -2) & (natural["c_fe"] > 0.7)).any()
    assert natural["weight"].mean() == pytest.approx(1, abs=0.05)
    # half of the stars are poor ones, but they weigh what the natural population has, about 7%
    poor = natural["fe_h"] < sets.POOR
    assert poor.mean() > 0.5
    assert np.average(poor, weights=natural["weight"]) == pytest.approx(0.07, abs=0.02)
    spread = sets.draw_set("function", 500)
    assert spread["fe_h"].between(*sets.FUNCTION_FE_H).all() and spread["weight"].isna().all()
    pd.testing.assert_frame_equal(spread, sets.draw_set("function", 500))
    assert sets.draw_set("hot", 3)["teff"].isna().all()


# ---- rates --------------------------------------------------------------------------------------


def spectra(n_star, n_noise, hit_stars=(), weight=None):
    """Table of spectra of which some stars are always selected."""
    star = np.repeat(np.arange(n_star), n_noise)
    table = pd.DataFrame({"star": star, "selected": np.isin(star, hit_stars)})
    return table if weight is None else table.assign(weight=np.asarray(weight)[star])


def test_rate_without_a_hit_gives_the_limit_of_the_stars():
    found = rates.rate(spectra(100, 10))
    assert (found["value"], found["hits"], found["spectra"], found["stars"]) == (0, 0, 1000, 100)
    assert found["upper"] == pytest.approx(1 - 0.05 ** (1 / 100))
    # the rule of three; and 100 stars of which a quarter weighs next to nothing are 75
    assert rates.rate(spectra(1000, 20))["upper"] == pytest.approx(3 / 1000, rel=0.01)
    weight = np.where(np.arange(100) < 25, 1e-6, 1.0)
    few = rates.rate(spectra(100, 10, weight=weight))
    assert few["upper"] == pytest.approx(1 - 0.05 ** (1 / 75), rel=1e-4)


def test_the_upper_limit_does_not_fall_with_more_hits():
    limits = []
    for hits in range(0, 60, 1):
        table = spectra(100, 10)
        table.loc[10 * np.arange(hits), "selected"] = True  # one spectrum of each of the stars
        limits.append(rates.rate(table)["upper"])
    assert np.all(np.diff(limits) >= 0) and limits[0] < limits[-1]
    assert limits[-1] == pytest.approx(binomial_interval(59, 1000, 0.9)[1], rel=0.01)


def test_repeats_of_a_star_do_not_narrow_the_interval():
    once, often = (rates.rate(spectra(200, n, range(20))) for n in (1, 10))
    assert once["value"] == often["value"] == 0.1
    assert often["high"] - often["low"] == pytest.approx(once["high"] - once["low"], rel=0.02)
    low, high = binomial_interval(20, 200, 0.68)
    assert (once["low"], once["high"]) == pytest.approx((float(low), float(high)))
    # independent spectra do
    table = spectra(200, 10).assign(selected=np.random.default_rng(6).random(2000) < 0.1)
    free = rates.rate(table)
    assert free["high"] - free["low"] < 0.4 * (once["high"] - once["low"])


def test_weights_undo_an_enrichment():
    weight = np.where(np.arange(200) < 100, 0.2, 1.8)  # the first half was drawn too often
    found = rates.rate(spectra(200, 2, range(50), weight))
    assert found["value"] == pytest.approx(0.5 * 0.2 / 2)


def test_purity_follows_bayes_and_its_bound_the_upper_limit():
    complete, alarm = {"value": 0.8}, {"value": 0.002, "upper": 0.008}
    curve = rates.purity_curve([0.01], complete, alarm).iloc[0]
    assert curve["purity"] == pytest.approx(0.008 / (0.008 + 0.99 * 0.002))
    assert curve["lower"] == pytest.approx(0.008 / (0.008 + 0.99 * 0.008))


def test_thresholds_below_what_was_simulated_are_refused():
    with pytest.raises(BadInputError, match="above 0.2 only"):
        rates.choose(table_of(), Recipe(p_threshold=0.1))
    assert rates.choose(table_of(), Recipe())["selected"].all()


# ---- the function and the order -----------------------------------------------------------------


def made_function_table(n, seed):
    """Simulated stars whose chance is known: it rises with [C/Fe] and S/N."""
    random = np.random.default_rng(seed)
    stars = sets.draw_set("function", n, seed)
    snr = np.exp(random.uniform(np.log(3), np.log(200), n))
    chance = 1 / (1 + np.exp(-2 * (stars["c_fe"] - 1.0) - np.log(snr / 20)))
    table = stars.add_prefix("true_").assign(snrg=snr, chance=chance, star=np.arange(n), set="f")
    return table.assign(selected=(random.random(n) < chance) & (snr >= 5))


def test_selection_function_recovers_a_known_chance(tmp_path):
    about = {"recipe": {"min_snr_g": 5.0}}
    function = SelectionFunction(degree=2).fit(made_function_table(6000, 1), about)
    new = made_function_table(2000, 2)
    new = new[new["snrg"] >= 5]
    labels = [new[f"true_{n}"] for n in ("teff", "logg", "fe_h", "c_fe")]
    difference = function(*labels, new["snrg"]) - new["chance"]
    assert np.nanstd(difference) < 0.04 and abs(np.nanmean(difference)) < 0.01
    assert np.isfinite(difference).mean() > 0.97
    table = function.calibration(new)
    assert (table["stated"] - table["value"]).abs().max() < 0.12
    assert function(4800, 1.8, -2.5, 2.0, 4.9) == 0
    for outside in ((4800, 1.8, -1.0, 0.5), (4800, 1.8, -2.5, 2.9), (4800, 1.8, -2.5, -0.5),
                    (8000, 4.0, -2.5, 1.0), (4800, 4.99, -2.5, 1.0), (4800, np.nan, -2.5, 1.0)):
        assert np.isnan(function(*outside, 30.0))
    function.to_json(tmp_path / "f.json")
    again = SelectionFunction.from_json(tmp_path / "f.json")
    assert again(4800, 1.8, -2.5, 1.5, [20.0, 50.0]) == pytest.approx(
        function(4800, 1.8, -2.5, 1.5, [20.0, 50.0]), abs=1e-4)
    with pytest.raises(BadInputError, match="no selection function"):
        SelectionFunction.from_json(tmp_path / "none.json")
    with pytest.raises(BadInputError, match="all or none"):
        SelectionFunction().fit(new.assign(selected=True), about)


def test_halves_keep_the_spectra_of_a_star_together():
    table = spectra(40, 5).assign(set="natural")
    fit, judge = halves(table)
    assert len(judge) == 50 and not set(fit["star"]) & set(judge["star"])


def test_bright_likely_candidates_come_first():
    stars = pd.DataFrame({"p_cemp": [0.99, 0.6, 0.9], "gmag": [17.5, 15.0, np.nan]})
    ranked = yields.rank(stars, yields.Telescope(overhead=0.0))
    assert ranked.index.tolist() == [1, 0, 2]
    assert ranked["hours"].tolist()[:2] == pytest.approx([1, 10])
    assert yields.hours_for(ranked, 0.5) == 1 and np.isnan(yields.hours_for(ranked, 5))
    by_p = yields.rank(stars, by="p_cemp")  # a star without a magnitude has no hours: last
    assert by_p.index.tolist() == [0, 1, 2]
    assert by_p["expected"].tolist()[:2] == pytest.approx([0.99, 1.59])
    assert np.isnan(by_p["expected"].iloc[2])


# ---- product and agreement ----------------------------------------------------------------------


def test_product_comes_back_to_half_a_step(tmp_path):
    assert product.CODES["weight"][1] <= 1e-4  # the rare metal-poor stars weigh 0.13
    random = np.random.default_rng(5)
    n = 60
    table = pd.DataFrame({
        "set": np.repeat(["natural", "hot"], n // 2), "star": np.tile(np.arange(15), 4),
        "p_cemp": random.random(n), "snrg": random.uniform(1, 300, n),
        "carbon_good": random.random(n), "gband_good": random.random(n),
        "outside_score": random.uniform(-1, 20, n),
    })  # fmt: skip
    for name in (*bench.STAR_COLUMNS, "teff"):
        offset, step, _ = product.CODES[name]
        table[name] = offset + step * (table["star"] * 3.3 % 20)
    table.loc[table["set"] == "hot", list(bench.STAR_COLUMNS)] = np.nan
    product.write_product(table, tmp_path, {"seed": 1})
    again, about = product.read_product(tmp_path)
    table = table.sort_values(["set", "star"], kind="stable").reset_index(drop=True)
    assert about["seed"] == 1 and again["set"].equals(table["set"])
    for name in ("true_teff", "true_fe_h", "weight", "p_cemp", "carbon_good"):
        step = product.CODES[name][1]
        np.testing.assert_allclose(again[name], table[name], atol=0.5001 * step)
    np.testing.assert_allclose(np.log(again["snrg"]), np.log(table["snrg"]), atol=0.0151)
    seen = table["p_cemp"] > bench.P_FLOOR + 1e-4
    np.testing.assert_allclose(again["teff"][seen], table["teff"][seen], atol=7.501)
    far = np.abs(table["outside_score"] - 1) > 0.05
    assert again["outside_reconstruction"][far].equals((table["outside_score"] > 1)[far])
    with pytest.raises(BadInputError, match="no simulated.npz"):
        product.read_product(tmp_path / "none")


def test_agreement_counts_pairs():
    table = pd.DataFrame({"file_p_cemp": [0.9, 0.9, 0.1, 0.9], "sim_p_cemp": [0.9, 0.1, 0.1, 0.1]})
    for source in ("file", "sim"):
        fine = {"snrg": 30, "carbon_good": 1, "gband_good": 1, "outside_score": 0.5}
        table = table.assign(**{f"{source}_{name}": value for name, value in fine.items()})
    row = agree.compare_selection(table, Recipe(), {"all": [True] * 4}).loc["all"]
    assert row.tolist() == [4, 3, 1, 2, 0, 0.5]
    twice = spectra(100, 2, range(10)).assign(set="a")
    assert agree.compare_rates(twice, twice, ["a"]).loc["a", "sigmas"] == 0
    other = spectra(100, 2, range(60)).assign(set="a")
    assert agree.compare_rates(twice, other, ["a"]).loc["a", "sigmas"] > 5


def test_a_shift_that_only_pairs_can_show():
    """Twins shifted by a twentieth of the scatter: seen star by star, not between samples."""
    random = np.random.default_rng(9)
    error, table = random.normal(0, 1, 400), {}
    for name in LABELS:
        table |= {f"true_{name}": np.zeros(400), f"file_{name}": error, f"sim_{name}": error + 0.05}
    table["sim_logg"] = error + random.normal(0, 0.05, 400)  # no shift
    table["sim_c_h"] = error  # nothing at all
    table["sim_teff"] = np.where(np.arange(400) < 10, np.nan, table["sim_teff"])
    found = agree.compare_labels(pd.DataFrame(table))
    assert found.loc["fe_h", "shift"] == pytest.approx(0.05)
    assert found.loc["fe_h", "paired p"] < 1e-10 < 0.5 < found.loc["fe_h", "KS p"]
    assert found.loc["teff", "paired p"] < 1e-10 and found.loc["logg", "paired p"] > 0.01
    assert found.loc["c_h", "paired p"] == 1


def test_rates_of_another_run_are_recognised():
    made = {"weights_sha256": "ab", "errors": {"pair": [[1.0, -0.5]], "features": ["x"]},
            "recipe": {"p_threshold": 0.675, "max_teff": None, "exclude": ["reconstruction"]},
            "nights": {"spectra": 2000}}  # fmt: skip
    about = {**made, "seed": 1, "key": origin.digest(made)}
    function = {"recipe": made["recipe"], "weights_sha256": "ab", "key": about["key"]}
    assert origin.differences(about, made, function) == []
    again = {**made, "errors": {"pair": [[1.0002, -0.5]], "features": ["x"]}}  # another machine
    assert origin.differences(about, again, function) == []
    other = {**made, "weights_sha256": "cd", "errors": {"pair": [[1.1, -0.5]], "features": ["x"]},
             "recipe": made["recipe"] | {"p_threshold": 0.7}}  # fmt: skip
    differs = origin.differences(about, other, function)
    assert differs == ["weights_sha256", "errors", "threshold"] and origin.trained_again(differs)
    other["recipe"]["exclude"] = []
    differs = origin.differences(about, other, function)
    assert differs == ["weights_sha256", "errors", "recipe"] and not origin.trained_again(differs)
    assert origin.differences(about, made, function | {"recipe": other["recipe"]}) == ["function"]
    assert origin.differences({"weights_sha256": "ab"}, made) == ["errors", "recipe", "nights"]
    assert origin.digest(made) != origin.digest(other) and len(origin.digest(made)) == 16


def test_ingredients_tell_what_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "grid_hash", lambda: "grid")
    monkeypatch.setattr(origin, "simulation", lambda maker: {"star": [1.0]})
    for name, content in (("03/macrn", {"weights_sha256": "ab"}), ("05/errors", {"pair": [1.0]})):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    Recipe(p_threshold=0.675).to_json(tmp_path / "05" / "recipe.json")

    def bench_of(depth, limit, n):
        wave = np.linspace(0, 1, 600)
        emulator = SimpleNamespace(emulate=lambda x: (1 - depth * wave[None], np.ones((1, 600))))
        domain = SimpleNamespace(limits_={"reconstruction": limit}, bases_=SimpleNamespace(
            bases_=[SimpleNamespace(variance_=np.ones(3))]))
        return SimpleNamespace(maker=SimpleNamespace(emulator=emulator), domain=domain,
                               nights=made_nights(n))

    paths = SimpleNamespace(build=tmp_path)
    made = origin.ingredients(paths, bench_of(0.5, np.float64(2), 40))
    about = json.loads(json.dumps(made))
    assert origin.differences(about, origin.ingredients(paths, bench_of(0.5, 2.0, 40))) == []
    for other, name in (((0.6, 2.0, 40), "emulator"), ((0.5, 2.1, 40), "domain"),
                        ((0.5, 2.0, 50), "nights")):
        again = origin.ingredients(paths, bench_of(*other))
        assert origin.differences(about, again) == [name]
    Recipe(p_threshold=0.7).to_json(tmp_path / "05" / "recipe.json")
    again = origin.ingredients(paths, bench_of(0.5, 2.0, 40))
    assert origin.differences(about, again) == ["threshold"]
    Recipe(p_threshold=0.675, min_snr_g=9).to_json(tmp_path / "05" / "recipe.json")
    again = origin.ingredients(paths, bench_of(0.5, 2.0, 40))
    assert origin.differences(about, again) == ["recipe"]
    for changed in (["recipe"], ["threshold"], []):
        assert not origin.trained_again(changed)
    monkeypatch.setattr(origin, "SIZES", origin.SIZES | {"natural": (100, 10)})
    fewer = origin.differences(about, origin.ingredients(paths, bench_of(0.5, 2.0, 40)))
    assert fewer == ["recipe", "population"]
    monkeypatch.undo()
    monkeypatch.setattr(origin, "grid_hash", lambda: "grid")
    monkeypatch.setattr(origin, "simulation", lambda maker: {"star": [1.0]})
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "03_training.json").write_text('{"parameters": {"epochs": 9}}')
    longer = origin.differences(about, origin.ingredients(paths, bench_of(0.5, 2.0, 40)))
    assert longer == ["training", "recipe"] and not origin.trained_again(longer)


def test_a_change_of_stars_or_of_their_noise_is_seen(monkeypatch):
    def flat(n):
        return np.ones((n, NATIVE.size), np.float32)

    maker = SimpleNamespace(stars=lambda table, random: flat(len(table)),
                            strange=lambda kind, n, random: flat(n), telescope=InstrumentSettings())
    one = {"simulation": origin.simulation(maker), "population": origin.population()}
    assert set(one["simulation"]) == {"star", "hot", "galaxy", "qso"}
    assert one["simulation"]["star"][:12] == pytest.approx(np.ones(12), abs=0.05)
    again = {"simulation": origin.simulation(maker), "population": origin.population()}
    assert origin.differences(one, json.loads(json.dumps(again))) == []
    maker.telescope = replace(maker.telescope, noise_share=0.9 * maker.telescope.noise_share)
    monkeypatch.setattr(sets, "FUNCTION_C_FE", sets.FUNCTION_C_FE + 0.1)
    other = {"simulation": origin.simulation(maker), "population": origin.population()}
    assert origin.differences(one, other) == ["simulation", "population"]


def test_depth_tells_samples_apart_that_one_recipe_treats_alike():
    # found: 9 of 10 deep in the corner, 5 of 10 near its limits, whatever the sample's mix
    deep = pd.DataFrame({"fe_h": -3.0, "c_fe": 2.0, "snrg": 50.0, "found": [True] * 9 + [False]})
    near = pd.DataFrame({"fe_h": [-2.1, -3.0] * 5, "c_fe": [2.0, 0.8] * 5, "snrg": 20.0,
                         "found": [True] * 5 + [False] * 5})
    table = depth.depth_table({"few near": pd.concat([deep, deep, deep, near]),
                               "half near": pd.concat([deep, near]), "none": deep.iloc[:0]})
    assert table["CEMP"].tolist() == [40, 20, 0]
    assert table["share near"].tolist()[:2] == pytest.approx([0.25, 0.5])
    assert table["found"].tolist()[:2] == pytest.approx([0.8, 0.7])
    for column, share in (("found near", 0.5), ("found deeper", 0.9)):
        assert table[column].tolist()[:2] == pytest.approx([share, share])
    assert table.loc["none"].drop("CEMP").isna().all()


shipped = pytest.mark.skipif(not (product.SHIPPED / "simulated.npz").is_file(),
                             reason="no committed simulation: python -m cemp.selection.product")


@shipped
def test_committed_simulation_is_what_the_paper_says():
    table, about = product.read_product()
    wanted = {name: n_star * n_noise for name, (n_star, n_noise) in sets.SIZES.items()}
    assert table["set"].value_counts().to_dict() == wanted
    natural = table[table["set"] == "natural"]
    assert len(natural) >= 200_000
    # to a code's step: a star at [Fe/H] = -1.99 may be stored as -2.00
    inside = rates.distance_outside(natural["true_fe_h"], natural["true_c_fe"])
    assert inside.min() > -0.03
    assert len(about["weights_sha256"]) == 64
    assert sum(f.stat().st_size for f in product.SHIPPED.iterdir()) < 2**20


@shipped
def test_committed_function_is_that_of_the_committed_simulation(tmp_path):
    for name in ("simulated.npz", "simulated.json"):
        (tmp_path / name).write_bytes((product.SHIPPED / name).read_bytes())
    function, judge = product.fit_function(tmp_path)
    labels = [judge[f"true_{n}"] for n in ("teff", "logg", "fe_h", "c_fe")]
    kept = SelectionFunction.from_json()(*labels, judge["snrg"])
    np.testing.assert_allclose(function(*labels, judge["snrg"]), kept, atol=0.02)
    strong = selection(4800, 1.8, -2.8, 2.0, [10.0, 50.0])
    assert strong[1] > 0.8 and selection(4800, 1.8, -2.8, 0.0, 50.0) < 0.05
