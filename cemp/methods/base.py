"""What every method is: fit on labelled spectra, predict labels, with covariance if it can."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.models.loss import bin_weights
from cemp.models.scaler import LabelScaler


@dataclass(frozen=True)
class Prediction:
    """Labels of spectra, and the covariance of their errors where a method gives one.

    Parameters
    ----------
    labels : ndarray (n, 4)
        teff [K], logg [dex], fe_h [dex], c_h [dex]; NaN where a method gives no answer.
    covariance : ndarray (n, 4, 4), optional
        In products of these units; None for a method that gives no errors.
    """

    labels: np.ndarray
    covariance: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)


class Method(ABC):
    """A way from spectra to labels.

    Spectra are objects with arrays ``obsid`` (n,), ``flux``, ``ivar`` (n, n_pix) and ``good``
    (n, n_pix) of bool: `cemp.vectors.Vectors` or `cemp.models.data.Sample`. Labels are (n, 4),
    NaN where missing or only a limit. Settings are constructor arguments, kept under the same
    name; what is learned ends in an underscore. Everything random follows from `seed`.

    Attributes
    ----------
    name : str
        As tables and figures call it.
    """

    name = ""

    @abstractmethod
    def fit(self, spectra, labels, validation=None):
        """Learn from labelled spectra.

        Parameters
        ----------
        spectra : object
            The training rows.
        labels : ndarray (n, 4)
        validation : tuple of (object, ndarray (m, 4)), optional
            Spectra and labels for choosing when to stop; never learned from.

        Returns
        -------
        Method
            Itself.
        """

    @abstractmethod
    def predict(self, spectra):
        """Predict labels.

        Parameters
        ----------
        spectra : object

        Returns
        -------
        Prediction
            In the order of the spectra.
        """

    @property
    def n_parameters(self):
        """Numbers learned from the training rows."""
        raise NotImplementedError


def complete(labels, least, who):
    """Find the rows that have all labels, and refuse too few.

    Parameters
    ----------
    labels : ndarray (n, 4)
    least : int
        Fewest rows that a method can be fitted to.
    who : str
        Name of the method, for the message.

    Returns
    -------
    ndarray (n,) of bool

    Raises
    ------
    BadInputError
        If fewer than `least` rows are complete.
    """
    rows = np.isfinite(labels).all(axis=1)
    if rows.sum() < least:
        raise BadInputError(
            f"{who} needs at least {least} spectra with all labels, got {rows.sum()}: "
            "enlarge the training sample"
        )
    return rows


def validation_loss(predicted, labels, scaler=None):
    """Score predictions as MACRN's training does: the number by which settings are chosen.

    Squared errors of labels in units of their scatter, every half-dex bin of [Fe/H] alike.

    Parameters
    ----------
    predicted, labels : ndarray (n, 4)
        Missing labels are left out; a missing prediction counts as one scatter.
    scaler : cemp.models.scaler.LabelScaler, optional
        Of the training labels; fitted to `labels` if left out.

    Returns
    -------
    float

    Examples
    --------
    >>> truth = np.array([[5000, 2, -1, -1], [6000, 4, -2, -1.5], [5500, 3, 0, 0.2]])
    >>> validation_loss(truth, truth)
    0.0
    """
    scaler = scaler or LabelScaler().fit(labels)
    difference = scaler.transform(predicted) - scaler.transform(labels)
    known = np.isfinite(labels)
    squared = np.where(known, np.where(np.isfinite(difference), difference**2, 1.0), 0.0)
    weight = bin_weights(labels[:, LABELS.index("fe_h")])[:, None] * known
    return float(np.sum(weight * squared) / np.sum(weight))
