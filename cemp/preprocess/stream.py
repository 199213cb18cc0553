"""Preprocess any number of spectra: in parts, on all cores, and on from where it was stopped."""

import hashlib
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from cemp.atomic import atomic_path, hold
from cemp.errors import BadInputError, NotLowResolutionError
from cemp.lamost import read_spectrum
from cemp.preprocess.pipeline import PreprocessSettings, preprocess
from cemp.preprocess.workers import run_tasks
from cemp.rows import parts_of
from cemp.vectors import part_names, write_part

#: Columns of the report; `kind` is "done" or a class of reasons, `reason` the message.
COLUMNS = ("obsid", "path", "kind", "reason", "n_repaired", "n_bad", "good_fraction", "snrg", "z")

TEXTS = ("path", "kind", "reason")
#: Reports of parts joined at a time.
JOINED = 500


class Rows:
    """Identifiers and paths of one part, read from the table when they are wanted.

    Millions of pairs of Python objects would take several times the table's memory. A process
    that is sent these rows gets a list of its part alone.

    Parameters
    ----------
    obsid, path : pandas.Series
        Of all spectra.
    start, stop : int
        Rows of the part.
    """

    def __init__(self, obsid, path, start, stop):
        self.obsid, self.path, self.start, self.stop = obsid, path, start, stop

    def __len__(self):
        return min(self.stop, len(self.obsid)) - self.start

    def __iter__(self):
        part = slice(self.start, self.stop)
        for obsid, path in zip(self.obsid.iloc[part], self.path.iloc[part], strict=True):
            yield int(obsid), str(path)

    def __reduce__(self):
        return list, (list(self),)


def preprocess_all(
    observations,
    out_dir,
    settings=PreprocessSettings(),  # noqa: B008  (frozen)
    n_jobs=2,
    spectra_dir=".",
    part_size=250,
    progress=True,
):
    """Preprocess all spectra of a table into a store of vectors.

    Parameters
    ----------
    observations : pandas.DataFrame
        Columns ``obsid`` (unique) and ``path``; other columns are ignored.
    out_dir : str or pathlib.Path
        Folder of the store.
    settings : PreprocessSettings
    n_jobs : int
        Processes.
    spectra_dir : str or pathlib.Path
        Folder that relative paths start from.
    part_size : int
        Spectra a part: what a kill can cost, and the memory a process needs (40 kB each).
    progress : bool
        Whether to say now and then on stderr how far it is.

    Returns
    -------
    pandas.DataFrame
        One row a spectrum of `observations`, in that order, with `COLUMNS`. A spectrum that
        cannot be used costs itself only: its row says why.

    Raises
    ------
    BadInputError
        If identifiers repeat, another run writes to the folder, or a process dies.

    Notes
    -----
    The name of a part carries a hash of the settings, the code of the steps, its identifiers, and
    its files' sizes and times. Parts of that name are kept; others in the folder are removed.
    """
    out_dir = Path(out_dir)
    if observations["obsid"].duplicated().any():
        twice = observations["obsid"][observations["obsid"].duplicated()].unique()[:5].tolist()
        raise BadInputError(f"obsid {twice} stand twice in the observations: make them unique")
    tasks = _tasks(observations, out_dir, settings, Path(spectra_dir), part_size)
    out_dir.mkdir(parents=True, exist_ok=True)
    with _only_writer(out_dir):
        _remove_stale(out_dir, {task["name"] for task in tasks})
        finished = set(part_names(out_dir))
        waiting = [task for task in tasks if task["name"] not in finished]
        tell = _Progress(len(observations), sum(len(t["rows"]) for t in waiting), progress)
        run_tasks(make_part, waiting, n_jobs, tell)
        return _collect(out_dir, tasks)


def write_reports(report, folder):
    """Write ``processed.csv`` and ``skipped.csv``.

    Parameters
    ----------
    report : pandas.DataFrame
        From `preprocess_all`.
    folder : pathlib.Path
    """
    processed = [name for name in COLUMNS if name not in ("kind", "reason")]
    for name, columns, wanted in (("processed", processed, True),
                                  ("skipped", list(COLUMNS[:4]), False)):
        with (atomic_path(Path(folder) / f"{name}.csv") as path,
              open(path, "w", encoding="utf-8", newline="") as file):
            report.iloc[:0][columns].to_csv(file, index=False)
            for part in parts_of(report):  # no copy of the whole
                part = part.loc[(part["kind"] == "done") == wanted, columns]
                part.to_csv(file, index=False, header=False, float_format="%.6g")


def make_part(task):
    """Read, preprocess and store the spectra of one part (runs in a worker process).

    Parameters
    ----------
    task : dict
        ``name``, ``folder``, ``spectra_dir``, ``settings``, ``rows`` (identifier, path).

    Returns
    -------
    int
        Number of spectra dealt with.
    """
    vectors, report = [], []
    for obsid, path in task["rows"]:
        vector, row = make_one(obsid, Path(task["spectra_dir"]) / path, task["settings"])
        report.append({"obsid": obsid, "path": path, **row})
        if vector is not None:
            vectors.append((obsid, vector.flux, vector.ivar))
    folder, name = Path(task["folder"]), task["name"]
    with atomic_path(folder / f"{name}.csv") as path:
        pd.DataFrame(report, columns=COLUMNS).to_csv(path, index=False)
    write_part(folder, name, *(zip(*vectors, strict=True) if vectors else ((), (), ())))
    return len(task["rows"])


def make_one(obsid, path, settings):
    """Read and preprocess one spectrum; what is wrong with it is told, never raised.

    Parameters
    ----------
    obsid : int
        Identifier that the file must hold (files of DR1 and DR2 hold none).
    path : pathlib.Path
    settings : PreprocessSettings

    Returns
    -------
    vector : cemp.preprocess.pipeline.Vector or None
        None if the spectrum is skipped.
    row : dict
        Its line in the report.
    """
    row = dict.fromkeys(COLUMNS[4:], np.nan) | {"kind": "done", "reason": ""}
    kind = "unreadable file" if path.exists() else "missing file"
    try:
        spectrum = read_spectrum(path)
        row |= {"snrg": spectrum.snr["g"], "z": spectrum.z}
        kind = "wrong file"
        if spectrum.obsid not in (None, obsid):
            raise BadInputError(f"{path}: holds obsid {spectrum.obsid}, not {obsid}")
        kind = "unusable spectrum"
        vector = preprocess(spectrum, settings)
    except NotLowResolutionError as error:
        return None, row | {"kind": "medium resolution", "reason": str(error)}
    except BadInputError as error:
        return None, row | {"kind": kind, "reason": str(error)}
    except Exception as error:  # one odd file in millions must not end the run: it is reported
        return None, row | {"kind": "unexpected failure", "reason": repr(error)}
    made = {key: getattr(vector, key) for key in ("n_repaired", "n_bad", "good_fraction")}
    return vector, row | made


def _tasks(observations, out_dir, settings, spectra_dir, part_size):
    """Cut the table into parts, each named by its number and fingerprint."""
    code = _code_hash()
    tasks = []
    for number, start in enumerate(range(0, len(observations), part_size)):
        part = Rows(observations["obsid"], observations["path"], start, start + part_size)
        mark = _fingerprint(part, settings, spectra_dir, code)
        tasks.append({
            "name": f"part-{number:05d}-{mark}", "folder": str(out_dir), "rows": part,
            "spectra_dir": str(spectra_dir), "settings": settings,
        })  # fmt: skip
    return tasks


def _fingerprint(rows, settings, spectra_dir, code):
    """Hash all that a part depends on; a file that is not there counts as such."""
    text = hashlib.sha256(json.dumps([asdict(settings), code]).encode())
    for obsid, path in rows:
        try:
            status = os.stat(spectra_dir / path)
            text.update(f"{obsid} {path} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            text.update(f"{obsid} {path} missing\n".encode())
    return text.hexdigest()[:12]


def _code_hash():
    """Hash the modules that make a vector, so that a mended step makes all parts anew."""
    package = Path(__file__).parent
    files = [package.parent / f"{name}.py" for name in ("constants", "fitsfile", "lamost")]
    files += [package / f"{name}.py" for name in ("repair", "continuum", "resample", "pipeline")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _remove_stale(folder, names):
    """Remove parts of other settings or files, and what a killed run left half written."""
    for path in folder.iterdir():
        is_part = path.name.startswith("part-") and path.name.split(".")[0] not in names
        if is_part or (path.name.startswith(".") and ".part-" in path.name):
            path.unlink()


@contextmanager
def _only_writer(folder):
    """Hold the store for this process; the lock ends with the process, however it ends."""
    with open(folder / ".lock", "w") as lock:
        hold(lock)
        yield


def _collect(folder, tasks):
    """Join the reports of all parts in the order of the observations."""
    reports, few = [], []
    for number, task in enumerate(tasks, start=1):
        part = pd.read_csv(folder / f"{task['name']}.csv", dtype=dict.fromkeys(TEXTS, "str"))
        few.append(part.assign(reason=part["reason"].fillna("")))
        if number % JOINED == 0 or number == len(tasks):
            reports, few = [*reports, pd.concat(few, ignore_index=True)], []
    return pd.concat(reports, ignore_index=True) if reports else pd.DataFrame(columns=COLUMNS)


class _Progress:
    """Say on stderr how far the run is, at most every ten seconds."""

    def __init__(self, total, waiting, enabled):
        self.done, self.total, self.enabled = total - waiting, total, enabled
        self.begin = self.last = time.monotonic()
        self.fresh = 0

    def __call__(self, n_spectra):
        self.done += n_spectra
        self.fresh += n_spectra
        now = time.monotonic()
        if self.enabled and (now - self.last > 10 or self.done == self.total):
            rate = self.fresh / max(now - self.begin, 1e-9)
            print(f"{self.done:,} of {self.total:,} spectra, {rate:.0f} a second",
                  file=sys.stderr, flush=True)  # fmt: skip
            self.last = now
