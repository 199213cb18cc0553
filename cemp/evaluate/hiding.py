"""Which carbon features [C/H] rests on: hide one after another and see what is lost."""

import numpy as np
import pandas as pd

from cemp.constants import LABELS, WAVE, air_to_vacuum, rng
from cemp.evaluate.attribution import concentration
from cemp.evaluate.scores import DEFAULT, paired_difference
from cemp.indices import BANDS

#: Carbon features between air wavelengths [Angstrom]: the bands of the line indices (the CN bands
#: to the violet of their heads, the CH G band as the Lick index has it and the wider region of the
#: CH A-X system, C2 Swan bands to the violet of their heads) and the Swan band with head at 5636.
BANDS_AIR = {
    "CN 3883": BANDS["cn_3883"].centre,
    "CN 4216": BANDS["cn_4215"].centre,
    "CH G": BANDS["gband_lick"].centre,
    "CH wide": BANDS["egp"].centre,
    "C2 4737": BANDS["c2_4737"].centre,
    "C2 5165": BANDS["c2_5165"].centre,
    "C2 5636": (5540.0, 5638.0),
}


def carbon_bands(wave=WAVE):
    """Pixels of each carbon feature.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        Vacuum wavelength [Angstrom].

    Returns
    -------
    dict of str to ndarray of bool, shape (n_pix,)
        The features of `BANDS_AIR`, and ``"all carbon"``, any of them.
    """
    edges = {name: air_to_vacuum(band) for name, band in BANDS_AIR.items()}
    bands = {name: (wave >= low) & (wave <= high) for name, (low, high) in edges.items()}
    return bands | {"all carbon": np.any(list(bands.values()), axis=0)}


def control_windows(width, n, seed, wave=WAVE, region=(3900.0, 6000.0)):
    """Windows of the same width that hold no carbon feature and no pixel of one another.

    Parameters
    ----------
    width : int
        Pixels.
    n : int
        Windows at most: fewer if no more fit beside each other.
    seed : int
    wave : ndarray, shape (n_pix,)
        Vacuum wavelength [Angstrom].
    region : (float, float)
        Where to draw them [Angstrom]: the part of the spectrum that is as rich in lines.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_pix,)
        By name, ``"control <first>-<last>"``, from blue to red.
    """
    pixel, carbon = np.arange(wave.size), carbon_bands(wave)["all carbon"]
    starts = np.flatnonzero((wave >= region[0]) & (wave <= region[1] - width))
    free = [s for s in starts if not carbon[s : s + width].any()]
    drawn = []
    for s in rng("control windows", seed).permutation(free):
        if len(drawn) < n and all(abs(s - other) >= width for other in drawn):
            drawn.append(s)
    return {f"control {wave[s]:.0f}-{wave[s + width - 1]:.0f}": (pixel >= s) & (pixel < s + width)
            for s in sorted(drawn)}


def hide_and_score(predictor, vectors, frame, regions, reference="true_", settings=DEFAULT):
    """Hide regions of the spectra and score [C/H] again.

    Parameters
    ----------
    predictor : callable
        Takes flux and good, each (n, n_pix); gives labels (n, 4).
    vectors : cemp.vectors.Vectors
    frame : pandas.DataFrame
        The same spectra in the same order: obsid, star_id, c_h and the reference's c_h.
    regions : dict of str to ndarray of bool, shape (n_pix,)
    reference : str
        Prefix of the reference.
    settings : cemp.evaluate.bootstrap.BootstrapSettings

    Returns
    -------
    pandas.DataFrame
        One row a region: pixels hidden, shift (median change of [C/H] in dex), rmse without and
        with it hidden, increase of the RMSE with its paired interval.
    """
    if not np.array_equal(vectors.obsid, frame["obsid"]):
        raise ValueError("vectors and frame are not of the same spectra")
    rows = []
    for name, region in regions.items():
        labels = predictor(vectors.flux, vectors.good & ~region)
        hidden = frame.assign(hidden_c_h=labels[:, LABELS.index("c_h")])
        result = paired_difference(hidden, "c_h", reference, "rmse", ("", "hidden_"), settings)
        shift = (hidden["hidden_c_h"] - hidden["c_h"]).median()
        rows.append((name, int(region.sum()), shift, result["first"], result["second"],
                     result["difference"], result["low"], result["high"]))
    columns = ["region", "pixels", "shift", "rmse", "rmse_hidden", "increase", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def feature_table(maps, controls, regions):
    """Tell how much of a network's attribution lies in each region.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (n_pix,)
        ``part`` and ``gradient`` from `cemp.evaluate.attribution.profiles`.
    controls : sequence of such dicts
        Of networks with shuffled weights; their mean is given.
    regions : dict of str to ndarray of bool, shape (n_pix,)

    Returns
    -------
    pandas.DataFrame
        One row a region: pixels; share of the sum of ``part`` (signed: other regions may take
        away); density of ``part`` and of ``gradient`` in units of their mean over all pixels, and
        the same for the controls.
    """
    table = {}
    for name, inside in regions.items():
        row = {"pixels": inside.sum(), "share": maps["part"][inside].sum() / maps["part"].sum()}
        for key in ("part", "gradient"):
            row[key] = concentration(maps[key], inside)
            row[f"{key}, control"] = np.mean([concentration(c[key], inside) for c in controls])
        table[name] = row
    return pd.DataFrame(table).T.astype({"pixels": int})
