"""Spectra of SDSS, SEGUE, BOSS, eBOSS and SDSS-V: files spec-PLATE-MJD-FIBER.fits, full or lite."""

import numpy as np

from cemp.errors import BadInputError
from cemp.fitsfile import AGAIN
from cemp.lamost import BANDS
from cemp.spectrum import Spectrum

#: Bits of and_mask that spoil a pixel although ivar may be above 0: rejected, no sky, sky far
#: above the star, no data, rejected in the sum, bad flux calibration, bad sky residuals (two).
#: From SDSS's table of SPPIXMASK: FULLREJECT 18, NOSKY 22, BRIGHTSKY 23, NODATA 24,
#: COMBINEREJ 25, BADFLUXFACTOR 26, BADSKYCHI 27, REDMONSTER 28.
BAD_BITS = sum(1 << bit for bit in (18, 22, 23, 24, 25, 26, 27, 28))
#: Columns of the spectrum's table, and those by which it is told from other files.
NEEDED = {"flux", "loglam", "ivar"}


def is_sdss(hdus):
    """Tell whether a FITS file has SDSS's layout.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList

    Returns
    -------
    bool
        True if its first extension is a table with flux, loglam and ivar, and either and_mask or
        a further table of class and redshift; else it is a plain table.
    """
    if len(hdus) < 2 or not NEEDED <= _names(hdus[1]):
        return False
    return "and_mask" in _names(hdus[1]) or any({"z", "class"} <= _names(hdu) for hdu in hdus[2:])


def read_sdss(hdus, path):
    """Read a spectrum of the SDSS and BOSS spectrographs.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    path : str or pathlib.Path

    Returns
    -------
    cemp.spectrum.Spectrum
        Vacuum, heliocentric, R about 2000, as LAMOST. ``obsid`` is None (SDSS's specObjID exceeds
        64 bits with sign); ``meta["identifier"]`` is plate-mjd-fiber. Single exposures of full
        files are not read.

    Raises
    ------
    BadInputError
        If the table of the redshift is missing, or the layout is broken.

    Notes
    -----
    A pixel is good if flux and ivar are finite, ivar > 0 and none of `BAD_BITS` is set in
    and_mask: the other bits (near a bad column, scattered light, ...) are in ivar already.
    The redshift is the pipeline's Z; where that took the star for a quasar, BOSS has CLASS_NOQSO
    and Z_NOQSO, which are not used: the class says what the pipeline believed.
    """
    try:
        return _spectrum(hdus, path)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
        raise BadInputError(
            f"{path}: not the layout of an SDSS spectrum ({error!r}); {AGAIN}"
        ) from error


def _names(hdu):
    """Columns of a table in lower case; empty for images."""
    return {name.lower() for name in getattr(getattr(hdu, "columns", None), "names", None) or []}


def _spectrum(hdus, path):
    """Assemble the spectrum."""
    pixels = hdus[1].data
    flux, ivar, loglam = (np.asarray(pixels[name], float) for name in ("flux", "ivar", "loglam"))
    if flux.size == 0:
        raise BadInputError(f"{path}: the table is empty; {AGAIN}")
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    if "and_mask" in _names(hdus[1]):
        good &= (np.asarray(pixels["and_mask"]).astype(np.int64) & BAD_BITS) == 0
    if not (np.isfinite(loglam).all() and np.all(np.diff(loglam) > 0)):
        raise BadInputError(f"{path}: loglam does not rise; {AGAIN}")
    about = _Row(hdus, path)
    plate, mjd, fiber = (about("PLATE", "FIELD"), about("MJD"), about("FIBERID", "CATALOGID"))
    return Spectrum(
        obsid=None, wave=10**loglam, flux=np.where(np.isfinite(flux), flux, 0.0),
        ivar=np.where(good, ivar, 0.0), good=good, z=float(about("Z", default=np.nan)),
        ra=float(about("PLUG_RA", "FIBER_RA", "RACAT", "RA", default=np.nan)),
        dec=float(about("PLUG_DEC", "FIBER_DEC", "DECCAT", "DEC", default=np.nan)),
        cls=str(about("CLASS", default="")).strip().upper(),
        subclass=str(about("SUBCLASS", default="")).strip(),
        snr=dict(zip(BANDS, _snr(about), strict=True)),
        release=f"SDSS {str(about('RUN2D', default='')).strip()}".strip(), path=str(path),
        meta={"survey": "SDSS", "layout": "sdss", "ivar": "given", "medium": "vacuum",
              "identifier": _identifier(plate, mjd, fiber), "mjd": mjd, "plate": plate,
              "fiberid": fiber, "zwarning": about("ZWARNING"),
              "n_masked": int((~good).sum())},
    )  # fmt: skip


class _Row:
    """Values of the one row of SPECOBJ or SPALL, else of the primary header."""

    def __init__(self, hdus, path):
        tables = (hdu for hdu in hdus[2:] if {"z", "class"} <= _names(hdu) and len(hdu.data) == 1)
        table = next(tables, None)
        if table is None:
            raise BadInputError(
                f"{path}: no table of class and redshift (SPECOBJ, SPALL); {AGAIN}"
            )
        self.row = {name.upper(): table.data[name][0] for name in table.columns.names}
        self.header = hdus[0].header

    def __call__(self, *names, default=None):
        for where in (self.row, self.header):
            for name in names:
                if name in where:
                    return where[name]
        return default


def _snr(about):
    """S/N in u, g, r, i, z; NaN where the file has none (0 is none, too)."""
    values = np.asarray(about("SN_MEDIAN", default=np.zeros(5)), float).ravel()
    values = values if values.size == 5 else np.zeros(5)
    return [float(value) if value > 0 else np.nan for value in values]


def _identifier(plate, mjd, fiber):
    """Name as SDSS does: plate, mjd and fibre, zero-filled to 4, 5 and 4 digits."""
    if plate is None or mjd is None or fiber is None:
        return ""
    return f"{int(plate):04d}-{int(mjd):05d}-{int(fiber):04d}"
