"""Where the fit starts: velocity by cross-correlation, labels from a coarse library."""

import numpy as np
from scipy import fft

from cemp.constants import C_KMS
from cemp.errors import BadInputError
from cemp.methods.template.library import LOG_START, LOG_STEP, N_LATTICE
from cemp.methods.template.native import CORES, LEAST_PIXELS, allowed
from cemp.preprocess.continuum import continuum


def pixels_to_kms(pixels):
    """Velocity [km/s] of a shift by so many pixels of 1e-4 dex, positive to the red."""
    return C_KMS * np.expm1(np.log(10) * LOG_STEP * pixels)


def normalise(spectrum, velocity, model_error=0.02):
    """Put a normalised spectrum on the lattice.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
        On LAMOST's pixels.
    velocity : float
        Guess [km/s], for the continuum's windows.
    model_error : float
        Error of a template in units of the continuum.

    Returns
    -------
    flux, weight : ndarray of float32, shape (n_lattice,)
        Normalised flux, and the inverse variance of its difference from a template; 0 where
        nothing can be said.
    fraction : float
        By which fraction of a pixel the spectrum's pixels are redder than the lattice's.

    Raises
    ------
    BadInputError
        If pixels are not 1e-4 dex wide, or fewer than `LEAST_PIXELS` are good.
    """
    log_wave = np.log10(spectrum.wave)
    if abs((log_wave[-1] - log_wave[0]) / (log_wave.size - 1) / LOG_STEP - 1) > 1e-3:
        raise BadInputError(f"{spectrum.path}: pixels are not 1e-4 dex wide; use LAMOST LRS files")
    offset = (log_wave[0] - LOG_START) / LOG_STEP
    first = round(offset)
    cont = continuum(spectrum.wave / (1 + velocity / C_KMS), spectrum.flux, spectrum.good)
    use = spectrum.good & np.isfinite(cont) & allowed(spectrum.wave, velocity, CORES)
    use &= np.where(np.isfinite(cont), cont, 0) > 0
    ratio = np.where(use, spectrum.flux / np.where(use, cont, 1), 1)
    # a spike of ten times the continuum would rule the whole comparison
    use &= np.abs(ratio - 0.5) < 1.5
    if use.sum() < LEAST_PIXELS:
        raise BadInputError(f"{spectrum.path}: {use.sum()} pixels to compare, {LEAST_PIXELS} "
                            "needed; leave it out")
    variance = 1 / np.where(use, spectrum.ivar * cont**2, 1) + model_error**2
    flux, weight = np.ones(N_LATTICE, np.float32), np.zeros(N_LATTICE, np.float32)
    at = first + np.arange(ratio.size)
    keep = (at >= 0) & (at < N_LATTICE)
    flux[at[keep]] = ratio[keep]
    weight[at[keep]] = np.where(use, 1 / variance, 0)[keep]
    return flux, weight, offset - first


def place(spectrum, templates):
    """Find a spectrum's velocity and normalise it for the search.

    Parameters
    ----------
    spectrum : cemp.spectrum.Spectrum
    templates : ndarray, shape (t, n_lattice)
        As of `cemp.methods.template.library.Coarse.some`.

    Returns
    -------
    flux, weight : ndarray, shape (n_lattice,)
    shift : float
        On the lattice [pixel].
    velocity : float
        [km/s], positive if receding.

    Raises
    ------
    BadInputError
        As of `normalise`.
    """
    flux, weight, fraction = normalise(spectrum, 0.0)
    shift = find_velocity(flux, weight, templates)
    velocity = pixels_to_kms(shift + fraction)
    flux, weight, _ = normalise(spectrum, velocity)
    return flux, weight, shift, velocity


def correlate(flux, weight, templates, reach):
    """Chi-square gained over a flat spectrum, by template and shift, with the best scale at each.

    Parameters
    ----------
    flux, weight : ndarray, shape (n_lattice,)
        Normalised flux and its inverse variance.
    templates : ndarray, shape (t, n_lattice)
        Normalised.
    reach : int
        Largest shift [pixel].

    Returns
    -------
    ndarray, shape (t, 2 reach + 1)
        Larger is better; shifts from -reach to reach, positive to the red.

    Notes
    -----
    Depth d = 1 - flux is correlated with the template's: (sum w d T)^2 / sum w T^2, both sums over
    pixels for all shifts at once by fast Fourier transforms (Tonry & Davis 1979, AJ 84, 1511, with
    the errors of the pixels as weights).
    """
    size = fft.next_fast_len(N_LATTICE + reach, real=True)
    depth = 1 - templates
    image = fft.rfft(np.stack([weight * (1 - flux), weight]), size)
    first = fft.irfft(image[0] * np.conj(fft.rfft(depth, size)), size)
    second = fft.irfft(image[1] * np.conj(fft.rfft(depth**2, size)), size)
    gain = np.sign(first) * first**2 / np.maximum(second, 1e-3 * np.abs(second).max())
    return np.roll(gain, reach, axis=1)[:, :2 * reach + 1]


def find_velocity(flux, weight, templates, reach=15):
    """Find a spectrum's velocity.

    Parameters
    ----------
    flux, weight, templates
        As of `correlate`.
    reach : int
        Largest shift [pixel]: 15 are 1,036 km/s.

    Returns
    -------
    float
        Shift [pixel], between pixels by a parabola through the peak.
    """
    gain = correlate(flux, weight, templates, reach).max(axis=0)
    peak = int(np.clip(np.argmax(gain), 1, gain.size - 2))
    left, middle, right = gain[peak - 1:peak + 2]
    curve = left - 2 * middle + right
    part = 0.5 * (left - right) / curve if curve < 0 else 0.0
    return peak - reach + float(np.clip(part, -1, 1))


def chi_square(flux, weight, templates):
    """Chi-square of many spectra against many templates, each pair at its best scale.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_lattice)
    templates : ndarray, shape (t, n_lattice)

    Returns
    -------
    ndarray, shape (n, t)

    Notes
    -----
    sum w y^2 - (sum w y T)^2 / sum w T^2: two matrix products.
    """
    cross = (weight * flux) @ templates.T
    power = weight @ (templates**2).T
    constant = np.sum(weight * flux**2, axis=1, dtype=float)
    return constant[:, None] - cross.astype(float) ** 2 / np.maximum(power, 1e-12)


def search(flux, weight, shifts, coarse, n_best=1):
    """Find the best coarse templates of spectra whose velocities are known.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_lattice)
        Normalised, in the observer's frame.
    shifts : ndarray, shape (n,)
        [pixel].
    coarse : cemp.methods.template.library.Coarse
    n_best : int

    Returns
    -------
    rows : ndarray of int, shape (n, n_best)
        Of ``coarse.labels``, best first.
    chi2 : ndarray, shape (n, n_best)
    """
    rows, best = np.zeros((len(flux), n_best), dtype=int), np.zeros((len(flux), n_best))
    parts = np.round(np.asarray(shifts) * coarse.n_phase).astype(int)
    for phase in range(coarse.n_phase):
        here = np.flatnonzero(parts % coarse.n_phase == phase)
        if here.size:
            rolled = [np.array([np.roll(array[k], -(parts[k] // coarse.n_phase)) for k in here])
                      for array in (flux, weight)]
            chi2 = chi_square(rolled[0], rolled[1] * coarse.covered, coarse.norm[phase])
            rows[here] = np.argsort(chi2, axis=1, kind="stable")[:, :n_best]
            best[here] = np.take_along_axis(chi2, rows[here], axis=1)
    return rows, best
