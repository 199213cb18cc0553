"""The tuned network: noise it is told of, errors that leave the labels alone, a forgiving loss."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.methods.tuned import TunedMacrnMethod, carbon_limits
from cemp.models import tuned
from cemp.models.data import Augment, Sample
from cemp.models.loss import masked_mse
from cemp.models.tuned_train import (
    TunedSettings,
    TunedTraining,
    augment,
    limit_loss,
    robust_loss,
)

TINY = tuned.TunedConfig(
    channels=(4, 4, 4), reduction=2, lstm_units=4, step_features=2, head_units=8
)
QUICK = TunedSettings(epochs=2, batch=8)


def sample(n, seed):
    """Spectra of four lines, each as deep as one label says."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, (n, 4))
    lines = np.exp(-0.5 * ((WAVE - np.array([4100, 5170, 6560, 8500])[:, None]) / 30) ** 2)
    flux = (1 - 0.6 * x @ lines).astype(np.float32)
    labels = np.array([4500, 1, -3, -3]) + x * [1500, 3.5, 3, 3]
    ivar, good = np.full((n, N_PIX), 1e4, np.float32), np.ones((n, N_PIX), bool)
    return Sample(np.arange(n) + 1000 * seed, flux, ivar, good, labels)


@pytest.fixture(scope="module")
def samples():
    return sample(24, 1), sample(8, 2)


@pytest.fixture(scope="module")
def trained(samples):
    return TunedTraining(*samples, TINY, QUICK).run()


def test_share_is_that_of_the_best_linear_guess():
    model = tuned.TunedMacrn(TINY)
    model.flux_scale.fill_(0.1)
    ivar = torch.tensor([0.0, 100.0, 300.0, 1e12])[:, None].expand(4, N_PIX)
    share = model.share(torch.stack([torch.zeros_like(ivar), ivar], dim=1))
    assert torch.allclose(share[:, 0], torch.tensor([0.0, 0.5, 0.75, 1.0]))
    hard = tuned.TunedMacrn(replace(TINY, soft_mask=False))
    assert hard.share(torch.stack([ivar, ivar], dim=1))[:, 0].tolist() == [0, 1, 1, 1]


def test_bad_pixels_do_not_count_whatever_they_hold(trained, samples):
    flux, ivar = samples[1].flux.copy(), samples[1].ivar.copy()
    ivar[:, 1000:1200] = 0
    first, _ = tuned.predict(trained.model_, flux, ivar)
    flux[:, 1000:1200] = np.nan
    second, _ = tuned.predict(trained.model_, flux, ivar)
    assert np.array_equal(first, second)


def test_errors_are_learned_without_touching_the_labels(samples):
    flux, ivar = samples[0].flux[:8], samples[0].ivar[:8]
    model = tuned.TunedMacrn(TINY).eval()
    labels, factor = model.distribution(tuned.to_input(flux, ivar))
    assert torch.equal(labels, model(tuned.to_input(flux, ivar)))
    factor.sum().backward()
    assert model.dense.weight.grad is None and model.lstm.weight_ih_l0.grad is None
    assert model.factor.weight.grad.abs().sum() > 0


def test_labels_are_the_same_with_and_without_errors(samples, trained):
    without = TunedTraining(*samples, replace(TINY, covariance=False), QUICK).run()
    one, two = (tuned.predict(made.model_, samples[1].flux, samples[1].ivar)[0]
                for made in (trained, without))
    assert np.array_equal(one, two)


def test_covariances_are_symmetric_and_positive(trained, samples):
    _, covariance = tuned.predict(trained.model_, samples[1].flux, samples[1].ivar)
    assert covariance.shape == (8, 4, 4)
    assert np.allclose(covariance, covariance.transpose(0, 2, 1))
    assert (np.linalg.eigvalsh(covariance) > 0).all()


def test_added_noise_is_that_of_the_new_errors():
    n, random = 300, np.random.default_rng(1)
    flux, ivar = np.ones((n, N_PIX), np.float32), np.full((n, N_PIX), 1e4, np.float32)
    settings = Augment(noise_fraction=1.0, shift_kms=0, mask_fraction=0)
    noisy, told = augment(flux, ivar, np.full(n, 0.01), random, settings)
    added = 1 / told[:, 0] - 1e-4
    use = added > 1e-6
    ratio = ((noisy - 1) ** 2).mean(axis=1)[use] / added[use]
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert 1 / np.sqrt(told.min()) == pytest.approx(0.2, rel=0.05)  # down to S/N = 5
    assert (flux == 1).all() and (ivar == 1e4).all()  # the sample itself stays


def test_lost_stretches_have_no_weight():
    flux, ivar = np.ones((50, N_PIX), np.float32), np.full((50, N_PIX), 1e4, np.float32)
    settings = Augment(noise_fraction=0, shift_kms=0, mask_fraction=1, mask_pixels=100)
    _, told = augment(flux, ivar, np.full(50, 0.01), np.random.default_rng(1), settings)
    lost = (told == 0).sum(axis=1)
    assert lost.max() <= 100 and 30 < lost.mean() < 70


def test_robust_loss_squares_small_errors_and_forgives_large_ones():
    random = torch.Generator().manual_seed(1)
    predicted, target = torch.randn(2, 16, 4, generator=random)
    target[3, 1] = torch.nan
    assert torch.isclose(robust_loss(predicted, target, 0), masked_mse(predicted, target))
    one = robust_loss(torch.tensor([[0.1, 3.0]]), torch.zeros(1, 2), 0.5)
    assert one.item() == pytest.approx((0.01 + 0.5 * 5.5) / 2)


def test_limits_punish_excess_alone():
    predicted, limit = torch.tensor([0.0, 2.0, 5.0]), torch.tensor([1.0, 1.0, torch.nan])
    assert limit_loss(predicted, limit, 0).item() == pytest.approx(1 / 12)
    assert limit_loss(predicted, limit, 0.5).item() == pytest.approx(0.5 * 1.5 / 12)


def test_two_runs_give_the_same_weights(samples, trained):
    again = TunedTraining(*samples, TINY, QUICK).run()
    for name, weight in trained.model_.state_dict().items():
        assert torch.equal(weight, again.model_.state_dict()[name])


def test_it_overfits_sixteen_spectra():
    few = sample(16, 3)
    still = Augment(noise_fraction=0, shift_kms=0, mask_fraction=0)
    settings = TunedSettings(epochs=50, batch=4, learning_rate=0.01, weight_decay=0, ema=0.8,
                             balance=False, augment=still)  # fmt: skip
    config = replace(TINY, channels=(4, 8, 8), lstm_units=8, head_units=16, dropout=0.0)
    made = TunedTraining(few, few, config, settings).run()
    residual = tuned.predict(made.model_, few.flux, few.ivar)[0] - few.labels
    rms = np.sqrt(np.mean(residual**2, axis=0))
    assert (rms / few.labels.std(axis=0) < 0.25).all()


@pytest.mark.parametrize("change", [
    {"attention": False}, {"directions": 1}, {"directions": 0}, {"kernels": (11,)},
    {"covariance": False}, {"mask_bins": 0},
])  # fmt: skip
def test_parts_can_be_left_out(change, samples):
    model = tuned.TunedMacrn(replace(TINY, **change)).eval()
    labels, covariance = tuned.predict(model, samples[1].flux, samples[1].ivar)
    assert labels.shape == (8, 4) and np.isfinite(labels).all()
    assert (covariance is None) == (change == {"covariance": False})


def test_method_predicts_what_its_network_does(samples):
    method = TunedMacrnMethod(config={"channels": (4, 4, 4)}, epochs=1)
    method.fit(samples[0], samples[0].labels, (samples[1], samples[1].labels))
    made = method.predict(samples[1])
    labels, covariance = tuned.predict(method.model_, samples[1].flux, samples[1].ivar)
    assert np.array_equal(made.labels, labels) and np.array_equal(made.covariance, covariance)
    assert method.n_parameters > 1000
    with pytest.raises(BadInputError, match="validation"):
        TunedMacrnMethod().fit(samples[0], samples[0].labels)


def test_limits_are_found_by_star(tmp_path):
    pd.DataFrame({"obsid": [1, 2, 3, 4], "star_id": ["a", "a", "b", "c"]}).to_parquet(
        tmp_path / "observations.parquet")
    pd.DataFrame({"star_id": ["b", "a"], "c_h": [-1.0, -2.5],
                  "c_h_limit": [False, True]}).to_parquet(tmp_path / "labels.parquet")
    limits = carbon_limits(tmp_path, np.array([4, 3, 2, 1]))
    assert np.array_equal(limits, [np.nan, np.nan, -2.5, -2.5], equal_nan=True)


def test_limits_pull_predictions_below_them(samples):
    train, validation = samples
    hidden = replace(train, labels=train.labels.copy())
    hidden.labels[12:, 3] = np.nan
    limits = np.where(np.arange(24) < 12, np.nan, -8.0)
    free, held = (TunedTraining(hidden, validation, TINY, replace(QUICK, epochs=6), given).run()
                  for given in (None, limits))
    free, held = (tuned.predict(made.model_, train.flux[12:], train.ivar[12:])[0][:, 3].mean()
                  for made in (free, held))
    assert held < free - 0.02
