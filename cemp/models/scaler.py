"""Labels and pixels in units of their scatter; fitted on training rows and on nothing else."""

from dataclasses import dataclass

import numpy as np

from cemp.constants import LABELS
from cemp.errors import BadInputError


@dataclass
class LabelScaler:
    """Subtract the mean of each label and divide by its standard deviation.

    Missing labels (NaN) are left out of both and stay NaN.

    Attributes
    ----------
    mean_, scale_ : ndarray (4,)
        In physical units: K, dex, dex, dex.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[4000, 1, -3, np.nan], [6000, 3, -1, -2], [5000, 2, -2, -1]])
    >>> LabelScaler().fit(labels).mean_.tolist()
    [5000.0, 2.0, -2.0, -1.5]
    """

    mean_: np.ndarray | None = None
    scale_: np.ndarray | None = None

    def fit(self, labels):
        """Learn mean and scatter.

        Parameters
        ----------
        labels : ndarray (n, 4)
            Labels of the training rows, NaN where missing.

        Returns
        -------
        LabelScaler
            Itself.

        Raises
        ------
        BadInputError
            If a label has fewer than two values, or only one value.
        """
        labels = np.asarray(labels, dtype=float)
        for name, column in zip(LABELS, labels.T, strict=True):
            if np.unique(column[np.isfinite(column)]).size < 2:
                raise BadInputError(
                    f"training rows have no two different values of '{name}': add stars that "
                    "have it to 01/labels.parquet"
                )
        self.mean_ = np.nanmean(labels, axis=0)
        self.scale_ = np.nanstd(labels, axis=0)
        return self

    def transform(self, labels):
        """Standardise labels (n, 4)."""
        return (np.asarray(labels, dtype=float) - self.mean_) / self.scale_

    def inverse(self, scaled):
        """Bring standardised labels (n, 4) back to K and dex."""
        return np.asarray(scaled, dtype=float) * self.scale_ + self.mean_


def pixel_scale(flux, good, floor=0.02):
    """Learn the mean spectrum and the scatter of each pixel.

    Deep lines would else drown the weak ones that metal-poor stars are judged by; SLAM
    (Zhang et al. 2020, ApJS 246, 9) standardises its pixels too.

    Parameters
    ----------
    flux : ndarray (n, n_pix)
        Normalised flux of the training rows.
    good : ndarray (n, n_pix) of bool
        Other pixels do not count.
    floor : float
        Added in quadrature [normalised flux]: the noise of a good spectrum, so that empty
        continuum is not blown up.

    Returns
    -------
    mean, scale : ndarray (n_pix,)
        Of flux - 1. A pixel that no row has gets mean 0.

    Examples
    --------
    >>> import numpy as np
    >>> flux = np.array([[0.5, 9.0], [0.7, 0.9]])
    >>> mean, scale = pixel_scale(flux, np.array([[True, False], [True, True]]), floor=0)
    >>> mean.round(3).tolist(), scale.round(3).tolist()
    ([-0.4, -0.1], [0.1, 0.0])
    """
    mean, scale = np.empty((2, flux.shape[1]))
    for start in range(0, flux.shape[1], 1024):  # some pixels at a time, to save memory
        part = slice(start, start + 1024)
        mean[part], scale[part] = _pixel_scale(flux[:, part], good[:, part], floor)
    return mean, scale


def _pixel_scale(flux, good, floor):
    """Mean and scatter of some pixels."""
    good = good & np.isfinite(flux)
    depth = np.where(good, flux - 1, 0).astype(float)
    count = np.maximum(good.sum(axis=0), 1)
    mean = depth.sum(axis=0) / count
    variance = np.where(good, (depth - mean) ** 2, 0).sum(axis=0) / count
    return mean, np.sqrt(variance + floor**2)
