"""The archive for the journal: flat, whole, and never with stale numbers."""

import json
import os
import re
import shutil
import tarfile
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from nbformat import write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.results import Value, write_values
from cemp.workflow import submission
from cemp.workflow.inputs import write_inputs

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")

PAPER = r"""\documentclass{article}
\usepackage{graphicx}
\newcommand{\plotone}[1]{\includegraphics[width=3cm]{#1}}
\input{values/all} % inputs every \input{values/none}
% \input{nowhere}
\begin{document}
One hundred \% of \Stars\ stars \cite{a}, Table~\ref{t}.
\plotone{figures/02_b.pdf} \plotone{figures/01_a.pdf} \plotone{figures/02_b.pdf}
\begin{table}\begin{tabular}{c}
\input{tables/t}
\end{tabular}\caption{T}\label{t}\end{table}
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""
BBL = "\\begin{thebibliography}{1}\n\\bibitem{a} A paper.\n\\end{thebibliography}\n"


@pytest.fixture
def paper(tmp_path):
    """A small paper as `cemp.workflow.paper.gather` leaves it."""
    folder = tmp_path / "paper"
    for name in ("values", "tables", "figures"):
        (folder / name).mkdir(parents=True)
    (folder / "ms.tex").write_text(PAPER)
    (folder / "values" / "all.tex").write_text("% all\n\\input{values/01_x}\n")
    (folder / "values" / "01_x.tex").write_text("\\newcommand{\\Stars}{17}% stars\n")
    (folder / "tables" / "t.tex").write_text("% by a notebook\n1 \\\\\n2\n")
    (folder / "ms.bbl").write_text(BBL)
    (folder / "references.bib").write_text("@article{a, title={A}}\n")
    for name in ("01_a", "02_b"):
        fig = plt.figure(figsize=(1, 1))
        fig.savefig(folder / "figures" / f"{name}.pdf")
        plt.close(fig)
    return folder


@pytest.fixture
def toy(tmp_path):
    """A repository of one notebook that was run."""
    root = tmp_path / "repo"
    (root / "notebooks" / "profiles").mkdir(parents=True)
    (root / "notebooks" / "profiles" / "toy.yaml").write_text("01_x: {n: 3}\n")
    paths = Paths("toy", root)
    save_notebook(root, "n = 1")
    write_inputs(paths)
    write_values("01_x", {"Stars": Value(17, "d", "stars")}, paths)
    (paths.stage("01") / "stars.csv").write_text("1\n")
    return paths


def save_notebook(root, code, text="A title"):
    cell = new_code_cell(code, id="code", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell(text, id="head"), cell]
    write(new_notebook(cells=cells), root / "notebooks" / "01_x.ipynb")


# ---- flattening ---------------------------------------------------------------------------------

def test_inputs_are_inlined_and_comments_left_alone(paper):
    text = submission.inline(paper / "ms.tex")
    assert r"\newcommand{\Stars}{17}% stars" in text
    assert "% by a notebook\n1 \\\\\n2\n\\end{tabular}" in text
    assert "\n% \\input{nowhere}\n" in text and text.count(r"\input") == 2  # both in comments
    # what follows an input whose last line ends in a comment is not swallowed
    assert "% stars\n % inputs every" in text


def test_a_missing_input_is_named(paper):
    (paper / "tables" / "t.tex").unlink()
    with pytest.raises(BadInputError, match="tables/t"):
        submission.inline(paper / "ms.tex")


def test_figures_are_numbered_as_they_stand():
    text, names = submission.flat_figures(PAPER)
    assert names == {"figures/02_b.pdf": "f01.pdf", "figures/01_a.pdf": "f02.pdf"}
    assert r"\plotone{f01.pdf} \plotone{f02.pdf} \plotone{f01.pdf}" in text
    assert r"\includegraphics[width=3cm]{#1}" in text  # an argument is no file


# ---- the archive --------------------------------------------------------------------------------

@needs_tex
def test_the_archive_typesets_alone(paper, toy, tmp_path):
    (toy.stage("13") / "candidates.mrt").write_text("Title: T\n")
    origin = submission.collect(toy, paper, tmp_path / "flat")
    assert origin["f02.pdf"] == "figures/01_a.pdf" and origin["candidates_mrt.txt"]
    submission.pack(tmp_path / "flat", tmp_path / "a.tar.gz", 10**9)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        names = tar.getnames()
        assert not [name for name in names if "/" in name]
        assert {m.mtime for m in tar.getmembers()} == {10**9}
    assert {"ms.tex", "ms.bbl", "f01.pdf", "aastex701.cls", "00README.txt"} <= set(names)
    assert submission.try_out(tmp_path / "a.tar.gz") == 1


@needs_tex
def test_an_archive_that_lacks_a_figure_is_refused(paper, toy, tmp_path):
    submission.collect(toy, paper, tmp_path / "flat")
    (tmp_path / "flat" / "f02.pdf").unlink()
    submission.pack(tmp_path / "flat", tmp_path / "a.tar.gz")
    with pytest.raises(BadInputError, match="does not typeset alone"):
        submission.try_out(tmp_path / "a.tar.gz")


def test_equal_folders_give_equal_archives(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("same")
        submission.pack(tmp_path / name, tmp_path / f"{name}.tar.gz", 5)
    os.utime(tmp_path / "a" / "x.txt", (1, 1))
    submission.pack(tmp_path / "a", tmp_path / "a.tar.gz", 5)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_a_missing_figure_is_named(paper, toy, tmp_path):
    (paper / "figures" / "01_a.pdf").unlink()
    with pytest.raises(BadInputError, match="01_a.pdf is not there"):
        submission.collect(toy, paper, tmp_path / "flat")


# ---- stale numbers ------------------------------------------------------------------------------

def test_fresh_numbers_pass(toy):
    assert submission.stale(toy) == []


def test_a_value_edited_by_hand_is_found(toy):
    path = toy.published("values") / "01_x.tex"
    path.write_text(path.read_text().replace("17", "18"))
    assert submission.stale(toy) == ["01_x: values/01_x.tex is not what its numbers give"]


def test_changed_code_is_found(toy):
    save_notebook(toy.root, "n = 2")
    assert submission.stale(toy) == ["01_x: code or parameters have changed since its run"]
    with pytest.raises(BadInputError, match="make all"):
        submission.build(toy)


def test_changed_parameters_are_found(toy):
    toy.parameters.write_text("01_x: {n: 4}\n")
    assert submission.stale(toy) == ["01_x: code or parameters have changed since its run"]


def test_a_run_that_stopped_is_found(toy):
    record = toy.build / "inputs" / "01_x.json"
    later = (toy.build / "01" / "stars.csv").stat().st_mtime + 10
    os.utime(record, (later, later))
    assert submission.stale(toy) == ["01_x: its last run did not finish, stars.csv is old"]


def test_each_promised_output_is_asked(toy):
    """A run that stopped between two files leaves the newest one new."""
    text = "**Reads** it\n\n**Writes** `B/stars.csv`,\n`B/late.csv`, `B/cache/`\n\nText."
    save_notebook(toy.root, "n = 1", text.replace("B/", "build/<profile>/01/"))
    write_inputs(toy)
    os.utime(toy.build / "01" / "stars.csv")
    assert submission.stale(toy) == ["01_x: its last run did not finish, late.csv is old"]
    (toy.build / "01" / "late.csv").write_text("1\n")
    assert submission.stale(toy) == []
    record = toy.build / "inputs" / "01_x.json"
    early = record.stat().st_mtime - 10
    os.utime(toy.build / "01" / "stars.csv", (early, early))
    assert submission.stale(toy) == ["01_x: its last run did not finish, stars.csv is old"]


def test_the_command_says_why(toy, capsys, monkeypatch):
    save_notebook(toy.root, "n = 2")
    monkeypatch.setattr(submission, "Paths", lambda profile: toy)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/true")
    assert submission.main(["--profile", "toy"]) == 1
    assert "numbers are stale" in capsys.readouterr().err


# ---- the Chinese abstract -----------------------------------------------------------------------

def test_both_abstracts_state_the_same_numbers():
    text = re.sub(r"(?<!\\)%.*", "", (ROOT / "paper" / "ms.tex").read_text())
    english = text.split(r"\begin{abstract}")[1].split(r"\end{abstract}")[0]
    chinese = re.sub(r"(?<!\\)%.*", "", (ROOT / "paper" / "abstract_zh.tex").read_text())
    known = set()
    for path in (ROOT / "paper" / "values").glob("*.json"):
        known |= set(json.loads(Path(path).read_text()))
    macros = [{m for m in re.findall(r"\\([A-Za-z]+)", part) if m in known}
              for part in (english, chinese)]
    assert macros[0] == macros[1]
    assert macros[0], "the abstract states no result at all"


# ---- the appendix -------------------------------------------------------------------------------

def test_configuration_tells_settings_and_leaves_out_places(tmp_path, monkeypatch):
    import json
    from types import SimpleNamespace

    from cemp.workflow import appendix

    (tmp_path / "03").mkdir()
    (tmp_path / "03" / "macrn.json").write_text(json.dumps({"config": {"kernels": [3, 5]}}))
    given = {"profile": "demo", "device": "auto", "batch": 16}
    monkeypatch.setattr(appendix, "parameters", lambda *_, **__: given)
    rows = appendix.configuration_rows(SimpleNamespace(build=tmp_path))
    assert rows == [("network", r"\texttt{kernels}", "3, 5"), ("training", r"\texttt{batch}", "16")]


def test_no_network_no_configuration(tmp_path):
    from types import SimpleNamespace

    from cemp.workflow.appendix import configuration_rows

    with pytest.raises(BadInputError, match="macrn.json.*run 03_training"):
        configuration_rows(SimpleNamespace(build=tmp_path))
