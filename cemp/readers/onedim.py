"""Any one-dimensional spectrum, from arrays or from an object of `specutils`."""

import numpy as np

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.readers.axis import vacuum
from cemp.readers.noise import estimate_sigma
from cemp.readers.sampling import open_gaps, to_lrs
from cemp.spectrum import Spectrum

#: Where S/N is measured [Angstrom]: the survey's bands, about.
BANDS = {"u": (3700, 4000), "g": (4000, 5500), "r": (5500, 7000), "i": (7000, 8200),
         "z": (8200, 9100)}  # fmt: skip
#: Median S/N a pixel below which ivar and error have probably been confused.
LEAST_SNR = 0.2


def from_arrays(wave, flux, ivar=None, velocity_kms=0.0, medium="vacuum", *, error=None, good=None,
                unit=None, resolution=None, name="", ra=np.nan, dec=np.nan, source="arrays",
                meta=None):  # fmt: skip
    """Make a spectrum of arrays.

    Parameters
    ----------
    wave : array_like or astropy.units.Quantity, shape (n,)
        Wavelength, strictly rising or strictly falling.
    flux : array_like or Quantity, shape (n,)
        Flux density in any linear unit, calibrated or not. What is not finite was not observed;
        without errors nor is what is exactly 0 (padding).
    ivar : array_like or Quantity, shape (n,), optional
        Inverse variance; 0, negative or not finite: pixel not good. Without `ivar` and `error` the
        noise is estimated (`cemp.readers.noise`), and ``meta["ivar"]`` is ``"estimated"``.
    velocity_kms : float
        Radial velocity of the star in the wavelengths as given [km/s], positive if receding.
    medium : {"vacuum", "air"}
        Of the wavelengths; the other is 80 km/s off.
    error : array_like or Quantity, shape (n,), optional
        Standard deviation, instead of `ivar`.
    good : array_like of bool, shape (n,), optional
        True where the pixel can be used.
    unit : str, optional
        Of `wave`, where it is no Quantity: Angstrom by default. Values that cannot be Angstrom
        are refused, never converted unasked.
    resolution : float, optional
        R = lambda / FWHM. Above 2,500, or with pixels finer than LAMOST's, the spectrum is
        smoothed to R = 1800 (`cemp.readers.sampling.to_lrs`).
    name : str
        Identifier, kept in ``meta["identifier"]``.
    ra, dec : float
        ICRS [degree].
    source : str
        What to call the spectrum in an error: the file, for one.
    meta : dict, optional
        Further entries of ``meta``.

    Returns
    -------
    cemp.spectrum.Spectrum
        Class STAR. It covers what was observed and nothing else: pixels in gaps are not good, and
        beyond its ends the preprocessing marks the grid as not good.

    Raises
    ------
    BadInputError
        Arrays that do not belong together, wavelengths that make no sense, no usable pixel.

    Examples
    --------
    >>> import numpy as np
    >>> nm = np.linspace(380, 880, 5001)
    >>> star = from_arrays(nm, 1 + 0.01 * np.sin(nm), unit="nm", medium="air", velocity_kms=-30)
    >>> star.meta["ivar"], float(star.wave[0].round(2)), float(round(star.z, 6))
    ('estimated', 3801.08, -0.0001)
    """
    if not np.isfinite(velocity_kms):
        raise BadInputError(f"{source}: velocity {velocity_kms}; give km/s, 0 if at rest")
    unit = getattr(wave, "unit", None) or unit
    if "mag" in str(getattr(flux, "unit", "")):
        raise BadInputError(f"{source}: the flux is in magnitudes; give a linear flux density")
    errors = _ivar(ivar, error, getattr(flux, "unit", None), source)
    wave, flux = _vector(wave, "wavelength", source), _vector(flux, "flux", source)
    good = np.ones(flux.shape, bool) if good is None else np.asarray(good).astype(bool)
    for what, array in (("flux", flux), ("error or ivar", errors), ("good", good)):
        if array is not None and array.shape != wave.shape:
            raise BadInputError(
                f"{source}: {wave.shape} wavelengths but {array.shape} of {what}; give one each"
            )
    wave, falling = vacuum(wave, unit, medium, flux, source)
    order = slice(None, None, -1 if falling else 1)
    errors = None if errors is None else errors[order]
    flux, ivar, good = _pixels(flux[order], errors, good[order], source)
    pixels = to_lrs(*open_gaps(wave, flux, ivar, good), resolution, source)
    if not pixels[3].any():
        raise BadInputError(f"{source}: no good pixel is left; check errors and mask")
    about = {
        "survey": "1d", "layout": "1d", "identifier": str(name), "medium": medium,
        "ivar": "estimated" if errors is None else "given", "resolution": resolution,
        "n_masked": int((~pixels[3]).sum()),
    }  # fmt: skip
    return Spectrum(
        None, *pixels, z=velocity_kms / C_KMS, ra=float(ra), dec=float(dec),
        snr=band_snr(*pixels), path=str(source), meta=about | (meta or {}),
    )  # fmt: skip


def from_specutils(spectrum, velocity_kms=None, medium=None, **keywords):
    """Make a spectrum of an object of `specutils` (Spectrum, Spectrum1D), or of one like it.

    Parameters
    ----------
    spectrum : object
        With ``spectral_axis`` and ``flux`` (Quantity), and perhaps ``uncertainty`` (of any kind
        of astropy.nddata), ``mask`` (True is bad) and ``radial_velocity``.
    velocity_kms : float, optional
        Default: the object's own ``radial_velocity``, which specutils takes to be 0 where it has
        not been told.
    medium : {"air", "vacuum"}
        Must be said: the object does not know.
    **keywords
        Others of `from_arrays`: resolution, name, ra, dec, source.

    Returns
    -------
    cemp.spectrum.Spectrum

    Raises
    ------
    BadInputError
        If it is no such object, holds more than one spectrum, or the medium is not said.
    """
    source = keywords.setdefault("source", type(spectrum).__name__)
    axis, flux = (getattr(spectrum, name, None) for name in ("spectral_axis", "flux"))
    if not hasattr(axis, "unit") or not hasattr(flux, "unit"):
        raise BadInputError(f"{source}: no spectral_axis and flux with units; use from_arrays")
    if medium is None:
        raise BadInputError(f"{source}: air or vacuum? say medium='air' or medium='vacuum'")
    if velocity_kms is None:
        velocity = getattr(spectrum, "radial_velocity", None)
        velocity_kms = 0.0 if velocity is None else float(velocity.to_value("km/s"))
    mask = getattr(spectrum, "mask", None)
    return from_arrays(
        axis, flux, velocity_kms=velocity_kms, medium=medium,
        good=None if mask is None else ~np.asarray(mask, bool) & np.ones(flux.shape, bool),
        **_uncertainty(getattr(spectrum, "uncertainty", None), flux.unit, source), **keywords,
    )  # fmt: skip


def _uncertainty(uncertainty, flux_unit, source):
    """Return {} or {"ivar" or "error": Quantity} of an uncertainty of astropy.nddata."""
    if uncertainty is None:
        return {}
    kind = uncertainty.uncertainty_type
    power = {"std": 1, "var": 2, "ivar": -2}.get(kind)
    if power is None:
        raise BadInputError(f"{source}: uncertainty of type {kind}; give std, var or ivar")
    values = np.asarray(uncertainty.array, float) * (uncertainty.unit or flux_unit**power)
    if kind == "var":
        return {"error": np.sqrt(np.where(values > 0, values, 0))}
    return {"ivar" if kind == "ivar" else "error": values}


def _vector(values, what, source):
    """Return float64 of shape (n,); what is masked or no number becomes NaN."""
    values = getattr(values, "value", values)
    try:
        values = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{source}: the {what} is not of numbers ({error})") from error
    values = values[0] if values.ndim == 2 and len(values) == 1 else values
    if values.ndim != 1 or values.size < 2:
        raise BadInputError(f"{source}: {what} of shape {values.shape}; give one spectrum, (n,)")
    return values


def _ivar(ivar, error, flux_unit, source):
    """Return the inverse variance in the flux's unit; None if neither was given."""
    if ivar is not None and error is not None:
        raise BadInputError(f"{source}: both ivar and error; give one")
    power, values = (-2, ivar) if error is None else (1, error)
    if values is None:
        return None
    if flux_unit is not None and getattr(values, "unit", None) is not None:
        try:
            values = values.to(flux_unit**power)
        except ValueError as problem:
            raise BadInputError(f"{source}: errors in {values.unit}, flux in {flux_unit}; give "
                                "both in one unit") from problem  # fmt: skip
    values = _vector(values, "ivar" if power < 0 else "error", source)
    known = np.isfinite(values) & (values > 0)
    values = np.where(known, values, 1.0)
    with np.errstate(over="ignore", under="ignore"):
        return np.where(known, values if power < 0 else values**-2.0, 0.0)


def _pixels(flux, ivar, good, source):
    """Return flux, ivar and good with nothing left that is not finite."""
    good = good & np.isfinite(flux)
    flux = np.where(np.isfinite(flux), flux, 0.0)
    if ivar is None:
        good &= flux != 0
        ivar = np.where(good, estimate_sigma(flux, good), np.inf) ** -2.0
    good &= np.isfinite(ivar) & (ivar > 0)
    if not good.any():
        raise BadInputError(
            f"{source}: no pixel has both a flux and an ivar above 0; check columns and mask"
        )
    snr = np.median(np.abs(flux[good]) * np.sqrt(ivar[good]))
    if snr < LEAST_SNR:
        raise BadInputError(
            f"{source}: S/N {snr:.2g} a pixel by its errors; is ivar (1 / sigma^2) taken for an "
            "error, or the other way round?"
        )
    return flux, np.where(good, ivar, 0.0), good


def band_snr(wave, flux, ivar, good):
    """Measure S/N a pixel in the survey's bands.

    Parameters
    ----------
    wave, flux, ivar : ndarray, shape (n,)
    good : ndarray of bool, shape (n,)

    Returns
    -------
    dict of str to float
        Median of flux times root ivar over good pixels of u, g, r, i, z; NaN without any.
    """
    ratio = flux * np.sqrt(ivar)
    inside = {band: good & (wave >= a) & (wave < b) for band, (a, b) in BANDS.items()}
    return {b: float(np.median(ratio[i])) if i.any() else np.nan for b, i in inside.items()}
