"""Wavelengths that a sky model never looks at, because its synthetic spectra are wrong there."""

import numpy as np

from cemp.constants import WAVE, air_to_vacuum

#: Where a line list of overlapping parts held every line twice, three Angstrom added on either
#: side (vacuum). Spectra of such a list must not be read there; those of the present list may.
DOUBLED = tuple(
    (float(air_to_vacuum(1000.0 * k - 20)) - 3, float(air_to_vacuum(1000.0 * k + 20)) + 3)
    for k in range(4, 10)
)


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


def trusted(wave=WAVE):
    """Tell which pixels lie outside `DOUBLED`; shape of `wave` [Angstrom]."""
    return readable(DOUBLED, wave)
