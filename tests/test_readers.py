import gzip
import io
from dataclasses import replace
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.table import Table
from made_spectra import NATIVE, lines, star, table_bytes

from cemp.constants import C_KMS, WAVE, air_to_vacuum
from cemp.errors import BadInputError, NotLowResolutionError
from cemp.lamost import read_spectrum
from cemp.paths import ROOT
from cemp.preprocess import PreprocessSettings, preprocess
from cemp.readers import ReadOptions, from_arrays, from_specutils, identifier, read_any
from cemp.readers.noise import estimate_sigma

REAL = ROOT.parent / "shared" / "real"
real = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real files: {REAL} is not there (they are not ours)"
)
AIR = ReadOptions(medium="air", velocity_kms=0)
REST = ReadOptions(medium="vacuum", velocity_kms=0)
STEP = np.arange(3700.0, 9000.0, 1.25)  # a linear scale, to be read as air


def made(snr=50, wave=STEP, seed=3):
    """Flux, error and ivar of a star with lines on `wave`."""
    clean = (wave / 5000) ** -1.5 * lines(wave)
    sigma = clean / snr
    return clean + sigma * np.random.default_rng(seed).normal(size=wave.size), sigma, sigma**-2.0


def hdu_bytes(*hdus):
    hdus = [fits.PrimaryHDU(), *hdus] if not isinstance(hdus[0], fits.PrimaryHDU) else hdus
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def columns_bytes(arrays, units=None, one_row=False, **header):
    """Bytes of a FITS table."""
    columns = []
    for name, array in arrays.items():
        form, array = (f"{array.size}D", array[None]) if one_row else ("D", array)
        columns.append(fits.Column(name, form, unit=(units or {}).get(name), array=array))
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(header)
    return hdu_bytes(hdu)


def image_bytes(data, extra=None, **header):
    """Bytes of a FITS image, its header, and further images by name."""
    hdu = fits.PrimaryHDU(data)
    hdu.header.update(header)
    return hdu_bytes(hdu, *(fits.ImageHDU(v, name=k) for k, v in (extra or {}).items()))


def csv_bytes(names, *columns, mark=",", comment=""):
    rows = [mark.join(f"{value:.17g}" for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([*([comment] if comment else []), *([mark.join(names)] if names else []),
                      *rows]).encode()  # fmt: skip


def ecsv_bytes(wave, unit, meta):
    flux, sigma, _ = made()
    table = Table({"wavelength": wave * unit, "flux": flux, "flux_err": sigma}, meta=meta)
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


# ---- real files ---------------------------------------------------------------------------------


@real
def test_every_real_lamost_file_is_told_by_its_content():
    read = []
    for path in sorted((REAL / "lamost").glob("*/*.fits*")):
        if path.name.startswith("med-"):
            with pytest.raises(NotLowResolutionError, match=f"{path.name}.*MRS.*LRS"):
                read_any(path)
            continue
        spectrum = read_any(path, ReadOptions(medium="air", unit="nm"))  # says nothing of LAMOST
        read.append(spectrum.release)
        assert spectrum.meta["layout"] in ("image", "table")
        assert 3680 < spectrum.wave[0] < 3710 and 9050 < spectrum.wave[-1] < 9110
        assert identifier(spectrum) == str(spectrum.obsid or path.name.split(".fits")[0])
    assert len(read) == 142
    assert {"LAMOST DR1", "LAMOST DR2", "LAMOST DR7", "LAMOST DR10"} < set(read)


@real
def test_one_spectrum_as_dr7_image_and_dr9_table_is_identical():
    folder = REAL / "lamost" / "mixed_releases"
    dr7 = read_any(folder / "spec-55859-F5902_sp01-001_dr7.fits.gz")
    dr9 = read_any(folder / "spec-55859-F5902_sp01-001.fits.gz")
    for name in ("wave", "flux", "ivar", "good"):
        np.testing.assert_array_equal(getattr(dr7, name), getattr(dr9, name))


@real
def test_row_2_of_dr1_is_no_wavelength():
    path = REAL / "lamost/early_releases/spec-55862-B6212_sp06-003.fits.gz"
    spectrum = read_any(path)
    assert spectrum.release == "LAMOST DR1" and spectrum.wave[1000] == pytest.approx(4658.006)
    assert not np.array_equal(spectrum.wave, fits.getdata(path)[2])


@real
def test_every_miles_file_is_air_at_rest_with_estimated_noise(tmp_path):
    files = sorted((REAL / "miles").glob("*.fits"))[::16]
    vacuum = air_to_vacuum(3540.5 + 0.9 * np.arange(4300))
    for path in files:
        spectrum = read_any(path, AIR)
        np.testing.assert_allclose(spectrum.wave, vacuum, rtol=1e-12)
        np.testing.assert_array_equal(spectrum.flux, fits.getdata(path))
        assert spectrum.meta["ivar"] == "estimated" and 5 < spectrum.snr["r"] < 500
    with pytest.raises(BadInputError, match="m0001V.fits: air or vacuum.*medium='air'"):
        read_any(files[0])
    with pytest.raises(BadInputError, match="velocity is missing.*0 if at rest"):
        read_any(files[0], ReadOptions(medium="air"))
    text = csv_bytes(None, 3540.5 + 0.9 * np.arange(4300), fits.getdata(files[0]), mark=" ")
    (tmp_path / "miles.txt").write_bytes(text)
    np.testing.assert_allclose(read_any(tmp_path / "miles.txt", AIR).wave, vacuum, rtol=1e-12)


@real
def test_lines_of_a_real_air_spectrum_fall_where_vacuum_lines_are():
    spectrum = read_any(REAL / "miles" / "MILES_res2.50_star_m0266V.fits", AIR)
    window = np.abs(spectrum.wave - 6564.6) < 8
    depth = 1 - spectrum.flux[window] / np.percentile(spectrum.flux[window], 90)
    centre = np.sum(spectrum.wave[window] * np.clip(depth, 0, None) ** 2) / np.sum(
        np.clip(depth, 0, None) ** 2
    )
    assert centre == pytest.approx(6564.6, abs=0.4)  # H alpha; 6562.8 in air


@real
def test_estimated_noise_of_real_spectra_against_the_surveys_own():
    ratios = []
    for path in sorted((REAL / "lamost" / "dr7_spectrograph").glob("*"))[::3]:
        s = read_spectrum(path)
        red = s.good & (s.wave > 6000) & (s.wave < 7000)
        if 10 < s.snr["r"] < 50:
            ratios.append(np.median((estimate_sigma(s.flux, s.good) * np.sqrt(s.ivar))[red]))
    assert len(ratios) >= 5 and 0.7 < np.median(ratios) < 1.5


@real
def test_a_real_spectrum_written_as_plain_text_gives_the_same_vector(tmp_path):
    original = read_any(REAL / "lamost/dr10/3712166.fits")
    path = tmp_path / "copy.csv"
    path.write_bytes(csv_bytes(["wavelength_vac", "flux", "ivar"], original.wave, original.flux,
                               original.ivar))  # fmt: skip
    copy = read_any(path, ReadOptions(velocity_kms=original.z * C_KMS))
    np.testing.assert_array_equal(copy.good, original.good)
    one, two = preprocess(original), preprocess(copy)
    np.testing.assert_allclose(two.flux, one.flux, atol=1e-6)
    np.testing.assert_array_equal(two.good, one.good)


# ---- one spectrum in every form -----------------------------------------------------------------

FLUX, SIGMA, IVAR = made()
LOGLAM = np.log10(3700) + 1e-4 * np.arange(3800)
LOG_FLUX, LOG_SIGMA, LOG_IVAR = made(wave=10**LOGLAM)
FORMS = {
    "csv": csv_bytes(["wavelength", "flux", "error"], STEP, FLUX, SIGMA),
    "csv_swapped_names": csv_bytes(["flux", "ivar", "lambda(A)"], FLUX, IVAR, STEP),
    "csv_semicolon": csv_bytes(["wave", "flux", "var"], STEP, FLUX, SIGMA**2, mark=";"),
    "bom": b"\xef\xbb\xbf" + csv_bytes(["wave", "flux", "ivar"], STEP, FLUX, IVAR),
    "tab_nm": csv_bytes(["Wave [nm]", "Flux", "Flux_Err"], STEP / 10, FLUX, SIGMA, mark="\t"),
    "falling": csv_bytes(["wave", "flux", "error"], STEP[::-1], FLUX[::-1], SIGMA[::-1]),
    "commented": csv_bytes(None, STEP, FLUX, SIGMA, mark="  ", comment="# wave flux err"),
    "declared": csv_bytes(["wave", "flux", "err"], STEP / 1e4, FLUX, SIGMA,
                          comment="# medium = air\n# unit: um\n# velocity = 30"),
    "ecsv_nm": ecsv_bytes(STEP / 10, u.nm, {"MEDIUM": "air", "VRAD": 30.0}),
    "ecsv_um": ecsv_bytes(STEP / 1e4, u.um, {"AIRORVAC": "air", "VRAD": 30.0}),
    "gzip": gzip.compress(csv_bytes(["wave_air", "flux", "error"], STEP, FLUX, SIGMA)),
    "table": columns_bytes({"FLUX": FLUX, "WAVE": STEP, "ERR": SIGMA}, {"WAVE": "Angstrom"}),
    "table_row": columns_bytes({"WAVE": STEP / 10, "FLUX": FLUX, "ERR": SIGMA}, {"WAVE": "nm"},
                               one_row=True, TUCD1="em.wl;obs.atmos", VRAD=30.0),
    "image": image_bytes(FLUX, {"ERR": SIGMA}, CRVAL1=STEP[0], CDELT1=1.25, CRPIX1=1.0),
    "image_nm": image_bytes(FLUX[None, None], {"VAR": SIGMA**2}, CRVAL1=STEP[9] / 10, CRPIX1=10.0,
                            CD1_1=0.125, CUNIT1="nm", CTYPE1="AWAV", REDSHIFT=30 / C_KMS),
}  # fmt: skip
LOG_FORMS = {
    "loglam": columns_bytes({"flux": LOG_FLUX, "log_lambda": LOGLAM, "ivar": LOG_IVAR}),
    "iraf_log": image_bytes(LOG_FLUX, {"IVAR": LOG_IVAR}, CRVAL1=LOGLAM[0], CDELT1=1e-4, CRPIX1=1.0,
                            **{"DC-FLAG": 1}),
    "fits_log": image_bytes(LOG_FLUX, {"IVAR": LOG_IVAR}, CRVAL1=3700.0, CRPIX1=1.0,
                            CDELT1=3700 * 1e-4 * np.log(10), CTYPE1="AWAV-LOG", CUNIT1="Angstrom"),
    "coeff": image_bytes(LOG_FLUX, {"IVAR": LOG_IVAR}, COEFF0=LOGLAM[0], COEFF1=1e-4),
}  # fmt: skip
SILENT = ("declared", "ecsv_nm", "ecsv_um", "table_row", "image_nm")  # these say it all themselves


@pytest.mark.parametrize("form", FORMS | LOG_FORMS)
def test_one_spectrum_in_every_form(tmp_path, form):
    path = tmp_path / "star.dat"  # a name that says nothing
    path.write_bytes((FORMS | LOG_FORMS)[form])
    options = None if form in SILENT else ReadOptions(medium="air", velocity_kms=30)
    spectrum = read_any(path, options)
    wave, flux, ivar = (10**LOGLAM, LOG_FLUX, LOG_IVAR) if form in LOG_FORMS else (STEP, FLUX, IVAR)
    np.testing.assert_allclose(spectrum.wave, air_to_vacuum(wave), rtol=1e-10)
    np.testing.assert_allclose(spectrum.flux, flux, rtol=1e-10)
    np.testing.assert_allclose(spectrum.ivar, ivar, rtol=1e-9)
    assert spectrum.z * C_KMS == pytest.approx(30) and spectrum.good.all()
    assert spectrum.cls == "STAR" and spectrum.meta["ivar"] == "given"
    assert spectrum.meta["velocity_from"] == ("file" if form in SILENT else "caller")
    assert (identifier(spectrum), spectrum.path) == ("star", str(path))


def test_the_callers_word_wins_over_the_headers(tmp_path):
    path = tmp_path / "star.fits"
    path.write_bytes(FORMS["image_nm"])
    spectrum = read_any(path, ReadOptions(medium="vacuum", velocity_kms=-10))
    np.testing.assert_allclose(spectrum.wave, STEP, rtol=1e-12)
    assert spectrum.z * C_KMS == pytest.approx(-10)


def test_the_caller_names_the_columns(tmp_path):
    path = tmp_path / "star"
    path.write_bytes(csv_bytes(None, STEP, np.ones(STEP.size), FLUX, IVAR, mark=" "))
    options = replace(REST, columns=("wave", "skip", "flux", "ivar"))
    np.testing.assert_allclose(read_any(path, options).ivar, IVAR, rtol=1e-10)
    path.write_bytes(columns_bytes({"x": STEP, "flux": FLUX * 2, "y": FLUX, "error": SIGMA * 9,
                                    "dy": SIGMA}))  # fmt: skip
    spectrum = read_any(path, replace(REST, columns=("x", "y", "dy")))
    np.testing.assert_allclose(spectrum.flux, FLUX)
    np.testing.assert_allclose(spectrum.ivar, IVAR)


def test_wave_as_ctype_is_no_declaration_of_vacuum(tmp_path):
    path = tmp_path / "star.fits"
    path.write_bytes(image_bytes(FLUX, CRVAL1=3700.0, CDELT1=1.25, CRPIX1=1.0, CTYPE1="WAVE"))
    with pytest.raises(BadInputError, match="air or vacuum"):
        read_any(path, ReadOptions(velocity_kms=0))


def test_position_and_name_of_a_header(tmp_path):
    path = tmp_path / "a.fits"
    scale = {"CRVAL1": 3700.0, "CDELT1": 1.25, "CRPIX1": 1.0, "OBJECT": "HD 122563"}
    for ra, dec in ((210.6327, 9.6861), ("14:02:31.85", "+09:41:10.0")):
        path.write_bytes(image_bytes(FLUX, **scale, RA=ra, DEC=dec))
        spectrum = read_any(path, REST)
        assert (spectrum.ra, spectrum.dec) == pytest.approx((210.6327, 9.6861), abs=1e-4)
        assert identifier(spectrum) == "HD 122563"


# ---- SDSS ---------------------------------------------------------------------------------------


def sdss_bytes(full=False, upper=False, z=-3e-4, table="SPECOBJ", changes=(), and_mask=None):
    """Bytes in the layout of SDSS: lite, or full with two exposures."""
    loglam = 3.58 + 1e-4 * np.arange(3850)
    flux, _, ivar = made(wave=10**loglam)
    ivar[100:110] = 0
    arrays = {"flux": flux, "loglam": loglam, "ivar": ivar,
              "and_mask": np.zeros(flux.size, int) if and_mask is None else and_mask,
              "or_mask": np.ones(flux.size, int), "wdisp": flux * 0 + 1, "sky": flux,
              "model": flux}  # fmt: skip
    name = str.upper if upper else str
    coadd = fits.BinTableHDU.from_columns([
        fits.Column(name(k), "J" if "mask" in k else "E", array=v) for k, v in arrays.items()
    ], name="COADD")  # fmt: skip
    row = {"CLASS": "STAR", "SUBCLASS": "F9", "Z": z, "PLUG_RA": 14.5, "PLUG_DEC": -1.25,
           "PLATE": 266, "MJD": 51602, "FIBERID": 7, "RUN2D": "26", "ZWARNING": 0,
           "SN_MEDIAN": np.array([0, 21, 35, 33, 20.0])} | dict(changes)  # fmt: skip
    about = [fits.Column(k, {str: "8A", int: "J", float: "D"}.get(type(v), "5E"), array=[v])
             for k, v in row.items() if v is not None]  # fmt: skip
    exposures = [fits.BinTableHDU.from_columns(coadd.columns, name=n) for n in ("B1-00001", "R1-1")]
    return hdu_bytes(fits.PrimaryHDU(), coadd, fits.BinTableHDU.from_columns(about, name=table),
                     *(exposures if full else []))  # fmt: skip


@pytest.mark.parametrize("form", [{}, {"full": True}, {"upper": True, "table": "SPALL"}])
def test_sdss_full_and_lite(tmp_path, form):
    path = tmp_path / "any.name"
    path.write_bytes(sdss_bytes(**form))
    spectrum = read_any(path)
    np.testing.assert_allclose(spectrum.wave, 10 ** (3.58 + 1e-4 * np.arange(3850)), rtol=2e-6)
    np.testing.assert_array_equal(np.flatnonzero(~spectrum.good), np.arange(100, 110))
    assert (spectrum.cls, spectrum.subclass, spectrum.z) == ("STAR", "F9", -3e-4)
    assert (spectrum.ra, spectrum.dec, spectrum.release) == (14.5, -1.25, "SDSS 26")
    assert (spectrum.snr["g"], np.isnan(spectrum.snr["u"])) == (21, True)
    assert (spectrum.obsid, identifier(spectrum)) == (None, "0266-51602-0007")
    assert preprocess(spectrum).good_fraction > 0.9


def test_sdss_mask_bits(tmp_path):
    mask = np.zeros(3850, int)
    mask[[500, 501, 502]] = 1 << 23, 1 << 16, (1 << 16) | (1 << 25)  # sky; near bad pixel; both
    (tmp_path / "s.fits").write_bytes(sdss_bytes(and_mask=mask))
    spectrum = read_any(tmp_path / "s.fits")
    assert spectrum.good[[499, 500, 501, 502]].tolist() == [True, False, True, False]


def test_sdss_v_names_and_galaxies(tmp_path):
    changes = {"PLATE": None, "FIBERID": None, "FIELD": 15000, "CATALOGID": 27021597, "Z": 0.31,
               "PLUG_RA": None, "PLUG_DEC": None, "RACAT": 1.5, "DECCAT": 2.5,
               "CLASS": "GALAXY"}  # fmt: skip
    (tmp_path / "s.fits").write_bytes(sdss_bytes(changes=changes))
    spectrum = read_any(tmp_path / "s.fits")
    assert identifier(spectrum) == "15000-51602-27021597" and spectrum.ra == 1.5
    with pytest.raises(BadInputError, match="GALAXY"):
        preprocess(spectrum)
    taken = read_any(tmp_path / "s.fits", ReadOptions(star=True, velocity_kms=20))
    assert (taken.cls, taken.z * C_KMS) == ("STAR", pytest.approx(20))


def test_a_plain_table_with_sdss_columns_is_plain(tmp_path):
    path = tmp_path / "t.fits"
    path.write_bytes(columns_bytes({"flux": LOG_FLUX, "loglam": LOGLAM, "ivar": LOG_IVAR}))
    assert read_any(path, REST).meta["layout"] == "table"


def test_sdss_without_its_redshift_table(tmp_path):
    (tmp_path / "s.fits").write_bytes(sdss_bytes(changes={"Z": None}))
    with pytest.raises(BadInputError, match="s.fits: no table of class and redshift.*fetch"):
        read_any(tmp_path / "s.fits")


# ---- arrays and objects -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_objects_like_those_of_specutils(kind):
    values = {StdDevUncertainty: SIGMA, VarianceUncertainty: SIGMA**2, InverseVariance: IVAR}[kind]
    mask = np.zeros(STEP.size, bool)
    mask[5] = True
    unit = u.Unit("1e-17 erg / (s cm2 AA)")
    thing = SimpleNamespace(
        spectral_axis=(STEP / 1e4) * u.um, flux=FLUX * unit, uncertainty=kind(values), mask=mask,
        radial_velocity=40 * u.km / u.s,
    )  # fmt: skip
    spectrum = from_specutils(thing, medium="air")
    np.testing.assert_allclose(spectrum.wave, air_to_vacuum(STEP), rtol=1e-12)
    np.testing.assert_allclose(spectrum.ivar[6:], IVAR[6:])
    assert np.flatnonzero(~spectrum.good).tolist() == [5] and spectrum.ivar[5] == 0
    assert spectrum.z * C_KMS == pytest.approx(40)
    with pytest.raises(BadInputError, match="air or vacuum"):
        from_specutils(thing)
    cube = SimpleNamespace(spectral_axis=thing.spectral_axis, flux=np.ones((3, STEP.size)) * unit)
    with pytest.raises(BadInputError, match="one spectrum"):
        from_specutils(cube, medium="air")
    with pytest.raises(BadInputError, match="from_arrays"):
        from_specutils(FLUX, medium="air")


def test_quantities_and_frequencies():
    frequency = (STEP * u.AA).to(u.THz, u.spectral())
    spectrum = from_arrays(frequency, FLUX * u.Jy, error=SIGMA * 1e3 * u.mJy)
    np.testing.assert_allclose(spectrum.wave, STEP, rtol=1e-12)
    np.testing.assert_allclose(spectrum.ivar, IVAR)


def test_the_vector_does_not_depend_on_unit_scale_or_form():
    made_star = star(snr=40, z=3e-4)
    plain = preprocess(made_star)
    same = from_arrays(NATIVE / 10, made_star.flux * 1e-17, made_star.ivar * 1e34, unit="nm",
                       velocity_kms=3e-4 * C_KMS)  # fmt: skip
    again = preprocess(same)
    np.testing.assert_allclose(again.flux, plain.flux, atol=3e-4)
    np.testing.assert_allclose(again.ivar, plain.ivar, rtol=1e-3)
    np.testing.assert_array_equal(again.good, plain.good)


def test_noise_is_estimated_where_there_are_no_errors():
    flux, sigma, _ = made(snr=20, wave=NATIVE)
    spectrum = from_arrays(NATIVE, flux)
    assert spectrum.meta["ivar"] == "estimated" and spectrum.good.all()
    smooth = np.abs(NATIVE - 7500) < 500
    assert np.median(np.sqrt(spectrum.ivar) * sigma) == pytest.approx(1, abs=0.05)
    assert np.median((np.sqrt(spectrum.ivar) * sigma)[smooth]) == pytest.approx(1, abs=0.15)
    assert spectrum.snr["r"] == pytest.approx(20, rel=0.1)
    assert from_arrays(NATIVE, made(snr=1e6, wave=NATIVE)[0]).snr["r"] <= 500


def test_padding_and_nan_are_not_observed():
    flux = FLUX.copy()
    flux[:20], flux[-5:], flux[700] = 0, 0, np.nan
    spectrum = from_arrays(STEP, flux)
    bad = np.r_[:20, 700, STEP.size - 5 : STEP.size]
    np.testing.assert_array_equal(np.flatnonzero(~spectrum.good), bad)
    masked = from_arrays(STEP, np.ma.masked_array(FLUX, np.arange(STEP.size) == 9), IVAR)
    assert np.flatnonzero(~masked.good).tolist() == [9]
    ivar = IVAR.copy()
    ivar[[1, 2, 3]] = 0, -1, np.nan
    assert np.flatnonzero(~from_arrays(STEP, FLUX, ivar).good).tolist() == [1, 2, 3]


def test_a_gap_between_the_arms_is_not_bridged():
    kept = (NATIVE < 5600) | (NATIVE > 6000)
    flux, _, ivar = made(wave=NATIVE)
    spectrum = from_arrays(NATIVE[kept], flux[kept], ivar[kept])
    assert spectrum.wave.size == kept.sum() + 2 and np.all(np.diff(spectrum.wave) > 0)
    vector = preprocess(spectrum)
    gap = (WAVE > 5602) & (WAVE < 5998)
    assert not vector.good[gap].any() and (vector.ivar[gap] == 0).all()
    whole = preprocess(from_arrays(NATIVE, flux, np.where(kept, ivar, 0)))
    np.testing.assert_array_equal(vector.good[~gap], whole.good[~gap])


# A blue end is masked up to where the continuum can be trusted: 77 A beyond 4100.
@pytest.mark.parametrize(("low", "high", "fraction"), [(4100, 9100, 0.925), (3700, 7400, 0.72),
                                                       (3700, 5690, 0.378), (5910, 9100, 0.578)])
def test_partial_coverage_stays_a_mask(low, high, fraction):
    settings = PreprocessSettings(min_good_fraction=0.3)
    flux, _, ivar = made(wave=NATIVE, snr=100)
    kept = (NATIVE >= low) & (NATIVE <= high)
    full = preprocess(from_arrays(NATIVE, flux, ivar), settings)
    part = preprocess(from_arrays(NATIVE[kept], flux[kept], ivar[kept]), settings)
    assert part.good_fraction == pytest.approx(fraction, abs=0.002)
    assert not part.good[(WAVE < low) | (WAVE > high)].any()
    middle = part.good & full.good & (WAVE > low + 200) & (WAVE < high - 200)
    np.testing.assert_allclose(part.flux[middle], full.flux[middle], atol=0.02)


def test_a_sharp_spectrum_is_smoothed_to_lamost_with_its_noise():
    wave = np.arange(3700.0, 6000.0, 0.05)
    ivar = np.full(wave.size, 400.0)
    line = lines(wave, r=20000.0, depths=((4862.7, 0.5),))
    sharp = from_arrays(wave, line, ivar, resolution=20000)
    width = 4862.7 / 1800 / 2.3548  # the line keeps its area: a tenth as deep, ten times as wide
    shape = np.exp(-0.5 * ((sharp.wave - 4862.7) / width) ** 2)
    assert np.abs(sharp.flux - (1 - 0.5 * 1800 / 20000 * shape))[20:-20].max() < 2e-4
    np.testing.assert_allclose(np.diff(np.log10(sharp.wave)), 1e-4, rtol=1e-6)
    noise = np.random.default_rng(1).normal(size=wave.size) / 20
    noisy = from_arrays(wave, 1 + noise, ivar, resolution=20000)
    pull = (noisy.flux - 1) * np.sqrt(noisy.ivar)
    assert np.std(pull[20:-20]) == pytest.approx(1, abs=0.05)
    assert noisy.good[10:-10].all() and noisy.snr["g"] > 60


def test_bad_pixels_and_gaps_survive_the_smoothing():
    wave = np.arange(3700.0, 6000.0, 0.05)
    kept = (wave < 5000) | (wave > 5030)
    good = np.abs(wave[kept] - 4500) > 8
    flux = np.where(good, 1.0, 99.0)
    spectrum = from_arrays(wave[kept], flux, flux * 0 + 400, good=good, resolution=30000)
    bad = (np.abs(spectrum.wave - 4500) < 7) | (np.abs(spectrum.wave - 5015) < 14)
    assert not spectrum.good[bad].any() and (spectrum.ivar[bad] == 0).all()
    far = (np.abs(spectrum.wave - 4500) > 10) & (np.abs(spectrum.wave - 5015) > 17)
    assert spectrum.good[far][10:-10].all()
    np.testing.assert_allclose(spectrum.flux[spectrum.good], 1, rtol=1e-12)


# ---- bad input ----------------------------------------------------------------------------------

NM = csv_bytes(["wave", "flux", "error"], STEP / 10, FLUX, SIGMA)
NAN_WAVE = csv_bytes(["wave", "flux"], np.r_[np.nan, STEP[1:]], FLUX)
TWO_D = image_bytes(np.ones((50, 60)), CRVAL1=3700.0, CDELT1=1.25)
BAD = {
    "nm_as_angstrom": (NM, "370 to .* misses the optical; it looks like nm: say unit='nm'"),
    "loglam": (csv_bytes(["wave", "flux"], LOGLAM, LOG_FLUX), "log10 of Angstrom.*'loglam'"),
    "swapped": (csv_bytes(["wave", "flux"], FLUX, STEP), "columns swapped"),
    "nan_wave": (NAN_WAVE, "1 wavelengths are no numbers"),
    "repeated": (csv_bytes(["wave", "flux"], np.r_[STEP, STEP], np.r_[FLUX, FLUX]),
                 "not in order.*merge"),
    "zero_ivar": (csv_bytes(["wave", "flux", "ivar"], STEP, FLUX, 0 * STEP), "ivar above 0"),
    "all_nan": (csv_bytes(["wave", "flux"], STEP, STEP * np.nan), "no pixel has both a flux"),
    "error_as_ivar": (csv_bytes(["wave", "flux", "ivar"], STEP, FLUX, SIGMA / 100),
                      "S/N .* taken for an error"),
    "infrared": (csv_bytes(["wave", "flux"], STEP + 11000, FLUX), "has 0 pixels in 3800-8800"),
    "short": (csv_bytes(["wave", "flux"], STEP[:99], FLUX[:99]), "pixels in 3800-8800"),
    "fine": (csv_bytes(["wave", "flux"], np.arange(4000, 4100, 0.05), np.ones(2000)),
             "finer than LAMOST's; say resolution=R"),
    "three_columns": (csv_bytes(None, STEP, FLUX, SIGMA, mark=" "), "3 columns without names.*say"),
    "empty": (b"", "empty.*fetch"),
    "names_only": (b"wave,flux\n", "no table|empty"),
    "empty_table": (columns_bytes({"wave": STEP[:0], "flux": FLUX[:0]}), "empty"),
    "no_flux": (csv_bytes(["wave", "weight"], STEP, FLUX), "no column of flux among wave, weight"),
    "catalogue": (columns_bytes({"ra": STEP, "dec": FLUX}), "no spectrum; the tables have ra, dec"),
    "page": (b"<!DOCTYPE html><html>login</html>", "web page.*token.*fetch"),
    "prose": (b"Dear colleague,\nplease find attached\n", "no table"),
    "binary": (bytes(range(256)) * 50, "neither FITS nor text"),
    "zip": (b"PK\x03\x04" + bytes(100), "a zip archive: unpack it"),
    "hdf5": (b"\x89HDF\r\n" + bytes(100), "HDF5"),
    "cut_gzip": (gzip.compress(FORMS["csv"])[:5000], "damaged gzip.*fetch"),
    "cut_fits": (FORMS["table"][:20000], "damaged FITS.*fetch"),
    "two_d": (TWO_D, r"an image of shape \(50, 60\), no spectrum"),
    "no_axis": (image_bytes(FLUX), "no wavelengths \\(CRVAL1"),
    "multispec": (image_bytes(FLUX, CRVAL1=1.0, CDELT1=1.0, CTYPE1="MULTISPE"), "multispec"),
    "no_image": (hdu_bytes(fits.PrimaryHDU()), "no spectrum"),
    "bad_ecsv": (b"# %ECSV 1.0\n# ---\n# nonsense\nwave flux\n1 2\n", "damaged ecsv"),
    "bad_unit": (columns_bytes({"wave": STEP, "flux": FLUX}, {"wave": "kg"}), "no unit of a wave"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_with_a_remedy_in_one_line(tmp_path, name):
    content, message = BAD[name]
    path = tmp_path / f"{name}.fits"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=f"{name}.fits: .*({message})") as caught:
        read_any(path, REST)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(BadInputError, match="nowhere.*no such file"):
        read_any(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="directory.*path of one spectrum"):
        read_any(tmp_path)


def test_lamost_with_damage_is_told_as_lamost(tmp_path):
    for keywords in ({"LMJD": None}, {"LMJD": None, "PLANID": None}):
        (tmp_path / "l.fits").write_bytes(table_bytes(star(), **keywords))
        with pytest.raises(BadInputError, match="l.fits: not the layout of a LAMOST.*LMJD"):
            read_any(tmp_path / "l.fits")
    (tmp_path / "l.fits.gz").write_bytes(gzip.compress(table_bytes(star()))[:9000])
    with pytest.raises(BadInputError, match="l.fits.gz: damaged gzip"):
        read_any(tmp_path / "l.fits.gz")


@pytest.mark.parametrize("form", ["csv", "ecsv_nm", "table", "image", "loglam", "sdss", "lamost"])
def test_damage_anywhere_is_one_line_or_does_no_harm(tmp_path, form):
    whole = (FORMS | LOG_FORMS | {"sdss": sdss_bytes(), "lamost": table_bytes(star())})[form]
    random = np.random.default_rng(len(form))
    path = tmp_path / "f"
    for _ in range(12):
        content = bytearray(whole)
        for i in random.integers(0, 9000, 3):
            content[i] = random.integers(256)
        path.write_bytes(bytes(content[: random.integers(1, len(whole))])
                         if random.random() < 0.2 else bytes(content))  # fmt: skip
        try:
            spectrum = read_any(path, AIR)
        except BadInputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert np.isfinite(spectrum.flux).all() and (np.diff(spectrum.wave) > 0).all()
            assert (spectrum.ivar[~spectrum.good] == 0).all()


def test_velocity_and_class_by_the_caller(tmp_path):
    (tmp_path / "l.fits").write_bytes(table_bytes(star(cls="UNKNOWN"), Z=-9999.0))
    assert np.isnan(read_any(tmp_path / "l.fits").z)
    spectrum = read_any(tmp_path / "l.fits", ReadOptions(velocity_kms=-60, star=True))
    assert spectrum.z * C_KMS == pytest.approx(-60) and spectrum.cls == "STAR"
    assert preprocess(spectrum).good_fraction > 0.9


@pytest.mark.parametrize("bad", [
    {"medium": "water"}, {"velocity_kms": np.nan}, {"resolution": -1}, {"unit": "kg"},
])  # fmt: skip
def test_bad_options(bad):
    with pytest.raises(BadInputError):
        ReadOptions(**bad)


@pytest.mark.parametrize(("change", "message"), [
    ({"flux": FLUX[:-1]}, "of flux; give one each"),
    ({"ivar": IVAR[:-1]}, "of error or ivar"),
    ({"good": [True]}, "of good"),
    ({"ivar": IVAR, "error": SIGMA}, "both ivar and error"),
    ({"flux": np.ones((2, STEP.size))}, "give one spectrum"),
    ({"flux": ["a"] * STEP.size}, "not of numbers"),
    ({"flux": FLUX * u.mag}, "magnitudes"),
    ({"flux": FLUX * u.Jy, "error": SIGMA * u.m}, "in one unit"),
    ({"medium": "water"}, "say medium"),
    ({"velocity_kms": np.nan}, "velocity"),
    ({"unit": "m"}, "it looks like Angstrom"),
    ({"wave": STEP * u.nm}, "it looks like Angstrom"),
    ({"wave": (STEP * u.AA).to(u.THz, u.spectral()), "medium": "air"}, "same in air"),
    ({"wave": STEP[:1], "flux": FLUX[:1]}, "give one spectrum"),
])  # fmt: skip
def test_bad_arrays(change, message):
    with pytest.raises(BadInputError, match=f"arrays: .*{message}"):
        from_arrays(**({"wave": STEP, "flux": FLUX} | change))
