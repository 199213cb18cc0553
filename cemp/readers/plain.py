"""Plain one-dimensional spectra in FITS files: an image with a wavelength axis, or a table."""

import numpy as np
from astropy.coordinates import Angle
from astropy.io import fits

from cemp.errors import BadInputError
from cemp.readers.axis import LOGLAM
from cemp.readers.columns import Raw, assign, header_medium, header_velocity, to_raw
from cemp.readers.onedim import from_arrays

#: Names of further image extensions that hold errors, and what they hold.
EXTENSIONS = {"IVAR": "ivar", "INVVAR": "ivar", "ERR": "error", "ERROR": "error",
              "ERRS": "error", "SIGMA": "error", "UNCERT": "error", "NOISE": "error",
              "VAR": "variance", "VARIANCE": "variance", "STAT": "variance"}  # fmt: skip


def finish(raw, options, source):
    """Make a spectrum of what a plain file holds and of what the caller declares.

    Parameters
    ----------
    raw : cemp.readers.columns.Raw
    options : cemp.readers.ReadOptions
    source : str

    Returns
    -------
    cemp.spectrum.Spectrum
        ``meta`` says where medium and velocity are from (``"caller"`` or ``"file"``).

    Raises
    ------
    BadInputError
        If neither file nor caller say the medium or the velocity, or as of `from_arrays`.
    """
    medium = options.medium or raw.medium or header_medium(raw.header)
    if medium is None:
        raise BadInputError(
            f"{source}: air or vacuum wavelengths? the file does not say; say medium='air' or "
            "medium='vacuum'"
        )
    velocity = options.velocity_kms
    velocity = header_velocity(raw.header) if velocity is None else velocity
    if velocity is None:
        raise BadInputError(
            f"{source}: the radial velocity is missing; say velocity_kms=..., 0 if at rest"
        )
    return from_arrays(
        raw.wave, raw.flux, raw.ivar, velocity, medium, error=raw.error, good=raw.good,
        unit=options.unit or raw.unit, resolution=options.resolution,
        name=raw.header.get("OBJECT") or "", source=source, **_position(raw.header),
        meta={"layout": raw.layout, "unused": raw.unused,
              "medium_from": "caller" if options.medium else "file",
              "velocity_from": "file" if options.velocity_kms is None else "caller"},
    )  # fmt: skip


def _position(header):
    """Return {"ra", "dec"} [degree] of a header, NaN if missing."""
    try:
        ra, dec = header["RA"], header["DEC"]
        hours = isinstance(ra, str) and any(mark in ra.strip() for mark in ": h")
        return {"ra": Angle(ra, unit="hourangle" if hours else "deg").deg,
                "dec": Angle(dec, unit="deg").deg}  # fmt: skip
    except (KeyError, ValueError, TypeError):
        return {"ra": np.nan, "dec": np.nan}


def fits_raw(hdus, source, columns=None):
    """Find the spectrum in a FITS file.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    source : str
    columns : tuple of str, optional
        As for `cemp.readers.columns.assign`.

    Returns
    -------
    cemp.readers.columns.Raw

    Raises
    ------
    BadInputError
        If there is no one-dimensional spectrum, or the axis is of a kind that is not read.
    """
    tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    for hdu in tables:
        if "flux" in assign(hdu.columns.names, columns):
            return _table(hdu, hdus[0].header, source, columns)
    images = [hdu for hdu in hdus if hdu.is_image and hdu.data is not None]
    for hdu in images:
        if _squeeze(hdu.data).ndim == 1 and hdu.data.size > 1:
            return _image(hdu, images, hdus[0].header, source)
    if images:
        raise BadInputError(
            f"{source}: an image of shape {images[0].data.shape}, no spectrum; extract one row and "
            "use from_arrays"
        )
    found = [name for hdu in tables for name in hdu.columns.names]
    raise BadInputError(
        f"{source}: no spectrum; the tables have {', '.join(found[:12]) or 'no column'}; name "
        "columns=(wave, flux, error) or use from_arrays"
    )


def _squeeze(data):
    """Drop axes of length 1."""
    return data.reshape([n for n in data.shape if n > 1])


def _table(hdu, primary, source, columns):
    """Read a table of n rows, or of one row of arrays."""
    names = hdu.columns.names
    single = len(hdu.data) == 1 and np.ndim(hdu.data[names[0]][0]) == 1
    arrays = {name: hdu.data[name][0] if single else hdu.data[name] for name in names}
    arrays = {k: v for k, v in arrays.items() if np.ndim(v) == 1 and np.size(v) != 1}
    units = {column.name: column.unit for column in hdu.columns if column.unit}
    return to_raw(arrays, units, dict(primary) | dict(hdu.header), "table", source, columns)


def _image(hdu, images, primary, source):
    """Read an image of one row with its wavelengths in the header."""
    header = dict(primary) | dict(hdu.header)
    flux = _squeeze(hdu.data)
    wave, log = _axis(header, flux.size, source)
    extra = {}
    for other in images:
        role = EXTENSIONS.get(other.name.upper())
        if role and other is not hdu and other.data.size == flux.size:
            extra[role] = _squeeze(other.data).astype(float)
    error = extra.get("error")
    if error is None and "variance" in extra:
        error = np.sqrt(np.maximum(extra["variance"], 0))
    unit = LOGLAM if log else header.get("CUNIT1") or None
    return Raw(wave, flux, extra.get("ivar"), None if "ivar" in extra else error, None,
               unit, None, header, "image")  # fmt: skip


def _axis(header, n_pix, source):
    """Return wavelengths by the header, and whether they are log10 of Angstrom."""
    first, pixel = header.get("CRVAL1"), header.get("CRPIX1", 1)
    step = header.get("CDELT1", header.get("CD1_1"))
    kind = str(header.get("CTYPE1", "")).strip().upper()
    if first is None or not step:
        if "COEFF0" in header and "COEFF1" in header:  # SDSS's own: log10 of Angstrom
            return header["COEFF0"] + header["COEFF1"] * np.arange(n_pix), True
        raise BadInputError(
            f"{source}: the header has no wavelengths (CRVAL1, CDELT1); use from_arrays"
        )
    if kind.startswith("MULTISPE"):
        raise BadInputError(f"{source}: an IRAF multispec file; export the spectrum as text")
    offset = step * (np.arange(n_pix) + 1 - float(pixel))
    if kind.endswith("-LOG") and not kind.startswith("LOG"):  # FITS paper III: natural logarithm
        return first * np.exp(offset / first), False
    if "-" in kind and kind.split("-")[0] in ("WAVE", "AWAV", "FREQ"):
        raise BadInputError(f"{source}: a wavelength axis of type {kind}; export it as text")
    log = header.get("DC-FLAG") in (1, "1") or kind in ("LOGLAM", "LOG10", "WAVE-LOG10")
    return first + offset, bool(log)
