"""Which features of a spectrum were observed: a mask says more than a count of pixels."""

import numpy as np
import pandas as pd

from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError

#: Features and where they lie [Angstrom, vacuum, rest]. The G band is that of Placco et al.
#: (2011), 4200-4400 A, with the CH lines up to 4420; C2 holds the Swan bands (1,0) and (0,0),
#: whose heads are at 4738 and 5167 A; the rest are the lines with the wings a giant has.
FEATURES = {
    "ca_hk": ((3920.0, 3985.0),),
    "g_band": ((4200.0, 4420.0),),
    "c2": ((4660.0, 4745.0), (5000.0, 5170.0)),
    "h_beta_mg_b": ((4840.0, 4885.0), (5150.0, 5200.0)),
    "h_alpha": ((6540.0, 6590.0),),
    "ca_triplet": ((8490.0, 8680.0),),
}
#: Where the sky model's labels come from [Angstrom]: without anything redder they move by 0.2 of
#: their errors, which grow by 4% at most (median of 67 LAMOST spectra); without 6500-6800 as well
#: [Fe/H] moves by 0.5.
INFORMATIVE = (3900.0, 6800.0)
#: Features whose loss a label feels: by the same spectra all but the Ca II triplet, without which
#: labels move by 0.1 of their errors.
READ = tuple(name for name in FEATURES if name != "ca_triplet")


def feature_pixels(name):
    """Tell which pixels of the grid belong to a feature.

    Parameters
    ----------
    name : str
        One of `FEATURES`.

    Returns
    -------
    ndarray of bool, shape (n_pix,)

    Raises
    ------
    BadInputError
        If there is no such feature.
    """
    if name not in FEATURES:
        raise BadInputError(f"no feature '{name}': use one of {', '.join(FEATURES)}")
    inside = np.zeros(N_PIX, dtype=bool)
    for low, high in FEATURES[name]:
        inside |= (low <= WAVE) & (high >= WAVE)
    return inside


def informative_share(good):
    """Measure how much of `INFORMATIVE` was observed.

    Parameters
    ----------
    good : ndarray of bool, shape (n, n_pix)
        True where a pixel is good.

    Returns
    -------
    ndarray, shape (n,)
        Share of its pixels that are good.
    """
    inside = (INFORMATIVE[0] <= WAVE) & (INFORMATIVE[1] >= WAVE)
    return good[:, inside].mean(axis=1)


def coverage(good, least=0.5):
    """Measure which features were observed.

    Parameters
    ----------
    good : array_like of bool, shape (n, n_pix)
        True where a pixel is good.
    least : float
        A feature with a smaller share of good pixels counts as missing: less than half a band
        leaves its depth to chance.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum: the share of good pixels of each of `FEATURES` under its name, and a
        flag ``<name>_missing``.

    Raises
    ------
    BadInputError
        If `good` is not on the grid.
    """
    good = np.atleast_2d(np.asarray(good)).astype(bool)
    if good.shape[1] != N_PIX:
        raise BadInputError(f"good {good.shape} must be (n, {N_PIX}): preprocess first")
    shares = {name: good[:, feature_pixels(name)].mean(axis=1) for name in FEATURES}
    table = pd.DataFrame(shares)
    for name, share in shares.items():
        table[f"{name}_missing"] = share < least
    return table
