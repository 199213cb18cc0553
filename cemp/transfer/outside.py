"""A flag for spectra that the training does not cover, from three independent signs.

1. *Labels*: the predicted labels lie outside the region of the training labels or in its margin.
2. *Reconstruction*: what the training spectra consist of does not make up the spectrum.
3. *Error*: the network's members disagree, or it says itself that it does not know.

Each sign has a threshold that a stated share of training-like spectra exceeds, set at every S/N,
so that noise alone raises no flag. A flag does not say what the object is.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.transfer.coverage import coverage
from cemp.transfer.hull import FACES, HullSettings, hull_depth
from cemp.transfer.reconstruct import (
    BLOCK_EDGES,
    Basis,
    BasisSet,
    BasisSettings,
    check_vectors,
    every,
    typical_snr,
)

#: What is stored of a basis, and in which precision.
STORED = {"mean": np.float32, "rows": np.float16, "variance": np.float64, "floor": np.float32}


@dataclass(frozen=True)
class DomainSettings:
    """When a spectrum counts as outside.

    Parameters
    ----------
    false_alarm : float
        Share of training-like spectra that may fail the reconstruction. Half of the 3% are the
        coolest carbon-rich giants, whose bands are furthest from a sum of components. Of 176
        MILES stars of 4300-7000 K (development half, on which this was chosen) 2 fail; all 10
        below 3700 K do.
    error_alarm : float
        The same for the network's errors; 1%, as there is no such tail.
    n_knots : int
        Bins of S/N in which normal values are measured.
    basis : BasisSettings
    hull : HullSettings
    """

    false_alarm: float = 0.03
    error_alarm: float = 0.01
    n_knots: int = 6
    basis: BasisSettings = field(default_factory=BasisSettings)
    hull: HullSettings = field(default_factory=HullSettings)


@dataclass(frozen=True)
class Curve:
    """What values are normal at each S/N.

    Parameters
    ----------
    ln_snr, middle, upper : ndarray, shape (n_knots,)
        Median and 95th percentile of bins of equal number in ln(S/N).
    """

    ln_snr: np.ndarray
    middle: np.ndarray
    upper: np.ndarray

    @classmethod
    def fit(cls, values, snr, n_knots):
        """Measure the curve from values (n,) of training-like spectra of given S/N (n,)."""
        used = np.isfinite(values) & (snr > 0)
        if used.sum() < 20 * n_knots:
            raise BadInputError(
                f"{used.sum()} spectra to set a threshold from: {20 * n_knots} are needed"
            )
        values, ln_snr = values[used], np.log(snr[used])
        parts = np.array_split(np.argsort(ln_snr, kind="stable"), n_knots)
        middle, upper = np.transpose([np.percentile(values[p], [50, 95]) for p in parts])
        return cls(np.array([np.median(ln_snr[p]) for p in parts]), middle, upper)

    def standard(self, values, snr):
        """Values (n,) in units of the normal ones: median 0, 95th percentile 1."""
        ln_snr = np.log(np.maximum(snr, 1e-3))
        middle = np.interp(ln_snr, self.ln_snr, self.middle)
        return (values - middle) / (np.interp(ln_snr, self.ln_snr, self.upper) - middle)


class Domain:
    """What the training covers.

    Parameters
    ----------
    settings : DomainSettings, optional

    Attributes
    ----------
    bases_ : cemp.transfer.reconstruct.BasisSet
    curves_ : dict of str to Curve
        Normal misfit of each block (``block0`` ...), and the normal logarithm of each label's
        error and spread (``error_teff``, ``spread_teff`` ...).
    limits_ : dict of str to float
        Thresholds of the scores ``reconstruction`` and ``error``.

    Examples
    --------
    >>> domain = Domain().fit(flux, ivar, good, labels)               # doctest: +SKIP
    >>> domain.flags(flux, ivar, good, labels)[["outside", "reason"]]  # doctest: +SKIP
    """

    def __init__(self, settings=None):
        self.settings = settings or DomainSettings()
        self.curves_, self.limits_ = {}, {}

    def fit(self, flux, ivar, good, labels=None, covariance=None, spread=None, star=None):
        """Learn what training-like spectra look like.

        Parameters
        ----------
        flux, ivar, good : ndarray, shape (n, n_pix)
            Preprocessed synthetic spectra, randomised as in training, of every S/N. Two in three
            make the components, the third sets thresholds.
        labels : ndarray, shape (n, 4), optional
            Their true labels: each kind of stars then gets components of its own.
        covariance : ndarray, shape (n, 4, 4), optional
            The network's error of their labels. The network must not have been trained on these
            very spectra: it is surer of what it knows.
        spread : ndarray, shape (n, 4), optional
            Scatter between the members.
        star : array_like, shape (n,), optional
            Number or name of the star of each spectrum: those of a star stay together, so that
            thresholds come from stars that made no component.

        Returns
        -------
        Domain
            Itself.

        Raises
        ------
        BadInputError
            If there are too few spectra.
        """
        flux, ivar, good = check_vectors(flux, ivar, good)
        apart = every(3, len(flux), star)
        labels, star = (None if a is None else np.asarray(a)[~apart] for a in (labels, star))
        self.bases_ = BasisSet(self.settings.basis).fit(
            flux[~apart], ivar[~apart], good[~apart], labels, star
        )
        self._fit_reconstruction(flux[apart], ivar[apart], good[apart])
        if covariance is not None:
            self.fit_error(typical_snr(ivar, good), covariance, spread)
        return self

    def fit_error(self, snr, covariance, spread=None):
        """Learn how large the network's errors normally are; may follow `fit`.

        Parameters
        ----------
        snr : ndarray, shape (n,)
            As of `cemp.transfer.reconstruct.typical_snr`.
        covariance, spread
            As for `fit`.

        Returns
        -------
        Domain
            Itself.
        """
        values = _error_values(covariance, spread)
        n_knots = self.settings.n_knots
        self.curves_ |= {name: Curve.fit(v, snr, n_knots) for name, v in values.items()}
        score = self._error_score(values, snr)[0]
        self.limits_["error"] = float(np.nanquantile(score, 1 - self.settings.error_alarm))
        return self

    def _fit_reconstruction(self, flux, ivar, good):
        misfit, _, snr, _ = self.bases_.misfit(flux, ivar, good)
        for block, (values, at) in enumerate(zip(misfit.T, snr.T, strict=True)):
            self.curves_[f"block{block}"] = Curve.fit(values, at, self.settings.n_knots)
        score = self._block_score(misfit, snr)[0]
        self.limits_["reconstruction"] = float(
            np.nanquantile(score, 1 - self.settings.false_alarm)
        )

    def _block_score(self, misfit, snr):
        """Mean of a spectrum's two worst blocks (n,), and which is the worst (n,)."""
        standard = np.stack([
            self.curves_[f"block{k}"].standard(m, s)
            for k, (m, s) in enumerate(zip(misfit.T, snr.T, strict=True))
        ], axis=1)  # fmt: skip
        return _worst(standard, 2)

    def _error_score(self, values, snr):
        """Largest standardised error or spread (n,), and which it is (n,)."""
        standard = np.stack([self.curves_[k].standard(v, snr) for k, v in values.items()], axis=1)
        return _worst(standard, 1)

    def flags(self, flux, ivar, good, labels=None, covariance=None, spread=None):
        """Flag spectra that the training does not cover.

        Parameters
        ----------
        flux, ivar, good : array_like, shape (n, n_pix)
            Preprocessed spectra.
        labels : array_like, shape (n, 4), optional
            Predicted labels; without them the first sign is not looked at.
        covariance, spread : array_like, shape (n, 4, 4) and (n, 4), optional
            The network's errors; without them the third sign is not looked at.

        Returns
        -------
        pandas.DataFrame
            One row a spectrum: ``snr``; ``labels``, ``reconstruction``, ``error`` (the signs) and
            ``outside`` (any of them); ``hull_depth`` (below 0 outside, below 1 in the margin),
            ``reconstruction_score`` and ``error_score`` (1 at the threshold), NaN where a sign
            could not be looked at; ``excess`` (largest root mean square misfit of a block
            [normalised flux]); ``reason`` (text, empty if inside); and the columns of
            `cemp.transfer.coverage.coverage`.

        Raises
        ------
        BadInputError
            If the vectors are not on the grid, or errors are given to a domain that knows none.
        """
        flux, ivar, good = check_vectors(flux, ivar, good)
        snr, n = typical_snr(ivar, good), len(flux)
        table = pd.DataFrame({"snr": snr})
        misfit, excess, block_snr, _ = self.bases_.misfit(flux, ivar, good)
        score, block = self._block_score(misfit, block_snr)
        table["excess"] = np.max(np.nan_to_num(excess), axis=1)
        table["reconstruction_score"] = score / self.limits_["reconstruction"]
        depth, face = np.full(n, np.nan), np.zeros(n, dtype=int)
        if labels is not None:
            depth, face = hull_depth(labels, self.settings.hull)
        table["hull_depth"] = depth
        error, kind = self._judge_error(snr, covariance, spread)
        table["error_score"] = error
        table["labels"] = table["hull_depth"] < 1
        table["reconstruction"] = table["reconstruction_score"] > 1
        table["error"] = table["error_score"] > 1
        table["outside"] = table[["labels", "reconstruction", "error"]].any(axis=1)
        table["reason"] = _reasons(table, face, block, kind)
        return pd.concat([table, coverage(good)], axis=1)

    def _judge_error(self, snr, covariance, spread):
        """Score of the network's errors (n,) and the name of the largest (n,)."""
        if covariance is None:
            return np.full(snr.size, np.nan), [""] * snr.size
        if "error" not in self.limits_:
            raise BadInputError("this domain knows no errors: call fit_error first")
        values = _error_values(covariance, spread)
        unknown = sorted(set(values) - set(self.curves_))
        if unknown:
            raise BadInputError(f"this domain knows no {unknown[0]}: call fit_error with spread")
        score, which = self._error_score(values, snr)
        return score / self.limits_["error"], [list(values)[k] for k in which]

    def save(self, folder):
        """Write ``domain.npz`` and ``domain.json``.

        Parameters
        ----------
        folder : str or pathlib.Path
        """
        arrays = {f"curve_{k}": np.stack([c.ln_snr, c.middle, c.upper])
                  for k, c in self.curves_.items()}
        for k, basis in enumerate(self.bases_.bases_):
            arrays |= {f"{name}{k}": getattr(basis, f"{name}_").astype(kind)
                       for name, kind in STORED.items()}
        with atomic_path(Path(folder) / "domain.npz") as path:
            np.savez_compressed(path, **arrays)
        record = {"settings": asdict(self.settings), "limits": self.limits_,
                  "n_bases": len(self.bases_.bases_)}
        with atomic_path(Path(folder) / "domain.json") as path:
            path.write_text(json.dumps(record, indent=1) + "\n")

    @classmethod
    def load(cls, folder):
        """Read what `save` wrote.

        Parameters
        ----------
        folder : str or pathlib.Path

        Returns
        -------
        Domain

        Raises
        ------
        BadInputError
            If a file is missing or of another version.
        """
        try:
            record = json.loads((Path(folder) / "domain.json").read_text())
            with np.load(Path(folder) / "domain.npz") as stored:
                arrays = dict(stored)
            values = record["settings"]
            basis, hull = BasisSettings(**values.pop("basis")), HullSettings(**values.pop("hull"))
            domain = cls(DomainSettings(**values, basis=basis, hull=hull))
            domain.limits_ = record["limits"]
            domain.bases_ = BasisSet(basis)
            domain.bases_.bases_ = [Basis(basis) for _ in range(record["n_bases"])]
            for k, part in enumerate(domain.bases_.bases_):
                for name in STORED:
                    setattr(part, f"{name}_", arrays[f"{name}{k}"].astype(float))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"{folder}: no domain.npz and domain.json of this version ({error}); make them "
                "again with Domain.fit and save"
            ) from error
        domain.curves_ = {k.removeprefix("curve_"): Curve(*v) for k, v in arrays.items()
                          if k.startswith("curve_")}
        return domain


def _worst(standard, n):
    """Mean of the `n` largest of each row (n_row,), NaN left out, and the largest's column."""
    filled = np.where(np.isfinite(standard), standard, -np.inf)
    top = np.sort(filled, axis=1)[:, -n:]
    score = np.where(np.isfinite(top).all(axis=1), np.where(np.isfinite(top), top, 0).mean(1),
                     np.nan)
    return score, np.argmax(filled, axis=1)


def _error_values(covariance, spread):
    """Logarithms of errors and spreads by name: dict of str to ndarray (n,)."""
    covariance = np.asarray(covariance, dtype=float)
    if covariance.ndim != 3 or covariance.shape[1:] != (len(LABELS),) * 2:
        raise BadInputError(f"covariance {covariance.shape} must be (n, 4, 4)")
    values = {}
    for k, name in enumerate(LABELS):
        values[f"error_{name}"] = 0.5 * np.log(np.maximum(covariance[:, k, k], 1e-12))
        if spread is not None:
            values[f"spread_{name}"] = np.log(np.maximum(np.asarray(spread)[:, k], 1e-6))
    return values


def _reasons(table, face, block, kind):
    """Short text for each row: what raised a flag."""
    reasons = []
    for k, row in enumerate(table.itertuples()):
        parts = []
        if row.labels:
            parts.append(FACES[face[k]] if row.hull_depth < 0 else f"{FACES[face[k]]} (edge)")
        if row.reconstruction:
            low, high = BLOCK_EDGES[block[k]], BLOCK_EDGES[block[k] + 1]
            parts.append(f"spectrum unlike training at {low:.0f}-{high:.0f} A")
        if row.error:
            parts.append(f"large {kind[k].replace('_', ' of ', 1)}")
        reasons.append("; ".join(parts))
    return reasons
