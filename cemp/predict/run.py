"""Label any number of files into one table: parts on all cores, joined at the end."""

import json
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from cemp import __version__
from cemp.atomic import atomic_path
from cemp.duration import duration
from cemp.errors import BadInputError
from cemp.predict.columns import COLUMNS, SKIPPED
from cemp.predict.inputs import find_inputs, write_list
from cemp.predict.label import load_labeller
from cemp.predict.parts import make_part, make_tasks, only_writer, read_part, remove_stale
from cemp.predict.settings import PredictSettings
from cemp.predict.tables import WRITERS, check_suffix
from cemp.preprocess.workers import run_tasks


@dataclass
class Outcome:
    """What came of a run.

    Attributes
    ----------
    files, labelled, fresh : int
        Files named, labelled, and read in this run (the others had been before it was stopped).
    repeated : int
        Names that were given more than once, and used once.
    same_obsid : int
        Rows whose obsid another row has too.
    skipped : collections.Counter
        Files not labelled, by class of reasons.
    widths : dict of str to int
        Bytes of the longest text of each text column.
    parts : dict of int to str
        Names of the parts.
    cemp, clean_cemp : int
        Stars that Table 1 calls CEMP, and those of them whose spectra no flag speaks against.
    has_domain : bool
        Whether spectra unlike the training's could be flagged.
    columns : dict of str to Column
        Of the table.
    name : str
        Of its FITS extension.
    """

    files: int = 0
    labelled: int = 0
    fresh: int = 0
    repeated: int = 0
    same_obsid: int = 0
    skipped: Counter = field(default_factory=Counter)
    widths: dict = field(default_factory=dict)
    parts: dict = field(default_factory=dict)
    cemp: int = 0
    clean_cemp: int = 0
    has_domain: bool = False
    columns: dict = field(default_factory=lambda: COLUMNS)
    name: str = "LABELS"

    def add(self, part):
        """Count what `make_part` returned."""
        self.labelled += part["labelled"]
        self.fresh += part["fresh"]
        self.cemp += part["cemp"]
        self.clean_cemp += part["clean_cemp"]
        self.skipped.update(part["skipped"])
        self.parts[part["number"]] = part["name"]
        for name, width in part["widths"].items():
            self.widths[name] = max(width, self.widths.get(name, 0))


def work_folder(out):
    """Where the parts of a table lie until it is whole: beside it.

    Parameters
    ----------
    out : str or pathlib.Path

    Returns
    -------
    pathlib.Path
    """
    out = Path(out)
    return out.with_name(f".{out.name}.parts")


def skipped_file(out):
    """Name of the table of files that could not be labelled.

    Parameters
    ----------
    out : str or pathlib.Path

    Returns
    -------
    pathlib.Path
        ``labels_skipped.csv`` beside ``labels.fits``.
    """
    out = Path(out)
    return out.with_name(f"{out.stem}_skipped.csv")


def predict_to_file(paths, out, settings=None, jobs=1, command="", progress=True, keep=False,
                    job=None):  # fmt: skip
    """Label spectra and write the table.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path
        As for `cemp.predict.inputs.find_inputs`.
    out : str or pathlib.Path
        ``.fits``, ``.ecsv``, ``.csv`` or ``.parquet``; written when everything is labelled.
    settings : PredictSettings, optional
    jobs : int
        Processes.
    command : str
        Kept in the table's header.
    progress : bool
        Whether to tell on stderr how far it is.
    keep : bool
        Keep the parts, so that a later run over more files reads the new ones only.
    job : cemp.predict.parts.Job, optional
        Another table to make of the files, as `cemp.inject` does.

    Returns
    -------
    Outcome
        If nothing could be labelled, only the table of skipped files is written.

    Raises
    ------
    BadInputError
        If there is nothing to do, no model, or no room; parts that are finished stay.
    """
    settings, out = settings or PredictSettings(), Path(out)
    check_suffix(out)
    labeller = load_labeller(settings.weights)
    folder = work_folder(out)
    with only_writer(folder):
        try:
            edges, outcome = _list(paths, out, folder, settings)
        except BadInputError:
            if not any(folder.glob("part-*")):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        outcome.has_domain = labeller.domain is not None
        if job:
            outcome.columns, outcome.name = job.columns, job.name
        tasks = make_tasks(folder, edges, settings, labeller.sha256, job)
        tell = _Progress(outcome, progress)
        run_tasks(make_part, tasks, jobs, tell)
        remove_stale(folder, set(outcome.parts.values()))
        _join(folder, outcome, out, _cards(outcome, labeller, settings, command))
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _list(paths, out, folder, settings):
    """Write the list of files into the work folder."""
    found = find_inputs(paths, leave_out=(out, skipped_file(out)))
    edges, count, repeated = write_list(found, folder / "inputs", settings.part_size)
    if not count:
        raise BadInputError("no file to label: the list is empty; name files, folders or patterns")
    return edges, Outcome(files=count, repeated=repeated)


def _join(folder, outcome, out, cards):
    """Join the parts: the table of labels, and the one of skipped files."""
    names = [outcome.parts[number] for number in sorted(outcome.parts)]
    _write(skipped_file(out), names, folder, outcome, cards, labels=False)
    if outcome.labelled:
        outcome.same_obsid = _same_obsid(folder, names, outcome.columns)
        _write(out, names, folder, outcome, cards)


def _write(path, names, folder, outcome, cards, labels=True):
    """Write one file, part by part; FITS holds both tables."""
    with atomic_path(path) as temporary:
        writer = WRITERS[path.suffix.lower()](temporary)
        try:
            if labels:
                writer.begin(outcome.name, outcome.columns, outcome.widths, outcome.labelled, cards)
                for name in names:
                    writer.write(read_part(folder, name, outcome.columns)[0])
                writer.end()
            if not labels or path.suffix.lower() == ".fits":
                widths = {k: outcome.widths[f"skipped {k}"] for k in SKIPPED}
                writer.begin("SKIPPED", SKIPPED, widths, outcome.skipped.total(), {})
                for name in names:
                    writer.write(read_part(folder, name, outcome.columns)[1])
                writer.end()
        finally:
            writer.close()


def _same_obsid(folder, names, columns):
    """Count rows whose obsid stands in another row too (8 bytes of memory a row)."""
    ids = [read_part(folder, name, columns)[0]["obsid"].dropna().to_numpy(np.int64)
           for name in names]  # fmt: skip
    _, counts = np.unique(np.concatenate(ids), return_counts=True)
    return int(counts[counts > 1].sum())


def _cards(outcome, labeller, settings, command):
    """Provenance: keyword -> (value, comment); long values leave no room for a comment."""
    chosen = {key: value for key, value in asdict(settings).items() if key != "weights"}
    return {
        "CEMPVERS": (__version__, "version of the package cemp"),
        "MODEL": (labeller.name, "network, by the start of its hash"),
        "MODELSHA": (labeller.sha256, ""),
        "NMEMBERS": (len(labeller.model.members), "networks averaged"),
        "ZEROPNT": (labeller.model.zero_point is not None, "labels corrected by zero points"),
        "DOMAIN": (outcome.has_domain, "spectra unlike the training's are flagged"),
        "NFILES": (outcome.files, "files given"),
        "NSKIPPED": (outcome.skipped.total(), "files not labelled"),
        "COMMAND": (command, ""),
        "SETTINGS": (json.dumps(chosen, sort_keys=True), ""),
    }


class _Progress:
    """Count parts; say on stderr how far the run is, how fast, and when it will end."""

    def __init__(self, outcome, enabled, every=5.0):
        self.outcome, self.enabled, self.every = outcome, enabled, every
        self.begin = self.last = time.monotonic()
        self.done = 0

    def __call__(self, part):
        self.outcome.add(part)
        self.done += part["files"]
        now = time.monotonic()
        if self.enabled and now - self.last >= self.every:
            self.last = now
            print(self.line(now), file=sys.stderr, flush=True)

    def line(self, now):
        """One line: done, of how many, rate of the files read now, time left."""
        text = f"{self.done:,} of {self.outcome.files:,} files"
        if not self.outcome.fresh:
            return f"{text} (labelled before)"
        rate = self.outcome.fresh / max(now - self.begin, 1e-9)
        left = (self.outcome.files - self.done) / rate
        return f"{text}, {rate:.0f} a second, {duration(left)} left"
