"""The five steps for one spectrum: rest frame, repair, continuum, 1 Angstrom grid, mask."""

from dataclasses import dataclass

import numpy as np

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.preprocess.continuum import JOIN, blend, fit_arms, join_step, trusted_from
from cemp.preprocess.repair import repair
from cemp.preprocess.resample import resample


@dataclass(frozen=True)
class PreprocessSettings:
    """How a spectrum becomes a vector.

    Parameters
    ----------
    median_width : int
        Running median of the repair [pixel]: wider than a line, so that lines are no spikes.
    spike_sigma : float
        Threshold of the repair: low enough for cosmic rays of half the continuum, high enough
        to touch under 0.1% of a clean spectrum's pixels at S/N = 300.
    continuum_order : int
        Degree of each arm's polynomial: 4 follows a reddened star to 0.5%; 6 swings in the blue.
    continuum_width : float
        Kernel of the continuum [dex]: some 100 A at 4000 A, wider than the G band.
    max_abs_z : float
        |z| beyond which no star belongs to the Galaxy (3,000 km/s): such a redshift is wrong.
    min_good_fraction : float
        Spectra with fewer good pixels on the grid are skipped: half a spectrum has one arm.
    min_continuum : float
        Continuum below this fraction of its median is not trusted (division by noise).
    max_deviation : float
        Pixels with |flux - 1| beyond it are not good: no line, only noise or sky, does that.
        Symmetric about 1, so that the mean flux of noisy spectra is not pushed either way.
    max_join_step : float
        Disagreement of the arms beyond which 5700-5900 Angstrom is not good, as half of it stays
        in the normalised flux there. Lines alone make up to 0.08 in metal-rich stars without any
        mismatch; the sample files of LAMOST have 0.08 in the median and over 0.2 in a tenth.
    """

    median_width: int = 11
    spike_sigma: float = 7.0
    continuum_order: int = 4
    continuum_width: float = 110e-4
    max_abs_z: float = 0.01
    min_good_fraction: float = 0.5
    min_continuum: float = 0.01
    max_deviation: float = 5.0
    max_join_step: float = 0.1


@dataclass(frozen=True)
class Vector:
    """A spectrum as the network reads it.

    Parameters
    ----------
    obsid : int or None
        Identifier of the spectrum.
    flux, ivar : ndarray of float32, shape (n_pix,)
        Flux over continuum on `cemp.constants.WAVE`, at rest, and its inverse variance; where
        nothing was observed flux is 1, and ivar is 0 wherever `good` is False.
    good : ndarray of bool, shape (n_pix,)
        True where measured.
    n_repaired : int
        Native pixels taken for cosmic rays.
    n_bad : int
        Native pixels that were bad before.
    """

    obsid: int | None
    flux: np.ndarray
    ivar: np.ndarray
    good: np.ndarray
    n_repaired: int = 0
    n_bad: int = 0

    @property
    def good_fraction(self):
        """Share of the grid's pixels that are good."""
        return float(self.good.mean())


def check(spectrum, settings):
    """Refuse what is no star with a known velocity.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    settings : PreprocessSettings

    Raises
    ------
    BadInputError
        With a short reason.
    """
    if spectrum.cls != "STAR":
        raise BadInputError(f"class {spectrum.cls or 'missing'}, not STAR")
    if not np.isfinite(spectrum.z):
        raise BadInputError("redshift missing")
    if abs(spectrum.z) > settings.max_abs_z:
        raise BadInputError(f"|z| above {settings.max_abs_z}: not a Galactic star")


def steps(spectrum, settings=PreprocessSettings()):  # noqa: B008  (frozen)
    """Carry one spectrum through all steps and keep what each made of it.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    settings : PreprocessSettings

    Returns
    -------
    dict of str to ndarray or int
        ``wave`` (rest frame), ``flux``, ``good`` (after repair), ``n_repaired``, ``continuum``,
        each of shape (n,), and ``grid_flux``, ``grid_ivar``, ``grid_good`` of shape (n_pix,).

    Raises
    ------
    BadInputError
        If it is no star, has no redshift or too few good pixels.
    """
    check(spectrum, settings)
    wave = spectrum.wave / (1 + spectrum.z)
    flux, good, n_repaired = repair(
        wave, spectrum.flux, spectrum.ivar, spectrum.good,
        settings.median_width, settings.spike_sigma,
    )  # fmt: skip
    arms = fit_arms(wave, flux, good, settings.continuum_order, settings.continuum_width)
    cont = blend(wave, *arms)
    safe = _trusted(cont, settings.min_continuum) & (wave >= trusted_from(wave, good))
    if not abs(join_step(wave, *arms)) <= settings.max_join_step:
        safe &= (wave < JOIN[0]) | (wave > JOIN[1])
    divisor = np.where(safe, cont, 1)
    grid_flux, grid_ivar, grid_good = resample(
        wave, np.where(safe, flux / divisor, 1), spectrum.ivar * divisor**2, good & safe
    )
    return {
        "wave": wave, "flux": flux, "good": good, "n_repaired": n_repaired, "continuum": cont,
        "grid_flux": np.where(np.isfinite(grid_flux), grid_flux, 1), "grid_ivar": grid_ivar,
        "grid_good": grid_good,
    }  # fmt: skip


def _trusted(cont, min_continuum):
    """Tell where the continuum is known and not next to zero."""
    known = np.isfinite(cont)
    if not known.any() or np.median(cont[known]) <= 0:
        return np.zeros(cont.shape, dtype=bool)
    return known & (np.where(known, cont, 0) > min_continuum * np.median(cont[known]))


def preprocess(spectrum, settings=PreprocessSettings()):  # noqa: B008  (frozen)
    """Turn an observed spectrum into a normalised vector at rest.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    settings : PreprocessSettings

    Returns
    -------
    Vector

    Raises
    ------
    BadInputError
        If it is no star, has no redshift or too few good pixels.
    """
    made = steps(spectrum, settings)
    with np.errstate(over="ignore"):
        flux = made["grid_flux"].astype(np.float32)
        ivar = made["grid_ivar"].astype(np.float32)
    good = made["grid_good"] & np.isfinite(ivar) & (ivar > 0)
    good &= np.abs(flux - 1) <= settings.max_deviation
    if good.mean() < settings.min_good_fraction:
        raise BadInputError(f"good pixels under {settings.min_good_fraction:.0%} of the grid")
    assert flux.shape == (N_PIX,) == WAVE.shape
    return Vector(
        obsid=spectrum.obsid,
        flux=np.where(np.abs(flux - 1) <= settings.max_deviation, flux, np.float32(1)),
        ivar=np.where(good, ivar, np.float32(0)),
        good=good,
        n_repaired=made["n_repaired"],
        n_bad=int((~spectrum.good).sum()),
    )
