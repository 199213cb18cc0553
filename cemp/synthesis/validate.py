"""Where the emulator holds, and how far it is from spectra that it has not seen.

Errors are those of the normalised flux at the survey's resolving power, over the wavelengths that
the methods use, in units of the continuum.
"""

import numpy as np

from cemp.constants import SEED, WAVE
from cemp.synthesis import design
from cemp.synthesis.emulator import Emulator, lower_resolution, sound

#: Resolving power (FWHM) of the surveys, at which errors are stated.
SURVEY_R = 1800.0
#: Stars for which the emulator is meant to be good: hotter [K] and less carbon rich ([C/Fe]) than.
USUAL_TEFF, USUAL_C_FE = 4500.0, 2.0
#: Digits that labels may lose in a file before they count as outside.
ROUNDING = 1e-4


def inside(labels):
    """Tell which stars lie in the part of label space that the grid covers.

    Outside the networks extrapolate, and nothing is known about their error.

    Parameters
    ----------
    labels : array_like, shape (n, 6)
        Teff [K], log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe].

    Returns
    -------
    ndarray of bool, shape (n,)
        True inside, borders included; False where a label is NaN.
    """
    teff, logg, fe_h, c_fe, alpha_fe, n_fe = np.asarray(labels, dtype=float).T
    trend = np.interp(fe_h, *design.ALPHA_TREND)
    limits = (
        (teff, *design.TEFF_RANGE),
        (logg, np.interp(teff, *design.LOGG_LOW), np.interp(teff, *design.LOGG_HIGH)),
        (fe_h, *design.FE_H_RANGE),
        (c_fe, design.C_FE_LOW, np.minimum(design.C_FE_HIGH, design.C_H_HIGH - fe_h)),
        (alpha_fe, trend - 0.2, trend + 0.2),
        (n_fe, *design.N_FE_RANGE),
    )
    return np.all([(value >= low - ROUNDING) & (value <= high + ROUNDING)
                   for value, low, high in limits], axis=0)


def usual(labels):
    """Tell which stars are hotter than 4500 K and have [C/Fe] < 2; boolean, shape (n,)."""
    labels = np.asarray(labels)
    return (labels[:, 0] > USUAL_TEFF) & (labels[:, 3] < USUAL_C_FE)


def survey_errors(emulator, grid):
    """Emulated minus true spectra as a survey would see them.

    Parameters
    ----------
    emulator : Emulator
    grid : Grid
        Spectra that `emulator` has not seen.

    Returns
    -------
    ndarray of float32, shape (n, n_seen)
        Error of the normalised flux at R = `SURVEY_R`, pixels inside `WAVE`.
    """
    error = emulator.emulate(grid.labels)[0] - grid.norm
    return lower_resolution(error, grid.wave, SURVEY_R)[:, seen_pixels(grid.wave)]


def seen_pixels(wave):
    """Pixels inside `WAVE`; boolean, shape (n_wave,)."""
    return (wave >= WAVE[0]) & (wave <= WAVE[-1])


def continuum_rms(emulator, grid):
    """Error of ln(continuum) over `WAVE` of each spectrum, shape (n,)."""
    seen = seen_pixels(grid.wave)
    truth = [np.interp(grid.wave[seen], grid.cont_wave, np.log(row)) for row in grid.cont]
    error = np.log(emulator.emulate(grid.labels)[1][:, seen]) - truth
    return np.sqrt(np.mean(error**2, axis=1))


def cross_validate(grid, settings=None, n_folds=5, seed=SEED, n_run=None):
    """Measure the emulator's error on spectra that it has not seen.

    Parameters
    ----------
    grid : Grid
    settings : EmulatorSettings, optional
    n_folds : int
    seed : int
    n_run : int, optional
        Folds to compute, to save time; all by default.

    Returns
    -------
    dict
        ``rms`` (n,): error of each spectrum at R = 1800 over 3800-8800 Angstrom, NaN where its
        fold was not run or the spectrum is not `sound`; ``cont_rms`` (n,): the same of
        ln(continuum); ``median`` and ``p90`` of ``rms`` for the `usual` stars and ``median_all``
        for all; ``wave`` (n_seen,) and ``pixel_rms``, ``pixel_bias`` (n_seen,): rms and mean error
        of a pixel over the usual stars.
    """
    order = np.random.default_rng(seed).permutation(len(grid.index))
    rms, cont_rms = np.full((2, order.size), np.nan)
    errors = []
    for test in np.array_split(order, n_folds)[:n_run]:
        emulator = Emulator(settings).fit(grid.select(np.setdiff1d(order, test)), seed)
        held_out = grid.select(test)
        error = survey_errors(emulator, held_out)
        rms[test] = np.sqrt(np.mean(error**2, axis=1))
        cont_rms[test] = continuum_rms(emulator, held_out)
        errors.append(error[usual(held_out.labels) & sound(held_out)])
    rms[~sound(grid)] = np.nan
    errors = np.concatenate(errors)
    return {"rms": rms, "cont_rms": cont_rms, **summary(grid.labels, rms),
            "median_all": np.nanmedian(rms), "wave": grid.wave[seen_pixels(grid.wave)],
            "pixel_rms": np.sqrt(np.mean(errors**2, axis=0)), "pixel_bias": errors.mean(axis=0)}


def summary(labels, rms):
    """Median and 90th percentile of the errors of the `usual` stars, NaN left out, as a dict."""
    chosen = usual(labels) & np.isfinite(rms)
    median, p90 = np.percentile(rms[chosen], [50, 90])
    return {"median": median, "p90": p90}


def learning_curve(grid, sizes, n_repeat=1, settings=None, n_test=150, seed=SEED):
    """Measure how the error falls with the number of spectra learned from.

    Parameters
    ----------
    grid : Grid
    sizes : sequence of int
        Numbers of spectra to learn from.
    n_repeat : int
        Draws of the test set; the sets learned from are nested within a draw.
    settings : EmulatorSettings, optional
    n_test : int
        Spectra held out, the same for all sizes of a draw.
    seed : int

    Returns
    -------
    list of dict
        ``n``, ``repeat``, and ``median``, ``p90`` of the errors of the usual stars.
    """
    out, grid = [], grid.select(sound(grid))
    for repeat in range(n_repeat):
        order = np.random.default_rng([seed, repeat]).permutation(len(grid.index))
        test, rest = grid.select(order[:n_test]), order[n_test:]
        for n in sizes:
            emulator = Emulator(settings).fit(grid.select(rest[:n]), seed)
            rms = np.sqrt(np.mean(survey_errors(emulator, test) ** 2, axis=1))
            out.append({"n": min(n, rest.size), "repeat": repeat, **summary(test.labels, rms)})
    return out
