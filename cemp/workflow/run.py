"""Run one notebook of the paper with a profile's parameters.

``python -m cemp.workflow.run 03_training --profile smoke`` executes
``notebooks/03_training.ipynb`` into ``build/smoke/notebooks/`` and fails as soon as a cell does.
"""

import argparse
import json
import logging
import os
import signal
import sys
from contextlib import contextmanager

import papermill
import yaml
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.measure import Meter
from cemp.workflow.profile import notebook_path, parameters

#: Threads of linear algebra unless OMP_NUM_THREADS says otherwise. Sums depend on how many share
#: them, so the number is fixed: the same on a laptop and on a large machine. Two notebooks at a
#: time use two cores better than two threads of one notebook do.
THREADS = "1"

#: Seconds a single cell may take unless --timeout says otherwise.
TIMEOUT = 3600


def set_environment(root):
    """Set what kernels inherit: threads, hash seed, import path.

    Parameters
    ----------
    root : pathlib.Path
        The repository, put first on the import path.
    """
    os.environ.setdefault("OMP_NUM_THREADS", THREADS)
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # idle threads that spin slow a whole notebook tenfold when another one wants the core
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(root), os.environ.get("PYTHONPATH")])
    )
    os.environ.pop("MPLBACKEND", None)  # the kernel chooses; another one would show no figure


@contextmanager
def stderr_to(stream):
    """Send standard error of this process and of the kernels it starts to an open file.

    Parameters
    ----------
    stream : file object
        The stage's log: kernels chatter there, and the terminal keeps one line a stage.
    """
    kept = os.dup(2)
    os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def execute(name, paths, overrides=None, prepare_only=False, timeout=TIMEOUT):
    """Execute a notebook into the profile's build folder.

    Parameters
    ----------
    name : str
        Notebook stem or number.
    paths : cemp.paths.Paths
        The profile.
    overrides : dict of str to object, optional
        Parameters that replace the profile's.
    prepare_only : bool
        Inject the parameters and execute nothing.
    timeout : int
        Seconds a cell may take.

    Returns
    -------
    pathlib.Path
        The executed notebook.
    """
    source = notebook_path(name, paths.root)
    values = parameters(source.stem, overrides=overrides, paths=paths)
    target = paths.build / "notebooks" / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    log = paths.build / "log" / f"{source.stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", buffering=1) as stream, stderr_to(stream):
        papermill.execute_notebook(
            str(source), str(target), values, cwd=str(paths.root), prepare_only=prepare_only,
            kernel_name="python3", execution_timeout=timeout, start_timeout=120,
            progress_bar=False, stdout_file=stream, stderr_file=stream,
        )
    return target


def record(name, paths, meter):
    """Keep a stage's time and memory for the receipt.

    Parameters
    ----------
    name : str
        Notebook stem.
    paths : cemp.paths.Paths
        The profile; ``build/<profile>/log/<name>.json`` is written.
    meter : Meter
        What was measured.
    """
    entry = {"seconds": round(meter.seconds, 2), "peak_bytes": meter.peak_bytes,
             "threads": os.environ["OMP_NUM_THREADS"]}
    with atomic_path(paths.build / "log" / f"{name}.json") as path:
        path.write_text(json.dumps(entry, indent=1) + "\n")


def explain(error):
    """Say in a few lines where and why a notebook failed.

    Parameters
    ----------
    error : Exception
        What papermill or nbclient raised.

    Returns
    -------
    str
    """
    if isinstance(error, PapermillExecutionError):
        first = next((line for line in error.source.splitlines() if line.strip()), "")
        return (f"cell {error.cell_index} ('{first.strip()}' ...) raised "
                f"{error.ename}: {error.evalue}")
    if isinstance(error, CellTimeoutError):
        source = str(error).partition("-------------------")[2].strip().splitlines()
        return (f"cell ('{source[0] if source else '?'}' ...) ran past its time limit; if it was "
                "at work, allow more with TIMEOUT=seconds")
    if isinstance(error, DeadKernelError):
        return "the kernel died, most often for want of memory: `make doctor` says what is needed"
    return str(error)


def run(name, paths, overrides=None, prepare_only=False, timeout=TIMEOUT):
    """Execute a notebook, report it on the terminal and say how it ended.

    Parameters
    ----------
    name, paths, overrides, prepare_only, timeout
        As for `execute`.

    Returns
    -------
    int
        Exit status: 0 well, 1 failed, 130 interrupted.
    """
    stem = name
    try:
        stem = notebook_path(name, paths.root).stem
        log = (paths.build / "log" / f"{stem}.log").relative_to(paths.root)
        print(f"{stem} [{paths.profile}] runs; its output goes to {log}", flush=True)
        with Meter() as meter:
            target = execute(stem, paths, overrides, prepare_only, timeout)
    except KeyboardInterrupt:
        print(f"{name} [{paths.profile}] stopped; `make` goes on from here", file=sys.stderr)
        return 130
    except (BadInputError, PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
        where = (paths.build / "notebooks").relative_to(paths.root)
        came = "" if isinstance(error, BadInputError) else (
            f"\n  the notebook as far as it came: {where}/{stem}.ipynb")
        print(f"{name} [{paths.profile}] FAILED: {explain(error)}{came}", file=sys.stderr)
        return 1
    if not prepare_only:
        record(stem, paths, meter)
    print(f"{stem} [{paths.profile}] {meter.seconds:.0f} s, "
          f"{meter.peak_bytes / 2**30:.2f} GiB -> {target.relative_to(paths.root)}", flush=True)
    return 0


def override(text):
    """Read ``name=value``, the value as YAML.

    >>> override("seed=7")
    ('seed', 7)
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not name=value")
    return name, yaml.safe_load(value)


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="notebook, e.g. 03_training or 03")
    parser.add_argument("--profile", default="demo", help="file in notebooks/profiles/")
    parser.add_argument("--set", type=override, action="append", default=[], metavar="NAME=VALUE",
                        dest="overrides", help="replace a parameter of the profile")
    parser.add_argument("--prepare-only", action="store_true", help="inject, execute nothing")
    parser.add_argument("--timeout", type=int, default=TIMEOUT, help="seconds a cell may take")
    args = parser.parse_args(arguments)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        paths = Paths(args.profile)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    set_environment(paths.root)
    return run(args.name, paths, dict(args.overrides), args.prepare_only, args.timeout)


if __name__ == "__main__":
    sys.exit(main())
