import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from made_spectra import NATIVE, image_bytes, star, table_bytes, write

from cemp.errors import BadInputError, NotLowResolutionError
from cemp.lamost import NEEDED, find_spectra, read_spectrum, spectrum_name
from cemp.paths import ROOT

REAL = ROOT.parent / "shared" / "real" / "lamost"
real = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real LAMOST files: {REAL} is not there (they are not ours)"
)
# file, release, obsid, class, z, snrg, pixels, masked pixels, wavelength and flux of pixel 1000:
# read once with astropy.io.fits alone.
KNOWN = [
    ("early_releases/spec-55862-B6212_sp06-003.fits.gz", "LAMOST DR1", None, "STAR",
     -7.138e-05, 71.41, 3904, 166, 4658.006, 1493.6103515625),
    ("early_releases/spec-55939-B5593905_sp01-018.fits", "LAMOST DR1", None, "STAR",
     3.996e-05, 27.03, 3909, 259, 4658.006, 2068.02001953125),
    ("early_releases/spec-56769-HD184250N365730V_sp16-027.fits", "LAMOST DR2", None, "STAR",
     1e-05, 46.76, 3909, 132, 4658.006, 1042.0093994140625),
    ("mixed_releases/spec-55859-F5902_sp01-005_commit58244ab.fits.gz", "LAMOST DR5", 101005,
     "STAR", -0.00025044, 8.08, 3908, 0, 4658.0068, 81.65380859375),
    ("mixed_releases/spec-57287-KP193637N444141V03_sp10-161.fits.gz", "LAMOST DR6", 359910161,
     "STAR", -0.00017162, 87.63, 3909, 0, 4658.0068, 9516.44140625),
    ("dr7_spectrograph/spec-58575-HD103621N361936B01_sp03-010.fits.gz", "LAMOST DR7", 740103010,
     "STAR", -0.00020244, 67.65, 3909, 8, 4658.0068, 302.6501159667969),
    ("mixed_releases/spec-55859-F5902_sp01-013_dr8.fits.gz", "LAMOST DR9", 101013, "STAR",
     -0.00106647, 5.56, 3908, 0, 4658.0068, 56.14178466796875),
    ("dr10/3712166.fits", "LAMOST DR10", 3712166, "STAR", -0.00017462, 9.45, 3906, 5,
     4658.0068, 708.73291015625),
    ("mixed_releases/spec-60591-LN042429N340750BM01_sp01-005.fits.gz", "LAMOST DR13 Q1",
     1247301005, "QSO", 0.308259, 3.66, 3909, 11, 4658.0068, 5.330086708068848),
]  # fmt: skip


@real
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: Path(known[0]).name)
def test_known_answers_of_real_files(known):
    name, release, obsid, cls, z, snrg, n_pix, n_masked, wave, flux = known
    spectrum = read_spectrum(REAL / name)
    assert (spectrum.release, spectrum.obsid, spectrum.cls) == (release, obsid, cls)
    assert (spectrum.z, spectrum.snr["g"], spectrum.flux.size) == (z, snrg, n_pix)
    assert (~spectrum.good).sum() == spectrum.meta["n_masked"] == n_masked
    assert spectrum.wave[1000] == pytest.approx(wave, abs=1e-3)
    assert spectrum.flux[1000] == flux


@real
def test_every_real_file_reads_as_astropy_reads_it():
    read = 0
    for path in sorted(REAL.glob("*/*.fits*")):
        if path.name.startswith("med-"):
            continue
        spectrum = read_spectrum(path)
        with fits.open(path) as hdus:
            head = hdus[0].header
            rows = hdus[0].data if len(hdus) == 1 else [hdus[1].data[k][0] for k in NEEDED]
            np.testing.assert_array_equal(spectrum.flux, rows[0])
            good = (rows[1] > 0) & (rows[-1 if len(hdus) > 1 else 3] == 0)
        np.testing.assert_array_equal(spectrum.good, good)
        grid = 10 ** (head["COEFF0"] + head["COEFF1"] * np.arange(good.size))
        np.testing.assert_allclose(spectrum.wave, grid, atol=0.004)
        assert (spectrum.ra, spectrum.subclass) == (head["RA"], head["SUBCLASS"].strip())
        read += 1
    assert read == 142


@real
def test_one_spectrum_in_two_releases_is_identical():
    dr7 = read_spectrum(REAL / "mixed_releases/spec-55859-F5902_sp01-001_dr7.fits.gz")
    dr9 = read_spectrum(REAL / "mixed_releases/spec-55859-F5902_sp01-001.fits.gz")
    assert (dr7.meta["layout"], dr9.meta["layout"]) == ("image", "table")
    for name in ("wave", "flux", "ivar", "good"):
        np.testing.assert_array_equal(getattr(dr7, name), getattr(dr9, name))
    assert (dr7.obsid, dr7.z, dr7.snr) == (dr9.obsid, dr9.z, dr9.snr)


@real
@pytest.mark.parametrize("path", sorted(REAL.glob("*/med-*")), ids=lambda path: path.name)
def test_medium_resolution_is_refused_by_name(path):
    with pytest.raises(NotLowResolutionError, match=f"{path.name}.*MRS.*LRS"):
        read_spectrum(path)


@real
def test_missing_redshift_is_nan():
    path = REAL / "dr7_spectrograph/spec-58575-HD103621N361936B01_sp03-045.fits.gz"
    spectrum = read_spectrum(path)
    assert np.isnan(spectrum.z) and spectrum.cls == "UNKNOWN"


@pytest.mark.parametrize("build", [table_bytes, image_bytes])
@pytest.mark.parametrize("packed", [True, False])
def test_both_layouts_packed_or_not_whatever_the_name(tmp_path, build, packed):
    made = star(z=3e-4)
    made.good[[5, 900]] = False
    path = write(tmp_path / ("plain.fits" if packed else "packed.fits.gz"), build(made), packed)
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(np.flatnonzero(~spectrum.good), [5, 900])
    np.testing.assert_allclose(spectrum.flux, made.flux, rtol=1e-6)
    np.testing.assert_allclose(spectrum.wave, NATIVE, rtol=1e-6)
    assert (spectrum.obsid, spectrum.z, spectrum.meta["planid"]) == (7, 3e-4, "F5902")


def test_dr1_subcontinuum_is_no_wavelength(tmp_path):
    content = image_bytes(
        star(), row2=np.linspace(2000, 9000, NATIVE.size), OBSID=None, DATA_V=None,
        VERSPIPE="v2.6.4", EXTEN0="Flux Inverse Subcontinuum Andmask Ormask",
    )  # fmt: skip
    spectrum = read_spectrum(write(tmp_path / "dr1.fits.gz", content))
    np.testing.assert_allclose(spectrum.wave, NATIVE, rtol=1e-12)
    assert (spectrum.obsid, spectrum.release) == (None, "LAMOST DR1")


def test_sentinels_become_nan(tmp_path):
    content = table_bytes(star(), Z=-9999.0, SNRG=-9999)
    spectrum = read_spectrum(write(tmp_path / "s.fits.gz", content))
    assert np.isnan(spectrum.z) and np.isnan(spectrum.snr["g"])


def test_not_finite_pixels_are_not_good(tmp_path):
    made = star()
    made.flux[10], made.ivar[11] = np.nan, np.nan
    spectrum = read_spectrum(write(tmp_path / "s.fits.gz", table_bytes(made)))
    np.testing.assert_array_equal(np.flatnonzero(~spectrum.good), [10, 11])
    assert np.isfinite(spectrum.flux).all() and (spectrum.ivar[[10, 11]] == 0).all()


WHOLE = gzip.compress(table_bytes(star()), 1)
BAD = {
    "truncated_gzip": (WHOLE[: len(WHOLE) // 2], "damaged gzip.*fetch the file again"),
    "flipped_gzip": (WHOLE[:5000] + bytes(200) + WHOLE[5200:], "damaged gzip.*fetch"),
    "empty": (b"", "empty.*fetch"),
    "page": (b"<!DOCTYPE html><html>login</html>", "web page.*token.*fetch"),
    "text": (b"hello world", "not FITS.*fetch"),
    "cut_header": (table_bytes(star())[:2000], "damaged FITS.*fetch"),
    "cut_data": (table_bytes(star())[:40000], "damaged FITS.*fetch"),
    "other_fits": (table_bytes(star(), extname="CATALOG"), "not.*LAMOST"),
    "headless": (table_bytes(star(), LMJD=None), "LMJD.*fetch"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_with_a_remedy(tmp_path, name):
    content, message = BAD[name]
    path = write(tmp_path / f"{name}.fits.gz", content, packed=False)
    with pytest.raises(BadInputError, match=f"{name}.fits.gz: .*{message}"):
        read_spectrum(path)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(BadInputError, match="nowhere.fits.*no such file"):
        read_spectrum(tmp_path / "nowhere.fits")
    with pytest.raises(BadInputError, match="directory.*path of one spectrum"):
        read_spectrum(tmp_path)
    with pytest.raises(BadInputError, match="no such folder.*spectra_dir"):
        find_spectra(tmp_path / "none")


def test_find_spectra_lists_fits_only(tmp_path):
    (tmp_path / "plate").mkdir()
    for name in ("plate/b.fits.gz", "a.fits", "readme.txt", ".7.a.fits", "c.fits.gz.part"):
        (tmp_path / name).touch()
    assert [p.name for p in find_spectra(tmp_path)] == ["a.fits", "b.fits.gz"]


def test_spectrum_name():
    name = spectrum_name(58575, "HD103621N361936B01 ", 3, 10)
    assert name == "spec-58575-HD103621N361936B01_sp03-010.fits.gz"


def test_a_card_that_cannot_be_parsed_is_a_damaged_file(tmp_path):
    content = bytearray(table_bytes(star(teff=5000, snr=50, obsid=7)))
    at = content.find(b"Z       =")
    content[at + 10 : at + 30] = b"   '12 unfinished   "
    path = tmp_path / "card.fits"
    path.write_bytes(bytes(content))
    with pytest.raises(BadInputError, match="card.fits.*Unparsable card"):
        read_spectrum(path)
