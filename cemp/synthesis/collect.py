"""Put computed spectra into the package's grid: ``python -m cemp.synthesis.collect build/grid``.

Spectra that the grid holds stay as they are, bit for bit, unless ``--replace`` is given; new ones
are added; none is lost. Only what is impossible (`cemp.synthesis.spectrum.check`) goes, so
that `make grid` computes them again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cemp.constants import air_to_vacuum
from cemp.errors import BadInputError
from cemp.synthesis.design import draw
from cemp.synthesis.grid import (
    GRID_FOLDER,
    STEP,
    Grid,
    load_grid,
    pack,
    unpack,
    write_blocks,
)
from cemp.synthesis.spectrum import CONT_AIR, WAVE_OUT, SynthesisError, check

#: Largest difference of one spectrum computed twice: the rounding of each, and a little.
TOLERANCE = 2.01 * STEP


def read_spectra(folder):
    """Read the spectra of a run.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``NNNNN.npz`` (or ``spectra/NNNNN.npz``) with `norm`, `cont`, `par` (the labels) and
        `ok`; those that are not ok or are impossible are left out, and the latter named.

    Returns
    -------
    Grid

    Raises
    ------
    BadInputError
        If a file cannot be read, has other labels than its design index, or holds something else.
    """
    folder = Path(folder)
    files = sorted({*folder.glob("[0-9]*.npz"), *folder.glob("spectra/[0-9]*.npz")})
    design = draw()
    rows = [row for path in files if (row := _read(path, design)) is not None]
    if not rows:
        raise BadInputError(f"no spectra in {folder}: run `make grid` first")
    index, norm, cont = zip(*rows, strict=True)
    index = np.array(index)
    return Grid(index, design[index], WAVE_OUT, np.array(norm, np.float32),
                air_to_vacuum(CONT_AIR), np.array(cont, float))


def _read(path, design):
    """Read a spectrum: index, norm, cont; None if it is not ok."""
    try:
        with np.load(path) as stored:
            norm, cont, labels, ok = (stored[k] for k in ("norm", "cont", "par", "ok"))
        index = int(path.stem)
    except Exception as error:
        raise BadInputError(f"cannot read {path} ({error}): remove it and run `make grid` again"
                            ) from error
    if not ok:
        return None
    if not 0 <= index < len(design) or not np.allclose(labels, design[index], atol=1e-9):
        raise BadInputError(f"{path} has labels {labels.tolist()}, not those of its design index: "
                            "it belongs to another design; remove it")
    if norm.shape != WAVE_OUT.shape or cont.shape != CONT_AIR.shape:
        raise BadInputError(f"{path} has {norm.size} pixels and {cont.size} nodes, not "
                            f"{WAVE_OUT.size} and {CONT_AIR.size}: remove it")
    if fault := fault_of(norm, cont):
        print(f"{path} left out: {fault}", file=sys.stderr)
        return None
    return index, norm, cont


def fault_of(norm, cont):
    """Say what is impossible about a spectrum; empty if nothing is."""
    try:
        check(norm, cont)
    except SynthesisError as error:
        return str(error)
    return ""


def merge(old, new, replace=False):
    """Add spectra to a grid; where both have an index, the old one stays.

    Impossible spectra of the old grid are left out, and named.

    Parameters
    ----------
    old : Grid or None
    new : Grid
    replace : bool
        Take the new one wherever both have an index.

    Returns
    -------
    Grid
        Sorted by index.

    Raises
    ------
    BadInputError
        If the wavelengths differ.
    """
    if old is None:
        return new.select(np.argsort(new.index))
    if old.norm.shape[1] != new.norm.shape[1] or not np.allclose(old.wave, new.wave, rtol=1e-9):
        raise BadInputError("the grid has other wavelengths than the new spectra")
    good = np.array([not fault_of(*pair) for pair in zip(old.norm, old.cont, strict=True)], bool)
    if not good.all():
        print(f"impossible in the grid, removed: {old.index[~good].tolist()}", file=sys.stderr)
    old = old.select(good & ~(replace & np.isin(old.index, new.index)))
    fresh = new.select(~np.isin(new.index, old.index))
    both = Grid(*(np.concatenate([getattr(old, name), getattr(fresh, name)])
                  for name in ("index", "labels")), old.wave,
                np.concatenate([old.norm, fresh.norm]), old.cont_wave,
                np.concatenate([old.cont, fresh.cont]))
    return both.select(np.argsort(both.index))


def differences(old, new):
    """Compare spectra that both grids have.

    Returns
    -------
    dict of int to float
        Largest difference in normalised flux by design index, beyond the rounding of the grid.
    """
    out = {}
    for k in np.intersect1d(old.index, new.index):
        stored = old.norm[old.index == k][0]
        fresh = unpack(pack(new.norm[new.index == k]))[0]
        out[int(k)] = float(np.abs(stored - fresh).max())
    return out


def existing(folder):
    """Read the grid of a folder; None if there is none yet."""
    return load_grid(folder=folder) if any(Path(folder).glob("block-*.npz")) else None


def main(words=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cemp.synthesis.collect",
                                     description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--grid", type=Path, default=GRID_FOLDER, help="folder of the grid")
    parser.add_argument("--replace", action="store_true",
                        help="where the grid has a spectrum already, take the new one")
    parser.add_argument("--check", action="store_true",
                        help="write nothing: compare the spectra with those of the grid, and fail "
                             "where they differ by more than two rounding steps")
    settings = parser.parse_args(words)
    try:
        return _main(settings)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2


def _main(settings):
    grid = old = existing(settings.grid)
    if settings.check and old is None:
        raise BadInputError(f"no grid in {settings.grid} to compare with")
    worst = {}
    for folder in settings.runs:
        new = read_spectra(folder)
        if old is not None:
            worst |= differences(old, new)
        grid = merge(grid, new, settings.replace)
    far = {k: value for k, value in worst.items() if value > TOLERANCE}
    if settings.check:
        for k, value in worst.items():
            print(f"{k:05d} differs from the grid's by {value:.1e} at most")
        return 0 if worst and not far else 1
    if far:
        print(f"{len(far)} spectra differ from the grid's by more than {TOLERANCE:.0e}: "
              f"{', '.join(map(str, list(far)[:5]))} ...")
    written = write_blocks(grid, settings.grid)
    n_new = np.setdiff1d(grid.index, () if old is None else old.index).size
    print(f"{grid.index.size} spectra in {settings.grid}, {n_new} of them new; "
          f"wrote {len(written)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
