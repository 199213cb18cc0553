"""Choose the settings of every method on validation, with the same budget for all.

``python -m cemp.methods.tune`` (``make tune``) fits each method with each of its ``TRIALS`` and
scores it by `cemp.methods.base.validation_loss`: at most 12 trials and 10 CPU minutes a method.
A trial that has run with the same data and code is not run again. The table is committed.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import replace

import pandas as pd
import torch

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.methods import registry
from cemp.methods.base import validation_loss
from cemp.methods.jobs import Job, fingerprint, load_data
from cemp.methods.known import known_answer
from cemp.methods.template.inject import known_answer as template_answer
from cemp.models.io import versions
from cemp.models.scaler import LabelScaler
from cemp.paths import ROOT, Paths
from cemp.preprocess.workers import run_tasks

#: The budget of every method: trials, and CPU seconds in all of fitting and predicting.
MAX_TRIALS, MAX_SECONDS = 12, 600.0
#: With these, methods that read a product of the survey do without: they fit what they are given.
BARE = {"macrn": {"folder": None}, "tuned": {"catalogue": None}, "ensemble": {"catalogue": None}}
#: The committed table and where it comes from.
FOLDER = ROOT / "cemp" / "data" / "methods"
COLUMNS = ("method", "trial", "settings", "loss", "cpu_s", "chosen")
KNOWN_COLUMNS = ("method", "label", "rms", "bias", "pull", "cpu_s")


def run_trial(job, data):
    """Fit one trial and score it on validation.

    Parameters
    ----------
    job : cemp.methods.jobs.Job
    data : cemp.methods.jobs.Data

    Returns
    -------
    dict
        ``loss`` and ``cpu_s``.
    """
    begun = time.process_time()
    method = registry.make(job.key, job.place, job.quick, **job.settings)
    method.fit(data.train, data.train.labels, (data.validation, data.validation.labels))
    predicted = method.predict(data.validation).labels
    scaler = LabelScaler().fit(data.train.labels)
    loss = validation_loss(predicted, data.validation.labels, scaler)
    return {"loss": loss, "cpu_s": time.process_time() - begun}


def tune_method(key, place, data, budget=MAX_SECONDS, tell=print):
    """Run a method's trials until they or the budget end.

    Parameters
    ----------
    key : str
    place : cemp.methods.registry.Place
    data : cemp.methods.jobs.Data
    budget : float
        CPU seconds; a trial that has begun is ended, the next one is not begun.
    tell : callable
        Gets a line a trial.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, a row a trial that was run.

    Raises
    ------
    BadInputError
        If the method lists more trials than the budget allows.
    """
    settings, rows, spent = registry.trials(key), [], 0.0
    if len(settings) > MAX_TRIALS:
        raise BadInputError(f"'{key}' lists {len(settings)} trials, the budget is {MAX_TRIALS}")
    for number, trial in enumerate(settings):
        if rows and spent >= budget:
            tell(f"{key}: the budget ended before trial {number} of {len(settings)}")
            break
        job = Job(key, place, settings=trial)
        result = _kept(job, fingerprint(job, data), lambda job=job: run_trial(job, data))
        spent += result["cpu_s"]
        rows.append((key, number, json.dumps(trial), result["loss"], result["cpu_s"], False))
        tell(f"{key} {number}: loss {result['loss']:.4f}, {result['cpu_s']:.0f} s  {trial}")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.loc[table["loss"].idxmin(), "chosen"] = True
    return table


def _kept(job, mark, call):
    """Take a trial's result from disk, or run it and keep it there."""
    trial = hashlib.sha256(mark.encode()).hexdigest()[:16]
    path = job.place.paths.build / "tune" / job.key / f"{trial}.json"
    if path.is_file():
        return json.loads(path.read_text())
    result = call()
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result) + "\n")
    return result


def known_rows(key, place):
    """Ask a method, as it was tuned, for its known answer (`cemp.methods.known.known_answer`).

    Template matching fits its own library and no training spectra; it is asked for the labels of
    noise-realised spectra of that library (`cemp.methods.template.inject.known_answer`).

    Parameters
    ----------
    key : str
    place : cemp.methods.registry.Place

    Returns
    -------
    pandas.DataFrame
        A row a label: method, label, rms and bias [percent of the labels' scatter], pull.
    """
    begun = time.process_time()
    settings = {} if key == "template" else {**chosen(key), **BARE.get(key, {})}
    table = (template_answer() if key == "template"
             else known_answer(registry.make(key, place, **settings)))
    table = table.rename_axis("label").reset_index()
    table.insert(0, "method", key)
    return table.assign(cpu_s=time.process_time() - begun)


def merge(new, folder=FOLDER, provenance=None, stem="tuning"):
    """Put the rows of some methods into a committed table.

    Parameters
    ----------
    new : pandas.DataFrame
        Of `tune_method` or `known_rows`; the other methods' rows stay.
    folder : pathlib.Path
        Holds ``<stem>.csv`` and ``<stem>.json``: the committed one for the demo.
    provenance : dict, optional
        What the new rows rest on, kept by method.
    stem : str
        ``"tuning"`` or ``"known"``.

    Returns
    -------
    pandas.DataFrame
        The whole table, in the registry's order.
    """
    table, about = read_table(folder, stem), {}
    if (folder / f"{stem}.json").is_file():
        about = json.loads((folder / f"{stem}.json").read_text())
    about |= dict.fromkeys(new["method"].unique(), provenance or {})
    others = table[~table["method"].isin(new["method"])]
    table = pd.concat([part for part in (others, new) if len(part)], ignore_index=True)
    order = {key: place for place, key in enumerate(registry.METHODS)}
    table = table.sort_values("method", key=lambda keys: keys.map(order), kind="stable")
    with atomic_path(folder / f"{stem}.csv") as path:
        table.to_csv(path, index=False, float_format="%.5g")
    with atomic_path(folder / f"{stem}.json") as path:
        path.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    return table.reset_index(drop=True)


def read_table(folder=FOLDER, stem="tuning"):
    """Read a committed table; no rows if there is none."""
    path, columns = folder / f"{stem}.csv", COLUMNS if stem == "tuning" else KNOWN_COLUMNS
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=list(columns))


def chosen(key, folder=FOLDER):
    """Read the settings that were chosen for a method.

    Parameters
    ----------
    key : str
    folder : pathlib.Path

    Returns
    -------
    dict
        Constructor arguments; empty, which are the defaults, if the method was not tuned.
    """
    table = read_table(folder)
    rows = table[(table["method"] == key) & table["chosen"].astype(bool)]
    return json.loads(rows["settings"].iloc[0]) if len(rows) else {}


def budgets(folder=FOLDER):
    """Read the CPU budgets [s] that the committed trials were run under: one, if all is fair."""
    path = folder / "tuning.json"
    about = json.loads(path.read_text()) if path.is_file() else {}
    return sorted({entry["budget_cpu_s"] for entry in about.values()})


def summary(table):
    """Sum the trials of each method up.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `read_table`.

    Returns
    -------
    pandas.DataFrame
        By method: trials, CPU minutes, loss of the first and of the best trial, its settings.
    """
    rows = {}
    for key, part in table.groupby("method", sort=False):
        best = part[part["chosen"].astype(bool)].iloc[0]
        rows[key] = {"trials": len(part), "CPU min": part["cpu_s"].sum() / 60,
                     "worst": part["loss"].max(), "chosen loss": best["loss"],
                     "chosen": best["settings"]}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def _tune(task):
    """Tune one method in a process of its own; the table and what it rests on."""
    key, place, seconds = task
    torch.set_num_threads(1)
    data = load_data(Job(key, place))
    data = replace(data, judged=data.judged[:0])  # no held-out star is looked at
    about = {"profile": place.paths.profile, "n_train": len(data.train), "versions": versions(),
             "n_validation": len(data.validation), "budget_cpu_s": seconds}  # fmt: skip
    return tune_method(key, place, data, seconds), about, "tuning"


def _known(task):
    """Ask one method for its known answer in a process of its own."""
    key, place, _ = task
    torch.set_num_threads(1)
    return known_rows(key, place), {"versions": versions()}, "known"


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(registry.METHODS)}; all if none")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--spectra-dir", help="FITS files of the survey")
    parser.add_argument("--known", action="store_true", help="ask for the known answers instead")
    parser.add_argument("--seconds", type=float, default=MAX_SECONDS, help="CPU budget a method")
    parser.add_argument("--jobs", type=int, default=2, help="methods at a time")
    args = parser.parse_args(arguments)
    try:
        paths = Paths(args.profile)
        place = registry.Place(paths, args.spectra_dir or str(paths.survey / "spectra"))
        keys = registry.available(args.methods or None)
        folder = FOLDER if args.profile == "demo" else paths.build / "tune"
        if args.known:  # on made-up spectra, which are in no file
            keys = [key for key in keys
                    if key in ("template", *BARE) or not registry.entry(key).needs]
        else:
            keys = [key for key in keys if registry.entry(key).tuned]
        run_tasks(_known if args.known else _tune, [(key, place, args.seconds) for key in keys],
                  args.jobs, lambda made: merge(made[0], folder, *made[1:]))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
