"""From the runs of the experiments to the tables that are committed."""

import json

import pandas as pd

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.experiments.ablation import VARIANTS
from cemp.experiments.faint import faint_table
from cemp.experiments.paired import ablation_table
from cemp.models.io import versions
from cemp.synthesis.grid import grid_hash


def folder(paths):
    """Folder of the committed tables; other profiles than the demo keep theirs in build/."""
    if paths.profile == "demo":
        return paths.root / "cemp" / "data" / "experiments"
    return paths.root / "build" / "experiments" / paths.profile / "tables"


def write(runs, seeds, epochs, log=print):
    """Write the tables of all finished runs.

    ``ablation_runs.csv`` has a row a run (validation loss, processor seconds); ``ablation.csv``
    the differences from the base by score, with 95% intervals over seeds and stars;
    ``ablation_faint.csv`` bias and scatter by S/N with and without noise in training.

    Parameters
    ----------
    runs : cemp.experiments.run.Runs
    seeds : sequence of int
    epochs : int
    log : callable

    Raises
    ------
    BadInputError
        If the base and one variant do not have two seeds each.
    """
    judged = runs.bench().judged, runs.bench().about
    predictions = runs.predictions(VARIANTS, seeds, epochs, judged[0].obsid)
    table = ablation_table(predictions, judged[0].labels, judged[1])
    if table.empty:
        raise BadInputError("nothing to compare: fewer than two finished runs of base and of a "
                            "variant; run `make ablation` again")  # fmt: skip
    records = [runs.record(name, seed) for name in predictions for seed in predictions[name]]
    about = {"profile": runs.paths.profile, "data_mark": runs.data_mark, "seeds": list(seeds),
             "epochs": epochs, "runs": len(records),
             "cpu_seconds": {"runs": sum(record["cpu_seconds"] for record in records)},
             "marks": sorted({record["mark"] for record in records})}
    tables = {
        "ablation_runs.csv": pd.DataFrame(records).drop(columns="mark", errors="ignore"),
        "ablation.csv": table,
        "ablation_faint.csv": faint_table(
            {name: predictions[name] for name in ("base", "no_noise") if name in predictions},
            judged[0].labels, judged[1]),
    }  # fmt: skip
    write_tables(tables, about, folder(runs.paths), "ablation", log)
    left = runs.waiting(VARIANTS, seeds, epochs)
    if left:
        log(f"{len(left)} runs are missing: `make ablation` goes on with them")


def write_tables(tables, about, out, name, log=print):
    """Write tables as CSV, and beside them where they come from.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        By file name.
    about : dict
        Provenance; written to ``<name>.json`` with versions and the synthetic grid's hash.
    out : pathlib.Path
    name : str
    log : callable
    """
    for file, table in tables.items():
        with atomic_path(out / file) as path:
            table.to_csv(path, index=False, float_format="%.6g")
        log(f"{out / file}: {len(table)} rows")
    with atomic_path(out / f"{name}.json") as path:
        about = about | {"grid": grid_hash(), "versions": versions()}
        path.write_text(json.dumps(about, indent=1) + "\n")
