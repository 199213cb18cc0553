"""Where a figure, a table or a number of the paper comes from: the cell and the function."""

import ast
from dataclasses import dataclass

import nbformat

#: Calls that leave something for the paper, by what they leave.
CALLS = {"publish": "figure", "write_table": "table", "write_values": "values"}


@dataclass(frozen=True)
class Origin:
    """A cell that leaves something for the paper.

    Parameters
    ----------
    notebook : str
        File stem.
    cell : str
        Its id.
    number : int
        Its place among the code cells, from 1: the bracketed number beside it.
    """

    notebook: str
    cell: str
    number: int


def origins(root):
    """Find the cell of every figure, table and file of values.

    Parameters
    ----------
    root : pathlib.Path
        The repository.

    Returns
    -------
    dict of tuple of str to Origin
        By kind (``figure``, ``table``, ``values``) and name.
    """
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        for number, cell in enumerate(code, 1):
            for key in calls(cell.source):
                found[key] = Origin(path.stem, cell.id, number)
    return found


def calls(source):
    r"""List what a cell leaves for the paper.

    Parameters
    ----------
    source : str
        Python code; lines of IPython's own are left out.

    Returns
    -------
    list of tuple of str
        Kind and name.

    Examples
    --------
    >>> calls('%matplotlib inline\nfig = publish("04_one", data, paths)')
    [('figure', '04_one')]
    """
    plain = "\n".join(line for line in source.splitlines() if not line.startswith("%"))
    return [(CALLS[node.func.id], node.args[0].value) for node in ast.walk(ast.parse(plain))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS
            and node.args and isinstance(node.args[0], ast.Constant)]


def plot_functions(root):
    """Find the function that draws each figure.

    Parameters
    ----------
    root : pathlib.Path
        The repository.

    Returns
    -------
    dict of str to tuple
        File relative to the repository, line, name, and first line of the docstring.
    """
    found = {}
    for path in sorted((root / "cemp" / "plots").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "figure":
                    said = (ast.get_docstring(node) or "").partition("\n")[0]
                    found[mark.args[0].value] = (str(path.relative_to(root)), node.lineno,
                                                 node.name, said)
    return found
