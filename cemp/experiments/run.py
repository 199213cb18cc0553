"""Run the ablation: ``python -m cemp.experiments.run`` (make ablation).

Each run leaves its predictions and a record in ``build/experiments/<profile>/``; a run that is
there is not repeated unless code, settings or data have changed, so that a stop costs one run.
Runs have processes of their own, one thread each, and the same numbers however many there are.
``--collect`` writes the tables of all runs, and where they come from, to
``cemp/data/experiments/``.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

import cemp.models
from cemp.atomic import atomic_path, hold
from cemp.errors import BadInputError
from cemp.experiments import ablation, bench, collect
from cemp.models.io import versions
from cemp.paths import Paths
from cemp.preprocess.workers import run_tasks
from cemp.workflow.inputs import code_hash

#: Modules whose change makes a run stale.
_SOURCES = ("macrn", "tuned", "tuned_train", "train", "data", "loss", "scaler")


class Runs:
    """The runs of a profile, on disk.

    Parameters
    ----------
    paths : cemp.paths.Paths
    """

    def __init__(self, paths):
        self.paths = paths
        self.folder = paths.root / "build" / "experiments" / paths.profile
        self._benches = {}

    def bench(self, spectra="rest"):
        """Read the samples, with spectra preprocessed one way or the other."""
        if spectra not in self._benches:
            store = None if spectra == "rest" else self.respectra(spectra)
            self._benches = {spectra: bench.load(self.paths, store)}  # one in memory at a time
        return self._benches[spectra]

    def respectra(self, spectra):
        """Preprocess this survey's spectra otherwise; those of another survey are removed."""
        folder = self.folder / f"vectors_{spectra}-{self.data_mark}"
        for other in self.folder.glob(f"vectors_{spectra}*"):
            if other != folder:
                shutil.rmtree(other)
        return bench.respectra(self.paths, spectra, folder)

    @cached_property
    def data_mark(self):
        """Fingerprint of the survey (`cemp.experiments.bench.data_mark`)."""
        return bench.data_mark(self.paths)

    def mark(self, name, seed, epochs):
        """Fingerprint of a run: code, settings, versions and the survey it rests on."""
        digest = hashlib.sha256()
        about = [asdict(ablation.VARIANTS[name]), seed, epochs, versions()]
        digest.update(json.dumps(about).encode())
        for module in _SOURCES:
            source = (Path(cemp.models.__file__).parent / f"{module}.py").read_text()
            digest.update(code_hash(source).encode())
        digest.update(self.data_mark.encode())
        return digest.hexdigest()[:16]

    def waiting(self, names, seeds, epochs):
        """List the runs that are not there yet, every variant of a seed before the next seed."""
        tasks = [(name, seed) for seed in seeds for name in names]
        return [task for task in tasks if not self.done(*task, epochs)]

    def done(self, name, seed, epochs):
        """Tell whether a run is there and of this code, these settings and these data."""
        record = self.record(name, seed)
        return record is not None and record["mark"] == self.mark(name, seed, epochs)

    def record(self, name, seed):
        """Read the record of a run; None if there is none."""
        path = self.folder / f"{name}-{seed}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def run(self, name, seed, epochs):
        """Make one run and keep it; the record, written last, says that it is whole."""
        variant = ablation.VARIANTS[name]
        samples, start = self.bench(variant.spectra), time.process_time()
        labels, loss = ablation.run(name, seed, samples, self._noisy, epochs)
        record = {"variant": name, "seed": seed, "epochs": epochs, "validation_loss": loss,
                  "cpu_seconds": round(time.process_time() - start, 1),
                  "n_train": len(samples.train), "n_judged": len(samples.judged),
                  "mark": self.mark(name, seed, epochs)}  # fmt: skip
        with atomic_path(self.folder / f"{name}-{seed}.npz") as path, open(path, "wb") as file:
            np.savez_compressed(
                file, obsid=samples.judged.obsid, labels=labels.astype(np.float32))
        with atomic_path(self.folder / f"{name}-{seed}.json") as path:
            path.write_text(json.dumps(record, indent=1) + "\n")
        return record

    def _noisy(self, sample, seed):
        """Labels with errors added, the same for all spectra of a star."""
        observations = pd.read_parquet(self.paths.build / "01" / "observations.parquet")
        star_id = observations.set_index("obsid")["star_id"].loc[sample.obsid]
        return bench.noisy_labels(sample, star_id, seed)

    def predictions(self, names, seeds, epochs, obsid):
        """Read the predictions of all finished runs, in the order of some identifiers.

        Returns
        -------
        dict of str to dict of int to ndarray (n, 4)
            NaN for a spectrum that a variant's preprocessing could not use.
        """
        found = {}
        for name in names:
            for seed in seeds:
                if not self.done(name, seed, epochs):
                    continue
                with np.load(self.folder / f"{name}-{seed}.npz") as data:
                    rows = pd.DataFrame(data["labels"], index=data["obsid"]).reindex(obsid)
                found.setdefault(name, {})[seed] = rows.to_numpy(float)
        return found


@lru_cache(maxsize=1)
def _runs(paths):
    """Keep the runs of a process, with the spectra that it has read."""
    return Runs(paths)


def _one(task):
    """Make one run, or only the spectra that it needs; None once the time is up."""
    paths, name, seed, epochs, until = task
    if until is not None and time.time() > until:
        return None
    if seed is None:
        return _runs(paths).respectra(ablation.VARIANTS[name].spectra)
    return _runs(paths).run(name, seed, epochs)


def run_all(runs, names, seeds, epochs, minutes=None, jobs=1, log=print):
    """Make the waiting runs, until they or the minutes are spent.

    Parameters
    ----------
    runs : Runs
    names : sequence of str
    seeds : sequence of int
    epochs : int
    minutes : float, optional
        No run is begun after these.
    jobs : int
        Processes.
    log : callable

    Returns
    -------
    int
        Runs still waiting.
    """
    begin, waiting = time.time(), runs.waiting(names, seeds, epochs)
    until = None if minutes is None else begin + 60 * minutes
    tasks = [(runs.paths, *task, epochs, until) for task in waiting]
    runs.folder.mkdir(parents=True, exist_ok=True)
    made = []

    def tell(record):
        if record is not None:
            made.append(record)
            log(_line(record, len(waiting) - len(made), (time.time() - begin) / len(made)),
                flush=True)

    with open(runs.folder / ".lock", "w") as lock:
        hold(lock)
        others = {ablation.VARIANTS[name].spectra: name for name, _ in waiting}
        others.pop("rest", None)  # two runs of one kind would preprocess the spectra twice
        run_tasks(_one, [(runs.paths, name, None, epochs, until) for name in others.values()],
                  jobs, lambda _: None)
        run_tasks(_one, tasks, jobs, tell)
    return len(waiting) - len(made)


def _line(record, left, seconds):
    """Say what a run gave, and how long the others will take."""
    return (f"{record['variant']} {record['seed']}: validation {record['validation_loss']:.4f}, "
            f"{record['cpu_seconds']:.0f} s; {left} runs left, {left * seconds / 60:.0f} min")


def parser():
    """Command line."""
    made = argparse.ArgumentParser(prog="python -m cemp.experiments.run",
                                   description=__doc__.splitlines()[0])  # fmt: skip
    made.add_argument("--profile", default="demo", help="a mock profile that has been built")
    made.add_argument("--only", nargs="+", choices=list(ablation.VARIANTS),
                      default=list(ablation.VARIANTS), metavar="VARIANT", help="these variants")
    made.add_argument("--seeds", type=int, default=len(ablation.SEEDS), help="how many seeds")
    made.add_argument("--epochs", type=int, default=ablation.EPOCHS, help="draws a run")
    made.add_argument("--minutes", type=float, help="begin no run after these")
    made.add_argument("--jobs", type=int, default=2, help="runs at a time, a core each")
    made.add_argument("--collect", action="store_true", help="write the tables of what is there")
    return made


def main(arguments=None):
    """Command line; see ``--help``."""
    asked = parser().parse_args(arguments)
    seeds = ablation.SEEDS[: asked.seeds]
    try:
        runs = Runs(Paths(asked.profile))
        if asked.collect:
            collect.write(runs, seeds, asked.epochs)
            return 0
        left = run_all(runs, asked.only, seeds, asked.epochs, asked.minutes, asked.jobs)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    if left:
        print(f"{left} runs still waiting: run the same command again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
