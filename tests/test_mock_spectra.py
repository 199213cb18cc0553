"""The mock's physics, its instrument and its files."""

import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from cemp.constants import C_KMS, air_to_vacuum
from cemp.errors import BadInputError
from cemp.mock import exposure, instrument, layout, nonstellar, observatory, physics, sky, spectra
from cemp.paths import ROOT
from cemp.synthesis import resolution
from cemp.synthesis.grid import GRID_LABELS, load_grid

REAL = ROOT.parent / "shared" / "real" / "lamost" / "dr10" / "3706009.fits"
WAVE = load_grid().wave
STEP = np.log(WAVE[1] / WAVE[0])
SETTINGS = instrument.InstrumentSettings()
NO_NOISE = {"rv": 0.0, "ebv": 0.0, "snr_g": 50.0, "gmag": 15.5, "helio_rv": 0.0}


def one_line(fwhm_kms=60.0, centre=6000.0):
    return 1 - 0.6 * np.exp(-4 * np.log(2) * ((WAVE / centre - 1) * C_KMS / fwhm_kms) ** 2)


def width_kms(wave, flux, centre):
    """Full width at half depth of a line, by its area and depth (a Gaussian)."""
    near = np.abs(wave / centre - 1) * C_KMS < 1500
    depth = 1 - flux[near]
    return np.trapezoid(depth, wave[near]) / depth.max() / centre * C_KMS / 1.064467


class NearestInGrid:
    """Stands in for the emulator: the grid's own spectra, nearest in the labels."""

    wave = WAVE

    def emulate(self, labels):
        grid = load_grid("mock")
        scale = grid.labels.std(axis=0)
        rows = [np.argmin((((grid.labels - one) / scale) ** 2).sum(axis=1)) for one in labels]
        cont = [np.interp(WAVE, grid.cont_wave, grid.cont[row]) for row in rows]
        return grid.norm[rows].astype(float), np.array(cont)


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    for module in (spectra, observatory):
        monkeypatch.setattr(module, "load_emulator", lambda *a, **k: NearestInGrid())


@pytest.fixture
def tables():
    """Six stars, one observed twice, a galaxy and a quasar."""
    grid = load_grid("mock")
    stars = pd.DataFrame(grid.labels[:8], columns=GRID_LABELS)
    stars = stars.assign(star_key=[f"m{k}" for k in range(8)], ebv=0.1, gmag=15.0)
    observations = pd.DataFrame({
        "obsid": np.arange(100, 109), "star_key": [*stars["star_key"], "m0"], "lmjd": 58000,
        "planid": "HD1N2B01", "spid": 3, "fiberid": np.arange(1, 10), "ra": 150.0, "dec": 30.0,
        "rv": np.linspace(-300, 300, 9), "snr_g": 40.0, "z_bad": np.arange(9) == 5,
        "cls": ["STAR"] * 6 + ["GALAXY", "QSO", "STAR"], "subclass": "G2"})
    return stars, observations


def write(tables, folder, **options):
    return spectra.write_spectra(*tables, folder, seed=1, n_jobs=1, cache=folder, **options)


# ---- physics


def test_balmer_core_of_a_cool_giant_falls_from_80_to_60_per_cent():
    """H-alpha of HD 122563 at R = 1900: 0.80 in LTE, 0.60 observed."""
    centre = physics.BALMER[0]
    lte = one_line(110.0, centre)
    lte = 1 - (1 - lte) * 0.2 / (1 - resolution.broaden(lte, STEP, 1900.0).min())
    still = physics.PhysicsSettings(balmer_scatter=0.0)
    real = physics.deepen_balmer(WAVE, lte, 4566, 1.12, np.random.default_rng(0), still)
    before, after = (resolution.broaden(x, STEP, 1900.0).min() for x in (lte, real))
    assert before == pytest.approx(0.80, abs=0.005)
    assert after == pytest.approx(0.62, abs=0.05)


def test_only_balmer_cores_deepen_and_dwarfs_less():
    flat, random = np.ones_like(WAVE), np.random.default_rng(0)
    still = physics.PhysicsSettings(balmer_scatter=0.0)
    giant, dwarf = (physics.deepen_balmer(WAVE, flat, *tg, random, still)
                    for tg in ((4600, 1.2), (5300, 4.4)))
    away = np.all([np.abs(WAVE / w - 1) * C_KMS > 300 for w in physics.BALMER], axis=0)
    assert np.allclose(giant[away], 1, atol=1e-6)
    assert (giant <= 1).all()
    assert 1 - giant.min() > 5 * (1 - dwarf.min())


def test_line_list_error_has_the_stated_size_and_is_common():
    settings = physics.PhysicsSettings(line_list_rms=0.12)
    field = physics.line_list_field(WAVE, settings, 7)
    assert field.std() == pytest.approx(0.12, rel=0.15)
    assert np.array_equal(field, physics.line_list_field(WAVE, settings, 7))
    assert not np.allclose(field, physics.line_list_field(WAVE, settings, 8))


def test_scaled_lines_leave_the_continuum():
    scaled = physics.scale_lines(np.array([1.0, 0.5]), np.log(2.0))
    assert scaled == pytest.approx([1.0, 0.25])


def test_saturated_lines_strengthen_and_weak_ones_do_not():
    before = np.array([0.999, 0.67, 0.01])
    change = np.log(physics.strengthen_saturated(before, 0.1)) / np.log(before) - 1
    assert change == pytest.approx([0.0, 0.1, 0.0], abs=0.002)


def test_isotope_shift_moves_the_band_head_and_keeps_its_strength():
    bare = np.ones_like(WAVE)
    band = np.where((WAVE > 4690) & (WAVE < 4737), 0.5, 1.0)
    moved = physics.shift_isotopes(WAVE, band, bare, 0.2)
    depth = -np.log(moved)
    assert depth.sum() == pytest.approx(-np.log(band).sum(), rel=1e-3)
    beyond = (WAVE > 4739) & (WAVE < 4743)
    assert depth[beyond] == pytest.approx(0.2 * np.log(2), rel=1e-3)
    assert np.allclose(moved[WAVE > 4750], 1)


def test_sodium_follows_reddening():
    """Poznanski et al. (2012): E(B-V) = 0.1 means EW(D2) = 0.421, EW(D1) = 0.308 Angstrom."""
    class NoScatter:
        def normal(self, size):
            return np.zeros(size)

    lines = 1 - physics.interstellar(WAVE, 0.1, 0.0, NoScatter())
    for (low, high), expected in (((5885, 5894.5), 0.421), ((5894.5, 5903), 0.308)):
        near = (WAVE > low) & (WAVE < high)
        assert np.trapezoid(lines[near], WAVE[near]) == pytest.approx(expected, rel=0.03)
    assert np.allclose(physics.interstellar(WAVE, 0.001, 0.0, NoScatter()), 1)


def test_interstellar_lines_stay_when_the_star_moves(monkeypatch):
    """D2 of the cloud is seen at the cloud's velocity, whatever the star's."""
    class Cloud:
        def normal(self, *args, size=None):
            return 0.0 if size is None else np.zeros(size)

    out = 10 ** (3.5682 + 1e-4 * np.arange(3909))
    flux = exposure._light(WAVE, np.ones_like(WAVE), out, 250.0, 0.3, 1800.0, 0.0, Cloud())
    near = np.abs(out - 5889) < 40
    slope = np.polyval(np.polyfit(out[near], flux[near], 1), out[near])
    centre = np.average(out[near], weights=np.clip(1 - flux[near] / slope, 0.02, None) - 0.02)
    assert centre == pytest.approx(physics.NA_D.mean(), abs=1.5)


# ---- instrument


@pytest.mark.parametrize("r_target", [1400.0, 1800.0, 2300.0])
def test_broadening_gives_the_resolving_power(r_target):
    line = one_line(C_KMS / 5000)
    assert width_kms(WAVE, line, 6000) == pytest.approx(C_KMS / 5000, rel=0.01)
    smooth = resolution.broaden(line, STEP, r_target)
    assert width_kms(WAVE, smooth, 6000) == pytest.approx(C_KMS / r_target, rel=0.005)


def test_broadening_may_vary_along_the_spectrum():
    lines = one_line(C_KMS / 5000, 4500) * one_line(C_KMS / 5000, 8000)
    smooth = resolution.broaden(lines, STEP, instrument.resolution(WAVE, 1800.0))
    for centre in (4500.0, 8000.0):
        expected = C_KMS / instrument.resolution(np.array([centre]), 1800.0)[0]
        assert width_kms(WAVE, smooth, centre) == pytest.approx(expected, rel=0.01)
    assert instrument.resolution(np.array([5500.0]), 1800.0)[0] == pytest.approx(1800)


def test_broadening_keeps_a_slope():
    slope = WAVE / 6000
    inner = slice(300, -300)
    assert np.allclose(resolution.broaden(slope, STEP, 1800.0)[inner], slope[inner], rtol=1e-4)


@pytest.mark.parametrize("rv", [-350.0, 0.0, 120.0])
def test_injected_velocity_comes_back_from_a_line(rv):
    out = 10 ** (3.5682 + 1e-4 * np.arange(3909))
    flux = resolution.sample(WAVE, resolution.broaden(one_line(), STEP, 1800.0), out, rv)
    centre = np.average(out, weights=1 - flux)
    assert (centre / 6000 - 1) * C_KMS == pytest.approx(rv, abs=0.5)


def test_wanted_signal_to_noise_is_reached():
    wave, flux = WAVE[100:-100], 500 * np.linspace(0.5, 1.5, WAVE.size - 200)
    for snr in (5.0, 40.0, 290.0):
        sigma = instrument.expected_noise(wave, flux, snr, 5800.0, 0.0, SETTINGS)
        assert instrument.signal_to_noise(wave, flux, sigma**-2)["g"] == pytest.approx(snr, rel=.02)


def test_red_arm_is_better_than_the_blue():
    sigma = instrument.expected_noise(WAVE, np.ones_like(WAVE), 20.0, 5800.0, 0.0, SETTINGS)
    snr = instrument.signal_to_noise(WAVE, np.ones_like(WAVE), sigma**-2)
    assert snr["u"] < 0.5 * snr["g"] < 0.5 * snr["r"] < 0.5 * snr["i"]


def test_noise_of_neighbours_is_linked_but_its_size_is_right():
    noise = instrument.correlated_noise(200_000, 0.22, np.random.default_rng(0))
    second = noise[1:-1] - 0.5 * (noise[:-2] + noise[2:])
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert second.std() / np.sqrt(1.5) == pytest.approx(0.69, abs=0.02)


def test_share_of_lost_pixels_is_that_of_the_survey():
    wave = 10 ** (3.5682 + 1e-4 * np.arange(3909))
    bad = [instrument.bad_pixels(wave, np.random.default_rng(k), SETTINGS) for k in range(1500)]
    shares = np.array([one.mean() for one in bad])
    assert 0.75 < np.mean(shares == 0) < 0.9  # cosmic rays add theirs
    assert 0.003 < shares.mean() < 0.012
    assert 0.3 < shares.max() < 0.42


def test_noise_is_smaller_than_ivar_says_by_the_stated_share():
    """As in faint real spectra: ivar knows the photons, the coadded pixels are smoother."""
    quiet = replace(SETTINGS, noise_share_rms=0.0, cosmic_rate=0.0, telluric=0.0, sky_miss=0.0,
                    masked=0.0, lost_arm=0.0, warp=0.0)  # fmt: skip
    ratios = []
    for seed in range(6):
        random, own = (np.random.default_rng([seed, k]) for k in range(2))
        made = exposure.expose(WAVE, np.ones_like(WAVE), NO_NOISE | {"snr_g": 12.0}, random, own,
                               quiet)  # fmt: skip
        pixels = (made.wave > 4200) & (made.wave < 5500)
        trend = np.polyval(np.polyfit(made.wave[pixels], made.flux[pixels], 3), made.wave[pixels])
        ratios.append(((made.flux[pixels] - trend) * np.sqrt(made.ivar[pixels])).std())
    assert np.mean(ratios) == pytest.approx(SETTINGS.noise_share, abs=0.02)


def test_header_gives_the_wanted_signal_to_noise_and_the_surveys_factor():
    made = exposure.expose(WAVE, np.ones_like(WAVE), NO_NOISE | {"snr_g": 30.0},
                           *(np.random.default_rng(k) for k in (1, 2)), SETTINGS)  # fmt: skip
    assert made.snr["g"] == pytest.approx(30.0, rel=0.03)
    pixels = instrument.in_band(made.wave, "g") & (made.ivar > 0)
    median = np.median(made.flux[pixels] * np.sqrt(made.ivar[pixels]))
    assert made.snr["g"] / median == pytest.approx(0.944, abs=1e-6)


def test_sky_lines_stand_at_vacuum_wavelengths():
    emission = sky.sky_lines(WAVE)
    near = (WAVE > 5560) & (WAVE < 5600)
    assert WAVE[near][np.argmax(emission[near])] == pytest.approx(
        air_to_vacuum(np.array([5577.3]))[0], abs=0.4)


def test_velocity_error_grows_at_low_signal():
    sizes = [np.std([instrument.velocity_error(s, np.random.default_rng(k), SETTINGS)[0]
                     for k in range(2000)]) for s in (100.0, 5.0)]
    assert sizes == pytest.approx([4.1, 20.4], rel=0.15)


def test_quasar_line_is_redshifted():
    flux = nonstellar.quasar(WAVE, 0.5, np.random.default_rng(0))
    bump = flux / np.interp(WAVE, WAVE[[0, -1]], flux[[0, -1]])
    near = (WAVE > 7000) & (WAVE < 7600)
    assert WAVE[near][np.argmax(bump[near])] == pytest.approx(4862.7 * 1.5, abs=20)


# ---- files


def test_layout_is_that_of_a_real_file(tables, tmp_path):
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not there: real spectra are kept beside the repository")
    out = write(tables, tmp_path)
    with fits.open(REAL) as real, fits.open(tmp_path / out["path"][0]) as mock:
        keys = [k for k in real[0].header if k != "COMMENT" and k]
        assert [k for k in mock[0].header if k != "COMMENT" and k] == keys
        for key in keys:
            assert type(real[0].header[key]) is type(mock[0].header[key]), key
        assert mock[1].name == real[1].name == "COADD"
        assert mock[1].columns.names == real[1].columns.names
        n = mock[0].header["NAXIS1"]
        assert mock[1].columns.formats == [f"{n}E"] * 6
        assert mock[1].data.dtype["FLUX"].base == real[1].data.dtype["FLUX"].base
        assert len(mock[1].data) == len(real[1].data) == 1


def test_file_says_what_was_asked_for(tables, tmp_path):
    out = write(tables, tmp_path).set_index("obsid")
    for row in tables[1].itertuples():
        with fits.open(tmp_path / out["path"][row.obsid]) as hdus:
            head, data = hdus[0].header, hdus[1].data[0]
        assert (head["OBSID"], head["PLANID"], head["FIBERID"]) == (
            row.obsid, row.planid, row.fiberid)
        assert head["CLASS"] == row.cls
        assert "MOCK" in head["ORIGIN"] and "MOCK" in str(head["COMMENT"])
        assert (data["NORMALIZATION"] == -9999).all() and head["NORM"] == 0
        wave = 10 ** (head["COEFF0"] + head["COEFF1"] * np.arange(head["NAXIS1"]))
        assert np.allclose(data["WAVELENGTH"], wave, rtol=1e-6)
        assert head["SNRG"] == pytest.approx(out["snrg"][row.obsid])
        assert head["Z"] == pytest.approx(-9999 if row.z_bad else out["z"][row.obsid], abs=1e-8)
    # A spectrum that lost the better half of its g band falls short of the S/N asked for.
    assert np.sum(np.abs(out["snrg"] / 40 - 1) < 0.05) >= 7
    stars = out[(out["cls"] == "STAR") & ~out["z_bad"]]
    assert np.abs(stars["z"] * C_KMS - stars["rv"]).max() < 40
    assert out["z"].isna().equals(out["z_bad"])
    assert out.loc[106, "z"] > 0.015 and out.loc[107, "z"] > 0.25


def test_nothing_in_the_header_tells_a_label(tables, tmp_path):
    """Other labels for the same observations change no card but what is measured."""
    stars, observations = tables
    texts = []
    for k, table in enumerate((stars, stars.assign(c_fe=stars["c_fe"].to_numpy()[::-1]))):
        out = write((table, observations), tmp_path / str(k))
        head = gzip.open(tmp_path / str(k) / out["path"][0]).read(2880 * 4).decode()
        texts.append([head[i:i + 80] for i in range(0, len(head), 80)])
    differ = {a[:8].strip() for a, b in zip(*texts, strict=True) if a != b}
    assert differ <= {"SNRU", "SNRG", "SNRR", "SNRI", "SNRZ"}


def test_same_seed_same_bytes_in_any_order(tables, tmp_path):
    stars, observations = tables
    first = write(tables, tmp_path / "a")
    write((stars, observations[::-1]), tmp_path / "b")
    for path in first["path"]:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_rerun_keeps_whole_files_and_forgets_those_of_other_inputs(tables, tmp_path):
    out = write(tables, tmp_path)
    kept, lost = tmp_path / out["path"][0], tmp_path / out["path"][1]
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    again = write(tables, tmp_path)
    assert kept.stat().st_mtime_ns == stamp and lost.is_file()
    pd.testing.assert_frame_equal(out, again)
    write((tables[0], tables[1][:4]), tmp_path)
    assert len(list(tmp_path.glob("*/spec-*.fits.gz"))) == 4


def test_no_two_stars_share_a_noiseless_flux(tables):
    """Not even with equal labels; one star keeps its flux from night to night."""
    mock = observatory.Observatory(seed=1)
    twin = tables[0].iloc[0].to_dict()
    one, two = (mock.surface_flux(twin | {"star_key": key}) for key in ("a", "b"))
    assert np.mean(np.abs(one / two - 1) > 1e-4) > 0.2
    assert np.array_equal(one, mock.surface_flux(twin | {"star_key": "a"}))


def test_faulty_tables_are_refused(tables, tmp_path):
    stars, observations = tables
    with pytest.raises(BadInputError, match="lacks snr_g"):
        write((stars, observations.drop(columns="snr_g")), tmp_path)
    with pytest.raises(BadInputError, match="1 unknown stars"):
        write((stars[1:], observations), tmp_path)
    with pytest.raises(BadInputError, match="fe_h outside"):
        write((stars.assign(fe_h=-6.0), observations), tmp_path)


def test_cards_are_eighty_bytes_and_gzip_has_no_time_stamp():
    assert all(len(card) == 80 for card in layout._FIXED if card)
    values = {key: "x" for key, value, _ in layout.CARDS if value is None}
    data = layout.spectrum_bytes(values, [np.zeros(10)] * 6)
    assert data[4:8] == b"\0\0\0\0"
    assert len(gzip.decompress(data)) % 2880 == 0
