"""Which candidate to observe next: expected CEMP stars against hours at a telescope."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Telescope:
    """What one follow-up spectrum costs.

    Parameters
    ----------
    magnitude, hours : float
        A star of this magnitude takes this time on target. An ASSUMPTION, for a spectrum of R =
        40,000 and S/N 50 a pixel at 4300 Angstrom with a telescope of 8 m; the order of candidates
        does not depend on it as long as the overhead does not rule.
    overhead : float
        Acquisition and read-out of any star [hours].
    """

    magnitude: float = 15.0
    hours: float = 1.0
    overhead: float = 0.15

    def time(self, magnitude):
        """Give the time that stars take.

        Parameters
        ----------
        magnitude : array_like
            G or g.

        Returns
        -------
        ndarray
            [hours]: photon noise, so the exposure grows as 10^(0.4 (G - G0)).
        """
        steps = np.asarray(magnitude, dtype=float) - self.magnitude
        return self.overhead + self.hours * 10 ** (0.4 * steps)


def rank(table, telescope=Telescope(), by="gain"):  # noqa: B008  (frozen)
    """Put candidates into the order in which to observe them.

    Parameters
    ----------
    table : pandas.DataFrame
        p_cemp and gmag; rows without a magnitude come last.
    telescope : Telescope
    by : {"gain", "p_cemp", "gmag"}
        Expected CEMP stars an hour (best for any total time, as a knapsack of many small pieces:
        Dantzig 1957, Operations Research 5, 266), or plainly by probability or magnitude.

    Returns
    -------
    pandas.DataFrame
        Sorted copy with hours, gain (P(CEMP) an hour), and running sums total_hours and expected
        (number of CEMP stars).

    Examples
    --------
    >>> import pandas as pd
    >>> stars = pd.DataFrame({"p_cemp": [0.9, 0.6], "gmag": [17.5, 15.0]})
    >>> rank(stars, Telescope(overhead=0.0))["total_hours"].tolist()
    [1.0, 11.0]
    """
    hours = telescope.time(table["gmag"])
    ranked = table.assign(hours=hours, gain=table["p_cemp"] / hours)
    ranked = ranked.sort_values(by, ascending=by == "gmag", kind="stable", na_position="last")
    timed = ranked["hours"].notna()  # what takes nobody knows how long is not to be had for nothing
    ranked = pd.concat([ranked[timed], ranked[~timed]])
    return ranked.assign(total_hours=ranked["hours"].cumsum(),
                         expected=ranked["p_cemp"].where(ranked["hours"].notna()).cumsum())


def hours_for(ranked, number):
    """Give the hours after which a number of CEMP stars is expected.

    Parameters
    ----------
    ranked : pandas.DataFrame
        From `rank`.
    number : float

    Returns
    -------
    float
        NaN if the list never reaches it.
    """
    enough = ranked["expected"].to_numpy() >= number
    return float(ranked["total_hours"].to_numpy()[np.argmax(enough)]) if enough.any() else np.nan
