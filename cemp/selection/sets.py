"""Which stars are simulated, and how common each is in the natural population."""

import numpy as np
import pandas as pd

from cemp.constants import SEED, rng
from cemp.mock.carbon import carbon_ceiling
from cemp.mock.components import COMPONENTS, draw_companions
from cemp.mock.natural import natural_population
from cemp.mock.tracks import draw_atmosphere, in_grid
from cemp.selection.simulate import STRANGE
from cemp.synthesis.design import LOGG_HIGH, LOGG_LOW

#: Set -> (stars, observations of each). 204,000 spectra of natural stars that are no CEMP stars.
SIZES = {"cemp": (3_000, 3), "carbon_rich": (3_000, 3), "hot": (250, 4), "galaxy": (125, 4),
         "qso": (125, 4), "function": (12_000, 1), "natural": (20_400, 10)}  # fmt: skip
#: What each set is.
MEANING = {
    "natural": "natural population without CEMP stars",
    "carbon_rich": "carbon-rich stars above [Fe/H] = -2",
    "cemp": "CEMP stars of the natural population",
    "function": "labels spread over the grid, for the selection function",
    "hot": "hot stars", "galaxy": "galaxies", "qso": "quasars",
}
#: Below it the natural population is drawn once more: 7% of it, and nearly all false positives.
POOR = -1.0
#: Range of the selection function: [Fe/H], lowest [C/Fe].
FUNCTION_FE_H, FUNCTION_C_FE = (-3.98, -1.2), -0.3


def draw_set(name, n, seed=SEED):
    """Draw the stars of a set.

    Parameters
    ----------
    name : str
        One of `SIZES`.
    n : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        The grid's labels and ``weight``: how common the star is in the natural population,
        relative to how often it was drawn, with a mean of 1 over ``natural``; NaN in sets that
        are no population. Objects that are no stars have NaN labels.
    """
    if name in STRANGE:
        columns = ("teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe", "weight")
        return pd.DataFrame({column: np.full(n, np.nan) for column in columns})
    makers = {"natural": natural_without_cemp, "cemp": natural_cemp,
              "carbon_rich": carbon_rich, "function": spread}  # fmt: skip
    return makers[name](n, seed).reset_index(drop=True)


def _columns(stars, weight):
    """Keep the labels of the grid and add a weight."""
    names = ["teff", "logg", "fe_h", "c_fe", "alpha_fe", "n_fe"]
    return stars[names].assign(weight=weight)


def natural_without_cemp(n, seed=SEED):
    """Draw natural stars that are not CEMP: half of all, half below [Fe/H] = -1 again.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        As of `draw_set`.
    """
    pool = natural_population(int(n * 12), seed)
    pool = pool[~pool["is_cemp"]]
    poor = pool["fe_h"] < POOR
    share = poor.mean()
    stars = pd.concat([pool.iloc[: n // 2], pool[poor].iloc[-(n - n // 2):]])
    density = np.where(stars["fe_h"] < POOR, 0.5 + 0.5 / share, 0.5)
    return _shuffle(_columns(stars, 1 / density), "natural", seed)


def natural_cemp(n, seed=SEED):
    """Draw CEMP stars as the natural population has them; as `draw_set`.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    pandas.DataFrame
    """
    parts, found, part = [], 0, 0
    while found < n:
        stars = natural_population(400_000, seed + 1 + part)
        parts.append(stars[stars["is_cemp"]])
        found, part = found + len(parts[-1]), part + 1
    return _columns(pd.concat(parts).iloc[:n], 1.0)


def carbon_rich(n, seed=SEED):
    """Draw stars with -2 <= [Fe/H] < -0.4 and [C/Fe] from 0.7 to the grid's limit.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        As of `draw_set`; even in [Fe/H] and [C/Fe], which no population is.
    """
    random = rng("selection carbon-rich", seed)
    fe_h = random.uniform(-2.0, -0.45, n)
    c_fe = random.uniform(0.7, np.maximum(carbon_ceiling(fe_h) - 0.02, 0.71))
    teff, logg = draw_atmosphere(fe_h, 0.0, COMPONENTS["ch"].phases, random)
    return _finish(teff, logg, fe_h, c_fe, random)


def spread(n, seed=SEED):
    """Draw stars spread over [Fe/H] and [C/Fe]: half along the tracks, half over the grid.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        As of `draw_set`.
    """
    random = rng("selection function", seed)
    fe_h = random.uniform(*FUNCTION_FE_H, n)
    c_fe = random.uniform(FUNCTION_C_FE, carbon_ceiling(fe_h) - 0.02)
    teff, logg = draw_atmosphere(fe_h, 0.0, COMPONENTS["cemp"].phases, random)
    free = random.random(n) < 0.5
    anywhere = random.uniform(4000.0, 7000.0, n)
    low, high = (np.interp(anywhere, *edge) for edge in (LOGG_LOW, LOGG_HIGH))
    height = low + random.uniform(0.05, 0.95, n) * (high - low)
    free &= in_grid(anywhere, height)
    return _finish(np.where(free, anywhere, teff), np.where(free, height, logg), fe_h, c_fe, random)


def _finish(teff, logg, fe_h, c_fe, random):
    """Add [alpha/Fe] and [N/Fe] and put together a set without weights."""
    alpha_fe, n_fe = draw_companions(fe_h, c_fe, random)
    stars = pd.DataFrame({"teff": teff, "logg": logg, "fe_h": fe_h, "c_fe": c_fe,
                          "alpha_fe": alpha_fe, "n_fe": n_fe})  # fmt: skip
    return _columns(stars, np.nan)


def _shuffle(stars, name, seed):
    """Put stars into random order, so that the first parts are a fair sample."""
    return stars.sample(frac=1.0, random_state=rng(f"selection order {name}", seed))
