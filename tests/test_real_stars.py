"""Real stars: readers, the two halves, and the comparison with the literature."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

import cemp.plots.real_stars  # noqa: F401  (registers figures)
from cemp.constants import LABELS, WAVE, air_to_vacuum
from cemp.errors import BadInputError
from cemp.figures import draw
from cemp.paths import ROOT
from cemp.spectrum import Spectrum
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.resolution import broaden, sample
from cemp.transfer import observed, report
from cemp.transfer.coverage import feature_pixels
from cemp.transfer.fit import FitSettings, fit_all, fit_spectrum, used_pixels
from cemp.transfer.miles import normalise_name, read_labels, read_miles, read_star, split
from cemp.transfer.observed import (
    implausible,
    label_spectra,
    read_lamost,
    same_exposure,
    type_teff,
)
from cemp.transfer.stars import (
    compare,
    comparison_table,
    literature_carbon,
    with_carbon,
    z_scores,
)

REAL = ROOT.parent / "shared" / "real"
needs_miles = pytest.mark.skipif(not (REAL / "miles" / "labels.csv").is_file(),
                                 reason="the MILES stars are not beside the checkout")


def write_star(path, flux, **header):
    hdu = fits.PrimaryHDU(np.asarray(flux, dtype=float))
    hdu.header.update({"CRVAL1": 3540.5, "CDELT1": 0.9, "CRPIX1": 1} | header)
    hdu.writeto(path)


# ---- reading ------------------------------------------------------------------------------------

def test_wavelengths_become_vacuum(tmp_path):
    write_star(tmp_path / "a.fits", np.ones(4300))
    star = read_star(tmp_path / "a.fits", 7)
    # H-beta: 4861.33 in air, 4862.68 in vacuum
    pixel = (4861.33 - 3540.5) / 0.9
    assert np.interp(pixel, np.arange(4300), star.wave) == pytest.approx(4862.68, abs=0.02)
    assert (star.obsid, star.z, star.cls) == (7, 0.0, "STAR")


def test_nominal_errors_are_photon_noise(tmp_path):
    flux = np.r_[np.ones(3000), np.full(1300, 4.0), 0.0, np.nan]
    write_star(tmp_path / "a.fits", flux)
    star = read_star(tmp_path / "a.fits")
    snr = star.flux * np.sqrt(star.ivar)
    assert snr[0] == pytest.approx(100) and snr[4000] == pytest.approx(200)
    assert not star.good[-2:].any() and (star.ivar[-2:] == 0).all()


def test_bad_input_says_what_to_do(tmp_path):
    with pytest.raises(BadInputError, match="real_dir"):
        read_labels(tmp_path / "nowhere")
    pd.DataFrame({"name": ["a"]}).to_csv(tmp_path / "labels.csv")
    with pytest.raises(BadInputError, match="no column miles_id"):
        read_labels(tmp_path)
    row = dict(name="HD1", miles_id=1, file="gone.fits", teff=5000, logg=4, feh=0, refs="1")
    pd.DataFrame([row]).to_csv(tmp_path / "labels.csv")
    with pytest.raises(BadInputError, match="gone.fits: no such file"):
        read_miles(tmp_path)
    fits.PrimaryHDU(np.ones((2, 5))).writeto(tmp_path / "image.fits")
    with pytest.raises(BadInputError, match="no MILES spectrum"):
        read_star(tmp_path / "image.fits")


# ---- the two halves -----------------------------------------------------------------------------

def test_names_of_one_star_agree():
    names = ["HD001326B", "HD 1326", "hd 001326 A", "HD 1326   Cl"]
    assert len({normalise_name(name) for name in names}) == 1
    assert normalise_name("BD+044551") == "BD+44551" != normalise_name("BD-044551")
    assert normalise_name("M71 1-64          Cl") != normalise_name("M71 1-65          Cl")


def test_halves_are_fixed_for_ever():
    names = ["HD122563", "HD140283", "HD010700", "BD+233130", "HD094028", "M92 IV 114        Cl"]
    assert split(names).tolist() == HALVES
    assert split(names[::-1]).tolist() == HALVES[::-1]


HALVES = [False, True, True, True, True, True]


@needs_miles
def test_halves_of_miles():
    labels = read_labels(REAL / "miles")
    assert len(labels) == 477 and labels["dev"].sum() == 244
    assert not labels["star"].duplicated().any()


# ---- comparison ---------------------------------------------------------------------------------

def made_stars(n=400, seed=1):
    random = np.random.default_rng(seed)
    labels = pd.DataFrame({"teff": random.uniform(4000, 7000, n), "logg": random.uniform(1, 5, n),
                           "fe_h": random.uniform(-2.5, 0.3, n)})
    shift, scatter = {"teff": 50, "logg": -0.1, "fe_h": -0.2}, {"teff": 100, "logg": .3, "fe_h": .2}
    predicted = pd.DataFrame({k: labels[k] + shift[k] + scatter[k] * random.normal(size=n)
                              for k in labels})
    return labels, predicted


def test_known_bias_and_scatter_come_back():
    labels, predicted = made_stars()
    table = comparison_table(predicted, labels)
    row = table.loc["4000-7000 K", "fe_h"]
    assert row["n"] == 400
    assert row["bias_low"] < -0.2 < row["bias_high"]
    assert row["scatter_low"] < 0.2 < row["scatter_high"]
    assert table.loc[("[Fe/H] < -1", "teff"), "bias"] == pytest.approx(50, abs=30)
    assert table.loc[("[Fe/H] < -1", "teff"), "n"] == (labels["fe_h"] < -1).sum()


def test_one_wild_star_does_not_matter():
    labels, predicted = made_stars(41)
    before = comparison_table(predicted, labels).loc[("4000-7000 K", "logg"), "scatter"]
    predicted.loc[0, "logg"] = 400.0
    after = comparison_table(predicted, labels).loc[("4000-7000 K", "logg"), "scatter"]
    assert after < 1.3 * before


def test_few_stars_get_no_interval():
    few = compare([1.0, 2.0, np.nan], [0.0, 0.0, 0.0])
    assert few["n"] == 2 and few["bias"] == 1.5 and np.isnan(few["bias_low"])


def test_right_errors_give_z_scores_of_one():
    labels, predicted = made_stars(3000)
    # the scatter put in is the predicted and the literature error together, after the shift
    own = pd.DataFrame({"teff": np.full(3000, np.sqrt(100**2 - 80**2)),
                        "logg": np.full(3000, np.sqrt(0.3**2 - 0.2**2)),
                        "fe_h": np.full(3000, np.sqrt(0.2**2 - 0.1**2))})
    _, summary = z_scores(predicted - [50, -0.1, -0.2], own, labels)
    assert summary["scatter"].to_numpy() == pytest.approx(1, abs=0.06)
    assert summary["within_1"].to_numpy() == pytest.approx(0.683, abs=0.03)


def test_limits_and_wrong_names_give_no_carbon(tmp_path):
    pd.DataFrame({"Name": ["HD1", "HD_1", "HD2", "HD3", "x"],
                  "Simbad_Identifier": ["", "", "", "", "HD 4"],
                  "C-H": ["6.43", "6.63", "<5.0", "7.0", "8.43"],
                  "Teff": ["5000", "5100", "5000", "4000", "5000"]}).to_csv(tmp_path / "j.csv")
    stars = pd.DataFrame({"star": ["HD1", "HD2", "HD3", "HD4", "HD5"], "teff": 5000.0})
    carbon = literature_carbon(tmp_path / "j.csv", stars)
    assert carbon["c_h"].round(3).to_dict() == {"HD1": -1.9, "HD4": 0.0}
    assert carbon["n_entries"].to_dict() == {"HD1": 2, "HD4": 1}
    assert np.isnan(with_carbon(stars, carbon).loc[2, "c_h"])
    with pytest.raises(BadInputError, match="real_dir"):
        literature_carbon(tmp_path / "gone.csv", stars)


# ---- chi-square fits ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def emulator():
    return load_emulator(None, cache=ROOT / "build" / "emulator")


def emulated_star(emulator, labels, rv=0.0):
    """Return a spectrum as MILES would have it: a constant 2.5 A, to 7410 A."""
    wave = air_to_vacuum(3700 + 0.9 * np.arange(4120))
    norm, cont = emulator.emulate([labels])
    flux = norm[0] * cont[0] / cont[0].mean()
    step = np.log(emulator.wave[1] / emulator.wave[0])
    seen = sample(emulator.wave, broaden(flux, step, emulator.wave / 2.5), wave, rv)
    return Spectrum(obsid=1, wave=wave, flux=seen, ivar=np.full(wave.size, 1e6),
                    good=np.ones(wave.size, bool), z=0.0)


@pytest.mark.parametrize("labels", [(4700, 1.8, -2.0, 0.4, 0.3, 0.0), (5700, 4.3, -0.3, 0, 0.1, 0)])
def test_labels_of_an_emulated_star_come_back(emulator, labels):
    fit = fit_spectrum(emulator, emulated_star(emulator, labels, rv=12.0))
    assert fit["teff"] == pytest.approx(labels[0], abs=15)
    assert fit["logg"] == pytest.approx(labels[1], abs=0.05)
    assert fit["fe_h"] == pytest.approx(labels[2], abs=0.03)
    assert fit["c_fe"] == pytest.approx(labels[3], abs=0.06)
    assert fit["rv"] == pytest.approx(12, abs=1)
    assert fit["rms"] < 0.002


def test_the_balmer_cores_do_not_matter_to_the_fit(emulator):
    star = emulated_star(emulator, (5700, 4.3, -0.3, 0, 0.1, 0))
    core = np.abs(star.wave - 6564.6) < 4
    fit = fit_spectrum(emulator, replace(star, flux=np.where(core, 0.7, 1) * star.flux))
    assert fit["teff"] == pytest.approx(5700, abs=20)


def test_used_pixels_are_the_windows_without_what_is_masked():
    used = used_pixels(FitSettings(windows=((4030, 5700), (5900, 6855)), masked=((4862.7, 20),)))
    assert used[(WAVE > 4985) & (WAVE < 5018)].all() and used[WAVE == 6000].all()
    assert not used[np.isin(WAVE, (4000, 4860, 5800, 7000))].any()


def test_unknown_parameters_are_refused(emulator):
    with pytest.raises(BadInputError, match="no parameter vsini"):
        fit_spectrum(emulator, None, FitSettings(free=("teff", "vsini")))


def test_a_spectrum_that_cannot_be_fitted_keeps_its_row(emulator):
    star = emulated_star(emulator, (5700, 4.3, -0.3, 0, 0.1, 0))
    short = replace(star, good=star.wave < 4500)
    made = fit_all(emulator, [replace(short, obsid=2), star])
    assert made["obsid"].tolist() == [2, 1] and np.isnan(made["teff"][0])
    assert made["teff"][1] == pytest.approx(5700, abs=15)


# ---- labels of observed spectra -----------------------------------------------------------------

class Stub:
    """A model that always says the same, and doubts [C/H] where the G band is lost."""

    zero_point = None

    def predict(self, flux, good, raw):
        covariance = np.tile(np.diag([100.0, 0.2, 0.1, 0.2]) ** 2, (len(flux), 1, 1))
        covariance[~good[:, WAVE == 4300][:, 0], 3, 3] *= 4
        labels = np.tile([5000.0, 3.0, -1.0, -0.5], (len(flux), 1))
        return labels, covariance, np.zeros_like(labels)


def test_labels_as_a_table():
    good = np.ones((2, WAVE.size), bool)
    table, raw = label_spectra(Stub(), np.ones((2, WAVE.size)), good)
    assert table["c_fe"].tolist() == [0.5, 0.5]
    assert table["e_teff"].tolist() == [100, 100]
    assert table["e_c_fe"][0] == pytest.approx(np.hypot(0.1, 0.2))
    assert raw[0].tolist() == table[list(LABELS)].to_numpy().tolist()
    without = good & ~feature_pixels("g_band")
    lost, _ = label_spectra(Stub(), np.ones((2, WAVE.size)), without)
    assert lost["e_c_h"].tolist() == [0.4, 0.4]


class Shift:
    """A zero point that is the same for all."""

    def apply(self, labels, covariance):
        return labels + [100.0, 0.1, -0.2, 0.3]


def test_labels_before_and_after_the_zero_points_come_from_one_prediction():
    model, good = Stub(), np.ones((1, WAVE.size), bool)
    model.zero_point = Shift()
    table, (labels, _, _) = label_spectra(model, np.ones((1, WAVE.size)), good)
    assert labels.tolist() == [[5000.0, 3.0, -1.0, -0.5]]
    assert table.loc[0, ["teff", "logg", "fe_h", "c_h"]].tolist() == [5100.0, 3.1, -1.2, -0.2]


def test_spectral_types():
    assert type_teff("G0") == 5930 and type_teff("G3") == pytest.approx(5768)
    assert np.isnan(type_teff("dM2")) and np.isnan(type_teff("Non"))


def test_one_exposure_in_two_files():
    table = pd.DataFrame({"obsid": [1, 1, 2, None, None], "teff": [5000, 5003, 1, 2, 3],
                          "logg": 4.0, "fe_h": 0.0, "c_h": 0.0})
    same = same_exposure(table)
    assert same.index.tolist() == [1] and same.loc[1, "teff"] == 3 and same.loc[1, "files"] == 2


def test_implausible_places():
    table = pd.DataFrame({"teff": [4500, 4500, 4500, 6300, 6300],
                          "logg": [4.6, 4.0, 2.0, 1.5, 4.2]})
    assert implausible(table).tolist() == [False, True, False, True, False]


@pytest.mark.skipif(not (REAL / "lamost").is_dir(), reason="the LAMOST spectra are not there")
def test_real_lamost_spectra_are_read():
    spectra, table = read_lamost(REAL / "lamost" / "dr10")
    assert len(spectra) == len(table) == 25 and table["obsid"].notna().all()


def test_figures_draw():
    random = np.random.default_rng(0)
    labels, predicted = made_stars(50)
    data = {**labels, **{f"network_{k}": predicted[k] for k in labels}, "title": "made up"}
    data = {k: np.asarray(v) for k, v in data.items()}
    assert len(draw("07_one_to_one", data).axes) == 6
    z = {k: random.normal(size=50) for k in labels} | {"title": "made up"}
    assert len(draw("07_calibration", z).axes) == 3
    stars = {k: labels[k].to_numpy() for k in labels}
    stars |= {"type_teff": stars["teff"], "outside": random.random(50) > 0.9}
    assert len(draw("07_lamost", stars).axes) == 3


def test_numbers_of_the_paper():
    labels, predicted = made_stars()
    table = comparison_table(predicted, labels)
    out = report.values(table, "Dev")
    assert out["RealDevAllN"].value == 400 and out["RealDevPoorN"].value < 400
    assert float(out["RealDevAllTeffBias"].text) == round(table.loc["4000-7000 K", "teff"]["bias"])
    text = report.text_table(table).loc[("4000-7000 K", "fe_h"), "bias"]
    assert text.startswith("-0.") and text.endswith("]")
    met = report.goals(table)
    assert met.loc["teff", "met"] and not met.loc["fe_h", "bias met"]


def test_rows_of_the_papers_table():
    labels, predicted = made_stars()
    table = comparison_table(predicted, labels)
    rows = report.tex_rows({"development": table, "test": table})
    assert [row[0] for row in rows] == 3 * ["development"] + 3 * ["test"]
    assert rows[0][1:3] == ["4000--7000 K", "400"] and rows[1][1] == r"$\feh < -1$"
    assert rows[0][3] == f"${table.loc['4000-7000 K', 'teff']['bias']:+.0f}$" and len(rows[0]) == 9


def test_types_take_the_medians_of_the_pipelines_labels(tmp_path):
    rows = [("G2", 5700 + k, 4.4, -0.1 * k) for k in (-1, 0, 1)] + [("F0", -9999, -9999, -9999)]
    path = tmp_path / "rows.csv"
    table = pd.DataFrame(rows, columns=["subclass", "teff", "logg", "feh"])
    table = table.assign(obsid=range(4), ra=10.0, dec=20.0, z=0.0, snrg=50.0)
    table.assign(**{"class": "STAR"}).to_csv(path, index=False)
    table = observed.type_medians(path, least=3)
    assert table.index.tolist() == ["G2"]
    assert table.loc["G2"].tolist() == [5700, 4.4, 0.0, 3]
    with pytest.raises(BadInputError, match="nowhere.csv"):
        observed.type_medians(tmp_path / "nowhere.csv")
