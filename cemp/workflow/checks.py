"""Prepare the notebooks for nbval, and record what their check cells must print.

nbval cannot inject parameters. So ``python -m cemp.workflow.checks prepare`` writes copies with
the smoke profile's parameters to ``build/smoke/nbval/``; in them the cells tagged ``check`` hold
the output kept in ``tests/reference/smoke_checks.json``, and nbval compares those and only runs
the others. ``record`` renews that file from an executed smoke run.
"""

import argparse
import json
import shutil
import sys

import nbformat
import papermill

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.workflow.profile import parameters, skips

#: What nbval compares, by notebook and cell id.
REFERENCE = ROOT / "tests" / "reference" / "smoke_checks.json"

#: Folders of stage products in a profile's build folder.
PRODUCTS = ("survey", "truth", "[0-9][0-9]")


def comparable(outputs):
    """Reduce a cell's outputs to what can be compared on another machine.

    Parameters
    ----------
    outputs : list of dict
        In nbformat's form.

    Returns
    -------
    list of dict
        The same without images, counts and standard error.
    """
    kept = []
    for output in outputs:
        if output["output_type"] == "stream":
            if output["name"] == "stdout":
                kept.append({"output_type": "stream", "name": "stdout", "text": output["text"]})
        elif output["output_type"] != "error":
            data = {k: v for k, v in output["data"].items() if not k.startswith("image/")}
            kept.append({"output_type": "display_data", "data": data, "metadata": {}})
    return kept


def is_check(cell):
    """Tell whether a cell is one whose output nbval compares."""
    return cell.cell_type == "code" and "check" in cell.metadata.get("tags", [])


def prepare(source, target, values, expected):
    """Write a notebook's copy for nbval.

    Parameters
    ----------
    source, target : pathlib.Path
        The notebook and its copy.
    values : dict
        Parameters to inject.
    expected : dict of str to list of dict
        Outputs by id of the check cells.

    Returns
    -------
    int
        Number of cells that nbval will compare.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(str(source), str(target), values, prepare_only=True,
                               kernel_name="python3", progress_bar=False)
    notebook, compared = nbformat.read(target, as_version=4), 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if is_check(cell) and cell.id in expected:
            cell.outputs = [nbformat.from_dict(output) for output in expected[cell.id]]
            cell.execution_count = 1  # nbval takes outputs of cells without a count for a slip
            cell.metadata.tags = [*cell.metadata.tags, "nbval-check-output"]
            compared += 1
    nbformat.write(notebook, target)
    return compared


def prepare_all(paths, reference=REFERENCE):
    """Write the copies of all notebooks and clear what an earlier smoke run made.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The smoke profile.
    reference : pathlib.Path
        What `record` wrote.

    Returns
    -------
    dict of str to int
        Compared cells by notebook.
    """
    expected = json.loads(reference.read_text()) if reference.is_file() else {}
    for folder in (found for name in (*PRODUCTS, "nbval") for found in paths.build.glob(name)):
        shutil.rmtree(folder)
    counts = {}
    for source in sorted((paths.root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        if skips(source.stem, paths):
            continue
        values = parameters(source.stem, paths=paths)
        target = paths.build / "nbval" / source.name
        counts[source.stem] = prepare(source, target, values, expected.get(source.stem, {}))
    return counts


def record(paths, reference=REFERENCE):
    """Keep the output of the check cells of an executed run.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The smoke profile, executed.
    reference : pathlib.Path
        File to write.

    Returns
    -------
    dict of str to int
        Recorded cells by notebook.
    """
    kept = {}
    for path in sorted((paths.build / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if is_check(cell)]
        empty = [cell.id for cell in cells if not comparable(cell.outputs)]
        if empty:
            raise BadInputError(f"{path}: check cells {', '.join(empty)} print nothing: let them "
                                "print a number or take away their tag")
        kept[path.stem] = {cell.id: comparable(cell.outputs) for cell in cells}
    with atomic_path(reference) as temporary:
        temporary.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return {name: len(cells) for name, cells in kept.items()}


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["prepare", "record"])
    action = prepare_all if parser.parse_args(arguments).what == "prepare" else record
    try:
        counts = action(Paths("smoke"))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    print("check cells:", ", ".join(f"{name} {n}" for name, n in counts.items()) or "none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
