from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from cemp.constants import WAVE, air_to_vacuum
from cemp.evaluate.attribution import (
    concentration,
    hide,
    input_gradients,
    integrated_gradients,
    occlusion,
    outputs,
    randomised,
)
from cemp.evaluate.bootstrap import BootstrapSettings
from cemp.evaluate.hiding import carbon_bands, control_windows, feature_table, hide_and_score

N_PIX = 400


class Linear(torch.nn.Module):
    """Two labels from weighted sums of the flux channel: every attribution is known."""

    def __init__(self):
        super().__init__()
        weights = np.zeros((2, N_PIX), np.float32)
        weights[0] = np.linspace(-1, 1, N_PIX)
        weights[1, 100:120] = 3.0
        self.weights = torch.nn.Parameter(torch.as_tensor(weights))

    def forward(self, x):
        return x[:, 0] @ self.weights.T


@pytest.fixture
def inputs():
    random = np.random.default_rng(1)
    flux = torch.as_tensor(random.normal(-0.2, 0.05, (6, N_PIX)).astype(np.float32))
    good = torch.ones(6, N_PIX)
    good[2, 105:110] = 0
    return torch.stack([flux * good, good], dim=1)


def test_gradient_of_a_linear_model_is_its_weights(inputs):
    model = Linear()
    for label in (0, 1):
        gradient = input_gradients(model, inputs, label, batch=4)
        weights = model.weights[label].detach().numpy()
        np.testing.assert_allclose(gradient[0], weights, rtol=1e-6)
        assert (gradient[2, 105:110] == 0).all()


def test_integrated_gradients_share_out_the_difference(inputs):
    model, other = Linear(), inputs.flip(0)
    part = integrated_gradients(model, inputs, other, 1, steps=2)
    weights = model.weights[1].detach().numpy()
    np.testing.assert_allclose(part, weights * (inputs - other)[:, 0].numpy(), atol=1e-6)
    curved = torch.nn.Sequential(model, torch.nn.Tanh(), torch.nn.Linear(2, 3))
    total = integrated_gradients(curved, inputs, other, 2, steps=200).sum(axis=1)
    expected = (outputs(curved, inputs) - outputs(curved, other))[:, 2]
    np.testing.assert_allclose(total, expected, atol=1e-4)


def test_occlusion_of_a_linear_model_is_what_the_window_added(inputs):
    model = Linear()
    centres, change = occlusion(model, inputs, 1, width=20, step=10)
    assert centres[0] == 9.5 and change.shape == (6, centres.size)
    line = np.flatnonzero(centres == 109.5)[0]
    expected = -3 * inputs[:, 0, 100:120].sum(dim=1).numpy()
    np.testing.assert_allclose(change[:, line], expected, rtol=1e-5)
    outside = np.abs(centres - 109.5) >= 20
    np.testing.assert_allclose(change[:, outside], 0, atol=1e-5)


def test_hidden_pixels_lose_flux_and_mask_and_leave_the_input_alone(inputs):
    before = inputs.clone()
    hidden = np.arange(N_PIX) < 50
    masked = hide(inputs, hidden)
    assert (masked[:, :, :50] == 0).all() and torch.equal(masked[:, :, 50:], inputs[:, :, 50:])
    assert torch.equal(inputs, before)


def test_randomised_weights_keep_their_values_and_forget_the_line(inputs):
    model = Linear()
    control = randomised(model, seed=3)
    kept = [torch.sort(m.weights.flatten())[0] for m in (model, control)]
    assert torch.equal(*kept)
    assert not torch.equal(control.weights, model.weights)
    assert torch.equal(control.weights, randomised(model, seed=3).weights)
    line = (np.arange(N_PIX) >= 100) & (np.arange(N_PIX) < 120)
    trained = concentration(input_gradients(model, inputs[:1], 1), line)
    forgot = concentration(input_gradients(control, inputs[:1], 1), line)
    assert trained[0] == pytest.approx(N_PIX / 20) and forgot[0] < 2
    assert not np.allclose(outputs(control, inputs), outputs(model, inputs))


def test_concentration_of_a_flat_profile_is_one():
    inside = np.arange(100) < 10
    assert concentration(-np.ones(100), inside) == pytest.approx(1)
    assert concentration(np.where(inside, 1.0, 0.0), inside) == pytest.approx(10)


def test_bands_hold_their_heads_and_controls_hold_no_carbon():
    bands = carbon_bands()
    for name, air in (("CH G", 4300.0), ("C2 4737", 4736.0), ("C2 5165", 5165.0)):
        assert bands[name][WAVE == np.round(air_to_vacuum(air))].all(), name
    # the Lick band is 35 Angstrom wide in air, so 35 pixels of 1 Angstrom in vacuum
    assert bands["CH G"].sum() == 35
    assert WAVE[bands["CH G"]][0] == np.ceil(air_to_vacuum(4281.375))
    controls = control_windows(35, 5, seed=1)
    assert (np.sum(list(controls.values()), axis=0) <= 1).all(), "no pixel is in two of them"
    assert 1 <= len(control_windows(200, 50, seed=1)) < 50, "no more than fit"
    assert len(controls) == 5
    for window in controls.values():
        assert window.sum() == 35 and not (window & bands["all carbon"]).any()


def test_hiding_the_region_that_carries_the_label_costs_what_it_carried():
    random = np.random.default_rng(2)
    truth, bands = random.normal(size=60), carbon_bands()
    flux = np.where(bands["CH G"], truth[:, None] / 35, 0)
    vectors = SimpleNamespace(obsid=np.arange(60), flux=flux, good=np.ones(flux.shape, bool))
    frame = pd.DataFrame({"obsid": np.arange(60), "star_id": np.arange(60), "true_c_h": truth})
    table = hide_and_score(
        lambda flux, good: np.repeat((flux * good).sum(axis=1)[:, None], 4, axis=1),
        vectors, frame.assign(c_h=truth), {k: bands[k] for k in ("CH G", "CH wide", "C2 5165")},
        settings=BootstrapSettings(n_boot=100),
    ).set_index("region")  # fmt: skip
    lost = np.sqrt(np.mean(truth**2))
    assert table["increase"].to_dict() == pytest.approx(
        {"CH G": lost, "CH wide": lost, "C2 5165": 0}, abs=1e-6
    )
    assert table.loc["CH G", "low"] > 0.5 * lost


def test_the_table_of_features_says_where_the_parts_are():
    inside = np.arange(100) < 10
    maps = {"part": np.where(inside, 0.08, 0.2 / 90), "gradient": np.ones(100)}
    flat = {"part": np.ones(100), "gradient": np.ones(100)}
    row = feature_table(maps, [flat, flat], {"band": inside}).loc["band"]
    assert row["pixels"] == 10 and row["share"] == pytest.approx(0.8)
    assert row["part"] == pytest.approx(8) and row["part, control"] == pytest.approx(1)
    assert row["gradient"] == pytest.approx(1)
