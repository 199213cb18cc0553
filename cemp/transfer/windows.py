"""Wavelengths that the sky model never looks at, because the synthetic spectra are wrong there."""

import numpy as np

from cemp.constants import WAVE, air_to_vacuum

#: Where the grid's line list holds every line twice (air [Angstrom]): the list's parts overlap by
#: 20 Angstrom on either side of these, so that lines are 0.3 dex too strong.
DOUBLED = ((3980, 4020), (4980, 5020), (5980, 6020), (6980, 7020), (7980, 8020), (8980, 9020))
#: Half the width of a line at R = 1400 [Angstrom] and more: how far a line reaches out of them.
REACH = 3.0


def trusted(wave=WAVE):
    """Tell which pixels the sky model is trained on and reads.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Rest-frame vacuum wavelength [Angstrom].

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> trusted(np.array([4300.0, 5000.0])).tolist()
    [True, False]
    """
    out = np.ones(np.shape(wave), dtype=bool)
    for low, high in DOUBLED:
        out &= (wave < air_to_vacuum(low) - REACH) | (wave > air_to_vacuum(high) + REACH)
    return out
