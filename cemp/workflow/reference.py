"""Record the headline numbers of the demo run and their scatter over five training seeds.

The demo run is the first seed; notebooks 03 to 05 run again for four others in ``build/seed-<n>``,
on the same spectra. Stop it whenever you like: what a seed has finished is not run again.
"""

import argparse
import json
import shutil
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor

import yaml

from cemp.atomic import atomic_path
from cemp.constants import SEED
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.results import Value
from cemp.workflow.profile import declared_parameters, notebook_path, read_profile
from cemp.workflow.run import run, set_environment
from cemp.workflow.verify import REFERENCE

#: Seeds beside the paper's own.
SEEDS = tuple(SEED + n for n in (1, 2, 3, 4))

#: Notebooks whose results depend on the training seed.
TRAINED = ("03_training", "04_evaluation", "05_candidates")

#: Notebooks whose results depend on it too and are not run again: without a scatter there is
#: nothing to judge their numbers by, so none is recorded.
NOT_AGAIN = ("08_methods", "10_selection", "11_carbon_lines", "13_catalogue")

#: What a seed shares with the demo run.
SHARED = ("survey", "truth", "01", "02")


def set_up(seed, demo):
    """Make a seed's build folder: links to the demo's data, and a profile with the seed.

    Parameters
    ----------
    seed : int
    demo : cemp.paths.Paths
        The demo profile, executed.

    Returns
    -------
    cemp.paths.Paths
    """
    name = f"seed-{seed}"
    folder = demo.root / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    for shared in SHARED:
        link = folder / shared
        if (demo.build / shared).exists() and not link.exists():
            link.symlink_to(demo.build / shared, target_is_directory=True)
    sections = {stem: dict(read_profile(demo).get(stem, {})) for stem in TRAINED}
    for stem, section in sections.items():
        if "seed" in declared_parameters(notebook_path(stem, demo.root)):
            section["seed"] = seed
    (folder / "profile.yaml").write_text(yaml.safe_dump(sections, sort_keys=False))
    return Paths(name, demo.root)


def finished(stem, paths, demo):
    """Tell whether a seed has run a notebook with today's code, parameters and spectra."""
    kept, now = (p.build / "inputs" / f"{stem}.json" for p in (paths, demo))
    if not (kept.is_file() and now.is_file() and kept.read_text() == now.read_text()):
        return False
    data = [path.stat().st_mtime for folder in ("01", "02")
            for path in (demo.build / folder).glob("*") if path.is_file()]  # fmt: skip
    return kept.stat().st_mtime >= max(data, default=0)


def run_seed(seed, demo):
    """Run what a seed has not finished.

    Parameters
    ----------
    seed : int
    demo : cemp.paths.Paths
        The demo profile, executed.

    Returns
    -------
    cemp.paths.Paths
        The seed's.

    Raises
    ------
    BadInputError
        If a notebook fails.
    """
    paths, again = set_up(seed, demo), False
    for stem in TRAINED:
        again = again or not finished(stem, paths, demo)
        if not again:
            continue
        if run(stem, paths):
            raise BadInputError(f"{stem} failed for seed {seed}; correct it and run again")
        with atomic_path(paths.build / "inputs" / f"{stem}.json") as path:
            shutil.copy(demo.build / "inputs" / f"{stem}.json", path)
    return paths


def headline(paths):
    """Read the headline values of a run with the notebook of each.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to tuple
        Notebook and Value by macro name.
    """
    found = {}
    for path in sorted(paths.published("values").glob("*.json")):
        values = {name: Value(**entry) for name, entry in json.loads(path.read_text()).items()}
        found |= {name: (path.stem, value) for name, value in values.items() if value.headline}
    return found


def scatter(values):
    """Sample standard deviation of a number over seeds; 0 for texts and single values.

    Parameters
    ----------
    values : list

    Returns
    -------
    float

    Examples
    --------
    >>> scatter([1.0, 3.0]), scatter(["a", "b"]), scatter([2])
    (1.4142135623730951, 0.0, 0.0)
    """
    if len(values) < 2 or any(isinstance(value, str) or value != value for value in values):
        return 0.0
    return statistics.stdev(float(value) for value in values)


def collect(demo, seeds):
    """Put the runs together.

    Parameters
    ----------
    demo : cemp.paths.Paths
        The demo profile, executed.
    seeds : list of cemp.paths.Paths
        The other seeds'.

    Returns
    -------
    dict
        Content of ``tests/reference/headline.json``.
    """
    others = [headline(paths) for paths in seeds]
    values, unjudged = {}, []
    for name, (stem, value) in headline(demo).items():
        if stem in NOT_AGAIN:
            unjudged.append(name)
            continue
        all_values = [value.value, *(o[name][1].value for o in others if name in o)]
        values[name] = {"notebook": stem, "what": value.what, "fmt": value.fmt,
                        "value": value.value, "scatter": scatter(all_values),
                        "n_seeds": len(all_values)}
    stages = {path.stem: json.loads(path.read_text())
              for path in sorted((demo.build / "log").glob("[0-9][0-9]_*.json"))}
    return {"seeds": [SEED, *(int(paths.profile.removeprefix("seed-")) for paths in seeds)],
            "stages": stages, "values": values, "unjudged": sorted(unjudged)}


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS),
                        help="seeds beside the paper's own; none: record values without scatter")
    demo = Paths("demo")
    set_environment(demo.root)
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time")
    options = parser.parse_args(arguments)
    try:
        with ProcessPoolExecutor(options.jobs) as pool:
            seeds = list(pool.map(run_seed, options.seeds, [demo] * len(options.seeds)))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    content = collect(demo, seeds)
    with atomic_path(REFERENCE) as path:
        path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{len(content['values'])} headline numbers, {len(content['seeds'])} seeds -> "
          f"{REFERENCE.relative_to(demo.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
