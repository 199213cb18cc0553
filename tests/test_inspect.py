"""Decisions by eye: the file and its merges, the way through the list, the page, the PDF."""

import ast
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import nbformat
import numpy as np
import pandas as pd
import pytest
from made_candidates import OBSIDS, ToyLibrary, candidate_table, made_pages, make_survey

from cemp.candidates.catalogue import COLUMNS as CATALOGUE
from cemp.constants import WAVE
from cemp.errors import BadInputError
from cemp.inspect import COLUMNS, apply_decisions, decisions_path, read_decisions, tally
from cemp.inspect.__main__ import main
from cemp.inspect.decisions import FIELDS, record
from cemp.inspect.pages import Pages, model_labels, nearest_star, plane_covariance, queue
from cemp.inspect.pdf import verdict_text, write_pdf
from cemp.inspect.session import Session
from cemp.inspect.widget import Inspector
from cemp.paths import ROOT, Paths
from cemp.plots.inspect import binned, draw_page, ellipse

HEADER = ",".join(FIELDS)
DAY = "2026-01-31T18:05:00Z"
GOOD = f"7,LAMOST J1,accept,,A. One,{DAY}"


def written(folder, *lines, header=HEADER):
    path = folder / "toy.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def row(decision="accept", note="", name="LAMOST J1", date=DAY):
    return {"designation": name, "decision": decision, "note": note, "date": date}


# ---- the file -----------------------------------------------------------------------------------

def test_no_file_is_no_decision(tmp_path):
    table = read_decisions(tmp_path / "absent.csv")
    assert len(table) == 0 and tuple(table.columns) == FIELDS


def test_the_committed_files_are_right():
    for path in (ROOT / "notebooks" / "decisions").glob("*.csv"):
        read_decisions(path)
        assert Paths(path.stem), "a file of decisions bears the name of a profile"


@pytest.mark.parametrize(("line", "says"), [
    ("7,LAMOST J1,maybe,,A. One," + DAY, "line 3: decision 'maybe' is not one of accept, reject"),
    ("7.0,LAMOST J1,accept,,A. One," + DAY, "line 3: obsid '7.0' is not a whole number"),
    ("9,LAMOST J1,accept,faint, but,A. One," + DAY, "line 3: 7 fields instead of 6: put a note"),
    ("9,LAMOST J1,accept,,," + DAY, "line 3: inspector is empty"),
    ("9,,accept,,A. One," + DAY, "line 3: designation is empty"),
    ("9,LAMOST J1,accept,,A. One,31.1.2026", "line 3: date '31.1.2026' is not like 2026-01-31T"),
    ("9,LAMOST J1,accept,,A. One,2026-02-31T00:00:00Z", "line 3: date '2026-02-31"),
    ("<<<<<<< HEAD", "line 3: a mark of an unfinished merge"),
    ("7,LAMOST J1,reject,,A. One," + DAY, "lines 2 and 3: A. One decided twice about obsid 7"),
    ('7,LAMOST J1,accept,"open,A. One,' + DAY, "line 3: unexpected end of data; correct the"),
])
def test_a_wrong_line_is_named(tmp_path, line, says):
    path = written(tmp_path, GOOD, line)
    with pytest.raises(BadInputError, match=re.escape(f"{path}, {says}")):
        read_decisions(path)


def test_a_wrong_header_or_encoding_is_named(tmp_path):
    path = written(tmp_path, GOOD.replace(",", ";"), header=HEADER.replace(",", ";"))
    with pytest.raises(BadInputError, match=r"toy\.csv, line 1: the header must be obsid,desig"):
        read_decisions(path)
    path.write_bytes(HEADER.encode() + b"\n7,J1,accept,caf\xe9,A," + DAY.encode())
    with pytest.raises(BadInputError, match="not UTF-8"):
        read_decisions(path)


def test_a_record_comes_back_in_any_script(tmp_path):
    path, note = tmp_path / "new" / "toy.csv", 'CH strong, "blend"? 碳带强'
    record(path, 9, "李", row("unsure", note))
    record(path, 7, "B", row())
    table = record(path, 7, "A", row("reject"))
    assert table["obsid"].tolist() == [7, 7, 9] and table["inspector"].tolist() == ["A", "B", "李"]
    assert read_decisions(path).loc[2, "note"] == note
    assert record(path, 7, "A", None)["inspector"].tolist() == ["B", "李"]


def test_an_editors_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n".encode())
    assert read_decisions(path)["date"].tolist() == [DAY]


def test_two_writers_lose_nothing(tmp_path):
    path = tmp_path / "toy.csv"
    with ThreadPoolExecutor(2) as pool:  # each opens the folder for itself, as a process would
        list(pool.map(lambda i: record(path, 1 + i // 2, "AB"[i % 2], row()), range(24)))
    assert len(read_decisions(path)) == 24


def git(folder, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_branches_of_two_inspectors_merge_by_themselves(tmp_path):
    folder = tmp_path / "notebooks"
    path = folder / "decisions" / "toy.csv"
    record(path, 5, "A", row())
    shutil.copy(ROOT / "notebooks" / ".gitattributes", folder)
    git(tmp_path, "init", "-q", "-b", "main")
    for branch, who in (("main", ""), ("one", "A"), ("two", "B")):
        git(tmp_path, "checkout", "-q", *(["-b", branch, "main"] if who else ["-B", branch]))
        for obsid in (6, 7, 8) if who else ():
            record(path, obsid, who, row("reject" if who == "B" else "accept"))
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", branch)
    git(tmp_path, "merge", "-q", "one", "-m", "both")
    table = read_decisions(path)
    assert len(table) == 7 and table["obsid"].value_counts()[7] == 2


# ---- what is done with it ------------------------------------------------------------------------

def test_decisions_reach_the_right_rows(tmp_path):
    stars = candidate_table()[["obsid", "designation"]].set_index(pd.Index([9, 8, 7, 6]))
    names = dict(zip(stars["obsid"], stars["designation"], strict=True))
    path = tmp_path / "toy.csv"
    for obsid, who, choice in ((OBSIDS[3], "A", "reject"), (OBSIDS[1], "A", "accept"),
                               (OBSIDS[1], "B", "accept"), (OBSIDS[0], "A", "accept"),
                               (OBSIDS[0], "B", "reject")):
        record(path, obsid, who, row(choice, f"by {who}", names[obsid]))
    record(path, OBSIDS[2], "A", row("accept", "", "LAMOST of another mock"))
    record(path, 12, "A", row("accept", "", "LAMOST gone"))
    done = apply_decisions(stars, read_decisions(path))
    assert done["inspection"].tolist() == ["unsure", "accept", "", "reject"]
    assert done["n_inspectors"].tolist() == [2, 2, 0, 1]
    assert done["inspection_note"].iloc[1] == "A: by A; B: by B"
    assert done.index.tolist() == [9, 8, 7, 6] and done["obsid"].tolist() == list(OBSIDS)
    assert "inspection" not in stars, "the table given is not changed"
    assert tally(stars, read_decisions(path)).tolist() == [4, 1, 1, 1, 1, 2]


def test_without_decisions_the_catalogue_keeps_its_rows(tmp_path):
    stars = candidate_table()
    done = apply_decisions(stars, read_decisions(tmp_path / "absent.csv"))
    pd.testing.assert_frame_equal(done[list(CATALOGUE)], stars[list(CATALOGUE)])
    assert set(done["inspection"]) == {""} and done["n_inspectors"].dtype.kind == "i"
    assert set(COLUMNS) <= set(done)


# ---- an inspector's way --------------------------------------------------------------------------

class Clock:
    def __init__(self):
        self.seconds = 0

    def __call__(self):
        self.seconds += 1
        return f"2026-01-31T18:05:{self.seconds:02d}Z"


CLOCK = Clock()


def session(folder, who="A", n=5):
    stars = pd.DataFrame({"obsid": 100 - np.arange(n), "designation": [f"J{i}" for i in range(n)]})
    return Session(stars, folder / "toy.csv", who, CLOCK)


def test_one_resumes_behind_the_latest_decision(tmp_path):
    one = session(tmp_path)
    one.move(1)
    one.decide("accept")
    one.decide("reject", " sky\nline ")
    again = session(tmp_path)
    assert again.position == 3 and again.progress()["decided"] == 2
    again.decide("unsure")
    again.decide("unsure")
    assert again.position == 0, "what was skipped comes at the end"
    again.decide("accept")
    assert again.position == 0 and again.progress() == {
        "total": 5, "decided": 5, "accept": 2, "reject": 1, "unsure": 2}
    assert session(tmp_path, "B").position == 0, "another inspector begins at the beginning"
    assert read_decisions(tmp_path / "toy.csv").set_index("obsid").loc[98, "note"] == "sky line"


def test_undo_restores_the_file_to_the_byte(tmp_path):
    one, path = session(tmp_path), tmp_path / "toy.csv"
    one.decide("accept", "first")
    before = path.read_bytes()
    one.move(-1)
    one.decide("reject")
    one.decide("accept")
    assert one.undo() and one.position == 1
    assert one.undo() and one.position == 0 and path.read_bytes() == before
    assert one.decision == "accept" and one.note == "first"
    assert one.undo() and len(read_decisions(path)) == 0
    assert not one.undo()


def test_a_note_waits_for_its_decision(tmp_path):
    one = session(tmp_path)
    one.annotate("weak CH")
    one.move(1)
    assert one.note == "" and not (tmp_path / "toy.csv").exists()
    one.move(-1)
    one.decide("accept")
    one.move(-9)
    one.annotate("weak CH, no C2")
    table = read_decisions(tmp_path / "toy.csv")
    assert table["note"].tolist() == ["weak CH, no C2"] and table["decision"].tolist() == ["accept"]


def test_what_cannot_be_written_is_not_decided(tmp_path, monkeypatch):
    one, path = session(tmp_path), tmp_path / "toy.csv"
    one.decide("accept")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cemp.atomic.os.replace", full)
    with pytest.raises(BadInputError, match="No space left"):
        one.decide("reject")
    assert one.position == 1 and one.decision == "" and path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["toy.csv"]


def test_a_session_needs_a_name_and_stars(tmp_path):
    with pytest.raises(BadInputError, match="set `inspector` to your name"):
        session(tmp_path, "  ")
    with pytest.raises(BadInputError, match="no candidates to inspect"):
        session(tmp_path, n=0)


# ---- the page ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return made_pages(tmp_path_factory.mktemp("pages"))[0]


def test_the_surest_come_first(pages):
    assert queue(candidate_table())["obsid"].tolist() == [OBSIDS[i] for i in (2, 1, 0, 3)]
    assert pages.table["obsid"].iloc[0] == OBSIDS[2]


def test_a_page_holds_the_star_and_its_models(pages):
    page = pages.page(2)
    gap = (page["wave"] >= 4702) & (page["wave"] <= 4708)
    assert page["star"]["obsid"] == OBSIDS[0] and np.isnan(page["flux"][gap]).all()
    assert np.nanmedian(page["sigma"]) == pytest.approx(0.02)
    band, side = (np.abs(WAVE - 4305) < 3, np.abs(WAVE - 4500) < 20)
    deep = 1 - page["fitted"][band].mean() / page["fitted"][side].mean()
    plain = 1 - page["normal"][band].mean() / page["normal"][side].mean()
    # ToyLibrary: 0.2 ([C/H] + 3) at the centre: 0.3 with [C/H] = -1.5, and 0.1 with -2.5
    assert deep == pytest.approx(0.3, abs=0.02) and plain == pytest.approx(0.1, abs=0.02)
    assert page["flags"] == ["cemp", "bc05_vmp"] and page["place"] == "candidate 3 of 4"


def test_models_are_held_at_the_grids_edge():
    star = candidate_table().iloc[3]  # [C/Fe] = 3.4 at -2.5: the grid ends at [C/H] = 0.3
    nodes, held = model_labels(star)
    assert held == ["c_fe"] and nodes[:, 3] == pytest.approx([2.8, 0.0])
    assert model_labels(candidate_table().iloc[0])[1] == []


def test_the_nearest_training_star(pages):
    assert pages.training["obsid"].tolist() == [2, 1], "S/N below 50 trains nothing"
    star = candidate_table().iloc[0]
    near = nearest_star(star, pages.training)
    # 1 error in Teff and, [C/H] alone 0.5 off, 0.5 / 0.3 there: rms over four labels
    assert near["obsid"] == 1
    assert near["distance"] == pytest.approx(np.sqrt((1 + (0.5 / 0.3) ** 2) / 4))


def test_the_ellipse_holds_its_share():
    star = {"e_fe_h": 0.3, "e_c_h": 0.2, "cov_fe_h_c_h": -0.03}
    covariance = plane_covariance(star)
    sample = np.random.default_rng(1).multivariate_normal(
        [0, 0], [[0.09, -0.03], [-0.03, 0.04]], 40_000)
    plane = np.column_stack([sample[:, 0], sample[:, 1] - sample[:, 0]])
    patch = ellipse((0, 0), covariance, 0.68)
    inside = patch.get_path().transformed(patch.get_patch_transform()).contains_points(plane)
    assert inside.mean() == pytest.approx(0.68, abs=0.01)


def test_binning_leaves_bad_pixels_out():
    values = np.array([1.0, 3, np.nan, 5, np.nan, np.nan, 7])
    weight = np.array([1, 1, 0, 2, 0, 0, 1])
    assert binned(values, weight, 2) == pytest.approx([2.0, 5.0, np.nan], nan_ok=True)


def texts(figure):
    return " | ".join(text.get_text() for part in [figure, *figure.axes] for text in part.texts)


def test_a_mock_is_called_a_mock_and_real_stars_are_not(pages, tmp_path):
    assert "MOCK SURVEY (toy): not a real star" in texts(draw_page(pages.page(0)))
    real = made_pages(tmp_path, mock=False)[0]
    said = texts(draw_page(real.page(0), "inspected: accept"))
    assert "MOCK" not in said and "LAMOST (toy)" in said and "inspected: accept" in said


def test_missing_parts_are_said(pages):
    said = texts(draw_page(pages.page(3)))
    assert said.count("no good pixel") == 3 and "model held at the grid's edge in [C/Fe]" in said
    assert "not measured" in said and "nan" not in said


def test_a_survey_without_labels_or_magnitudes_has_pages_too(tmp_path):
    paths = make_survey(tmp_path)
    file = paths.build / "01" / "observations.parquet"
    pd.read_parquet(file).assign(fold="search").to_parquet(file)
    pages = Pages(paths, ToyLibrary())
    pages.table["gmag"] = np.nan
    said = texts(draw_page(pages.page(0)))
    assert "training" not in said and "σ away" not in said and "mag" not in said


# ---- PDF and command -----------------------------------------------------------------------------

def test_the_pdf_has_a_page_a_candidate_and_no_date(pages, tmp_path):
    files = [tmp_path / "a.pdf", tmp_path / "b.pdf"]
    decisions = read_decisions(tmp_path / "absent.csv")
    assert [write_pdf(pages, file, decisions, first=2) for file in files] == [2, 2]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(re.findall(rb"/Type /Page\b", files[0].read_bytes())) == 2


def test_what_is_printed_of_a_decision():
    star = {"inspection": "unsure", "n_inspectors": 2, "inspection_note": "A: blend"}
    assert verdict_text(star) == "inspected by 2: unsure (A: blend)"
    assert verdict_text(star | {"inspection": ""}) == "not inspected"
    assert len(verdict_text(star | {"inspection_note": "x" * 300})) == 90


def test_the_command_counts_and_refuses(tmp_path, monkeypatch, capsys):
    paths = make_survey(tmp_path)
    monkeypatch.setattr("cemp.inspect.__main__.Paths", lambda profile: Paths(profile, tmp_path))
    record(decisions_path(paths), OBSIDS[0], "A", row(name=candidate_table()["designation"][0]))
    assert main(["--profile", "toy"]) == 0
    said = capsys.readouterr().out
    assert "toy.csv: 1 decisions" in said and re.search(r"accepted +1\n", said)
    assert main(["--profile", "nosuch"]) == 2
    assert "no profile 'nosuch'" in capsys.readouterr().err


# ---- the widget, without a browser ---------------------------------------------------------------

@pytest.fixture()
def widget(tmp_path):
    pages, file = made_pages(tmp_path)
    return Inspector(pages, file, "A", draw=lambda page: str(page["star"]["obsid"]).encode()), file


def test_the_widget_sends_picture_and_identifier_together(widget):
    inspector, file = widget
    assert inspector.picture == inspector.obsid.encode() == str(OBSIDS[2]).encode()
    inspector.handle({"command": "accept", "obsid": str(OBSIDS[2]), "note": "good"})
    assert inspector.picture == inspector.obsid.encode() == str(OBSIDS[1]).encode()
    assert read_decisions(file)["note"].tolist() == ["good"]
    assert inspector.progress["decided"] == 1 and inspector.note == ""


def test_a_key_for_a_page_that_has_turned_decides_nothing(widget):
    inspector, file = widget
    for _ in range(2):
        inspector.handle({"command": "reject", "obsid": str(OBSIDS[2]), "note": ""})
    assert len(read_decisions(file)) == 1 and "nothing was decided" in inspector.message


def test_the_widget_says_what_is_wrong_with_the_file(widget):
    inspector, file = widget
    file.parent.mkdir(exist_ok=True)
    file.write_text("broken\n")
    inspector.handle({"command": "accept", "obsid": str(OBSIDS[2]), "note": ""})
    assert inspector.message.startswith("NOT WRITTEN") and "line 1" in inspector.message
    assert inspector.obsid == str(OBSIDS[2]) and file.read_text() == "broken\n"


# ---- the notebook --------------------------------------------------------------------------------

def test_the_notebook_is_a_thin_tool():
    notebook = nbformat.read(ROOT / "notebooks" / "inspection.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(notebook.cells) >= 1.4 * len(code) and notebook.cells[0].source.startswith("# ")
    for cell in code:
        assert len(cell.source.splitlines()) <= 25
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, kinds)], cell.id
        text = str(cell.outputs)
        assert "stderr" not in text and "'error'" not in text and str(ROOT) not in text
    assert "widgets" not in notebook.metadata, "a saved widget would hold a decision's state"
