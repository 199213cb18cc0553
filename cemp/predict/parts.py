"""Parts of a run on disk: each labels some hundred files, and is kept when the run is stopped."""

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import asdict
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
        "models", "predict", "preprocess", "readers", "selection/recipe.py", "transfer")


def make_tasks(folder, edges, settings, sha256):
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

    Returns
    -------
    list of dict
        Arguments of `make_part`; small, whatever the number of files.
    """
    mark = json.dumps([asdict(settings), sha256, code_hash()])
    return [
        {"number": number, "folder": str(folder), "stretch": stretch, "settings": settings,
         "mark": mark}
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
    folder = Path(task["folder"])
    files = read_stretch(folder / "inputs", *task["stretch"])
    name = f"part-{task['number']:06d}-{_fingerprint(files, task['mark'])}"
    done, fresh = folder / f"{name}.parquet", 0
    if not done.exists():
        labels, skipped = label_files(files, task["settings"])
        with atomic_path(folder / f"{name}.skipped.parquet") as path:
            skipped.to_parquet(path, index=False)
        with atomic_path(done) as path:
            labels.to_parquet(path, index=False)
        fresh = len(files)
    labels, skipped = read_part(folder, name)
    return {
        "number": task["number"], "name": name, "files": len(files), "labelled": len(labels),
        "cemp": int(labels["cemp"].sum()),
        "clean_cemp": int((labels["cemp"] & labels["clean"]).sum()),
        "skipped": skipped["kind"].value_counts().to_dict(), "fresh": fresh,
        "widths": _widths(labels, COLUMNS) | {
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
    vectors, about, skipped = [], [], []
    for file in files:
        vector, row = prepare(partial(read_any, file, settings.read), settings)
        row["file"] = printable(file)
        if vector is None:
            if not os.path.lexists(file):
                row["kind"] = "missing file"
            skipped.append(row | {"reason": printable(row["reason"])})
        else:
            vectors.append(vector)
            about.append(row)
    return label(vectors, about, settings), as_table(skipped, SKIPPED)


def printable(text):
    """Write bytes of a file's name that are no text as escapes, so that tables can hold it."""
    return " ".join(os.fsencode(text).decode("utf-8", "backslashreplace").split("\n"))


def read_part(folder, name):
    """Read what a part holds.

    Parameters
    ----------
    folder : pathlib.Path
    name : str

    Returns
    -------
    labels, skipped : pandas.DataFrame
    """
    labels = pd.read_parquet(folder / f"{name}.parquet")
    skipped = pd.read_parquet(folder / f"{name}.skipped.parquet")
    return as_table(labels), as_table(skipped, SKIPPED)


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
