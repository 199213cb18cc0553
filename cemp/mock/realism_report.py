"""The comparison of mock and real spectra as the notebook shows it: one call, small tables."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.constants import SEED
from cemp.mock import likeness, realism, sharpness, twins
from cemp.mock.instrument import InstrumentSettings
from cemp.mock.observatory import Observatory
from cemp.mock.physics import PhysicsSettings
from cemp.results import Value

#: Settings of the mock's first version, before it was held against real spectra (its masks were
#: drawn otherwise; the shares here come close).
FIRST = (InstrumentSettings(warp=0.08, tilt=0.0, balance=0.0, balance_rms=0.0, ripple=0.0,
                            pixel_error=0.0,
                            noise_share=1.0, noise_share_rms=0.0, noise_link=0.22, telluric=0.08,
                            sky_miss=0.18, masked=1.0, lost_arm=0.06),
         PhysicsSettings(ca_filling=0.08, ca_quiet=0.1))  # fmt: skip
#: Measures by which a classifier may tell noise and sky of real and mock spectra apart.
NOISE = ("noise", "structure", "OH", "5577", "telluric")
#: Rows of the notebook's table: measure, and whether its median or its scatter is shown.
ROWS = (("noise 4500-5200", "median"), ("noise 6400-6800", "median"), ("noise 8000-8250", "median"),
        ("structure lag 4", "median"), ("snr header g", "median"), ("snr header r", "median"),
        ("snr header i", "median"), ("S/N i over g", "median"), ("S/N u over g", "median"),
        ("masked share", "mean"), ("masked runs", "mean"),
        ("OH excess", "median"), ("5577 peak", "median"), ("telluric O2 A", "scatter"),
        ("telluric O2 B", "scatter"), ("join step", "median"),
        ("join step", "scatter"))  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """Real spectra and twins of one version of the mock.

    Attributes
    ----------
    spectra : list of cemp.spectrum.Spectrum
    parent : ndarray of int
        Real spectrum that each is a twin of; 0, 1, ... for the real ones themselves.
    coarse : ndarray, shape (n, n_col)
        Preprocessed flux in steps of 5 Angstrom.
    vectors : tuple of ndarray
    measures : pandas.DataFrame
        From `cemp.mock.realism.table`.
    """

    spectra: list
    parent: np.ndarray
    coarse: np.ndarray
    vectors: tuple
    measures: pd.DataFrame


def _compared(spectra, vectors, parent):
    """Measure a set of spectra."""
    return Compared(spectra, parent, likeness.coarse(vectors[0], vectors[2]), vectors,
                    realism.table(spectra))  # fmt: skip


def gather(folder, seed=SEED, cache=None, n_twins=3):
    """Read the real spectra, find out what stars they are, and make twins of them.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of the real LAMOST spectra (with subfolders dr7_spectrograph, dr10, mixed_releases).
    seed : int
    cache : str or pathlib.Path, optional
        Of the emulators.
    n_twins : int
        Twins of each real spectrum.

    Returns
    -------
    sets : dict of str to Compared
        real, first (the mock's first settings), mock (as it is).
    table : pandas.DataFrame
        Labels of the nearest synthetic spectrum of each real one.
    """
    settings = replace(twins.TwinSettings(), n_twins=n_twins)
    real = twins.read_real(Path(folder), settings)
    vectors = twins.vectors(real)
    table = twins.nearest(vectors, *twins.library(settings, seed, cache), settings)
    sets = {"real": _compared(real, vectors, np.arange(len(real)))}
    for name, made in (("first", FIRST), ("mock", (InstrumentSettings(), PhysicsSettings()))):
        mock = Observatory(seed, cache, physics=made[1], instrument=made[0])
        sets[name] = _compared(*twins.make_twins(real, table, settings, seed, observatory=mock))
    return sets, table


def faint(sets, limit=20.0):
    """Rows of the real spectra of faint stars, where noise outweighs lines."""
    return np.flatnonzero([s.snr["g"] < limit for s in sets["real"].spectra])


def measure_table(sets):
    """Set the measures side by side, faint and bright stars apart.

    Parameters
    ----------
    sets : dict of str to Compared

    Returns
    -------
    pandas.DataFrame
        One row a measure; columns real, first, mock for S/N(g) < 20 and above.
    """
    few, columns = faint(sets), {}
    for part in ("faint", "bright"):
        for name, one in sets.items():
            here = np.isin(one.parent, few) == (part == "faint")
            columns[part, name] = [_summary(one.measures.loc[here, m], how) for m, how in ROWS]
    return pd.DataFrame(columns, index=[f"{m}, {how}" for m, how in ROWS])


def _summary(values, how):
    """Median, mean or robust scatter of a column, NaN left out."""
    values = values.dropna()
    return {"median": values.median(), "mean": values.mean(),
            "scatter": realism.robust(values.to_numpy())}[how]  # fmt: skip


def resolution_table(sets, table, cache=None, snr_min=40.0):
    """Fit the resolving power of bright spectra and twins, window by window.

    Returns
    -------
    pandas.DataFrame
        Medians of real and mock, their ratio, and the scatter of both.
    """
    sharp = sharpness.templates(table, cache)
    bright = [k for k, s in enumerate(sets["real"].spectra) if s.snr["g"] > snr_min]
    fits = {}
    for name in ("real", "mock"):
        one = sets[name]
        _, rows = np.unique(one.parent, return_index=True)
        rows = [k for k in rows if one.parent[k] in bright]
        fits[name] = np.array([
            sharpness.fit_power(*(a[k] for a in one.vectors), sharp[one.parent[k]])
            for k in rows])  # fmt: skip
    out = pd.DataFrame({n: np.nanmedian(f, axis=0) for n, f in fits.items()},
                       index=[f"{a}-{b}" for a, b in sharpness.SHARP_WINDOWS])  # fmt: skip
    out["real / mock"] = out["real"] / out["mock"]
    for name, fit in fits.items():
        out[f"scatter, {name}"] = [realism.robust(f[np.isfinite(f)]) / np.nanmedian(f)
                                   for f in fit.T]
    out.attrs["n"] = len(bright)
    return out


def noise_features(measures):
    """Turn measures of noise and sky into columns for the classifier; shape (n, k)."""
    columns = [c for c in measures if c.startswith(NOISE)]
    values = measures[columns].to_numpy(float).copy()
    positive = [not c.startswith("telluric") for c in columns]
    values[:, positive] = np.log(np.maximum(values[:, positive], 1e-3))
    return values


def auc_table(sets, seed=SEED):
    """Ask the classifier whether spectra are real, by flux and by noise.

    Returns
    -------
    pandas.DataFrame
        Rows: what is looked at; columns: auc, low, high for first and mock.
    """
    real, columns = sets["real"], {}
    wave = likeness.coarse_wave()
    for name in ("first", "mock"):
        one = sets[name]
        noise = (noise_features(real.measures), noise_features(one.measures))
        few = faint(sets)
        here = np.isin(one.parent, few)
        rows = [
            likeness.tell_apart(real.coarse, one.coarse, one.parent, seed=seed),
            likeness.tell_apart(real.coarse[:, wave > 5950], one.coarse[:, wave > 5950], one.parent,
                                seed=seed),
            likeness.tell_apart(*noise, one.parent, n=noise[0].shape[1], seed=seed),
            likeness.tell_apart(noise[0][few], noise[1][here],
                                np.searchsorted(few, one.parent[here]),
                                n=noise[0].shape[1], seed=seed)]  # fmt: skip
        for key in ("auc", "low", "high"):
            columns[name, key] = [row[key] for row in rows]
    return pd.DataFrame(columns, index=["flux, all", "flux, red arm", "noise and sky, all",
                                        "noise and sky, S/N < 20"])  # fmt: skip


def difference_table(sets):
    """Compare the size of mean differences with that of the mock from its own library.

    Returns
    -------
    pandas.DataFrame
        One row a window of `likeness.WINDOWS`: rms over wavelength of the median difference of
        normalised flux, real minus first and real minus mock, and AUC of mock against real there.
    """
    wave, rows = likeness.coarse_wave(), {}
    delta = {n: likeness.difference(sets["real"].coarse, sets[n].coarse, sets[n].parent)[0]
             for n in ("first", "mock")}  # fmt: skip
    asked = {n: likeness.windows(sets["real"].coarse, sets[n].coarse, sets[n].parent)
             for n in ("first", "mock")}  # fmt: skip
    for k, (low, high) in enumerate(likeness.WINDOWS):
        here = (wave >= low) & (wave < high)
        row = [np.sqrt(np.nanmean(delta[n][here] ** 2)) for n in delta]
        row += [asked[n][k][key] for n in asked for key in ("auc", "low", "high")]
        rows[f"{low}-{high}"] = row
    columns = ["rms, first", "rms, mock"] + [f"{key}, {n}" for n in asked
                                             for key in ("auc", "low", "high")]  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def verdict(sets, aucs, windows):
    """Say in numbers what the comparison found.

    Parameters
    ----------
    sets : dict of str to Compared
    aucs, windows : pandas.DataFrame
        From `auc_table` and `difference_table`.

    Returns
    -------
    pandas.DataFrame
        Rows: share of files without a bad pixel, AUC by flux and by noise, median rms of the
        differences below and above 5650 Angstrom, windows recognised more surely than before;
        columns real, first, mock.
    """
    blue = np.array([int(k.split("-")[1]) <= 5650 for k in windows.index])
    rows = {"files without a bad pixel [%]": {
        n: 100 * (one.measures["masked runs"] == 0).mean() for n, one in sets.items()}}
    for what in ("flux, all", "noise and sky, all"):
        rows[f"AUC, {what}"] = {n: aucs.loc[what, (n, "auc")] for n in ("first", "mock")}
    for name, here in (("below", blue), ("above", ~blue)):
        rows[f"rms of real minus mock {name} 5650 A [%]"] = {
            n: 100 * windows.loc[here, f"rms, {n}"].median() for n in ("first", "mock")}
    easier = (windows["auc, mock"] > windows["auc, first"]).sum()
    rows[f"windows of {len(windows)} where it is the easier to recognise"] = {
        "first": (windows["auc, mock"] < windows["auc, first"]).sum(), "mock": easier}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(sets))


def arrays(sets, windows):
    """Collect what the figure shows.

    Parameters
    ----------
    sets : dict of str to Compared
    windows : pandas.DataFrame
        From `difference_table`.

    Returns
    -------
    dict of str to ndarray
    """
    out = {"lags": np.array(realism.LAGS), "wave": likeness.coarse_wave(),
           "window_edges": np.array(likeness.WINDOWS, dtype=float)}
    few = faint(sets)
    for name, one in sets.items():
        measures = one.measures[np.isin(one.parent, few)]
        columns = [f"structure lag {lag}" for lag in realism.LAGS]
        out[f"noise_{name}"] = np.sqrt(measures[columns].quantile([0.16, 0.5, 0.84]).to_numpy())
        if name != "real":
            delta, error = likeness.difference(sets["real"].coarse, one.coarse, one.parent)
            out[f"difference_{name}"], out["difference_error"] = delta, error
            out[f"window_{name}"] = windows[[f"{k}, {name}" for k in ("auc", "low", "high")]]
    return out


def keep_committed(paths):
    """Take over the committed figure and values where there is nothing to compare with.

    Parameters
    ----------
    paths : cemp.paths.Paths
        Of the profile; the demo profile's are the committed ones.
    """
    for kind, folder in (("values", "paper/values"), ("figures", "figures")):
        for path in (paths.root / folder).glob("00_realism.*"):
            target = paths.published(kind) / path.name
            if target != path:
                target.write_bytes(path.read_bytes())


def headline(sets, aucs, windows, sharp):
    """Collect the numbers that the paper quotes.

    Parameters
    ----------
    sets : dict of str to Compared
    aucs, windows, sharp : pandas.DataFrame
        From `auc_table`, `difference_table` and `resolution_table`.

    Returns
    -------
    dict of str to cemp.results.Value
    """
    few = faint(sets)
    noise = {n: one.measures.loc[np.isin(one.parent, few),
                                 [c for c in one.measures if c.startswith("structure lag 4")]]
             .median().mean() ** 0.5 for n, one in sets.items()}  # fmt: skip
    blue = [k for k in windows.index if int(k.split("-")[1]) <= 5650]
    red = [k for k in windows.index if k not in blue]
    flux, sky = aucs.loc["flux, all"], aucs.loc["noise and sky, all"]
    return {
        "MockRealSpectra": Value(len(sets["real"].spectra), "d", "real spectra compared"),
        "MockRealFaint": Value(len(few), "d", "of them with S/N(g) < 20"),
        "MockNoiseReal": Value(noise["real"], ".2f", "noise over ivar's, real, S/N(g) < 20"),
        "MockNoiseFirst": Value(noise["first"], ".2f", "the same, first mock"),
        "MockNoiseNow": Value(noise["mock"], ".2f", "the same, mock"),
        "MockAucFlux": Value(flux["mock", "auc"], ".2f", "AUC real or mock, flux"),
        "MockAucFluxFirst": Value(flux["first", "auc"], ".2f", "the same, first mock"),
        "MockAucNoise": Value(sky["mock", "auc"], ".2f", "AUC real or mock, noise and sky"),
        "MockAucNoiseLow": Value(sky["mock", "low"], ".2f", "its lower limit (95%)"),
        "MockAucNoiseHigh": Value(sky["mock", "high"], ".2f", "its upper limit"),
        "MockAucNoiseFirst": Value(sky["first", "auc"], ".2f", "the same, first mock"),
        "MockDifferenceBlue": Value(100 * windows.loc[blue, "rms, mock"].median(), ".1f",
                                    "median rms of real minus mock, per cent, below 5650 A"),
        "MockDifferenceRed": Value(100 * windows.loc[red, "rms, mock"].median(), ".1f",
                                   "the same, redward of it"),
        "MockResolution": Value(sharp["real / mock"].median(), ".2f", "R of real over mock"),
    }  # fmt: skip
