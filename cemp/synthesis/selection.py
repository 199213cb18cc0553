"""Which of the 865,461 lines can matter in any star of the grid.

`strengths` computes the opacity of every line, over the continuum's, at its centre in eight
extreme stars (five minutes). What follows from it ships with the package, 100 kB, so that nobody
has to wait for it: a bit for each line of the table that `cemp.synthesis.lines.read_lines` makes,
with the table's fingerprint, so that it cannot be put on another table.
"""

from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.synthesis.abundances import abundances
from cemp.synthesis.atmosphere import structure
from cemp.synthesis.stars import Star

#: The selection that ships.
SELECTION = Path(__file__).resolve().parent.parent / "data" / "line_selection.npz"
#: Lines stronger than this share of the continuum's opacity in any extreme star are kept; spectra
#: are computed with 3e-3. TiO must reach 3e-3 in the first, a cool giant of solar metallicity.
WEAKEST, WEAKEST_TIO = 1e-3, 3e-3


def _extreme(teff, logg, fe_h, c_fe):
    """Star of the grid's corners; [alpha/Fe] rises to 0.4 at [Fe/H] = -1."""
    return Star(teff, logg, fe_h, c_fe, float(np.clip(-0.4 * fe_h, 0, 0.4)))


#: Stars in which a line would show if it shows anywhere: cool, metal-rich, carbon-rich, hot.
EXTREMES = (
    _extreme(4000, 1.0, 0.0, 0.3), _extreme(4000, 4.5, 0.0, 0.0), _extreme(4500, 1.5, -1.0, 1.5),
    _extreme(4000, 0.8, -2.0, 2.5), _extreme(5000, 2.0, 0.0, 0.0), _extreme(6500, 4.0, 0.0, 0.5),
    _extreme(5000, 2.0, -2.0, 3.0), _extreme(6000, 4.0, -2.0, 2.5),
)


def strengths(library, weights, lines, star):
    """Compute the opacity over the continuum's of all lines in a star.

    Parameters
    ----------
    library : cemp.synthesis.sme.SMElib
    weights : dict of ndarray
        Of the atmospheres.
    lines : cemp.synthesis.lines.Lines
    star : cemp.synthesis.stars.Star

    Returns
    -------
    ndarray of float32, shape (n_line,)
    """
    a = abundances(star.fe_h, star.alpha_fe, star.c_fe, star.n_fe)
    atmosphere = structure(weights, star.teff, star.logg, star.fe_h, star.alpha_fe, a)
    library.set_star(star, lines, atmosphere, a, "adaptive", scattering=True)
    return library.strengths(3680.0, 9120.0, 1e-4)[0].astype(np.float32)


def select(lines, ratios):
    """Tell which lines to keep.

    Parameters
    ----------
    lines : cemp.synthesis.lines.Lines
    ratios : ndarray, shape (n_star, n_line)
        From `strengths`, of `EXTREMES` in their order.

    Returns
    -------
    ndarray of bool, shape (n_line,)
    """
    tio = lines.species == "TiO 1"
    return (ratios.max(axis=0) > WEAKEST) & (~tio | (ratios[0] > WEAKEST_TIO))


def write_selection(lines, keep, path=SELECTION):
    """Write a selection of a table of lines."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, keep=np.packbits(keep), n_line=len(lines),
                            fingerprint=lines.fingerprint())


def selected(lines, path=SELECTION):
    """Take the selected lines of a table.

    Parameters
    ----------
    lines : cemp.synthesis.lines.Lines
        All lines.
    path : str or pathlib.Path

    Returns
    -------
    cemp.synthesis.lines.Lines

    Raises
    ------
    BadInputError
        If the selection is missing or was made for another table.
    """
    if not Path(path).is_file():
        raise BadInputError(f"{path} is missing: check it out again, or make it with "
                            "python -m cemp.synthesis.run --select-lines")
    with np.load(path) as stored:
        if str(stored["fingerprint"]) != lines.fingerprint():
            raise BadInputError(f"{path} belongs to another table of lines: make a new one with "
                                "python -m cemp.synthesis.run --select-lines")
        keep = np.unpackbits(stored["keep"], count=int(stored["n_line"])).astype(bool)
    return lines.select(keep)
