"""How far inside the region of the training labels a star's labels lie."""

from dataclasses import dataclass

import numpy as np

from cemp.constants import LABELS
from cemp.errors import BadInputError
from cemp.synthesis import design

#: What each face of the region limits, in the order of `face_distances`.
FACES = (
    "Teff too low", "Teff too high", "log g too low", "log g too high", "[Fe/H] too low",
    "[Fe/H] too high", "[C/Fe] too low", "[C/Fe] too high", "[C/H] too high",
)  # fmt: skip


@dataclass(frozen=True)
class HullSettings:
    """Margins next to a face of the region within which labels are not believed.

    A network cannot leave the labels that it was trained on by much: a star beyond a face is
    given labels close to it. So the margin, and not the face, tells such stars.

    Parameters
    ----------
    teff : float
        [K]; about the network's scatter. Hot stars and M dwarfs pile up here.
    logg, fe_h, carbon : float
        [dex]; narrow, as giants at the tip, metal-rich dwarfs and mixed giants are real and near.
    """

    teff: float = 75.0
    logg: float = 0.05
    fe_h: float = 0.05
    carbon: float = 0.03


def network_labels(grid_labels):
    """Turn grid labels (Teff, log g, [Fe/H], [C/Fe] ...) into the network's four.

    Parameters
    ----------
    grid_labels : array_like, shape (n, 6)
        In the order of `cemp.synthesis.grid.GRID_LABELS`.

    Returns
    -------
    ndarray, shape (n, 4)
        In the order of `cemp.constants.LABELS`: [C/H] in place of [C/Fe].
    """
    labels = np.array(np.atleast_2d(grid_labels), dtype=float)[:, : len(LABELS)]
    labels[:, 3] += labels[:, 2]
    return labels


def face_distances(labels):
    """Distance of labels from each face of the design's region, positive inside.

    Parameters
    ----------
    labels : array_like, shape (n, 4)
        teff [K], logg, fe_h, c_h [dex].

    Returns
    -------
    ndarray, shape (n, 9)
        In the order of `FACES`, in the unit of the label.

    Raises
    ------
    BadInputError
        If there are not four labels.

    Examples
    --------
    >>> face_distances([[7000.0, 4.0, -1.0, -1.0]])[0, :2].tolist()
    [3100.0, 100.0]
    """
    labels = np.atleast_2d(np.asarray(labels, dtype=float))
    if labels.shape[1] != len(LABELS):
        raise BadInputError(f"labels {labels.shape} must be (n, {len(LABELS)}): {LABELS}")
    teff, logg, fe_h, c_h = labels.T
    c_fe = c_h - fe_h
    return np.stack([
        teff - design.TEFF_RANGE[0], design.TEFF_RANGE[1] - teff,
        logg - np.interp(teff, *design.LOGG_LOW), np.interp(teff, *design.LOGG_HIGH) - logg,
        fe_h - design.FE_H_RANGE[0], design.FE_H_RANGE[1] - fe_h,
        c_fe - design.C_FE_LOW, design.C_FE_HIGH - c_fe, design.C_H_HIGH - c_h,
    ], axis=1)  # fmt: skip


def hull_depth(labels, settings=None):
    """How deep labels lie inside the region, in units of the margin of the nearest face.

    Parameters
    ----------
    labels : array_like, shape (n, 4)
    settings : HullSettings, optional

    Returns
    -------
    depth : ndarray, shape (n,)
        Below 0 outside, below 1 in the margin; NaN if a label is missing.
    face : ndarray of int, shape (n,)
        Nearest face, a position in `FACES`.
    """
    s = settings or HullSettings()
    margin = np.repeat([s.teff, s.logg, s.fe_h, s.carbon], [2, 2, 2, 3])
    distance = face_distances(labels) / margin
    known = np.isfinite(distance).all(axis=1)
    distance = np.where(known[:, None], distance, np.inf)
    face = np.argmin(distance, axis=1)
    depth = distance[np.arange(len(face)), face]
    return np.where(known, depth, np.nan), face
