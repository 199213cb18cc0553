"""One observed spectrum on its own pixels, and the operator that reads a template on them.

Chi-square belongs on native pixels. LAMOST's are 1e-4 dex wide, 0.88 Angstrom at 3800 and 2.03 at
8800: on a grid of 1 Angstrom red neighbours share pixels, and a diagonal chi-square counts the
same photons twice. Here the template comes to the pixels: broadened to the spectrograph's
resolution and read at lambda / (1 + v/c), positive v receding.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy.sparse import csr_array

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.preprocess.continuum import JOIN, continuum
from cemp.synthesis.grid import GRID_R
from cemp.synthesis.resolution import FWHM_TO_SIGMA
from cemp.transfer.telescope_effects import TELLURIC

#: Ends of what is fitted [Angstrom]: beyond, LAMOST has little light and the grid ends.
RANGE = (3800.0, 8900.0)
#: Rest-frame vacuum centres and half widths [Angstrom] of what LTE photospheres do not make: cores
#: of the Balmer lines, Na D with its interstellar share.
CORES = ((4102.9, 5), (4341.7, 5), (4862.7, 6), (6564.6, 8), (5894.6, 8))
#: The same of Ca II H and K: chromospheres and interstellar gas, but also the strongest lines of
#: metals that the most metal-poor stars have.
CALCIUM = ((3934.8, 4), (3969.6, 4))
#: Fewest pixels that a fit can rest on.
LEAST_PIXELS = 300
#: Half width of the kernel in standard deviations.
REACH = 3.5


@dataclass(frozen=True)
class Pixels:
    """What a fit needs of one spectrum.

    Parameters
    ----------
    obsid : int or None
    wave, flux, sigma : ndarray, shape (m,)
        Used pixels: observed vacuum wavelength [Angstrom], flux and its error (noise and model
        error), in units of the median flux.
    cont : ndarray, shape (m,)
        Pseudo-continuum, in the same units.
    design : ndarray, shape (m, n_poly)
        Chebyshev polynomials of each arm, zero in the other.
    """

    obsid: int | None
    wave: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    cont: np.ndarray
    design: np.ndarray

    def select(self, keep):
        """Take some of the pixels (boolean mask)."""
        arrays = {name: getattr(self, name)[keep]
                  for name in ("wave", "flux", "sigma", "cont", "design")}
        return replace(self, **arrays)

    def with_line_error(self, model, error):
        """Add the error of a template's lines, once the star's lines are roughly known.

        Oscillator strengths, abundance pattern and micro-turbulence err by some 10% in optical
        depth, so the flux errs by ``error * n * ln(n)`` of the continuum, n being the normalised
        flux: nothing in the continuum, 3-4% in the strong bands of a carbon star.

        Parameters
        ----------
        model : ndarray, shape (m,)
            Fitted flux: the observed one would give low pixels a low weight, a bias.
        error : float
            Of ln(optical depth).

        Returns
        -------
        Pixels
        """
        n = np.clip(model / self.cont, 0.05, 1.0)
        return replace(self, sigma=np.hypot(self.sigma, error * self.cont * n * np.log(n)))


def resolving_power(wave, r_5500=1800.0):
    """Give LAMOST's resolving power (FWHM): nearly even width within an arm, sharper blue arm.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Observed [Angstrom].
    r_5500 : float
        At 5500 Angstrom; some 1800 for LAMOST (Cui et al. 2012, RAA 12, 1197).

    Returns
    -------
    ndarray, shape (n,)
    """
    return r_5500 * (wave / np.where(wave < np.mean(JOIN), 5500, 6800)) ** 0.6


def arms(wave, order):
    """Polynomials that stand for continuum, dust and flux calibration, of each arm its own.

    Parameters
    ----------
    wave : ndarray, shape (m,)
        [Angstrom].
    order : int
        Degree.

    Returns
    -------
    ndarray, shape (m, 2 (order + 1))
        An arm without pixels gets no columns.
    """
    middle, parts = np.mean(JOIN), []
    for low, high, here in ((RANGE[0], middle, wave < middle), (middle, RANGE[1], wave >= middle)):
        if here.any():
            x = np.clip(2 * (wave - low) / (high - low) - 1, -1, 1)
            parts.append(chebvander(x, order) * here[:, None])
    return np.hstack(parts)


def allowed(wave, velocity, masked=CORES):
    """Tell which pixels may count: inside `RANGE`, no telluric band, no arm join, no masked line.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Observed [Angstrom].
    velocity : float
        Of the star [km/s], good to 30 km/s.
    masked : sequence of (float, float)
        Rest-frame centres and half widths [Angstrom].

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    rest = wave / (1 + velocity / C_KMS)
    out = (rest > RANGE[0]) & (rest < RANGE[1]) & ((wave < JOIN[0]) | (wave > JOIN[1]))
    for low, _, high, _ in TELLURIC:
        out &= (wave < low) | (wave > high)
    for centre, half in masked:
        out &= np.abs(rest - centre) > half
    return out


def prepare(spectrum, velocity, order=3, model_error=0.005, masked=CORES + CALCIUM):
    """Choose and scale the pixels of one spectrum.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    velocity : float
        First guess [km/s].
    order : int
        Of the polynomials of each arm.
    model_error : float
        Error of a template's pixel in units of the continuum, added in quadrature.
    masked : sequence of (float, float)
        As of `allowed`.

    Returns
    -------
    Pixels

    Raises
    ------
    BadInputError
        If fewer than `LEAST_PIXELS` are left.
    """
    wave, good = spectrum.wave, spectrum.good
    cont = continuum(wave / (1 + velocity / C_KMS), spectrum.flux, good)
    known = np.isfinite(cont) & (np.where(np.isfinite(cont), cont, 0) > 0)
    use = good & known & allowed(wave, velocity, masked)
    if use.sum() < LEAST_PIXELS:
        raise BadInputError(f"{spectrum.path}: {use.sum()} pixels to fit, {LEAST_PIXELS} needed; "
                            "leave it out")
    scale = np.median(cont[use])
    sigma = np.hypot(1 / np.sqrt(spectrum.ivar[use]), model_error * cont[use]) / scale
    return Pixels(spectrum.obsid, wave[use], spectrum.flux[use] / scale, sigma, cont[use] / scale,
                  arms(wave[use], order))


def kernels(wave, velocity, fine, r_5500=1800.0):
    """Make the operators from a template's fine pixels to observed ones.

    Parameters
    ----------
    wave : ndarray, shape (m,)
        Observed pixels [Angstrom].
    velocity : float
        [km/s], positive if receding: the template is read at lambda / (1 + v/c).
    fine : ndarray, shape (n,)
        The template's wavelengths at R = 5000, rest frame, even in ln.
    r_5500 : float
        Resolving power of the observation at 5500 Angstrom.

    Returns
    -------
    read, by_velocity, by_power : scipy.sparse.csr_array, shape (m, n)
        The operator, its derivative by velocity [per km/s] and by ln(resolving power).
    """
    step = np.log(fine[-1] / fine[0]) / (fine.size - 1)
    at = (np.log(wave / (1 + velocity / C_KMS)) - np.log(fine[0])) / step
    power = resolving_power(wave, r_5500)
    variance = FWHM_TO_SIGMA**2 * (power**-2.0 - GRID_R**-2.0) / step**2
    half = int(REACH * np.sqrt(variance.max())) + 1
    first = np.clip(np.floor(at).astype(np.int32) - half, 0, fine.size - 2 * half - 2)
    column = first[:, None] + np.arange(2 * half + 2, dtype=np.int32)
    offset = (column - at[:, None]).astype(np.float32)
    square = offset**2 / variance[:, None].astype(np.float32)
    weight = np.exp(-square / 2)
    weight /= weight.sum(axis=1, keepdims=True)
    moved = -1 / (C_KMS * step * (1 + velocity / C_KMS))  # of `at` by velocity
    slope = weight * offset * (moved / variance).astype(np.float32)[:, None]
    change = -2 * (FWHM_TO_SIGMA / power / step) ** 2  # of the variance by ln(power)
    curve = weight * (square - 1) * (change / (2 * variance)).astype(np.float32)[:, None]
    ends = np.arange(0, column.size + 1, column.shape[1], dtype=np.int32)
    return tuple(csr_array((data.ravel(), column.ravel(), ends), shape=(wave.size, fine.size))
                 for data in (weight, slope, curve))
