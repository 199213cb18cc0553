"""Calibration: Gaussian errors of known honesty; networks with errors on toy spectra."""

import numpy as np
import pandas as pd
import pytest

from cemp.errors import BadInputError
from cemp.evaluate import calibration
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.recalibration import PitMap, ScaleErrors, natural_weights
from cemp.methods.base import Prediction
from cemp.mock.population import draw_population

QUICK = BootstrapSettings(n_boot=100)
#: Scale of each label, and correlations as between real labels' errors.
SIGMA = np.array([100.0, 0.2, 0.1, 0.15])
RHO = np.array([[1, 0.5, 0.4, 0.2], [0.5, 1, 0.3, 0.2], [0.4, 0.3, 1, 0.6], [0.2, 0.2, 0.6, 1]])


def gaussian(n=4000, claimed=1.0, seed=1):
    """Truth, and predictions of known covariance that claim `claimed` times their errors."""
    random = np.random.default_rng(seed)
    truth = random.normal([5200, 2.5, -2.0, -1.2], [500, 1, 0.7, 0.7], (n, 4))
    size = random.uniform(0.5, 2.0, n)[:, None, None]  # every spectrum has errors of its own
    covariance = size**2 * RHO * np.outer(SIGMA, SIGMA)
    factor = np.linalg.cholesky(covariance)
    predicted = truth + (factor @ random.standard_normal((n, 4, 1)))[:, :, 0]
    return Prediction(predicted, claimed**2 * covariance), truth, np.arange(n).astype(str)


def test_honest_errors_cover_and_have_uniform_pit():
    prediction, truth, star = gaussian()
    table = calibration.table(prediction, truth, star, settings=QUICK)
    assert list(table.index) == ["teff", "logg", "fe_h", "c_h", "c_fe", "fe_h & c_h"]
    np.testing.assert_allclose(table["68%"], 0.6827, atol=0.025)
    np.testing.assert_allclose(table["95%"], 0.9545, atol=0.012)
    assert (table["pit"] < 0.025).all()  # Kolmogorov's 1% limit for 4,000: 1.63 / sqrt(n)
    assert (table["68% low"] < 0.6827).all() and (table["68% high"] > 0.6827).all()
    curve = calibration.reliability(prediction, truth)
    np.testing.assert_allclose(curve["c_fe"], curve["nominal"], atol=0.03)


def test_carbon_over_iron_uses_the_covariance():
    prediction, _, _ = gaussian(5)
    _, sigma = calibration.judged(prediction)
    c = prediction.covariance
    expected = np.sqrt(c[:, 2, 2] + c[:, 3, 3] - 2 * c[:, 2, 3])
    np.testing.assert_allclose(sigma[:, 4], expected)


def test_halved_errors_are_doubled_again():
    claimed, truth, star = gaussian(claimed=0.5)
    before = calibration.table(claimed, truth, star, settings=QUICK)
    np.testing.assert_allclose(before["68%"][:5], 0.383, atol=0.025)  # within half a sigma
    fitted = ScaleErrors().fit(claimed, truth)
    np.testing.assert_allclose(fitted.scale_, 2.0, rtol=0.05)
    assert fitted.joint_ == pytest.approx(1.0, abs=0.05)
    fresh, fresh_truth, star = gaussian(claimed=0.5, seed=2)
    after = calibration.table(fitted.apply(fresh), fresh_truth, star, settings=QUICK)
    np.testing.assert_allclose(after["68%"], 0.6827, atol=0.03)


def test_a_wrong_correlation_shows_only_in_the_joint_ellipse():
    honest, truth, star = gaussian()
    diagonal = honest.covariance * np.eye(4)
    claimed = Prediction(honest.labels, diagonal)
    table = calibration.table(claimed, truth, star, settings=QUICK)
    assert table.loc["fe_h", "68%"] == pytest.approx(0.6827, abs=0.025)
    assert table.loc["c_fe", "68%"] > 0.8  # errors that cancel are thought to add
    fitted = ScaleErrors().fit(claimed, truth)
    stretched = fitted.apply(claimed, joint=True)
    inside = calibration.distances(stretched, truth)["fe_h & c_h"] <= 0.6827
    assert inside.mean() == pytest.approx(0.6827, abs=0.01)


def test_the_references_own_errors_are_not_charged():
    prediction, truth, _ = gaussian()
    error = np.broadcast_to(1.5 * SIGMA, truth.shape)
    reference = truth + error * np.random.default_rng(3).standard_normal(truth.shape)
    naive = ScaleErrors().fit(prediction, reference).scale_
    aware = ScaleErrors().fit(prediction, reference, reference_error=error).scale_
    assert (naive > 1.3).all()
    np.testing.assert_allclose(aware, 1.0, atol=0.08)


def test_weights_decide_what_is_honest():
    good, truth, _ = gaussian(3000)
    bad, bad_truth, _ = gaussian(3000, claimed=0.5, seed=2)
    both = Prediction(*(np.concatenate(pair) for pair in
                        ((good.labels, bad.labels), (good.covariance, bad.covariance))))
    labels = np.concatenate([truth, bad_truth])
    weights = np.repeat([1.0, 0.0], 3000)
    np.testing.assert_allclose(ScaleErrors().fit(both, labels, weights).scale_, 1, atol=0.05)
    np.testing.assert_allclose(ScaleErrors().fit(both, labels, weights[::-1]).scale_, 2, atol=0.1)


def test_pit_map_takes_out_bias_and_width():
    claimed, truth, _ = gaussian(claimed=0.5)
    biased = Prediction(claimed.labels + 0.5 * SIGMA, claimed.covariance)
    fitted = PitMap().fit(biased, truth)
    fresh, fresh_truth, _ = gaussian(claimed=0.5, seed=2)
    fresh = Prediction(fresh.labels + 0.5 * SIGMA, fresh.covariance)
    values = fitted.pit(fresh, fresh_truth)
    assert max(calibration.uniform_distance(v, np.ones(len(v))) for v in values.T) < 0.035
    low, high = fitted.interval(fresh)
    wanted = calibration.with_c_fe(fresh_truth)
    inside = ((wanted > low) & (wanted < high)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.6827, atol=0.03)


def test_scores_are_proper():
    honest, truth, star = gaussian()
    for claimed in (0.5, 2.0):
        wrong = Prediction(honest.labels, claimed**2 * honest.covariance)
        compared = calibration.paired_score(honest, wrong, truth, star, settings=QUICK)
        assert (compared["low"] > 0).all()  # the honest one is ahead in every score
    sure = Prediction(truth[:1] + SIGMA, 1e-12 * np.eye(4)[None] * SIGMA**2)
    np.testing.assert_allclose(
        calibration.crps(sure, truth[:1])[0, :4], SIGMA, rtol=1e-5)  # the absolute error
    at_zero = Prediction(truth[:1], np.diag(SIGMA**2)[None])
    assert calibration.crps(at_zero, truth[:1])[0, 2] == pytest.approx(0.1 * 0.233695, rel=1e-4)


def test_missing_values_are_left_out_and_too_few_refused():
    prediction, truth, star = gaussian(300)
    prediction.labels[:10] = np.nan
    prediction.covariance[10:20] = 0
    truth[20:30, 3] = np.nan
    table = calibration.table(prediction, truth, star, settings=QUICK)
    assert table.loc["fe_h", "n"] == 280 and table.loc["c_h", "n"] == 270
    assert table.loc["fe_h & c_h", "n"] == 270 and table.drop(columns="crps").notna().all(axis=None)
    few = np.arange(300) < 35  # of which 15 have predictions and errors
    with pytest.raises(BadInputError, match="rests on 15 spectra"):
        ScaleErrors().fit(prediction, truth, few.astype(float))
    with pytest.raises(BadInputError, match="no errors"):
        calibration.pulls(Prediction(truth), truth)


def test_natural_weights_undo_the_enrichment():
    stars = draw_population(seed=4)
    stars = stars[stars["in_lamost"]]
    observations = pd.DataFrame({"obsid": np.arange(len(stars)), "star_key": stars["star_key"]})
    weight = natural_weights(observations["obsid"], stars, observations)
    assert weight.mean() == pytest.approx(1, abs=1e-9)
    poor = (stars["fe_h"] < -2).to_numpy()
    assert poor.mean() > 0.25 and np.average(poor, weights=weight) < 0.03
    labelled = observations[(stars["group"] != "search").to_numpy()]
    weight = natural_weights(labelled["obsid"], stars, observations)
    poor = poor[(stars["group"] != "search").to_numpy()]
    assert np.average(poor, weights=weight) == pytest.approx(0.014, abs=0.01)
