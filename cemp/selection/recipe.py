"""The recipe by which candidates are selected: one function for search, simulation and users.

A probability alone does not make a candidate. A spectrum without light in the blue, or of an
object unlike all that the network was trained on, is given labels too, and sometimes labels deep
inside the CEMP corner. The recipe therefore asks for light where carbon shows, and for a spectrum
that the training covers, before it looks at P(CEMP).
"""

import json
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.candidates.assess import binomial_interval
from cemp.constants import N_PIX, WAVE
from cemp.errors import BadInputError
from cemp.transfer.coverage import feature_pixels

#: Where carbon shows [Angstrom, vacuum, rest]: from CN 4216 to the Swan band with head at 5636.
CARBON_REGION = (4050.0, 5700.0)

#: Signs of `cemp.transfer.outside.Domain` that a recipe may exclude by.
SIGNS = ("labels", "reconstruction", "error")

#: Reason of refusal -> what it means; a column ``refused_<reason>`` each.
REASONS = {
    "unknown": "no P(CEMP), or no S/N(g)",
    "probability": "P(CEMP) not above the threshold",
    "snr": "S/N(g) below the least",
    "carbon": "too few good pixels at 4050-5700 A",
    "gband": "too few good pixels in the G band",
    "outside": "spectrum or labels outside what the training covers",
    "warm": "predicted Teff above the limit",
}


@dataclass(frozen=True)
class Recipe:
    """What makes a star a candidate.

    Parameters
    ----------
    p_threshold : float
        P(CEMP) has to lie above, not at, it. At 1/2 wrong decisions of both kinds are fewest if
        the probabilities are right; `threshold_for_purity` finds one for a stated purity.
    min_snr_g : float
        Least S/N in g: the faintest that the training's augmentation imitates
        (`cemp.models.data.Augment.snr_min`).
    min_carbon, min_gband : float
        Least share of good pixels in `CARBON_REGION` and in the G band (4200-4420 Angstrom).
        With less than half of a band its depth is left to chance.
    exclude : tuple of str
        `SIGNS` that refuse a star. Not ``labels``: a rare star lies at the edge of the labels by
        nature, and a margin there would refuse the very stars that are looked for.
    max_teff : float or None
        Predicted Teff [K] above which no star is selected; None for no limit. In warm stars CH is
        too weak to be seen, and labels of carbon exist for those only that have much of it: the
        network takes warm metal-poor stars for CEMP stars (notebook 10 measures it).
    """

    p_threshold: float = 0.5
    min_snr_g: float = 5.0
    min_carbon: float = 0.5
    min_gband: float = 0.5
    exclude: tuple = ("reconstruction",)
    max_teff: float | None = None

    def __post_init__(self):
        shares = (self.p_threshold, self.min_carbon, self.min_gband)
        if not all(0 <= share <= 1 for share in shares) or not self.min_snr_g >= 0:
            raise BadInputError(f"{self}: shares and probability lie in 0-1, S/N above 0")
        unknown = sorted(set(self.exclude) - set(SIGNS))
        if unknown:
            raise BadInputError(f"recipe excludes by '{unknown[0]}': use some of {SIGNS}")

    def to_json(self, path):
        """Write the recipe.

        Parameters
        ----------
        path : str or pathlib.Path
        """
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def from_json(cls, path):
        """Read a recipe that `to_json` wrote.

        Parameters
        ----------
        path : str or pathlib.Path

        Returns
        -------
        Recipe

        Raises
        ------
        BadInputError
            If the file cannot be read or holds other entries than a recipe's.
        """
        try:
            with open(path) as stream:
                content = dict(json.load(stream))
        except (OSError, ValueError, TypeError) as error:
            raise BadInputError(f"{path}: no recipe ({error}); write one with to_json") from error
        names = {field.name for field in fields(cls)}
        content.setdefault("max_teff", None)
        if set(content) != names:
            wrong = ", ".join(sorted(names ^ set(content)))
            raise BadInputError(f"{path}: entries {wrong} missing or unknown; write it again")
        return cls(**content | {"exclude": tuple(content["exclude"])})


def carbon_coverage(good):
    """Measure how much of the carbon features was observed.

    Parameters
    ----------
    good : array_like of bool, shape (n, n_pix)
        True where a pixel is good.

    Returns
    -------
    pandas.DataFrame
        carbon_good and gband_good, shares of good pixels; one row a spectrum.

    Raises
    ------
    BadInputError
        If `good` is not on the grid.
    """
    good = np.atleast_2d(np.asarray(good)).astype(bool)
    if good.shape[1] != N_PIX:
        raise BadInputError(f"good {good.shape} must be (n, {N_PIX}): preprocess first")
    carbon = (WAVE >= CARBON_REGION[0]) & (WAVE <= CARBON_REGION[1])
    band = feature_pixels("g_band")
    return pd.DataFrame({"carbon_good": good[:, carbon].mean(axis=1),
                         "gband_good": good[:, band].mean(axis=1)})  # fmt: skip


def enough_light(table, recipe):
    """Tell which spectra hold enough light for P(CEMP) to mean anything.

    Parameters
    ----------
    table : pandas.DataFrame
        snrg, carbon_good, gband_good.
    recipe : Recipe

    Returns
    -------
    pandas.DataFrame
        Columns snr, carbon, gband: True where a spectrum FAILS; a missing value fails.
    """
    _need(table, ("snrg", "carbon_good", "gband_good"))
    return pd.DataFrame({
        "snr": ~(table["snrg"] >= recipe.min_snr_g),
        "carbon": ~(table["carbon_good"] >= recipe.min_carbon),
        "gband": ~(table["gband_good"] >= recipe.min_gband),
    })  # fmt: skip


def select(table, recipe=Recipe()):  # noqa: B008  (frozen)
    """Apply a recipe.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a star or spectrum: p_cemp; snrg; carbon_good and gband_good
        (`carbon_coverage`); and outside_<sign>, bool, for each sign that the recipe excludes by
        (`cemp.selection.domain.outside_flags`); teff, predicted, if the recipe limits it.
    recipe : Recipe

    Returns
    -------
    pandas.DataFrame
        Same index: ``selected``, and ``refused_<reason>`` for each of `REASONS`. A star may be
        refused for several reasons; it is selected if for none.

    Raises
    ------
    BadInputError
        If a column is missing.
    """
    signs = [f"outside_{sign}" for sign in recipe.exclude]
    limited = recipe.max_teff is not None
    _need(table, ("p_cemp", *signs, *(["teff"] if limited else [])))
    refused = enough_light(table, recipe)
    refused["unknown"] = table["p_cemp"].isna() | table["snrg"].isna()
    refused["probability"] = ~(table["p_cemp"] > recipe.p_threshold)
    refused["outside"] = table[signs].to_numpy(dtype=bool).any(axis=1)
    refused["warm"] = ~(table["teff"] <= recipe.max_teff) if limited else False
    out = pd.DataFrame({"selected": ~refused.any(axis=1)})
    return out.join(refused[list(REASONS)].add_prefix("refused_"))


def count_refusals(selection, above):
    """Count the stars that each reason keeps out.

    Parameters
    ----------
    selection : pandas.DataFrame
        From `select`.
    above : array_like of bool, shape (n,)
        Stars that P(CEMP) alone would have selected.

    Returns
    -------
    pandas.DataFrame
        One row a reason: what it means, ``stars`` refused for it, those among `above`, and
        those among `above` that nothing else refuses (``alone``).
    """
    above = np.asarray(above, dtype=bool)
    refused = selection[[f"refused_{reason}" for reason in REASONS]]
    single = refused.sum(axis=1) == 1
    rows = [(what, int(refused[f"refused_{name}"].sum()),
             int((refused[f"refused_{name}"] & above).sum()),
             int((refused[f"refused_{name}"] & above & single).sum()))
            for name, what in REASONS.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["reason", "stars", "above threshold", "alone"],
                        index=list(REASONS))  # fmt: skip


@dataclass(frozen=True)
class Threshold:
    """A threshold of P(CEMP) and what is known of its purity.

    Parameters
    ----------
    value : float
        A star is selected above it.
    purity, low : float
        Purity of the validation stars above it, and its one-sided 95% lower bound.
    interval : tuple of float
        68% interval of the purity.
    selected : int
        Validation stars above it.
    """

    value: float
    purity: float
    low: float
    interval: tuple
    selected: int

    def rounded(self, digits):
        """Round the threshold up: rounded down it would let in a star that it keeps out."""
        near = round(self.value, digits)
        return near if near >= self.value else round(near + 10.0**-digits, digits)


def threshold_for_purity(p, is_cemp, purity, weight=None, at_least=10):
    """Find the smallest threshold of P(CEMP) with which validation stars reach a purity.

    Parameters
    ----------
    p : array_like, shape (n,)
        P(CEMP) of VALIDATION stars, which train no weight and judge nothing; NaN is left out.
    is_cemp : array_like of bool, shape (n,)
    purity : float
        Wanted, 0 to 1.
    weight : array_like, shape (n,), optional
        Weights that make the stars' mix another one (`cemp.mock.natural.weights`).
    at_least : int
        Fewest stars above a threshold that is considered: a single true one is no 100%.

    Returns
    -------
    Threshold
        Its bound is Clopper & Pearson's (1934, Biometrika 26, 404), with weights of the
        effective number of stars, sum(w)^2 / sum(w^2).

    Raises
    ------
    BadInputError
        If no threshold reaches the purity, or a star with P(CEMP) has no weight: left out, the
        contaminants, whose weight in a natural mix nobody knows, would make the rest look pure.

    Examples
    --------
    >>> p = np.arange(1, 21) / 20
    >>> threshold_for_purity(p, p > 0.4, 0.75).value
    0.2
    """
    p, is_cemp = np.asarray(p, dtype=float), np.asarray(is_cemp, dtype=bool)
    weight, known = _weights(weight, p), np.isfinite(p)
    order = np.argsort(-p[known], kind="stable")
    p, is_cemp, weight = p[known][order], is_cemp[known][order], weight[known][order]
    total, true = np.cumsum(weight), np.cumsum(weight * is_cemp)
    number = np.arange(1, p.size + 1)
    # Stars of equal P are above a threshold together: it lies at the next smaller P, or at 0.
    following = np.append(p[1:], min(0.0, p[-1]) if p.size else 0.0)
    reached = (following < p) & (number >= at_least) & (true >= purity * total)
    if not reached.any():
        raise BadInputError(
            f"no threshold of P(CEMP) gives {at_least} of {p.size} validation stars a purity of "
            f"{purity:.0%}: ask for less or enlarge the validation fold in 01"
        )
    return threshold_at(p, is_cemp, following[np.flatnonzero(reached)[-1]], weight)


def threshold_at(p, is_cemp, value, weight=None):
    """Tell what is known of the purity at a threshold; arguments as of `threshold_for_purity`.

    Returns
    -------
    Threshold
        Of purity NaN, and an interval from 0 to 1, where no star lies above `value`.
    """
    p = np.asarray(p, dtype=float)
    above, weight = p > value, _weights(weight, p)
    weight, true = weight[above], np.asarray(is_cemp, dtype=bool)[above]
    if not above.any():
        return Threshold(float(value), np.nan, 0.0, (0.0, 1.0), 0)
    purity, effective = np.average(true, weights=weight), weight.sum() ** 2 / np.sum(weight**2)
    low, _ = binomial_interval(purity * effective, effective, 0.90)
    interval = tuple(float(v) for v in binomial_interval(purity * effective, effective, 0.68))
    return Threshold(float(value), float(purity), float(low), interval, int(above.sum()))


def _weights(weight, p):
    """Give weights, ones by default; refuse stars with P(CEMP) that have none."""
    if weight is None:
        return np.ones(p.size)
    weight = np.asarray(weight, dtype=float)
    bad = np.isfinite(p) & ~((weight >= 0) & np.isfinite(weight))
    if bad.any():
        raise BadInputError(
            f"{bad.sum()} of {p.size} stars have P(CEMP), but a weight that is NaN, infinite or "
            "negative: give them one, or leave them out and say so"
        )
    return weight


def _need(table, columns):
    """Refuse a table that lacks a column."""
    absent = [name for name in columns if name not in table]
    if absent:
        raise BadInputError(
            f"table to select from lacks {', '.join(absent)}: see cemp.selection.recipe.select"
        )
