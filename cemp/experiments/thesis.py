"""Test claims for networks: ``python -m cemp.experiments.thesis cost`` and so on (make thesis).

``cost`` measures times against the number of labels. ``beyond`` fits methods to training spectra
cut at [Fe/H] > -3.5 and [C/Fe] < 2 and to all of them; each fit is kept in
``build/experiments/<profile>/`` and made again only if code or data change. ``collect`` writes
what is there to ``cemp/data/experiments/``. ``without`` trains MACRN without a catalogue, which
takes too long for 08_methods, and writes what its stars then become. The claim on faint spectra
needs no run of its own: its tables come from the ablation and from the methods' predictions.
"""

import argparse
import hashlib
import json
import platform
import sys
import time

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.evaluate.samples import read_truth
from cemp.experiments import bench, beyond, claims, cost
from cemp.experiments.collect import folder, write_tables
from cemp.experiments.run import Runs
from cemp.methods import registry
from cemp.methods.jobs import Job
from cemp.methods.leave_out import left_out_jobs, left_out_table
from cemp.methods.run import run_jobs
from cemp.methods.tune import chosen
from cemp.models.io import versions
from cemp.paths import ROOT, Paths
from cemp.preprocess.workers import run_tasks
from cemp.rows import read_rows
from cemp.synthesis.emulator import load_emulator
from cemp.workflow.inputs import code_hash, modules_used

#: Methods that are fitted twice in minutes; others can be named.
QUICK = ("template", "cannon", "slam", "forest", "svm", "spcanet", "cnn", "macrn", "tuned",
         "informed")  # fmt: skip
#: What is trained without each of these catalogues.
LEFT_OUT, CATALOGUES = ("macrn", "tuned"), ("subaru", "saga")


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
             "axes": cost.AXES, "spectra_per_s_two_threads": cost.inference_rates()}
    write_tables({"cost.csv": table}, about, folder(paths), "cost", log)


def _mark(key, cut, runs):
    """Fingerprint of a fit: the method's code and settings, and the survey it rests on."""
    modules = modules_used(f"import cemp.experiments.beyond, {registry.entry(key).module}", ROOT)
    code = {name: code_hash(path.read_text()) for name, path in modules.items()}
    about = [key, cut, chosen(key), code, versions(), runs.data_mark]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _fit(task):
    """Fit one method with the training cut or not, and keep what it predicts."""
    paths, key, cut, path, mark = task
    samples = Runs(paths).bench()
    rows = beyond.judged_rows(samples.judged.labels, SEED)
    place = registry.Place(paths, str(paths.survey / "spectra"))
    start = time.process_time()
    labels = beyond.fit_and_predict(key, cut, samples, rows, place, chosen(key))
    seconds = time.process_time() - start
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, obsid=samples.judged.obsid[rows], labels=labels, mark=mark,
                 seconds=seconds, name=registry.entry(key).load().name)
    return f"{key}, {'cut' if cut else 'all'}: {seconds:.0f} s"


def run_beyond(runs, keys, jobs=1, log=print):
    """Fit the methods to all and to the cut training spectra, where that is not done yet.

    Parameters
    ----------
    runs : cemp.experiments.run.Runs
    keys : sequence of str
        Of `cemp.methods.registry.METHODS`.
    jobs : int
        Processes.
    log : callable
    """
    tasks = [(runs.paths, key, cut, runs.folder / f"beyond-{key}-{cut}.npz", _mark(key, cut, runs))
             for key in sorted(keys, key=lambda key: -registry.entry(key).seconds)
             for cut in (True, False)]  # fmt: skip
    tasks = [task for task in tasks if read_fit(*task[-2:]) is None]
    begin, done = time.time(), []

    def tell(line):
        done.append(line)
        left = len(tasks) - len(done)
        minutes = left * (time.time() - begin) / len(done) / 60
        log(f"{line}; {left} fits left, {minutes:.0f} min", flush=True)

    run_tasks(_fit, tasks, jobs, tell)


def read_fit(path, mark=None):
    """Read a kept fit; None if there is none, or if it is of another mark."""
    if not path.is_file():
        return None
    with np.load(path) as data:
        found = {name: data[name] for name in data.files}
    return found if mark is None or str(found["mark"]) == mark else None


def collect_beyond(runs, log=print):
    """Write ``beyond.csv`` and ``beyond_pairs.csv`` from the fits that are there.

    Parameters
    ----------
    runs : cemp.experiments.run.Runs
    log : callable

    Raises
    ------
    BadInputError
        If there are no fits.
    """
    samples, predictions, seconds, marks = runs.bench(), {}, {}, {}
    rows = beyond.judged_rows(samples.judged.labels, SEED)
    for key in registry.available():
        for cut in (True, False):
            fit = read_fit(runs.folder / f"beyond-{key}-{cut}.npz", _mark(key, cut, runs))
            if fit is None:
                continue
            predictions[str(fit["name"]), cut] = fit["labels"]
            seconds[f"{key} {cut}"], marks[f"{key} {cut}"] = float(fit["seconds"]), str(fit["mark"])
    if not predictions:
        raise BadInputError("no fits to collect: run `python -m cemp.experiments.thesis beyond`")
    truth = samples.judged.labels[rows]
    star_id = samples.about["star_id"].to_numpy()[rows]
    tables = {"beyond.csv": beyond.beyond_table(predictions, truth, star_id),
              "beyond_pairs.csv": claims.beyond_pairs(predictions, truth, star_id)}
    out = beyond.beyond(samples.train.labels)
    about = {"profile": runs.paths.profile, "data_mark": runs.data_mark, "marks": marks,
             "cpu_seconds": seconds, "training_spectra": len(samples.train),
             "training_fe_h_beyond": int(out["fe_h"].sum()),
             "training_c_fe_beyond": int(out["c_fe"].sum())}  # fmt: skip
    write_tables(tables, about, folder(runs.paths), "beyond", log)


def without_catalogues(paths, keys=LEFT_OUT, jobs=1, log=print):
    """Train networks without a catalogue and write ``without.csv``.

    Parameters
    ----------
    paths : cemp.paths.Paths
        A profile whose 03_training has run; fits of 08_methods are used if they are there.
    keys : sequence of str
        Of `cemp.methods.registry.METHODS`.
    jobs : int
        Processes.
    log : callable
    """
    place = registry.Place(paths, str(paths.survey / "spectra"))
    whole = [Job(key, place, settings=chosen(key)) for key in keys]
    again = left_out_jobs(whole, keys, CATALOGUES)
    records = run_jobs([*whole, *again], jobs, log)
    observations = read_rows(place.catalogue / "observations.parquet",
                             ["obsid", "star_id", "fold", "snrg"])
    labels = pd.read_parquet(place.catalogue / "labels.parquet")
    processed = pd.read_csv(paths.build / "02" / "processed.csv")[["obsid", "good_fraction"]]
    table = left_out_table(again, observations.merge(processed, on="obsid"), labels,
                           read_truth(paths.truth))  # fmt: skip
    about = {"profile": paths.profile, "data_mark": bench.data_mark(paths),
             "marks": {name: record["fingerprint"] for name, record in records.items()},
             "cpu_seconds": {name: record["fit_s"] for name, record in records.items()}}
    write_tables({"without.csv": table}, about, folder(paths), "without", log)


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(prog="python -m cemp.experiments.thesis",
                                     description=__doc__.splitlines()[0])  # fmt: skip
    parser.add_argument("what", choices=("cost", "beyond", "collect", "without"))
    parser.add_argument("methods", nargs="*", help="keys of methods (default: for beyond "
                        f"{' '.join(QUICK)}, for without {' '.join(LEFT_OUT)})")
    parser.add_argument("--profile", default="demo", help="a mock profile that has been built")
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time, a core each")
    asked = parser.parse_args(arguments)
    try:
        runs = Runs(Paths(asked.profile))
        runs.folder.mkdir(parents=True, exist_ok=True)
        if asked.what == "cost":
            measure_cost(runs.paths)
        elif asked.what == "beyond":
            run_beyond(runs, registry.available(asked.methods or QUICK), asked.jobs)
        elif asked.what == "collect":
            collect_beyond(runs)
        else:
            without_catalogues(runs.paths, asked.methods or LEFT_OUT, asked.jobs)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
