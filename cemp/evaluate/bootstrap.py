"""Bootstrap over stars: repeats of a star are drawn together, methods on the same draw.

A resampling is a row of weights: how often each star was drawn. A statistic that takes
weights is then evaluated for all resamplings at once, and two methods evaluated with the same
weights are compared star by star.
"""

from dataclasses import dataclass

import numpy as np

from cemp.constants import SEED, rng


@dataclass(frozen=True)
class BootstrapSettings:
    """How uncertainties are estimated.

    Parameters
    ----------
    n_boot : int
        Resamplings; the ends of a 95% interval then scatter by some 3% of its width.
    level : float
        Probability content of the percentile intervals.
    min_stars : int
        Samples of fewer stars show their number only: an interval from so few is misleading.
    seed : int
        The paper's seed; equal seeds give equal draws, so methods stay paired.
    """

    n_boot: int = 1000
    level: float = 0.95
    min_stars: int = 20
    seed: int = SEED


def star_weights(star_id, settings):
    """Draw stars with replacement and say how often each row's star was drawn.

    Parameters
    ----------
    star_id : array_like, shape (n_row,)
        Identity of the star of each row; spectra of one star share it.
    settings : BootstrapSettings

    Returns
    -------
    ndarray, shape (n_boot, n_row)
        Weights; each resampling draws as many stars as there are.
    """
    stars, code = np.unique(np.asarray(star_id, dtype=str), return_inverse=True)
    n_star = stars.size
    if n_star == 0:
        return np.zeros((settings.n_boot, 0))
    generator = rng("bootstrap", settings.seed)
    drawn = generator.integers(n_star, size=(settings.n_boot, n_star))
    drawn += n_star * np.arange(settings.n_boot)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=settings.n_boot * n_star)
    return counts.reshape(settings.n_boot, n_star)[:, code].astype(float)


def interval(draws, settings):
    """Percentile interval of bootstrap draws.

    Parameters
    ----------
    draws : ndarray, shape (n_boot,)
        A statistic, or the difference of two, in every resampling; NaN where undefined.
    settings : BootstrapSettings

    Returns
    -------
    low, high : float
        NaN if no draw is finite.
    """
    draws = draws[np.isfinite(draws)]
    if draws.size == 0:
        return np.nan, np.nan
    tail = 50 * (1 - settings.level)
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)
