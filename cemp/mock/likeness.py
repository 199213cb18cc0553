"""Ask whether a mock spectrum can be told from a real one, and by what.

Principal components of preprocessed spectra, and a logistic regression on their scores that is
asked about stars it has not seen: an area under the ROC curve (AUC) of 0.5 means that mock and
real are alike in what a linear rule can see, 1 that they are told apart without fail.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from cemp.constants import SEED, WAVE, rng

#: Windows [Angstrom, vacuum, rest] in which the question is asked anew.
WINDOWS = ((3800, 3920), (3920, 4000), (4000, 4200), (4200, 4400), (4400, 4800), (4800, 5000),
           (5000, 5300), (5300, 5650), (5650, 5950), (5950, 6500), (6500, 6650), (6650, 7150),
           (7150, 7700), (7700, 8300), (8300, 8700), (8700, 8800))  # fmt: skip


@dataclass(frozen=True)
class LikenessSettings:
    """How the question is asked.

    Attributes
    ----------
    width : int
        Pixels averaged: 5 A resolve what LAMOST resolves to a factor two and halve the noise.
    n_components : int
        Principal components of the whole spectrum that the classifier gets: more than a fifth of
        the real stars would only be learned by heart.
    n_window : int
        Components of a single window.
    penalty : float
        Of the squared coefficients, for scores of unit variance and weights that sum to one.
    n_folds, n_repeats : int
        Cross-validation: a star and its twins are never on both sides.
    n_boot : int
        Resamplings of the stars for the interval of the AUC.
    """

    width: int = 5
    n_components: int = 15
    n_window: int = 6
    penalty: float = 0.01
    n_folds: int = 5
    n_repeats: int = 4
    n_boot: int = 500


def coarse(flux, good, width=5):
    """Average good pixels in steps; NaN where there is none.

    Parameters
    ----------
    flux, good : ndarray, shape (n, n_pix)
    width : int

    Returns
    -------
    ndarray, shape (n, n_pix // width)
    """
    n = flux.shape[1] // width
    cut = (slice(None), slice(0, n * width))
    f, g = (a[cut].reshape(len(flux), n, width) for a in (flux, good))
    count = g.sum(axis=2)
    return np.where(count > 0, (f * g).sum(axis=2) / np.maximum(count, 1), np.nan)


def coarse_wave(width=5):
    """Middle wavelengths [Angstrom] of `coarse`'s steps."""
    n = WAVE.size // width
    return WAVE[:n * width].reshape(n, width).mean(axis=1)


def components(values, n):
    """Find principal components.

    Parameters
    ----------
    values : ndarray, shape (n_row, n_col)
        NaN counts as the column's mean.
    n : int

    Returns
    -------
    mean, scale : ndarray, shape (n_col,)
        Column means and robust scatters, by which values are divided.
    rows : ndarray, shape (n, n_col)
    """
    mean = np.nanmean(values, axis=0)
    low, high = np.nanpercentile(values, [16, 84], axis=0)
    scale = np.maximum(0.5 * (high - low), 1e-4)
    _, _, rows = np.linalg.svd(standard(values, mean, scale), full_matrices=False)
    return mean, scale, rows[:n]


def standard(values, mean, scale, limit=6.0):
    """Bring values to zero mean and unit scatter, clipped; NaN becomes 0."""
    return np.clip(np.nan_to_num((values - mean) / scale), -limit, limit)


def explained(values, basis):
    """Give the share of the variance about their own mean that a basis describes.

    Parameters
    ----------
    values : ndarray, shape (n_row, n_col)
    basis : tuple
        From `components`.

    Returns
    -------
    float
    """
    mean, scale, rows = basis
    x = standard(values, mean, scale)
    x = x - x.mean(axis=0)
    return float(((x @ rows.T) ** 2).sum() / (x**2).sum())


def fit_logistic(x, y, penalty):
    """Fit a ridge-penalised logistic regression, both classes with equal total weight.

    Parameters
    ----------
    x : ndarray, shape (n, k)
    y : ndarray of bool, shape (n,)
    penalty : float

    Returns
    -------
    ndarray, shape (k + 1,)
        Coefficients, the offset last.
    """
    weight = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())
    sign, design = np.where(y, 1.0, -1.0), np.column_stack([x, np.ones(len(x))])

    def loss(b):
        margin = sign * (design @ b)
        p = 1 / (1 + np.exp(np.clip(margin, -500, 500)))
        value = weight @ np.logaddexp(0, -margin) + penalty * b[:-1] @ b[:-1]
        return value, -design.T @ (weight * sign * p) + 2 * penalty * np.append(b[:-1], 0)

    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x


def auc(score, y):
    """Area under the ROC curve: chance that a True scores above a False."""
    rank, n = rankdata(score), y.sum()
    return float((rank[y].sum() - n * (n + 1) / 2) / (n * (~y).sum()))


def _scores(values, y, star, n, settings, random):
    """Out-of-fold scores of one cross-validation."""
    stars = random.permutation(np.unique(star))
    fold = np.zeros(star.max() + 1, dtype=int)
    fold[stars] = np.arange(stars.size) % settings.n_folds
    score = np.zeros(len(y))
    for k in range(settings.n_folds):
        test = fold[star] == k
        basis = components(values[~test], n)
        train, held = (standard(values[s], *basis[:2]) @ basis[2].T for s in (~test, test))
        size = train.std(axis=0)
        b = fit_logistic(train / size, y[~test], settings.penalty)
        score[test] = (held / size) @ b[:-1] + b[-1]
    return score


def tell_apart(real, mock, parent, n=None, settings=LikenessSettings(), seed=SEED):  # noqa: B008
    """Cross-validate the classifier.

    Parameters
    ----------
    real : ndarray, shape (n_real, n_col)
    mock : ndarray, shape (n_mock, n_col)
    parent : ndarray of int, shape (n_mock,)
        Row in `real` whose twin each is.
    n : int, optional
        Components; those of the settings by default.
    settings : LikenessSettings
    seed : int

    Returns
    -------
    dict
        ``auc``, ``low``, ``high`` (95%, stars resampled).
    """
    values, star = np.concatenate([real, mock]), np.concatenate([np.arange(len(real)), parent])
    y = np.arange(len(values)) < len(real)
    random = rng("mock or real", seed)
    n = n or settings.n_components
    score = np.mean([rankdata(_scores(values, y, star, n, settings, random))
                     for _ in range(settings.n_repeats)], axis=0)  # fmt: skip
    rows = [np.flatnonzero(star == s) for s in range(len(real))]
    boot = []
    for _ in range(settings.n_boot):
        pick = np.concatenate([rows[s] for s in random.integers(0, len(real), len(real))])
        boot.append(auc(score[pick], y[pick]))
    low, high = np.percentile(boot, [2.5, 97.5])
    return {"auc": auc(score, y), "low": float(low), "high": float(high)}


def direction(real, mock, settings=LikenessSettings()):  # noqa: B008  (frozen)
    """Show what the classifier sees: its weights, back in wavelength.

    Returns
    -------
    ndarray, shape (n_col,)
        Positive where a real spectrum is brighter than its twins, in units of the weight's rms.
    """
    values = np.concatenate([real, mock])
    mean, scale, rows = components(values, settings.n_components)
    x = standard(values, mean, scale) @ rows.T
    size = x.std(axis=0)
    b = fit_logistic(x / size, np.arange(len(values)) < len(real), settings.penalty)[:-1]
    out = (b / size) @ rows
    return out / out.std()


def windows(real, mock, parent, settings=LikenessSettings()):  # noqa: B008  (frozen)
    """Ask in each of the `WINDOWS`; list of dict with low edge, high edge and AUC."""
    wave, out = coarse_wave(settings.width), []
    for low, high in WINDOWS:
        use = (wave >= low) & (wave < high)
        found = tell_apart(real[:, use], mock[:, use], parent, settings.n_window, settings)
        out.append({"from": low, "to": high, **found})
    return out


def difference(real, mock, parent):
    """Mean of real minus its twins' mean, and the error of that mean.

    Returns
    -------
    mean, error : ndarray, shape (n_col,)
    """
    twins = np.array([np.nanmean(mock[parent == k], axis=0) for k in range(len(real))])
    each = real - twins
    count = np.maximum(np.isfinite(each).sum(axis=0), 1)
    return np.nanmedian(each, axis=0), np.nanstd(each, axis=0) / np.sqrt(count)
