"""What the grid covers, whether any spectrum in it is broken, and where an emulator errs."""

import numpy as np
import pandas as pd

from cemp.results import Value
from cemp.synthesis.checks import G_BAND, SWAN, band_depth
from cemp.synthesis.colours import planck_flux
from cemp.synthesis.grid import draw_halves

#: Parts of label space: name and what labels must fulfil.
PARTS = {
    "Teff > 4500, [C/Fe] < 2": "teff > 4500 and c_fe < 2",
    "  of these, [Fe/H] < -2": "teff > 4500 and c_fe < 2 and fe_h < -2",
    "  of these, [Fe/H] > -1": "teff > 4500 and c_fe < 2 and fe_h > -1",
    "Teff > 4500, [C/Fe] >= 2": "teff > 4500 and c_fe >= 2",
    "Teff <= 4500, [C/Fe] < 2": "teff <= 4500 and c_fe < 2",
    "Teff <= 4500, [C/Fe] >= 2": "teff <= 4500 and c_fe >= 2",
    "CEMP": "fe_h < -2 and c_fe > 0.7",
    "all": "teff > 0",
}
#: Names of the grid's labels.
COLUMNS = ("teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe")


def parts(labels):
    """Rows of each of `PARTS`.

    Parameters
    ----------
    labels : ndarray, shape (n, 6)

    Returns
    -------
    dict of str to ndarray of int
    """
    table = pd.DataFrame(labels, columns=COLUMNS)
    return {name: table.query(rule).index.to_numpy() for name, rule in PARTS.items()}


def coverage_table(grid):
    """Count spectra in the parts of label space.

    Parameters
    ----------
    grid : cemp.synthesis.grid.Grid

    Returns
    -------
    pandas.DataFrame
        By part: spectra, and how many of them belong to the mock's half.
    """
    mock = draw_halves(grid.index)
    rows = {name: {"spectra": rows.size, "mock": int(mock[rows].sum())}
            for name, rows in parts(grid.labels).items()}
    return pd.DataFrame(rows).T


def flux_fraction(grid):
    """Flux of each spectrum between 3700 and 9100 Angstrom over that of a black body.

    Parameters
    ----------
    grid : cemp.synthesis.grid.Grid

    Returns
    -------
    ndarray, shape (n,)
        Flux with lines over pi B(Teff), both integrated over the grid's range.
    """
    out = np.empty(len(grid.index))
    for k, (norm, cont) in enumerate(zip(grid.norm, grid.cont, strict=True)):
        flux = norm * np.interp(grid.wave, grid.cont_wave, cont)
        body = planck_flux(grid.wave, grid.labels[k, 0])
        out[k] = np.trapezoid(flux, grid.wave) / np.trapezoid(body, grid.wave)
    return out


def health(grid):
    """Look for spectra that cannot be.

    Parameters
    ----------
    grid : cemp.synthesis.grid.Grid

    Returns
    -------
    pandas.DataFrame
        By question: value found, what is allowed at least and at most, good (bool).
    """
    share = flux_fraction(grid)
    carbon = np.array([band_depth(grid.wave, grid.norm, band) for band in (G_BAND, SWAN)])
    rows = [
        ("pixels not finite", np.sum(~np.isfinite(grid.norm)) + np.sum(~np.isfinite(grid.cont)),
         0, 0),
        ("lowest flux / continuum", grid.norm.min(), -1e-3, 1),
        ("highest flux / continuum", grid.norm.max(), 0, 1.02),
        ("lowest continuum", grid.cont.min(), 1e-3, np.inf),
        ("flux over black body, lowest", share.min(), 0.3, 1.3),
        ("flux over black body, highest", share.max(), 0.3, 1.3),
        ("shallowest G band", carbon[0].min(), -1e-3, 1),
        ("spectra twice in it", len(grid.index) - np.unique(grid.index).size, 0, 0),
    ]
    table = pd.DataFrame(rows, columns=["question", "found", "least", "most"])
    table["good"] = (table["found"] >= table["least"]) & (table["found"] <= table["most"])
    return table.set_index("question")


def headline(grid, coverage, known, lines, held_out):
    """Collect the numbers that the paper quotes.

    Parameters
    ----------
    grid : cemp.synthesis.grid.Grid
    coverage : pandas.DataFrame
        From `coverage_table`.
    known : pandas.DataFrame
        From `cemp.synthesis.checks.known_answers`.
    lines : pandas.DataFrame
        From `cemp.synthesis.benchmarks.solar_table`.
    held_out : dict
        From `cemp.synthesis.validate.cross_validate`.

    Returns
    -------
    dict of str to cemp.results.Value
    """
    found, errors = known["found"], error_table(grid.labels, held_out["rms"])
    return {
        "SynthSpectra": Value(len(grid.index), ",d", "spectra in the grid"),
        "SynthCempSpectra": Value(int(coverage.loc["CEMP", "spectra"]), ",d",
                                  "with [Fe/H] < -2, [C/Fe] > 0.7"),
        "SynthLines": Value(len(lines), "d", "solar lines"),
        "SynthLinesLte": Value(int(lines["lte"].sum()), "d", "expected to match in LTE"),
        "SynthLineRatio": Value(found.iloc[1], ".2f", "median computed / published", True),
        "SynthLineScatter": Value(found.iloc[2], ".2f", "scatter of the ratio [dex]"),
        "SynthIrradianceRed": Value(found.iloc[3], ".2f", "solar irradiance beyond 5900 A"),
        "SynthIrradianceViolet": Value(found.iloc[5], ".2f", "the same at 4050 and 4500 A"),
        "SynthSunColour": Value(found["B - V of sun"], ".2f", "B - V of the Sun [mag]"),
        "SynthSunSeen": Value(known.loc["B - V of sun", "known"], ".2f", "the same, observed"),
        "SynthEmuMedian": Value(100 * held_out["median"], ".2f", "median held-out error [%]"),
        "SynthEmuTail": Value(100 * held_out["p90"], ".2f", "90th percentile [%]"),
        "SynthEmuAll": Value(100 * held_out["median_all"], ".2f", "median over all labels [%]"),
        "SynthEmuCemp": Value(errors.loc["CEMP", "median"], ".2f", "the same, CEMP stars [%]"),
        "SynthEmuCempTail": Value(errors.loc["CEMP", "p90"], ".1f",
                                  "90th percentile, CEMP stars [%]"),
    }


def error_table(labels, rms):
    """Held-out errors of an emulator in the parts of label space.

    Parameters
    ----------
    labels : ndarray, shape (n, 6)
    rms : ndarray, shape (n,)
        Error of each spectrum, NaN where it was not held out.

    Returns
    -------
    pandas.DataFrame
        By part: held-out spectra, median and 90th percentile of the error, in per cent.
    """
    rows = {}
    for name, chosen in parts(labels).items():
        here = 100 * rms[chosen][np.isfinite(rms[chosen])]
        median, p90 = np.percentile(here, [50, 90]) if here.size else (np.nan, np.nan)
        rows[name] = {"held_out": here.size, "median": median, "p90": p90}
    return pd.DataFrame(rows).T.astype({"held_out": int})

