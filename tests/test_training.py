"""Training: known fits, no look at the test stars, kill and resume, stale checkpoints."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.models import describe
from cemp.models.checkpoint import fingerprint
from cemp.models.data import Augment, Sample, added_noise, augment, ripples
from cemp.models.loss import bin_weights, learning_rate, masked_mse
from cemp.models.macrn import MacrnConfig
from cemp.models.predict import predict
from cemp.models.scaler import LabelScaler
from cemp.models.train import TrainSettings, fit

TINY = MacrnConfig(
    kernels=(3, 5), channels=(2, 4, 4), reduction=2, lstm_units=4, step_features=2, head_units=8
)
QUICK = TrainSettings(epochs=3, batch=8, threads=1, device="cpu")
NO_AUGMENT = Augment(noise_fraction=0, shift_kms=0, mask_fraction=0)


def sample(n, seed):
    """Spectra of four lines, each as deep as one label says."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, (n, 4))
    lines = np.exp(-0.5 * ((WAVE - np.array([4100, 5170, 6560, 8500])[:, None]) / 30) ** 2)
    flux = (1 - 0.6 * x @ lines).astype(np.float32)
    labels = np.array([4500, 1, -3, -3]) + x * [1500, 3.5, 3, 3]
    shape = (n, N_PIX)
    ivar, good = np.full(shape, 1e4, np.float32), np.ones(shape, bool)
    return Sample(np.arange(n) + 1000 * seed, flux, ivar, good, labels)


@pytest.fixture(scope="module")
def samples():
    return sample(24, 1), sample(8, 2)


def same_weights(a, b):
    other = b.state_dict()
    return all(torch.equal(v, other[k]) for k, v in a.state_dict().items())


def quiet(*_):
    """Take a progress line and drop it."""


def test_it_overfits_sixteen_spectra():
    few = sample(16, 3)
    settings = replace(
        QUICK, epochs=40, patience=40, learning_rate=0.01, weight_decay=0, ema=0.8,
        batch=4, augment=NO_AUGMENT,
    )  # fmt: skip
    config = replace(TINY, channels=(4, 8, 8), lstm_units=8, head_units=16, dropout=0.0)
    trained = fit(few, few, config, settings, log=quiet)
    scale = few.labels.std(axis=0)
    residual = predict(trained.model, few.flux, few.good) - few.labels
    rms = np.sqrt(np.mean(residual**2, axis=0))
    assert (rms / scale < 0.25).all()


def test_two_runs_give_the_same_weights(samples):
    first, second = (fit(*samples, TINY, QUICK, log=quiet) for _ in range(2))
    assert same_weights(first.model, second.model)
    assert first.history["validation_loss"].equals(second.history["validation_loss"])
    other = fit(*samples, TINY, replace(QUICK, seed=1), log=quiet)
    assert not same_weights(first.model, other.model)


def test_kill_and_resume_give_the_weights_of_one_run(tmp_path, samples):
    whole = fit(*samples, TINY, QUICK, log=quiet)

    def killed(line):
        if line.startswith("epoch   2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(*samples, TINY, QUICK, folder=tmp_path, log=killed)
    lines = []
    resumed = fit(*samples, TINY, QUICK, folder=tmp_path, log=lines.append)
    assert lines[0] == "resuming after epoch 1"
    assert same_weights(whole.model, resumed.model)
    assert resumed.history["epoch"].tolist() == [1, 2, 3]
    assert not list(tmp_path.glob(".*"))


def test_a_stale_or_damaged_checkpoint_is_refused(tmp_path, samples):
    fit(*samples, TINY, replace(QUICK, epochs=1), folder=tmp_path, log=quiet)
    lines = []
    fit(*samples, TINY, replace(QUICK, epochs=1, seed=5), folder=tmp_path, log=lines.append)
    assert "starting afresh" in lines[0]
    (tmp_path / "last.pt").write_bytes(b"cut short")
    fit(*samples, TINY, replace(QUICK, epochs=1), folder=tmp_path, log=lines.append)
    assert "cannot be read" in lines[-2]


def test_fingerprint_sees_every_pixel_label_and_setting(samples):
    train = samples[0]
    base = fingerprint(TINY, QUICK, train)
    assert base == fingerprint(TINY, QUICK, train)
    flux, labels = train.flux.copy(), train.labels.copy()
    flux[3, 7] += 1e-4
    labels[0, 0] += 1
    assert base != fingerprint(TINY, QUICK, replace(train, flux=flux))
    assert base != fingerprint(TINY, QUICK, replace(train, labels=labels))
    assert base != fingerprint(TINY, replace(QUICK, ema=0.5), train)


def test_labels_of_other_folds_change_no_prediction(samples):
    # whatever is fitted takes training rows; validation decides only when to stop
    train, validation = samples
    settings = replace(QUICK, epochs=1)
    first = fit(train, validation, TINY, settings, log=quiet)
    shuffled = replace(validation, labels=validation.labels[::-1].copy())
    second = fit(train, shuffled, TINY, settings, log=quiet)
    assert same_weights(first.model, second.model)


def test_missing_labels_carry_no_gradient():
    predicted = torch.zeros(2, 4, requires_grad=True)
    target = torch.tensor([[1.0, 1, 1, float("nan")], [1, float("nan"), 1, 1]])
    loss = masked_mse(predicted, target)
    loss.backward()
    assert loss.item() == 1
    assert predicted.grad[0, 3] == 0 and predicted.grad[1, 1] == 0
    assert masked_mse(torch.zeros(1, 4), torch.full((1, 4), float("nan"))) == 0


def test_scaler_leaves_missing_labels_out():
    labels = np.array([[4000, 1, -3, np.nan], [6000, 3, -1, -2.0], [5000, 2, -2, -1.0]])
    scaler = LabelScaler().fit(labels)
    np.testing.assert_allclose(scaler.mean_, [5000, 2, -2, -1.5])
    np.testing.assert_allclose(scaler.inverse(scaler.transform(labels)), labels)
    with pytest.raises(BadInputError, match="c_h"):
        LabelScaler().fit(labels[:2])


def test_bins_of_validation_count_alike():
    fe_h = np.repeat([-0.3, -2.8], [90, 10])
    weight = bin_weights(fe_h)
    assert weight.mean() == pytest.approx(1)
    assert weight[:90].sum() == pytest.approx(weight[90:].sum())


def test_learning_rate_rises_and_falls():
    settings = TrainSettings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(p, settings) for p in (0, 0.05, 0.1, 0.55, 1)]
    np.testing.assert_allclose(rates, [0.01, 0.5, 1, 0.505, 0.01])


def test_added_noise_reaches_the_faintest_spectra_and_spares_bad_pixels():
    ivar, good = np.full((500, N_PIX), 100.0**2), np.ones((500, N_PIX), bool)
    good[:, :50] = False
    settings = Augment(noise_fraction=1, snr_min=5)
    noise = added_noise(ivar, good, np.random.default_rng(1), settings)
    snr = 1 / np.hypot(noise[:, 50:].std(axis=1), 0.01)
    assert (noise[:, :50] == 0).all()
    assert snr.min() > 4.8 and snr.max() < 101
    # log-uniform between 5 and 100: half lies below the geometric mean
    assert np.median(snr) == pytest.approx(np.sqrt(5 * 100), rel=0.15)


def test_augmentation_can_be_switched_off(samples):
    train = samples[0]
    flux, good = augment(
        train.flux, train.ivar, train.good, np.random.default_rng(1), NO_AUGMENT
    )
    assert np.array_equal(flux, train.flux) and np.array_equal(good, train.good)


def test_rows_are_joined_by_star_whatever_their_order():
    observations = pd.DataFrame({
        "obsid": [5, 3, 4, 2], "star_id": ["b", "a", "b", "a"],
        "fold": ["train", "train", "train", "test"], "snrg": [60.0, 70.0, 10.0, 80.0],
    })  # fmt: skip
    labels = pd.DataFrame(
        {"star_id": ["b", "a"], "teff": [6000.0, 5000], "logg": [4.0, 2], "fe_h": [-1.0, -3]}
    ).assign(c_h=[-1.0, -2], c_h_limit=[False, True])
    rows = describe.fold_rows(observations, labels, "train", 50)
    assert rows[["obsid", "teff"]].to_numpy().tolist() == [[3, 5000], [5, 6000]]
    assert len(describe.fold_rows(observations, labels, "train")) == 3
    with pytest.raises(BadInputError, match="snrg_min"):
        describe.fold_rows(observations, labels, "train", 500)


def test_repeated_draws_use_every_star():
    fe_h = np.repeat([-0.1, -1.1, -3.1], [80, 8, 2])
    table = describe.balance(fe_h, 0.25, seed=1, n_epochs=20)
    assert table.loc[1, "drawn in each"] == 90
    assert table.loc[1, "different"] == 30 + 8 + 2
    assert table.loc[20, "different"] == 90


def test_scatter_of_known_residuals():
    labels = np.zeros((200, 4))
    labels[:100, 2], labels[0, 3] = -3, np.nan
    residual = np.random.default_rng(1).normal(0, [100, 0.2, 0.1, 0.3], (200, 4))
    table = describe.scatter_table(labels + residual, labels, np.full(200, 60.0))
    assert table.loc["[Fe/H] < -2", "teff n"] == 100
    assert table.loc["all", "c_h n"] == 199
    assert table.loc["all", "fe_h RMSE"] == pytest.approx(np.std(residual[:, 2]), abs=0.01)
    assert table.loc["all", "teff robust"] == pytest.approx(100, rel=0.15)
    assert np.isnan(table.loc["S/N(g) < 20", "teff RMSE"])


def test_attention_is_averaged_by_group(samples):
    train = samples[0]
    model = fit(*samples, TINY, replace(QUICK, epochs=1), log=quiet).model
    weights = describe.attention_weights(model, train.flux, train.good, batch=7)
    groups = describe.attention_groups(model, train)
    rich = train.labels[:, 2] > -1
    np.testing.assert_allclose(groups["weight"][0], weights[rich].mean(axis=0), rtol=1e-6)
    assert groups["kernel"].tolist() == [3] * 4 + [5] * 4


# ---- smooth errors of the continuum --------------------------------------------------------------

def test_ripples_have_the_stated_rms_and_length():
    settings = Augment(ripple=0.02, ripple_lengths=(50.0, 50.001))
    field = ripples(400, np.random.default_rng(1), settings) - 1
    # nodes of unit variance joined by lines: mean square 2/3; rms drawn evenly up to 0.02
    assert np.sqrt((field**2).mean()) == pytest.approx(0.02 * np.sqrt(2 / 3 / 3), rel=0.05)
    assert abs(field.mean()) < 2e-4
    for apart, kept in ((1, 1.0), (200, 0.0)):
        product = (field[:, apart:] * field[:, :-apart]).mean() / (field**2).mean()
        assert product == pytest.approx(kept, abs=0.03)


def test_no_ripples_leave_the_random_numbers_alone():
    flux = np.ones((3, N_PIX), np.float32)
    good, ivar = np.ones_like(flux, bool), 1e4 * flux
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    plain, _ = augment(flux, ivar, good, one, Augment())
    rippled, _ = augment(flux, ivar, good, two, Augment(ripple=1e-6))
    assert one.bit_generator.state != two.bit_generator.state
    again, _ = augment(flux, ivar, good, np.random.default_rng(5), Augment(ripple=0.0))
    assert np.array_equal(plain, again) and not np.array_equal(plain, rippled)
