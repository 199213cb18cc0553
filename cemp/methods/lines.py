"""Labels from line indices: a random forest and support-vector regression.

What was done before whole spectra were: a few dozen numbers, each of which a person can
name. The bands of `cemp.indices` and the rest of the Lick system's.
"""

import numpy as np
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from cemp.constants import LABELS, SEED, WAVE, rng
from cemp.indices import BANDS, LICK, Band, magnitude, pseudo_equivalent_width
from cemp.methods.base import Method, Prediction, complete
from cemp.methods.training import noise_augment, varied
from cemp.models.loss import bin_weights
from cemp.models.scaler import LabelScaler
from cemp.sample import balanced_draw

TRAGER = "Trager et al. 1998, ApJS 116, 1"
OTTAVIANI = "Worthey & Ottaviani 1997, ApJS 111, 377"
CENARRO = "Cenarro et al. 2001, MNRAS 326, 959"
#: Bands beside those of `cemp.indices`, air.
MORE_BANDS = {
    "cn1": Band((4142.125, 4177.125), ((4080.125, 4117.625), (4244.125, 4284.125)), LICK, True),
    "ca4227": Band((4222.25, 4234.75), ((4211, 4219.75), (4241, 4251)), LICK),
    "hgamma": Band((4331.25, 4352.25), ((4283.5, 4319.75), (4354.75, 4384.75)), OTTAVIANI),
    "fe4383": Band((4369.125, 4420.375), ((4359.125, 4370.375), (4442.875, 4455.375)), LICK),
    "ca4455": Band((4452.125, 4474.625), ((4445.875, 4454.625), (4477.125, 4492.125)), LICK),
    "fe4531": Band((4514.25, 4559.25), ((4504.25, 4514.25), (4560.5, 4579.25)), LICK),
    "c4668": Band((4634, 4720.25), ((4611.5, 4630.25), (4742.75, 4756.5)), LICK),
    "fe5015": Band((4977.75, 5054), ((4946.5, 4977.75), (5054, 5065.25)), LICK),
    "mg1": Band((5069.125, 5134.125), ((4895.125, 4957.625), (5301.125, 5366.125)), LICK, True),
    "mg2": Band((5154.125, 5196.625), ((4895.125, 4957.625), (5301.125, 5366.125)), LICK, True),
    "fe5270": Band((5245.65, 5285.65), ((5233.15, 5248.15), (5285.65, 5318.15)), LICK),
    "fe5335": Band((5312.125, 5352.125), ((5304.625, 5317.25), (5353.375, 5363.375)), TRAGER),
    "fe5406": Band((5387.5, 5415), ((5376.25, 5387.5), (5415, 5425)), LICK),
    "fe5782": Band((5776.625, 5796.625), ((5765.375, 5775.375), (5797.875, 5811.625)), LICK),
    "ca8498": Band((8484, 8513), ((8474, 8484), (8563, 8577)), CENARRO),
    "ca8662": Band((8642, 8682), ((8619, 8642), (8700, 8725)), CENARRO),
}
ALL_BANDS = BANDS | MORE_BANDS


def measure_bands(flux, ivar, good):
    """Measure all indices, and how rough a spectrum is.

    Parameters
    ----------
    flux, ivar : ndarray (n, n_pix)
        On `cemp.constants.WAVE`.
    good : ndarray (n, n_pix) of bool

    Returns
    -------
    ndarray (n, 1 + number of bands)
        First the logarithm of the median difference between a pixel and the mean of those two
        beside it, which tells how far to trust the rest; then the indices in the order of
        `ALL_BANDS`, NaN where a band is not covered.
    """
    good = good & np.isfinite(flux)
    level = np.where(good, flux, np.nan)
    difference = np.abs(level[:, 4:] - 0.5 * (level[:, 2:-2] + level[:, :-4]))
    with np.errstate(invalid="ignore"):
        enough = good.mean(axis=1) > 0.1
        rough = np.full(len(flux), np.nan)
        rough[enough] = np.log10(np.nanmedian(difference[enough], axis=1) + 1e-4)
    values = [rough]
    for band in ALL_BANDS.values():
        index = magnitude if band.magnitude else pseudo_equivalent_width
        values.append(index(WAVE, flux, ivar, good, band)[0])
    return np.stack(values, axis=1)


class _Columns:
    """Standardised indices, and for each a column that tells whether it is missing."""

    def fit(self, values):
        """Learn centre and scatter from indices (n, n_index), NaN where missing."""
        seen = np.isfinite(values).any(axis=0)
        filled = np.where(seen, values, 0)
        self.centre_ = np.nanmedian(filled, axis=0)
        low, high = np.nanpercentile(filled, [16, 84], axis=0)
        self.scale_ = np.maximum((high - low) / 2, 1e-6)
        return self

    def transform(self, values):
        """Columns (n, 2 n_index): clipped; the median where an index is missing."""
        missing = ~np.isfinite(values)
        scaled = (np.where(missing, self.centre_, values) - self.centre_) / self.scale_
        return np.hstack([np.clip(scaled, -8, 8), missing.astype(float)])


class _LineIndexMethod(Method):
    """What both share: columns of the training spectra and of varied copies of them."""

    def _learn_columns(self, spectra, random):
        """Columns (n_copies, n, n_column) of varied training spectra."""
        settings, rows = noise_augment(self.noise_fraction), np.arange(len(spectra.flux))
        values = []
        for _ in range(self.n_copies):
            flux, good = varied(spectra, rows, random, settings)
            values.append(measure_bands(flux, spectra.ivar, good))
        self.columns_ = _Columns().fit(np.concatenate(values))
        return np.stack([self.columns_.transform(value) for value in values])

    def _columns(self, spectra):
        return self.columns_.transform(measure_bands(spectra.flux, spectra.ivar, spectra.good))


class LineIndexForest(_LineIndexMethod):
    """Random forest (Breiman 2001, Machine Learning 45, 5) on line indices.

    Each tree draws stars with replacement, then spectra of these so that all [Fe/H] are as
    frequent, and of each spectrum one of its varied copies. A label's error is the spread of the
    trees times a factor that the stars a tree did not draw ("out of bag") determine; the
    correlation of errors is that of their residuals.

    Parameters
    ----------
    n_trees : int
        For each label.
    max_features : float
        Share of the columns that each split chooses from.
    min_leaf : int
        Fewest spectra in a leaf.
    n_copies : int
        Varied copies (noise, velocity, lost pixels) of each training spectrum.
    noise_fraction : float
        Share of copies that get more noise; 0 trains on bright spectra only.
    seed : int

    Attributes
    ----------
    trees_ : list of list of sklearn.tree.DecisionTreeRegressor
        By label.
    factor_ : ndarray (4,)
        Errors over the spread of the trees.
    correlation_ : ndarray (4, 4)
        Of the labels' errors.
    """

    name = "Forest"
    TRIALS = (
        {},
        {"min_leaf": 2},
        {"min_leaf": 2, "max_features": 0.6},
        {"max_features": 0.15},
        {"max_features": 0.6},
        {"noise_fraction": 0.4},
        {"noise_fraction": 0.0},
        {"n_copies": 4},
    )

    def __init__(self, n_trees=300, max_features=0.33, min_leaf=1, n_copies=12,
                 noise_fraction=0.7, seed=SEED):  # fmt: skip
        self.n_trees, self.max_features, self.min_leaf = n_trees, max_features, min_leaf
        self.n_copies, self.noise_fraction, self.seed = n_copies, noise_fraction, seed

    def fit(self, spectra, labels, validation=None):
        """Grow the trees; `validation` is not used."""
        complete(labels, 30, self.name)
        random = rng("methods forest", self.seed)
        copies = self._learn_columns(spectra, random)
        self.scaler_ = LabelScaler().fit(labels)
        target = self.scaler_.transform(labels)
        # two spectra of a star have the same labels: they are drawn, or left out, together
        star = np.unique(np.nan_to_num(labels, nan=-99), axis=0, return_inverse=True)[1].ravel()
        fixed = copies[np.arange(len(labels)) % self.n_copies, np.arange(len(labels))]
        self.trees_ = [[] for _ in LABELS]
        made = np.full((self.n_trees, *target.shape), np.nan)
        for number in range(self.n_trees):
            drawn = np.isin(star, random.integers(star.max() + 1, size=star.max() + 1))
            for k, trees in enumerate(self.trees_):
                trees.append(self._tree(copies, target[:, k], labels[:, 2], drawn, random))
                made[number, ~drawn, k] = trees[-1].predict(fixed[~drawn])
        self._calibrate(made, target)
        return self

    def predict(self, spectra):
        """Labels: the mean of the trees; errors from their spread."""
        columns = self._columns(spectra)
        made = np.array([[tree.predict(columns) for tree in trees] for trees in self.trees_])
        error = made.std(axis=1).T * self.factor_ * self.scaler_.scale_
        covariance = error[:, :, None] * error[:, None] * self.correlation_
        return Prediction(self.scaler_.inverse(made.mean(axis=1).T), covariance)

    @property
    def n_parameters(self):
        """Splits and leaves of all trees."""
        return sum(tree.tree_.node_count for trees in self.trees_ for tree in trees)

    def _tree(self, copies, target, fe_h, drawn, random):
        """Grow one tree for one label from the stars drawn."""
        rows = np.flatnonzero(drawn & np.isfinite(target) & np.isfinite(fe_h))
        rows = rows[balanced_draw(fe_h[rows], random)]
        which = random.integers(len(copies), size=len(rows))
        tree = DecisionTreeRegressor(max_features=self.max_features,
                                     min_samples_leaf=self.min_leaf,
                                     random_state=int(random.integers(2**31)))  # fmt: skip
        return tree.fit(copies[which, rows], target[rows])

    def _calibrate(self, made, target):
        """Compare residuals of stars that trees did not draw with the spread of those trees."""
        seen = np.isfinite(made).sum(axis=0).min(axis=1) > 5
        rows = np.flatnonzero(seen & np.isfinite(target).all(axis=1))
        residual = np.nanmean(made[:, rows], axis=0) - target[rows]
        pull = residual / np.maximum(np.nanstd(made[:, rows], axis=0), 1e-6)
        self.factor_ = np.quantile(np.abs(pull), 0.6827, axis=0)
        pull = np.clip(pull, -3 * self.factor_, 3 * self.factor_)
        self.correlation_ = np.corrcoef(pull.T)


class LineIndexSvm(_LineIndexMethod):
    """Support-vector regression of each label on line indices.

    Parameters
    ----------
    penalty : float
        C.
    epsilon : float
        Half width of the tube [scatter of the label].
    gamma : float
        Inverse squared width of the Gaussian kernel, over the number of columns.
    n_copies : int
        Varied copies (noise, velocity, lost pixels) of each training spectrum.
    noise_fraction : float
        Share of copies that get more noise; 0 trains on bright spectra only.
    seed : int

    Attributes
    ----------
    models_ : list of sklearn.svm.SVR
        By label.
    """

    name = "SVM"
    TRIALS = (
        {},
        {"penalty": 30.0},
        {"penalty": 3.0},
        {"gamma": 0.1},
        {"gamma": 1.0},
        {"gamma": 0.1, "penalty": 30.0},
        {"epsilon": 0.3},
        {"n_copies": 8, "epsilon": 0.3},
        {"noise_fraction": 0.4},
        {"noise_fraction": 0.0},
    )

    def __init__(self, penalty=10.0, epsilon=0.1, gamma=0.3, n_copies=4, noise_fraction=0.7,
                 seed=SEED):  # fmt: skip
        self.penalty, self.epsilon, self.gamma = penalty, epsilon, gamma
        self.n_copies, self.noise_fraction, self.seed = n_copies, noise_fraction, seed

    def fit(self, spectra, labels, validation=None):
        """Fit one regression a label; `validation` is not used."""
        complete(labels, 30, self.name)
        copies = self._learn_columns(spectra, rng("methods svm", self.seed))
        self.scaler_ = LabelScaler().fit(labels)
        self.models_ = []
        for target in self.scaler_.transform(labels).T:
            known = np.isfinite(target) & np.isfinite(labels[:, 2])
            columns = copies[:, known].reshape(-1, copies.shape[2])
            weight = np.tile(bin_weights(labels[known, 2]), self.n_copies)
            svr = SVR(C=self.penalty, epsilon=self.epsilon, gamma=self.gamma / columns.shape[1])
            self.models_.append(svr.fit(columns, np.tile(target[known], self.n_copies), weight))
        return self

    def predict(self, spectra):
        """Labels, without errors."""
        columns = self._columns(spectra)
        made = np.stack([model.predict(columns) for model in self.models_], axis=1)
        return Prediction(self.scaler_.inverse(made))

    @property
    def n_parameters(self):
        """Dual coefficients and indices of all support vectors."""
        return sum(m.dual_coef_.size + m.support_vectors_.size for m in self.models_)
