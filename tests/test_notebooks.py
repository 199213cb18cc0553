"""The notebooks keep the house rules, and a wrong number in them fails the tests."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cemp.paths import ROOT, Paths
from cemp.workflow import checks
from cemp.workflow.profile import declared_parameters, parameters, skips
from cemp.workflow.publish import OPTIONAL

NAMES = ("00_mock_survey", "01_crossmatch", "02_preprocessing", "03_training", "04_evaluation",
         "05_candidates", "06_synthetic_spectra", "07_real_stars", "08_methods",
         "09_experiments", "10_selection", "11_carbon_lines", "12_injection", "13_catalogue")
PROFILES = ("smoke", "demo", "dr11", "rows")

every_notebook = pytest.mark.parametrize("name", NAMES)


def read(name):
    path = ROOT / "notebooks" / f"{name}.ipynb"
    if not path.is_file():
        pytest.skip(f"{path.name} is not written yet")
    return nbformat.read(path, as_version=4)


def code(name):
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def profile_of(name):
    """The profile that the Makefile's rule is looked up in: the demo's if smoke skips it."""
    return "demo" if skips(name, Paths("smoke")) else "smoke"


def make_variable(name, profile="smoke"):
    # a rule for files beside the repository is there only if they are: REAL names the place
    done = subprocess.run(["make", "-s", f"print-{name}", f"PROFILE={profile}"], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def promised(name, word):
    """Paths of the first cell's Reads or Writes line, in the profile's folder."""
    block = re.search(rf"^\*\*{word}\*\*(.*?)(?=\n\n|\n\*\*|\Z)", read(name).cells[0].source,
                      re.MULTILINE | re.DOTALL)
    assert block, f"first cell of {name} has no **{word}** line"
    return {path.replace("<profile>", profile_of(name))
            for path in re.findall(r"`([^`]+)`", block[1])}


def is_file(path):
    return bool(Path(path).suffix) and "<" not in path and "*" not in path


# ---- form ---------------------------------------------------------------------------------------

@every_notebook
def test_cells_are_thin(name):
    for cell in code(name):
        assert len(cell.source.splitlines()) <= 25, f"cell {cell.id} is longer than 25 lines"
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, kinds)]
        assert not found, f"cell {cell.id} defines a function: move it to cemp/"


@every_notebook
def test_cell_ids_can_be_read(name):
    for cell in read(name).cells:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]+", cell.id), f"give cell '{cell.id}' a plain name"
        assert not re.fullmatch(r"[0-9a-f]{8}", cell.id), f"cell id '{cell.id}' says nothing"


@every_notebook
def test_it_argues(name):
    cells = read(name).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    prose = sum(cell.cell_type == "markdown" for cell in cells)
    assert prose >= 0.3 * len(cells)


@every_notebook
def test_metadata_holds_tags_only(name):
    for cell in read(name).cells:
        assert set(cell.metadata) <= {"tags"}, f"cell {cell.id}: `make notebooks` cleans this"


@every_notebook
def test_last_cell_writes_the_values(name):
    assert "write_values(" in code(name)[-1].source


# ---- files --------------------------------------------------------------------------------------

@every_notebook
def test_files_written_are_the_makefiles_targets(name):
    targets = make_variable(f"OUT_{name[:2]}", profile_of(name))
    if not targets and name in OPTIONAL:
        pytest.skip("its data are not beside the repository, so the Makefile has no rule")
    written = {path for path in promised(name, "Writes") if path.startswith("build/")}
    assert targets <= written, f"the Makefile makes, but the first cell does not name: " \
                               f"{sorted(targets - written)}"
    extra = {path for path in written - targets if is_file(path)}
    assert not extra, f"written, but no target in the Makefile: {sorted(extra)}"


@every_notebook
def test_files_read_are_the_makefiles_prerequisites(name):
    rule = make_variable(f"IN_{name[:2]}", profile_of(name))
    read_here = {path for path in promised(name, "Reads") if path.startswith("build/")}
    missing = {path for path in read_here if is_file(path)} - rule
    assert not missing, f"read, but no prerequisite in the Makefile: {sorted(missing)}"
    for path in read_here - rule:  # a folder, made beside the targets of an earlier stage
        stage = path.removeprefix(f"build/{profile_of(name)}/").split("/")[0]
        assert any(need.startswith(f"build/{profile_of(name)}/{stage}/") for need in rule), path


# ---- parameters ---------------------------------------------------------------------------------

@every_notebook
@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_name_declared_parameters_only(name, profile):
    read(name)
    assert parameters(name, profile)["profile"] == profile


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_have_sections_of_notebooks_only(profile):
    sections = yaml.safe_load((ROOT / f"notebooks/profiles/{profile}.yaml").read_text())
    assert set(sections) <= set(NAMES)


@every_notebook
def test_demo_profile_equals_the_notebooks_defaults(name):
    cell = next(c for c in code(name) if "parameters" in c.metadata.get("tags", []))
    defaults = {node.targets[0].id: ast.literal_eval(node.value)
                for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)}
    assert list(defaults) == declared_parameters(ROOT / "notebooks" / f"{name}.ipynb")
    assert parameters(name, "demo") == defaults


# ---- outputs ------------------------------------------------------------------------------------

def numeric(outputs):
    return re.search(r"\d", json.dumps([o.get("text") or o.get("data") for o in outputs]))


@every_notebook
def test_three_checked_cells_print_numbers(name):
    if skips(name, Paths("smoke")):
        pytest.skip("left out of the smoke profile; a test of its own runs it")
    tagged = [cell.id for cell in code(name) if checks.is_check(cell)]
    kept = json.loads(checks.REFERENCE.read_text()).get(name, {})
    assert sorted(tagged) == sorted(kept), "check cells have changed: `make smoke-checks`"
    assert sum(bool(numeric(outputs)) for outputs in kept.values()) >= 3


@every_notebook
def test_committed_outputs_are_there_and_clean(name):
    cells = code(name)
    if name == "09_experiments" and not make_variable("OUT_09", "demo"):
        pytest.skip("its tables are not made yet: `make ablation thesis`")
    assert sum(bool(cell.outputs) for cell in cells) >= 3, "`make notebooks` copies the outputs"
    text = json.dumps([cell.outputs for cell in cells])
    assert '"stderr"' not in text and '"error"' not in text
    assert str(ROOT) not in text and "/home/" not in text and "/tmp/" not in text


# ---- nbval catches a wrong number ---------------------------------------------------------------

def run_nbval(folder, printed, expected):
    """Prepare a tiny notebook whose check cell prints one text and should print another."""
    cells = [new_code_cell('profile = "demo"', id="parameters", metadata={"tags": ["parameters"]}),
             new_code_cell(f"print({printed!r})", id="count", metadata={"tags": ["check"]}),
             new_code_cell("import random\nprint(random.random())", id="free")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    source = folder / "01_tiny.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), source)
    outputs = [new_output("stream", name="stdout", text=expected + "\n")]
    target = folder / "nbval" / source.name
    assert checks.prepare(source, target, {"profile": "smoke"}, {"count": outputs}) == 1
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p",
         "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null", str(target)],
        capture_output=True, text=True, check=False)


def test_a_right_value_passes(tmp_path):
    done = run_nbval(tmp_path, "612 stars", "612 stars")
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout


def test_a_mutated_value_fails(tmp_path):
    done = run_nbval(tmp_path, "613 stars", "612 stars")
    assert done.returncode == 1 and "1 failed, 3 passed" in done.stdout, done.stdout


def test_recording_keeps_what_prints_and_no_image():
    outputs = [new_output("stream", name="stdout", text="3\n"),
               new_output("stream", name="stderr", text="warned\n"),
               new_output("display_data", data={"text/plain": "<Figure>", "image/png": "x"})]
    assert checks.comparable(outputs) == [
        {"output_type": "stream", "name": "stdout", "text": "3\n"},
        {"output_type": "display_data", "data": {"text/plain": "<Figure>"}, "metadata": {}}]


def test_smoke_profile_exists():
    assert Paths("smoke").parameters.name == "smoke.yaml"
