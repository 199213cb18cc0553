"""From a notebook's arrays to a figure in the paper, and back again without the notebook.

Each figure is one registered function of a table of arrays. `publish` keeps that table beside
the figure, so that a fresh clone redraws every figure without data or training.
"""

import logging
import os
from concurrent.futures import ProcessPoolExecutor

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.plots.style import STYLE

# embedding a font whose file bears no date would otherwise print two warnings a figure
logging.getLogger("fontTools").setLevel(logging.ERROR)

#: Figure name -> function(data) -> matplotlib Figure; filled by `figure`.
FIGURES = {}


def figure(name):
    """Register the function that draws figure `name` (a decorator).

    Parameters
    ----------
    name : str
        File stem, starting with its notebook's number: ``"02_continuum"``.

    Returns
    -------
    callable
        The decorator.
    """

    def register(function):
        if name in FIGURES:
            raise BadInputError(f"two functions want to draw figure '{name}': rename one")
        FIGURES[name] = function
        return function

    return register


def compact(data):
    """Make arrays small enough to commit: float64 becomes float32.

    Parameters
    ----------
    data : dict of str to array_like

    Returns
    -------
    dict of str to ndarray
        No object arrays, so that files load without pickle.
    """
    arrays = {}
    for key, value in data.items():
        array = np.asarray(value)
        if array.dtype == object:
            array = array.astype(str)
        arrays[key] = array.astype(np.float32) if array.dtype == np.float64 else array
    return arrays


def thin(n, most=50_000):
    """Leave out points where there are more than a figure can show, evenly along the table.

    Parameters
    ----------
    n : int
        Points there are.
    most : int
        Points drawn at most.

    Returns
    -------
    rows : slice
        The points to draw: all of them up to `most`.
    text : str
        What the figure has to say of it, to be added to a text there: empty if all are drawn.

    Examples
    --------
    >>> thin(4000)
    (slice(None, None, 1), '')
    >>> thin(7_400_000)
    (slice(None, None, 148), ', one point in 148 drawn')
    """
    step = max(-(-n // most), 1)
    return slice(None, None, step), f", one point in {step} drawn" if step > 1 else ""


def draw(name, data):
    """Draw a registered figure.

    Parameters
    ----------
    name : str
        Name it was registered under.
    data : dict of str to ndarray
        Its arrays.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context(STYLE):
        fig = FIGURES[name](data)
        fig.canvas.draw()
    return fig


def save(fig, folder, name):
    """Save a figure as PDF and PNG, free of dates so that equal data give equal files.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    folder : pathlib.Path
    name : str
    """
    with mpl.rc_context(STYLE):
        for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            with atomic_path(folder / f"{name}.{suffix}") as path:
                fig.savefig(path, format=suffix, metadata=metadata)


def publish(name, data, paths):
    """Keep a figure's arrays, draw it and save it.

    Parameters
    ----------
    name : str
        Name it was registered under.
    data : dict of str to array_like
        All that the figure shows.
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    matplotlib.figure.Figure
        Closed in pyplot, so that a notebook shows it once, as the cell's value.
    """
    folder = paths.published("figures")
    data = compact(data)
    with atomic_path(folder / "data" / f"{name}.npz") as path:
        np.savez_compressed(path, **data)
    fig = draw(name, data)
    save(fig, folder, name)
    plt.close(fig)
    return fig


def redraw(paths, n_jobs=None):
    """Redraw every figure from the arrays kept beside the figures.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.
    n_jobs : int, optional
        Processes; one a core if left out, for a figure takes two seconds.

    Returns
    -------
    list of str
        Names drawn.

    Raises
    ------
    BadInputError
        If a kept table has no drawing function any more.
    """
    folder = paths.published("figures")
    names = sorted(path.stem for path in (folder / "data").glob("*.npz"))
    with ProcessPoolExecutor(n_jobs or os.cpu_count()) as pool:
        list(pool.map(_redraw, names, [folder] * len(names)))
    return names


def _redraw(name, folder):
    """Redraw one figure, in a process that may know no figure yet."""
    import cemp.plots.all  # noqa: F401  (registers every figure)

    if name not in FIGURES:
        raise BadInputError(f"figures/data/{name}.npz has no drawing function: delete it")
    with np.load(folder / "data" / f"{name}.npz") as data:
        fig = draw(name, dict(data))
    save(fig, folder, name)
    plt.close(fig)
