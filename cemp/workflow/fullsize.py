"""The whole of notebook 01's matching at the size of the real surveys, on made-up positions."""

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from cemp.crossmatch import false_match_rate
from cemp.errors import BadInputError
from cemp.identity import assign_star_id, star_table
from cemp.sources import match_labels

#: Units of ``ru_maxrss`` in a GiB: kB on Linux, bytes on macOS.
KIB = 2**30 if sys.platform == "darwin" else 2**20


@dataclass(frozen=True)
class FullSize:
    """Sizes and shares of the made-up surveys.

    Parameters
    ----------
    n_left : int
        Spectra of LAMOST DR11 LRS.
    n_right : int
        Rows of APOGEE DR17.
    n_stars : int
        Stars among the spectra.
    shared : float
        Share of the right stars that the left survey has.
    with_gaia : float
        Share of stars whose rows carry a Gaia identifier, on either side.
    seed : int
    """

    n_left: int = 11_900_000
    n_right: int = 734_000
    # 1.6 spectra a star
    n_stars: int = 7_400_000
    # half of APOGEE is southern or in the Galactic plane beyond LAMOST's magnitudes
    shared: float = 0.3
    with_gaia: float = 0.95
    seed: int = 20261122


def made_surveys(size):
    """Make two surveys of stars with repeats, identifiers and proper motions.

    Parameters
    ----------
    size : FullSize

    Returns
    -------
    left : pandas.DataFrame
        ra, dec [deg] at epoch 2000, gaia_source_id, uid; one row a spectrum, in no order.
    right : pandas.DataFrame
        star, ra, dec at epoch 2016, epoch, pmra, pmdec [mas/yr], coord_arcsec, gaia_source_id.
    shared : int
        Stars that both have.
    """
    rng = np.random.default_rng(size.seed)
    n, n_shared = size.n_stars, round(size.shared * size.n_right)
    # two thirds of the stars in clumps of a degree, as plates lie; the rest all over the north
    sine = rng.uniform(np.sin(np.radians(-10)), 1, n)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(sine))
    clump = rng.integers(0, 3000, n)
    dense = rng.random(n) < 2 / 3
    ra[dense] = (ra[clump] + rng.normal(0, 1, n))[dense] % 360
    dec[dense] = np.clip(dec[clump] + rng.normal(0, 1, n), -89, 89)[dense]
    gaia = rng.permutation(n).astype(np.int64) * 500_000_000_003 + 10**9
    row = np.concatenate([np.arange(n), rng.integers(0, n, size.n_left - n)])
    row = row[rng.permutation(row.size)]
    known = rng.random(row.size) < size.with_gaia
    jitter = rng.normal(0, 0.1 / 3600, (2, row.size))
    left = pd.DataFrame({
        "ra": (ra[row] + jitter[0]) % 360, "dec": np.clip(dec[row] + jitter[1], -90, 90),
        "gaia_source_id": pd.array(gaia[row], dtype="Int64"),
        "uid": pd.Series(row, dtype="int64").astype("string[pyarrow]").radd("G").astype("str"),
    })  # fmt: skip
    left.loc[~known, "gaia_source_id"] = pd.NA
    chosen = rng.choice(n, n_shared, replace=False)
    n_other = size.n_right - n_shared
    pm = rng.normal(0, 8.0, (2, size.n_right))
    there = np.concatenate([dec[chosen], np.degrees(np.arcsin(rng.uniform(-1, 1, n_other)))])
    moved = pm * 16 / 3.6e6
    right = pd.DataFrame({
        "star": np.char.add("2M", np.arange(size.n_right).astype(str)).astype(object),
        "ra": np.concatenate([ra[chosen], rng.uniform(0, 360, n_other)]), "dec": there,
        "epoch": 2016.0, "pmra": pm[0], "pmdec": pm[1], "coord_arcsec": 0.1,
        "gaia_source_id": pd.array(np.concatenate([
            gaia[chosen], 4 * 10**18 + np.arange(n_other, dtype=np.int64) * 7]), dtype="Int64"),
        "fe_h": -1.0,
    })  # fmt: skip
    right["ra"] = (right["ra"] + moved[0] / np.cos(np.radians(there))) % 360
    right["dec"] = np.clip(there + moved[1], -90, 90)
    right.loc[rng.random(size.n_right) >= size.with_gaia, "gaia_source_id"] = pd.NA
    return left, right, n_shared


def match_all(left, right):
    """Do what notebook 01 does between reading and merging.

    Parameters
    ----------
    left, right : pandas.DataFrame
        From `made_surveys`.

    Returns
    -------
    seconds : dict of str to (float, float)
        By step: of the clock, and of the processor.
    found : int
        Stars matched.
    chance : float
        Chance matches by position alone.
    n_stars : int
        Stars of the left survey.
    """
    clock, seconds = [(time.perf_counter(), time.process_time())], {}

    def lap(name):
        clock.append((time.perf_counter(), time.process_time()))
        seconds[name] = tuple(now - then for now, then in zip(clock[-1], clock[-2], strict=True))

    left["star_id"] = assign_star_id(left)
    lap("identity")
    stars = star_table(left)
    lap("stars")
    matched = match_labels(stars, right)
    lap("match")
    shifted = star_table(right.assign(star_id=right["star"]))
    chance = false_match_rate(stars, shifted)
    lap("chance matches")
    return seconds, int(matched.attrs["matched_stars"]), chance.attrs["expected"], len(stars)


def measure(size):
    """Make the surveys, match them, and say what it took; the peak is that of this process.

    Parameters
    ----------
    size : FullSize

    Returns
    -------
    dict
        ``seconds`` by step, ``total_s``, ``cpu_s``, ``tables_gib`` (peak before the matching),
        ``peak_gib``, ``shared``, ``found``, ``chance``, ``stars``.
    """
    left, right, shared = made_surveys(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, found, chance, stars = match_all(left, right)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": {name: wall for name, (wall, _) in seconds.items()},
            "total_s": sum(wall for wall, _ in seconds.values()),
            "cpu_s": sum(cpu for _, cpu in seconds.values()),
            "tables_gib": before / KIB, "peak_gib": peak / KIB,
            "shared": shared, "found": found, "chance": chance, "stars": stars}


def run_apart(code, arguments, what, tail=300):
    """Run Python code in a process of its own, so that its peak of memory is its own.

    Parameters
    ----------
    code : str
        Prints JSON in its last line.
    arguments : list of str
    what : str
        What it measures, for the message.
    tail : int
        Characters of its own last words in the message.

    Returns
    -------
    object
        What it printed.

    Raises
    ------
    BadInputError
        If the process ends badly (out of memory, say).
    """
    done = subprocess.run([sys.executable, "-c", code, *arguments],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadInputError(f"{what} ended early (out of memory?): {done.stderr.strip()[-tail:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_apart(size):
    """Measure in a process of its own, so that its peak of memory is the matching's.

    Parameters
    ----------
    size : FullSize

    Returns
    -------
    dict
        From `measure`.

    Raises
    ------
    BadInputError
        If the process ends badly (out of memory, say).
    """
    code = ("import json, sys; from cemp.workflow.fullsize import FullSize, measure; "
            "print(json.dumps(measure(FullSize(**json.loads(sys.argv[1])))))")
    return run_apart(code, [json.dumps(asdict(size))], "the match at full size")


def lines(size, found):
    """Write a measurement as rows of a table.

    Parameters
    ----------
    size : FullSize
    found : dict
        From `measure`.

    Returns
    -------
    list of tuple of str
        Part, value, unit.
    """
    name = f"matching of {size.n_left:,} x {size.n_right:,} rows"
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in found["seconds"].items())
    return [(f"{name} ({steps})", f"{found['total_s']:.1f}", "s"),
            ("its processor time", f"{found['cpu_s']:.1f}", "s"),
            ("its peak of memory, tables included", f"{found['peak_gib']:.1f}", "GiB"),
            (f"its stars: {found['shared']:,} in common, {found['chance']:.0f} by chance",
             f"{found['found']:,}", "found")]
