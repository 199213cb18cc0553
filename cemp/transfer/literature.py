"""MILES stars against synthetic spectra at their literature labels, only a polynomial fitted.

Two ways: a few standard stars whose spectra were synthesised one by one (no emulator between), and
all of the development half through the emulator. Stars of the test half stay closed unless the
caller says that the half has been opened.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.results import Value
from cemp.synthesis.compare import at_constant_fwhm, ratio_to_model, window_rms
from cemp.transfer.miles import MILES_FWHM, read_labels, read_miles, read_star

#: Groups of stars: name, and what a table of labels must fulfil.
GROUPS = {
    "metal-poor giants": "fe_h < -1 and logg < 3.5",
    "metal-poor dwarfs": "fe_h < -1 and logg >= 3.5",
    "giants": "fe_h >= -1 and logg < 3.5 and teff >= 4500",
    "cool giants": "fe_h >= -1 and logg < 3.5 and teff < 4500",
    "F and G dwarfs": "fe_h >= -1 and logg >= 3.5 and teff >= 5300",
    "K dwarfs": "fe_h >= -1 and logg >= 3.5 and teff < 5300",
}
#: Labels that the grid covers well enough for the comparison: Teff [K] and log g.
COVERED = "teff >= 4000 and teff <= 7000 and logg >= 0.5 and logg <= 5.0 and fe_h >= -3.5"


def ordinary_abundances(teff, logg, fe_h):
    """Abundance ratios that a star has if nothing is known but its three labels.

    Parameters
    ----------
    teff, logg, fe_h : array_like, shape (n,)
        [K, dex].

    Returns
    -------
    ndarray, shape (n, 6)
        Teff, log g, [Fe/H], [C/Fe], [alpha/Fe], [N/Fe]. [alpha/Fe] falls from 0.4 at [Fe/H] = -1
        to 0.05 at 0 (the grid's own trend). Dwarfs have [C/Fe] = [N/Fe] = 0; giants of the disc
        -0.2 and 0.3 after the first dredge-up (about the mean of Luck & Heiter 2007, AJ 133, 2464);
        metal-poor giants above the bump of the red-giant branch -0.4 and 0.4 (Gratton et al. 2000,
        A&A 354, 169).
    """
    teff, logg, fe_h = (np.asarray(a, dtype=float) for a in (teff, logg, fe_h))
    alpha = np.interp(fe_h, [-4, -1, 0, 0.5], [0.4, 0.4, 0.05, 0.0])
    which = [(logg < 2.0) & (fe_h < -1), (logg < 3.3) & (fe_h >= -1)]
    return np.stack([teff, logg, fe_h, np.select(which, [-0.4, -0.2]), alpha,
                     np.select(which, [0.4, 0.3])], axis=1)


def open_rows(folder, open_test=False):
    """Labels of the MILES stars that may be looked at.

    Parameters
    ----------
    folder : str or pathlib.Path
        MILES' folder.
    open_test : bool
        True once the weights are frozen and the test half has been opened.

    Returns
    -------
    pandas.DataFrame
        As of `cemp.transfer.miles.read_labels`.
    """
    labels = read_labels(folder)
    return labels if open_test else labels[labels["dev"]]


def standard_stars(folder, benchmarks, open_test=False):
    """Divide standard stars by their synthetic spectra.

    Parameters
    ----------
    folder : str or pathlib.Path
        MILES' folder.
    benchmarks : cemp.synthesis.benchmarks.Benchmarks
    open_test : bool
        As of `open_rows`.

    Returns
    -------
    ratios : dict of str to ndarray
        By star: (4, n_pix) of wavelength [Angstrom, vacuum], observed flux over polynomial, model,
        and their ratio.
    table : pandas.DataFrame
        By star: labels of the model and `window_rms`; hottest first.
    """
    ratios, rows = {}, []
    for star in open_rows(folder, open_test).itertuples():
        if star.star not in benchmarks.names:
            continue
        k = benchmarks.row(star.star)
        seen = read_star(Path(folder) / star.file)
        model = at_constant_fwhm(benchmarks.wave, benchmarks.norm[k], seen.wave, MILES_FWHM)
        ratio = ratio_to_model(seen.wave, seen.flux, seen.good, model)
        ratios[star.star] = np.array([seen.wave, ratio * model, model, ratio])
        labels = dict(zip(("teff", "logg", "fe_h", "c_fe", "alpha_fe"), benchmarks.labels[k],
                          strict=False))
        rows.append({"star": star.star, **labels, **window_rms(seen.wave, ratio, seen.good)})
    table = pd.DataFrame(rows).set_index("star").sort_values("teff", ascending=False)
    return {name: ratios[name] for name in table.index}, table


def development_half(folder, emulator, open_test=False):
    """Divide every covered star by the emulated spectrum at its literature labels.

    Parameters
    ----------
    folder : str or pathlib.Path
        MILES' folder.
    emulator : cemp.synthesis.emulator.Emulator
        Of the whole grid.
    open_test : bool
        As of `open_rows`.

    Returns
    -------
    wave : ndarray, shape (n_pix,)
        Vacuum [Angstrom].
    ratio : ndarray, shape (n, n_pix)
        Observed over model times polynomial.
    table : pandas.DataFrame, n rows
        Labels, group (key of `GROUPS`) and `window_rms`.
    """
    chosen = open_rows(folder, open_test).query(COVERED)
    rows = read_labels(folder)["name"].isin(chosen["name"])
    spectra, labels = read_miles(folder, rows)
    norm, _ = emulator.emulate(ordinary_abundances(labels["teff"], labels["logg"], labels["fe_h"]))
    wave = spectra[0].wave
    ratios, scores = np.full((len(spectra), wave.size), np.nan), []
    for k, seen in enumerate(spectra):
        flux = np.interp(wave, seen.wave, seen.flux)
        good = np.interp(wave, seen.wave, seen.good.astype(float)) > 0.99
        model = at_constant_fwhm(emulator.wave, norm[k], wave, MILES_FWHM)
        ratios[k] = ratio_to_model(wave, flux, good, model)
        scores.append(window_rms(wave, ratios[k], good))
    table = pd.concat([labels, pd.DataFrame(scores)], axis=1)
    table["group"] = ""
    for name, rule in GROUPS.items():
        table.loc[table.query(rule).index, "group"] = name
    return wave, ratios, table


def group_table(table):
    """Median rms in each window by group of stars.

    Parameters
    ----------
    table : pandas.DataFrame
        As of `development_half`.

    Returns
    -------
    pandas.DataFrame
        By group: number of stars, median of each window, in the order of `GROUPS`.
    """
    windows = [name for name in table if name[0].isdigit() or name == "H alpha core"]
    medians = table.groupby("group")[windows].median()
    medians.insert(0, "stars", table["group"].value_counts())
    return medians.reindex([name for name in GROUPS if name in medians.index])


def group_ratio(ratio, table):
    """Median ratio of each group, pixel by pixel: what the model lacks in all its stars.

    Parameters
    ----------
    ratio : ndarray, shape (n, n_pix)
    table : pandas.DataFrame
        Both as of `development_half`.

    Returns
    -------
    dict of str to ndarray, shape (n_pix,)
        By group.
    """
    groups = table["group"].to_numpy()
    with warnings.catch_warnings():  # no star has the ends of the range
        warnings.simplefilter("ignore", RuntimeWarning)
        return {name: np.nanmedian(ratio[groups == name], axis=0) for name in GROUPS
                if (groups == name).any()}


def figure_arrays(ratios, table, names=None):
    """Arrays of the figure of standard stars.

    Parameters
    ----------
    ratios : dict of str to ndarray, shape (4, n_pix)
    table : pandas.DataFrame
        Both as of `standard_stars`.
    names : sequence of str, optional
        Stars to show; all by default.

    Returns
    -------
    dict of str to ndarray
    """
    table = table if names is None else table.loc[[name for name in names if name in ratios]]
    ratios = {name: ratios[name] for name in table.index}
    text = "{teff:.0f} K, {logg:.2f}, {fe_h:+.2f}, [C/Fe] = {c_fe:+.2f}"
    stack = np.array(list(ratios.values()))
    return {"name": np.array(list(ratios)), "wave": stack[:, 0], "seen": stack[:, 1],
            "model": stack[:, 2],
            "caption": np.array([text.format(**row) for _, row in table.iterrows()])}


def tex_rows(groups):
    """Rows of the paper's table of groups.

    Parameters
    ----------
    groups : pandas.DataFrame
        As of `group_table`.

    Returns
    -------
    list of tuple of str
    """
    return [(name, str(int(row.iloc[0])), *(f"{value:.3f}" for value in row.iloc[1:]))
            for name, row in groups.iterrows()]


def values(groups, standards):
    """Numbers for the paper.

    Parameters
    ----------
    groups : pandas.DataFrame
        As of `group_table`.
    standards : pandas.DataFrame
        As of `standard_stars`.

    Returns
    -------
    dict of str to cemp.results.Value
    """
    core = groups.loc["metal-poor giants", "H alpha core"]
    return {
        "SynthMilesStars": Value(int(groups["stars"].sum()), "d", "MILES stars compared"),
        "SynthStandards": Value(len(standards), "d", "standard stars computed one by one"),
        "SynthPoorGreen": Value(100 * groups.loc["metal-poor giants", "4800-5300"], ".1f",
                                "rms 4800-5300 A of metal-poor giants [%]"),
        "SynthRichBlue": Value(100 * groups.loc["cool giants", "4200-4400"], ".1f",
                               "rms 4200-4400 A of cool giants [%]"),
        "SynthHalphaCore": Value(core, ".2f", "observed / computed, H alpha core, same"),
    }
