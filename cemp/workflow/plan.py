"""Say what a profile would fetch and run, and what it takes: ``make plan PROFILE=dr11``."""

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass, field

from cemp.archives.registry import CATALOGUES, REGISTRY, SPECTRA, read_registry, wanted_files
from cemp.archives.secret import VARIABLE
from cemp.archives.settings import FetchSettings
from cemp.archives.there import check_catalogue
from cemp.duration import duration
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.needs import command, number, read_needs
from cemp.workflow.rates import read_rates
from cemp.workflow.sizes import fits_rows, sizes, spectra_there

#: Spectra a star of the mock.
MOCK_REPEATS = 1.3
TRAINING = "03_training"


@dataclass(frozen=True)
class Step:
    """One line of the plan: seconds, memory [bytes], disk [bytes], and whether it is done."""

    name: str
    what: str
    seconds: float
    memory: float
    disk: float
    done: bool


@dataclass
class Plan:
    """What a profile takes.

    Attributes
    ----------
    files : list of tuple
        Name, state, rows, megabytes.
    steps : list of Step
    notes : list of str
        What the numbers rest on, and what does not fit.
    wrong : list of str
        What is there and is not what it should be: the plan does not hold.
    """

    files: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    wrong: list = field(default_factory=list)


def run_steps(paths, counts, spectra, rates, settings, recorded, cores):
    """Say what each notebook takes.

    Parameters
    ----------
    paths : cemp.paths.Paths
    counts : cemp.workflow.sizes.Sizes
    spectra : int
        Those that will be on disk.
    rates : cemp.workflow.rates.Rates
    settings : dict of str to dict
        Parameters by notebook.
    recorded : dict of str to dict
        Seconds and memory of the demo's stages, for their parts that do not grow.
    cores : int

    Returns
    -------
    list of Step
    """
    jobs = min(settings[SPECTRA].get("n_jobs", 2), cores)
    epochs = settings[TRAINING].get("epochs", 32)
    n, search = counts.spectra, spectra - counts.labelled
    fixed = {name[:2]: (entry["seconds"], entry["peak_bytes"]) for name, entry in recorded.items()}
    trained = epochs * (counts.bright + counts.validation / 3)  # validating is forth only
    done = {k: any((paths.build / k).glob(name)) for k, name in _DONE.items()}

    def step(number, what, seconds, memory, disk):
        base = fixed.get(number, (60.0, 6e8))
        return Step(number, what, base[0] * (number in "0001040506") + seconds,
                    max(base[1], memory), disk, done[number])

    return [
        step("01", f"match {n:,} rows, with 3 label tables", n / rates.match_rows,
             6e8 + max(rates.match_bytes, rates.crossmatch_bytes) * n, 60.0 * n),
        step("02", f"{spectra:,} spectra to vectors, {jobs} processes",
             spectra / rates.preprocessing / jobs, 8e8 + rates.preprocessing_bytes * n,
             rates.vector_bytes * spectra + rates.labelled_bytes * counts.labelled),
        step("03", f"{epochs} epochs of {counts.bright:,} spectra", trained / rates.training,
             6e8 + rates.sample_bytes * (counts.bright + counts.validation), 2e7),
        step("04", f"labels of {spectra:,} spectra", spectra / rates.inference,
             1e9 + rates.evaluation_bytes * spectra, 60.0 * spectra),
        step("05", f"classes of {search:,} spectra", search / 2e5,
             7e8 + rates.search_bytes * search, 300.0 * search),
        step("06", "the synthetic spectra", 0.0, 0.0, 1e6),
    ]


#: A file that each stage leaves.
_DONE = {"01": "observations.parquet", "02": "processed.csv", "03": "macrn.pt",
         "04": "predictions.parquet", "05": "candidates.fits", "06": "held_out.csv"}


def make_plan(paths, which="labelled", registry=REGISTRY, manners=FetchSettings()):  # noqa: B008
    """Work out a profile's plan; nothing is fetched and nothing is run.

    Parameters
    ----------
    paths : cemp.paths.Paths
    which : str
        Spectra to fetch: ``labelled``, ``all`` or ``none``.
    registry : path_like
        List of archives.
    manners : cemp.archives.settings.FetchSettings
        How fast they may be asked.

    Returns
    -------
    Plan

    Raises
    ------
    BadInputError
        If the profile or a file it rests on makes no sense.
    """
    settings = read_needs(paths, dict.fromkeys((CATALOGUES, SPECTRA, TRAINING, *_stems(paths))))
    snrg_min = number(paths, settings[CATALOGUES], "snrg_min", 50.0, 0)
    number(paths, settings[SPECTRA], "n_jobs", 2, 1)
    number(paths, settings[TRAINING], "epochs", 32, 0)
    sources, source = read_registry(registry)
    wanted = wanted_files(paths, settings[CATALOGUES], sources)
    plan, mock = Plan(), all(file.made for file in wanted)
    plan.files = [] if mock else [_file_line(file, plan.wrong) for file in wanted]
    catalogue = next((f for f in wanted if f.parameter == "lamost_catalogue"), None)
    expected = _expected_rows(catalogue, mock, settings)
    rates, basis = read_rates(paths.root / "build" / "demo" / "bench.json")
    counts = sizes(paths, snrg_min, catalogue.path if catalogue else None, expected)
    recorded = _recorded(paths.root / "tests" / "reference" / "headline.json")
    spectra = counts.labelled + counts.search * (mock or which == "all")
    plan.steps = run_steps(paths, counts, spectra, rates, settings, recorded, os.cpu_count() or 1)
    plan.notes = [f"Spectra: {counts.basis}.", f"Times and memory: {basis}."]
    if not mock:
        folder = paths.resolve(settings[SPECTRA].get("spectra_dir", "data/spectra"))
        plan.files.append(_spectra_line(folder, which, counts, source, manners, plan.notes))
    _check_room(plan, paths)
    return plan


def _stems(paths):
    """Names of the notebooks that run on any profile."""
    return [path.stem for path in sorted((paths.root / "notebooks").glob("0[1-6]_*.ipynb"))]


def _recorded(path):
    """Seconds and memory of the demo's stages."""
    try:
        stages = json.loads(path.read_text())["stages"] if path.is_file() else {}
        return {name: {k: float(entry[k]) for k in ("seconds", "peak_bytes")}
                for name, entry in stages.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInputError(f"{path} is damaged: get it back with git checkout") from None


def _expected_rows(catalogue, mock, settings):
    """Rows that the LAMOST catalogue should have."""
    if mock:
        return round(MOCK_REPEATS * 4000)
    known = catalogue.source if catalogue else None
    return known.rows if known else 0


def _file_line(file, wrong):
    """Name, state, rows and megabytes of a catalogue; one that is not what it should be is told."""
    source = file.source
    if file.there and not file.made:
        try:
            check_catalogue(file.parameter, file.path)
        except BadInputError as error:
            wrong.append(str(error))
            return file.path.name, "WRONG: see below", 0, 0.0, 0.0
    if file.there and file.path.is_file():
        rows = fits_rows(file.path) or (source.rows if source else 0)
        return file.path.name, "there", rows, file.path.stat().st_size / 1e6, 0.0
    rows, size = (source.rows, source.about_mb) if source else (0, 0.0)
    if file.there:
        state = "there"
    elif source is None:
        state = "MISSING: no archive is known for this name"
    else:
        state = "fetch by hand" if source.by_hand else "fetch"
        state += f" (with {VARIABLE})" if source.token else ""
    return file.path.name, state, rows, size, 0.0 if file.there else size


def _spectra_line(folder, which, counts, source, manners, notes):
    """Name, state, number and megabytes of the spectra."""
    n = {"none": 0, "labelled": counts.labelled, "all": counts.labelled + counts.search}[which]
    there, size = spectra_there(folder)
    each = size / there if there else source.bytes
    missing = max(0, n - there)
    time = duration(missing / manners.per_second)
    mean = "mean of those there" if there else "as DR10's"
    notes.append(f"Spectra at {each / 1e3:.0f} kB each ({mean}); {missing:,} to fetch take {time} "
                 f"at {manners.per_second:g} a second.")
    if which == "labelled":
        whole = counts.labelled + counts.search
        notes.append(f"All {whole:,} spectra (FETCH=all) would be {whole * each / 1e9:,.0f} GB and "
                     f"{duration(whole / manners.per_second)}: for so many ask the survey for a "
                     "copy on disk.")
    return (f"spectra in {folder}", f"{there:,} there, {missing:,} to fetch", n,
            (size + missing * each) / 1e6, missing * each / 1e6)


def _check_room(plan, paths):
    """Say whether disk and memory suffice."""
    fetch = sum(line[4] for line in plan.files) * 1e6
    need = fetch + sum(step.disk for step in plan.steps if not step.done)
    free = shutil.disk_usage(paths.root).free
    word = "fits" if need < free else "DOES NOT FIT"
    plan.notes.append(f"Disk: {need / 1e9:,.1f} GB to come, {free / 1e9:,.0f} GB free: {word}.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    large = [step.name for step in plan.steps if not step.done and step.memory > 0.9 * memory]
    word = f"DOES NOT FIT in notebook {', '.join(large)}" if large else "fits"
    plan.notes.append(f"Memory: {memory / 2**30:.0f} GiB here: {word}.")


def text(plan, profile):
    """Write a plan for people.

    Parameters
    ----------
    plan : Plan
    profile : str

    Returns
    -------
    str
        Markdown.
    """
    lines = [f"# Plan of profile {profile}", ""]
    if plan.files:
        lines += ["| file | state | rows or spectra | MB |", "|---|---|---:|---:|"]
        lines += [f"| {n} | {s} | {r:,} | {mb:,.0f} |" for n, s, r, mb, _ in plan.files]
        lines.append("")
    lines += ["| notebook | what | time | memory GiB | disk GB | |", "|---|---|---:|---:|---:|---|"]
    lines += [f"| {s.name} | {s.what} | {duration(s.seconds)} | {s.memory / 2**30:.1f} | "
              f"{s.disk / 1e9:.1f} | {'there' if s.done else ''} |" for s in plan.steps]
    left = sum(step.seconds for step in plan.steps if not step.done)
    lines += ["", f"To run: {duration(left)}.", "", *(f"- {note}" for note in plan.notes), ""]
    return "\n".join(lines)


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--spectra", default="labelled", choices=("none", "labelled", "all"))
    parser.add_argument("--per-second", type=float, default=FetchSettings().per_second)
    parser.add_argument("--registry", default=REGISTRY)
    args = parser.parse_args(arguments)
    return command(lambda: _run(args))


def _run(args):
    """Print the plan; the exit status says whether it holds."""
    manners = FetchSettings(per_second=args.per_second)
    plan = make_plan(Paths(args.profile), args.spectra, args.registry, manners)
    print(text(plan, args.profile))
    print("\n".join(plan.wrong), file=sys.stderr, end="\n" if plan.wrong else "")
    return 1 if plan.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
