"""Stars of the library itself, with noise, put through the matching: the answers must return."""

import json

import numpy as np
import pandas as pd

from cemp.constants import C_KMS, LABELS, rng
from cemp.methods.template.fit import NAMES, PRIOR
from cemp.methods.template.library import LATTICE, LIMITS, complete_labels, outside
from cemp.methods.template.method import TemplateMatching
from cemp.methods.template.native import kernels
from cemp.methods.template.posterior import sample
from cemp.paths import ROOT
from cemp.spectrum import Spectrum
from cemp.synthesis.grid import grid_hash
from cemp.transfer.telescope_effects import ARMS, polynomial

#: The committed table of the test with chains, and where it comes from.
FOLDER = ROOT / "cemp" / "data" / "methods"
#: Its chains: walkers, steps dropped, steps kept.
STEPS = {"n_walkers": 12, "n_burn": 40, "n_steps": 120}


def matched(emulator=None):
    """Make the matching that is asked about its own library: no error but the noise.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator, optional
        As of `TemplateMatching`.

    Returns
    -------
    cemp.methods.template.TemplateMatching
        Fitted, within the paper's library.
    """
    return TemplateMatching("", None, limits="paper", nuisance=False, model_error=0.0,
                            line_error=0.0, carbon=False, emulator=emulator).fit()


def draw(n, random, limits="paper", nuisance=False):
    """Draw parameters evenly over the library, nuisances from their priors.

    Parameters
    ----------
    n : int
    random : numpy.random.Generator
    limits : {"paper", "grid"}
    nuisance : bool
        Draw alpha, n_fe and power; else they are the priors' means.

    Returns
    -------
    ndarray, shape (n, 8)
        In the order of `cemp.methods.template.fit.NAMES`; velocities within 300 km/s.
    """
    edges = np.array([LIMITS[limits][name] for name in NAMES[:4]])
    out = np.zeros((0, 8))
    while len(out) < n:
        new = np.zeros((4 * n, 8))
        new[:, :4] = random.uniform(edges[:, 0], edges[:, 1], (4 * n, 4))
        out = np.vstack([out, new[outside(new) == 0]])[:n]
    for name, (mean, sigma) in PRIOR.items():
        noise = np.clip(random.normal(size=n), -2, 2) * sigma * nuisance
        out[:, NAMES.index(name)] = mean + noise
    out[:, 6] = random.uniform(-300, 300, n)
    return out


def inject(library, values, snr, random):
    """Make a noisy spectrum of the library.

    Parameters
    ----------
    library : cemp.methods.template.library.Library
    values : array_like, shape (8,)
        As of `draw`.
    snr : float
        Of a pixel at 5000 Angstrom; elsewhere as a spectrograph of two arms has it.
    random : numpy.random.Generator

    Returns
    -------
    cemp.spectrum.Spectrum
        On LAMOST's pixels, with smooth errors of the flux calibration of 5%.
    """
    inside = (LATTICE > library.wave[0] * 1.008) & (LATTICE < library.wave[-1] / 1.008)
    wave = LATTICE[inside]
    fine = library.flux(complete_labels(values[:4], values[4], values[5]))[0]
    read, *_ = kernels(wave, values[6], library.wave, 1800 * np.exp(values[7]))
    flux = (read @ fine) * np.exp(polynomial(wave, np.array([0.05, 0.05, 0.03]), random))
    # in black cores the sky's noise is left
    level = np.maximum(flux, 0.05 * np.median(flux))
    sigma = level / (snr * np.interp(wave, *ARMS))
    return Spectrum(obsid=None, wave=wave, flux=flux + sigma * random.normal(size=wave.size),
                    ivar=sigma**-2.0, good=np.ones(wave.size, dtype=bool), z=values[6] / C_KMS)


def injection_test(method, n_stars=200, snr_range=(10, 100), chains=True, seed=0, only=slice(None),
                   **steps):
    """Put stars of the library through the matching.

    Parameters
    ----------
    method : cemp.methods.template.TemplateMatching
        Fitted; its `limits` and `nuisance` say what is drawn. With ``model_error=0``,
        ``line_error=0`` and ``carbon=False``, or errors are not those of the noise alone.
    n_stars : int
    snr_range : tuple of float
        Log-uniform.
    chains : bool
        Sample the posterior of each star (seconds a star); else intervals are the Gaussian's.
    seed : int
    only : slice
        Which of the stars to judge; the others stay as they would be.
    **steps
        Passed to `cemp.methods.template.posterior.sample`.

    Returns
    -------
    pandas.DataFrame
        A row a star: star (its number), snr, converged, rv, rv_true and, for each label,
        ``<label>``, ``<label>_true``, ``<label>_low``, ``<label>_high`` (68%).
    """
    random = rng("template injection", seed)
    truth = draw(n_stars, random, method.limits, method.nuisance)
    snr = np.exp(random.uniform(*np.log(snr_range), n_stars))
    spectra = [inject(method.library_, v, s, random) for v, s in zip(truth, snr, strict=True)]
    chosen = np.arange(n_stars)[only]
    fits = method.fit_spectra([spectra[row] for row in chosen])
    table = pd.DataFrame([_judge(method, spectra[row], fit, truth[row], chains, seed + row, steps)
                          for row, fit in zip(chosen, fits, strict=True)])
    table.insert(0, "star", chosen)
    table.insert(1, "snr", snr[chosen])
    return table


def injected(n_stars, seed=0, folder=FOLDER):
    """Read the committed test, with chains; or put stars through the matching, without.

    Parameters
    ----------
    n_stars : int
        Where there is no committed test of today's grid and chains, or an unfinished one.
    seed : int
        Of these.
    folder : pathlib.Path
        Of ``injection.csv`` and ``injection.json``.

    Returns
    -------
    table : pandas.DataFrame
        As of `injection_test`.
    how : str
        Whose intervals they are.
    """
    path, note = folder / "injection.csv", folder / "injection.json"
    if path.is_file() and note.is_file():
        about, table = json.loads(note.read_text()), pd.read_csv(path)
        today = {"grid": grid_hash(), "n_stars": len(table), **STEPS}
        if today.items() <= about.items():
            return table, "emcee"
    return injection_test(matched(), n_stars, chains=False, seed=seed), "Gaussian"


def _judge(method, spectrum, fit, true, chains, seed, steps):
    """Compare one star's answer with what it was made of."""
    out = {"converged": not isinstance(fit, str) and fit.converged, "rv_true": true[6]}
    wanted = np.append(true[:3], true[3] + true[2])
    out |= {f"{name}_true": value for name, value in zip(LABELS, wanted, strict=True)}
    if not out["converged"]:
        return out
    labels, covariance = fit.labels()
    error = np.sqrt(np.diag(covariance))
    low, high = labels - error, labels + error
    if chains:
        low, high = sample(method.posterior(spectrum, fit), seed=seed, **steps).interval()
    out["rv"] = fit.values[6]
    for k, name in enumerate(LABELS):
        out |= {name: labels[k], f"{name}_low": low[k], f"{name}_high": high[k]}
    return out


def coverage(table):
    """Share of stars whose 68% interval holds the truth.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `injection_test`.

    Returns
    -------
    pandas.DataFrame
        By label: ``coverage``, ``error`` (binomial), ``width`` (median half width, label's unit),
        ``bias`` (median of found - true) and ``scatter`` (robust).
    """
    done, out = table[table["converged"]], {}
    for name in LABELS:
        held = done[f"{name}_true"].between(done[f"{name}_low"], done[f"{name}_high"])
        offset = done[name] - done[f"{name}_true"]
        out[name] = {
            "coverage": held.mean(), "error": np.sqrt(0.68 * 0.32 / max(len(done), 1)),
            "width": (done[f"{name}_high"] - done[f"{name}_low"]).median() / 2,
            "bias": offset.median(),
            "scatter": 1.4826 * (offset - offset.median()).abs().median(),
        }  # fmt: skip
    return pd.DataFrame(out).T


def known_answer(n_stars=200, snr_range=(50, 200), emulator=None, seed=0):
    """Ask template matching for the labels of stars of its own library.

    Parameters
    ----------
    n_stars : int
    snr_range : tuple of float
    emulator : cemp.synthesis.emulator.Emulator, optional
    seed : int

    Returns
    -------
    pandas.DataFrame
        By label, as `cemp.methods.known.known_answer`: ``rms`` residual and ``bias`` in percent of
        the labels' scatter, ``pull``, the standard deviation of residuals over stated errors.
    """
    table = injection_test(matched(emulator), n_stars, snr_range, chains=False, seed=seed)
    out = {}
    for name in LABELS:
        residual = table[name] - table[f"{name}_true"]
        percent = 100 / table[f"{name}_true"].std()
        error = (table[f"{name}_high"] - table[f"{name}_low"]) / 2
        out[name] = {"rms": percent * np.sqrt(np.mean(residual**2)),
                     "bias": percent * residual.mean(), "pull": (residual / error).std()}
    return pd.DataFrame(out).T
