"""Zero points of the sky model: what its labels are off on stars of known labels.

Synthetic spectra have errors of their own (line data, LTE, one dimension), and the network that
learned from them inherits these. Their smooth part, linear in the predicted labels, is measured
on the development half of the MILES stars and taken off. No weight of a network changes, the test
half stays unseen, and raw labels remain at hand. Carbon has too few stars for a fit of its own:
it follows the other labels by the network's own covariance.

``python -m cemp.transfer.zeropoint --folder build/sky --real ../shared/real`` writes
``zero_point.json`` beside the weights.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from cemp.atomic import atomic_path
from cemp.constants import LABELS
from cemp.errors import BadInputError

#: Labels that are fitted, and where the terms of the correction are zero, with their units.
FITTED = LABELS[:3]
CENTRE, SCALE = np.array([5200.0, 3.0, -0.5]), np.array([1000.0, 1.0, 1.0])
#: Fewer stars than this settle no four coefficients.
LEAST_STARS = 40
#: The file beside the weights.
FILE = "zero_point.json"


@dataclass(frozen=True)
class ZeroPoint:
    """Correction of the labels, linear in the labels themselves.

    Attributes
    ----------
    coefficients : ndarray, shape (3, 4)
        For teff [K], logg, fe_h [dex]: constant, and change per 1000 K, per dex of log g and
        per dex of [Fe/H] from `CENTRE`.
    low, high : ndarray, shape (3,)
        Range of the stars that fixed it, in predicted labels; beyond it the correction is that
        of the edge.
    n : int
        Number of these stars.
    """

    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int = 0

    @classmethod
    def fit(cls, predicted, literature):
        """Measure the correction.

        Parameters
        ----------
        predicted : ndarray, shape (n, 4)
            Raw labels of the network.
        literature : ndarray, shape (n, 3)
            teff [K], logg, fe_h of the same stars; rows with NaN are left out.

        Returns
        -------
        ZeroPoint

        Raises
        ------
        BadInputError
            If fewer than `LEAST_STARS` remain.
        """
        x, y = np.asarray(predicted, float)[:, :3], np.asarray(literature, float)
        known = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        if known.sum() < LEAST_STARS:
            raise BadInputError(f"{known.sum()} stars with known labels are too few for zero "
                                f"points: at least {LEAST_STARS}")
        x, y = x[known], y[known]
        low, high = np.percentile(x, [2, 98], axis=0)  # one odd star must not widen the range
        terms = _terms(x, low, high)
        rows = [_robust_fit(terms, error) for error in (x - y).T]
        return cls(np.array(rows), low, high, int(known.sum()))

    def error(self, labels):
        """Correction at given labels.

        Parameters
        ----------
        labels : ndarray, shape (n, 4)
            Raw labels.

        Returns
        -------
        ndarray, shape (n, 3)
            To be subtracted from teff [K], logg, fe_h.
        """
        return _terms(np.asarray(labels, float)[:, :3], self.low, self.high) @ self.coefficients.T

    def apply(self, labels, covariance):
        """Correct labels.

        Parameters
        ----------
        labels : ndarray, shape (n, 4)
            Raw labels.
        covariance : ndarray, shape (n, 4, 4)
            The network's. Its errors of [C/H] go with those of the other labels; if these are
            known to be off by d, the expectation of [C/H]'s is S_c3 S_33^-1 d (mean of a
            conditional normal distribution).

        Returns
        -------
        ndarray, shape (n, 4)
        """
        labels, covariance = np.asarray(labels, float), np.asarray(covariance, float)
        shift = self.error(labels)
        slope = np.linalg.solve(covariance[:, :3, :3], covariance[:, :3, 3:])[..., 0]
        carbon = np.einsum("ni,ni->n", slope, shift)
        return labels - np.column_stack([shift, carbon])

    def save(self, folder):
        """Write ``zero_point.json`` into a folder."""
        record = {"labels": list(FITTED), "coefficients": self.coefficients.tolist(),
                  "centre": CENTRE.tolist(), "scale": SCALE.tolist(), "low": self.low.tolist(),
                  "high": self.high.tolist(), "n": self.n}
        with atomic_path(Path(folder) / FILE) as path:
            path.write_text(json.dumps(record, indent=1) + "\n")

    @classmethod
    def load(cls, folder):
        """Read ``zero_point.json``; None if the folder has none.

        Raises
        ------
        BadInputError
            If the file is of another version.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text())
            if (record["labels"], record["centre"], record["scale"]) != (
                    list(FITTED), CENTRE.tolist(), SCALE.tolist()):
                raise ValueError("other labels or units")
            arrays = (np.array(record[name], float) for name in ("coefficients", "low", "high"))
            return cls(*arrays, record["n"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"{path}: no zero points of this version ({error}); measure them "
                                "again with python -m cemp.transfer.zeropoint") from error


def _terms(labels, low, high):
    """Constant and linear terms (n, 4), held constant beyond the calibrated range."""
    scaled = (np.clip(labels, low, high) - CENTRE) / SCALE
    return np.column_stack([np.ones(len(labels)), scaled])


def _robust_fit(terms, error):
    """Linear fit in which far-off stars count little (soft L1 beyond the robust scatter)."""
    start = np.linalg.lstsq(terms, error, rcond=None)[0]
    residual = error - terms @ start
    scale = 1.4826 * np.median(np.abs(residual - np.median(residual)))
    return least_squares(lambda c: terms @ c - error, start, loss="soft_l1",
                         f_scale=max(scale, 1e-6)).x


def main(arguments=None):
    """Measure the zero points of a trained model on the development half of MILES."""
    from cemp.transfer.miles import read_labels, read_miles
    from cemp.transfer.model import SkyModel
    from cemp.transfer.stars import vectors

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/sky"), help="trained model")
    parser.add_argument("--real", type=Path, default=Path("../shared/real"), help="holds miles/")
    options = parser.parse_args(arguments)
    table = read_labels(options.real / "miles")
    spectra, labels = read_miles(options.real / "miles",
                                 table["dev"] & table["teff"].between(4000, 7000))
    flux, _, good, rows, _ = vectors(spectra)
    predicted, *_ = SkyModel.load(options.folder).predict(flux, good, raw=True)
    zero = ZeroPoint.fit(predicted, labels[list(FITTED)].to_numpy()[rows])
    zero.save(options.folder)
    print(f"{zero.n} stars;", {name: row.round(3).tolist()
                               for name, row in zip(FITTED, zero.coefficients, strict=True)})


if __name__ == "__main__":
    main()
