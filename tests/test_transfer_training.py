"""Covariance of the network's errors, the ensemble, and the command that trains the sky model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.models.data import Augment, Sample, to_input
from cemp.models.io import load_model, save_model
from cemp.models.loss import gaussian_nll
from cemp.models.macrn import LEAST_ERROR, Macrn, MacrnConfig, count_parameters
from cemp.models.predict import predict, predict_with_covariance
from cemp.models.scaler import _pixel_scale, pixel_scale
from cemp.models.train import TrainSettings, fit
from cemp.transfer import training, trainset
from cemp.transfer.model import SkyModel, c_fe_error
from cemp.transfer.windows import readable

TINY = MacrnConfig(
    kernels=(3, 5), channels=(2, 4, 4), reduction=2, lstm_units=4, step_features=2, head_units=8,
    covariance=True, dropout=0.0,
)  # fmt: skip
QUICK = TrainSettings(epochs=2, batch=8, threads=1, device="cpu", balance=False)
NO_AUGMENT = Augment(noise_fraction=0, shift_kms=0, mask_fraction=0)
TRUE = np.array([[1.0, 0.6, 0, 0], [0.6, 0.5, 0, 0], [0, 0, 0.04, 0.03], [0, 0, 0.03, 0.09]])


def lower(raw):
    """Lower-triangular matrix with a positive diagonal, of 10 free numbers."""
    factor = torch.diag_embed(torch.exp(raw[:4]))
    row, column = torch.tril_indices(4, 4, -1)
    return factor.index_put((row, column), raw[4:])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_likelihood_recovers_mean_and_covariance(missing):
    random = np.random.default_rng(1)
    values = random.multivariate_normal([1, 2, 3, 4], TRUE, 4000)
    values[random.random(values.shape) < missing] = np.nan
    target = torch.from_numpy(values)
    mean = torch.zeros(4, dtype=torch.double, requires_grad=True)
    raw = torch.zeros(10, dtype=torch.double, requires_grad=True)
    search = torch.optim.LBFGS([mean, raw], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        search.zero_grad()
        value = gaussian_nll(mean.expand(4000, 4), lower(raw).expand(4000, 4, 4), target)
        value.backward()
        return value

    search.step(loss)
    factor = lower(raw).detach().numpy()
    np.testing.assert_allclose(mean.detach().numpy(), [1, 2, 3, 4], atol=0.05)
    np.testing.assert_allclose(factor @ factor.T, TRUE, atol=0.06)


def test_the_likelihood_is_that_of_the_textbook():
    factor = np.linalg.cholesky(TRUE)
    error = np.array([0.3, -0.2, 0.1, 0.4])
    expected = 0.5 * error @ np.linalg.solve(TRUE, error) + 0.5 * np.log(np.linalg.det(TRUE))
    as_tensor = [torch.from_numpy(a[None]) for a in (np.zeros(4), factor, error)]
    assert float(gaussian_nll(*as_tensor)) == pytest.approx(expected)
    as_tensor[2][0, 3] = float("nan")
    part = TRUE[:3, :3]
    expected = 0.5 * error[:3] @ np.linalg.solve(part, error[:3]) + 0.5 * np.log(
        np.linalg.det(part)
    )
    assert float(gaussian_nll(*as_tensor)) == pytest.approx(expected)
    as_tensor[2][:] = float("nan")
    assert float(gaussian_nll(*as_tensor)) == pytest.approx(0)


def test_covariance_is_positive_definite_and_the_labels_are_those_of_predict():
    torch.manual_seed(3)
    model = Macrn(TINY).eval()
    with torch.no_grad():
        model.factor.weight.mul_(30)
        model.label_scale.copy_(torch.tensor([800.0, 1, 1, 1]))
    flux = 1 - np.random.default_rng(2).random((6, N_PIX), dtype=np.float32)
    good = np.ones(flux.shape, bool)
    labels, covariance = predict_with_covariance(model, flux, good)
    np.testing.assert_allclose(labels, predict(model, flux, good))
    np.testing.assert_allclose(covariance, covariance.transpose(0, 2, 1))
    scaled = covariance / np.outer(*[model.label_scale.numpy()] * 2)
    assert (np.linalg.eigvalsh(scaled) > 0).all()
    assert (np.diagonal(scaled, axis1=1, axis2=2) >= 0.99 * LEAST_ERROR**2).all()


def test_the_network_of_the_paper_is_untouched():
    torch.manual_seed(5)
    plain = Macrn()
    assert count_parameters(plain) == 125_624
    assert not any("factor" in name for name in plain.state_dict())
    torch.manual_seed(5)
    both = Macrn(MacrnConfig(covariance=True)).state_dict()
    assert all(torch.equal(value, both[name]) for name, value in plain.state_dict().items())
    with pytest.raises(BadInputError, match="covariance=True"):
        plain.distribution(to_input(np.ones((1, N_PIX)), np.ones((1, N_PIX), bool)))


def test_the_head_is_told_which_stretches_are_lost():
    model = Macrn(replace(TINY, mask_bins=25)).eval()
    flux, good = np.ones((2, N_PIX)), np.ones((2, N_PIX), bool)
    good[1, :300] = False
    lost = model.lost(to_input(flux, good)).numpy()
    assert (lost[0] == 0).all() and lost[1, 0] == 1 and (lost[1, 3:] == 0).all()
    assert lost[1, 1] == pytest.approx(0.5, abs=0.01)
    made = model.distribution(to_input(flux, good))
    assert made[0].shape == (2, 4) and made[1].shape == (2, 4, 4)


def test_pixel_scale_does_not_depend_on_its_blocks():
    random = np.random.default_rng(1)
    flux = random.random((40, N_PIX)).astype(np.float32)
    good = random.random(flux.shape) > 0.1
    for made, whole in zip(pixel_scale(flux, good), _pixel_scale(flux, good, 0.02), strict=True):
        np.testing.assert_array_equal(made, whole)


def test_weights_on_disk_with_and_without_covariance(tmp_path):
    for config in (TINY, replace(TINY, covariance=False)):
        torch.manual_seed(1)
        save_model(Macrn(config), tmp_path)
        assert load_model(tmp_path).config == config
    record = json.loads((tmp_path / "macrn.json").read_text())
    del record["config"]["covariance"], record["config"]["mask_bins"]  # as formerly written
    (tmp_path / "macrn.json").write_text(json.dumps(record))
    assert load_model(tmp_path).config == replace(TINY, covariance=False)


# ---- training with a likelihood ---------------------------------------------------------------


def banded(n, seed):
    """Spectra of three lines and a G band, each as deep as one label says; G band half lost."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, (n, 4))
    lines = np.exp(-0.5 * ((WAVE - np.array([4862, 5170, 6560, 4310])[:, None]) / 25) ** 2)
    flux = (1 - 0.7 * x @ lines + 0.005 * random.normal(size=(n, N_PIX))).astype(np.float32)
    good = np.ones(flux.shape, bool)
    good[::2, (WAVE > 4200) & (WAVE < 4420)] = False
    labels = np.array([4500, 1, -3, -3]) + x * [1500, 3.5, 3, 3]
    return Sample(np.arange(n), flux, np.full(flux.shape, 4e4, np.float32), good, labels)


def test_a_lost_g_band_widens_the_error_of_carbon():
    """A linear head on two features, depth of the G band and whether it was seen."""
    sample = banded(2000, 1)
    band = (WAVE > 4200) & (WAVE < 4420)
    seen = sample.good[:, band].all(axis=1)
    depth = np.where(seen, (1 - sample.flux[:, band]).mean(axis=1) / 0.2, 0)
    depth += 0.02 * np.random.default_rng(2).normal(size=2000) * seen
    x = torch.from_numpy(np.stack([depth, seen, np.ones(2000)], axis=1))
    target = torch.full((2000, 4), float("nan"), dtype=torch.double)
    target[:, 3] = torch.from_numpy(sample.labels[:, 3])
    mean = torch.zeros((3, 4), dtype=torch.double, requires_grad=True)
    ln_sigma = torch.zeros((3, 4), dtype=torch.double, requires_grad=True)
    search = torch.optim.LBFGS([mean, ln_sigma], max_iter=300, line_search_fn="strong_wolfe")

    def loss():
        search.zero_grad()
        value = gaussian_nll(x @ mean, torch.diag_embed(torch.exp(x @ ln_sigma)), target)
        value.backward()
        return value

    search.step(loss)
    sigma = torch.exp(x @ ln_sigma)[:, 3].detach().numpy()
    assert np.median(sigma[~seen]) == pytest.approx(3 / np.sqrt(12), rel=0.05)  # prior alone
    assert np.median(sigma[seen]) < 0.4 * np.median(sigma[~seen])


def test_training_with_a_likelihood_resumes(tmp_path):
    train, test = banded(16, 1), banded(8, 2)
    whole = fit(train, test, TINY, replace(QUICK, epochs=3), log=lambda _: None)

    class Killed(Exception):
        pass

    def kill(line):
        if line.startswith("epoch   2"):
            raise Killed

    with pytest.raises(Killed):
        fit(train, test, TINY, replace(QUICK, epochs=3), tmp_path, kill)
    again = fit(train, test, TINY, replace(QUICK, epochs=3), tmp_path, lambda _: None)
    assert len(again.history) == 3 and (again.history["n_spectra"] == 16).all()
    state = again.model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in whole.model.state_dict().items())


# ---- the ensemble -----------------------------------------------------------------------------


@pytest.fixture
def ensemble(tmp_path):
    for k in range(3):
        torch.manual_seed(k)
        save_model(Macrn(TINY), tmp_path / f"member-{k}", ignored=[[4980, 5025]])
    return tmp_path


def test_ensemble_adds_the_members_scatter(ensemble):
    model = SkyModel.load(ensemble)
    flux = 1 - 0.2 * np.random.default_rng(2).random((4, N_PIX), dtype=np.float32)
    good = np.ones(flux.shape, bool)
    labels, covariance, spread = model.predict(flux, good)
    read = good & readable([(4980, 5025)])
    each = [predict_with_covariance(m, flux, read) for m in model.members]
    np.testing.assert_allclose(labels, np.mean([lab for lab, _ in each], axis=0))
    np.testing.assert_allclose(spread, np.std([lab for lab, _ in each], axis=0), atol=1e-12)
    own = np.mean([cov for _, cov in each], axis=0)
    variance = np.diagonal(covariance - own, axis1=1, axis2=2)
    np.testing.assert_allclose(variance, spread**2, atol=1e-9)
    assert c_fe_error(covariance).shape == (4,)


def test_ignored_pixels_are_not_read(ensemble):
    model = SkyModel.load(ensemble)
    assert model.ignored == ((4980, 5025),)
    flux, good = np.ones((1, N_PIX), np.float32), np.ones((1, N_PIX), bool)
    other = np.where(readable(model.ignored), flux, 0.1)
    np.testing.assert_array_equal(model.predict(flux, good)[0], model.predict(other, good)[0])


def test_missing_weights_are_told(tmp_path):
    with pytest.raises(BadInputError, match="make sky"):
        SkyModel.load(tmp_path)
    save_model(Macrn(replace(TINY, covariance=False)), tmp_path / "member-0")
    with pytest.raises(BadInputError, match="no covariance"):
        SkyModel.load(tmp_path)


def test_error_of_carbon_over_iron_knows_the_covariance():
    assert c_fe_error(TRUE[None])[0] == pytest.approx(np.sqrt(0.04 + 0.09 - 0.06))


def test_members_are_trained_once(tmp_path, monkeypatch):
    sample = banded(24, 1)
    monkeypatch.setattr(training, "read_trainset", lambda *_: (sample, None))
    lines = []
    arguments = (tmp_path / "set", tmp_path, 2, QUICK, TINY, None, 8, [(4980, 5025)], lines.append)
    folders = training.train_members(*arguments)
    assert [f.name for f in folders] == ["member-0", "member-1"]
    record = json.loads((folders[1] / "macrn.json").read_text())
    assert record["n_spectra"] == 16 and set(record["validation"]["c_h"]) >= {"bias", "scatter"}
    assert record["settings"]["seed"] == QUICK.seed + 1
    lines.clear()
    training.train_members(*arguments)
    assert not lines
    model = SkyModel.load(tmp_path)
    assert len(model.members) == 2 and model.ignored == ((4980, 5025),)
    assert not sample.good[:, ~readable(model.ignored)].any()
    assert sample.good[1, readable(model.ignored)].all()


def test_too_few_spectra_are_refused():
    with pytest.raises(BadInputError, match="make more"):
        training.split(banded(10, 1), 8)


def test_validation_measures_pull_and_scatter(monkeypatch):
    test = banded(400, 1)
    random = np.random.default_rng(1)
    error = random.multivariate_normal(np.zeros(4), TRUE, 400)
    monkeypatch.setattr(training, "predict_with_covariance", lambda *_: (
        test.labels + error + [0, 0.5, 0, 0], np.tile(TRUE * 4, (400, 1, 1))))  # fmt: skip
    made = training.check(None, test)
    assert made["teff"]["scatter"] == pytest.approx(1, rel=0.1)
    assert made["teff"]["pull"] == pytest.approx(0.5, rel=0.1)
    assert made["logg"]["bias"] == pytest.approx(0.5, abs=0.1)


def test_command_makes_spectra_then_trains(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(training, "make_trainset", lambda *a, **k: called.append(("make", *a)))
    monkeypatch.setattr(training, "train_members", lambda *a, **k: called.append(("train", *a)))
    training.main(["--n", "50", "--members", "2", "--folder", str(tmp_path), "--no-balmer"])
    assert [c[0] for c in called] == ["make", "train"]
    assert called[0][1] == tmp_path / "trainset" and not called[0][5].balmer
    assert called[1][2:4] == (tmp_path, 2)
    assert trainset.PART == 1000
