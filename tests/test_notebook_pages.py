"""What a reader sees on a notebook's page: every figure, and no TeX."""

import ast

import nbformat
import pytest

from cemp.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("[01]*.ipynb"))

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def is_call(node, name):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def hidden_figures(source):
    """Calls of `publish` whose figure the page does not show, by line.

    Shown are a cell's last expression, what stands inside ``display(...)``, and a name that one of
    these two names.
    """
    tree = ast.parse(source)
    shown = [arg for node in ast.walk(tree) if is_call(node, "display") for arg in node.args]
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        shown.append(tree.body[-1].value)
    shown += [branch for node in shown if isinstance(node, ast.IfExp)
              for branch in (node.body, node.orelse)]
    names = {node.id for node in shown if isinstance(node, ast.Name)}
    kept = {id(node) for node in shown}
    kept |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)
             and any(isinstance(t, ast.Name) and t.id in names for t in node.targets)}
    return [node.lineno for node in ast.walk(tree)
            if is_call(node, "publish") and id(node) not in kept]


@pytest.mark.parametrize(("source", "lines"), [
    ("publish('a', {}, paths)", []),
    ("publish('a', {}, paths)\nprint(1)", [1]),
    ("if x:\n    publish('a', {}, paths)", [2]),
    ("if x:\n    display(publish('a', {}, paths))", []),
    ("if x:\n    f = publish('a', {}, paths)\n    display(f)", []),
    ("f = publish('a', {}, paths)", [1]),
    ("publish('a', {}, paths) if x else None", []),
])  # fmt: skip
def test_a_hidden_figure_is_found(source, lines):
    assert hidden_figures(source) == lines


@every_notebook
def test_every_figure_is_on_the_page(path):
    hidden = {cell.id: lines for cell in code(path) if (lines := hidden_figures(cell.source))}
    assert not hidden, f"put publish(...) last or into display(...): {hidden}"


@every_notebook
def test_pages_show_numbers_without_tex(path):
    # Value.text is for the paper; cemp.results.headlines shows the same numbers plainly
    named = [cell.id for cell in code(path) for node in ast.walk(ast.parse(cell.source))
             if isinstance(node, ast.Attribute) and node.attr == "text"
             and isinstance(node.value, ast.Name) and node.value.id in ("v", "value")]
    assert not named, f"show headlines(values) instead of Value.text: {named}"
