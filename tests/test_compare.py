"""Comparison of many methods: known answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.compare import (
    Measure,
    comparison_frame,
    method_columns,
    rank_matrix,
    rank_pairs,
    score_groups,
    score_methods,
)
from cemp.evaluate.detection import average_precision, corner_distance, precision_recall
from cemp.methods.base import Prediction

SETTINGS = BootstrapSettings(n_boot=300)


@pytest.fixture(scope="module")
def frame():
    """800 stars; `good` errs by 0.1 dex, `twin` too, `bad` by 0.3; `bad` fails on every tenth."""
    random, n = np.random.default_rng(5), 800
    table = pd.DataFrame({"star_id": [f"s{i}" for i in range(n)], "snrg": random.uniform(5, 99, n)})
    table["true_fe_h"] = random.uniform(-3.5, 0, n)
    table["true_c_fe"] = random.uniform(-0.3, 2.5, n)
    table["true_c_h"] = table["true_fe_h"] + table["true_c_fe"]
    for key, error in (("good", 0.1), ("twin", 0.1), ("bad", 0.3)):
        table[f"{key}_fe_h"] = table["true_fe_h"] + error * random.standard_normal(n)
        table[f"{key}_c_h"] = table["true_c_h"] + error * random.standard_normal(n) + 0.05
        if key == "bad":
            table.loc[::10, ["bad_fe_h", "bad_c_h"]] = np.nan
        table[f"{key}_c_fe"] = table[f"{key}_c_h"] - table[f"{key}_fe_h"]
    return table


def test_distance_into_the_corner():
    distance = corner_distance([-2.5, -2.5, -1.5, np.nan], [1.0, 0.5, 2.0, 2.0])
    assert distance == pytest.approx([0.3, -0.2, -0.5, -np.inf])


def test_average_precision_is_that_of_scikit_learn():
    random = np.random.default_rng(1)
    true = random.random(300) < 0.2
    score = np.round(true + random.standard_normal(300), 1)  # with ties
    weights = random.integers(0, 4, (3, 300)).astype(float)
    expected = [average_precision_score(true, score, sample_weight=w) for w in weights]
    assert average_precision(score, true, weights) == pytest.approx(expected, abs=1e-12)


def test_a_score_without_skill_gives_the_share():
    true = np.arange(1000) % 5 == 0
    assert average_precision(np.zeros(1000), true, np.ones((1, 1000)))[0] == pytest.approx(0.2)
    assert np.isnan(average_precision(np.zeros(3), np.zeros(3, bool), np.ones((1, 3)))[0])


def test_curve_of_a_perfect_score():
    true = np.array([True, True, False, True])
    precision, recall = precision_recall(np.array([3.0, 2, 1, -np.inf]), true)
    assert precision == pytest.approx([1, 1, 2 / 3])
    assert recall == pytest.approx([1 / 3, 2 / 3, 2 / 3])


def test_scores_are_those_put_in(frame):
    measures = [Measure("scatter", "fe_h"), Measure("bias", "c_h"), Measure("mae", "fe_h")]
    table = score_methods(frame, ["good", "bad"], measures, SETTINGS)
    value = table.set_index(["method", "statistic"])
    assert value.loc[("good", "scatter"), "value"] == pytest.approx(0.1, abs=0.01)
    assert value.loc[("bad", "scatter"), "value"] == pytest.approx(0.3, abs=0.03)
    assert value.loc[("good", "bias"), "value"] == pytest.approx(0.05, abs=0.015)
    assert value.loc[("good", "mae"), "value"] == pytest.approx(0.1 * np.sqrt(2 / np.pi), abs=0.01)
    assert value.loc[("bad", "scatter"), "n_missing"] == 80
    inside = (table["low"] <= table["value"]) & (table["value"] <= table["high"])
    assert inside.all()


def test_no_answer_finds_no_star(frame):
    """`bad` without its gaps recalls more than with them."""
    whole = frame.dropna()
    recall = Measure("recall")
    gaps = score_methods(frame, ["bad"], [recall], SETTINGS)["value"][0]
    none = score_methods(whole, ["bad"], [recall], SETTINGS)["value"][0]
    assert gaps == pytest.approx(0.9 * none, abs=0.05)


def test_ranking_knows_better_worse_and_alike(frame):
    for measure in (Measure("scatter", "fe_h"), Measure("f1"), Measure("area")):
        pairs = rank_pairs(frame, ["good", "twin", "bad"], measure, SETTINGS)
        matrix = rank_matrix(pairs, ["good", "twin", "bad"])
        assert matrix.loc["good", "bad"] == 1 and matrix.loc["bad", "twin"] == -1
        assert np.isnan(matrix.loc["bad", "bad"])
    pairs = rank_pairs(frame, ["good", "twin"], Measure("scatter", "fe_h"), SETTINGS)
    same = rank_pairs(frame.assign(twin_fe_h=frame["good_fe_h"]), ["good", "twin"],
                      Measure("scatter", "fe_h"), SETTINGS)  # fmt: skip
    assert same["ahead"][0] == 0 and same["gain"][0] == 0 == same["high"][0]
    assert abs(pairs["gain"][0]) < 0.02


def test_pairs_are_judged_where_both_answer(frame):
    pairs = rank_pairs(frame, ["good", "bad"], Measure("scatter", "fe_h"), SETTINGS)
    assert pairs["n_spectra"][0] == 720
    assert rank_pairs(frame, ["good", "bad"], Measure("f1"), SETTINGS)["n_spectra"][0] == 800


def test_too_few_stars_give_no_number(frame):
    few = score_methods(frame[:10], ["good"], [Measure("scatter", "fe_h")], SETTINGS)
    assert few["value"].isna().all() and few["n_stars"][0] == 10
    assert rank_pairs(frame[:10], ["good", "twin"], Measure("f1"), SETTINGS)["ahead"].isna().all()


def test_groups_have_their_own_numbers(frame):
    faint = (frame["snrg"] < 20).to_numpy()
    worse = frame.assign(good_fe_h=frame["good_fe_h"].where(~faint, frame["bad_fe_h"]))
    groups = {"faint": faint, "bright": ~faint}
    table = score_groups(worse, ["good"], [Measure("scatter", "fe_h")], groups, SETTINGS)
    table = table.set_index("group")
    assert table.loc["faint", "value"] > 2 * table.loc["bright", "value"]


def test_probability_comes_from_the_covariance():
    labels = np.array([[5000, 2, -3.0, -1.0], [5000, 2, -2.0, 0.0]])
    covariance = np.tile(np.diag([100.0**2, 0.2**2, 0.1**2, 0.1**2]), (2, 1, 1))
    table = method_columns("m", [7, 8], Prediction(labels, covariance))
    assert table["m_p_cemp"][0] == pytest.approx(1, abs=1e-6)
    assert table["m_p_cemp"][1] == pytest.approx(0.5, abs=1e-6)
    assert "m_p_cemp" not in method_columns("m", [7, 8], Prediction(labels))


def test_methods_must_have_seen_the_same_spectra():
    labels = np.zeros((2, len(LABELS)))
    with pytest.raises(BadInputError, match="other spectra"):
        comparison_frame(None, None, None, {"a": ([1, 2], Prediction(labels)),
                                            "b": ([1, 3], Prediction(labels))})  # fmt: skip
