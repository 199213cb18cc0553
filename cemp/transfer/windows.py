"""Wavelengths that a sky model never looks at, because its synthetic spectra are wrong there."""

import numpy as np

from cemp.constants import WAVE


def readable(ignored, wave=WAVE):
    """Tell which pixels a model is trained on and reads.

    Parameters
    ----------
    ignored : sequence of (float, float)
        Windows that are left out, rest-frame vacuum [Angstrom].
    wave : ndarray, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> readable([(4980, 5025)], np.array([4300.0, 5000.0])).tolist()
    [True, False]
    """
    out = np.ones(np.shape(wave), dtype=bool)
    for low, high in ignored:
        out &= (wave < low) | (wave > high)
    return out
