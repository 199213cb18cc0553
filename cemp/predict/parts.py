"""Parts of a run on disk: each labels some hundred files, and is kept when the run is stopped."""

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from cemp.atomic import atomic_path, hold
from cemp.errors import BadInputError
from cemp.predict.columns import COLUMNS, SKIPPED, as_table
from cemp.predict.inputs import read_stretch
from cemp.predict.label import label, prepare
from cemp.readers import read_any

#: Parts of the package whose code makes the numbers; if one changes, parts are made anew.
CODE = ("constants.py", "fitsfile.py", "indices.py", "lamost.py", "spectrum.py", "candidates",
        "inject", "models", "predict", "preprocess", "readers", "selection/recipe.py", "synthesis",
        "transfer")


@dataclass(frozen=True)
class Job:
    """Another table than that of labels, made of files in the same way: parts, then joined.

    Parameters
    ----------
    work : callable
        ``work(files, settings)`` gives rows and skipped files, two DataFrames; it must pickle.
    columns : dict of str to Column
        Of the rows; among them ``cemp``, ``clean`` and ``obsid``, which the summary counts.
    name : str
        Of the FITS extension.
    mark : str
        All that `work` depends on beside files, settings and this package's labels.
    """

    work: object
    columns: dict = field(default_factory=dict)
    name: str = "LABELS"
    mark: str = ""


def make_tasks(folder, edges, settings, sha256, job=None):
    """List the parts of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The work folder, with the list of files (``inputs``).
    edges : list of int
        From `cemp.predict.inputs.write_list`.
    settings : PredictSettings
    sha256 : str
        Of the model.
    job : Job, optional
        Labels by default.

    Returns
    -------
    list of dict
        Arguments of `make_part`; small, whatever the number of files.
    """
    mark = json.dumps([asdict(settings), sha256, code_hash(), *([job.mark] if job else [])])
    return [
        {"number": number, "folder": str(folder), "stretch": stretch, "settings": settings,
         "mark": mark, "job": job}
        for number, stretch in enumerate(zip(edges[:-1], edges[1:], strict=True))
    ]  # fmt: skip


def make_part(task):
    """Read and label the files of one part, unless that was done before.

    Parameters
    ----------
    task : dict
        From `make_tasks`.

    Returns
    -------
    dict
        ``number``, ``name``, ``files``, ``labelled``, ``cemp`` and ``clean_cemp`` (stars of
        the class, and those without a flag), ``skipped`` (count by kind), ``widths``
        (bytes of the longest text in each text column) and ``fresh`` (files read now).
    """
    folder, job = Path(task["folder"]), task["job"] or Job(label_files, COLUMNS)
    files = read_stretch(folder / "inputs", *task["stretch"])
    name = f"part-{task['number']:06d}-{_fingerprint(files, task['mark'])}"
    done, fresh = folder / f"{name}.parquet", 0
    if not done.exists():
        labels, skipped = job.work(files, task["settings"])
        with atomic_path(folder / f"{name}.skipped.parquet") as path:
            skipped.to_parquet(path, index=False)
        with atomic_path(done) as path:
            labels.to_parquet(path, index=False)
        fresh = len(files)
    labels, skipped = read_part(folder, name, job.columns)
    return {
        "number": task["number"], "name": name, "files": len(files), "labelled": len(labels),
        "cemp": int(labels["cemp"].sum()),
        "clean_cemp": int((labels["cemp"] & labels["clean"]).sum()),
        "skipped": skipped["kind"].value_counts().to_dict(), "fresh": fresh,
        "widths": _widths(labels, job.columns) | {
            f"skipped {key}": width for key, width in _widths(skipped, SKIPPED).items()},
    }  # fmt: skip


def label_files(files, settings):
    """Label some files.

    Parameters
    ----------
    files : list of str
    settings : PredictSettings

    Returns
    -------
    labels, skipped : pandas.DataFrame
        Columns `COLUMNS` and `SKIPPED`, each in the order of the files.
    """
    _, vectors, about, skipped = read_files(files, settings)
    return label(vectors, about, settings), skipped


def read_files(files, settings):
    """Read and preprocess some files.

    Parameters
    ----------
    files : list of str
    settings : PredictSettings

    Returns
    -------
    spectra : list of cemp.spectrum.Spectrum
        Those that can be labelled, as they were observed.
    vectors : list of cemp.preprocess.pipeline.Vector
    about : list of dict
        What the files tell.
    skipped : pandas.DataFrame
        The others, columns `SKIPPED`.
    """
    spectra, vectors, about, skipped = [], [], [], []
    for file in files:
        seen = []
        vector, row = prepare(partial(_remember, file, settings.read, seen), settings)
        row["file"] = printable(file)
        if vector is None:
            if not os.path.lexists(file):
                row["kind"] = "missing file"
            skipped.append(row | {"reason": printable(row["reason"])})
        else:
            spectra += seen
            vectors.append(vector)
            about.append(row)
    return spectra, vectors, about, as_table(skipped, SKIPPED)


def _remember(file, options, seen):
    """Read a file and keep its spectrum."""
    seen.append(read_any(file, options))
    return seen[-1]


def printable(text):
    """Write bytes of a file's name that are no text as escapes, so that tables can hold it."""
    return " ".join(os.fsencode(text).decode("utf-8", "backslashreplace").split("\n"))


def read_part(folder, name, columns=None):
    """Read what a part holds.

    Parameters
    ----------
    folder : pathlib.Path
    name : str
    columns : dict of str to Column, optional
        Of the rows; `COLUMNS` by default.

    Returns
    -------
    labels, skipped : pandas.DataFrame
    """
    labels = pd.read_parquet(folder / f"{name}.parquet")
    skipped = pd.read_parquet(folder / f"{name}.skipped.parquet")
    return as_table(labels, columns), as_table(skipped, SKIPPED)


def ascii_bytes(values):
    """Encode texts as FITS wants them.

    Parameters
    ----------
    values : iterable of str

    Returns
    -------
    list of bytes
    """
    return [value.encode("ascii", "backslashreplace") for value in values]


def _widths(table, columns):
    """Bytes of the longest text of each text column."""
    return {name: max(map(len, ascii_bytes(table[name])), default=0)
            for name, column in columns.items() if column.kind == "text"}  # fmt: skip


def _fingerprint(files, mark):
    """Hash all that a part depends on; a file that is not there counts as such."""
    text = hashlib.sha256(mark.encode())
    for file in files:
        try:
            status = os.stat(file)
            text.update(os.fsencode(file) + f" {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            text.update(os.fsencode(file) + b" missing\n")
    return text.hexdigest()[:16]


def code_hash():
    """Hash the modules that make a label, so that a mended step makes all parts anew.

    Returns
    -------
    str
    """
    package = Path(__file__).resolve().parent.parent
    text = hashlib.sha256()
    for name in CODE:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            text.update(file.read_bytes())
    return text.hexdigest()


def remove_stale(folder, names):
    """Remove parts of other files or settings, and what a killed run left half written.

    Parameters
    ----------
    folder : pathlib.Path
    names : set of str
        Parts that stay.
    """
    for path in folder.iterdir():
        stale = path.name.startswith("part-") and path.name.split(".")[0] not in names
        if stale or (path.name.startswith(".") and path.name != ".lock"):
            path.unlink(missing_ok=True)


@contextmanager
def only_writer(folder):
    """Hold a work folder for this process; the lock ends with the process, however it ends.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing.

    Raises
    ------
    BadInputError
        If it cannot be written, or another run works there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")
    except OSError as error:
        raise BadInputError(
            f"{folder}: cannot write there ({error.strerror}); give --out in a folder of yours"
        ) from error
    with lock:
        hold(lock)
        yield
