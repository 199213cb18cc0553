"""What a stage depends on besides data: its code, its parameters, the modules it imports.

``python -m cemp.workflow.inputs --profile demo`` writes ``build/demo/inputs/<notebook>.json`` for
every notebook, and leaves a file alone whose content would not change: make then has no reason
to run the stage again.
"""

import argparse
import ast
import hashlib
import json
import sys

import nbformat

from cemp.atomic import atomic_path
from cemp.errors import BadInputError
from cemp.paths import Paths
from cemp.workflow.profile import read_profile

#: Modules that change how a result looks, not what it is. `make figures` redraws without a run.
LOOKS = ("cemp.plots", "cemp.figures")


def imported(source, package="cemp"):
    """Find what a piece of code imports from a package.

    Parameters
    ----------
    source : str
        Python code.
    package : str
        Name of the package.

    Returns
    -------
    set of str
        Dotted names; ``from a.b import c`` gives both ``a.b`` and ``a.b.c``.

    Examples
    --------
    >>> sorted(imported("from cemp.paths import Paths; import numpy"))
    ['cemp.paths', 'cemp.paths.Paths']
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == package}


def module_file(name, root):
    """Locate a module's file.

    Parameters
    ----------
    name : str
        Dotted name.
    root : pathlib.Path
        Folder that holds the package.

    Returns
    -------
    pathlib.Path or None
        None if the name is no module (a function, say).
    """
    if not name:
        return None
    stem = root.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def modules_used(source, root):
    """Follow imports from a notebook's code to every module behind it.

    Parameters
    ----------
    source : str
        Python code.
    root : pathlib.Path
        The repository.

    Returns
    -------
    dict of str to pathlib.Path
        Module files by dotted name, without those of `LOOKS`.
    """
    found, waiting = {}, imported(source)
    while waiting:
        name = waiting.pop()
        path = module_file(name, root)
        if path is None or name in found or name.startswith(LOOKS):
            continue
        found[name] = path
        waiting |= imported(path.read_text())
        waiting.add(name.rpartition(".")[0])  # importing a module runs its package's file
    return dict(sorted(found.items()))


def code_hash(source):
    """Hash code so that comments, docstrings and layout do not count.

    Parameters
    ----------
    source : str
        Python code.

    Returns
    -------
    str
        Hexadecimal digest.

    Examples
    --------
    >>> code_hash("x = 1  # one") == code_hash("x=1")
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(
            getattr(body[0], "value", None), ast.Constant
        ):
            body[0].value = ast.Constant("")
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def notebook_inputs(path, section, root):
    """Gather what the results of a notebook follow from, data apart.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.
    section : dict
        Its parameters in the profile.
    root : pathlib.Path
        The repository.

    Returns
    -------
    dict
        ``parameters``, ``code`` (hash by cell) and ``modules`` (hash by name).
    """
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    plain = ["\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
             for cell in cells]
    modules = modules_used("\n".join(plain), root)
    return {
        "parameters": section,
        "code": [code_hash(source) for source in plain],
        "modules": {name: code_hash(file.read_text()) for name, file in modules.items()},
    }


def write_inputs(paths):
    """Write the inputs of every notebook, touching only files that change.

    Parameters
    ----------
    paths : cemp.paths.Paths
        The profile.

    Returns
    -------
    list of str
        Notebooks whose inputs changed.
    """
    sections, changed = read_profile(paths), []
    for path in sorted((paths.root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        try:
            inputs = notebook_inputs(path, sections.get(path.stem, {}), paths.root)
        except SyntaxError as error:
            raise BadInputError(f"{path.name} or a module it imports: {error}") from error
        text = json.dumps(inputs, indent=1, default=str) + "\n"
        target = paths.build / "inputs" / f"{path.stem}.json"
        if not target.is_file() or target.read_text() != text:
            with atomic_path(target) as temporary:
                temporary.write_text(text)
            changed.append(path.stem)
    return changed


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    try:
        write_inputs(Paths(parser.parse_args(arguments).profile))
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
