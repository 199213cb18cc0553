"""The network: shapes, attention, the mask, weights on disk."""

import json

import numpy as np
import pytest
import torch

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.models.data import label_array, shift, to_input, unit_noise
from cemp.models.io import load_model, save_model
from cemp.models.macrn import Macrn, MacrnConfig, count_parameters
from cemp.models.predict import predict

TINY = MacrnConfig(
    kernels=(3, 5), channels=(2, 3, 4), reduction=2, lstm_units=3, step_features=2, head_units=4
)


@pytest.fixture
def spectra():
    random = np.random.default_rng(1)
    flux = 1 - 0.3 * random.random((5, N_PIX)).astype(np.float32)
    return flux, random.random((5, N_PIX)) > 0.1


@pytest.fixture
def model():
    torch.manual_seed(1)
    model = Macrn(TINY).eval()
    model.flux_mean.fill_(-0.15)
    model.flux_scale.fill_(0.1)
    model.label_mean.copy_(torch.tensor([5000.0, 2.0, -1.0, -1.0]))
    model.label_scale.copy_(torch.tensor([600.0, 1.0, 0.8, 0.7]))
    return model


def test_shapes_through_the_paper_network():
    model, x = Macrn().eval(), torch.zeros(2, 2, N_PIX)
    features = model.features(x)
    assert features.shape == (2, model.config.n_filters, model.config.n_steps)
    assert model.attention(features).shape == features.shape
    assert model(x).shape == (2, 4)


def test_the_lstm_sees_about_a_hundred_steps():
    assert 80 <= MacrnConfig().n_steps <= 160


def test_parameters_counted_by_hand():
    # pyramid: convolutions without bias and two numbers a filter of batch normalisation
    pyramid = sum(k * (2 * 2 + 2 * 3 + 3 * 4) + 2 * (2 + 3 + 4) for k in (3, 5))
    attention = (8 * 4 + 4) + (4 * 8 + 8)
    lstm = 2 * 4 * 3 * (8 + 3 + 2)
    step = 2 * (2 * 3) + 2
    head = (TINY.n_steps * 2 * 4 + 4) + (4 * 4 + 4)
    assert count_parameters(Macrn(TINY)) == pyramid + attention + lstm + step + head


def test_attention_is_between_zero_and_one_and_multiplies(model, spectra):
    features = model.features(to_input(*spectra))
    weights = model.attention.weights(features)
    assert weights.shape == (5, 8)
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(model.attention(features), features * weights[:, :, None])


def test_flux_under_a_bad_pixel_changes_nothing(model, spectra):
    flux, good = spectra
    spoilt = np.where(good, flux, np.nan)
    assert np.array_equal(predict(model, flux, good), predict(model, spoilt, good))
    assert not np.array_equal(predict(model, flux, good), predict(model, flux, good | True))


def test_a_spike_counts_no_more_than_the_clip(model, spectra):
    seen = []
    model.pyramid.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    flux, good = spectra
    flux[0, 100], good[0, 100] = 50.0, True
    model.features(to_input(flux, good))
    assert seen[0][0, 0, 100].item() == pytest.approx(TINY.clip)
    assert seen[0][:, 0].abs().max() <= TINY.clip
    small = (flux[1, good[1]] - 1 + 0.15) / 0.1
    expected = TINY.clip * np.tanh(small / TINY.clip)
    np.testing.assert_allclose(seen[0][1, 0][torch.from_numpy(good[1])], expected, atol=1e-5)


def test_prediction_does_not_depend_on_the_batch(model, spectra):
    whole = predict(model, *spectra)
    one_by_one = predict(model, *spectra, batch=1)
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-5)
    assert whole.shape == (5, 4)


def test_prediction_is_in_physical_units(model, spectra):
    scaled = model(to_input(*spectra)).detach().numpy()
    expected = scaled * [600, 1, 0.8, 0.7] + [5000, 2, -1, -1]
    np.testing.assert_allclose(predict(model, *spectra), expected, rtol=1e-5)


def test_wrong_shape_is_refused(spectra):
    with pytest.raises(BadInputError, match="preprocess"):
        to_input(spectra[0][:, :100], spectra[1][:, :100])


def test_saved_weights_come_back(tmp_path, model, spectra):
    record = save_model(model, tmp_path, seed=7)
    assert record["seed"] == 7
    again = load_model(tmp_path)
    assert again.config == TINY
    assert np.array_equal(predict(model, *spectra), predict(again, *spectra))


def test_equal_weights_give_equal_files(tmp_path, model, monkeypatch):
    first = save_model(model, tmp_path / "a")
    monkeypatch.setattr("os.getpid", lambda: 1)  # the temporary file has another name
    second = save_model(model, tmp_path / "b")
    assert first["weights_sha256"] == second["weights_sha256"]


def test_foreign_weights_are_refused(tmp_path, model):
    save_model(model, tmp_path)
    record = json.loads((tmp_path / "macrn.json").read_text())
    (tmp_path / "macrn.json").write_text(json.dumps(record | {"wave_sha256": "0"}))
    with pytest.raises(BadInputError, match="wavelength"):
        load_model(tmp_path)
    (tmp_path / "macrn.json").write_text(json.dumps(record | {"weights_sha256": "0"}))
    with pytest.raises(BadInputError, match="does not belong"):
        load_model(tmp_path)
    older = {k: v for k, v in record["config"].items() if k != "clip"}
    (tmp_path / "macrn.json").write_text(json.dumps(record | {"config": older}))
    with pytest.raises(BadInputError, match="form of the network"):
        load_model(tmp_path)
    with pytest.raises(BadInputError, match="03_training"):
        load_model(tmp_path / "nowhere")


def test_a_limit_is_no_carbon_label():
    import pandas as pd

    table = pd.DataFrame(
        {"teff": [5000, 6000], "logg": [2, 4], "fe_h": [-2, -3], "c_h": [-1, -2]}
    ).assign(c_h_limit=[False, True])
    labels = label_array(table)
    assert labels[0].tolist() == [5000, 2, -2, -1]
    assert labels[1, :3].tolist() == [6000, 4, -3]
    assert np.isnan(labels[1, 3])


def test_a_receding_star_moves_to_the_red():
    velocity = np.array([20.0, -20.0, 0.0])
    line = np.tile(1 - 0.5 * np.exp(-0.5 * ((WAVE - 6000) / 3) ** 2), (3, 1))
    depth = 1 - shift(line, np.ones_like(line, bool), velocity)
    centroid = (depth * WAVE).sum(axis=1) / depth.sum(axis=1)
    np.testing.assert_allclose(centroid, 6000 * (1 + velocity / 299792.458), atol=1e-3)


def test_a_shift_leaves_bad_neighbours_alone():
    flux, good = np.ones((1, N_PIX)), np.ones((1, N_PIX), bool)
    flux[0, 2500], good[0, 2500] = 99.0, False
    shifted = shift(flux, good, np.array([15.0]))
    assert (shifted[good] == 1).all()


def test_noise_has_unit_variance_and_is_correlated_in_the_red_only():
    noise = unit_noise(400, np.random.default_rng(2))
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert noise.std(axis=0).mean() == pytest.approx(1, abs=0.01)

    def neighbours(part):
        return np.mean(noise[:, part][:, 1:] * noise[:, part][:, :-1])

    assert neighbours(slice(-500, None)) > neighbours(slice(0, 500)) + 0.1
