"""Groups of spectra in which methods are compared: by S/N, by metallicity, by evolution."""

import numpy as np

from cemp.evaluate.present import bin_texts

#: Edges of the bins: S/N in g, and [Fe/H] [dex].
SNR_EDGES = (5, 10, 20, 50, np.inf)
FEH_EDGES = (-np.inf, -3, -2.5, -2, -1, np.inf)

#: Stars of lower gravity are giants [cgs]; of the others the hotter are near the turn-off [K].
GIANT_LOGG, TURN_OFF_TEFF = 3.5, 5800.0


def bins(values, edges):
    """Divide rows into bins of a quantity.

    Parameters
    ----------
    values : array_like, shape (n,)
    edges : sequence of float
        Rising; a bin holds its lower edge.

    Returns
    -------
    dict of str to ndarray of bool
        By text of the bin.

    Examples
    --------
    >>> {name: rows.sum().item() for name, rows in bins([5, 7, 10, 80], SNR_EDGES).items()}
    {'5 to 10': 2, '10 to 20': 1, '20 to 50': 0, '> 50': 1}
    """
    values = np.asarray(values, dtype=float)
    pairs = zip(edges[:-1], edges[1:], strict=True)
    return {text: (values >= low) & (values < high)
            for text, (low, high) in zip(bin_texts(edges), pairs, strict=True)}  # fmt: skip


def states(teff, logg):
    """Divide stars by evolution, with cuts in the reference's labels.

    Parameters
    ----------
    teff : array_like, shape (n,)
        [K].
    logg : array_like, shape (n,)
        [cgs].

    Returns
    -------
    dict of str to ndarray of bool
        ``giant`` log g < 3.5; of the rest ``turn-off`` Teff >= 5800 K, which holds warm dwarfs
        too, and ``dwarf`` below that, which holds the few cool subgiants.
    """
    teff, logg = np.asarray(teff, dtype=float), np.asarray(logg, dtype=float)
    giant, known = logg < GIANT_LOGG, np.isfinite(teff) & np.isfinite(logg)
    return {"giant": giant & known, "turn-off": ~giant & (teff >= TURN_OFF_TEFF) & known,
            "dwarf": ~giant & (teff < TURN_OFF_TEFF) & known}  # fmt: skip


def all_groups(frame, reference="true_"):
    """Every group of a frame, by what divides it.

    Parameters
    ----------
    frame : pandas.DataFrame
    reference : str
        Prefix of the labels that decide.

    Returns
    -------
    dict of str to dict of str to ndarray of bool
        ``S/N (g)``, ``[Fe/H]``, ``evolution``.
    """
    return {
        "S/N (g)": bins(frame["snrg"], SNR_EDGES),
        "[Fe/H]": bins(frame[f"{reference}fe_h"], FEH_EDGES),
        "evolution": states(frame[f"{reference}teff"], frame[f"{reference}logg"]),
    }
