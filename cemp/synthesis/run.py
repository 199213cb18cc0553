"""Compute spectra of the grid: ``python -m cemp.synthesis.run --n 2000 --jobs 2``.

One file a spectrum, ``build/grid/spectra/NNNNN.npz``, written whole or not at all: stop it as you
like, the same command goes on. Spectra that the package's grid holds already are not computed again
(``--indices`` computes what it is told). It needs the environment of ``requirements.txt`` beside
this file; ``make grid`` makes it. `cemp.synthesis.collect` puts the spectra into the grid.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from zipfile import BadZipFile

import numpy as np

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.synthesis.design import draw
from cemp.synthesis.grid import DESIGN_SIZE, load_grid
from cemp.synthesis.stars import BENCHMARKS, Star, read_stars

#: Folder of the run unless told otherwise.
OUT = Path("build/grid")
_worker = {}


@dataclass(frozen=True)
class Task:
    """A spectrum to compute.

    Attributes
    ----------
    path : pathlib.Path
        File to write.
    star : cemp.synthesis.stars.Star
    fine : bool
        Whether to keep the flux without broadening as well.
    """

    path: Path
    star: Star
    fine: bool = False


#: Points at which the atmosphere network fails (9 of the 80 layers come out impossible).
IMPOSSIBLE = {1380}


@dataclass
class Report:
    """What came of a run: numbers of spectra, and the failed with their reasons."""

    done: int = 0
    there: int = 0
    failed: dict = field(default_factory=dict)


def spectrum_file(out, index):
    """File of a design index."""
    return Path(out) / "spectra" / f"{index:05d}.npz"


def is_done(path):
    """Tell whether a spectrum is there, complete and good."""
    try:
        with np.load(path) as stored:
            return bool(stored["ok"]) and stored["norm"].size > 0
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return False


def _end_with_parent():
    """End this process when its parent has gone, were it killed without a word."""
    parent_process().join()
    os._exit(1)


def start_worker(make, argument):
    """Set up a process: its synthesiser; Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _worker["synthesiser"] = make(argument)


def compute(task):
    """Compute a spectrum and write it.

    Parameters
    ----------
    task : Task

    Returns
    -------
    str
        Why it failed; empty if it did not.
    """
    if is_done(task.path):  # another run on the same folder was faster
        return ""
    try:
        arrays = _arrays(_worker["synthesiser"], task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    with atomic_path(task.path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return ""


def _arrays(synthesiser, task):
    """Arrays of a file."""
    if not task.fine:
        norm, cont = synthesiser.spectrum(task.star)
        return {"norm": norm, "cont": cont, "par": task.star.labels, "ok": True}
    fine = synthesiser.fine(task.star)
    norm, cont = synthesiser.at_grid_resolution(task.star, fine)
    return {"norm": norm, "cont": cont, "par": task.star.labels, "ok": True,
            "fine_wave": fine.wave, "fine_flux": fine.flux, "fine_continuum": fine.continuum}


def run(tasks, jobs, make, argument, show=print):
    """Compute spectra in several processes.

    Parameters
    ----------
    tasks : list of Task
    jobs : int
        Processes. Each has the library's one state to itself.
    make : callable
        Makes a synthesiser from `argument`, in each process.
    argument : object
    show : callable
        Takes a line of progress.

    Returns
    -------
    Report

    Raises
    ------
    KeyboardInterrupt
        After all processes have ended; finished spectra are kept.
    """
    todo = [task for task in tasks if not is_done(task.path)]
    report, start = Report(there=len(tasks) - len(todo)), time.monotonic()
    if report.there:
        show(f"{report.there} of {len(tasks)} spectra are there already")
    if not todo:
        return report
    os.environ["OMP_NUM_THREADS"] = "1"
    # Spawned, not forked: a fork would share the library's state half made.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), start_worker, (make, argument))
    try:
        futures = {pool.submit(compute, task): task for task in todo}
        for future in as_completed(futures):
            _count(report, futures[future], future)
            show(_progress(report, len(todo), start))
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()
    return report


def _count(report, task, future):
    """Note how a spectrum ended."""
    try:
        reason = future.result()
    except BrokenProcessPool:
        reason = "a process died (killed, or out of memory): run again"
    except BadInputError as error:
        reason = str(error)
    if reason:
        report.failed[task.path.stem] = reason
    else:
        report.done += 1


def _progress(report, n, start):
    """Line of progress with the time left."""
    past = report.done + len(report.failed)
    left = (time.monotonic() - start) / past * (n - past)
    failed = f", {len(report.failed)} failed" if report.failed else ""
    return f"{past} of {n} spectra{failed}, about {left / 60:.0f} min left"


def _stop(pool):
    """End all processes at once."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def grid_tasks(out, n, indices=None):
    """List the spectra to compute.

    Parameters
    ----------
    out : str or pathlib.Path
    n : int
        First points of the design; those in the package's grid and those without an atmosphere
        (`IMPOSSIBLE`) are left out.
    indices : list of int, optional
        These and no others, whether or not the grid has them.

    Returns
    -------
    list of Task
    """
    if indices is None:
        indices = sorted(set(range(n)) - set(load_grid().index.tolist()) - IMPOSSIBLE)
    elif not all(0 <= k < DESIGN_SIZE for k in indices):
        raise BadInputError(f"a design index lies in 0 to {DESIGN_SIZE - 1}")
    labels = draw()
    return [Task(spectrum_file(out, k), Star(*labels[k].tolist())) for k in indices]


def parse(words=None):
    """Understand the command line."""
    parser = argparse.ArgumentParser(prog="python -m cemp.synthesis.run",
                                     description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--n", type=int, default=2000, help="first N points of the design")
    what.add_argument("--indices", type=int, nargs="+", help="these points of the design")
    what.add_argument("--stars", nargs="+", metavar="STAR",
                      help=f"benchmark stars ({', '.join(BENCHMARKS)}) or CSV files of stars")
    what.add_argument("--select-lines", action="store_true",
                      help="make the selection of lines in cemp/data anew (5 minutes)")
    parser.add_argument("--fine", action="store_true",
                        help="with --stars: keep the flux without broadening, for line strengths")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the spectra")
    parser.add_argument("--prepared", type=Path, default=OUT,
                        help="folder of downloads, atmospheres and lines")
    settings = parser.parse_args(words)
    if settings.jobs < 1 or not 0 < settings.n <= DESIGN_SIZE:
        parser.error(f"--jobs is at least 1 and --n lies in 1 to {DESIGN_SIZE}")
    return settings


def _tasks(settings):
    """List the tasks of a command line."""
    if settings.stars is None:
        return grid_tasks(settings.out, settings.n, settings.indices)
    return [Task(settings.out / "stars" / f"{name}.npz", star, settings.fine)
            for name, star in read_stars(settings.stars).items()]


def make_synthesiser(prepared):
    """Set up the real thing in a process; what SMElib writes to stderr goes to a file."""
    from cemp.synthesis.prepare import load_synthesiser

    log = os.open(Path(prepared) / "smelib.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    return load_synthesiser(prepared)


def main(words=None):
    """Run the command line; returns the exit status."""
    settings = parse(words)
    try:
        from cemp.synthesis import prepare

        if settings.select_lines:
            prepare.select_lines(settings.prepared)
            return 0
        tasks = _tasks(settings)
        if not all(is_done(task.path) for task in tasks):
            prepare.prepare(settings.prepared)
        report = run(tasks, settings.jobs, make_synthesiser, settings.prepared,
                     lambda line: print(line, flush=True))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"{error}: run this in the grid's own environment (`make grid`)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; finished spectra are kept, the same command goes on", file=sys.stderr)
        return 130
    print(f"{report.done} spectra computed, {report.there} were there, "
          f"{len(report.failed)} failed; see {settings.out}")
    for name, reason in sorted(report.failed.items()):
        print(f"  {name} failed: {reason}", file=sys.stderr)
    return 1 if report.failed else 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
