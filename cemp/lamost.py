"""Read LAMOST low-resolution spectra of every release, told apart by content, never by name."""

from pathlib import Path

import numpy as np
from astropy.io.fits import VerifyError

from cemp.constants import SENTINELS
from cemp.errors import BadInputError, NotLowResolutionError
from cemp.fitsfile import AGAIN, open_fits
from cemp.spectrum import Spectrum

BANDS = "ugriz"
#: Columns of the COADD table (DR9 and later) without which nothing can be done.
NEEDED = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK")


def spectrum_name(lmjd, planid, spid, fiberid):
    """Name LAMOST gives to the file of a low-resolution spectrum.

    Parameters
    ----------
    lmjd : int
        Local modified Julian day.
    planid : str
        Plate.
    spid, fiberid : int
        Spectrograph and fibre.

    Returns
    -------
    str

    Examples
    --------
    >>> spectrum_name(55859, "F5902", 1, 12)
    'spec-55859-F5902_sp01-012.fits.gz'
    """
    return f"spec-{int(lmjd)}-{str(planid).strip()}_sp{int(spid):02d}-{int(fiberid):03d}.fits.gz"


def find_spectra(folder):
    """List the FITS files under a folder.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    list of pathlib.Path
        Sorted; what is in them is found out by reading.

    Raises
    ------
    BadInputError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; set spectra_dir in the profile")
    files = (path for path in folder.rglob("*.fits*") if not path.name.startswith("."))
    return sorted(path for path in files if path.name.endswith((".fits", ".fits.gz")))


def read_spectrum(path):
    """Read one LAMOST low-resolution spectrum of any release (DR1 to DR13).

    Parameters
    ----------
    path : str or pathlib.Path
        Plain or gzip-compressed FITS file.

    Returns
    -------
    cemp.spectrum.Spectrum

    Raises
    ------
    NotLowResolutionError
        If it is a medium-resolution product.
    BadInputError
        If it is missing, damaged or no LAMOST spectrum; the message says what to do.

    Notes
    -----
    A pixel is good if flux and ivar are finite, ivar > 0 and ANDMASK = 0. A set bit of
    ANDMASK means that all exposures had the defect (bad CCD pixel or profile, no sky, sky too
    high, outside the fibre trace, no data), so each bit counts. In 142 sample files of DR1 to
    DR13 it is never set where ivar > 0, so it does not cost a spectrum any pixel. ORMASK, set
    if any one exposure was hit, is not used: the coaddition has dealt with it.
    """
    hdus = open_fits(path)
    try:
        layout, columns = _columns(hdus, path)
        return _spectrum(hdus[0].header, layout, columns, path)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, VerifyError) as error:
        raise BadInputError(
            f"{path}: not the layout of a LAMOST LRS spectrum ({error!r}); {AGAIN}"
        ) from error


def _columns(hdus, path):
    """Return the layout's name and its flux, ivar, wavelength and mask arrays."""
    names = [hdu.name for hdu in hdus]
    if any(name.startswith(("COADD_", "B-", "R-")) for name in names):
        raise NotLowResolutionError(
            f"{path}: a medium-resolution (MRS) spectrum; this paper uses LRS (spec-*) files only"
        )
    if "COADD" in names:
        table = hdus["COADD"].data
        return "table", [table[name][0] for name in NEEDED]
    rows = hdus[0].data
    if rows is None or rows.ndim != 2 or rows.shape[0] < 5:
        raise BadInputError(f"{path}: no COADD table and no image of five rows; not LAMOST LRS")
    return "image", [rows[0], rows[1], _image_wave(rows[2], hdus[0].header), rows[3]]


def _image_wave(row, header):
    """Return the wavelength of the image layout; row 2 of DR1 is the subcontinuum, not it."""
    is_wave = row[0] > 1000 and np.all(np.diff(row) > 0)
    if is_wave and "SUBCONTINUUM" not in str(header.get("EXTEN0", "")).upper():
        return row
    return 10 ** (header["COEFF0"] + header["COEFF1"] * np.arange(row.size))


def _spectrum(header, layout, columns, path):
    """Assemble the spectrum: float64 throughout, mask True where good."""
    flux, ivar, wave, andmask = (np.asarray(column, dtype=np.float64) for column in columns)
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0) & (andmask == 0)
    obsid = header.get("OBSID")
    return Spectrum(
        obsid=None if obsid is None else int(obsid),
        wave=wave,
        flux=np.where(np.isfinite(flux), flux, 0.0),
        ivar=np.where(good, ivar, 0.0),
        good=good,
        z=_number(header.get("Z")),
        ra=_number(header.get("RA")),
        dec=_number(header.get("DEC")),
        cls=str(header.get("CLASS") or "").strip().upper(),
        subclass=str(header.get("SUBCLASS") or "").strip(),
        snr={b: _number(header.get(f"SNR{b.upper()}", header.get(f"SN_{b.upper()}")))
             for b in BANDS},
        release=_release(header),
        path=str(path),
        meta=_meta(header, layout, good),
    )


def _number(value):
    """Turn a header value into a float; sentinels and nonsense become NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return np.nan
    return np.nan if any(abs(number - s) < 0.01 for s in SENTINELS) else number


def _release(header):
    """Return the release by DATA_V, else by the pipeline's version (DR1 and DR2 have no DATA_V)."""
    if header.get("DATA_V"):
        return str(header["DATA_V"]).strip()
    version = str(header.get("VERSPIPE", "")).strip().lstrip("v")
    return {"2.6": "LAMOST DR1", "2.7": "LAMOST DR2"}.get(version[:3], f"unknown (v{version})")


def _meta(header, layout, good):
    """Collect what later stages may ask for: how the file is addressed and laid out."""
    fiber_mask = header.get("FIB_MASK", header.get("FIBERMAS"))
    return {
        "lmjd": int(header["LMJD"]),
        "planid": str(header["PLANID"]).strip(),
        "spid": int(header["SPID"]),
        "fiberid": int(header["FIBERID"]),
        "layout": layout,
        "verspipe": str(header.get("VERSPIPE", "")).strip(),
        "helio_rv": _number(header.get("HELIO_RV")),
        "fib_mask": None if fiber_mask is None else int(fiber_mask),
        "n_masked": int((~good).sum()),
    }
