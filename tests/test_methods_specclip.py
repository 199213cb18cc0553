"""Two surveys aligned by contrast: partners, labels and spectra that are known come back."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch

import cemp.plots.specclip  # noqa: F401  (registers the figure)
from cemp.errors import BadInputError
from cemp.figures import draw
from cemp.methods.specclip import XP_WAVE, SpecClip, XpSpectra, mock_xp, read_gaia, read_xp, tasks
from cemp.methods.specclip.clean import clean_pairs
from cemp.methods.specclip.encoders import Components, info_nce
from cemp.methods.specclip.strange import auc_table, strangeness
from cemp.methods.specclip.xp import extinction, log_flux
from cemp.models.data import Sample


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def fitted():
    """Noiseless pairs, some for training, and a model of them."""
    sample, xp = clean_pairs(260)
    train, test = (Sample(*(a[part] for a in vars(sample).values()))
                   for part in (slice(200), slice(200, None)))  # fmt: skip
    model = SpecClip(xp=xp, epochs=10, batch=32, width=8, copies=2, head_steps=300)
    return model.fit(train, train.labels), train, test, xp


def test_info_nce_of_known_embeddings():
    star, scale = torch.arange(4), torch.tensor(50.0)
    one, alike = torch.eye(4), torch.ones(4, 4) / 2
    assert info_nce(one, one, star, scale) < 1e-6
    assert float(info_nce(alike, alike, star, scale)) == pytest.approx(np.log(4))
    # another spectrum of the same star is no negative
    twice = torch.tensor([0, 0, 1, 1])
    assert float(info_nce(alike, alike, twice, scale)) == pytest.approx(np.log(3))


def test_components_give_spectra_back():
    spectra = np.random.default_rng(0).normal(size=(50, 5)) @ np.ones((5, 30))
    spectra += np.random.default_rng(1).normal(size=(50, 3)) @ np.eye(3, 30)
    parts = Components(spectra, 16)
    x = torch.from_numpy(spectra.astype(np.float32))
    assert parts.scores(x).shape == (50, 4)  # as many as there are, no more
    torch.testing.assert_close(parts.spectra(parts.scores(x)), x, atol=1e-4, rtol=0)
    assert float(parts.scores(x).var(dim=0, correction=0).mean()) == pytest.approx(parts.variance)


def test_partners_labels_and_spectra_come_back(fitted):
    model, train, test, xp = fitted
    found = tasks.Retrieval(model, test, xp, train)
    table = found.table()
    assert table.loc["embedding", "top 1"] > 0.8
    assert table.loc["embedding", "chance top 1"] == pytest.approx(1 / 60)
    assert table.loc["embedding, hard negatives", "among"] == 20
    scatter = test.labels.std(axis=0)
    for made in (model.predict(test), model.predict_xp(xp.of(test.obsid))):
        error = np.sqrt(np.mean(((made.labels - test.labels) / scatter) ** 2))
        assert error < 0.3
    made = tasks.translations(model, test, xp, train)
    assert tasks.rms(made["XP"], test) < 0.4 * tasks.rms(made["mean"], test)


def test_the_fit_is_the_same_again(fitted):
    _, train, test, xp = fitted
    few = Sample(*(a[:60] for a in vars(train).values()))
    first, second = (SpecClip(xp=xp, epochs=1, width=4, copies=1, head_steps=5)
                     .fit(few, few.labels).predict(test).labels for _ in range(2))  # fmt: skip
    np.testing.assert_array_equal(first, second)


def test_a_star_without_xp_has_labels_from_lamost_alone(fitted):
    model, _, test, xp = fitted
    flux = np.where(xp.obsid[:, None] == 201, np.nan, xp.flux)
    gap = XpSpectra(xp.obsid, xp.star, flux, xp.error)
    labels = model.predict_xp(gap.of(test.obsid)).labels
    assert np.isnan(labels[1]).all() and np.isfinite(np.delete(labels, 1, axis=0)).all()
    assert len(tasks.Retrieval(model, test, gap, test).rows) == 59
    scores = strangeness(model, test, gap, test)
    assert np.isnan(scores["surveys disagree"][1]) and np.isfinite(scores["not decoded"]).all()


def test_strangers_are_noticed(fitted):
    model, train, test, xp = fitted
    wrong = Sample(test.obsid, np.roll(test.flux, 700, axis=1), *list(vars(test).values())[2:])
    ordinary, strange = (strangeness(model, s, xp, train) for s in (test, wrong))
    table = auc_table(ordinary, strange, n_boot=50)
    assert (table["auc"] > 0.95).all() and (table["low"] <= table["auc"]).all()
    made = tasks.translations(model, test, xp, train)
    data = tasks.figure_data(tasks.Retrieval(model, test, xp, train), made, test, ordinary, strange)
    axes = draw("08_specclip", data).axes
    assert axes[0].lines[0].get_ydata()[0] == np.mean(data["rank"][0] < 2)


def test_ranks_of_known_similarities():
    similarity = np.array([[3.0, 2, 1, 0], [3, 2, 1, 0], [1, 1, 1, 1], [2, np.nan, 1, 0]])
    own = np.array([0, 2, 1, 1])
    np.testing.assert_array_equal(tasks.ranks(similarity, own), [1, 3, 2.5, 4])
    allowed = np.array([[False, False, True, True]] * 4)
    np.testing.assert_array_equal(tasks.ranks(similarity, own, allowed), [1, 1, 2, 3])
    labels = np.array([[5000, 2, -2, np.nan], [5010, 2, -2, -1], [6000, 4, 0, 0], [5100, 2, -2, 0]])
    hard = tasks.nearest_labels(labels[:1], labels, np.array([500, 1, 1, 1]), own[:1], k=2)
    assert hard.tolist() == [[False, True, False, True]]


def test_pairs_are_needed():
    sample, xp = clean_pairs(40)
    with pytest.raises(BadInputError, match="give xp="):
        SpecClip().fit(sample, sample.labels)
    with pytest.raises(BadInputError, match="got 29"):
        SpecClip(xp=xp.of(np.arange(29))).fit(sample, sample.labels)


def test_xp_spectra_are_found_by_obsid(tmp_path):
    sample, xp = clean_pairs(5)
    xp.write(tmp_path / "xp.npz")
    taken = read_xp(tmp_path / "xp.npz").of([3, 99, 0])
    np.testing.assert_array_equal(taken.flux[[0, 2]], xp.flux[[3, 0]])
    assert taken.there.tolist() == [True, False, True] and taken.star.tolist() == [3, -1, 0]


def test_real_spectra_come_as_the_mock_does(monkeypatch):
    def query(names, sampling, save_file):
        assert names == [7, 8] and not save_file
        flux = [np.full(sampling.size, 2e-16 * k) for k in (1, 3)]
        return pd.DataFrame({"source_id": [8, 7], "flux": flux,
                             "flux_error": [f / 100 for f in flux]}), sampling  # fmt: skip

    xp = read_gaia([11, 12, 13, 14], [7, 0, 8, 7], query)
    assert xp.there.tolist() == [True, False, True, True]
    np.testing.assert_allclose(xp.flux[[0, 2]], 1, rtol=1e-6)
    np.testing.assert_allclose(xp.error[0], 0.01, rtol=1e-6)
    monkeypatch.setitem(sys.modules, "gaiaxpy", None)
    with pytest.raises(BadInputError, match="pip install gaiaxpy"):
        read_gaia([11], [7])


def test_the_mock_instrument():
    # resolution: a narrow line gets the width of R = 38 at 5000 Angstrom and keeps its area
    wave = np.arange(3700.0, 9100.0, 0.5)
    line = np.exp(-0.5 * ((wave - 5000) / 2) ** 2)
    seen = mock_xp.blur_matrix(wave) @ line
    area = [np.sum(f) * step for f, step in ((line, 0.5), (seen, 20))]
    assert area[1] == pytest.approx(area[0], rel=0.03)
    variance = np.sum(seen * (XP_WAVE - 5000) ** 2) / np.sum(seen)
    assert 5000 / (2.3548 * np.sqrt(variance)) == pytest.approx(38.2, rel=0.1)
    power = mock_xp.resolving_power(XP_WAVE)
    assert 20 <= power.min() and power.max() < 70
    flat = mock_xp.blur_matrix(wave) @ np.ones(wave.size)
    np.testing.assert_allclose(flat, 1)


def test_the_mock_noise():
    # four times the photons, half the error; electrons of a flat-photon spectrum by hand
    flux = 1 / XP_WAVE
    bright, faint = (mock_xp.expected_error(flux, g, 40) / flux for g in (6.0, 6.0 + 1.50515))
    np.testing.assert_allclose(faint / bright, 2, rtol=2e-3)
    electrons = 4.42 * 40 * 10 ** (0.4 * (25.6874 - 6)) * mock_xp.pixel_width(XP_WAVE) / 4920
    np.testing.assert_allclose(bright, electrons**-0.5, rtol=2e-3)
    random = np.random.default_rng(0)
    drawn = np.array([mock_xp.linked_noise(random) for _ in range(2000)])
    np.testing.assert_allclose(drawn.std(axis=0), 1, atol=0.1)
    # samples 20 Angstrom apart share a photometer pixel, those 600 apart do not
    assert np.corrcoef(drawn[:, 100], drawn[:, 101])[0, 1] > 0.8
    assert abs(np.corrcoef(drawn[:, 100], drawn[:, 130])[0, 1]) < 0.1
    assert np.isnan(mock_xp.measure(flux, 17.7, random)[0]).all()


def test_dust_dims_the_blue():
    # A(V) = 3.1 E(B-V); A(B) - A(V) = E(B-V) for a flat spectrum to 10%
    curve = -extinction() / (0.4 * np.log(10))
    blue, visual = np.interp([4400, 5470], XP_WAVE, curve)
    assert visual == pytest.approx(3.1, rel=0.03)
    assert blue - visual == pytest.approx(1, rel=0.1)
    value, error = log_flux(XpSpectra(None, None, np.array([[1.0, -0.5]]), np.array([[0.1, 0.1]])))
    np.testing.assert_allclose(value, [[0, np.log(0.02)]])
    np.testing.assert_allclose(error, [[0.1, 1.0]])
