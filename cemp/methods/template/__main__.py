"""``python -m cemp.methods.template``: the injection test with a Markov chain for every star.

Some minutes of one core; a stopped run goes on where it was. The table is committed, for
08_methods to show: `cemp.methods.template.inject.injected` reads it.
"""

import argparse
import json
import time

import pandas as pd

from cemp.atomic import atomic_path
from cemp.methods.template.inject import FOLDER, STEPS, coverage, injection_test, matched
from cemp.models.io import versions
from cemp.synthesis.grid import grid_hash

#: Stars between two savings.
PART = 10


def run(n_stars, minutes, folder=FOLDER):
    """Judge the stars that are not in the table yet.

    Parameters
    ----------
    n_stars : int
    minutes : float
        After which no further stars are begun.
    folder : pathlib.Path
        Receives ``injection.csv`` and ``injection.json``.

    Returns
    -------
    pandas.DataFrame
        As of `cemp.methods.template.inject.injection_test`.
    """
    about = {"n_stars": n_stars, "grid": grid_hash(), "versions": versions(), **STEPS}
    path, note = folder / "injection.csv", folder / "injection.json"
    same = note.is_file() and json.loads(note.read_text()) == about
    table = pd.read_csv(path) if same and path.is_file() else pd.DataFrame({"star": []})
    begun, method = time.monotonic(), None
    for start in range(len(table), n_stars, PART):
        if time.monotonic() - begun > 60 * minutes:
            break
        method = method or matched()
        new = injection_test(method, n_stars, only=slice(start, start + PART), **STEPS)
        table = new if table.empty else pd.concat([table, new], ignore_index=True)
        for target, text in ((path, table.round(5).to_csv(index=False)),
                             (note, json.dumps(about, indent=1) + "\n")):
            with atomic_path(target) as temporary:
                temporary.write_text(text)
        print(f"{len(table)} of {n_stars} stars", flush=True)
    return table


def main():
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m cemp.methods.template",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many")
    args = parser.parse_args()
    print(coverage(run(args.stars, args.minutes)).round(3).to_string())


if __name__ == "__main__":
    main()
