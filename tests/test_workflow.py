"""The workflow: parameters are checked, only changed stages run, numbers are compared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cemp.errors import BadInputError
from cemp.paths import ROOT, Paths
from cemp.results import Value, write_values
from cemp.workflow import doctor, inputs, measure, paper, publish, receipt, reference, verify
from cemp.workflow import run as runner
from cemp.workflow.profile import parameters, read_profile


def tiny(*sources):
    """A notebook with a parameters cell and the given code."""
    cells = [new_markdown_cell("# Tiny", id="title"),
             new_code_cell('profile = "demo"\nseed = 1  # a seed', id="parameters",
                           metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture
def repo(tmp_path):
    """A repository with one notebook and one profile; gives a function that (re)writes them."""
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)

    def write(*sources, profile="01_tiny: {seed: 7}\n"):
        nbformat.write(tiny(*sources), tmp_path / "notebooks" / "01_tiny.ipynb")
        (tmp_path / "notebooks" / "profiles" / "demo.yaml").write_text(profile)
        return Paths("demo", tmp_path)

    return write


# ---- parameters ---------------------------------------------------------------------------------

def test_profile_values_reach_the_notebook_and_overrides_win(repo):
    paths = repo("print(seed)")
    assert parameters("01", paths=paths) == {"seed": 7, "profile": "demo"}
    assert parameters("01_tiny", overrides={"seed": 9}, paths=paths)["seed"] == 9


def test_an_unknown_parameter_is_refused_with_the_file_and_the_known_names(repo):
    paths = repo("print(seed)", profile="01_tiny: {sead: 7}\n")
    with pytest.raises(BadInputError, match=r"demo\.yaml.*no parameter sead.*profile, seed"):
        parameters("01", paths=paths)


def test_a_nested_or_broken_profile_is_refused(repo):
    with pytest.raises(BadInputError, match="section '01_tiny'"):
        read_profile(repo("1", profile="01_tiny: {seed: {a: 1}}\n"))
    with pytest.raises(BadInputError, match="not valid YAML"):
        read_profile(repo("1", profile="01_tiny: [\n"))


def test_an_unknown_notebook_names_the_known_ones(repo):
    with pytest.raises(BadInputError, match="no notebook '07'.*01_tiny"):
        parameters("07", paths=repo("1"))


def test_an_identifier_keeps_its_leading_zeros():
    assert runner.override('star="00123456"') == ("star", "00123456")
    assert runner.override("radius=3.0") == ("radius", 3.0)


# ---- running ------------------------------------------------------------------------------------

def test_a_run_executes_in_the_repository_with_its_parameters(repo, capfd):
    paths = repo("import os\nprint(os.getcwd(), seed, os.environ['OMP_NUM_THREADS'])")
    runner.set_environment(paths.root)
    assert runner.run("01", paths) == 0
    done = nbformat.read(paths.build / "notebooks" / "01_tiny.ipynb", as_version=4)
    text = done.cells[-1].outputs[0].text.split()
    assert text[0] == str(paths.root) and text[1:] == ["7", os.environ["OMP_NUM_THREADS"]]
    entry = json.loads((paths.build / "log" / "01_tiny.json").read_text())
    assert entry["seconds"] > 0 and entry["peak_bytes"] > 3e7
    assert "TCP" not in capfd.readouterr().err  # chatter of the kernel goes to the log


def test_a_failing_cell_is_named_and_leaves_no_record(repo, capsys):
    paths = repo("seed", "raise KeyError('obsid 12')")
    assert runner.run("01", paths) == 1
    said = capsys.readouterr().err
    assert "raise KeyError" in said and "obsid 12" in said and len(said.splitlines()) <= 4
    assert not (paths.build / "log" / "01_tiny.json").exists()


def test_an_interrupt_ends_at_once_with_130(repo):
    paths = repo("import time\nprint('asleep', flush=True)\ntime.sleep(60)")
    code = (f"import sys; from pathlib import Path; from cemp.paths import Paths\n"
            f"import cemp.workflow.run as r\nimport signal\n"
            f"signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"r.set_environment(Path({str(ROOT)!r}))\n"
            f"sys.exit(r.run('01', Paths('demo', Path({str(paths.root)!r}))))")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    log, waited = paths.build / "log" / "01_tiny.log", 0.0
    while waited < 60 and not (log.is_file() and "asleep" in log.read_text()):
        time.sleep(0.2)
        waited += 0.2
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and b"stopped" in said


def test_the_meter_sees_memory_of_children():
    with measure.Meter(interval=0.05) as meter:
        subprocess.run([sys.executable, "-c", "x = bytearray(300_000_000); import time;"
                        "time.sleep(0.5)"], check=True)
    assert meter.peak_bytes > 3e8 and meter.seconds >= 0.5


# ---- what a stage depends on --------------------------------------------------------------------

def test_prose_comments_and_looks_are_no_reason_to_run_again(repo):
    paths = repo("import cemp.atomic\nx = 1")
    assert inputs.write_inputs(paths) == ["01_tiny"]
    assert inputs.write_inputs(paths) == []
    repo("import cemp.atomic\nx = 1  # one")
    assert inputs.write_inputs(paths) == []
    repo("import cemp.atomic\nx = 2")
    assert inputs.write_inputs(paths) == ["01_tiny"]
    repo("import cemp.atomic\nx = 2", profile="01_tiny: {seed: 8}\nother: {seed: 1}\n")
    assert inputs.write_inputs(paths) == ["01_tiny"]
    repo("import cemp.atomic\nx = 2", profile="01_tiny: {seed: 8}\nother: {seed: 2}\n")
    assert inputs.write_inputs(paths) == []


def test_imports_are_followed_to_the_end_but_not_into_plots():
    used = inputs.modules_used("from cemp.results import Value\nimport cemp.plots.style", ROOT)
    assert set(used) == {"cemp", "cemp.results", "cemp.atomic", "cemp.errors"}


def test_a_docstring_does_not_count_but_code_does():
    one = 'def f():\n    """Old words."""\n    return 1\n'
    assert inputs.code_hash(one) == inputs.code_hash(one.replace("Old", "New"))
    assert inputs.code_hash(one) != inputs.code_hash(one.replace("1", "2"))


# ---- the Makefile -------------------------------------------------------------------------------

def make(*arguments, **kwargs):
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True,
                          check=False, **kwargs)


def test_make_alone_lists_the_targets():
    listed = make().stdout
    for target in ("all", "test", "figures", "paper", "verify", "bench", "doctor", "clean",
                   "notebooks", "reference", "lint", "help"):
        assert f"  {target} " in listed, target


def test_every_phony_target_is_documented():
    text = (ROOT / "Makefile").read_text()
    phony = text.split(".PHONY: help", 1)[1].split("\n\n")[0].replace("\\", "").split()
    listed = make("help").stdout
    assert all(f"  {target} " in listed for target in phony)


def test_the_survey_is_not_mocked_for_the_real_data():
    assert make("-s", "print-OUT_00", "PROFILE=dr11").stdout.strip() == ""
    assert "truth/stars.parquet" in make("-s", "print-OUT_00", "PROFILE=smoke").stdout


@pytest.fixture
def toy(tmp_path):
    """The Makefile's own form of a stage, around a command that writes one of two files."""
    (tmp_path / "Makefile").write_text(
        "SHELL := /bin/bash\n.SHELLFLAGS := -eu -o pipefail -c\n.DELETE_ON_ERROR:\n"
        "finish = ls $(1) > /dev/null && touch $(1)\n"
        "a b &: source\n\techo ran >> log; $(MAKE_A); $(MAKE_B)\n\t@$(call finish,a b)\n")
    (tmp_path / "source").write_text("1")
    environment = {**os.environ, "MAKE_A": "echo > a", "MAKE_B": "echo > b"}

    def build(*arguments, **extra):
        return subprocess.run(["make", *arguments], cwd=tmp_path, capture_output=True,
                              env={**environment, **extra}, check=False).returncode

    return tmp_path, build


def test_a_stage_runs_once_for_all_its_files_also_in_parallel(toy):
    folder, build = toy
    assert build("-j2", "a", "b") == 0 and (folder / "log").read_text() == "ran\n"
    (folder / "b").unlink()
    assert build("-j2", "a", "b") == 0 and (folder / "log").read_text() == "ran\n" * 2


def test_a_failed_stage_leaves_no_target_and_runs_again(toy):
    folder, build = toy
    assert build("a", MAKE_B="false") == 2 and not (folder / "a").exists()
    assert build("a", MAKE_B="true") == 2  # a file it promised is missing
    assert build("a") == 0


# ---- numbers ------------------------------------------------------------------------------------

REFERENCE = {"values": {
    "EvalFehRmse": {"notebook": "04_evaluation", "what": "RMSE of [Fe/H] [dex]", "fmt": ".2f",
                    "value": 0.14, "scatter": 0.01, "n_seeds": 5},
    "MatchStars": {"notebook": "01_crossmatch", "what": "stars", "fmt": ",d", "value": 2412,
                   "scatter": 0.0, "n_seeds": 1}}}
TEXTS = {"04_evaluation": "EvalFehRmse  RMSE of [Fe/H] [dex]  0.14",
         "01_crossmatch": "0  stars    2{,}412\n1  epochs  2000"}


def values(rmse=0.14, stars=2412):
    return {"EvalFehRmse": Value(rmse, ".2f", headline=True),
            "MatchStars": Value(stars, ",d", headline=True), "Other": Value(1)}


def test_numbers_within_three_sigma_of_a_difference_agree():
    rows, faults = verify.compare(values(rmse=0.19), REFERENCE, TEXTS)
    assert not faults and [row[-1] for row in rows] == ["ok", "ok"]


@pytest.mark.parametrize("changed", [{"rmse": 0.195}, {"stars": 2414}, {"rmse": float("nan")}])
def test_numbers_beyond_differ(changed):
    assert verify.compare(values(**changed), REFERENCE, TEXTS)[1]


def test_a_committed_notebook_that_shows_another_number_differs():
    stale = {**TEXTS, "01_crossmatch": "0  stars   2{,}398\n1 others  2{,}412"}
    assert "notebooks/01_crossmatch.ipynb" in verify.compare(values(), REFERENCE, stale)[1][0]


def test_a_headline_number_of_one_side_only_differs():
    new = {**values(), "CandCemp": Value(3, "d", headline=True)}
    assert "CandCemp" in verify.compare(new, REFERENCE, TEXTS)[1][0]
    assert verify.compare({}, REFERENCE, TEXTS)[1]
    unjudged = {**REFERENCE, "unjudged": ["CandCemp"]}
    assert not verify.compare(new, unjudged, TEXTS)[1]
    assert "CandCemp" in verify.compare(values(), unjudged, TEXTS)[1][0]


def test_headline_numbers_are_gathered_over_seeds(tmp_path):
    runs = []
    for name, rmse in (("demo", 0.10), ("seed-1", 0.12), ("seed-2", 0.14)):
        folder = tmp_path / "build" / name
        folder.mkdir(parents=True)
        (folder / "profile.yaml").write_text("{}")
        runs.append(Paths(name, tmp_path))
        write_values("04_evaluation", {"EvalRmse": Value(rmse, ".2f", "RMSE", True)}, runs[-1])
    write_values("01_crossmatch", {"MatchStars": Value(9, "d", "stars", True)}, runs[0])
    kept = reference.collect(runs[0], runs[1:])
    assert kept["values"]["EvalRmse"]["scatter"] == pytest.approx(0.02)
    assert kept["values"]["EvalRmse"]["value"] == 0.10
    assert kept["values"]["MatchStars"]["scatter"] == 0 and kept["seeds"][1:] == [1, 2]


def test_a_seeds_folder_has_its_own_seed_and_the_demos_data(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "TRAINED", ("01_tiny",))
    (tmp_path / "notebooks" / "profiles").mkdir(parents=True)
    nbformat.write(tiny("1"), tmp_path / "notebooks" / "01_tiny.ipynb")
    (tmp_path / "notebooks" / "profiles" / "demo.yaml").write_text("01_tiny: {}\n")
    demo = Paths("demo", tmp_path)
    (demo.stage("02") / "vectors").mkdir()
    paths = reference.set_up(5, demo)
    assert read_profile(paths) == {"01_tiny": {"seed": 5}}
    assert (paths.build / "02" / "vectors").is_dir() and not (paths.build / "03").exists()


# ---- what readers get ---------------------------------------------------------------------------

def test_published_notebooks_hold_outputs_and_nothing_of_the_machine():
    source, ran = tiny("print(1)"), tiny("print(1)")
    ran.cells.insert(2, new_code_cell("seed = 7", metadata={"tags": ["injected-parameters"]}))
    ran.cells[-1].metadata["papermill"] = {"duration": 1.0}
    ran.cells[-1].outputs = [new_output("stream", name="stderr", text="warned"),
                             new_output("stream", name="stdout", text="/a/repo/build/x 1\n")]
    joined = publish.publish(source, ran, "/a/repo")
    assert [cell.id for cell in joined.cells] == ["title", "parameters", "cell-0"]
    assert [output.text for output in joined.cells[-1].outputs] == ["build/x 1\n"]
    assert joined.cells[-1].metadata == {} and joined.cells[-1].execution_count == 2


def test_outputs_of_other_code_are_refused():
    with pytest.raises(BadInputError, match="'cell-0' has changed since the run"):
        publish.publish(tiny("print(2)"), tiny("print(1)"), "/a/repo")


def test_the_receipt_shows_times_numbers_and_hashes(tmp_path):
    (tmp_path / "x.csv").write_text("abc")
    assert receipt.sha256(tmp_path / "x.csv").startswith("ba7816bf8f01cfea")
    lines = receipt.stage_lines({"01": {"seconds": 60.2, "peak_bytes": 2**30},
                                 "02": {"seconds": 30.0, "peak_bytes": 2**31}})
    assert lines[-1] == "| sum, two at a time | 90 | 2.00 |"
    rows = receipt.headline_lines(values(rmse=0.5), REFERENCE["values"])[2:]
    assert rows[0].endswith("| 0.50 | 0.14 | no |") and rows[1].endswith("| 2,412 | 2,412 | yes |")
    assert len(rows) == 2


def test_the_doctor_runs_without_any_package():
    done = subprocess.run([sys.executable, "-S", "-m", "cemp.workflow.doctor"], cwd=ROOT,
                          capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"]})
    assert "Python 3" in done.stdout and "GiB of memory" in done.stdout and not done.stderr
    assert "packages differ" in done.stdout  # -S hides the installed ones


def test_the_doctor_scales_the_committed_times(tmp_path):
    kept = tmp_path / "headline.json"
    assert doctor.expected_minutes(kept) is None
    kept.write_text(json.dumps({"stages": {"00": {"seconds": 90}, "03": {"seconds": 150}}}))
    assert doctor.expected_minutes(kept) == 4.0  # one waits for the other
    kept.write_text(json.dumps({"stages": {"00": {"seconds": 60}, "06": {"seconds": 300}}}))
    assert doctor.expected_minutes(kept, cores=8) == 3.0
    assert doctor.expected_minutes(kept, cores=1) == 6.0


def test_the_papers_folder_holds_sources_figures_and_values(tmp_path):
    for folder in ("notebooks/profiles", "paper/values", "paper/tables", "figures"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("notebooks/profiles/demo.yaml", "paper/ms.tex", "paper/references.bib",
                 "paper/values/01.tex", "figures/01_a.pdf", "figures/01_a.png"):
        (tmp_path / name).write_text("x")
    folder = paper.gather(Paths("demo", tmp_path))
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"ms.tex", "references.bib", "values/01.tex", "values/all.tex",
                     "figures/01_a.pdf"}
    assert r"\input{values/01}" in (folder / "values" / "all.tex").read_text()


@pytest.mark.skipif(not shutil.which("latexmk"), reason="needs TeX")
def test_an_error_of_tex_is_shown_with_its_line(tmp_path):
    (tmp_path / "ms.tex").write_text("\\documentclass{article}\n\\begin{document}\n\\nosuch\n")
    with pytest.raises(BadInputError, match=r"ms\.tex:3.*Undefined control sequence"):
        paper.typeset(tmp_path, dict(os.environ))


def test_a_seed_that_saw_other_spectra_is_run_again(tmp_path):
    for name in ("demo", "seed-1"):
        (tmp_path / "build" / name / "inputs").mkdir(parents=True)
        (tmp_path / "build" / name / "inputs" / "03_training.json").write_text("{}")
        (tmp_path / "build" / name / "profile.yaml").write_text("{}")
    demo, seed = Paths("demo", tmp_path), Paths("seed-1", tmp_path)
    (demo.build / "02").mkdir()
    spectra = demo.build / "02" / "processed.csv"
    spectra.write_text("obsid")
    os.utime(spectra, (1.0, 1.0))
    assert reference.finished("03_training", seed, demo)
    os.utime(spectra, (4e9, 4e9))
    assert not reference.finished("03_training", seed, demo)


def test_a_folder_in_place_of_a_profile_is_named(tmp_path):
    (tmp_path / "notebooks" / "profiles" / "mine.yaml").mkdir(parents=True)
    with pytest.raises(BadInputError, match="mine.yaml is a folder"):
        Paths("mine", tmp_path)
