"""Injection: nothing added changes nothing, what is added is measured back, tables are whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from made_spectra import NATIVE, star, table_bytes, write
from sky_model import LABEL, constant_member, seeing_member

from cemp.__main__ import main
from cemp.candidates.gband import CH_BAND, degrade, normalise
from cemp.constants import C_KMS, LABELS, WAVE
from cemp.errors import BadInputError
from cemp.indices import pseudo_equivalent_width
from cemp.inject import recover as module
from cemp.inject import summary
from cemp.inject.observe import like_survey, noise_patterns, once
from cemp.inject.ratio import carbon_ratio, grid_labels, highest, inject, refusal
from cemp.inject.recover import INJECTED, InjectSettings, generator, inject_spectra
from cemp.paths import ROOT
from cemp.predict import PredictSettings, predict_files
from cemp.preprocess.pipeline import preprocess
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import GRID_R

REAL = ROOT.parent / "shared" / "real" / "lamost"
GIANT = np.array([[4800.0, 1.8, -2.4, -2.4]])


class FakeEmulator:
    """One band at 4300 A, whose depth is a tenth of the star's [C/Fe] + 1, and nothing else."""

    wave = np.exp(np.arange(np.log(3692.0), np.log(9108.0), 1e-4))

    def emulate(self, labels, r=None):
        depth = 0.1 * (1 + np.asarray(labels)[:, 3:4])
        band = np.exp(-0.5 * ((self.wave - 4300) / 15) ** 2)
        return (1 - depth * band).astype(np.float32), np.ones((len(depth), self.wave.size))


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """No emulator is fitted but in the test that asks for one."""
    if "emulator" not in request.fixturenames:
        monkeypatch.setattr(module, "real_emulator", lambda cache=None: FakeEmulator())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeing")
    seeing_member(folder / "member-0")
    return str(folder)


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("constant")
    constant_member(folder / "member-0")
    return str(folder)


@pytest.fixture
def emulator():
    """The cached emulator of the mock's half, if there is one: fitting takes minutes."""
    if not any((ROOT / "build" / "emulator").glob("emulator-*.npz")):
        pytest.skip("no fitted emulator in build/emulator: make all makes one")
    return load_emulator("library", cache=ROOT / "build" / "emulator")


# ---- the ratio ----------------------------------------------------------------------------------

def test_no_added_carbon_changes_no_bit():
    ratio = carbon_ratio(FakeEmulator(), GIANT, [0.0])[0]
    assert (ratio == 1).all()
    spectrum = star(z=3e-4, snr=30)
    made = inject(spectrum, FakeEmulator.wave, ratio, np.random.default_rng(1))
    for name in ("wave", "flux", "ivar", "good"):
        np.testing.assert_array_equal(getattr(made, name), getattr(spectrum, name))
    assert made.snr == spectrum.snr and made.z == spectrum.z


def test_the_ratio_is_that_of_the_spectra_and_lies_at_the_stars_velocity():
    ratio = carbon_ratio(FakeEmulator(), GIANT, [2.0])[0]
    assert ratio.min() == pytest.approx(0.7 / 0.9, abs=1e-4)
    velocity = 300.0
    flat = replace(star(z=velocity / C_KMS), flux=np.ones(NATIVE.size))
    made = inject(flat, FakeEmulator.wave, ratio)
    assert made.wave[made.flux.argmin()] == pytest.approx(4300 * (1 + velocity / C_KMS), abs=0.5)
    assert made.flux.min() == pytest.approx(0.7 / 0.9, abs=1e-3)


def test_noise_is_that_of_the_file_after_the_injection():
    """Where light is lost the scatter stays; where it is won the inverse variance falls."""
    wave, n = FakeEmulator.wave, 40
    flat = replace(star(), flux=np.ones(NATIVE.size), ivar=np.full(NATIVE.size, 100.0))
    for level, sigma in ((0.4, 0.1), (2.0, 0.2)):
        made = []
        for k in range(n):
            random = np.random.default_rng(k)
            seen = replace(flat, flux=1 + 0.1 * random.normal(size=NATIVE.size))
            made.append(inject(seen, wave, np.full(wave.size, level), random))
        flux = np.stack([m.flux for m in made])
        assert flux.mean() == pytest.approx(level, abs=0.002)
        assert flux.std() == pytest.approx(sigma, rel=0.02)
        np.testing.assert_allclose(made[0].ivar, sigma**-2)
        assert made[0].snr["g"] == pytest.approx(level * flat.snr["g"])


def test_pixels_without_knowledge_stay_without():
    spectrum = star(snr=20)
    good = np.abs(NATIVE - 4300) > 20
    lost = replace(spectrum, good=good, ivar=np.where(good, spectrum.ivar, 0))
    ratio = carbon_ratio(FakeEmulator(), GIANT, [2.0])[0]
    made = inject(lost, FakeEmulator.wave, ratio, np.random.default_rng(1))
    assert np.isfinite(made.flux).all() and (made.ivar[~good] == 0).all()
    np.testing.assert_array_equal(made.good, good)


@pytest.mark.parametrize("labels, c_fe, words", [
    ([4800, 1.8, -0.5, -0.5], 0.9, "above the grid's highest, +0.80"),
    ([4800, 1.8, -2.4, -2.0], 0.3, "below the star's own +0.40"),
    ([7400, 4.0, -2.4, -2.4], 1.0, "Teff 7400 K is outside"),
    ([np.nan, 4.0, -2.4, -2.4], 1.0, "outside"),
])
def test_what_the_grid_cannot_show_is_refused(labels, c_fe, words):
    assert words in refusal(labels, c_fe)
    with pytest.raises(BadInputError, match="cannot inject carbon"):
        carbon_ratio(FakeEmulator(), [labels], [c_fe])


def test_labels_are_held_inside_the_grid():
    row = grid_labels([[4500.0, -1.0, -5.0, -6.5]])[0]
    np.testing.assert_allclose(row, [4500, 0.6, -4.0, -0.8, 0.4, 0.0])
    assert highest(-5.0) == pytest.approx(3.5) and highest(0.0) == pytest.approx(0.3)


def test_the_g_band_grows_as_the_emulator_says(emulator):
    """Through file pixels, velocity, continuum and grid: the index of the wanted carbon."""
    labels = np.array([[5000.0, 2.2, -2.3, -2.3], [6000.0, 4.0, -2.3, -2.3]])
    for row in labels:
        before, after = (emulator.emulate(grid_labels([row], [c]), 1800)[0][0] for c in (0.0, 1.5))
        z = -150 / C_KMS
        seen = replace(star(z=z), flux=100 * np.interp(NATIVE / (1 + z), emulator.wave, before))
        made = inject(seen, emulator.wave, carbon_ratio(emulator, [row], [1.5])[0])
        vector = preprocess(made)
        width, _ = pseudo_equivalent_width(WAVE, vector.flux, vector.ivar, vector.good, CH_BAND)
        native = emulator.emulate(grid_labels([row], [1.5]))[0]
        wanted = normalise(emulator.wave, degrade(emulator.wave, native, 1800, GRID_R))[0]
        everywhere = np.ones(WAVE.size)
        known, _ = pseudo_equivalent_width(WAVE, wanted, everywhere, everywhere > 0, CH_BAND)
        nothing = preprocess(seen)
        plain, _ = pseudo_equivalent_width(WAVE, nothing.flux, nothing.ivar, nothing.good, CH_BAND)
        assert known > plain + 3 and width == pytest.approx(known, rel=0.02)
        assert after.min() >= 0


# ---- what the network makes of it ---------------------------------------------------------------

def test_rows_are_the_star_and_its_steps(constant):
    how = InjectSettings(c_fe=(1.0, 2.0, 3.2))
    rows, refused = inject_spectra([star(snr=50), star(snr=50, obsid=8)], how,
                                   PredictSettings(weights=constant))  # fmt: skip
    assert list(rows) == list(INJECTED) and rows["identifier"].tolist() == ["7"] * 3 + ["8"] * 3
    own = LABEL[3] - LABEL[2]
    np.testing.assert_allclose(rows["c_fe_injected"], [own, 1, 2] * 2, rtol=1e-5)
    np.testing.assert_allclose(rows["raised"], np.array([0, 1 - own, 2 - own] * 2), atol=1e-5)
    assert rows["injected"].tolist() == [False, True, True] * 2
    assert (rows["star_snrg"] == 50).all() and (rows["snrg"] <= 50).all()
    assert refused["kind"].tolist() == ["not injected"] * 2
    assert "above the grid's highest, +2.70" in refused["reason"].iloc[0]


def test_a_network_that_does_not_look_has_no_gain(constant, weights):
    how, spectra = InjectSettings(c_fe=(1.9, 2.5)), [star(snr=80)]
    for folder, moved in ((constant, False), (weights, True)):
        rows, _ = inject_spectra(spectra, how, PredictSettings(weights=folder))
        table = summary.add_response(rows)
        gain = table.loc[table["injected"], "gain"].to_numpy()
        assert len(gain) and (np.abs(gain) > 1e-6).all() == moved
        assert np.isnan(table.loc[~table["injected"], "gain"]).all()


def test_known_responses_are_summarised():
    n = 40
    table = pd.DataFrame({"identifier": np.repeat(np.arange(n), 2).astype(str), "file": "",
                          "injected": [False, True] * n, "star_fe_h": -2.5, "fe_h": -2.6,
                          "c_fe_injected": [0.1, 1.1] * n, "raised": [0.0, 1.0] * n,
                          "c_fe": [0.3, 0.9] * n, "p_cemp": [0.0, 0.9] * n,
                          "candidate": ([False, True] * (n // 2)) + [False] * n})  # fmt: skip
    rows = summary.summarise(summary.add_response(table), "injected")
    row = rows.loc[True]
    assert row["gain"] == pytest.approx(0.6) and row["bias"] == pytest.approx(-0.2)
    assert row["fe_bias"] == pytest.approx(-0.1) and row["scatter"] == pytest.approx(0)
    assert row["share"] == 0.5 and row["low"] < 0.5 < row["high"]
    none = rows.loc[False]
    assert none["low"] == 0 and none["high"] == pytest.approx(1 - 0.05 ** (1 / n))
    assert np.isnan(none["gain"]) and r"\nodata" in summary.tex_rows({"a": rows})[0]


def test_reasons_of_the_missed_are_told_in_order():
    table = pd.DataFrame({"is_cemp": [True] * 5 + [False],
                          "candidate": [False] * 4 + [True, False],
                          "flag_carbon": [True] + [False] * 5, "reason": [""] * 6,
                          "fe_h": [-1, -1.9, -2.5, -2.5, -3, 0],
                          "c_fe": [0, 0, 0.5, 1, 2, 0]})  # fmt: skip
    counts = summary.why_missed(table)
    assert counts.sum() == 4 and counts["[Fe/H] found above -2"] == 1
    assert counts["no light in the blue"] == counts["[C/Fe] found below 0.7"] == 1


def test_random_numbers_do_not_depend_on_the_company():
    assert generator(1, "7", 1.0).random() == generator(1, "7", 1.0).random()
    assert len({generator(*key).random() for key in ((1, "7", 1.0), (2, "7", 1.0), (1, "8", 1.0),
                                                     (1, "7", 1.5), (1, "7", -1.0))}) == 5


# ---- library stars at the survey's noise --------------------------------------------------------

def test_a_library_star_has_the_noise_that_is_asked_for():
    good = np.abs(NATIVE - 6000) > 40
    survey = replace(star(snr=60), good=good, ivar=np.where(good, star(snr=60).ivar, 0))
    patterns = noise_patterns([survey, star(snr=5)])
    assert len(patterns) == 1
    inside = NATIVE < 7400
    clean = star(teff=6000)
    library = replace(clean, wave=NATIVE[inside], flux=clean.flux[inside])
    seen = like_survey(library, np.random.default_rng(1), patterns, 20.0)
    assert seen.wave[-1] < 7400 and seen.snr["g"] == 20.0 and np.isnan(seen.snr["z"])
    error = (seen.flux - library.flux) * np.sqrt(np.where(seen.good, seen.ivar, np.nan))
    assert np.nanstd(error) == pytest.approx(1, rel=0.05)
    blue = (seen.wave > 4200) & (seen.wave < 5400) & seen.good
    ratio = np.median(seen.flux[blue] * np.sqrt(seen.ivar[blue]))
    assert ratio == pytest.approx(20 / 0.944, rel=0.05)  # the header's scale: SNR_KEYWORD
    assert not seen.good[np.abs(seen.wave - 6000) < 35].any()
    with pytest.raises(BadInputError, match="no survey star"):
        noise_patterns([star(snr=5)])


def test_noise_follows_the_level_and_not_the_pixel():
    patterns = [(NATIVE, np.ones(NATIVE.size), np.ones(NATIVE.size, bool))]
    flux = np.ones(NATIVE.size)
    flux[1000], flux[1500:1510], flux[3000:] = 3.0, 0.1, 0.5
    plain = replace(star(), wave=NATIVE, flux=flux)
    seen = like_survey(plain, np.random.default_rng(1), patterns, 20.0)
    np.testing.assert_allclose(seen.ivar[:2900], 400, rtol=1e-6)  # a spike, a deep line
    np.testing.assert_allclose(seen.ivar[3100:], 1600, rtol=1e-6)


def test_an_exposure_of_two_releases_counts_once():
    four = [replace(star(), obsid=o, release=r) for o, r in
            ((7, "DR9"), (None, "DR1"), (7, "DR7"), (None, "DR1"), (8, "DR9"))]
    kept = once(four)
    assert [s.obsid for s in kept] == [7, None, None, 8] and kept[0].release == "DR9"


# ---- the command --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spectra")
    for k, snr in enumerate((60, 30, 3)):
        write(folder / f"{k}.fits", table_bytes(star(snr=snr, obsid=k, seed=k)), packed=False)
    (folder / "z.fits").write_text("<html>")
    return folder


def run(*words):
    return main(["inject", *map(str, words)])


def test_the_table_is_whole_in_every_format(spectra, constant, tmp_path, capsys):
    tables = {}
    for suffix in ("fits", "csv", "ecsv", "parquet"):
        out = tmp_path / f"a.{suffix}"
        assert run(spectra, "--c-fe", 1, 2, 3.4, "--out", out, "--weights", constant,
                   "--jobs", 1) == 0  # fmt: skip
        if suffix == "parquet":
            tables[suffix] = Table.from_pandas(pd.read_parquet(out))
        else:
            tables[suffix] = Table.read(out, **({"hdu": 1} if suffix == "fits" else {}))
        assert list(tables[suffix].colnames) == list(INJECTED)
    said = capsys.readouterr().err
    assert "6 injections into 3 spectra" in said and "3 steps not made" in said
    assert "1 of 4 files skipped (unreadable file: 1)" in said
    first = tables["fits"]
    for other in tables.values():
        np.testing.assert_allclose(first["c_fe_injected"], other["c_fe_injected"], rtol=1e-6)
        assert [str(v) == "True" for v in first["injected"]] == [
            str(v) == "True" for v in other["injected"]]
    told = pd.read_csv(tmp_path / "a_summary.csv")
    assert told["spectra"].tolist()[:3] == [6, 3, 3] and "Teff [K]" in said
    skipped = pd.read_csv(tmp_path / "a_skipped.csv")
    assert sorted(skipped["kind"]) == ["not injected"] * 3 + ["unreadable file"]
    dark = first[np.asarray(first["star_snrg"]) == 3]
    assert dark["flag_carbon"].all() and np.isnan(np.asarray(dark["p_cemp"], float)).all()


def test_untouched_rows_are_those_of_predict_and_files_agree_with_memory(
    spectra, weights, tmp_path
):
    out = tmp_path / "a.parquet"
    assert run(spectra, "--c-fe", 1.9, "--out", out, "--weights", weights, "--jobs", 1,
               "--quiet") == 0  # fmt: skip
    table = pd.read_parquet(out)
    known = predict_files(spectra, weights).set_index("identifier")
    plain = table[~table["injected"]].set_index("identifier")
    for name in (*LABELS, "p_emp", "gband"):
        np.testing.assert_array_equal(plain[name], known[name])
    memory, _ = inject_spectra([star(snr=60, obsid=0, seed=0)], InjectSettings(c_fe=(1.9,)),
                               PredictSettings(weights=weights))  # fmt: skip
    both = table[(table["identifier"] == "0") & table["injected"]]
    made = memory[memory["injected"]]
    assert len(both) == len(made)
    np.testing.assert_allclose(both["c_h"], made["c_h"], atol=2e-3)


def test_a_second_run_reads_finished_parts_and_other_steps_make_new_ones(
    spectra, constant, tmp_path, monkeypatch
):
    from cemp.predict.run import predict_to_file

    settings, counts = PredictSettings(weights=constant, part_size=2), []
    for c_fe in ((1.0,), (1.0,), (2.0,)):
        job = module.make_job(InjectSettings(c_fe=c_fe))
        outcome = predict_to_file(spectra, tmp_path / "a.csv", settings, progress=False, keep=True,
                                  job=job)  # fmt: skip
        counts.append(outcome.fresh)
    assert counts == [4, 0, 4]


@pytest.mark.parametrize("words, text", [
    (("--c-fe", "nan"), "c_fe"), (("--weights", "/nowhere"), "no sky model"),
])
def test_bad_commands_end_with_one_line(spectra, constant, tmp_path, capsys, words, text):
    words = words if "--weights" in words else (*words, "--weights", constant)
    assert run(spectra, "--out", tmp_path / "a.csv", *words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("cemp inject: ") and text in said[-1]


def test_nothing_injected_is_status_1(spectra, constant, tmp_path, capsys):
    assert run(spectra, "--c-fe", 3.4, "--out", tmp_path / "a.csv", "--weights", constant,
               "--jobs", 1) == 1  # fmt: skip
    assert "no carbon was injected" in capsys.readouterr().err


def test_columns_are_listed(capsys):
    assert main(["inject", "--columns"]) == 0
    assert set(INJECTED) <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    with pytest.raises(SystemExit):
        main(["inject"])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real spectra are not beside the checkout")
def test_carbon_is_found_in_a_real_spectrum(emulator, monkeypatch):
    """The shipped weights follow one dex of carbon in a star with S/N(g) = 198 to 0.15 dex."""
    from cemp.lamost import read_spectrum

    monkeypatch.setattr(module, "real_emulator", lambda cache=None: emulator)
    spectrum = read_spectrum(next(REAL.rglob("spec-58575-*_sp03-188.fits.gz")))
    rows, _ = inject_spectra([spectrum], InjectSettings(c_fe=(0.5, 1.0)))
    table = summary.add_response(rows)
    np.testing.assert_allclose(table.loc[table["injected"], "d_c_fe"], 0, atol=0.15)
    assert (table["gband"].diff().dropna() > 1).all()


def test_counts_stay_whole_numbers_where_one_grouping_is_empty():
    """Library stars have no S/N(g) of their own: without a row there is nothing to group."""
    table = pd.DataFrame({"injected": True, "c_fe_injected": 1.0, "star_snrg": np.nan,
                          "star_teff": [4400.0, 4600.0], "candidate": True, "d_c_fe": 0.1,
                          "d_fe_h": 0.0, "gain": 1.0, "p_cemp": 0.9})  # fmt: skip
    told = summary.report(table)
    assert told.loc["Teff [K]", "spectra"].to_dict() == {"below 4500": 1, "4500-5000": 1}
    assert told["spectra"].dtype.kind == told["candidates"].dtype.kind == "i"
    assert "S/N(g)" not in told.index.get_level_values("quantity")
