"""Spectra outside the training domain, and what missing pixels do on the way to the labels."""

import dataclasses

import numpy as np
import pytest
import torch
from made_spectra import NATIVE, star

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.lamost import find_spectra, read_spectrum
from cemp.models.data import Augment, Sample, to_input, unit_noise
from cemp.models.macrn import Macrn, MacrnConfig
from cemp.models.predict import predict_with_covariance
from cemp.models.train import TrainSettings, fit
from cemp.paths import ROOT
from cemp.preprocess import preprocess
from cemp.preprocess.continuum import trusted_from
from cemp.synthesis import design
from cemp.transfer.coverage import FEATURES, coverage, feature_pixels, informative_share
from cemp.transfer.hull import FACES, face_distances, hull_depth, network_labels
from cemp.transfer.model import SHIPPED, SkyModel
from cemp.transfer.outside import Domain, DomainSettings
from cemp.transfer.reconstruct import (
    BLOCK_EDGES,
    Basis,
    BasisSet,
    BasisSettings,
    kinds,
    typical_snr,
)
from cemp.transfer.windows import readable

REAL = ROOT.parent / "shared" / "real" / "lamost"
N_LINES = 120


def made(n, seed, snr=None, strange=0.0):
    """Toy vectors: lines whose depths follow three numbers, noise as of resampled pixels.

    `strange` is the depth of bands at 6600-6700 and 7050-7150 A that no training vector has.
    """
    lines = np.random.default_rng(5)
    centre, width = lines.uniform(3820, 8780, N_LINES), lines.uniform(1.0, 4.0, N_LINES)
    response = lines.uniform(0, 0.12, (3, N_LINES))
    random = np.random.default_rng(seed)
    profile = np.exp(-0.5 * ((WAVE - centre[:, None]) / width[:, None]) ** 2)
    flux = 1 - (random.random((n, 3)) @ response) @ profile
    band = ((WAVE > 6600) & (WAVE < 6700)) | ((WAVE > 7050) & (WAVE < 7150))
    snr = np.exp(random.uniform(np.log(8), np.log(300), n)) if snr is None else np.full(n, snr)
    sigma = 1 / snr[:, None] * np.ones(N_PIX)
    flux = flux - strange * band + sigma * unit_noise(n, random)
    good = np.ones((n, N_PIX), dtype=bool)
    for row in np.flatnonzero(random.random(n) < 0.3):
        start = random.integers(N_PIX)
        good[row, start:start + 300] = False
    return flux, good / sigma**2, good


QUICK = DomainSettings(false_alarm=0.01, n_knots=8, basis=BasisSettings(n_components=5))


@pytest.fixture(scope="module")
def domain():
    return Domain(QUICK).fit(*made(1200, seed=1))


# ---- features


def test_coverage_tells_a_lost_g_band_from_a_lost_blue_arm():
    good = np.ones((3, N_PIX), dtype=bool)
    good[1, feature_pixels("g_band")] = False
    good[2, WAVE < 5700] = False
    table = coverage(good)
    assert table["g_band"].tolist() == [1, 0, 0]
    assert table["g_band_missing"].tolist() == [False, True, True]
    assert table["ca_hk_missing"].tolist() == [False, False, True]
    assert table["h_alpha"].tolist() == [1, 1, 1]
    assert not table.iloc[0][[f"{name}_missing" for name in FEATURES]].any()


def test_a_lost_red_end_takes_nothing_of_what_labels_come_from():
    good = np.ones((2, N_PIX), dtype=bool)
    good[0, WAVE > 7410] = good[1, WAVE < 5350] = False
    assert informative_share(good) == pytest.approx([1, 0.5], abs=1e-3)


def test_features_lie_on_the_grid_and_bad_input_is_named():
    assert feature_pixels("g_band").sum() == 221
    assert all(feature_pixels(name).any() for name in FEATURES)
    with pytest.raises(BadInputError, match="g_band"):
        feature_pixels("G4300")
    with pytest.raises(BadInputError, match="preprocess first"):
        coverage(np.ones((2, 100), dtype=bool))


# ---- labels


def test_the_whole_design_lies_inside_its_hull():
    distance = face_distances(network_labels(design.draw(1024)))
    assert distance.shape == (1024, len(FACES)) and distance.min() >= -1e-9


@pytest.mark.parametrize(("labels", "face"), [
    ((7300, 4.1, -1.0, -1.0), "Teff too high"),
    ((3700, 4.6, -0.5, -0.5), "Teff too low"),
    ((5800, 1.0, -1.0, -1.0), "log g too low"),
    ((4500, 5.4, -1.0, -1.0), "log g too high"),
    ((5000, 3.0, 0.9, 0.2), "[Fe/H] too high"),
    ((5000, 3.0, -4.5, -3.0), "[Fe/H] too low"),
    ((5000, 3.0, 0.3, 0.8), "[C/H] too high"),
    ((5000, 3.0, -2.0, -3.5), "[C/Fe] too low"),
    ((5000, 3.0, -3.9, 0.1), "[C/Fe] too high"),
])  # fmt: skip
def test_labels_beyond_each_face_are_outside(labels, face):
    depth, which = hull_depth([labels])
    assert depth[0] < 0 and FACES[which[0]] == face


def test_the_sun_is_deep_inside_and_a_hot_edge_is_in_the_margin():
    depth, face = hull_depth([[5772, 4.44, 0, 0], [7060, 4.1, -0.5, -0.5], [5000, np.nan, 0, 0]])
    assert depth[0] > 2
    assert 0 < depth[1] < 1 and FACES[face[1]] == "Teff too high"
    assert np.isnan(depth[2])
    with pytest.raises(BadInputError, match="labels"):
        hull_depth([[5000, 2.0, -1.0]])


# ---- reconstruction


def test_components_give_back_spectra_through_gaps():
    flux, ivar, good = made(300, seed=2, snr=200)
    basis = Basis(BasisSettings(n_components=5)).fit(flux, ivar, good)
    clean, sharp, _ = made(40, seed=3, snr=1e5)
    gap = np.ones_like(clean, dtype=bool)
    gap[:, WAVE < 4700] = False
    _, model = basis.reconstruct(np.where(gap, clean, 77.0), sharp, gap)
    assert np.abs(model - clean).max() < 0.01
    assert basis.rows_ @ basis.rows_.T == pytest.approx(np.eye(5), abs=2e-3)


def test_misfit_is_zero_for_noise_even_if_ivar_is_wrong_twofold():
    flux, ivar, good = made(300, seed=2, snr=200)
    basis = BasisSet(BasisSettings(n_components=5)).fit(flux, ivar, good)
    flux, ivar, good = made(200, seed=4, snr=10)
    for factor in (0.5, 1.0, 2.0):
        misfit = basis.misfit(flux, ivar * factor, good)[0]
        assert np.abs(np.nanmean(misfit, axis=0)).max() < 0.02 * factor


def test_excess_measures_what_is_not_noise():
    """A band of depth 0.1 over 100 of 300 Angstrom: root mean square 0.058."""
    flux, ivar, good = made(300, seed=2, snr=200)
    basis = BasisSet(BasisSettings(n_components=5)).fit(flux, ivar, good)
    flux, ivar, good = made(100, seed=4, snr=20, strange=0.1)
    _, excess, snr, _ = basis.misfit(flux, ivar, good)
    block = BLOCK_EDGES.index(6500)
    assert np.nanmedian(excess[:, block]) == pytest.approx(0.1 * np.sqrt(100 / 300), rel=0.1)
    assert np.nanmedian(excess[:, 0]) < 0.01
    assert np.nanmedian(snr) == pytest.approx(20)


def test_every_star_of_the_design_belongs_to_a_kind():
    groups = kinds(network_labels(design.draw(1024)))
    assert np.any(groups, axis=0).all() and min(g.sum() for g in groups) > 150


def test_too_few_bright_spectra_are_refused():
    with pytest.raises(BadInputError, match="components need"):
        Basis(BasisSettings(n_components=40)).fit(*made(50, seed=1))
    with pytest.raises(BadInputError, match="preprocess first"):
        Basis().fit(*(np.ones((3, 10)),) * 3)


# ---- the flag


@pytest.mark.parametrize("snr", [8, 15, 40, 100, 300])
def test_noise_alone_raises_no_flag_at_any_snr(domain, snr):
    table = domain.flags(*made(300, seed=6, snr=snr))
    assert table["reconstruction"].mean() <= 0.06  # 1%; the limits come from 400 spectra
    assert table["snr"].median() == pytest.approx(snr, rel=0.02)


def test_a_band_no_training_star_has_is_found_above_the_noise(domain):
    """Bands 0.1 deep are found at S/N 20; bands of 0.02 are lost in the noise at S/N 3."""
    table = domain.flags(*made(100, seed=7, snr=20, strange=0.1))
    assert table["reconstruction"].mean() > 0.95
    assert table["reason"].str.contains("unlike training").mean() > 0.95
    assert domain.flags(*made(100, seed=8, snr=60, strange=0.1))["reconstruction"].all()
    assert domain.flags(*made(100, seed=8, snr=3, strange=0.02))["reconstruction"].mean() <= 0.06


def test_signs_are_told_apart_and_named(domain):
    flux, ivar, good = made(3, seed=9, snr=100)
    good[2, feature_pixels("g_band")] = False
    labels = [[5772, 4.44, 0, 0], [7090, 4.2, -1, -1], [5000, 3.0, -2, -2]]
    table = domain.flags(flux, ivar, good, labels)
    assert table["labels"].tolist() == [False, True, False]
    assert table["outside"].tolist() == [False, True, False]
    assert table["reason"].tolist() == ["", "Teff too high (edge)", ""]
    assert table["g_band_missing"].tolist() == [False, False, True]
    assert table["error_score"].isna().all() and not table["error"].any()


def errors_of(snr, seed):
    """Errors that fall with S/N and scatter by 20%, and spreads a third of them."""
    random = np.random.default_rng(seed)
    sigma = np.array([50, 0.1, 0.1, 0.1]) * (1 + 20 / snr[:, None])
    sigma = sigma * np.exp(0.2 * random.normal(size=sigma.shape))
    return np.array([np.diag(s**2) for s in sigma]), sigma / 3


def test_error_is_judged_against_its_own_snr(domain):
    train = made(1200, seed=1)
    snr = typical_snr(train[1], train[2])
    known = dataclasses.replace(QUICK)
    full = Domain(known)
    full.bases_, full.curves_, full.limits_ = domain.bases_, dict(domain.curves_), dict(
        domain.limits_)
    full.fit_error(snr, *errors_of(snr, 1))
    for at in (10.0, 100.0):
        vectors = made(300, seed=11, snr=at)
        covariance, spread = errors_of(np.full(300, at), 2)
        table = full.flags(*vectors, covariance=covariance, spread=spread)
        assert table["error"].mean() <= 0.05
        spread[:, 3] *= 4
        table = full.flags(*vectors, covariance=covariance, spread=spread)
        assert table["error"].mean() > 0.9
        assert table["reason"].str.contains("large spread of c_h").mean() > 0.9


def test_errors_need_a_domain_that_knows_some(domain):
    vectors = made(2, seed=3)
    with pytest.raises(BadInputError, match="fit_error"):
        domain.flags(*vectors, covariance=np.zeros((2, 4, 4)))
    with pytest.raises(BadInputError, match="covariance"):
        Domain(QUICK).fit_error(np.ones(2), np.zeros((2, 4)))


def test_stored_domain_gives_the_same_flags_and_equal_files(domain, tmp_path):
    domain.save(tmp_path / "a")
    Domain(QUICK).fit(*made(1200, seed=1)).save(tmp_path / "b")
    for name in ("domain.npz", "domain.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    vectors = made(30, seed=12, strange=0.03)
    before, after = domain.flags(*vectors), Domain.load(tmp_path / "a").flags(*vectors)
    assert before.equals(after)
    (tmp_path / "a" / "domain.json").write_text("{}")
    with pytest.raises(BadInputError, match="Domain.fit"):
        Domain.load(tmp_path / "a")


# ---- masks


LOST = {
    "blue end": (3600, 4300), "g band": (4200, 4420), "arm join": (5690, 5910),
    "red end": (8000, 9300),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_mask_reaches_the_network_and_hides_what_is_under_it(name):
    """Whatever flux the lost pixels hold, the network's input and its answer are the same."""
    low, high = LOST[name]
    whole = star(snr=80.0)
    lost = (NATIVE > low) & (NATIVE < high)
    torch.manual_seed(1)
    model, inputs = Macrn().eval(), []
    for filling in (0.0, 1e5):
        spectrum = dataclasses.replace(
            whole, flux=np.where(lost, filling, whole.flux), good=~lost,
            ivar=np.where(lost, 0, whole.ivar))  # fmt: skip
        vector = preprocess(spectrum)
        inside = (low + 3 < WAVE) & (high - 3 > WAVE)
        assert not vector.good[inside].any() and not vector.ivar[inside].any()
        sure = max(high, trusted_from(NATIVE, ~lost))  # no continuum window before it is left
        assert vector.good[(low - 3 > WAVE) | (sure + 3 < WAVE)].mean() > 0.99
        inputs.append(to_input(vector.flux, vector.good))
    assert torch.equal(inputs[0], inputs[1])
    mask = inputs[0][0, 1].bool().numpy()
    assert not mask[inside].any() and not inputs[0][0, 0].numpy()[~mask].any()
    with torch.inference_mode():
        assert torch.equal(model(inputs[0]), model(inputs[1]))


def test_a_spectrum_without_red_arm_is_refused_and_not_guessed():
    whole = star(snr=80.0)
    blue = dataclasses.replace(whole, good=NATIVE < 5700, ivar=whole.ivar * (NATIVE < 5700))
    with pytest.raises(BadInputError, match="good pixels under 50%"):
        preprocess(blue)


# ---- masks and errors


def banded(n, seed, lost=()):
    """Spectra whose carbon is in a strong G band and weak C2 bands, temperature everywhere.

    `lost` names features without pixels; None loses each of the two in a third of the spectra.
    """
    random = np.random.default_rng(seed)
    u = random.uniform(-1, 1, (n, 4))
    centre = np.linspace(3850, 8750, 60)
    lines = np.exp(-0.5 * ((WAVE - centre[:, None]) / 4) ** 2)
    depth = 0.25 + 0.15 * u[:, :1] * np.cos(np.arange(60)) + 0.1 * u[:, 2:3] * (np.arange(60) % 3)
    depth = depth + 0.1 * u[:, 1:2] * (np.arange(60) % 2)
    flux = 1 - depth @ lines
    for name, strength in (("g_band", 0.12), ("c2", 0.02)):
        flux = flux - strength * (1 + u[:, 3:]) * feature_pixels(name)
    flux += 0.15 * unit_noise(n, random)
    good = np.ones(flux.shape, dtype=bool)
    for name in ("g_band", "c2"):
        rows = random.random(n) < 1 / 3 if lost is None else np.full(n, name in lost)
        good[np.ix_(rows, feature_pixels(name))] = False
    labels = np.array([5500, 3, -2, -1.5]) + u * np.array([800, 1, 1, 1])
    return Sample(np.arange(n), flux.astype(np.float32),
                  (good / 0.15**2).astype(np.float32), good, labels)  # fmt: skip


def test_the_error_of_carbon_widens_without_g_band_and_that_of_temperature_does_not():
    """A small network: sigma([C/H]) grows 1.7-fold, the other three by less than 5%."""
    config = MacrnConfig(kernels=(7,), channels=(8, 16), strides=(4, 2), pools=(4, 2),
                         reduction=4, lstm_units=12, head_units=48, dropout=0.0,
                         covariance=True, mask_bins=25)  # fmt: skip
    settings = TrainSettings(
        epochs=14, batch=32, learning_rate=5e-3, warmup=0.05, balance=False, clip_gradient=5.0,
        augment=Augment(noise_fraction=0, shift_kms=0.5, mask_fraction=0),
    )  # fmt: skip
    model = fit(banded(900, 1, lost=None), banded(100, 2, lost=None), config, settings,
                log=lambda line: None).model  # fmt: skip
    sigma = []
    for lost in ((), ("g_band",)):
        test = banded(100, 3, lost)
        _, covariance = predict_with_covariance(model, test.flux, test.good)
        sigma.append(np.median(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), axis=0))
    ratio = sigma[1] / sigma[0]
    assert ratio[3] > 1.4
    assert np.abs(ratio[:3] - 1).max() < 0.15


# ---- the shipped weights and real spectra


shipped = pytest.mark.skipif(
    not (SHIPPED / "domain.npz").is_file(), reason="the sky model's weights are not in this tree"
)
real = pytest.mark.skipif(not REAL.is_dir(), reason="real spectra are not in ../shared/real")


def read_real(wanted):
    """Vectors of the real spectra with `wanted(spectrum)`; what is no star is taken for one."""
    vectors = []
    for path in find_spectra(REAL):
        try:
            spectrum = read_spectrum(path)
            if not wanted(spectrum):
                continue
            z = spectrum.z if abs(spectrum.z) < 0.01 else 0.0
            vectors.append(preprocess(dataclasses.replace(spectrum, cls="STAR", z=z)))
        except BadInputError:
            continue
    return [np.array([getattr(v, name) for v in vectors]) for name in ("flux", "ivar", "good")]


@shipped
@real
def test_real_fgk_stars_are_inside_and_m_dwarfs_and_galaxies_are_not():
    """Counts as in the model card, with room for other weights; faint galaxies escape."""
    domain, model = Domain.load(SHIPPED), SkyModel.load()

    def share(wanted):
        flux, ivar, good = read_real(wanted)
        good = good & readable(model.ignored)
        return domain.flags(flux, ivar, good, *model.predict(flux, good))["outside"].mean()

    assert share(lambda s: s.subclass[:1] in ("F", "G", "K") and s.snr["g"] > 20) < 0.15
    assert share(lambda s: s.subclass[:2] in ("dM", "gM", "M0")) > 0.5
    assert share(lambda s: s.cls in ("GALAXY", "QSO") and s.snr["g"] > 7) > 0.3


@shipped
@real
def test_shipped_weights_know_that_carbon_rests_on_the_g_band():
    model = SkyModel.load()
    flux, _, good = read_real(lambda s: s.subclass[:1] in ("G", "K") and s.snr["g"] > 60)
    good &= readable(model.ignored)

    def sigma(good):
        return np.sqrt(np.diagonal(model.predict(flux, good)[1], axis1=1, axis2=2))

    ratio = np.median(sigma(good & ~feature_pixels("g_band")) / sigma(good), axis=0)
    assert ratio[3] > 1.05 and ratio[3] > ratio[0]
