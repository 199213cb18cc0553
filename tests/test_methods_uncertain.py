"""Calibration: Gaussian errors of known honesty; networks with errors on toy spectra."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cemp.constants import N_PIX
from cemp.errors import BadInputError
from cemp.evaluate import calibration
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.recalibration import (
    PitMap,
    ScaleErrors,
    known_answer,
    natural_weights,
)
from cemp.methods import uncertain
from cemp.methods.base import Prediction
from cemp.mock.population import draw_population
from cemp.models.data import Sample, to_input
from cemp.models.device import make_deterministic
from cemp.models.io import save_model
from cemp.models.loss import bin_weights
from cemp.models.macrn import Macrn, MacrnConfig

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


def test_known_answer_of_recalibration():
    table = known_answer(claimed=0.5)
    np.testing.assert_allclose(table["factor"], [2, 2, 2, 2, 1], rtol=0.05)
    np.testing.assert_allclose(table["before"], [0.383] * 4 + [0.250], atol=0.025)  # 1 - e^(-q/8)
    np.testing.assert_allclose(table["after"], 0.6827, atol=0.03)


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
    honest, truth, _ = gaussian()
    for claimed in (0.5, 2.0):
        wrong = Prediction(honest.labels, claimed**2 * honest.covariance)
        lost = calibration.crps(wrong, truth) - calibration.crps(honest, truth)
        assert (lost.mean(axis=0) > 3 * lost.std(axis=0) / len(lost) ** 0.5).all()
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


def toy(n, seed, snr=30.0):
    """Spectra in which each label makes one line deeper, as a network can learn in seconds."""
    random = np.random.default_rng(seed)
    labels = random.normal([5200, 2.5, -1.5, -1.0], [500, 1, 1, 1], (n, 4))
    scaled = (labels - [5200, 2.5, -1.5, -1.0]) / [500, 1, 1, 1]
    flux = np.ones((n, N_PIX), np.float32)
    for k in range(4):
        flux[:, 500 + 1000 * k : 700 + 1000 * k] -= 0.1 + 0.04 * scaled[:, k, None]
    ivar = np.full(flux.shape, snr**2, np.float32)
    noise = random.standard_normal(flux.shape).astype(np.float32) / snr
    return Sample(np.arange(n), flux + noise, ivar, ivar > 0, labels)


TINY = MacrnConfig(channels=(2, 2, 4), strides=(4, 1, 1), pools=(4, 4, 4), reduction=2,
                   lstm_units=8, step_features=4, head_units=16)  # fmt: skip


def saved(folder, **about):
    """A network with random weights in a folder."""
    make_deterministic(3)
    model = Macrn(replace(TINY, **about)).eval()
    model.label_mean.copy_(torch.tensor([5200.0, 2.5, -1.5, -1.0]))
    model.label_scale.copy_(torch.tensor([500.0, 1.0, 1.0, 1.0]))
    save_model(model, folder)
    return model


@pytest.mark.parametrize("mask_bins", [0, 5])
def test_without_dropout_all_passes_are_the_network(tmp_path, mask_bins):
    model, x = saved(tmp_path, mask_bins=mask_bins), toy(6, 1)
    x = to_input(x.flux, x.good)
    with torch.inference_mode():
        made = uncertain.dropped(model, x, 0.0, 3)
        torch.testing.assert_close(made, model(x)[:, None].expand(-1, 3, -1))
        scattered = uncertain.dropped(model, x, 0.5, 200)
    assert (scattered.std(dim=1) > 0).all()


def test_dropout_adds_the_labels_noise_found_on_validation(tmp_path):
    saved(tmp_path)
    sample = toy(200, 2)
    method = uncertain.DropoutMacrn(tmp_path, passes=10).fit(None, None, (sample, sample.labels))
    answer = method.predict(sample)
    z = calibration.pulls(answer, sample.labels)[:, :4]
    # an untrained network knows nothing, but it can know how little: z has the rms of a Gaussian
    weight = bin_weights(sample.labels[:, 2])
    np.testing.assert_allclose(
        np.sqrt(np.average(z**2, axis=0, weights=weight)), 1.0, atol=0.15)
    again = method.predict(sample)
    np.testing.assert_array_equal(answer.covariance, again.covariance)
    assert np.linalg.eigvalsh(answer.covariance / np.outer(SIGMA, SIGMA)).min() > 0
    with pytest.raises(BadInputError, match="validation"):
        uncertain.DropoutMacrn(tmp_path).fit(None, None)


def test_law_of_total_variance():
    one, truth, _ = gaussian(50)
    same = uncertain.mixture([one, one])
    np.testing.assert_allclose(same.covariance, one.covariance)
    apart = Prediction(one.labels + 2 * SIGMA, 3 * one.covariance)
    both = uncertain.mixture([one, apart])
    np.testing.assert_allclose(both.labels, one.labels + SIGMA)
    expected = 2 * one.covariance + np.outer(SIGMA, SIGMA)
    np.testing.assert_allclose(both.covariance, expected)


def test_residual_covariance_cuts_wrong_labels_and_bears_gaps():
    random = np.random.default_rng(5)
    truth = RHO * np.outer(SIGMA, SIGMA)
    residual = random.multivariate_normal(np.zeros(4), truth, 5000)
    residual[::100] += 30 * SIGMA  # one per cent of the catalogue is another star
    residual[::7, 3] = np.nan
    found = uncertain.residual_covariance(residual, np.ones(5000))
    # one per cent at four sigma adds 0.16 to every element in units of the errors, not thousands
    np.testing.assert_allclose(found / np.outer(SIGMA, SIGMA), RHO + 0.16, atol=0.06)
    assert np.linalg.eigvalsh(uncertain.positive(found - 2 * truth)).min() > 0
    np.testing.assert_allclose(uncertain.positive(truth), truth)


def test_networks_learn_which_spectra_are_noisy():
    train, validation = toy(160, 1, 50), toy(60, 2, 50)
    tiny = {"kernels": (5,), "channels": (8, 8, 8), "directions": 0, "lstm_units": 8,
            "step_features": 4, "head_units": 16, "reduction": 2, "dropout": 0.0}  # fmt: skip
    method = uncertain.EnsembleMacrn(
        2, 30, config=tiny, settings={"learning_rate": 1e-2, "batch": 16, "huber": 0.0},
        augment={"mask_fraction": 0, "shift_kms": 0, "snr_min": 2.0})
    method.fit(train, train.labels, (validation, validation.labels))
    clear, faint = (method.predict(toy(60, 3, snr)) for snr in (50.0, 2.0))
    sigma = [calibration.judged(p)[1][:, :4].mean(axis=0) for p in (clear, faint)]
    assert (sigma[1] > 1.3 * sigma[0]).all()
    one, two = (member.predict(toy(9, 4)).labels for member in method.members_)
    assert not np.allclose(one, two)  # another seed
    assert method.n_parameters == 2 * method.members_[0].n_parameters


def test_the_heteroscedastic_network_is_the_papers_but_for_its_head(tmp_path):
    train = toy(40, 1)
    method = uncertain.HeteroscedasticMacrn(epochs=1, config=TINY, seed=7)
    assert method.config == replace(TINY, covariance=True)
    method.fit(train, train.labels, (train, train.labels))
    answer = method.predict(train)
    assert answer.covariance.shape == (40, 4, 4)
    assert (np.linalg.eigvalsh(answer.covariance / np.outer(SIGMA, SIGMA)) > 0).all()
