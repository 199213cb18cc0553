"""Errors of many methods beside each other, and the tables of the comparison: known answers."""

import numpy as np
import pandas as pd
import pytest

from cemp.constants import LABELS
from cemp.evaluate import compare_tables, honesty
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.compare import Measure, rank_pairs, score_methods
from cemp.evaluate.groups import all_groups, states
from cemp.methods.base import Prediction

N, SIGMA = 1500, np.array([80.0, 0.2, 0.1, 0.15])
SETTINGS = BootstrapSettings(n_boot=100)
FEH = LABELS.index("fe_h")


@pytest.fixture(scope="module")
def survey():
    """Stars whose predictions err by `SIGMA`; catalogue labels of validation err by half of it."""
    random = np.random.default_rng(8)
    truth = np.array([5000, 2.5, -1.5, -1.0]) + random.normal(size=(N, 4)) * [500, 1, 0.8, 0.8]
    predicted = truth + SIGMA * random.normal(size=(N, 4))
    star = [f"s{i}" for i in range(N)]
    fold = np.resize(["validation", "test", "search"], N)
    frame = pd.DataFrame({"obsid": np.arange(N), "star_id": star, "fold": fold})
    frame[[f"true_{name}" for name in LABELS]] = truth
    given = truth + 0.5 * SIGMA * random.normal(size=(N, 4))
    labels = pd.DataFrame(given, columns=list(LABELS)).assign(star_id=star, c_h_limit=False)
    labels[[f"e_{name}" for name in LABELS]] = 0.5 * SIGMA
    return frame, labels[fold == "validation"], predicted


def made(predicted, factor=1.0):
    covariance = np.tile(np.diag((factor * SIGMA) ** 2), (N, 1, 1))
    return np.arange(N), Prediction(predicted, covariance)


def test_rows_are_validation_and_judged(survey, tmp_path):
    frame, labels, _ = survey
    validation, judged = honesty.rows_of(frame, labels, tmp_path, "true_")
    assert len(validation.obsid) == N // 3 and len(judged.obsid) == 2 * N // 3
    assert validation.errors[0] == pytest.approx(0.5 * SIGMA)
    assert (judged.errors == 0).all() and (judged.weights == 1).all()
    assert not set(validation.obsid) & set(judged.obsid)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_recalibration_makes_wrong_errors_honest(survey, tmp_path, factor):
    frame, labels, predicted = survey
    rows = honesty.rows_of(frame, labels, tmp_path, "true_")
    table, curves = honesty.calibrate(made(predicted, factor), *rows, SETTINGS)
    covered = table.set_index(["errors", "label"])["68%"]
    expected = {0.5: 0.383, 1.0: 0.683, 2.0: 0.954}[factor]
    assert covered["as claimed", "fe_h"] == pytest.approx(expected, abs=0.04)
    assert covered["recalibrated", "fe_h"] == pytest.approx(0.683, abs=0.05)
    assert set(curves) == {"as claimed", "recalibrated"}
    size = table.set_index(["errors", "label"])["sharpness"]
    assert size["recalibrated", "fe_h"] == pytest.approx(SIGMA[FEH], rel=0.15)


def test_methods_without_errors_are_left_out(survey, tmp_path):
    frame, labels, predicted = survey
    rows = honesty.rows_of(frame, labels, tmp_path, "true_")
    both = {"with": made(predicted), "without": (np.arange(N), Prediction(predicted))}
    table, curves = honesty.calibrate_all(both, *rows, SETTINGS)
    assert set(table["method"]) == {"with"} == set(curves)
    names = {"without": "Without", "with": "With"}
    assert honesty.coverage_rows(table, names)[0][0] == "With"
    assert honesty.reliability_arrays(curves, names)["places"] == [1]
    shown = honesty.coverage_table(table, names)
    assert shown.loc[("With", "fe_h"), ("68%", "as claimed")] == pytest.approx(0.683, abs=0.04)


def test_predictions_come_in_the_order_asked_for(survey):
    taken = honesty.of_rows(made(survey[2]), np.array([7, 3]))
    assert np.array_equal(taken.labels, survey[2][[7, 3]])


def test_few_validation_spectra_leave_errors_as_claimed(survey, tmp_path, capsys):
    frame, labels, predicted = survey
    rows = honesty.rows_of(frame, labels[:10], tmp_path, "true_")
    table, _ = honesty.calibrate(made(predicted), *rows, SETTINGS)
    assert set(table["errors"]) == {"as claimed"}
    assert "not recalibrated" in capsys.readouterr().out


# ---- groups and tables --------------------------------------------------------------------------

def test_every_star_has_one_state():
    found = states([4800, 6200, 5000, 5000, np.nan], [2.0, 4.0, 4.5, 3.6, 4.0])
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "giant": [True, False, False, False, False],
        "turn-off": [False, True, False, False, False],
        "dwarf": [False, False, True, True, False]}


def test_groups_cover_all_rows():
    frame = pd.DataFrame({"snrg": [5.0, 60, 12], "true_fe_h": [-3.5, -2, 0.1],
                          "true_teff": [5000.0, 6000, 4500], "true_logg": [2.0, 4, 4.6]})
    for members in all_groups(frame).values():
        assert (np.sum(list(members.values()), axis=0) == 1).all()


def test_standing_counts_leads():
    pairs = pd.DataFrame({"first": ["a", "a", "b"], "second": ["b", "c", "c"],
                          "ahead": [1.0, 0.0, -1.0], "measure": "F1"})  # fmt: skip
    table = compare_tables.standing(pairs, {"a": "A", "b": "B", "c": "C"})
    assert table["F1"].tolist() == ["+1 -0", "+0 -2", "+1 -0"]


def test_costs_are_those_of_the_records():
    record = {"name": "A", "fit_s": 3.0, "predict_s": 2.0, "spectra_per_s": 50.0,
              "peak_bytes": 2**31, "n_parameters": 1234, "n_judged": 100, "n_failed": 2}
    cost = compare_tables.cost_table({"a": record})
    assert cost.loc["a", "memory_gib"] == 2.0
    assert compare_tables.cost_rows(cost) == [["A", "$3$", "50", "1{,}234", "$2.0$", "2"]]


def test_rows_of_tables_follow_the_methods():
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"star_id": [f"s{i}" for i in range(200)]})
    for name in compare_tables.LABELS5:
        frame[f"true_{name}"] = random.uniform(-3, 0, 200)
        for key, error in (("a", 0.1), ("b", 0.4)):
            frame[f"{key}_{name}"] = frame[f"true_{name}"] + error * random.normal(size=200)
    measures = compare_tables.label_measures(("bias", "scatter", "mae"))
    scores = score_methods(frame, ["a", "b"], measures, SETTINGS)
    names = {"b": "B", "a": "A"}
    rows = compare_tables.score_rows(scores, names)
    assert [row[0] for row in rows] == ["B", "A"] and len(rows[0]) == 16
    wide = compare_tables.wide(scores, names)
    assert list(wide.index) == ["B", "A"]
    assert wide.loc["A", ("fe_h", "scatter")] == pytest.approx(0.1, abs=0.03)
    assert rank_pairs(frame, ["a", "b"], Measure("mae", "fe_h"), SETTINGS)["ahead"][0] == 1

