"""Test the draft's claims: ``python -m cemp.experiments.thesis cost``, ``beyond``, ``collect``.

``cost`` measures times against the number of labels. ``beyond`` fits methods to training spectra
cut at [Fe/H] > -3.5 and [C/Fe] < 2 and to all of them; each fit is kept in
``build/experiments/<profile>/`` and made again only if code or data change. ``collect`` writes
what is there to ``cemp/data/experiments/``. The third claim, faint spectra, needs no run of its
own: its table comes from the ablation and from the methods' predictions.
"""

import argparse
import hashlib
import json
import platform
import sys
import time

import numpy as np

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.experiments import beyond, cost
from cemp.experiments.collect import folder, write_tables
from cemp.experiments.run import Runs
from cemp.methods import registry
from cemp.models.io import versions
from cemp.paths import ROOT, Paths
from cemp.synthesis.emulator import load_emulator

#: Methods that are fitted twice in minutes; others can be named.
QUICK = ("cannon", "forest", "svm", "spcanet", "cnn", "tuned", "template")


def measure_cost(paths, log=print):
    """Measure the cost and write ``cost.csv``.

    Parameters
    ----------
    paths : cemp.paths.Paths
    log : callable
    """
    emulator = load_emulator("library", cache=ROOT / "build" / "emulator")
    table = cost.cost_table(emulator)
    about = {"machine": f"{platform.machine()}, one core", "seconds": "of the processor",
             "axes": cost.AXES, "versions": versions()}  # fmt: skip
    write_tables({"cost.csv": table}, about, folder(paths), "cost", log)


def _mark(key, cut, paths):
    """Fingerprint of a fit: the method's code and the survey it rests on."""
    file = ROOT.joinpath(*registry.entry(key).module.split("."))
    files = sorted(file.glob("*.py")) if file.is_dir() else [file.with_suffix(".py")]
    if key == "tuned":
        files += [ROOT / "cemp" / "models" / f"{name}.py" for name in ("tuned", "tuned_train")]
    files += [paths.build / "01" / "labels.parquet", paths.build / "02" / "processed.csv"]
    digest = hashlib.sha256(json.dumps([key, cut, versions()]).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def run_beyond(runs, keys, log=print):
    """Fit the methods to all and to the cut training spectra, where that is not done yet.

    Parameters
    ----------
    runs : cemp.experiments.run.Runs
    keys : sequence of str
        Of `cemp.methods.registry.METHODS`.
    log : callable
    """
    bench = runs.bench()
    rows = beyond.judged_rows(bench.judged.labels, SEED)
    place = registry.Place(runs.paths, str(runs.paths.survey / "spectra"))
    for key in keys:
        for cut in (True, False):
            path, mark = runs.folder / f"beyond-{key}-{cut}.npz", _mark(key, cut, runs.paths)
            if read_fit(path, mark) is not None:
                continue
            start = time.process_time()
            labels = beyond.fit_and_predict(key, cut, bench, rows, place)
            seconds = time.process_time() - start
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, obsid=bench.judged.obsid[rows], labels=labels, mark=mark,
                         seconds=seconds, name=registry.entry(key).load().name)
            log(f"{key}, {'cut' if cut else 'all'}: {seconds:.0f} s", flush=True)


def read_fit(path, mark=None):
    """Read a kept fit; None if there is none, or if it is of another mark."""
    if not path.is_file():
        return None
    with np.load(path) as data:
        found = {name: data[name] for name in data.files}
    return found if mark is None or str(found["mark"]) == mark else None


def collect_beyond(runs, log=print):
    """Write ``beyond.csv`` from the fits that are there."""
    bench, predictions, seconds, marks = runs.bench(), {}, {}, {}
    rows = beyond.judged_rows(bench.judged.labels, SEED)
    for key in registry.METHODS:
        for cut in (True, False):
            fit = read_fit(runs.folder / f"beyond-{key}-{cut}.npz", _mark_or_none(key, cut, runs))
            if fit is None or not np.array_equal(fit["obsid"], bench.judged.obsid[rows]):
                continue
            predictions[str(fit["name"]), cut] = fit["labels"]
            seconds[f"{key} {cut}"], marks[f"{key} {cut}"] = float(fit["seconds"]), str(fit["mark"])
    if not predictions:
        raise BadInputError("no fits to collect: run `python -m cemp.experiments.thesis beyond`")
    star_id = bench.about["star_id"].to_numpy()[rows]
    table = beyond.beyond_table(predictions, bench.judged.labels[rows], star_id)
    out = beyond.beyond(bench.train.labels)
    about = {"profile": runs.paths.profile, "versions": versions(), "marks": marks,
             "cpu_seconds": seconds, "training_spectra": len(bench.train),
             "training_fe_h_beyond": int(out["fe_h"].sum()),
             "training_c_fe_beyond": int(out["c_fe"].sum())}  # fmt: skip
    write_tables({"beyond.csv": table}, about, folder(runs.paths), "beyond", log)


def _mark_or_none(key, cut, runs):
    """Fingerprint of a fit; empty where the method is not installed."""
    return _mark(key, cut, runs.paths) if registry.available([key]) else ""


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(prog="python -m cemp.experiments.thesis",
                                     description=__doc__.splitlines()[0])  # fmt: skip
    parser.add_argument("what", choices=("cost", "beyond", "collect"))
    parser.add_argument("methods", nargs="*", help=f"keys of methods (default {' '.join(QUICK)})")
    parser.add_argument("--profile", default="demo", help="a mock profile that has been built")
    asked = parser.parse_args(arguments)
    try:
        runs = Runs(Paths(asked.profile))
        runs.folder.mkdir(parents=True, exist_ok=True)
        if asked.what == "cost":
            measure_cost(runs.paths)
        elif asked.what == "beyond":
            run_beyond(runs, registry.available(asked.methods or QUICK))
        else:
            collect_beyond(runs)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
