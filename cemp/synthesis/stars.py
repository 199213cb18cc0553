"""A star to synthesise: its labels, and what follows from them."""

import csv
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np

from cemp.errors import BadInputError


@dataclass(frozen=True)
class Star:
    """Labels of a star; `vmic` and `c12_c13` follow from them unless given.

    Attributes
    ----------
    teff, logg, fe_h, c_fe, alpha_fe, n_fe : float
        Labels [K; dex, cgs; dex].
    vmic : float
        Micro-turbulence [km/s].
    c12_c13 : float
        12C/13C.
    """

    teff: float
    logg: float
    fe_h: float
    c_fe: float = 0.0
    alpha_fe: float = 0.0
    n_fe: float = 0.0
    vmic: float | None = None
    c12_c13: float | None = None

    def __post_init__(self):
        if self.vmic is None:
            object.__setattr__(self, "vmic", micro_turbulence(self.teff, self.logg))
        if self.c12_c13 is None:
            object.__setattr__(self, "c12_c13", isotope_ratio(self.logg))

    @property
    def labels(self):
        """The six labels of the grid, shape (6,)."""
        return np.array(astuple(self)[:6])

    @property
    def has_tio(self):
        """Whether TiO is worth its 6,873 lines: cool and not too metal-poor."""
        return self.teff < 4500 and self.fe_h > -1.2


def micro_turbulence(teff, logg):
    """Micro-turbulence [km/s]: about 1 in dwarfs, 2 in giants, more in hot stars.

    A straight line through the relations of the Gaia-ESO survey (Smiljanic et al. 2014).

    Examples
    --------
    >>> round(micro_turbulence(5777, 4.44), 2), round(micro_turbulence(4500, 1.0), 2)
    (1.19, 1.9)
    """
    return float(np.clip(2.13 - 0.23 * logg + 0.3 * max(0.0, (teff - 5500) / 1000.0), 0.8, 2.5))


def isotope_ratio(logg):
    """12C/13C: solar in dwarfs, 15 once a giant's dredge-up has brought 13C up."""
    return 90.0 if logg > 3.5 else 15.0


#: Stars to hold the synthesis against; labels from the literature (see `cemp.synthesis`'s
#: physics checks for sources).
BENCHMARKS = {
    "Sun": Star(5777, 4.44, 0.0),
    "HD122563": Star(4566, 1.12, -2.63, -0.4, 0.4),
    "HD140283": Star(5687, 3.55, -2.53, 0.1, 0.3),
    "HD10700": Star(5264, 4.36, -0.50, 0.1, 0.2),
    "HD124897": Star(4361, 1.93, -0.53, 0.0, 0.25),
}


def read_stars(words):
    """Understand names of benchmark stars and files of stars.

    Parameters
    ----------
    words : list of str
        Each a key of `BENCHMARKS` or a CSV file with columns ``name, teff, logg, fe_h`` and, if
        wanted, further attributes of `Star`.

    Returns
    -------
    dict of str to Star

    Raises
    ------
    BadInputError
        If a word is neither or a file has a bad value.
    """
    stars = {}
    for word in words:
        if word in BENCHMARKS:
            stars[word] = BENCHMARKS[word]
        elif Path(word).is_file():
            stars |= _read_file(Path(word))
        else:
            raise BadInputError(f"'{word}' is no benchmark star ({', '.join(BENCHMARKS)}) and no "
                                "file: name one of those")
    return stars


def _read_file(path):
    """Read a CSV file of stars."""
    stars = {}
    with path.open(newline="") as rows:
        for row in csv.DictReader(rows):
            try:
                values = {key: float(value) for key, value in row.items()
                          if key != "name" and value}
                stars[row["name"]] = replace(Star(values.pop("teff"), values.pop("logg"),
                                                  values.pop("fe_h")), **values)
            except (KeyError, TypeError, ValueError) as error:
                raise BadInputError(f"{path}: cannot use the row {row} ({error}); columns are "
                                    "name, teff, logg, fe_h and attributes of Star") from error
    return stars
