"""Methods that came before the network find again what spectra of known labels were made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from cemp.constants import LABELS, N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.indices import BANDS
from cemp.methods.adapters import MacrnMethod, TheCannon
from cemp.methods.cnn import Cnn
from cemp.methods.kernel import KernelModel
from cemp.methods.known import HALF_WIDTH, known_answer, line_spectra
from cemp.methods.lines import ALL_BANDS, LineIndexForest, LineIndexSvm, measure_bands
from cemp.methods.slam import Slam
from cemp.methods.spcanet import Components, SpcaNet
from cemp.methods.training import Schedule, train_network
from cemp.models.io import save_model
from cemp.models.macrn import Macrn, MacrnConfig

SCALE = HALF_WIDTH / 1.5


@pytest.fixture(scope="module")
def train():
    return line_spectra(300, noise=0.002)


@pytest.fixture(scope="module")
def test():
    return line_spectra(60, seed=1)


def worst(prediction, truth):
    """Largest rms residual of a label [scatter of the labels]."""
    return np.sqrt(np.mean(((prediction.labels - truth) / SCALE) ** 2, axis=0)).max()


def pulls(prediction, truth):
    """Residuals in units of their errors, (n, 4)."""
    return (prediction.labels - truth) / np.sqrt(np.einsum("nkk->nk", prediction.covariance))


def thin(spectra, pixels=slice(None, None, 24)):
    """Some pixels only: enough for methods that treat each pixel alike."""
    arrays = {name: getattr(spectra, name)[:, pixels] for name in ("flux", "ivar", "good")}
    return SimpleNamespace(obsid=spectra.obsid, **arrays)


def first(spectra, n):
    """Few spectra."""
    return SimpleNamespace(**{name: array[:n] for name, array in vars(spectra).items()})


def test_the_cannon_by_the_interface(train, test):
    method = TheCannon(draw_width=0.0).fit(thin(train[0]), train[1])
    prediction = method.predict(thin(test[0]))
    assert worst(prediction, test[1]) < 0.06
    assert np.std(pulls(prediction, test[1])) == pytest.approx(1, abs=0.12)
    assert method.n_parameters == 16 * len(WAVE[::24])


def test_the_cannon_draws_from_complete_rows_only(train, test):
    labels = train[1].copy()
    labels[:100, 3] = np.nan
    method = TheCannon().fit(thin(train[0]), labels)
    assert worst(method.predict(thin(test[0])), test[1]) < 0.08
    labels[:280] = np.nan
    with pytest.raises(BadInputError, match="at least 30 spectra"):
        TheCannon().fit(thin(train[0]), labels)


def small_network(**options):
    return MacrnConfig(kernels=(3,), channels=(2, 2, 8), lstm_units=4, head_units=8, **options)


@pytest.mark.parametrize("covariance", [False, True])
def test_macrn_is_read_as_it_was_written(tmp_path, test, covariance):
    model = Macrn(small_network(covariance=covariance)).eval()
    save_model(model, tmp_path)
    method = MacrnMethod(folder=tmp_path).fit(*test)
    prediction = method.predict(test[0])
    assert len(prediction) == 60 and np.isfinite(prediction.labels).all()
    assert (prediction.covariance is not None) == covariance
    assert method.n_parameters == sum(p.numel() for p in model.parameters())
    assert np.isnan(method.fit_seconds_)


def test_macrn_wants_validation_when_it_trains(train):
    with pytest.raises(BadInputError, match="validation"):
        MacrnMethod().fit(*train)


def test_components_fill_what_is_hidden():
    random = np.random.default_rng(2)
    shapes = np.linalg.qr(random.normal(size=(400, 3)))[0].T
    flux = 1 + random.normal(size=(200, 3)) @ shapes
    good = random.random(flux.shape) > 0.1
    components = Components(3, floor=0.0, clip=20, n_fill=20).fit(flux, np.ones(flux.shape, bool))
    whole = components.transform(flux, np.ones(flux.shape, bool))
    hidden = components.transform(np.where(good, flux, 77), good)
    assert np.mean(whole**2, axis=0) == pytest.approx(np.ones(3), rel=1e-3)
    assert np.abs(hidden - whole).max() < 1e-3


def test_training_keeps_the_epoch_that_validates_best():
    import torch

    x = torch.linspace(-1, 1, 64)[:, None].repeat(1, 4)
    labels = x.numpy() * [500, 1, 1, 1] + [5000, 2, -1, -1]
    schedule = Schedule(epochs=30, batch=16, learning_rate=0.05, weight_decay=0.0, ema=0.5)
    kept = []
    for given in (labels, -labels):  # the second validates best before it has learnt
        network, scaler = train_network(
            lambda: torch.nn.Linear(4, 4), lambda rows, random: x[rows], labels, schedule,
            (x, given),
        )  # fmt: skip
        with torch.no_grad():
            kept.append(np.abs(scaler.inverse(network(x).numpy()) - labels)[:, 2].max())
    assert kept[0] < 0.02 < kept[1]


def test_spcanet_finds_the_labels():
    method = SpcaNet(20, n_copies=3, epochs=60, noise_fraction=0.3, dropout=0.0)
    table = known_answer(method, 300, 100)
    assert table["rms"].max() < 12


def test_cnn_finds_the_labels():
    method = Cnn(channels=(8, 16), kernels=(9, 5), strides=(4, 1), pools=(4, 4), epochs=10,
                 noise_fraction=0.3, dropout=0.0)  # fmt: skip
    table = known_answer(method, 300, 60)
    assert table["rms"].max() < 30


def test_networks_are_the_same_twice(train, test):
    few = first(train[0], 80), train[1][:80]
    made = [SpcaNet(n_copies=1, epochs=2).fit(*few).predict(test[0]).labels for _ in range(2)]
    np.testing.assert_array_equal(*made)


def test_slam_finds_labels_and_errors(train, test):
    method = Slam(penalty=100, epsilon=0.03, gamma=0.02, n_check=20)
    method.fit(thin(first(train[0], 200)), train[1][:200])
    prediction = method.predict(thin(test[0]))
    assert worst(prediction, test[1]) < 0.08
    assert np.std(pulls(prediction, test[1])) == pytest.approx(1, abs=0.15)
    assert method.model_.truncation() < 1e-4
    in_parts = method.predict(thin(test[0]), chunk=7)
    assert np.abs((in_parts.labels - prediction.labels) / SCALE).max() < 0.005


def test_slam_scores_settings_by_stars_left_out(train):
    grid = [{"gamma": 0.02}, {"gamma": 20.0}]
    method = Slam(penalty=100, epsilon=0.03)
    varies = np.flatnonzero(np.ma.std(np.ma.array(train[0].flux, mask=~train[0].good), 0) > 0.05)
    table = method.cross_validate(thin(train[0], varies[::10]), train[1], grid, n_pixels=30)
    assert table["mse"][0] < 0.05 and table["mse"][1] > 0.5


def kernel_model(n_pixels=80):
    random = np.random.default_rng(5)
    centres, dual = random.normal(size=(40, 4)), random.normal(size=(40, n_pixels)) * 0.05
    return KernelModel(centres, dual, np.ones(n_pixels), 0.1, 0.5, 40, 20, 3, 3), random


def test_kernel_model_derivatives_agree_with_differences():
    model, random = kernel_model()
    x, h = random.normal(size=(2, 4)), 1e-2
    _, slope = model._reduced(x)
    for k in range(4):
        step = h * np.eye(4)[k]
        numeric = (model.flux(x + step) - model.flux(x - step)) / (2 * h)
        np.testing.assert_allclose(slope[:, :, k] @ model._vectors.T, numeric, atol=2e-4)


def test_kernel_model_is_inverted():
    model, random = kernel_model()
    x = random.uniform(-1, 1, size=(30, 4))
    found, curvature = model.invert(model.flux(x), np.full((30, 80), 1e4))
    assert np.median(np.abs(found - x)) < 1e-3
    assert np.linalg.eigvalsh(curvature).min() > 0


def test_an_index_is_measured_or_missing():
    flux = np.ones((2, N_PIX))
    line = slice(np.searchsorted(WAVE, 5252), np.searchsorted(WAVE, 5282))
    flux[:, line] = 0.5  # 30 pixels inside Fe5270, between its side bands
    good = np.ones(flux.shape, bool)
    good[1, line] = False
    values = measure_bands(flux, np.full(flux.shape, 1e4), good)
    column = 1 + list(ALL_BANDS).index("fe5270")
    assert values[0, column] == pytest.approx(15, abs=0.01)
    assert np.isnan(values[1, column])
    assert values[0, 1 + list(ALL_BANDS).index("gp")] == pytest.approx(0, abs=1e-9)
    assert set(BANDS) < set(ALL_BANDS)


@pytest.mark.parametrize("band", ALL_BANDS.values(), ids=ALL_BANDS)
def test_bands_are_in_order_and_on_the_grid(band):
    for low, high in (band.centre, *band.sides):
        assert 3800 < low < high < 8800
    assert band.sides[0][0] < band.centre[0] or len(band.sides) == 1
    assert band.source


def test_svm_on_line_indices_finds_the_labels():
    table = known_answer(LineIndexSvm(noise_fraction=0.3, penalty=3.0), 400, 100)
    assert table["rms"].max() < 25


def test_forest_tells_its_errors():
    method = LineIndexForest(n_trees=40, n_copies=4, noise_fraction=0.0)
    table = known_answer(method, 500, 200, noise=0.005)
    assert table["rms"].max() < 45  # a forest cannot do better with so few stars
    assert table["pull"].to_numpy() == pytest.approx(np.ones(4), abs=0.3)
    assert np.diag(method.correlation_) == pytest.approx(np.ones(4))


def test_forest_learns_from_rows_with_a_label_missing(train, test):
    labels = train[1].copy()
    labels[::2, LABELS.index("c_h")] = np.nan
    prediction = LineIndexForest(n_trees=20, n_copies=2).fit(train[0], labels).predict(test[0])
    assert np.isfinite(prediction.labels).all() and np.isfinite(prediction.covariance).all()
    scatter = np.std((prediction.labels - test[1]) / SCALE, axis=0)
    assert scatter.max() < 0.7
