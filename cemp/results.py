"""Numbers and tables on their way from a notebook to the paper, by machine only."""

import json
import re
import shutil
from dataclasses import asdict, dataclass

import pandas as pd

from cemp.atomic import atomic_path
from cemp.errors import BadInputError


@dataclass(frozen=True)
class Value:
    """One result of the paper.

    Parameters
    ----------
    value : float or int or str
        The number itself, unrounded (or a text that the run decides).
    fmt : str
        Format specification used in the paper, e.g. ``".2f"`` or ``",d"``.
    what : str
        What it is, with its unit: becomes a comment in the TeX file.
    headline : bool
        Whether the receipt shows it and ``make verify`` compares it.
    """

    value: float | int | str
    fmt: str = ""
    what: str = ""
    headline: bool = False

    @property
    def text(self):
        """The value as the paper prints it; a hyphen becomes a minus sign."""
        text = format(self.value, self.fmt)
        if isinstance(self.value, str):
            return text
        return text.replace(",", "{,}").replace("-", r"\ensuremath{-}").replace("nan", r"\nodata")

    @property
    def plain(self):
        """The value as a page shows it: the same digits without TeX."""
        return format(self.value, self.fmt)


def headlines(values):
    """Show the results that matter most, free of TeX, for the last cell of a notebook.

    Parameters
    ----------
    values : dict of str to Value
        As given to `write_values`.

    Returns
    -------
    pandas.DataFrame
        One row a headline: what it is, and its value as text.
    """
    rows = [(v.what, v.plain) for v in values.values() if v.headline]
    return pd.DataFrame(rows, columns=["headline", "value"])


def write_values(stage, values, paths):
    r"""Write a notebook's results as JSON and as LaTeX macros.

    Parameters
    ----------
    stage : str
        The notebook, e.g. ``"04_evaluation"``.
    values : dict of str to Value
        Macro name (letters only, unique in the paper) to its value.
    paths : cemp.paths.Paths
        The profile; ``values/<stage>.json`` and ``.tex`` are written.

    Raises
    ------
    BadInputError
        If a name cannot be a TeX macro.
    """
    for name in values:
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise BadInputError(f"'{name}' cannot be a TeX macro: use letters only")
    folder = paths.published("values")
    with atomic_path(folder / f"{stage}.json") as path:
        plain = {name: asdict(value) for name, value in values.items()}
        path.write_text(json.dumps(plain, indent=1, default=float) + "\n")
    lines = [f"% written by notebooks/{stage}.ipynb, profile {paths.profile}; do not edit"]
    lines += [f"\\newcommand{{\\{k}}}{{{v.text}}}% {v.what}" for k, v in values.items()]
    with atomic_path(folder / f"{stage}.tex") as path:
        path.write_text("\n".join(lines) + "\n")


def read_values(paths):
    """Read the results of all notebooks.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    dict of str to Value
        Values by macro name.
    """
    values = {}
    for path in sorted(paths.published("values").glob("*.json")):
        values.update({k: Value(**v) for k, v in json.loads(path.read_text()).items()})
    return values


def write_table(name, rows, paths):
    r"""Write the body of a paper table.

    Parameters
    ----------
    name : str
        Table name, e.g. ``"04_metrics"``; ``tables/<name>.tex`` is written.
    rows : list of sequence of str
        Cells in TeX, one sequence a row; they go between ``\startdata`` and ``\enddata``.
    paths : cemp.paths.Paths
        The profile.
    """
    head = f"% written by the notebooks, profile {paths.profile}; do not edit\n"
    body = " \\\\\n".join(" & ".join(str(cell) for cell in row) for row in rows)
    with atomic_path(paths.published("tables") / f"{name}.tex") as path:
        path.write_text(f"{head}{body}\n")


def keep_committed(names, paths):
    """Let results stand that this machine cannot compute, for want of data.

    Parameters
    ----------
    names : sequence of str
        Committed files of the paper, such as ``"values/07_x.tex"`` or ``"figures/07_x.pdf"``.
    paths : cemp.paths.Paths
        The profile. With the demo profile the files are left alone; any other profile gets a
        copy of them beside its own products.
    """
    for name in names:
        kind, _, file = name.partition("/")
        source = paths.root / ("figures" if kind == "figures" else f"paper/{kind}") / file
        target = paths.published(kind) / file
        if source.is_file() and target != source:
            shutil.copy2(source, target)
    print("kept as committed: " + ", ".join(names))
