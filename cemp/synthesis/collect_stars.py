"""Put recomputed benchmark stars into the package: ``python -m cemp.synthesis.collect_stars``.

The stars are computed by ``python -m cemp.synthesis.run --stars cemp/data/benchmark_stars.csv``.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.synthesis.benchmarks import BENCHMARK_FILE
from cemp.synthesis.collect import fault_of
from cemp.synthesis.grid import pack, unpack
from cemp.synthesis.run import OUT


def renew(arrays, folder):
    """Replace spectra and continua by those of a run; the solar lines stay.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Content of ``benchmark_stars.npz``.
    folder : pathlib.Path
        Holds one ``<name>.npz`` a star.

    Returns
    -------
    dict of str to ndarray
        The same with other `norm` and `cont`.

    Raises
    ------
    BadInputError
        If a star is missing, impossible, or was computed for other labels.
    """
    norm, cont = [], []
    for name, labels in zip(arrays["names"].tolist(), arrays["labels"], strict=True):
        path = Path(folder) / f"{name}.npz"
        if not path.is_file():
            raise BadInputError(f"{path} is not there: compute the benchmark stars first")
        with np.load(path) as stored:
            if not np.allclose(stored["par"], labels):
                raise BadInputError(f"{path} has labels {stored['par'].tolist()}, not "
                                    f"{labels.tolist()}: remove it and compute it again")
            norm.append(stored["norm"])
            cont.append(stored["cont"])
        if fault := fault_of(norm[-1], cont[-1]):
            raise BadInputError(f"{path}: {fault}")
    return {**arrays, "norm": pack(norm), "cont": np.array(cont, dtype=arrays["cont"].dtype)}


def main(words=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cemp.synthesis.collect_stars",
                                     description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=OUT / "stars")
    parser.add_argument("--file", type=Path, default=BENCHMARK_FILE)
    options = parser.parse_args(words)
    with np.load(options.file) as stored:
        old = dict(stored)
    try:
        new = renew(old, options.folder)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2
    change = np.abs(unpack(new["norm"]) - unpack(old["norm"])).max(axis=1)
    for name, most in zip(old["names"].tolist(), change, strict=True):
        print(f"{name:14s} changed by {most:.4f} of the continuum at most")
    with atomic_path(options.file) as temporary:
        np.savez_compressed(temporary, **new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
