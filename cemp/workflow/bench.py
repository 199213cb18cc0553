"""Speed of the parts, as a table: ``make bench``."""

import argparse
import os
import sys
import time

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import N_PIX
from cemp.crossmatch import match
from cemp.errors import BadInputError
from cemp.lamost import find_spectra, read_spectrum
from cemp.models.io import load_model
from cemp.models.predict import predict
from cemp.paths import Paths
from cemp.preprocess.pipeline import preprocess
from cemp.synthesis.emulator import load_emulator
from cemp.synthesis.grid import load_grid
from cemp.workflow.fullsize import FullSize, lines, measure_apart
from cemp.workflow.rates import write_rates
from cemp.workflow.receipt import stage_entries, stage_lines


def preprocessing_rate(files):
    """Time reading (gzip included) and preprocessing.

    Parameters
    ----------
    files : list of pathlib.Path
        Spectra; those that cannot be used cost their time and are not counted.

    Returns
    -------
    float
        Spectra a second of processor time, that is a second and core.
    """
    done, start = 0, time.process_time()
    for path in files:
        try:
            preprocess(read_spectrum(path))
            done += 1
        except BadInputError:
            continue
    return done / (time.process_time() - start)


def inference_rate(model, n=512):
    """Time the network alone.

    Parameters
    ----------
    model : cemp.models.macrn.Macrn
    n : int
        Spectra; their content does not change the time.

    Returns
    -------
    float
        Spectra a second of wall-clock time.
    """
    rng = np.random.default_rng(0)
    flux = rng.normal(1.0, 0.05, (n, N_PIX)).astype(np.float32)
    good = np.ones(flux.shape, dtype=bool)
    predict(model, flux[:64], good[:64])  # the first call also sets up threads and kernels
    start = time.perf_counter()
    predict(model, flux, good)
    return n / (time.perf_counter() - start)


def emulator_rate(emulator, labels, n=2048):
    """Time the emulator: labels to normalised flux and continuum at R = 5000.

    Parameters
    ----------
    emulator : cemp.synthesis.emulator.Emulator
    labels : ndarray, shape (m, 6)
        Stars to repeat until there are `n`.
    n : int
        Spectra; enough that the batches are full.

    Returns
    -------
    float
        Spectra a second of processor time, that is a second and core.
    """
    labels = np.resize(labels, (n, labels.shape[1]))
    emulator.emulate(labels[:256])
    start = time.process_time()
    emulator.emulate(labels)
    return n / (time.process_time() - start)


def random_sky(n, rng):
    """Spread rows evenly over the sky that LAMOST sees.

    Parameters
    ----------
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        ``ra`` and ``dec`` [deg], north of -10 deg.
    """
    sine = rng.uniform(np.sin(np.radians(-10)), 1, n)
    return pd.DataFrame({"ra": rng.uniform(0, 360, n), "dec": np.degrees(np.arcsin(sine))})


def crossmatch_seconds(n_left=1_000_000, n_right=100_000):
    """Time the cross-match of two large catalogues that share the smaller one's stars.

    Parameters
    ----------
    n_left, n_right : int
        Rows.

    Returns
    -------
    seconds : float
    share : float
        Fraction of the shared stars that were found.
    """
    rng = np.random.default_rng(0)
    left = random_sky(n_left, rng)
    right = left.iloc[rng.choice(n_left, n_right, replace=False)].copy()
    right["dec"] += rng.normal(0, 0.2 / 3600, n_right)
    start = time.perf_counter()
    pairs = match(left, right)
    return time.perf_counter() - start, len(pairs) / n_right


def bench(paths):
    """Measure everything.

    Parameters
    ----------
    paths : cemp.paths.Paths
        An executed profile with a mock.

    Returns
    -------
    str
        Markdown tables.

    Raises
    ------
    BadInputError
        If the profile holds no spectra or no network.
    """
    files = find_spectra(paths.survey / "spectra")[:300]
    if not files:
        raise BadInputError(f"{paths.survey / 'spectra'} holds no spectra: `make stages` first")
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    seconds, share = crossmatch_seconds()
    emulator = load_emulator("library", cache=paths.root / "build" / "emulator")
    rates = {"preprocessing": preprocessing_rate(files),
             "inference": inference_rate(load_model(paths.stage("03")))}
    write_rates(paths.build / "bench.json", **rates)  # plans rest on them
    rows = [
        ("preprocessing, reading gzip included", f"{rates['preprocessing']:.0f}",
         "spectra / s / core"),
        (f"network inference, {threads} threads", f"{rates['inference']:.0f}", "spectra / s"),
        ("emulator, spectrum and continuum at R = 5000",
         f"{emulator_rate(emulator, load_grid('library').labels):.0f}", "spectra / s / core"),
        (f"crossmatch, 1e6 x 1e5 rows, {share:.1%} found", f"{seconds:.1f}", "s"),
    ]
    table = ["| part | value | unit |", "|---|---:|---|"]
    table += ["| {} | {} | {} |".format(*row) for row in rows]
    return "\n".join([*table, "", *stage_lines(stage_entries(paths)), ""])


def full_match(paths, size=FullSize()):  # noqa: B008  (frozen)
    """Measure the matching at full size, and keep its rates for plans.

    Parameters
    ----------
    paths : cemp.paths.Paths
    size : cemp.workflow.fullsize.FullSize

    Returns
    -------
    str
        Markdown table.
    """
    found = measure_apart(size)
    write_rates(paths.build / "bench.json", match_rows=size.n_left / found["total_s"],
                match_bytes=found["peak_gib"] * 2**30 / size.n_left)
    rows = ["| {} | {} | {} |".format(*row) for row in lines(size, found)]
    return "\n".join(["| part | value | unit |", "|---|---:|---|", *rows])


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--full", action="store_true",
                        help="only the matching, at the size of the real surveys (3 GiB, minutes)")
    args = parser.parse_args(arguments)
    try:
        paths = Paths(args.profile)
        if args.full:
            print(full_match(paths))
            return 0
        text = bench(paths)
        with atomic_path(paths.build / "bench.md") as path:
            path.write_text(text)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
