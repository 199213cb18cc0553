"""Labels of files and arrays: known answers of a known network, flags, and bad input."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from astropy import units as u
from astropy.nddata import InverseVariance
from made_spectra import NATIVE, star, table_bytes, write
from sky_model import FACTOR, LABEL, constant_member, seeing_member

from cemp.candidates.gband import CH_BAND
from cemp.constants import C_KMS, LABELS, N_PIX, WAVE, air_to_vacuum
from cemp.errors import BadInputError
from cemp.indices import pseudo_equivalent_width
from cemp.lamost import read_spectrum
from cemp.paths import ROOT
from cemp.predict import PredictSettings, predict_files, predict_spectra
from cemp.predict import predict_arrays as label_arrays
from cemp.predict.columns import COLUMNS, describe
from cemp.predict.label import WORDS, judge, load_labeller, prepare, with_options
from cemp.predict.velocity import shift_of
from cemp.preprocess.pipeline import preprocess
from cemp.transfer.coverage import READ
from cemp.transfer.model import SkyModel
from cemp.transfer.zeropoint import ZeroPoint

REAL = ROOT.parent / "shared" / "real" / "lamost"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real spectra are not beside the checkout")


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("constant")
    constant_member(folder / "member-0")
    return folder


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeing")
    seeing_member(folder / "member-0")
    return folder


def predict_arrays(wave, flux, ivar=None, velocity_kms=0.0, medium="vacuum", **options):
    """Label arrays whose velocity and medium are said."""
    return label_arrays(wave, flux, ivar, velocity_kms, medium, **options)


def test_velocity_and_medium_must_be_said():
    with pytest.raises(BadInputError, match="velocity_kms=0 .* and medium='vacuum' or 'air'"):
        label_arrays(NATIVE, np.ones(NATIVE.size))
    with pytest.raises(BadInputError, match="give medium='vacuum' or 'air'"):
        label_arrays(NATIVE, np.ones(NATIVE.size), velocity_kms=12.0)


def save(folder, name, spectrum, **changes):
    return write(folder / name, table_bytes(spectrum, **changes), packed=False)


# ---- labels and what follows from them ---------------------------------------------------------

def test_a_known_network_gives_known_labels_errors_and_probabilities(constant, tmp_path):
    save(tmp_path, "a.fits", star(z=2e-4, snr=50))
    row = predict_files(tmp_path, constant).iloc[0]
    covariance = FACTOR @ FACTOR.T
    assert list(row[list(LABELS)]) == pytest.approx(list(LABEL), rel=1e-6)
    assert list(row[[f"e_{k}" for k in LABELS]]) == pytest.approx(
        list(np.sqrt(np.diag(covariance))), rel=1e-4)
    assert row["cov_fe_h_c_h"] == pytest.approx(0.02, rel=1e-4)
    assert row["c_fe"] == pytest.approx(0.9, abs=1e-5)
    # var([C/H]) = 0.0725, var([Fe/H]) = 0.04, covariance 0.02
    assert row["e_c_fe"] == pytest.approx(np.sqrt(0.0725 + 0.04 - 0.04), rel=1e-4)
    draws = np.random.default_rng(1).normal(size=(400_000, 4)) @ FACTOR.T + LABEL
    fe_h, c_fe = draws[:, 2], draws[:, 3] - draws[:, 2]
    assert row["p_cemp"] == pytest.approx(np.mean((fe_h < -2) & (c_fe > 0.7)), abs=0.003)
    assert row["p_emp"] == pytest.approx(np.mean(fe_h < -3), abs=0.003)
    assert row["p_vmp"] == pytest.approx(np.mean((fe_h >= -2.5) & (fe_h < -1.5)), abs=0.003)
    flags = ("cemp", "emp", "vmp", "unclassified_mp", "bc05_mp", "bc05_vmp", "bc05_emp",
             "bc05_cemp", "aoki07_cemp")
    assert [bool(row[k]) for k in flags] == [1, 0, 1, 0, 1, 1, 0, 0, 1]


def test_members_that_disagree_widen_the_errors(tmp_path):
    for k, shift in enumerate((-0.3, 0.3)):
        constant_member(tmp_path / f"member-{k}", LABEL + [0, 0, shift, 0])
    spectrum = star(snr=50)
    row = predict_arrays(spectrum.wave, spectrum.flux, spectrum.ivar, weights=tmp_path).iloc[0]
    assert row["fe_h"] == pytest.approx(LABEL[2], abs=1e-5)
    assert row["e_fe_h"] == pytest.approx(np.hypot(0.2, 0.3), rel=1e-4)


def test_labels_are_those_of_the_network_for_the_preprocessed_spectrum(seeing, tmp_path):
    made = [star(teff=t, z=z, snr=40, seed=k, obsid=k)
            for k, (t, z) in enumerate([(4500, 3e-4), (5500, -6e-4), (6500, 0.0)])]
    for k, spectrum in enumerate(made):
        save(tmp_path, f"{k}.fits", spectrum)
    table = predict_files(tmp_path, seeing)
    vectors = [preprocess(read_spectrum(tmp_path / f"{k}.fits")) for k in range(3)]
    flux, good = np.stack([v.flux for v in vectors]), np.stack([v.good for v in vectors])
    labels, _, _ = SkyModel.load(seeing).predict(flux, good)
    np.testing.assert_allclose(table[list(LABELS)], labels, rtol=2e-6, atol=1e-5)
    assert np.ptp(labels[:, 0]) > 0.1  # this network does look at the spectrum
    assert table["obsid"].tolist() == [0, 1, 2]
    assert table["z"].tolist() == pytest.approx([3e-4, -6e-4, 0.0])
    assert table["snr"].tolist() == pytest.approx([40] * 3, rel=0.3)
    assert table["snrg"].tolist() == [40] * 3


def test_the_g_band_is_the_index_of_the_normalised_spectrum(constant):
    band = np.exp(-0.5 * ((NATIVE - air_to_vacuum(4300.0)) / 12) ** 2)
    spectrum = star(snr=100, shape=1 - 0.5 * band)
    row = predict_arrays(spectrum.wave, spectrum.flux, spectrum.ivar, weights=constant).iloc[0]
    vector = preprocess(spectrum)
    width, error = pseudo_equivalent_width(WAVE, vector.flux, vector.ivar, vector.good, CH_BAND)
    assert (row["gband"], row["e_gband"]) == pytest.approx((width, error), rel=1e-4)
    # A Gaussian of depth 0.5 and sigma 12 A, of which 4280-4320 A holds 90%; H gamma adds 1 A.
    assert 13 < row["gband"] < 16 and row["e_gband"] < 0.2


def test_columns_are_described_and_in_order(constant):
    spectrum = star(snr=50)
    table = predict_arrays(spectrum.wave, spectrum.flux, spectrum.ivar, weights=constant)
    assert list(table) == list(COLUMNS)
    assert len(describe().splitlines()) == len(COLUMNS)
    kinds = {name: column.kind for name, column in COLUMNS.items()}
    assert all((table[name].dtype == bool) == (kind == "bool") for name, kind in kinds.items())
    assert table["flag_ivar_estimated"].tolist() == [False]


# ---- arrays ------------------------------------------------------------------------------------

def test_arrays_and_files_agree(seeing, tmp_path):
    spectrum = star(z=4e-4, snr=60)
    save(tmp_path, "a.fits", spectrum)
    stored = read_spectrum(tmp_path / "a.fits")
    file = predict_files(tmp_path / "a.fits", seeing).iloc[0]
    array = predict_arrays(stored.wave, stored.flux, stored.ivar, 4e-4 * 299_792.458,
                           weights=seeing).iloc[0]  # fmt: skip
    assert list(array[list(LABELS)]) == pytest.approx(list(file[list(LABELS)]), rel=1e-4)
    assert (array["model"], array["good_fraction"]) == (file["model"], file["good_fraction"])


def test_velocity_unit_and_medium_are_used(constant):
    spectrum = star(snr=200)
    line = np.exp(-0.5 * ((NATIVE - air_to_vacuum(4300.0)) / 8) ** 2)
    rest = spectrum.flux * (1 - 0.6 * line)
    expected = predict_arrays(NATIVE, rest, spectrum.ivar, weights=constant)["gband"].iloc[0]
    z = 500 / 299_792.458
    shifted = predict_arrays(NATIVE * (1 + z) / 10, rest, spectrum.ivar, velocity_kms=500,
                             unit="nm", weights=constant)  # fmt: skip
    assert shifted["gband"].iloc[0] == pytest.approx(expected, abs=0.05)
    assert shifted["z"].iloc[0] == pytest.approx(z)
    air = predict_arrays(NATIVE - (air_to_vacuum(NATIVE) - NATIVE), rest, spectrum.ivar,
                         medium="air", weights=constant)  # fmt: skip
    assert air["gband"].iloc[0] == pytest.approx(expected, abs=0.05)


def test_noise_is_estimated_and_said_so(constant):
    spectrum = star(snr=30)
    row = predict_arrays(spectrum.wave, spectrum.flux, weights=constant).iloc[0]
    assert row["flag_ivar_estimated"] and row["snr"] == pytest.approx(30, rel=0.35)


def test_many_spectra_and_one_bad_keep_their_rows(constant):
    spectrum = star(snr=50)
    flux = np.stack([spectrum.flux, np.full(NATIVE.size, np.nan), spectrum.flux])
    ivar = np.stack([spectrum.ivar] * 3)
    table = predict_arrays(NATIVE, flux, ivar, velocity_kms=[10, 20, 30],
                           names=["one", "two", "three"], weights=constant)  # fmt: skip
    assert table["identifier"].tolist() == ["one", "two", "three"]
    assert table["teff"].isna().tolist() == [False, True, False]
    assert list(table) == list(COLUMNS) and table.index.tolist() == [0, 1, 2]
    assert "flux" in table["reason"].iloc[1] or "good" in table["reason"].iloc[1]
    assert not table["cemp"].iloc[1] and table["cemp"].iloc[0]
    assert all(table[k].dtype == bool for k, c in COLUMNS.items() if c.kind == "bool")


class Like:
    """What specutils' Spectrum looks like."""

    def __init__(self, spectrum):
        self.spectral_axis, self.flux = spectrum.wave * u.AA, spectrum.flux * u.erg
        self.uncertainty = InverseVariance(spectrum.ivar / u.erg**2)
        self.mask, self.radial_velocity = None, 30 * u.km / u.s


def test_objects_agree_with_arrays(seeing):
    spectrum = star(snr=60, z=30 / 299_792.458, obsid=9)
    array = predict_arrays(spectrum.wave, spectrum.flux, spectrum.ivar, 30, weights=seeing)
    own = predict_spectra([spectrum], seeing)
    theirs = predict_spectra(Like(spectrum), seeing, medium="vacuum")
    for made in (own, theirs):
        np.testing.assert_allclose(made[list(LABELS)], array[list(LABELS)], rtol=1e-5)
    assert own["identifier"].tolist() == ["9"] and own["obsid"].tolist() == [9]
    with pytest.raises(BadInputError, match="air or vacuum"):
        predict_spectra(Like(spectrum), seeing)
    with pytest.raises(BadInputError, match="empty"):
        predict_spectra([], seeing)


def test_no_file_labelled_is_an_error_that_names_one(constant, tmp_path):
    save(tmp_path, "a.fits", star(cls="GALAXY"))
    with pytest.raises(BadInputError, match="a.fits: class GALAXY.*--star"):
        predict_files(tmp_path, constant)


@pytest.mark.parametrize("change, text", [
    (dict(flux=np.ones(5)), "5"),
    (dict(flux=np.ones((3, NATIVE.size)), ivar=np.ones((2, NATIVE.size))),
     "3 spectra in flux, but 2 in ivar"),
    (dict(velocity_kms=[1.0, 2.0]), "but 2 in velocity_kms"),
    (dict(wave=NATIVE / 10), "unit"),
    (dict(velocity_kms=np.nan), "velocity"),
    (dict(velocity_kms=9000.0), "not a Galactic star"),
    (dict(flux=np.full(NATIVE.size, np.nan)), "no spectrum could be labelled"),
    (dict(medium="water"), "air"),
    (dict(min_good_fraction=1.5), "min_good_fraction"),
    (dict(colour="red"), "no option 'colour'"),
    (dict(weights="/nowhere"), "no sky model in /nowhere"),
])
def test_bad_arrays_are_refused_in_one_line(constant, change, text):
    spectrum = star(snr=50)
    given = dict(wave=NATIVE, flux=spectrum.flux, ivar=spectrum.ivar, weights=constant)
    with pytest.raises(BadInputError, match=text) as caught:
        predict_arrays(**(given | change))
    assert "\n" not in str(caught.value)


# ---- velocity ----------------------------------------------------------------------------------

def lines(wave, depth=0.5):
    """Balmer lines, Ca II H and K, the G band and Mg b, on a continuum of 1."""
    flux = np.ones(wave.size)
    for centre, sigma in ((3934.8, 4), (3969.6, 4), (4102.9, 3), (4305, 12), (4341.7, 3),
                          (4862.7, 3), (5176, 8), (6564.6, 3), (8544, 3), (8664, 3)):
        flux -= depth * np.exp(-0.5 * ((wave - centre) / sigma) ** 2)
    return flux


@pytest.mark.parametrize("velocity", [-600.0, -180.0, -40.0, 0.0, 20.0, 200.0, 800.0])
@pytest.mark.parametrize("snr, depth, error", [(10.0, 0.5, 50), (80.0, 0.2, 15)])
def test_a_velocity_left_in_the_lines_is_measured_and_flagged(velocity, snr, depth, error):
    rng = np.random.default_rng(3)
    flux = lines(WAVE / (1 + velocity / C_KMS), depth) + rng.normal(0, 1 / snr, (20, N_PIX))
    ivar, good = np.full(flux.shape, snr**2), np.ones(flux.shape, bool)
    good[:10, 2000:] = False  # the blue arm alone
    means = [lines(WAVE), 1 - 0.3 * (WAVE > 7000)]
    shift, sure = shift_of(flux, ivar, good, means)
    assert np.abs(shift - velocity).max() < error
    assert (sure == (abs(velocity) > 75)).all()


def test_nothing_is_said_of_the_velocity_of_a_spectrum_without_lines():
    rng = np.random.default_rng(3)
    flux, ivar = rng.normal(1, 0.1, (50, N_PIX)), np.full((50, N_PIX), 100.0)
    shift, sure = shift_of(flux, ivar, np.ones(flux.shape, bool), [lines(WAVE)])
    assert np.isnan(shift).all() and not sure.any()


def test_a_wrong_velocity_is_flagged(constant, monkeypatch):
    import cemp.predict.label as module

    domain = FakeDomain({"reconstruction": 1.0}, {})
    domain.bases_.bases_[0].mean_ = lines(WAVE)
    known = replace(load_labeller(str(constant)), domain=domain)
    monkeypatch.setattr(module, "load_labeller", lambda folder: known)
    flux = np.stack([lines(NATIVE / (1 + 250 / C_KMS))] * 2)
    table = predict_arrays(NATIVE, flux, np.full(flux.shape, 2500.0), [250.0, -50.0],
                           weights=constant)  # fmt: skip
    assert table["flag_velocity"].tolist() == [False, True]
    assert table["shift_kms"].tolist() == pytest.approx([0.0, 300.0], abs=15)
    assert "lines shifted by +" in table["reason"].iloc[1] and not table["clean"].iloc[1]


def test_reasons_name_the_options_of_the_command():
    both = with_options("f.csv: the radial velocity is missing; say velocity_kms=..., 0 if at rest")
    assert both.endswith("(--velocity)")
    assert with_options("say star=True (--star)") == "say star=True (--star)"
    assert with_options("a damaged file") == "a damaged file"


# ---- partial coverage and flags ----------------------------------------------------------------

@pytest.mark.parametrize("low, high, share, words", [
    (3700, 5690, 0.38, ["H alpha"]),
    (5910, 9000, 0.58, ["Ca II H and K", "the G band", "C2", "H beta and Mg b"]),
    (4450, 9000, 0.87, ["Ca II H and K", "the G band"]),
    (3700, 6500, 0.54, ["H alpha"]),
    (3700, 7400, 0.72, []),  # all that the labels come from
])
def test_a_spectrum_without_an_arm_is_labelled_and_flagged(constant, low, high, share, words):
    inside = (NATIVE > low) & (NATIVE < high)
    spectrum = star(snr=50)
    row = predict_arrays(NATIVE[inside], spectrum.flux[inside], spectrum.ivar[inside],
                         weights=constant).iloc[0]  # fmt: skip
    assert row["good_fraction"] == pytest.approx(share, abs=0.05)
    assert row["flag_partial"] == bool(words) and row["flag_outside"] == (share < 0.5)
    assert row["flag_no_gband"] == ("the G band" in words)
    assert all((f"without {word}" in row["reason"]) == (word in words) for word in WORDS.values())


def test_what_was_not_observed_is_masked_and_the_network_is_told(seeing):
    inside = NATIVE < 5690
    spectrum = star(snr=50)
    half = replace(spectrum, **{k: getattr(spectrum, k)[inside]
                                for k in ("wave", "flux", "ivar", "good")})
    vector, row = prepare(lambda: half, PredictSettings())
    assert not vector.good[WAVE > 5690].any() and (vector.flux[WAVE > 5700] == 1).all()
    assert vector.good[(WAVE > 3810) & (WAVE < 5600)].mean() > 0.95
    whole = preprocess(spectrum)
    np.testing.assert_allclose(vector.flux[200:1800], whole.flux[200:1800], atol=0.01)
    blue = predict_arrays(half.wave, half.flux, half.ivar, weights=seeing)["teff"].iloc[0]
    ones = replace(spectrum, flux=np.where(inside, spectrum.flux, 1.0))
    full = predict_arrays(ones.wave, ones.flux, ones.ivar, weights=seeing)["teff"].iloc[0]
    assert blue != pytest.approx(full, abs=1e-3)  # a masked arm is not a featureless one


def test_too_little_of_the_grid_is_refused(constant):
    inside = (NATIVE > 4200) & (NATIVE < 5650)  # of which the first 300 A have no sure continuum
    spectrum = star(snr=50)
    arrays = [a[inside] for a in (NATIVE, spectrum.flux, spectrum.ivar)]
    with pytest.raises(BadInputError, match="good pixels under 30%"):
        predict_arrays(*arrays, weights=constant)
    row = predict_arrays(*arrays, weights=constant, min_good_fraction=0.2).iloc[0]
    assert row["flag_outside"] and row["flag_partial"]


def test_low_signal_is_flagged_by_the_header_or_else_by_the_noise():
    table = pd.DataFrame({"snrg": [9.9, 10.0, np.nan, np.nan], "snr": [50, 5, 9.0, 11],
                          "good_fraction": [1.0] * 4})
    flags = judge(table, np.ones((4, N_PIX), bool), PredictSettings())
    assert flags["flag_low_snr"].tolist() == [True, False, True, False]
    assert not flags.drop(columns=["flag_low_snr", "reason"]).any(axis=None)
    assert tuple(WORDS) == READ


def test_labels_at_the_edge_of_the_training_are_flagged_without_a_domain(tmp_path):
    constant_member(tmp_path / "member-0", np.array([7990.0, 4.0, -1.0, -1.0]))
    spectrum = star(snr=50)
    row = predict_arrays(NATIVE, spectrum.flux, spectrum.ivar, weights=tmp_path).iloc[0]
    assert row["flag_outside"] and "Teff too high" in row["reason"]
    assert not row["flag_partial"]


class FakeDomain:
    """Remembers what it was asked, and calls the second spectrum strange."""

    def __init__(self, limits, curves):
        self.limits_, self.curves_ = limits, curves
        self.bases_ = SimpleNamespace(bases_=[SimpleNamespace(mean_=np.ones(N_PIX))])

    def flags(self, flux, ivar, good, labels, covariance, spread):
        self.asked = covariance is not None, spread is not None
        return pd.DataFrame({"outside": [False, True], "reason": ["", "strange"]})


@pytest.mark.parametrize("limits, curves, asked", [
    ({"reconstruction": 1.0}, {}, (False, False)),
    ({"error": 1.0}, {"error_teff": 0}, (True, False)),
    ({"error": 1.0}, {"error_teff": 0, "spread_teff": 0}, (True, True)),
])
def test_the_domain_beside_the_weights_is_asked_what_it_knows(
    constant, monkeypatch, limits, curves, asked
):
    import cemp.predict.label as module

    domain = FakeDomain(limits, curves)
    known = replace(load_labeller(str(constant)), domain=domain)
    monkeypatch.setattr(module, "load_labeller", lambda folder: known)
    spectrum = star(snr=50)
    table = predict_arrays(NATIVE, np.stack([spectrum.flux] * 2), np.stack([spectrum.ivar] * 2),
                           weights=constant)  # fmt: skip
    assert table["flag_outside"].tolist() == [False, True]
    assert table["reason"].tolist() == ["", "strange"] and domain.asked == asked


def test_the_name_of_the_model_follows_its_weights(constant, seeing, tmp_path):
    names = {load_labeller(str(folder)).name for folder in (constant, seeing)}
    constant_member(tmp_path / "member-0")
    assert len(names) == 2 and load_labeller(str(tmp_path)).name in names
    constant_member(tmp_path / "member-1")
    assert load_labeller.__wrapped__(str(tmp_path)).name not in names


def test_zero_points_are_taken_off_and_the_edge_is_that_of_raw_labels(constant, tmp_path):
    raw = np.array([7990.0, 4.0, -1.0, -1.0])  # 10 K from the edge of the training
    constant_member(tmp_path / "member-0", raw)
    before = load_labeller.__wrapped__(str(tmp_path)).name
    coefficients = np.zeros((3, 4))
    coefficients[:, 0] = 400.0, 0.0, 0.2
    ZeroPoint(coefficients, np.array([4e3, 1, -3]), np.array([7e3, 5, 0]), 99).save(tmp_path)
    spectrum = star(snr=50)
    row = predict_arrays(NATIVE, spectrum.flux, spectrum.ivar, weights=tmp_path).iloc[0]
    # [C/H] follows [Fe/H] by their covariance: 0.02 / 0.04 of 0.2 dex
    assert list(row[list(LABELS)]) == pytest.approx([7590, 4.0, -1.2, -1.1], abs=1e-4)
    assert row["c_fe"] == pytest.approx(0.1, abs=1e-4)
    assert row["flag_outside"] and "Teff too high" in row["reason"]
    assert row["model"] != before


def test_the_number_of_threads_is_left_as_it_was(constant):
    before = torch.get_num_threads()
    spectrum = star(snr=50)
    predict_arrays(NATIVE, spectrum.flux, spectrum.ivar, weights=constant)
    assert torch.get_num_threads() == before


# ---- real files --------------------------------------------------------------------------------

@real
def test_all_real_spectra(constant):
    table = predict_files(REAL, constant)
    kinds = pd.DataFrame(table.attrs["skipped"])["kind"].value_counts().to_dict()
    assert kinds == {"not a star": 14, "medium resolution": 2}
    assert len(table) == 128
    assert table["release"].str.extract(r"(DR\d+)")[0].value_counts().to_dict() == {
        "DR7": 89, "DR10": 25, "DR9": 5, "DR1": 3, "DR2": 2, "DR13": 2, "DR5": 1, "DR6": 1}
    assert np.isfinite(table[["ra", "dec", "z", *LABELS, "snrg"]]).all(axis=None)
    # One exposure in two releases is one star.
    same = table[table["obsid"] == 101001].drop(columns=["file", "release"])
    pd.testing.assert_series_equal(same.iloc[0], same.iloc[1], check_names=False)
    # DR1 and DR2 have no obsid: the file's name stands for it.
    bare = table[table["obsid"].isna()]
    assert len(bare) == 5 and bare["identifier"].str.startswith("spec-5").all()


def test_a_resolution_below_that_of_training_is_refused(constant):
    spectrum = star(teff=5000, snr=80)
    arrays = (spectrum.wave, spectrum.flux, spectrum.ivar)
    with pytest.raises(BadInputError, match="resolution 1000 is below 1400"):
        predict_arrays(*arrays, weights=constant, resolution=1000.0)
    assert len(predict_arrays(*arrays, weights=constant, resolution=1500.0)) == 1


# ---- P(CEMP) where there is no light in the blue ------------------------------------------------

def blue_arm(snr, lost=(0, 0), **changes):
    """A spectrum whose header gives S/N(g), with pixels lost between two wavelengths."""
    spectrum = star(snr=50, **changes)
    bad = (NATIVE > lost[0]) & (NATIVE < lost[1])
    return replace(spectrum, snr={"g": snr}, good=~bad, ivar=np.where(bad, 0, spectrum.ivar))


@pytest.mark.parametrize("spectrum, words", [
    (blue_arm(4.9), ["S/N(g) 5 below 5"]),
    (blue_arm(0.0, (4050, 5580)), ["S/N(g) 0 below 5", "7% of 4050-5700 A good",
                                   "0% of the G band good"]),
    (blue_arm(50.0, (4190, 4430)), ["0% of the G band good"]),
    (blue_arm(np.nan, (4500, 5580)), ["35% of 4050-5700 A good"]),
])  # fmt: skip
def test_without_light_in_the_blue_no_probability_is_given(constant, spectrum, words):
    row, whole = predict_spectra([spectrum, star(snr=50)], constant).to_dict("records")
    assert row["flag_carbon"] and np.isnan(row["p_cemp"]) and not row["clean"]
    assert row["fe_h"] == whole["fe_h"] and row["p_emp"] == whole["p_emp"]  # the rest is told
    assert "P(CEMP) withheld: " + ", ".join(words) in row["reason"]
    assert not whole["flag_carbon"] and whole["p_cemp"] > 0.5 and "withheld" not in whole["reason"]


@real
def test_a_real_spectrum_without_a_blue_arm_is_no_candidate(constant):
    """A K star of DR7 whose file gives S/N(g) = 1."""
    row = predict_files(next(REAL.rglob("spec-58575-*_sp03-055.fits.gz")), constant).iloc[0]
    assert row["snrg"] == pytest.approx(1.04) and row["flag_carbon"] and not row["clean"]
    assert np.isnan(row["p_cemp"]) and np.isfinite(row["fe_h"])
