"""The generator of spectra: labels come out as they went in; what help is measured as."""

import numpy as np
import pytest

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.methods import gan_use
from cemp.methods.gan import GanSpectra, dress
from cemp.models.data import Sample

MEAN, SCALE = np.array([5200, 2.5, -1.5, -1.0]), np.array([500, 1, 1, 1])


def depths(labels):
    """Depth (n, 4) of four lines, each of one label."""
    return 0.12 + 0.03 * (np.asarray(labels) - MEAN) / SCALE


def toy(n, seed, snr=60.0, labels=None):
    """Spectra of four wide lines, and a fifth that no label says anything about."""
    random = np.random.default_rng(seed)
    if labels is None:
        labels = random.normal(MEAN, SCALE, (n, 4))
    flux = np.ones((n, N_PIX))
    for k in range(4):
        flux[:, 500 + 900 * k : 700 + 900 * k] -= depths(labels)[:, k, None]
    flux[:, 4200:4400] -= 0.1 + 0.03 * random.standard_normal(n)[:, None]
    ivar = np.full(flux.shape, snr**2, np.float32)
    ivar[:, 3000:3010] = 0
    noise = random.standard_normal(flux.shape) / snr
    return Sample(np.arange(n), (flux + noise).astype(np.float32), ivar, ivar > 0, labels)


@pytest.fixture(scope="module")
def fitted():
    train = toy(300, 1)
    return GanSpectra(n_components=6, n_latent=4, n_hidden=32, steps=800, learning_rate=2e-3,
                      batch=32, critic_steps=2).fit(train, train.labels)  # fmt: skip


def test_generated_spectra_have_the_lines_of_their_labels(fitted):
    labels = np.random.default_rng(2).normal(MEAN, SCALE, (200, 4))
    flux = fitted.noiseless(labels)
    made = np.column_stack([1 - flux[:, 550 + 900 * k : 650 + 900 * k].mean(1) for k in range(4)])
    assert np.abs(np.median(made - depths(labels), axis=0)).max() < 0.015  # half a scatter
    for k in range(4):
        assert np.corrcoef(made[:, k], depths(labels)[:, k])[0, 1] > 0.9
    # what labels do not say is varied as in training: a scatter of 0.03
    spare = 1 - flux[:, 4250:4350].mean(axis=1)
    assert spare.mean() == pytest.approx(0.1, abs=0.02)
    assert spare.std() == pytest.approx(0.03, abs=0.015)


def test_errors_and_lost_pixels_are_those_of_training(fitted):
    labels = np.tile(MEAN, (40, 1))
    sample = fitted.generate(labels, seed=3)
    assert not sample.good[:, 3000:3010].any() and sample.good[:, 3010:].all()
    residual = sample.flux[:, 100:400] - fitted.noiseless(labels, seed=3)[:, 100:400]
    assert residual.std() == pytest.approx(1 / 60, rel=0.1)
    assert (sample.obsid < 0).all() and (sample.labels == labels).all()
    np.testing.assert_array_equal(fitted.generate(labels, seed=3).flux, sample.flux)
    assert not np.array_equal(fitted.generate(labels, seed=4).flux, sample.flux)


def test_too_few_complete_rows_are_refused():
    train = toy(60, 1)
    train.labels[:20, 3] = np.nan
    with pytest.raises(BadInputError, match="got 40"):
        GanSpectra().fit(train, train.labels)


def test_donors_are_of_similar_temperature():
    labels = np.array([[4500.0, 2, -1, -1], [6500.0, 4, -1, -1]])
    teff = np.repeat([4500.0, 6500.0], 40)
    ivar = np.repeat([100.0, 400.0], 40)[:, None] * np.ones((80, N_PIX))
    sample = dress(np.ones((2, N_PIX)), labels, ivar, teff, np.random.default_rng(1))
    assert sample.ivar[0, 0] == 100 and sample.ivar[1, 0] == 400


def test_corner_labels_are_in_the_corners():
    known = toy(300, 5).labels
    labels = gan_use.corner_labels(400, known, np.random.default_rng(1))
    c_fe = labels[:, 3] - labels[:, 2]
    assert (labels[:200, 2] < -2.5).all() and (labels[200:, 2] < -2).all()
    assert (c_fe[200:] > 0.7).all() and labels[:, 3].max() <= 0.3 and labels[:, 2].min() > -4


def test_library_spectra_are_normalised_and_smoothed():
    """One narrow line of 3 Angstrom equivalent width keeps it, at LAMOST's resolution."""

    class Emulator:
        wave = np.exp(np.arange(np.log(3650), np.log(9150), 1e-4))

        def emulate(self, labels):
            norm = np.ones((len(labels), self.wave.size))
            norm -= 0.9 * np.exp(-0.5 * ((self.wave - 5200) / 1.33) ** 2)
            return norm, np.ones_like(norm) * (self.wave / 5000) ** -2

    real = toy(40, 1, snr=1e4)
    labels = real.labels[:3].copy()
    random = np.random.default_rng(1)
    sample = gan_use.library_spectra(labels, real, real.labels, Emulator(), random)
    line = (WAVE > 5180) & (WAVE < 5220)
    width = (1 - sample.flux[:, line]).sum(axis=1)
    np.testing.assert_allclose(width, 0.9 * 1.33 * np.sqrt(2 * np.pi), rtol=0.08)
    assert (1 - sample.flux[:, line]).max() < 0.75  # 0.9 before
    far = (WAVE > 4300) & (WAVE < 5000)
    np.testing.assert_allclose(sample.flux[:, far], 1, atol=0.01)


def test_an_arm_that_knows_the_corner_is_ahead_there():
    train = toy(400, 1)
    poor = train.labels[:, 2] < -2.5
    seen = Sample(*(getattr(train, k)[~poor] for k in ("obsid", "flux", "ivar", "good", "labels")))
    test = toy(300, 3)

    def more(seed):
        labels = np.random.default_rng(seed).normal(MEAN, SCALE, (200, 4))
        labels[:, 2] = np.random.default_rng(seed).uniform(-4.5, -2.5, 200)
        return toy(200, seed, labels=labels)

    def wrong(seed):
        made = more(seed)
        return Sample(made.obsid, made.flux, made.ivar, made.good, made.labels + SCALE)

    predicted = gan_use.judge(seen, {"true": more, "wrong": wrong}, test, seeds=(1, 2),
                              steps=200, n_copies=1)
    assert predicted["nothing"].shape == (2, 300, 4)
    table = gan_use.help_table(predicted, test.labels, np.arange(300).astype(str),
                               settings=BootstrapSettings(n_boot=200))  # fmt: skip
    corner = table[(table["group"] == "[Fe/H] < -2.5") & (table["label"] == "fe_h")]
    corner = corner.set_index("arm")
    assert corner.loc["true", "low"] > 0 and corner.loc["wrong", "high"] < 0
    assert corner.loc["nothing", "gain"] == 0 and corner.loc["true", "n"] == (
        test.labels[:, 2] < -2.5).sum()  # fmt: skip


def test_indices_of_the_same_spectra_agree():
    real = toy(60, 1)
    again = toy(60, 2, labels=real.labels)
    table, values = gan_use.index_table(again, real, names=("mgb",))
    assert abs(table.loc["mgb", "bias"]) < 0.1
    assert table.loc["mgb", "scatter"] == pytest.approx(table.loc["mgb", "noise"], rel=0.4)
    assert values["mgb"][0].shape == (60,)
