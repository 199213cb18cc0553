"""Where figures and numbers come from, and which of them changed, in a small repository."""

import json
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.results import Value, write_table, write_values
from cemp.workflow import diff_paper, inputs, why
from cemp.workflow.origins import origins, plot_functions
from cemp.workflow.receipt import sha256

CODE = {"parameters": "seed = 1", "draw": "import cemp.deep\nfig = publish('01_sky', {}, paths)",
        "keep": "if 1:\n    write_values('01_extra', {}, paths)\nwrite_table('01_sky', [], paths)"}
MS = r"""We find \TinyError\ dex, % \TinyError
not \TinyErrors.
\plotone{figures/01_sky.pdf}
\input{tables/01_sky}
"""


def git(root, *words):
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words], cwd=root,
                   check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path):
    """A repository of one notebook, committed after a run."""
    for folder in ("notebooks/profiles", "cemp/plots", "paper", "figures/data", "build/demo/01"):
        (tmp_path / folder).mkdir(parents=True)
    cells = [new_markdown_cell("# Tiny", id="title")]
    cells += [new_code_cell(source, id=name) for name, source in CODE.items()]
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / "01_tiny.ipynb")
    (tmp_path / "notebooks" / "profiles" / "demo.yaml").write_text("01_tiny: {seed: 7}\n")
    (tmp_path / "cemp" / "deep.py").write_text("DEPTH = 1\n")
    (tmp_path / "cemp" / "plots" / "sky.py").write_text(
        '@figure("01_sky")\ndef draw_sky(data):\n    """Draw the sky."""\n')
    (tmp_path / "paper" / "ms.tex").write_text(MS)
    (tmp_path / "figures" / "01_sky.pdf").write_text("pdf")
    (tmp_path / "figures" / "data" / "01_sky.npz").write_text("npz")
    (tmp_path / "Makefile").write_text("print-IN_01:\n\t@echo build/demo/in.csv cemp/deep.py\n")
    paths = Paths("demo", tmp_path)
    inputs.write_inputs(paths)
    write_values("01_extra", {"TinyError": Value(0.2, ".2f", "error [dex]")}, paths)
    write_table("01_sky", [["all", "$-1.0$"], ["few", "$2.0$"]], paths)
    (tmp_path / "build" / "demo" / "in.csv").write_text("1\n")
    (tmp_path / "build" / "demo" / "01" / "out.csv").write_text("2\n")
    (tmp_path / "build" / "demo" / "receipt.md").write_text(
        "Commit abc1234; Python 3.11.7 on Linux; threads 2; numpy 0.0.1, scipy 9.9+cpu.\n\n"
        f"| in.csv | 0.00 | `{sha256(tmp_path / 'build' / 'demo' / 'in.csv')[:16]}` |\n")
    (tmp_path / ".gitignore").write_text("build/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "A run")
    return paths


# ---- where from ---------------------------------------------------------------------------------

def explain(kind, name, paths):
    return "\n".join(why.explain(kind, name, paths))


def test_a_figure_leads_to_cell_function_parameters_and_inputs(repo):
    text = explain("figure", "01_sky", repo)
    assert "draw_sky, cemp/plots/sky.py:2" in text
    assert "notebooks/01_tiny.ipynb, code cell [2], id 'draw'" in text
    assert "paper/ms.tex, line 3" in text and "demo: seed 7" in text
    assert "numpy 0.0.1, scipy 9.9+cpu; NOW numpy 0.0.1 -> " in text
    assert "build/demo/in.csv" in text and "as in the receipt" in text
    assert "cemp/deep.py" in text and "as committed" in text
    assert text.endswith("verdict     fresh")


def test_a_changed_input_module_and_parameter_are_named(repo):
    (repo.root / "build" / "demo" / "in.csv").write_text("3\n")
    (repo.root / "cemp" / "deep.py").write_text("DEPTH = 2  # deeper\n")
    (repo.root / "notebooks" / "profiles" / "demo.yaml").write_text("01_tiny: {seed: 8}\n")
    text = explain("figure", "01_sky", repo)
    assert "in.csv" in text and "CHANGED, the receipt has" in text
    assert "CHANGED since the last commit" in text
    assert text.endswith("STALE: parameter seed, module cemp.deep, build/demo/in.csv, cemp/deep.py")


def test_a_comment_makes_nothing_stale_but_a_missing_input_does(repo):
    (repo.root / "notebooks" / "profiles" / "demo.yaml").write_text("# 7\n01_tiny: {seed: 7}\n")
    assert explain("figure", "01_sky", repo).endswith("fresh")
    (repo.root / "build" / "demo" / "in.csv").unlink()
    assert explain("figure", "01_sky", repo).endswith("STALE: build/demo/in.csv")


def test_without_a_run_the_verdict_is_unknown(repo):
    (repo.build / "inputs" / "01_tiny.json").unlink()
    assert "verdict     unknown" in explain("table", "01_sky", repo)


def test_a_number_has_its_value_its_place_and_its_cell(repo):
    text = explain("number", "TinyError", repo)
    assert text.startswith("number \\TinyError = 0.20   error [dex]")
    assert "paper/ms.tex, line 1\n" in text and "code cell [3], id 'keep'" in text


@pytest.mark.parametrize(("asked", "kinds"), [
    ("01_sky", {"figure", "table"}), ("01_sky.png", {"figure"}), ("tables/01_sky", {"table"}),
    ("paper/tables/01_sky.tex", {"table"}), ("figures/data/01_sky.npz", {"figure"}),
    ("\\TinyError", {"number"}), ("TinyError", {"number"}), ("01_sk", set())])  # fmt: skip
def test_names_are_taken_as_people_type_them(repo, asked, kinds):
    assert {kind for kind, _ in why.matches(asked, why.known_names(repo))} == kinds


def test_an_unknown_name_gets_near_ones_and_status_2(capsys):
    assert why.main(["04_one_to_on"]) == 2
    assert "near it: 04_one_to_one" in capsys.readouterr().err


def test_every_committed_figure_has_a_cell_and_a_function():
    found, drawn = origins(ROOT), plot_functions(ROOT)
    for file in (ROOT / "figures" / "data").glob("*.npz"):
        assert ("figure", file.stem) in found and file.stem in drawn


# ---- what changed -------------------------------------------------------------------------------

def test_nothing_changed_is_said(repo, monkeypatch, capsys):
    monkeypatch.setattr(diff_paper, "ROOT", repo.root)
    assert diff_paper.main([]) == 0
    assert "no number of the paper" in capsys.readouterr().out


def test_changes_are_sorted_and_lead_to_their_lines(repo, monkeypatch, capsys):
    write_values("01_extra", {"TinyError": Value(0.25, ".2f"), "TinyNew": Value(3, "d")}, repo)
    write_table("01_sky", [["all", "$-1.5$"], ["few", "$2.0$"]], repo)
    found = diff_paper.changes_since(repo.root)
    assert [(one.name, one.old, one.new, pytest.approx(one.relative)) for one in found] == [
        ("tables/01_sky [all, column 2]", "-1.0", "-1.5", -0.5),
        ("\\TinyError", "0.20", "0.25", 0.25),
        ("\\TinyNew", "", "3", float("inf"))]
    monkeypatch.setattr(diff_paper, "ROOT", repo.root)
    assert diff_paper.main(["HEAD"]) == 0
    out = capsys.readouterr().out
    assert "tables/01_sky [all, column 2]: -1.0 -> -1.5  -50.00%\n    ms.tex:4:" in out
    assert "\\TinyError: 0.20 -> 0.25  +25.00%\n    ms.tex:1: We find" in out
    assert "ms.tex:2" not in out  # another macro
    assert "\\TinyNew: - -> 3  new" in out and "2 numbers and 1 cells" in out


def test_a_table_of_another_shape_is_one_change(repo):
    write_table("01_sky", [["all", "1"]], repo)
    (found,) = diff_paper.changes_since(repo.root)
    assert (found.name, found.old, found.new) == ("tables/01_sky", "2 rows of 2", "1 rows of 2")


def test_an_equal_value_that_is_no_number_has_not_changed():
    one = {"a.json": json.dumps({"X": {"value": float("nan"), "fmt": ".1f"}})}
    assert diff_paper.value_changes(one, dict(one)) == []


def test_a_copy_without_history_and_a_wrong_commit_are_told(repo, tmp_path_factory, monkeypatch,
                                                             capsys):
    monkeypatch.setattr(diff_paper, "ROOT", repo.root)
    assert diff_paper.main(["no-such-commit"]) == 2
    with pytest.raises(BadInputError, match="no-such-commit"):
        diff_paper.changes_since(repo.root, "no-such-commit")
    plain = tmp_path_factory.mktemp("plain")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(plain.parent))
    monkeypatch.setattr(diff_paper, "ROOT", plain)
    assert diff_paper.main([]) == 0
    assert "no git repository" in capsys.readouterr().err
