"""Honest errors from dishonest ones: what validation teaches is applied to the test.

Two ways, both fitted with weights, on spectra that the method never learned from. `ScaleErrors`
multiplies each label's error so that its interval of one standard deviation holds 68%, and the
joint ellipse of ([Fe/H], [C/H]) once more: a covariance stays a covariance. `PitMap` follows the
whole distribution of PIT (Kuleshov, Fenner & Ermon 2018, ICML, PMLR 80, 2796): it also takes out
a bias and the tails that a Gaussian has not, but gives intervals instead of a covariance.

One factor for a natural mix is one factor for ordinary stars: they make up nearly all its weight.
Where rare stars err more than ordinary ones claim, it makes errors of the rare ones too small, so
the coverage of the carbon-rich corner has to be shown beside that of the mix.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import chi2

from cemp.constants import LABELS, SEED, rng
from cemp.errors import BadInputError
from cemp.evaluate.calibration import (
    JOINT,
    JUDGED,
    LEVELS,
    PAIR,
    distances,
    joint_distance,
    judged,
    pit,
)
from cemp.evaluate.metrics import weighted_quantile
from cemp.methods.base import Prediction
from cemp.mock import natural
from cemp.mock.population import PopulationSettings

#: Effective number of spectra below which a quantile of 68% is noise.
LEAST = 20


def natural_weights(obsid, stars, observations):
    """Weigh spectra of the mock so that rates become those of a natural mix of stars.

    Parameters
    ----------
    obsid : array_like (n,)
    stars, observations : pandas.DataFrame
        The truth of the mock survey.

    Returns
    -------
    ndarray (n,)
        Mean 1 over the stars; 0 for contaminants, which have no labels. The mixture that is
        weighed against is that of the groups as these spectra hold them.
    """
    keys = observations.set_index("obsid")["star_key"].loc[np.asarray(obsid)]
    rows = stars.set_index("star_key").loc[keys]
    shares = rows.loc[rows["fe_h"].notna(), "group"].value_counts(normalize=True).to_dict()
    mixture = natural.survey_mixture(PopulationSettings(shares=shares))
    weight = natural.weights(rows, mixture)
    return np.nan_to_num(weight / np.nanmean(weight))


def _known(values, weights, what):
    """Values that are there and count, and their weights; refuse too few."""
    rows = np.isfinite(values) & (weights > 0)
    values, weights = values[rows], weights[rows]
    effective = weights.sum() ** 2 / max((weights**2).sum(), 1e-300)
    if effective < LEAST:
        raise BadInputError(
            f"recalibration of {what} rests on {effective:.0f} spectra, {LEAST} are needed: "
            "give more validation spectra or leave it as it is"
        )
    return values, weights


def _quantile(values, weights):
    """Value that 68% of the weight lies below."""
    return float(weighted_quantile(values, weights[None], LEVELS["68%"])[0])


class ScaleErrors:
    """One factor for each label's error, and one for the joint ellipse.

    Attributes
    ----------
    scale_ : ndarray (4,)
        By which errors have to be multiplied; 2 where a method claims half its errors.
    joint_ : float
        By which the ellipse of ([Fe/H], [C/H]) has to be stretched after that.
    """

    def fit(self, prediction, labels, weights=None, reference_error=None):
        """Learn the factors.

        Parameters
        ----------
        prediction : Prediction
            Of validation spectra.
        labels : ndarray (n, 4)
        weights : ndarray (n,), optional
            Natural-mix weights.
        reference_error : ndarray (n, 4), optional
            Errors of `labels`, where they are a catalogue's: not charged to the method. A truth
            has none. They do not enter the joint factor, which is then too large.

        Returns
        -------
        ScaleErrors
            Itself.

        Raises
        ------
        BadInputError
            If too few spectra count.
        """
        n = len(labels)
        weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
        error = np.zeros((n, len(LABELS))) if reference_error is None else reference_error
        _, sigma = judged(prediction)
        residual = np.asarray(labels, dtype=float) - prediction.labels
        # the least factor whose interval, widened by the reference's error, holds the truth
        needed = np.sqrt(np.maximum(residual**2 - error**2, 0)) / sigma[:, : len(LABELS)]
        self.scale_ = np.array([
            _quantile(*_known(column, weights, name))
            for name, column in zip(LABELS, needed.T, strict=True)
        ])  # fmt: skip
        self.joint_ = 1.0
        distance, used = _known(
            joint_distance(self.apply(prediction), labels), weights, "the joint ellipse")
        inside = _quantile(distance, used)
        self.joint_ = float(np.sqrt(inside / chi2.ppf(LEVELS["68%"], len(PAIR))))
        return self

    def apply(self, prediction, joint=False):
        """Rescale the errors of a prediction.

        Parameters
        ----------
        prediction : Prediction
        joint : bool
            Whether the covariance is to be that of the joint ellipse: to be used for
            ([Fe/H], [C/H]) together, not for one label.

        Returns
        -------
        Prediction
            The same labels; covariance D C D with D the diagonal matrix of the factors.
        """
        factor = self.scale_ * (self.joint_ if joint else 1.0)
        return Prediction(prediction.labels, prediction.covariance * np.outer(factor, factor))


class PitMap:
    """The distribution of PIT on validation, read as a map to honest probabilities.

    The empirical distribution function of PIT is the isotonic regression that Kuleshov et al.
    fit. Beyond the extreme validation spectra it knows nothing: intervals end there.

    Attributes
    ----------
    pit_, share_ : dict of str to ndarray
        For each of `JUDGED`: sorted PIT of validation and the weighted share up to each.
    """

    def fit(self, prediction, labels, weights=None):
        """Learn the distribution of PIT.

        Parameters
        ----------
        prediction : Prediction
            Of validation spectra.
        labels : ndarray (n, 4)
        weights : ndarray (n,), optional

        Returns
        -------
        PitMap
            Itself.

        Raises
        ------
        BadInputError
            If too few spectra count.
        """
        weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
        self.pit_, self.share_ = {}, {}
        for name, column in zip(JUDGED, pit(prediction, labels).T, strict=True):
            values, used = _known(column, weights, name)
            order = np.argsort(values)
            middle = np.cumsum(used[order]) - used[order] / 2  # midpoints: symmetric at both ends
            self.pit_[name] = values[order]
            self.share_[name] = middle / used.sum()
        return self

    def pit(self, prediction, labels):
        """PIT after recalibration (n, 5)."""
        raw = pit(prediction, labels)
        columns = [
            np.interp(column, self.pit_[name], self.share_[name], left=0.0, right=1.0)
            for name, column in zip(JUDGED, raw.T, strict=True)
        ]
        return np.where(np.isfinite(raw), np.column_stack(columns), np.nan)

    def interval(self, prediction, level=LEVELS["68%"]):
        """Central intervals after recalibration.

        Parameters
        ----------
        prediction : Prediction
        level : float
            Their probability content.

        Returns
        -------
        low, high : ndarray (n, 5)
            In the labels' units, as `JUDGED`; not symmetric about the prediction where the
            method is biased.
        """
        predicted, sigma = judged(prediction)
        ends = [[self._pull(name, share) for name in JUDGED]
                for share in ((1 - level) / 2, (1 + level) / 2)]  # fmt: skip
        return tuple(predicted + sigma * np.array(end) for end in ends)

    def _pull(self, name, share):
        """Pull below which a share of the validation spectra lies."""
        pulled = ndtri(np.clip(self.pit_[name], 1e-16, 1 - 1e-16))  # PIT may round to 0 or 1
        return np.interp(share, self.share_[name], pulled)


def known_answer(claimed=0.5, n=4000, seed=SEED):
    """Recalibrate Gaussian errors of which a known share is claimed.

    Parameters
    ----------
    claimed : float
        Share of its true errors that the made-up method claims.
    n : int
        Spectra to learn from, and as many to judge.
    seed : int

    Returns
    -------
    pandas.DataFrame
        By label and for the joint ellipse: ``factor`` found (1 / `claimed`; the ellipse needs 1
        more), and the coverage of 68% regions ``before`` and ``after`` on the judged spectra.
    """
    random = rng("recalibration known answer", seed)
    sigma = np.array([100.0, 0.2, 0.1, 0.15])
    truth = random.normal([5200, 2.5, -2.0, -1.2], [500, 1, 0.7, 0.7], (2 * n, 4))
    shape = 0.5 * (np.eye(4) + 1) * np.outer(sigma, sigma)  # every correlation is one half
    covariance = random.uniform(0.5, 2, (2 * n, 1, 1)) ** 2 * shape
    error = np.linalg.cholesky(covariance) @ random.standard_normal((2 * n, 4, 1))
    halves = [Prediction((truth + error[:, :, 0])[rows], claimed**2 * covariance[rows])
              for rows in (slice(0, n), slice(n, None))]  # fmt: skip
    scale = ScaleErrors().fit(halves[0], truth[:n])
    before = distances(halves[1], truth[n:])
    after = distances(scale.apply(halves[1]), truth[n:])
    after[JOINT] = distances(scale.apply(halves[1], joint=True), truth[n:])[JOINT]
    factor = dict(zip(LABELS, scale.scale_, strict=True)) | {JOINT: scale.joint_}
    level = LEVELS["68%"]
    return pd.DataFrame.from_dict(
        {name: {"factor": factor[name], "before": np.mean(before[name] <= level),
                "after": np.mean(after[name] <= level)} for name in factor},
        orient="index")  # fmt: skip
