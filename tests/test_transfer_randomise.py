"""Domain randomisation: each nuisance does what it says; the training set resumes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cemp.constants import C_KMS, WAVE
from cemp.errors import BadInputError
from cemp.preprocess.pipeline import preprocess
from cemp.transfer import star_effects as star
from cemp.transfer import telescope_effects as telescope
from cemp.transfer import trainset
from cemp.transfer.randomise import DomainSettings, individual, observe, randomise

#: Everything off; tests switch on what they look at.
CLEAN = DomainSettings(
    balmer=False, calcium_half=0, calcium_light=0, field_rms=(0, 0), scale=(0, 0), blue_rms=0,
    element_rms=0, saturation=0, saturation_rms=0, isotope_share=(0, 0), cn_rms=0,
    interstellar_fraction=0, rotation_kms=0, library_fraction=0, warp_rms=0, step_rms=0,
    ebv=(0, 0), one_arm_fraction=0,
    r_5500=(1800, 1800), r_slope=(0, 0), r_step=(1, 1), constant_width_fraction=0, rv_rms=0,
    rv_error=0, distortion_kms=0, telluric_rms=0, telluric_raw_fraction=0, snr=(1e5, 1e5),
    noiseless_fraction=0, flat_noise_fraction=1, noise_link=(0, 0), ivar_rms=0, sky_fraction=0,
    cosmic_rate=0, late_start_fraction=0, early_end_fraction=0, no_blue_fraction=0,
    no_g_band_fraction=0, join_lost_fraction=0, n_short_runs=0, n_long_runs=0,
)  # fmt: skip
GRID = np.exp(np.arange(np.log(3692.0), np.log(9107.0), 1e-4))
LINES = (4700.0, 7000.0)


class ToyEmulator:
    """Narrow lines at `LINES`, a G band as deep as carbon says, H-alpha; flat continuum."""

    wave = GRID

    def emulate(self, labels):
        """Return normalised flux and continuum."""
        c_h = np.asarray(labels)[:, 2] + np.asarray(labels)[:, 3]
        norm = np.ones((len(labels), GRID.size))
        for line in LINES:
            norm -= 0.5 * star.gaussian(GRID, line, C_KMS / 5000)
        norm -= 0.3 * star.gaussian(GRID, star.BALMER[0], 1000.0)
        band = np.exp(-0.5 * ((GRID - 4305) / 15) ** 2)
        return norm - np.clip(0.4 + 0.1 * c_h, 0, 0.8)[:, None] * band, np.ones_like(norm)


def generator(seed=1):
    return np.random.default_rng(seed)


def moments(wave, flux, line, reach):
    """Centre and FWHM of an absorption line."""
    near = np.abs(wave - line) < reach
    w, depth = wave[near], 1 - flux[near] / np.median(flux)
    centre = np.sum(w * depth) / depth.sum()
    return centre, 2.3548 * np.sqrt(np.sum((w - centre) ** 2 * depth) / depth.sum())


def toy_flux():
    return ToyEmulator().emulate(np.array([[5000.0, 3, 0, -9, 0, 0]]))[0][0]


@pytest.mark.parametrize("line", LINES)
def test_resolving_power_is_the_one_asked_for(line):
    spectrum = observe(GRID, toy_flux(), generator(), CLEAN)
    _, width = moments(spectrum.wave, spectrum.flux, line, 12)
    assert line / width == pytest.approx(1800, rel=0.04)


@pytest.mark.parametrize("line", LINES)
def test_a_library_has_the_same_width_everywhere(line):
    settings = replace(
        CLEAN, constant_width_fraction=1, constant_width=(2.5, 2.5), library_fraction=1
    )
    spectrum = observe(GRID, toy_flux(), generator(), settings)
    assert moments(spectrum.wave, spectrum.flux, line, 12)[1] == pytest.approx(2.5, rel=0.04)
    assert spectrum.wave.max() == pytest.approx(7412, abs=1)


def test_rotation_broadens():
    settings = replace(CLEAN, rotation_kms=60)
    power = [telescope.resolving_power(GRID, generator(k), settings)[0] for k in range(300)]
    expected = np.median(1 / np.sqrt(1800**-2.0 + (60 * abs(generator(9).normal(size=9999))
                                                   / C_KMS) ** 2))  # fmt: skip
    assert np.median(power) == pytest.approx(expected, rel=0.02)


def test_resolution_stays_within_its_bounds():
    settings = DomainSettings()
    power = np.array([telescope.resolving_power(WAVE, generator(k), settings) for k in range(200)])
    assert power.min() > 900 and power.max() < 4900
    assert 1200 < np.median(power[:, 0]) < 1900 < np.median(power[:, -1]) < 2800


@pytest.mark.parametrize("line", LINES)
def test_velocity_error_comes_back(line):
    settings = replace(CLEAN, rv_rms=100, rv_error=25)
    for seed in range(3):
        spectrum = observe(GRID, toy_flux(), generator(seed), settings)
        rest = spectrum.wave / (1 + spectrum.z)
        shift = C_KMS * (moments(rest, spectrum.flux, line, 12)[0] / line - 1)
        assert shift == pytest.approx(-spectrum.meta["rv_error"], abs=1.5)
        assert abs(spectrum.meta["rv_error"]) <= 25


def test_wavelength_errors_are_smooth_and_small():
    errors = [telescope.wavelength_error(WAVE, generator(k), DomainSettings()) for k in range(200)]
    assert np.std(errors) == pytest.approx(4.0, rel=0.25)
    assert np.abs(np.diff(errors, axis=1)).max() < 0.1


@pytest.mark.parametrize("flat", [0, 1])
def test_noise_gives_the_snr_asked_for(flat):
    settings = replace(CLEAN, snr=(50, 50), flat_noise_fraction=flat, noise_link=(0.25, 0.25))
    clean = observe(GRID, toy_flux(), generator(3), replace(settings, snr=(1e6, 1e6)))
    noisy = observe(GRID, toy_flux(), generator(3), settings)
    in_g = (noisy.wave > 4000) & (noisy.wave < 5500)
    pull = (noisy.flux - clean.flux) * np.sqrt(noisy.ivar)
    assert np.median((clean.flux * np.sqrt(noisy.ivar))[in_g]) == pytest.approx(50, rel=0.01)
    assert pull.std() == pytest.approx(1, rel=0.04)
    assert np.mean(pull[1:] * pull[:-1]) == pytest.approx(0.5 / 1.125, abs=0.06)


def test_snr_spans_its_range():
    snr = [telescope.noise_level(WAVE, np.ones(WAVE.size), generator(k), DomainSettings())[1]
           for k in range(400)]  # fmt: skip
    assert min(snr) >= 8 and min(snr) < 10
    assert np.mean(np.array(snr) == 1000) == pytest.approx(0.15, abs=0.05)


def test_masked_pixels_stay_masked_through_preprocessing():
    settings = replace(CLEAN, no_g_band_fraction=1, late_start_fraction=1, start=(3950, 3950),
                       early_end_fraction=1, end=(7400, 7400))  # fmt: skip
    spectrum = randomise(ToyEmulator(), [[5000, 3, -1, 0, 0, 0]], generator(), settings)[0]
    vector = preprocess(spectrum)
    lost = ((WAVE > 4290) & (WAVE < 4320)) | (WAVE < 3950) | (WAVE > 7400)
    assert not vector.good[lost].any()
    assert (vector.ivar[lost] == 0).all()
    assert vector.good[(WAVE > 4460) & (WAVE < 7390)].all()
    assert (spectrum.flux[~spectrum.good] == 0).all()


def test_lost_runs_and_arms():
    runs = replace(CLEAN, n_short_runs=2.0, n_long_runs=0.3, longest_run=300)
    lost = [telescope.lost_pixels(WAVE, generator(k), runs) for k in range(300)]
    assert np.mean(lost) * WAVE.size == pytest.approx(2 * 5.5 + 0.3 * 155, rel=0.25)
    no_blue = telescope.lost_pixels(WAVE, generator(), replace(CLEAN, no_blue_fraction=1))
    assert no_blue[WAVE < 5500].all() and not no_blue[WAVE > 5900].any()


@pytest.mark.parametrize(("teff", "logg", "deepest"), [(4566, 1.1, 0.42), (5800, 4.4, 0.05)])
def test_balmer_cores_are_drawn_about_what_stars_show(teff, logg, deepest):
    settings = replace(CLEAN, balmer=True, balmer_half=0.3, core_width=(110, 110))
    flat = np.ones(GRID.size)
    core = np.argmin(np.abs(GRID - star.BALMER[0]))
    depth = np.array([1 - star.balmer_cores(GRID, flat, teff, logg, generator(k), settings)[core]
                      for k in range(400)])  # fmt: skip
    assert np.median(depth) == pytest.approx(deepest, abs=0.06)
    assert depth.max() > deepest + 0.25 and depth.min() < deepest - 0.2
    wing = np.abs(GRID - star.BALMER[0]) > 8
    near = np.abs(GRID - star.BALMER[0]) < 100
    made = star.balmer_cores(GRID, flat, teff, logg, generator(), settings)
    np.testing.assert_allclose(made[wing & near], 1, atol=1e-3)


def test_without_balmer_the_lte_core_stays():
    labels = np.array([4566.0, 1.1, -2.6, 0, 0.4, 0])
    norm = np.clip(toy_flux(), 0, 1)
    made = individual(GRID, labels, norm, norm, generator(), CLEAN)
    np.testing.assert_allclose(made, norm, atol=2e-3)
    made = individual(GRID, labels, norm, norm, generator(), replace(CLEAN, balmer=True))
    core = np.argmin(np.abs(GRID - star.BALMER[0]))
    assert abs(made[core] - norm[core]) > 0.01


def test_calcium_cores_change_both_ways():
    flat = np.full(GRID.size, 0.5)
    core = np.argmin(np.abs(GRID - star.CA_HK[0]))
    settings = replace(CLEAN, calcium_half=0.5, calcium_light=0.0)
    flux = [star.calcium_cores(GRID, flat, 5000, generator(k), settings)[core] for k in range(200)]
    assert min(flux) < 0.3 and max(flux) > 0.7
    lit = [star.calcium_cores(GRID, flat, 5000, generator(k), replace(CLEAN, calcium_light=0.1))
           for k in range(200)]  # fmt: skip
    assert np.mean([f[core] for f in lit]) == pytest.approx(0.6, abs=0.02)


def test_fields_have_unit_variance_and_their_length():
    fields = np.array([star.correlated_field(4096, (10.0,), generator(k)) for k in range(50)])
    assert fields.std() == pytest.approx(1, rel=0.05)
    lag = np.mean(fields[:, 20:] * fields[:, :-20])
    assert lag == pytest.approx(np.exp(-(20**2) / (2 * 10**2)), abs=0.05)


def test_line_errors_have_the_size_asked_for():
    settings = replace(CLEAN, scale=(-0.35, 0.11))
    scale = [star.line_errors(GRID, generator(k), settings) for k in range(200)]
    assert np.ptp(scale[0]) == pytest.approx(0, abs=1e-12)
    assert np.mean([s[0] for s in scale]) == pytest.approx(-0.12, abs=0.03)
    assert min(s[0] for s in scale) > -0.35 and max(s[0] for s in scale) < 0.11
    fields = replace(CLEAN, field_rms=(0.3, 0.3))
    assert np.std([star.line_errors(GRID, generator(k), fields) for k in range(20)]) == (
        pytest.approx(0.3, rel=0.05))  # fmt: skip
    element = star.line_errors(GRID, generator(), replace(CLEAN, element_rms=0.25))
    assert np.abs(element[(GRID > 4300) & (GRID < 4500)]).max() < 1e-3
    assert np.abs(element[np.abs(GRID - star.NA_D[0]) < 2]).max() > 0.01


def test_saturation_spares_weak_lines_and_black_cores():
    depth = np.array([0.01, 0.4, 6.0])
    change = star.saturate(depth, 0.1) / depth - 1
    assert change[1] == pytest.approx(0.1)
    assert abs(change[0]) < 0.008 and abs(change[2]) < 0.001


def test_interstellar_lines_have_the_width_asked_for():
    settings = replace(CLEAN, interstellar_fraction=1, sodium_width=(0.5, 0.5), interstellar_kms=0)
    out = star.interstellar(GRID, generator(), settings)
    near = (GRID > 5880) & (GRID < 5894.6)  # up to the middle between D2 and D1
    assert np.trapezoid(1 - out[near], GRID[near]) == pytest.approx(0.5, rel=0.03)
    assert out[np.abs(GRID - 5000) < 500].min() == 1
    assert (star.interstellar(GRID, generator(), CLEAN) == 1).all()


def test_carbon_changes_only_where_carbon_is():
    settings = replace(CLEAN, isotope_share=(0.2, 0.2), cn_rms=0.3)
    assert not star.carbon_changes(GRID, np.zeros(GRID.size), generator(), settings).any()
    swan = np.where((GRID > 4700) & (GRID < 4739), 0.5, 0.0)
    moved = star.carbon_changes(GRID, swan, generator(), settings)
    beyond = (GRID > 4740) & (GRID < 4746)
    assert moved[beyond] == pytest.approx(0.1, abs=1e-6)  # 12C13C's head lies 7.4 A redwards


def test_tellurics_are_of_both_signs_and_only_in_their_bands():
    settings = replace(CLEAN, telluric_rms=0.12)
    out = np.array([telescope.tellurics(WAVE, generator(k), settings) for k in range(100)])
    outside = (WAVE < 6270) | ((WAVE > 6340) & (WAVE < 6860)) | ((WAVE > 7350) & (WAVE < 7580))
    assert (out[:, outside] == 1).all()
    band = np.argmin(np.abs(WAVE - 7605))
    assert out[:, band].min() < 0.95 and out[:, band].max() > 1.05
    raw = telescope.tellurics(WAVE, generator(), replace(CLEAN, telluric_raw_fraction=1))
    assert raw[band] < 0.85


def test_calibration_steps_at_the_join_only():
    settings = replace(CLEAN, step_rms=0.2)
    factor = telescope.flux_calibration(WAVE, generator(4), settings)
    assert np.ptp(factor[WAVE < 5500]) < 1e-3 and np.ptp(factor[WAVE > 6100]) < 1e-3
    assert abs(np.log(factor[-1] / factor[0])) > 0.02
    reddened = telescope.flux_calibration(WAVE, generator(4), replace(CLEAN, ebv=(1, 1)))
    b_v = 2.5 * np.log10(np.interp(5480, WAVE, reddened) / np.interp(4400, WAVE, reddened))
    assert b_v == pytest.approx(1, abs=0.08)


def test_same_seed_same_spectrum_whatever_the_company():
    labels = np.array([[5000, 3, -1, 0, 0, 0], [6000, 4, -2, 1, 0.2, 0.3]])
    together = randomise(ToyEmulator(), labels, [generator(5), generator(6)])
    alone = randomise(ToyEmulator(), labels[1:], generator(6))
    np.testing.assert_array_equal(together[1].flux, alone[0].flux)
    np.testing.assert_array_equal(together[1].good, alone[0].good)
    assert (together[0].flux[:3000] != together[1].flux[:3000]).any()


# ---- the training set -----------------------------------------------------------------------


def test_labels_lie_in_the_grid_and_everywhere_in_it():
    labels = np.array([trainset.draw_labels(generator(k)) for k in range(3000)])
    assert trainset.inside(labels).all()
    share = np.histogram(labels[:, 2], np.arange(-4, 0.6, 0.5))[0] / len(labels)
    assert share.min() > 0.04
    assert np.mean((labels[:, 3] > 0.7) & (labels[:, 2] < -2)) > 0.06
    assert np.mean(labels[:, 1] < 2.5) > 0.15 and np.mean(labels[:, 1] > 4) > 0.2
    dwarfs_that_are_cool = (labels[:, 0] < 4500) & (labels[:, 1] > 4)
    assert dwarfs_that_are_cool.sum() > 20


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(trainset, "load_emulator", lambda *_, **__: ToyEmulator())


def make(folder, n, **more):
    return trainset.make_trainset(folder, n, seed=3, part=5, tell=lambda _: None, **more)


def test_a_killed_trainset_goes_on_and_ends_the_same(toy, tmp_path):
    assert make(tmp_path / "whole", 15) == 3
    assert make(tmp_path / "cut", 10) == 2
    trainset.part_file(tmp_path / "cut", 0).unlink()
    (tmp_path / "cut" / ".99.part-0002.npz").write_bytes(b"half a file")
    assert make(tmp_path / "cut", 15) == 2
    whole, labels = trainset.read_trainset(tmp_path / "whole")
    cut, same_labels = trainset.read_trainset(tmp_path / "cut")
    for name in ("obsid", "flux", "ivar", "good", "labels"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    np.testing.assert_array_equal(labels, same_labels)
    assert make(tmp_path / "cut", 15) == 0


def test_other_settings_are_refused(toy, tmp_path):
    make(tmp_path, 5)
    with pytest.raises(BadInputError, match="other settings"):
        make(tmp_path, 5, domain=DomainSettings(balmer=False))
    about = json.loads((tmp_path / "about.json").read_text())
    assert about["domain"]["balmer"] is True


def test_a_trainset_reads_back(toy, tmp_path):
    make(tmp_path, 10)
    sample, labels = trainset.read_trainset(tmp_path, 7)
    assert len(sample) == 7 and labels.shape == (7, 6)
    np.testing.assert_allclose(sample.labels[:, 3], labels[:, 2] + labels[:, 3])
    flux, ivar, good, _ = trainset.make_spectra(
        ToyEmulator(), range(7), 3, DomainSettings(), trainset.LabelSettings()
    )
    np.testing.assert_array_equal(sample.good, good)
    np.testing.assert_allclose(sample.flux, flux, atol=2e-3, rtol=1e-3)
    assert (sample.ivar[~good] == 0).all() and (sample.ivar[good] > 0).all()
    usual = good & (ivar < 1e6)
    np.testing.assert_allclose(sample.ivar[usual], ivar[usual], rtol=5e-3)


def test_no_trainset_is_told(tmp_path):
    with pytest.raises(BadInputError, match="make sky"):
        trainset.read_trainset(tmp_path)
