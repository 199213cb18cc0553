import numpy as np
import pandas as pd
import pytest

from cemp.errors import BadInputError
from cemp.evaluate.baseline import LabelRegression
from cemp.evaluate.bootstrap import BootstrapSettings, interval, star_weights
from cemp.evaluate.classify import classification
from cemp.evaluate.metrics import STATISTICS, weighted_quantile
from cemp.evaluate.scores import paired_difference, score, score_bins, verdict

QUICK = BootstrapSettings(n_boot=300)


def value(name, predicted, reference):
    return STATISTICS[name](predicted, reference, np.ones((1, reference.size)))[0]


def frame_of(truth, predicted, cannon=None, star_id=None):
    cannon = predicted if cannon is None else cannon
    star_id = np.arange(truth.size).astype(str) if star_id is None else star_id
    return pd.DataFrame(
        {"star_id": star_id, "true_c_h": truth, "c_h": predicted, "cannon_c_h": cannon}
    )


@pytest.fixture
def gaussian():
    random = np.random.default_rng(1)
    truth = random.uniform(-3, 0, 20_000)
    return truth, truth + random.normal(0.05, 0.2, truth.size)


def test_gaussian_residuals_give_their_own_parameters(gaussian):
    truth, predicted = gaussian
    assert value("bias", predicted, truth) == pytest.approx(0.05, abs=0.005)
    assert value("scatter", predicted, truth) == pytest.approx(0.2, rel=0.02)
    mean_size = 0.2 * np.sqrt(2 / np.pi)
    assert value("mae", predicted - 0.05, truth) == pytest.approx(mean_size, rel=0.02)
    assert value("rmse", predicted, truth) == pytest.approx(np.hypot(0.05, 0.2), rel=0.02)
    expected_r2 = 1 - (0.05**2 + 0.2**2) / (9 / 12)
    assert value("r2", predicted, truth) == pytest.approx(expected_r2, abs=0.003)
    assert value("slope", predicted, truth) == pytest.approx(1, abs=0.01)


def test_slope_finds_shrinkage_and_scatter_ignores_outliers(gaussian):
    truth, predicted = gaussian
    assert value("slope", 0.6 * predicted - 1, truth) == pytest.approx(0.6, abs=0.01)
    spoilt = predicted.copy()
    spoilt[:200] = 50
    assert value("scatter", spoilt, truth) == pytest.approx(0.2, rel=0.04)


def test_weights_mean_repeats():
    random = np.random.default_rng(2)
    truth, predicted = random.normal(size=(2, 41))
    weights = random.integers(0, 4, size=(3, 41)).astype(float)
    for name, statistic in STATISTICS.items():
        together = statistic(predicted, truth, weights)
        for row, result in zip(weights.astype(int), together, strict=True):
            repeated = value(name, np.repeat(predicted, row), np.repeat(truth, row))
            assert result == pytest.approx(repeated, abs=1e-12), name


def test_weighted_quantile_is_numpys():
    random = np.random.default_rng(3)
    values, weights = random.normal(size=30), random.integers(0, 5, size=(4, 30))
    for q in (0.16, 0.5, 0.84):
        expected = [
            np.quantile(np.repeat(values, row), q, method="averaged_inverted_cdf")
            for row in weights
        ]
        np.testing.assert_allclose(weighted_quantile(values, weights.astype(float), q), expected)


def test_repeats_of_a_star_are_drawn_together():
    star = np.array(["b", "a", "b", "c", "a", "a"])
    weights = star_weights(star, QUICK)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all() and (weights[:, 1] == weights[:, 5]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(weights, star_weights(star, QUICK))


def test_copies_of_spectra_do_not_narrow_the_interval():
    random = np.random.default_rng(4)
    truth, predicted = random.normal(size=(2, 100))
    once = score(frame_of(truth, predicted), "c_h", methods=["MACRN"], settings=QUICK)
    copied = frame_of(*np.repeat([truth, predicted], 9, axis=1), star_id=np.repeat(range(100), 9))
    nine = score(copied, "c_h", methods=["MACRN"], settings=QUICK)
    rmse = [table.set_index("statistic").loc["rmse"] for table in (once, nine)]
    widths = [row["high"] - row["low"] for row in rmse]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)
    assert (rmse[1]["n_spectra"], rmse[1]["n_stars"]) == (900, 100)


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(5)
    inside = 0
    for trial in range(300):
        settings = BootstrapSettings(n_boot=200, seed=trial)
        truth = np.zeros(150)
        predicted = random.normal(0, 0.2, 150)
        weights = star_weights(np.arange(150), settings)
        low, high = interval(STATISTICS["rmse"](predicted, truth, weights), settings)
        inside += low < 0.2 < high
    assert 0.90 < inside / 300 < 0.985


def test_small_samples_show_their_number_only():
    truth = np.linspace(-3, 0, 19)
    table = score(frame_of(truth, truth + 0.1), "c_h", settings=QUICK)
    assert table["value"].isna().all() and (table["n_stars"] == 19).all()
    enough = frame_of(*[np.arange(20.0)] * 2)
    assert np.isfinite(score(enough, "c_h", settings=QUICK)["value"]).all()


def test_missing_labels_are_left_out_for_all_methods():
    truth = np.linspace(-3, 0, 60)
    predicted, cannon = truth + 0.1, truth - 0.2
    predicted[:5], cannon[5:8], truth[8] = np.nan, np.nan, np.nan
    table = score(frame_of(truth, predicted, cannon), "c_h", settings=QUICK)
    assert (table["n_spectra"] == 51).all()
    bias = table[table["statistic"] == "bias"].set_index("method")["value"]
    assert bias["MACRN"] == pytest.approx(0.1) and bias["The Cannon"] == pytest.approx(-0.2)


def test_no_rows_give_nan_and_no_warning():
    empty = frame_of(*np.zeros((2, 0)))
    assert (score(empty, "c_h", settings=QUICK)["n_stars"] == 0).all()
    assert verdict(paired_difference(empty, "c_h", settings=QUICK)) == "too few"


def test_bins_hold_their_lower_edge():
    truth = np.repeat([-2.0, -1.0], 30)
    frame = frame_of(truth, truth + np.tile([0.1, 0.3], 30)).assign(snrg=np.repeat([10.0, 20], 30))
    table = score_bins(frame, ["c_h"], "snrg", [5, 10, 20, 50], settings=QUICK)
    counts = table.groupby("low_edge")["n_spectra"].first()
    assert counts.to_dict() == {5: 0, 10: 30, 20: 30}


def test_identical_methods_are_never_ahead(gaussian):
    truth, predicted = (array[:400] for array in gaussian)
    result = paired_difference(frame_of(truth, predicted), "c_h", settings=QUICK)
    assert result["difference"] == 0 and (result["low"], result["high"]) == (0, 0)
    assert verdict(result) == "neither"
    random = np.random.default_rng(6)
    equal = truth + random.normal(0.05, 0.2, truth.size)
    result = paired_difference(frame_of(truth, predicted, equal), "c_h", settings=QUICK)
    assert result["low"] < 0 < result["high"]


def test_the_better_method_is_ahead_whichever_it_is(gaussian):
    truth, predicted = (array[:400] for array in gaussian)
    worse = truth + 2 * (predicted - truth)
    ahead = paired_difference(frame_of(truth, predicted, worse), "c_h", settings=QUICK)
    behind = paired_difference(frame_of(truth, worse, predicted), "c_h", settings=QUICK)
    assert verdict(ahead) == "MACRN" and verdict(behind) == "The Cannon"
    assert ahead["difference"] == pytest.approx(ahead["first"]) == -behind["difference"]


def test_classification_counts():
    # 40 CEMP of which 30 are found, and 10 false alarms among 60 others
    true = np.arange(100) < 40
    called = (np.arange(100) < 30) | (np.arange(100) >= 90)
    frame = pd.DataFrame({"star_id": np.arange(100)})
    for prefix, cemp in (("true_", true), ("", called), ("cannon_", true)):
        frame[f"{prefix}fe_h"], frame[f"{prefix}c_fe"] = -2.5, np.where(cemp, 1.0, 0.2)
    table = classification(frame, settings=QUICK).set_index(["method", "statistic"])
    found = table.loc["MACRN", "value"]
    assert found.to_dict() == pytest.approx({"precision": 0.75, "recall": 0.75, "f1": 0.75})
    assert (table.loc["The Cannon", ["value", "low", "high"]] == 1).all(axis=None)
    # standard error of the recall is sqrt(0.75 * 0.25 / 40) = 0.068
    width = table.loc[("MACRN", "high")] - table.loc[("MACRN", "low")]
    assert width["recall"] == pytest.approx(4 * 0.068, rel=0.2)
    assert (table["n_cemp"] == 40).all()


def test_regression_recovers_a_quadratic_and_nothing_beyond():
    random = np.random.default_rng(7)
    labels = random.normal([5000, 2.5, -2], [600, 1, 0.8], size=(500, 3))
    follows = labels[:, 2] + 0.1 * labels[:, 1] ** 2 - 1e-4 * labels[:, 0] * labels[:, 2]
    hidden = random.normal(0, 0.5, 500)
    target = follows + hidden
    target[400:] = np.nan
    model = LabelRegression().fit(labels, target)
    assert np.std(model.predict(labels) - follows) < 0.1
    residual = model.predict(labels[:400]) - target[:400]
    assert residual.std() == pytest.approx(0.5, rel=0.1)
    with pytest.raises(BadInputError, match="complete training rows"):
        LabelRegression().fit(labels[:9], target[:9])
