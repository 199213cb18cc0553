"""Barium and strontium at R = 1800: what could be seen, under the CH and CN that cover it.

CEMP-s and CEMP-no stars differ in barium. Whether a survey spectrum can tell is asked by injection:
the spectra of synthetic CEMP stars are multiplied by what more barium and strontium does to them
(`cemp.lines.make_neutron`), noise is added, and the lines are measured as in observed stars: as an
excess over the index expected at [X/Fe] = 0 for labels and [C/Fe] that are themselves uncertain.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cemp.candidates.gband import degrade, normalise
from cemp.constants import WAVE, rng
from cemp.lines.carbon import ALL, NEUTRON, measure
from cemp.synthesis.grid import GRID_R

FILE = Path(__file__).parents[1] / "data" / "lines" / "neutron.npz"
WHERE = [list(ALL).index(name) for name in NEUTRON]
#: Errors of Teff [K], log g, [Fe/H] and [C/Fe] that a star's labels have, at any S/N.
LABEL_ERRORS = (100.0, 0.3, 0.2)
C_FE_ERROR = 0.3
#: Model error of the indices [Angstrom]: what differences between real stars and the library
#: leave. Notebook 11 puts in what held-out stars show.
FLOOR = 0.05


def ratios():
    """Read the committed ratio spectra.

    Returns
    -------
    dict of str to ndarray
        ``labels`` (n, 6), ``steps`` (n_step,) [X/Fe], ``line`` (4,), ``wave`` (4, n_pixel) vacuum,
        ``ratio`` (n, 4, n_step, n_pixel) at R = 1800.
    """
    with np.load(FILE) as stored:
        return dict(stored)


def raise_lines(flux, made, star, step):
    """Put more barium and strontium into normalised spectra.

    Parameters
    ----------
    flux : ndarray, shape (..., n_pix)
        On `cemp.constants.WAVE`.
    made : dict
        From `ratios`.
    star, step : int
        Which of its stars and steps.

    Returns
    -------
    ndarray, shape of `flux`
    """
    out = np.array(flux, dtype=float)
    for wave, ratio in zip(made["wave"], made["ratio"][star, :, step], strict=True):
        first = round(wave[0] - WAVE[0])
        out[..., first : first + wave.size] *= ratio
    return out


def significance(values, errors, table, labels, c_fe, floor=FLOOR):
    """Give the excess of the four lines over [X/Fe] = 0 in units of its whole error.

    Parameters
    ----------
    values, errors : ndarray, shape (n, 4)
        Indices and noise errors [Angstrom].
    table : cemp.lines.carbon.BandTable
    labels : ndarray, shape (n, 3 or more)
        Teff, log g, [Fe/H].
    c_fe : ndarray, shape (n,)
        [C/Fe], uncertain by `C_FE_ERROR`: CH and CN lie under the lines.
    floor : float or ndarray, shape (4,)

    Returns
    -------
    ndarray, shape (n, 4)
    """
    slopes = table.slopes(labels, c_fe)[:, :, WHERE] * np.array(LABEL_ERRORS)[:, None]
    expected = table.predict(labels, c_fe)[:, WHERE]
    inwards = np.where(c_fe - C_FE_ERROR < table.settings.c_fe[0], C_FE_ERROR, -C_FE_ERROR)
    other = table.predict(labels, c_fe + inwards)[:, WHERE]
    variance = (slopes**2).sum(axis=1) + (expected - other) ** 2 + errors**2 + floor**2
    return (values - expected) / np.sqrt(variance)


def inject(emulate, wave, table, snr, n_noise=50, seed=0, floor=FLOOR):
    """Inject barium and strontium into noisy CEMP stars and look for them.

    Parameters
    ----------
    emulate : callable
        As for `cemp.lines.carbon.BandTable.fit`.
    wave : ndarray, shape (n_wave,)
        Its wavelengths.
    table : cemp.lines.carbon.BandTable
        Fitted.
    snr : sequence of float
        S/N a pixel of 1 Angstrom.
    n_noise : int
        Noise realisations a star; labels and [C/Fe] that the analyst has err in each.
    seed : int
    floor : float or ndarray, shape (4,)

    Returns
    -------
    pandas.DataFrame
        One row a star, S/N, step, line: line, snr, x_fe, teff, fe_h, c_fe, sigma (median) and
        found, the share at 3 sigma or more of those that could be judged; and lost, how many could
        not, as the labels that the analyst has lie outside the table.
    """
    made, random = ratios(), rng("neutron", seed)
    spectra = normalise(wave, degrade(wave, emulate(made["labels"]), table.settings.resolution,
                                      GRID_R))
    rows = []
    for i, labels in enumerate(made["labels"]):
        given = labels[:3] + random.normal(size=(n_noise, 3)) * LABEL_ERRORS
        given[:, 0] = np.clip(given[:, 0], *table.settings.teff[:2])
        c_fe = labels[3] + random.normal(0, C_FE_ERROR, n_noise)
        noise = random.normal(size=(n_noise, WAVE.size))
        for step, x_fe in enumerate(made["steps"]):
            flux = raise_lines(spectra[i], made, i, step)
            for s in snr:
                sigma = _observe(flux, noise / s, s, table, given, c_fe, floor)
                rows += [(name, s, x_fe, labels[0], labels[2], labels[3], *_judge(column))
                         for name, column in zip(NEUTRON, sigma.T, strict=True)]
    return pd.DataFrame(rows, columns=["line", "snr", "x_fe", "teff", "fe_h", "c_fe", "sigma",
                                       "found", "lost"])


def _judge(sigma):
    """Median significance, share at 3 sigma or more, and how many are NaN: these count in none."""
    seen = sigma[np.isfinite(sigma)]
    lost = sigma.size - seen.size
    return (np.median(seen), np.mean(seen >= 3), lost) if seen.size else (np.nan, np.nan, lost)


def _observe(flux, noise, snr, table, labels, c_fe, floor):
    """Measure noisy copies of a spectrum, shape (n_noise, 4)."""
    values, errors = measure(flux + noise, np.full(noise.shape, float(snr) ** 2),
                             np.ones(noise.shape, bool), NEUTRON)
    return significance(values, errors, table, labels, c_fe, floor)


def limits(found, share=0.5):
    """Find the abundance at which half of the stars show a line.

    Parameters
    ----------
    found : pandas.DataFrame
        From `inject`.
    share : float
        Share of detections asked for.

    Returns
    -------
    pandas.DataFrame
        One row a line and S/N: limit, the [X/Fe] at which the share of detections over all stars
        crosses `share` by linear interpolation (infinite if it does not by the highest step);
        false, the share of 3 sigma at [X/Fe] = 0; and lost, the realisations that nothing is known
        of, which count in neither.
    """
    rows = []
    for (line, snr), part in found.groupby(["line", "snr"], sort=False):
        curve = part.groupby("x_fe")["found"].mean().dropna()
        if curve.empty:
            rows.append((line, snr, np.nan, np.nan, int(part["lost"].sum())))
            continue
        above = np.flatnonzero(curve.to_numpy() >= share)
        limit = np.inf
        if above.size:
            k = above[0]
            x, y = curve.index.to_numpy(), curve.to_numpy()
            limit = x[0] if k == 0 else np.interp(share, y[k - 1 : k + 1], x[k - 1 : k + 1])
        rows.append((line, snr, limit, curve.get(0.0, np.nan), int(part["lost"].sum())))
    return pd.DataFrame(rows, columns=["line", "snr", "limit", "false", "lost"])
