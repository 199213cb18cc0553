"""What carbon would be known from the other labels alone: the bar that [C/H] must clear."""

import numpy as np

from cemp.errors import BadInputError


class LabelRegression:
    """Quadratic regression of one label on others.

    A network that learnt no carbon feature could still predict [C/H] from how carbon follows
    the other labels in its training sample; this is the best smooth guess of that kind.

    Attributes
    ----------
    mean_, scale_ : ndarray, shape (n_in,)
        Standardisation of the inputs, from the training rows.
    coefficients_ : ndarray
        Of the constant, linear, square and product terms.
    range_ : (float, float)
        Range of the target in training; predictions are kept inside, which favours this
        baseline where a quadratic would run away.
    """

    def fit(self, inputs, target):
        """Fit by least squares.

        Parameters
        ----------
        inputs : ndarray, shape (n, n_in)
            Labels to predict from; rows with NaN here or in `target` are left out.
        target : ndarray, shape (n,)

        Returns
        -------
        LabelRegression
            Itself.

        Raises
        ------
        BadInputError
            If fewer rows than coefficients are complete.
        """
        rows = np.isfinite(inputs).all(axis=1) & np.isfinite(target)
        inputs, target = np.asarray(inputs, float)[rows], np.asarray(target, float)[rows]
        n_in = inputs.shape[1]
        if len(target) < (n_in + 1) * (n_in + 2) // 2:
            raise BadInputError(
                f"only {len(target)} complete training rows for the regression on labels; "
                "look at the counts that 01_crossmatch prints"
            )
        self.mean_, self.scale_ = inputs.mean(axis=0), inputs.std(axis=0)
        self.coefficients_ = np.linalg.lstsq(self._terms(inputs), target, rcond=None)[0]
        self.range_ = (target.min(), target.max())
        return self

    def predict(self, inputs):
        """Predict the label.

        Parameters
        ----------
        inputs : ndarray, shape (n, n_in)

        Returns
        -------
        ndarray, shape (n,)
            NaN where an input is.
        """
        return np.clip(self._terms(np.asarray(inputs, float)) @ self.coefficients_, *self.range_)

    def _terms(self, inputs):
        """Terms of the quadratic, shape (n, n_terms)."""
        x = (inputs - self.mean_) / self.scale_
        first, second = np.triu_indices(x.shape[1])
        return np.column_stack([np.ones(len(x)), x, x[:, first] * x[:, second]])
